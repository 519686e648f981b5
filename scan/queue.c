/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The lists of a pool.  All are bounded, so that a pool needs the same memory
 * for any number of items; no lock is held while anything else is done. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scan/queue.h"

#include <stdlib.h>
#include <time.h>

#define DEFERRED_MOST 16384
#define RESULT_BATCHES_MOST 16 /* the disk may take its time to commit */

static void wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex,
                       int64_t when_ns)
{
    struct timespec ts;

    ts.tv_sec = (time_t)(when_ns / 1000000000);
    ts.tv_nsec = (long)(when_ns % 1000000000);
    pthread_cond_timedwait(cond, mutex, &ts);
}

/* --- lists --------------------------------------------------------------- */

void vld_item_list_init(vld_item_list *list)
{
    list->first = NULL;
    list->end = &list->first;
    list->count = 0;
}

static void append_item(vld_item_list *list, vld_item *item)
{
    item->next = NULL;
    *list->end = item;
    list->end = &item->next;
    list->count++;
}

static vld_item *shift_item(vld_item_list *list)
{
    vld_item *item = list->first;

    list->first = item->next;
    if (!list->first) {
        list->end = &list->first;
    }
    list->count--;
    return item;
}

static void move_items(vld_item_list *from, vld_item_list *to)
{
    vld_item_list_init(to);
    if (from->first) {
        *to = *from;
    }
    vld_item_list_init(from);
}

void vld_pool_free_items(const vld_pool *pool, vld_item_list *list)
{
    while (list->first) {
        pool->work.free(shift_item(list));
    }
}

/* --- the whole ----------------------------------------------------------- */

apr_status_t vld_pool_make(vld_pool **out, const vld_pool_work *work)
{
    vld_pool *pool = calloc(1, sizeof(*pool));
    pthread_condattr_t attr;

    if (!pool || pthread_condattr_init(&attr)) {
        free(pool);
        return APR_ENOMEM;
    }
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->to_read, &attr);
    pthread_cond_init(&pool->room, &attr);
    pthread_cond_init(&pool->to_sink, &attr);
    pthread_condattr_destroy(&attr);
    vld_item_list_init(&pool->items);
    vld_item_list_init(&pool->deferred);
    vld_item_list_init(&pool->results);
    pool->work = *work;
    *out = pool;
    return APR_SUCCESS;
}

