/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of scan/pool.c: each item is dealt with once, the pool ends soon when
 * it is to end, and its memory is bounded. */
#include "index_test.h"

#include <pthread.h>
#include <sched.h>

#define S INT64_C(1000000000)
#define FEW 200

typedef struct job {
    vld_item item;
    unsigned number;
    unsigned reads;
    bool passed;
    const char *why; /* given up */
    int64_t read_ns;
} job;

/* What a test asks for, and what it has seen. */
typedef struct trial {
    vld_pool_work work;
    unsigned count;
    bool passes;            /* every third item */
    unsigned waits;         /* each item waits so often */
    int64_t wait_ns;        /* so long */
    long nap_ms;            /* of a reader */
    apr_status_t source_rv; /* after half of the items; 0: all */
    apr_status_t sink_rv;   /* at once */
    bool blocks;            /* the source, until the pool ends */
    pthread_t thread;       /* that runs the pool */
    unsigned put;           /* atomic */
    unsigned freed;         /* atomic */
    unsigned most;          /* at a time; of the source's thread */
    unsigned read, at_once; /* atomic: readers inside, the most of them */
    bool masked;            /* signals in reader or source: as they must be */
    unsigned sunk, sinks, ticks, given_up, passed;
    char seen[200000];
} trial;

static trial *of; /* the one that runs: vld_pool_work.free has no baton */

static void free_job(vld_item *item)
{
    __atomic_fetch_add(&of->freed, 1, __ATOMIC_RELAXED);
    free(item);
}

static void check_mask(trial *t)
{
    sigset_t set;

    pthread_sigmask(SIG_SETMASK, NULL, &set);
    if (!sigismember(&set, SIGTERM) || !sigismember(&set, SIGCHLD)
        || sigismember(&set, SIGBUS) || sigismember(&set, SIGSEGV)) {
        __atomic_store_n(&t->masked, false, __ATOMIC_RELAXED);
    }
}

static bool put_one_of(trial *t, vld_pool *pool, unsigned i)
{
    job *j = calloc(1, sizeof(*j));
    unsigned held = t->put - __atomic_load_n(&t->freed, __ATOMIC_RELAXED);

    t->most = held > t->most ? held : t->most;
    __atomic_store_n(&t->put, t->put + 1, __ATOMIC_RELAXED);
    j->number = i;
    j->passed = t->passes && i % 3 == 0;
    return j->passed ? vld_pool_pass(pool, &j->item)
                     : vld_pool_put(pool, &j->item);
}

static apr_status_t give_items(void *baton, vld_pool *pool)
{
    trial *t = baton;

    check_mask(t);
    for (unsigned i = 0; i < t->count; i++) {
        if (t->source_rv && i == t->count / 2) {
            nap_ms(200);
            return t->source_rv;
        }
        if (!put_one_of(t, pool, i)) {
            break;
        }
    }
    while (t->blocks && !vld_pool_is_ending(pool)) {
        nap_ms(1);
    }
    return APR_SUCCESS;
}

static vld_item_next read_job(void *baton, vld_pool *pool, vld_item *item)
{
    trial *t = baton;
    job *j = (job *)item;
    unsigned inside = __atomic_add_fetch(&t->read, 1, __ATOMIC_RELAXED);
    unsigned most = __atomic_load_n(&t->at_once, __ATOMIC_RELAXED);

    (void)pool;
    check_mask(t);
    while (inside > most
           && !__atomic_compare_exchange_n(&t->at_once, &most, inside, false,
                                           __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED)) {
    }
    if (t->nap_ms) {
        nap_ms(t->nap_ms);
    }
    __atomic_fetch_sub(&t->read, 1, __ATOMIC_RELAXED);
    if (j->reads++) {
        assert_true(vld_monotonic_ns() - j->read_ns >= t->wait_ns);
    }
    j->read_ns = vld_monotonic_ns();
    j->item.wait_ns = t->wait_ns;
    if (j->reads <= t->waits) {
        return VLD_ITEM_WAIT;
    }
    return j->number % 10 == 9 ? VLD_ITEM_DROP : VLD_ITEM_DONE;
}

static vld_item_next give_up(void *baton, vld_item *item, const char *why)
{
    (void)baton;
    ((job *)item)->why = why;
    return VLD_ITEM_DONE;
}

