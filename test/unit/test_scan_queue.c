/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of scan/queue.c: nothing is lost, nothing waits for ever, and the
 * lists stay short. */
#include "index_test.h"

#include <pthread.h>

#include "scan/scan.h"

#define S INT64_C(1000000000)

static vld_run *new_run(size_t batch)
{
    vld_run *run = calloc(1, sizeof(*run));

    run->batch = batch;
    assert_int_equal(vld_queue_init(run), APR_SUCCESS);
    return run;
}

static void free_run(vld_run *run)
{
    vld_queue_destroy(run);
    free(run);
}

static vld_job *new_job(unsigned n)
{
    vld_job *job = calloc(1, sizeof(*job) + 1);

    job->len = n;
    return job;
}

static void in_order(void **state)
{
    vld_run *run = new_run(10);
    vld_job_list out;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        vld_queue_put(run, new_job(i));
    }
    for (unsigned i = 0; i < 3; i++) {
        vld_job *job = vld_queue_take(run);

        assert_int_equal(job->len, i);
        vld_queue_done(run, job);
    }
    vld_queue_walked(run);
    assert_null(vld_queue_take(run));
    assert_true(vld_queue_collect(run, S, &out));
    assert_int_equal(out.count, 3);
    assert_int_equal(out.first->len, 0);
    vld_job_list_free(&out);
    assert_false(vld_queue_collect(run, S, &out));
    assert_int_equal(out.count, 0);
    free_run(run);
}

static void batches(void **state)
{
    vld_run *run = new_run(3);
    vld_job_list out;

    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        vld_queue_put(run, new_job(i));
        vld_queue_done(run, vld_queue_take(run));
        assert_true(vld_queue_collect(run, 0, &out));
        assert_int_equal(out.count, i == 2 ? 3 : 0);
        vld_job_list_free(&out);
    }
    free_run(run);
}

/* One file is hashed for long while another's result is there. */
static void not_held_back(void **state)
{
    vld_run *run = new_run(1000);
    int64_t before = vld_monotonic_ns();
    vld_job *slow;
    vld_job_list out;

    (void)state;
    vld_queue_put(run, new_job(0));
    vld_queue_put(run, new_job(1));
    slow = vld_queue_take(run);
    vld_queue_done(run, vld_queue_take(run));
    assert_true(vld_queue_collect(run, 5 * S, &out) || out.count);
    while (!out.count) {
        assert_true(vld_queue_collect(run, S / 10, &out));
    }
    assert_int_equal(out.count, 1);
    assert_in_range(vld_monotonic_ns() - before, S / 2, 8 * S);
    vld_job_list_free(&out);
    vld_queue_drop(run, slow);
    free_run(run);
}

static void aside(void **state)
{
    vld_run *run = new_run(10);
    vld_job *job = new_job(1);
    int64_t ready = vld_monotonic_ns() + 60 * MS;

    (void)state;
    vld_queue_put(run, job);
    assert_ptr_equal(vld_queue_take(run), job);
    job->ready_ns = ready;
    assert_true(vld_queue_aside(run, job));
    vld_queue_put(run, new_job(2));
    vld_queue_walked(run);
    job = vld_queue_take(run);
    assert_int_equal(job->len, 2);
    vld_queue_drop(run, job);
    job = vld_queue_take(run);
    assert_int_equal(job->len, 1);
    assert_true(vld_monotonic_ns() >= ready);
    vld_queue_drop(run, job);
    assert_null(vld_queue_take(run));
    free_run(run);
}

static void aside_is_bounded(void **state)
{
    vld_run *run = new_run(10);
    unsigned n = 0;
    bool taken = true;

    (void)state;
    while (taken && n < 1000000) {
        vld_job *job = new_job(n++);

        vld_queue_put(run, job);
        vld_queue_take(run);
        job->ready_ns = vld_monotonic_ns() + 1000 * S;
        taken = vld_queue_aside(run, job);
        if (!taken) {
            vld_queue_drop(run, job);
        }
    }
    assert_false(taken);
    assert_in_range(n, 1000, 100000);
    free_run(run);
}

/* --- threads ------------------------------------------------------------- */

#define JOBS 20000

static void *walk(void *data)
{
    vld_run *run = data;

    for (unsigned i = 0; i < JOBS; i++) {
        vld_queue_put(run, new_job(i));
    }
    vld_queue_walked(run);
    return NULL;
}

static void *hash(void *data)
{
    vld_run *run = data;
    vld_job *job;

    while ((job = vld_queue_take(run))) {
        if (job->len % 10 == 3) {
            vld_queue_drop(run, job);
        }
        else if (job->len % 10 == 7 && !job->asides++) {
            job->ready_ns = vld_monotonic_ns() + 2 * MS;
            if (!vld_queue_aside(run, job)) {
                vld_queue_done(run, job);
            }
        }
        else {
            vld_queue_done(run, job);
        }
    }
    return NULL;
}

static size_t run_crowd(vld_run *run, size_t stop_after)
{
    pthread_t thread[5];
    char *seen = calloc(1, JOBS);
    size_t sum = 0;
    vld_job_list out;

    pthread_create(&thread[0], NULL, walk, run);
    for (int i = 1; i < 5; i++) {
        pthread_create(&thread[i], NULL, hash, run);
    }
    while (vld_queue_collect(run, S / 10, &out)) {
        assert_true(out.count <= 16 * run->batch + 4);
        for (vld_job *job = out.first; job; job = job->next) {
            assert_int_equal(seen[job->len]++, 0);
        }
        sum += out.count;
        vld_job_list_free(&out);
        if (sum >= stop_after) {
            vld_queue_end(run, APR_EINTR);
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
        vld_run *run = new_run(sizes[i]);

        assert_int_equal(run_crowd(run, JOBS), JOBS / 10 * 9);
        assert_int_equal(run->rv, APR_SUCCESS);
        free_run(run);
    }
}

static void ends(void **state)
{
    (void)state;
    for (size_t after = 1; after < 3000; after += 500) {
        vld_run *run = new_run(50);
        size_t sum = run_crowd(run, after);

        assert_true(sum >= after && sum < JOBS);
        assert_int_equal(run->rv, APR_EINTR);
        vld_queue_end(run, APR_EGENERAL);
        assert_int_equal(run->rv, APR_EINTR);
        free_run(run);
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