void vld_pool_free(vld_pool *pool)
{
    vld_pool_free_items(pool, &pool->items);
    vld_pool_free_items(pool, &pool->deferred);
    vld_pool_free_items(pool, &pool->results);
    pthread_cond_destroy(&pool->to_read);
    pthread_cond_destroy(&pool->room);
    pthread_cond_destroy(&pool->to_sink);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

const int *vld_pool_ending(const vld_pool *pool)
{
    return &pool->ending;
}

bool vld_pool_is_ending(const vld_pool *pool)
{
    return __atomic_load_n(&pool->ending, __ATOMIC_RELAXED);
}

static void wake_all(vld_pool *pool)
{
    pthread_cond_broadcast(&pool->to_read);
    pthread_cond_broadcast(&pool->room);
    pthread_cond_broadcast(&pool->to_sink);
}

void vld_pool_end(vld_pool *pool, apr_status_t rv)
{
    pthread_mutex_lock(&pool->mutex);
    if (!pool->ending) {
        pool->rv = rv;
        __atomic_store_n(&pool->ending, 1, __ATOMIC_RELAXED);
    }
    wake_all(pool);
    pthread_mutex_unlock(&pool->mutex);
}

/* No reader has anything to do, nor will have. */
static bool is_all_read(const vld_pool *pool)
{
    if (pool->busy) {
        return false;
    }
    return pool->ending
           || (pool->closed && !pool->items.count && !pool->deferred.count);
}

/* Under the mutex. */
static void add_result(vld_pool *pool, vld_item *item)
{
    size_t most = RESULT_BATCHES_MOST * pool->work.batch;

    while (pool->results.count >= most && !pool->ending) {
        pthread_cond_wait(&pool->room, &pool->mutex);
    }
    if (!pool->results.count) {
        pool->first_result_ns = vld_monotonic_ns();
    }
    append_item(&pool->results, item);
    if (pool->results.count == pool->work.batch) {
        pthread_cond_signal(&pool->to_sink);
    }
}

/* --- the source's side --------------------------------------------------- */

bool vld_pool_put(vld_pool *pool, vld_item *item)
{
    bool goes_on;

    pthread_mutex_lock(&pool->mutex);
    while (pool->items.count >= VLD_POOL_WAITING && !pool->ending) {
        pthread_cond_wait(&pool->room, &pool->mutex);
    }
    append_item(&pool->items, item);
    pthread_cond_signal(&pool->to_read);
    goes_on = !pool->ending;
    pthread_mutex_unlock(&pool->mutex);
    return goes_on;
}

bool vld_pool_pass(vld_pool *pool, vld_item *item)
{
    bool goes_on;

    pthread_mutex_lock(&pool->mutex);
    add_result(pool, item);
    goes_on = !pool->ending;
    pthread_mutex_unlock(&pool->mutex);
    return goes_on;
}

void vld_pool_close(vld_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->closed = true;
    wake_all(pool);
    pthread_mutex_unlock(&pool->mutex);
}

/* --- the readers' side --------------------------------------------------- */

static vld_item *next_item(vld_pool *pool)
{
    if (pool->deferred.count
        && pool->deferred.first->ready_ns <= vld_monotonic_ns()) {
        return shift_item(&pool->deferred);
    }
    if (!pool->items.count) {
        return NULL;
    }
    /* Half empty, not one less: the source then wakes seldom and works
     * long. */
    if (pool->items.count == VLD_POOL_WAITING / 2) {
        pthread_cond_broadcast(&pool->room);
    }
    return shift_item(&pool->items);
}

static void wait_for_item(vld_pool *pool)
{
    if (pool->deferred.count) {
        wait_until(&pool->to_read, &pool->mutex,
                   pool->deferred.first->ready_ns);
    }
    else {
        pthread_cond_wait(&pool->to_read, &pool->mutex);
    }
}

vld_item *vld_pool_take(vld_pool *pool)
{
    vld_item *item = NULL;

    pthread_mutex_lock(&pool->mutex);
    while (!pool->ending && !(item = next_item(pool)) && !is_all_read(pool)) {
        wait_for_item(pool);
    }
    if (item) {
        pool->busy++;
    }
    pthread_mutex_unlock(&pool->mutex);
    return item;
}

static void give_back(vld_pool *pool)
{
    pool->busy--;
    if (is_all_read(pool)) {
        wake_all(pool);
    }
}

void vld_pool_done(vld_pool *pool, vld_item *item)
{
    pthread_mutex_lock(&pool->mutex);
    add_result(pool, item);
    give_back(pool);
    pthread_mutex_unlock(&pool->mutex);
}

void vld_pool_drop(vld_pool *pool, vld_item *item)
{
    pool->work.free(item);
    pthread_mutex_lock(&pool->mutex);
    give_back(pool);
    pthread_mutex_unlock(&pool->mutex);
}

bool vld_pool_defer(vld_pool *pool, vld_item *item)
{
    bool taken;

    pthread_mutex_lock(&pool->mutex);
    taken = pool->deferred.count < DEFERRED_MOST;
    if (taken) {
        append_item(&pool->deferred, item);
        pool->busy--;
        pthread_cond_signal(&pool->to_read);
    }
    pthread_mutex_unlock(&pool->mutex);
    return taken;
}

/* --- the sink's side ----------------------------------------------------- */

static bool is_due(const vld_pool *pool)
{
    if (!pool->results.count) {
        return false;
    }
    return pool->results.count >= pool->work.batch || is_all_read(pool)
           || vld_monotonic_ns() - pool->first_result_ns >= pool->work.age_ns;
}

bool vld_pool_collect(vld_pool *pool, int64_t wait_ns, vld_item_list *out)
{
    int64_t until = vld_monotonic_ns() + wait_ns;
    bool more;

    vld_item_list_init(out);
    pthread_mutex_lock(&pool->mutex);
    while (!is_due(pool) && !is_all_read(pool) && vld_monotonic_ns() < until) {
        wait_until(&pool->to_sink, &pool->mutex, until);
    }
    if (is_due(pool)) {
        move_items(&pool->results, out);
        pthread_cond_broadcast(&pool->room);
    }
    more = out->count || !is_all_read(pool);
    pthread_mutex_unlock(&pool->mutex);
    return more;
}
