/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The paths that a watch has to look at, each with the time when: a bounded
 * set.  Private to watch/; one thread.  Times are those of
 * vld_monotonic_ns(). */
#ifndef VALIDATORS_WATCH_PENDING_H
#define VALIDATORS_WATCH_PENDING_H

#include <apr_pools.h>

#include "validators/index.h"

/* After a change, before the first look: changes come in groups. */
#define VLD_PENDING_FIRST_NS INT64_C(30000000)
/* Between looks at a file that is changed again and again. */
#define VLD_PENDING_LEAST_NS INT64_C(1000000000)
#define VLD_PENDING_MOST_NS INT64_C(60000000000)

typedef struct vld_pending vld_pending;

typedef struct vld_pending_item {
    int64_t due_ns;
    int64_t rest_ns; /* the next pause; 0: none was needed so far */
    size_t at;       /* in the heap; SIZE_MAX: taken */
    bool changed;    /* since it was taken, or while it rests */
    bool resting;    /* was read, and is kept to see whether it changes */
    size_t len;
    char path[];
} vld_pending_item;

/* At most `most` paths. NULL: no memory. */
vld_pending *vld_pending_make(size_t most, apr_pool_t *p);
void vld_pending_free(vld_pending *set);

/* The path has changed at now_ns.  A path that waits already is not deferred
 * by that.  False: the set is full, or there is no memory. */
bool vld_pending_add(vld_pending *set, const char *path, size_t len,
                     int64_t now_ns);

/* Paths that wait to be looked at, those taken included; those that only rest
 * are not. */
size_t vld_pending_count(const vld_pending *set);
/* When vld_pending_take has something to do; INT64_MAX: never. */
int64_t vld_pending_next_ns(const vld_pending *set);

/* A path that is due at now_ns, or NULL.  Resting paths that have not changed
 * drop out.  One of the three calls below must give the path back. */
vld_pending_item *vld_pending_take(vld_pending *set, int64_t now_ns);

/* Its record was right, or the file is gone: drop the path, unless it has
 * changed since it was taken. */
void vld_pending_done(vld_pending *set, vld_pending_item *item, int64_t now_ns);
/* It was read.  A change from now on waits for the end of its rest, which
 * doubles each time. */
void vld_pending_rest(vld_pending *set, vld_pending_item *item, int64_t now_ns);
/* It was not settled: look again at again_ns; later, from the second time
 * on. */
void vld_pending_again(vld_pending *set, vld_pending_item *item,
                       int64_t again_ns, int64_t now_ns);

#endif /* VALIDATORS_WATCH_PENDING_H */
