/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Optimistic reading.  It never writes, never waits for a writer, and believes
 * nothing before the end test. */
#include "index/view.h"

#include <string.h>

#include "validators/bytes.h"
#include "index/fault.h"
#include "index/guarded.h"
#include "index/map.h"

#define TRIES 16

/* How many transactions may have been committed since the view's own.  Number T
 * takes pages that T - 2 or an earlier one gave back; so a page of snapshot N
 * is overwritten by N + 3 at the earliest, and that begins when N + 2 is
 * committed.  With 2 there are wrong results. */
#ifndef VLD_MOST_COMMITS
#define VLD_MOST_COMMITS 1
#endif

#define INVALID_TXN UINT64_MAX

typedef struct attempt {
    apr_status_t rv;
    vld_store *store;
    vld_view_fn fn;
    void *call;
    const vld_map *map;
    bool counts;
    uint64_t pages; /* that the view has; more than the map: it must grow */
    vld_view view;
} attempt;

/* --- heads --------------------------------------------------------------- */

/* Octets of a page are read before what comes after, in this thread and in what
 * it sees of a writer.  ThreadSanitizer knows no fences; it cannot see writers
 * of the file either. */
static inline void read_before(void)
{
#if defined(__SANITIZE_THREAD__)
    __asm__ volatile("" : : : "memory");
#else
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

static inline uint64_t load_word(const unsigned char *at)
{
    return __atomic_load_n((const uint64_t *)(const void *)at,
                           __ATOMIC_ACQUIRE);
}

/* The greater of the two heads' numbers.  Each head has the transactions of its
 * parity, whenever it is read. */
static inline uint64_t read_last(const unsigned char *octets, size_t page_size)
{
    uint64_t even = load_word(octets + VLD_HEAD_TXN);
    uint64_t odd = load_word(octets + page_size + VLD_HEAD_TXN);

    if ((even & 1) || (!(odd & 1) && odd)) {
        return INVALID_TXN;
    }
    return even > odd ? even : odd;
}

static inline const unsigned char *head_of(const attempt *a)
{
    return a->map->octets + (a->view.txn & 1 ? a->view.page_size : 0);
}

/* --- an attempt ---------------------------------------------------------- */

/* Where the number is the same after the head was copied, the next but one
 * transaction, which overwrites the head, had not begun. */
static inline bool begin_view(attempt *a)
{
    vld_view *v = &a->view;
    uint64_t last = read_last(a->map->octets, v->page_size);

    v->txn = last;
    if (last == INVALID_TXN) {
        return false;
    }
    memcpy(v->head, head_of(a), sizeof(v->head));
    read_before();
    v->root = vld_get64_native(v->head + VLD_HEAD_MAIN + VLD_DB_ROOT);
    v->last = vld_get64_native(v->head + VLD_HEAD_LAST);
    return read_last(a->map->octets, v->page_size) == last;
}

/* The difference is unsigned: a commit whose last write failed is taken back,
 * and the number with it.  The root is compared because the octets of a head
 * may become visible in any order: the number before the root. */
static inline bool is_untouched(const attempt *a)
{
    uint64_t last;

    read_before();
    last = read_last(a->map->octets, a->view.page_size);
    return last != INVALID_TXN && last - a->view.txn <= VLD_MOST_COMMITS
           && load_word(head_of(a) + VLD_HEAD_MAIN + VLD_DB_ROOT)
                  == a->view.root;
}

static void look(void *data)
{
    attempt *a = data;

    if (!begin_view(a)) {
        a->counts = a->view.txn == INVALID_TXN;
        a->rv = VLD_E_DAMAGED;
        return;
    }
    if (a->view.last >= a->map->pages) {
        a->pages = a->view.last + 1;
        a->rv = a->pages ? VLD_E_FULL : VLD_E_DAMAGED;
    }
    else {
        a->rv = a->fn(&a->view, a->call);
    }
    a->counts = is_untouched(a);
}

static void test_again(void *data)
{
    attempt *a = data;

    a->counts = is_untouched(a);
}

/* A fault counts as any other result does: under a writer they come by the
 * thousand, from pages that are overwritten. */
static void try_once(attempt *a)
{
    a->pages = 0;
    a->counts = false;
    a->view.txn = INVALID_TXN;
    a->view.root = 0;
    a->map = __atomic_load_n(&a->store->map, __ATOMIC_ACQUIRE);
    a->view.octets = a->map->octets;
    if (vld_fault_run(look, a)) {
        return;
    }
    a->rv = VLD_E_DAMAGED;
    a->pages = 0;
    if (a->view.txn == INVALID_TXN || !vld_fault_run(test_again, a)) {
        a->counts = true; /* it has no heads any more */
    }
}

apr_status_t vld_view_read(vld_store *store, vld_view_fn fn, void *call)
{
    attempt a;

    if (vld_store_is_dead(store)) {
        return VLD_E_DAMAGED;
    }
    a.store = store;
    a.fn = fn;
    a.call = call;
    a.view.page_size = store->page_size;
    for (int i = 0; i < TRIES; i++) {
        try_once(&a);
        if (a.counts && a.pages) {
            a.rv = vld_map_grow(store, a.pages);
            a.counts = a.rv != APR_SUCCESS;
        }
        if (a.counts) {
            if (a.rv == VLD_E_DAMAGED) {
                vld_store_mark_dead(store);
            }
            return a.rv;
        }
        __atomic_fetch_add(&store->retries, 1, __ATOMIC_RELAXED);
    }
    return VLD_E_UNKNOWN;
}

/* --- the number ---------------------------------------------------------- */

static void read_number(void *data)
{
    attempt *a = data;

    a->view.txn = read_last(a->map->octets, a->view.page_size);
}

uint64_t vld_view_last_txn(vld_store *store)
{
    attempt a;

    if (vld_store_is_dead(store)) {
        return 0;
    }
    a.map = __atomic_load_n(&store->map, __ATOMIC_ACQUIRE);
    a.view.page_size = store->page_size;
    if (!vld_fault_run(read_number, &a) || a.view.txn == INVALID_TXN) {
        vld_store_mark_dead(store);
        return 0;
    }
    return a.view.txn;
}
