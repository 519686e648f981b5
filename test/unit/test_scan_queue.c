/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of scan/queue.c: nothing is lost, nothing waits for ever, and the
 * lists stay short. */
#include "index_test.h"

#include <pthread.h>

#include "scan/queue.h"

#define S INT64_C(1000000000)

typedef struct job {
    vld_item item;
    unsigned number;
} job;

static void free_job(vld_item *item)
{
    free(item);
}

static vld_pool *new_pool(size_t batch)
{
    const vld_pool_work work = { .batch = batch,
                                 .age_ns = S,
                                 .free = free_job };
    vld_pool *pool;

    assert_int_equal(vld_pool_make(&pool, &work), APR_SUCCESS);
    return pool;
}

static vld_item *new_item(unsigned n)
{
    job *j = calloc(1, sizeof(*j));

    j->number = n;
    return &j->item;
}

static unsigned number_of(const vld_item *item)
{
    return ((const job *)item)->number;
}

static void in_order(void **state)
{
    vld_pool *pool = new_pool(10);
    vld_item_list out;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        vld_pool_put(pool, new_item(i));
    }
    for (unsigned i = 0; i < 3; i++) {
        vld_item *item = vld_pool_take(pool);

        assert_int_equal(number_of(item), i);
        vld_pool_done(pool, item);
    }
    vld_pool_close(pool);
    assert_null(vld_pool_take(pool));
    assert_true(vld_pool_collect(pool, S, &out));
    assert_int_equal(out.count, 3);
    assert_int_equal(number_of(out.first), 0);
    vld_pool_free_items(pool, &out);
    assert_false(vld_pool_collect(pool, S, &out));
    assert_int_equal(out.count, 0);
    vld_pool_free(pool);
}

static void batches(void **state)
{
    vld_pool *pool = new_pool(3);
    vld_item_list out;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        vld_pool_put(pool, new_item(i));
        vld_pool_done(pool, vld_pool_take(pool));
        assert_true(vld_pool_collect(pool, 0, &out));
        assert_int_equal(out.count, i == 2 ? 3 : 0);
        vld_pool_free_items(pool, &out);
    }
    vld_pool_free(pool);
}

/* One file is hashed for long while another's result is there. */
static void not_held_back(void **state)
{
    vld_pool *pool = new_pool(1000);
    int64_t before = vld_monotonic_ns();
    vld_item *slow;
    vld_item_list out;

    (void)state;
    vld_pool_put(pool, new_item(0));
    vld_pool_put(pool, new_item(1));
    slow = vld_pool_take(pool);
    vld_pool_done(pool, vld_pool_take(pool));
    assert_true(vld_pool_collect(pool, 5 * S, &out) || out.count);
    while (!out.count) {
        assert_true(vld_pool_collect(pool, S / 10, &out));
    }
    assert_int_equal(out.count, 1);
    assert_in_range(vld_monotonic_ns() - before, S / 2, 8 * S);
    vld_pool_free_items(pool, &out);
    vld_pool_drop(pool, slow);
    vld_pool_free(pool);
}

static void aside(void **state)
{
    vld_pool *pool = new_pool(10);
    vld_item *item = new_item(1);
    int64_t ready = vld_monotonic_ns() + 60 * MS;

    (void)state;
    vld_pool_put(pool, item);
    assert_ptr_equal(vld_pool_take(pool), item);
    item->ready_ns = ready;
    assert_true(vld_pool_defer(pool, item));
    vld_pool_put(pool, new_item(2));
    vld_pool_close(pool);
    item = vld_pool_take(pool);
    assert_int_equal(number_of(item), 2);
    vld_pool_drop(pool, item);
    item = vld_pool_take(pool);
    assert_int_equal(number_of(item), 1);
    assert_true(vld_monotonic_ns() >= ready);
    vld_pool_drop(pool, item);
    assert_null(vld_pool_take(pool));
    vld_pool_free(pool);
}

static void aside_is_bounded(void **state)
{
    vld_pool *pool = new_pool(10);
    unsigned n = 0;
    bool taken = true;

    (void)state;
    while (taken && n < 1000000) {
        vld_item *item = new_item(n++);

        vld_pool_put(pool, item);
        vld_pool_take(pool);
        item->ready_ns = vld_monotonic_ns() + 1000 * S;
        taken = vld_pool_defer(pool, item);
        if (!taken) {
            vld_pool_drop(pool, item);
        }
    }
    assert_false(taken);
    assert_in_range(n, 1000, 100000);
    vld_pool_free(pool);
}

/* --- threads ------------------------------------------------------------- */

#define JOBS 20000

static void *walk(void *data)
{
    vld_pool *pool = data;

    for (unsigned i = 0; i < JOBS; i++) {
        vld_pool_put(pool, new_item(i));
    }
    vld_pool_close(pool);
    return NULL;
}

static void *hash(void *data)
{
    vld_pool *pool = data;
    vld_item *item;

    while ((item = vld_pool_take(pool))) {
        if (number_of(item) % 10 == 3) {
            vld_pool_drop(pool, item);
        }
        else if (number_of(item) % 10 == 7 && !item->deferred++) {
            item->ready_ns = vld_monotonic_ns() + 2 * MS;
            if (!vld_pool_defer(pool, item)) {
                vld_pool_done(pool, item);
            }
        }
        else {
            vld_pool_done(pool, item);
        }
    }
    return NULL;
}

static size_t run_crowd(vld_pool *pool, size_t stop_after)
{
    pthread_t thread[5];
    char *seen = calloc(1, JOBS);
    size_t sum = 0;
    vld_item_list out;

    pthread_create(&thread[0], NULL, walk, pool);
    for (int i = 1; i < 5; i++) {
        pthread_create(&thread[i], NULL, hash, pool);
    }
    while (vld_pool_collect(pool, S / 10, &out)) {
        assert_true(out.count <= 16 * pool->work.batch + 4);
        for (vld_item *item = out.first; item; item = item->next) {
            assert_int_equal(seen[number_of(item)]++, 0);
        }
        sum += out.count;
        vld_pool_free_items(pool, &out);
        if (sum >= stop_after) {
            vld_pool_end(pool, APR_EINTR);
        }
    }
    for (int i = 0; i < 5; i++) {
        pthread_join(thread[i], NULL);
    }
    free(seen);
    return sum;
}

static void nothing_is_lost(void **state)
{
    static const size_t sizes[] = { 1, 7, 4096 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        vld_pool *pool = new_pool(sizes[i]);

        assert_int_equal(run_crowd(pool, JOBS), JOBS / 10 * 9);
        assert_int_equal(pool->rv, APR_SUCCESS);
        vld_pool_free(pool);
    }
}

static void ends(void **state)
{
    (void)state;
    for (size_t after = 1; after < 3000; after += 500) {
        vld_pool *pool = new_pool(50);
        size_t sum = run_crowd(pool, after);

        assert_true(sum >= after && sum < JOBS);
        assert_int_equal(pool->rv, APR_EINTR);
        vld_pool_end(pool, APR_EGENERAL);
        assert_int_equal(pool->rv, APR_EINTR);
        vld_pool_free(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(in_order, "jobs and results come in order, then the end"),
        TEST(batches, "results come in batches"),
        TEST(not_held_back, "a result waits for others no longer than a "
                            "second"),
        TEST(aside, "a job put aside comes back when it is ready"),
        TEST(aside_is_bounded, "no more than so many are put aside"),
        TEST(nothing_is_lost, "every job comes out once, and no list grows"),
        TEST(ends, "all threads end when they are told, and the first "
                   "reason stands"),
    };

    return RUN(tests);
}