static apr_status_t take_results(void *baton, const vld_item_list *results)
{
    trial *t = baton;

    assert_true(pthread_equal(pthread_self(), t->thread));
    t->sinks++;
    for (vld_item *item = results->first; item; item = item->next) {
        job *j = (job *)item;

        assert_int_equal(t->seen[j->number]++, 0);
        assert_true(j->passed ? !j->reads : j->reads);
        t->sunk++;
        t->passed += j->passed;
        t->given_up += j->why != NULL;
        if (j->why) {
            assert_string_equal(j->why, t->wait_ns > 10 * S
                                            ? "its change time lies in the "
                                              "future"
                                            : "it keeps changing");
            assert_int_equal(j->reads, t->wait_ns > 10 * S ? 1 : 4);
        }
    }
    return t->sink_rv;
}

static void count_tick(void *baton)
{
    trial *t = baton;

    t->ticks++;
}

static trial *new_trial(unsigned count)
{
    trial *t = calloc(1, sizeof(*t));

    t->work = (vld_pool_work){ .jobs = 4,
                               .batch = 50,
                               .age_ns = S,
                               .baton = t,
                               .source = give_items,
                               .read = read_job,
                               .give_up = give_up,
                               .sink = take_results,
                               .tick = count_tick,
                               .free = free_job };
    t->count = count;
    t->masked = true;
    t->thread = pthread_self();
    of = t;
    return t;
}

/* Run it; whatever happens, each item is freed once. */
static apr_status_t run_trial(trial *t)
{
    apr_status_t rv = vld_pool_run(&t->work);

    assert_int_equal(t->put, t->freed);
    assert_true(t->masked);
    return rv;
}

/* --- tests --------------------------------------------------------------- */

static void each_once(void **state)
{
    static const unsigned jobs[] = { 0, 1, 2, 7 };

    (void)state;
    for (int i = 0; i < 4; i++) {
        trial *t = new_trial(20000);

        t->work.jobs = jobs[i];
        t->passes = true;
        assert_int_equal(run_trial(t), APR_SUCCESS);
        /* Of 20,000: a third is passed on, a tenth of the rest is dropped. */
        assert_int_equal(t->passed, 6667);
        assert_int_equal(t->sunk, 20000 - 2000 + 667);
        assert_true(t->sinks >= t->sunk / (17 * 50));
        free(t);
    }
}

static void bounded(void **state)
{
    trial *t = new_trial(100000);

    (void)state;
    t->passes = true;
    t->work.batch = 10;
    assert_int_equal(run_trial(t), APR_SUCCESS);
    assert_in_range(t->most, 1, VLD_POOL_WAITING + 4 + 2 * 16 * 10 + 8);
    free(t);
}

static void nothing_to_do(void **state)
{
    trial *t = new_trial(0);

    (void)state;
    assert_int_equal(run_trial(t), APR_SUCCESS);
    assert_int_equal(t->sinks, 0);
    free(t);
}

static void as_many_as_asked(void **state)
{
    trial *t = new_trial(60);

    (void)state;
    t->work.jobs = 3;
    t->nap_ms = 5;
    assert_int_equal(run_trial(t), APR_SUCCESS);
    assert_int_equal(t->at_once, 3);
    free(t);
}

static void on_one_core(void *data)
{
    trial *t = data;
    cpu_set_t set;
    int cpu;

    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    for (cpu = 0; !CPU_ISSET(cpu, &set); cpu++) {
    }
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
    t->work.jobs = 0;
    t->nap_ms = 2;
    t->thread = pthread_self();
    _exit(run_trial(t) == APR_SUCCESS && t->at_once == 1 ? 0 : 1);
}

static void one_a_core(void **state)
{
    trial *t = new_trial(40);

    (void)state;
    assert_int_equal(in_child(on_one_core, t), 0);
    free(t);
}

static void waits(void **state)
{
    trial *t = new_trial(FEW);

    (void)state;
    t->waits = 3;
    t->wait_ns = 20 * MS;
    assert_int_equal(run_trial(t), APR_SUCCESS);
    assert_int_equal(t->sunk, FEW / 10 * 9);
    assert_int_equal(t->given_up, 0);
    free(t);
}

static void gives_up(void **state)
{
    static const int64_t wait_ns[] = { 5 * MS, 10 * S + 1 };

    (void)state;
    for (int i = 0; i < 2; i++) {
        trial *t = new_trial(FEW);
        int64_t before = vld_monotonic_ns();

        t->waits = 1000;
        t->wait_ns = wait_ns[i];
        assert_int_equal(run_trial(t), APR_SUCCESS);
        assert_int_equal(t->given_up, FEW);
        assert_true(vld_monotonic_ns() - before < 5 * S);
        free(t);
    }
}

