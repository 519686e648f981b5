/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A pool of readers: its threads, and what becomes of an item that was read.
 * It knows neither files nor the index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scan/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS INT64_C(1000000)
#define TICK_NS (100 * NS_PER_MS)
#define WAIT_MOST_NS (10000 * NS_PER_MS)
#define WAITS_MOST 3

void vld_pool_nap(const vld_pool *pool, int64_t ns)
{
    const int64_t slice = 50 * NS_PER_MS;

    while (ns > 0 && !vld_pool_is_ending(pool)) {
        int64_t part = ns < slice ? ns : slice;
        struct timespec ts = { 0, (long)part };

        nanosleep(&ts, NULL);
        ns -= part;
    }
}

vld_reading vld_pool_try(vld_pool *pool, const char *path, vld_attempt *a)
{
    vld_reading o;

    a->stop = &pool->ending;
    a->fd = vld_beneath_open(path, VLD_OPEN_TO_READ);
    if (a->fd < 0) {
        a->rv = vld_error_os();
        return VLD_READ_FAILED;
    }
    o = vld_file_try(a);
    close(a->fd);
    return o;
}

/* --- the readers --------------------------------------------------------- */

static const char *why_not_wait(vld_item *item)
{
    if (item->wait_ns > WAIT_MOST_NS) {
        return "its change time lies in the future";
    }
    return item->deferred++ < WAITS_MOST ? NULL : "it keeps changing";
}

static vld_item_next read_again(vld_pool *pool, vld_item *item)
{
    vld_pool_nap(pool, item->wait_ns + NS_PER_MS);
    return pool->work.read(pool->work.baton, pool, item);
}

/* Until it need not wait any more; false: it was put off. */
static bool wait_for_settling(vld_pool *pool, vld_item *item,
                              vld_item_next *next)
{
    while (*next == VLD_ITEM_WAIT) {
        const char *why;

        if (vld_pool_is_ending(pool)) {
            *next = VLD_ITEM_DROP;
            break;
        }
        why = why_not_wait(item);
        if (why) {
            *next = pool->work.give_up(pool->work.baton, item, why);
            break;
        }
        item->ready_ns = vld_monotonic_ns() + item->wait_ns + NS_PER_MS;
        if (vld_pool_defer(pool, item)) {
            return false;
        }
        *next = read_again(pool, item);
    }
    return true;
}

static void *read_items(void *data)
{
    vld_pool *pool = data;
    vld_item *item;

    while ((item = vld_pool_take(pool))) {
        vld_item_next next = pool->work.read(pool->work.baton, pool, item);

        if (!wait_for_settling(pool, item, &next)) {
            continue;
        }
        if (next == VLD_ITEM_DONE && pool->work.sink) {
            vld_pool_done(pool, item);
        }
        else {
            vld_pool_drop(pool, item);
        }
    }
    return NULL;
}

/* --- start and end ------------------------------------------------------- */

static void *run_source(void *data)
{
    vld_pool *pool = data;
    apr_status_t rv = pool->work.source(pool->work.baton, pool);

    if (rv != APR_SUCCESS) {
        vld_pool_end(pool, rv);
    }
    vld_pool_close(pool);
    return NULL;
}

static size_t count_readers(unsigned jobs)
{
    cpu_set_t set;
    size_t n = jobs;

    if (!n) {
        n = sched_getaffinity(0, sizeof(set), &set)
                ? (size_t)sysconf(_SC_NPROCESSORS_ONLN)
                : (size_t)CPU_COUNT(&set);
    }
    return n < 1 ? 1 : n > VLD_JOBS_MOST ? VLD_JOBS_MOST : n;
}

/* Fewer readers than wanted are enough, none are not. */
static bool start_threads(vld_pool *pool)
{
    size_t n = count_readers(pool->work.jobs);

    while (pool->reader_count < n
           && !pthread_create(&pool->readers[pool->reader_count], NULL,
                              read_items, pool)) {
        pool->reader_count++;
    }
    pool->has_source = pool->reader_count && pool->work.source
                       && !pthread_create(&pool->source, NULL, run_source,
                                          pool);
    return pool->reader_count && (pool->has_source || !pool->work.source);
}

apr_status_t vld_pool_start(vld_pool **out, const vld_pool_work *work)
{
    sigset_t before;
    apr_status_t rv = vld_pool_make(out, work);
    bool started;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    vld_thread_block_signals(&before);
    started = start_threads(*out);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        return APR_SUCCESS;
    }
    vld_pool_end(*out, APR_EAGAIN);
    return vld_pool_finish(*out);
}

apr_status_t vld_pool_finish(vld_pool *pool)
{
    apr_status_t rv;

    if (pool->has_source) {
        pthread_join(pool->source, NULL);
    }
    vld_pool_close(pool);
    while (pool->reader_count) {
        pthread_join(pool->readers[--pool->reader_count], NULL);
    }
    rv = pool->rv;
    vld_pool_free(pool);
    return rv;
}

/* --- with a sink --------------------------------------------------------- */

static void sink_results(vld_pool *pool, vld_item_list *results, bool *sinks)
{
    if (results->count && *sinks) {
        apr_status_t rv = pool->work.sink(pool->work.baton, results);

        if (rv != APR_SUCCESS) {
            vld_pool_end(pool, rv);
            *sinks = false;
        }
    }
    vld_pool_free_items(pool, results);
}

static void heed_stop(vld_pool *pool)
{
    const volatile int *stop = pool->work.stop;

    if (stop && __atomic_load_n(stop, __ATOMIC_RELAXED)) {
        vld_pool_end(pool, APR_EINTR);
    }
}

static void sink_all(vld_pool *pool)
{
    int64_t tick_ns = vld_monotonic_ns() + TICK_NS;
    bool sinks = pool->work.sink != NULL;
    vld_item_list results;

    while (vld_pool_collect(pool, TICK_NS, &results)) {
        sink_results(pool, &results, &sinks);
        heed_stop(pool);
        if (pool->work.tick && vld_monotonic_ns() >= tick_ns) {
            tick_ns = vld_monotonic_ns() + TICK_NS;
            pool->work.tick(pool->work.baton);
        }
    }
}

apr_status_t vld_pool_run(const vld_pool_work *work)
{
    vld_pool *pool;
    apr_status_t rv = vld_pool_start(&pool, work);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    sink_all(pool);
    return vld_pool_finish(pool);
}
