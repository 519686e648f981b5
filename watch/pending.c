/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The pending set: a heap by time over a hash by path.  It looks at no file and
 * reads no clock. */
#include "watch/pending.h"

#include <stdlib.h>
#include <string.h>

#include <apr_hash.h>

struct vld_pending {
    apr_hash_t *by_path;
    vld_pending_item **heap;
    size_t used;    /* of the heap */
    size_t known;   /* items, in the heap or taken */
    size_t resting; /* of them, and not changed */
    size_t most;
};

vld_pending *vld_pending_make(size_t most, apr_pool_t *p)
{
    vld_pending *set = calloc(1, sizeof(*set));

    if (set) {
        set->by_path = apr_hash_make(p);
        set->heap = malloc(most * sizeof(*set->heap));
        set->most = most;
    }
    if (set && !set->heap) {
        free(set);
        return NULL;
    }
    return set;
}

void vld_pending_free(vld_pending *set)
{
    apr_hash_index_t *i;

    for (i = apr_hash_first(NULL, set->by_path); i; i = apr_hash_next(i)) {
        free(apr_hash_this_val(i));
    }
    free(set->heap);
    free(set);
}

/* --- the heap ------------------------------------------------------------ */

static void place_item(vld_pending *set, size_t at, vld_pending_item *item)
{
    set->heap[at] = item;
    item->at = at;
}

static void sift_up(vld_pending *set, size_t at)
{
    vld_pending_item *item = set->heap[at];

    while (at && item->due_ns < set->heap[(at - 1) / 2]->due_ns) {
        place_item(set, at, set->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    place_item(set, at, item);
}

static void sift_down(vld_pending *set, size_t at)
{
    vld_pending_item *item = set->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child + 1 < set->used
            && set->heap[child + 1]->due_ns < set->heap[child]->due_ns) {
            child++;
        }
        if (child >= set->used || set->heap[child]->due_ns >= item->due_ns) {
            break;
        }
        place_item(set, at, set->heap[child]);
        at = child;
    }
    place_item(set, at, item);
}

static void push_item(vld_pending *set, vld_pending_item *item, int64_t due_ns)
{
    item->due_ns = due_ns;
    place_item(set, set->used, item);
    sift_up(set, set->used++);
}

static vld_pending_item *pop_item(vld_pending *set)
{
    vld_pending_item *item = set->heap[0];

    if (--set->used) {
        place_item(set, 0, set->heap[set->used]);
        sift_down(set, 0);
    }
    item->at = SIZE_MAX;
    return item;
}

/* --- the set ------------------------------------------------------------- */

static void drop_item(vld_pending *set, vld_pending_item *item)
{
    apr_hash_set(set->by_path, item->path, (apr_ssize_t)item->len, NULL);
    set->known--;
    free(item);
}

static vld_pending_item *new_item(const char *path, size_t len)
{
    vld_pending_item *item = calloc(1, sizeof(*item) + len + 1);

    if (item) {
        memcpy(item->path, path, len);
        item->len = len;
        item->changed = true;
    }
    return item;
}

static void mark_changed(vld_pending *set, vld_pending_item *item)
{
    if (item->resting && !item->changed) {
        set->resting--;
    }
    item->changed = true;
}

bool vld_pending_add(vld_pending *set, const char *path, size_t len,
                     int64_t now_ns)
{
    vld_pending_item *item = apr_hash_get(set->by_path, path, (apr_ssize_t)len);

    if (item) {
        mark_changed(set, item);
        return true;
    }
    item = set->known < set->most ? new_item(path, len) : NULL;
    if (!item) {
        return false;
    }
    apr_hash_set(set->by_path, item->path, (apr_ssize_t)len, item);
    set->known++;
    push_item(set, item, now_ns + VLD_PENDING_FIRST_NS);
    return true;
}

size_t vld_pending_count(const vld_pending *set)
{
    return set->known - set->resting;
}

int64_t vld_pending_next_ns(const vld_pending *set)
{
    return set->used ? set->heap[0]->due_ns : INT64_MAX;
}

vld_pending_item *vld_pending_take(vld_pending *set, int64_t now_ns)
{
    while (set->used && set->heap[0]->due_ns <= now_ns) {
        vld_pending_item *item = pop_item(set);

        if (item->changed) {
            item->changed = false;
            item->resting = false;
            return item;
        }
        set->resting--;
        drop_item(set, item);
    }
    return NULL;
}

void vld_pending_done(vld_pending *set, vld_pending_item *item, int64_t now_ns)
{
    if (item->changed) {
        push_item(set, item, now_ns + VLD_PENDING_FIRST_NS);
        return;
    }
    drop_item(set, item);
}

/* The pause that begins now; the next one is longer. */
static int64_t take_rest(vld_pending_item *item)
{
    int64_t rest = item->rest_ns ? item->rest_ns : VLD_PENDING_LEAST_NS;

    item->rest_ns = rest < VLD_PENDING_MOST_NS / 2 ? 2 * rest
                                                   : VLD_PENDING_MOST_NS;
    return rest;
}

void vld_pending_rest(vld_pending *set, vld_pending_item *item, int64_t now_ns)
{
    item->resting = true;
    set->resting += !item->changed;
    push_item(set, item, now_ns + take_rest(item));
}

/* At first that means only that the file has just been changed. */
void vld_pending_again(vld_pending *set, vld_pending_item *item,
                       int64_t again_ns, int64_t now_ns)
{
    int64_t rested_ns = now_ns;

    if (!item->rest_ns) {
        item->rest_ns = VLD_PENDING_LEAST_NS;
    }
    else {
        rested_ns += take_rest(item);
    }
    item->changed = true;
    push_item(set, item, again_ns > rested_ns ? again_ns : rested_ns);
}