/* More than may be deferred. */
static void many_wait(void **state)
{
    trial *t = new_trial(20000);

    (void)state;
    t->waits = 1;
    t->wait_ns = 300 * MS;
    t->work.jobs = 64;
    assert_int_equal(run_trial(t), APR_SUCCESS);
    assert_int_equal(t->sunk, 18000);
    free(t);
}

static void source_fails(void **state)
{
    trial *t = new_trial(FEW);

    (void)state;
    t->source_rv = APR_EGENERAL;
    assert_int_equal(run_trial(t), APR_EGENERAL);
    assert_int_equal(t->sunk, FEW / 2 / 10 * 9);
    free(t);
}

static void sink_fails(void **state)
{
    trial *t = new_trial(20000);

    (void)state;
    t->sink_rv = APR_ENOSPC;
    assert_int_equal(run_trial(t), APR_ENOSPC);
    assert_int_equal(t->sinks, 1);
    free(t);
}

static int stop_flag;

static void *stop_soon(void *data)
{
    nap_ms(*(const long *)data);
    __atomic_store_n(&stop_flag, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void stopped(void **state)
{
    static const long after_ms[] = { 0, 5, 150 };

    (void)state;
    for (int i = 0; i < 6; i++) {
        trial *t = new_trial(i < 3 ? 100000 : 10);
        int64_t before = vld_monotonic_ns();
        pthread_t other;

        t->work.stop = &stop_flag;
        t->nap_ms = i < 3 ? 10 : 0;
        t->blocks = i >= 3;
        stop_flag = 0;
        pthread_create(&other, NULL, stop_soon,
                       (void *)(uintptr_t)&after_ms[i % 3]);
        assert_int_equal(run_trial(t), APR_EINTR);
        assert_true(vld_monotonic_ns() - before < 3 * S);
        assert_int_equal(t->sunk, i < 3 ? t->sunk : 9);
        pthread_join(other, NULL);
        free(t);
    }
}

/* Waiting for what is far away does not keep a pool from its end. */
static void stopped_while_waiting(void **state)
{
    static const long after_ms = 50;
    trial *t = new_trial(10);
    int64_t before = vld_monotonic_ns();
    pthread_t other;

    (void)state;
    t->work.stop = &stop_flag;
    t->waits = 1;
    t->wait_ns = 9 * S;
    stop_flag = 0;
    pthread_create(&other, NULL, stop_soon, (void *)(uintptr_t)&after_ms);
    assert_int_equal(run_trial(t), APR_EINTR);
    assert_true(vld_monotonic_ns() - before < 3 * S);
    assert_int_equal(t->sunk, 0);
    pthread_join(other, NULL);
    free(t);
}

static void ticks(void **state)
{
    trial *t = new_trial(100);
    int64_t before = vld_monotonic_ns();

    (void)state;
    t->work.jobs = 1;
    t->nap_ms = 10;
    t->work.age_ns = 100 * MS;
    assert_int_equal(run_trial(t), APR_SUCCESS);
    assert_in_range(t->ticks, 3,
                    (vld_monotonic_ns() - before) / (100 * MS) + 1);
    /* No batch is full, but its first result is old. */
    assert_true(t->sinks >= 3);
    free(t);
}

/* --- without a sink ------------------------------------------------------ */

static void started(void **state)
{
    trial *t = new_trial(0);
    vld_pool *pool;

    (void)state;
    t->work.source = NULL;
    t->work.sink = NULL;
    t->nap_ms = 1;
    assert_int_equal(vld_pool_start(&pool, &t->work), APR_SUCCESS);
    for (unsigned i = 0; i < VLD_POOL_WAITING; i++) {
        assert_true(put_one_of(t, pool, i));
    }
    assert_int_equal(vld_pool_finish(pool), APR_SUCCESS);
    assert_int_equal(t->freed, VLD_POOL_WAITING);
    assert_int_equal(t->at_once, 4);
    free(t);
}

static void started_and_ended(void **state)
{
    trial *t = new_trial(0);
    vld_pool *pool;

    (void)state;
    t->work.source = NULL;
    t->work.sink = NULL;
    t->nap_ms = 100;
    assert_int_equal(vld_pool_start(&pool, &t->work), APR_SUCCESS);
    assert_int_equal(*vld_pool_ending(pool), 0);
    for (unsigned i = 0; i < VLD_POOL_WAITING; i++) {
        assert_true(put_one_of(t, pool, i));
    }
    vld_pool_end(pool, APR_EOF);
    assert_true(vld_pool_is_ending(pool));
    assert_false(put_one_of(t, pool, 0));
    assert_int_equal(vld_pool_finish(pool), APR_EOF);
    assert_int_equal(t->put, t->freed);
    free(t);
}

/* --- a file -------------------------------------------------------------- */

typedef struct reading {
    vld_item item;
    char path[160];
    vld_reading reading;
    vld_attempt attempt;
    vld_record record;
    uint64_t octets;
} reading;

static vld_item_next read_file(void *baton, vld_pool *pool, vld_item *item)
{
    reading *r = (reading *)item;

    (void)baton;
    r->attempt.record = &r->record;
    r->attempt.progress = &r->octets;
    r->reading = vld_pool_try(pool, r->path, &r->attempt);
    return VLD_ITEM_DONE;
}

static void keep_item(vld_item *item)
{
    (void)item;
}

static void files(void **state)
{
    place *t = *state;
    const vld_pool_work work = { .batch = 1,
                                 .read = read_file,
                                 .free = keep_item };
    static reading r[4];
    vld_digest digest;
    vld_pool *pool;

    write_text(below(t->root, "file"), "text");
    nap_ms(100);
    assert_int_equal(symlink("file", below(t->root, "link")), 0);
    strcpy(r[0].path, below(t->root, "file"));
    strcpy(r[1].path, below(t->root, "none"));
    strcpy(r[2].path, below(t->root, "link"));
    strcpy(r[3].path, t->root);
    assert_int_equal(vld_pool_start(&pool, &work), APR_SUCCESS);
    for (int i = 0; i < 4; i++) {
        assert_true(vld_pool_put(pool, &r[i].item));
    }
    assert_int_equal(vld_pool_finish(pool), APR_SUCCESS);
    assert_int_equal(r[0].reading, VLD_READ);
    assert_int_equal(r[0].octets, 4);
    assert_int_equal(vld_digest_bytes("text", 4, &digest), APR_SUCCESS);
    assert_memory_equal(&r[0].record.digest, &digest, sizeof(digest));
    assert_int_equal(r[1].reading, VLD_READ_FAILED);
    assert_true(APR_STATUS_IS_ENOENT(r[1].attempt.rv));
    assert_int_equal(r[2].reading, VLD_READ_FAILED);
    assert_int_equal(r[2].attempt.rv, APR_FROM_OS_ERROR(ELOOP));
    assert_int_equal(r[3].reading, VLD_PASSED);
}

/* A hole of a terabyte is read for minutes. */
static void large_file(void **state)
{
    place *t = *state;
    const vld_pool_work work = { .batch = 1,
                                 .read = read_file,
                                 .free = keep_item };
    static reading r;
    int64_t before = vld_monotonic_ns();
    vld_pool *pool;

    strcpy(r.path, below(t->root, "file"));
    write_text(r.path, "");
    assert_int_equal(truncate(r.path, (off_t)1 << 40), 0);
    nap_ms(100);
    assert_int_equal(vld_pool_start(&pool, &work), APR_SUCCESS);
    assert_true(vld_pool_put(pool, &r.item));
    nap_ms(100);
    vld_pool_end(pool, APR_EINTR);
    assert_int_equal(vld_pool_finish(pool), APR_EINTR);
    assert_true(vld_monotonic_ns() - before < 10 * S);
    assert_int_equal(r.reading, VLD_READ_FAILED);
    assert_true(APR_STATUS_IS_EINTR(r.attempt.rv));
    assert_true(r.octets > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_once, "each item is read once, passed on or dropped, by any "
                        "number of readers"),
        TEST(bounded, "no more items are held than the lists may have"),
        TEST(nothing_to_do, "without an item the sink is not called"),
        TEST(as_many_as_asked, "as many read at once as were asked for"),
        TEST(one_a_core, "without a number, one for each core that the "
                         "process may use"),
        TEST(waits, "an item that waits is read again when it said, and not "
                    "before"),
        TEST(gives_up, "one that waits for too long, or too often, is given "
                       "up"),
        TEST(many_wait, "more than may be put off are dealt with all the "
                        "same"),
        TEST(source_fails, "a source that fails ends the pool; what was read "
                           "is sunk"),
        TEST(sink_fails, "a sink that fails ends the pool, and gets no more"),
        TEST(stopped, "a pool that is to stop stops soon, whatever its "
                      "threads wait for"),
        TEST(stopped_while_waiting, "also while items wait"),
        TEST(ticks, "ten ticks a second, and old results do not wait for a "
                    "batch"),
        TEST(started, "without a sink, all that was put is read"),
        TEST(started_and_ended, "or, when it is ended, freed"),
        TEST(files, "a reader reads a file whole, or says why not"),
        TEST(large_file, "an end ends the reading of a large file"),
    };

    return RUN(tests);
}
