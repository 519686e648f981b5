/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The inside of a pool of readers: its lists.  Private to scan/.
 *
 *   queue.c  the lists, bounded, and who waits for whom
 *   pool.c   the threads
 */
#ifndef VALIDATORS_SCAN_QUEUE_H
#define VALIDATORS_SCAN_QUEUE_H

#include <pthread.h>

#include "validators/scan.h"

struct vld_pool {
    vld_pool_work work;
    pthread_t source;
    pthread_t readers[VLD_JOBS_MOST];
    size_t reader_count; /* started */
    bool has_source;     /* started */

    int ending;      /* atomic: leave as soon as possible */
    apr_status_t rv; /* why; under mutex */

    pthread_mutex_t mutex;  /* over all that follows */
    pthread_cond_t to_read; /* for readers: items, or the end */
    pthread_cond_t room;    /* for source and readers: lists got shorter */
    pthread_cond_t to_sink; /* for the sink: a batch, or the end */
    vld_item_list items;
    vld_item_list deferred; /* in order of ready_ns, nearly */
    vld_item_list results;
    int64_t first_result_ns; /* monotonic: of the oldest in results */
    size_t busy;             /* items at readers */
    bool closed;             /* no more items will be put */
};

void vld_item_list_init(vld_item_list *list);

/* A pool without threads. */
apr_status_t vld_pool_make(vld_pool **out, const vld_pool_work *work);
void vld_pool_free(vld_pool *pool);
void vld_pool_free_items(const vld_pool *pool, vld_item_list *list);

/* No more items will be put. */
void vld_pool_close(vld_pool *pool);

/* A reader: the next item, or NULL at the end.  Each is given back by one of
 * the three below it. */
vld_item *vld_pool_take(vld_pool *pool);
void vld_pool_done(vld_pool *pool, vld_item *item); /* with its result */
void vld_pool_drop(vld_pool *pool, vld_item *item); /* without */
/* Read it again at ready_ns.  False where too many wait: then it is the
 * caller's still. */
bool vld_pool_defer(vld_pool *pool, vld_item *item);

/* Sleep; shorter when the pool is ending. */
void vld_pool_nap(const vld_pool *pool, int64_t ns);

/* The sink's side: wait for a batch for at most wait_ns.  *out gets what is
 * due, which may be nothing.  False when nothing will come any more. */
bool vld_pool_collect(vld_pool *pool, int64_t wait_ns, vld_item_list *out);

#endif /* VALIDATORS_SCAN_QUEUE_H */
