/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The readers of all threads.  None stays in a transaction between two
 * calls. */
#include "index/readers.h"

#include <errno.h>
#include <stdlib.h>

#include "index/fault.h"

/* A thread's reader: between two calls it keeps its slot in the lock file, but
 * no snapshot. */
struct vld_reader {
    vld_reader *next;  /* of the store's */
    vld_reader **link; /* the pointer to this one */
    vld_reader *other; /* the next of this thread's, in another store */
    vld_store *store;  /* atomic; NULL: it has been closed */
    MDB_txn *txn;      /* NULL until its first use */
    int inside;        /* atomic */
};

/* This thread's readers, of all stores.  Only the thread itself follows the
 * list or changes it. */
static __thread vld_reader *mine VLD_EARLY_TLS;

/* Over the lists of all stores, and over the store of each reader: one thread
 * may end while another closes the store. */
static pthread_mutex_t readers_mutex = PTHREAD_MUTEX_INITIALIZER;

static pthread_key_t end_of_thread;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static int has_end;

static vld_store *get_store(const vld_reader *r)
{
    return __atomic_load_n(&r->store, __ATOMIC_RELAXED);
}

static void abort_txn(void *txn)
{
    mdb_txn_abort(txn);
}

/* With the mutex held.  The thread frees the reader itself, later. */
static void detach_reader(vld_reader *r)
{
    if (!get_store(r)) {
        return;
    }
    *r->link = r->next;
    if (r->next) {
        r->next->link = r->link;
    }
    if (r->txn) {
        vld_fault_run(abort_txn, r->txn);
        r->txn = NULL;
    }
    __atomic_store_n(&r->store, NULL, __ATOMIC_RELAXED);
}

static void free_thread(void *unused)
{
    vld_reader *r;

    (void)unused;
    pthread_mutex_lock(&readers_mutex);
    while ((r = mine)) {
        detach_reader(r);
        mine = r->other;
        free(r);
    }
    pthread_mutex_unlock(&readers_mutex);
}

static void create_key(void)
{
    has_end = !pthread_key_create(&end_of_thread, free_thread);
}

static void free_detached(void)
{
    vld_reader **at = &mine;

    while (*at) {
        vld_reader *r = *at;

        if (get_store(r)) {
            at = &r->other;
        }
        else {
            *at = r->other;
            free(r);
        }
    }
}

static void link_reader(vld_store *store, vld_reader *r)
{
    pthread_mutex_lock(&readers_mutex);
    free_detached();
    r->store = store;
    r->next = store->readers;
    r->link = &store->readers;
    if (r->next) {
        r->next->link = &r->next;
    }
    store->readers = r;
    r->other = mine;
    mine = r;
    pthread_mutex_unlock(&readers_mutex);
}

void vld_store_drop_readers(vld_store *store)
{
    pthread_mutex_lock(&readers_mutex);
    while (store->readers) {
        detach_reader(store->readers);
    }
    pthread_mutex_unlock(&readers_mutex);
}

bool vld_store_is_busy(vld_store *store)
{
    bool busy = false;

    pthread_mutex_lock(&readers_mutex);
    for (vld_reader *r = store->readers; r; r = r->next) {
        busy = busy || __atomic_load_n(&r->inside, __ATOMIC_SEQ_CST);
    }
    pthread_mutex_unlock(&readers_mutex);
    return busy;
}

int vld_store_begin_reading(vld_store *store, MDB_txn **txn)
{
    int dead;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, txn);

    if (rc == MDB_READERS_FULL && !mdb_reader_check(store->env, &dead)
        && dead) {
        rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, txn);
    }
    return rc;
}

static vld_reader *new_reader(vld_store *store)
{
    vld_reader *r;

    pthread_once(&end_once, create_key);
    if (!has_end || pthread_setspecific(end_of_thread, &mine)) {
        return NULL;
    }
    r = calloc(1, sizeof(*r));
    if (r) {
        link_reader(store, r);
    }
    return r;
}

static vld_reader *find_reader(const vld_store *store)
{
    vld_reader *r = mine;

    while (r && get_store(r) != store) {
        r = r->other;
    }
    return r;
}

/* The thread that moves the map sets `growing` and then reads `inside`; a
 * reader sets `inside` and then reads `growing`.  At least one sees the
 * other. */
static int renew_txn(vld_store *store, vld_reader *r)
{
    int rc;

    __atomic_store_n(&r->inside, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&store->growing, __ATOMIC_SEQ_CST)) {
        rc = MDB_MAP_RESIZED;
    }
    else {
        rc = r->txn ? mdb_txn_renew(r->txn)
                    : vld_store_begin_reading(store, &r->txn);
    }
    if (rc) {
        __atomic_store_n(&r->inside, 0, __ATOMIC_RELEASE);
    }
    return rc;
}

int vld_store_try_enter(vld_store *store, MDB_txn **txn)
{
    vld_reader *r = find_reader(store);
    int rc;

    if (!r && !(r = new_reader(store))) {
        return ENOMEM;
    }
    rc = renew_txn(store, r);
    *txn = r->txn;
    return rc;
}

void vld_store_leave(vld_store *store)
{
    vld_reader *r = find_reader(store);

    mdb_txn_reset(r->txn);
    __atomic_store_n(&r->inside, 0, __ATOMIC_RELEASE);
}
