/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Look-ups and batches.  It never hands out a record that has not been
 * checked, and no reader stays in a transaction between two calls. */
#include "index/store.h"

#include <errno.h>
#include <stdlib.h>

#include "index/error.h"
#include "index/fault.h"
#include "index/record.h"

/* A thread's reader: its slot in the lock file is kept, its snapshot is
 * not. */
struct vld_reader {
    vld_reader *next;  /* of the store's */
    vld_reader **link; /* what points to this */
    vld_reader *other; /* the same thread's, of another store */
    vld_store *store;  /* atomic; NULL: it has been closed */
    MDB_txn *txn;      /* NULL until its first use */
    int inside;        /* atomic */
};

struct vld_batch {
    vld_store *store;
    MDB_txn *txn;
    unsigned char *value; /* room for one value */
};

/* --- guarded calls ------------------------------------------------------- */

bool vld_store_is_dead(const vld_store *store)
{
    return __atomic_load_n(&store->dead, __ATOMIC_RELAXED);
}

static void mark_dead(vld_store *store)
{
    __atomic_store_n(&store->dead, 1, __ATOMIC_RELAXED);
}

apr_status_t vld_store_run(vld_store *store, void (*fn)(void *call), void *call)
{
    if (vld_store_is_dead(store)) {
        return VLD_E_DAMAGED;
    }
    if (!vld_fault_run(fn, call)) {
        mark_dead(store);
        return VLD_E_DAMAGED;
    }
    return *(apr_status_t *)call;
}

/* --- readers ------------------------------------------------------------- */

/* Only the thread itself goes along its readers or changes what they are. */
static __thread vld_reader *mine VLD_EARLY_TLS;

/* Over the lists of all stores, and which store a reader is of: a thread ends
 * while another closes the store. */
static pthread_mutex_t readers_mutex = PTHREAD_MUTEX_INITIALIZER;

static pthread_key_t end_of_thread;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;
static int has_end;

static vld_store *store_of(const vld_reader *r)
{
    return __atomic_load_n(&r->store, __ATOMIC_RELAXED);
}

static void abort_txn(void *txn)
{
    mdb_txn_abort(txn);
}

/* With the mutex held. The reader itself stays its thread's. */
static void detach(vld_reader *r)
{
    if (!store_of(r)) {
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

static void on_end_of_thread(void *unused)
{
    vld_reader *r;

    (void)unused;
    pthread_mutex_lock(&readers_mutex);
    while ((r = mine)) {
        detach(r);
        mine = r->other;
        free(r);
    }
    pthread_mutex_unlock(&readers_mutex);
}

static void make_end(void)
{
    has_end = !pthread_key_create(&end_of_thread, on_end_of_thread);
}

static void free_closed(void)
{
    vld_reader **at = &mine;

    while (*at) {
        vld_reader *r = *at;

        if (store_of(r)) {
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
    free_closed();
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
        detach(store->readers);
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

    pthread_once(&end_once, make_end);
    if (!has_end || pthread_setspecific(end_of_thread, &mine)) {
        return NULL;
    }
    r = calloc(1, sizeof(*r));
    if (r) {
        link_reader(store, r);
    }
    return r;
}

static vld_reader *reader_of(const vld_store *store)
{
    vld_reader *r = mine;

    while (r && store_of(r) != store) {
        r = r->other;
    }
    return r;
}

/* Who moves the map says so first and then looks who is inside; who goes
 * inside says so first and then looks whether the map moves. */
static int try_enter(vld_store *store, vld_reader *r)
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

int vld_store_enter(vld_store *store, MDB_txn **txn)
{
    vld_reader *r = reader_of(store);
    int rc;

    if (!r && !(r = new_reader(store))) {
        return ENOMEM;
    }
    rc = try_enter(store, r);
    if (rc == MDB_MAP_RESIZED && vld_store_grow(store)) {
        rc = try_enter(store, r);
    }
    *txn = r->txn;
    return rc;
}

void vld_store_leave(vld_store *store)
{
    vld_reader *r = reader_of(store);

    mdb_txn_reset(r->txn);
    __atomic_store_n(&r->inside, 0, __ATOMIC_RELEASE);
}

/* --- the number ---------------------------------------------------------- */

typedef struct number_call {
    apr_status_t rv;
    vld_store *store;
    uint64_t number;
} number_call;

static int number_of_snapshot(vld_store *store, uint64_t *out)
{
    MDB_txn *txn;
    int rc = vld_store_enter(store, &txn);

    if (!rc) {
        *out = mdb_txn_id(txn);
        vld_store_leave(store);
        __atomic_store_n(&store->visible, *out, __ATOMIC_RELAXED);
    }
    return rc;
}

/* A commit shows in the file's head some milliseconds before readers are
 * given its snapshot: until the head is on the disk.  The number that counts
 * is the readers', but the head is quicker to ask. */
static void read_number(void *data)
{
    number_call *call = data;
    vld_store *store = call->store;
    MDB_envinfo info;
    int rc = mdb_env_info(store->env, &info);

    call->number = __atomic_load_n(&store->visible, __ATOMIC_RELAXED);
    if (!rc && (call->number != info.me_last_txnid || !call->number)) {
        rc = number_of_snapshot(store, &call->number);
    }
    call->rv = vld_error_mdb(rc);
}

/* An inode's number is given again as soon as a file is gone, and neighbours'
 * must not be alike: one often takes the other's place. */
uint64_t vld_store_file_number(const vld_store *store)
{
    uint64_t mixed = (uint64_t)store->ino ^ (uint64_t)store->dev << 20;

    mixed = mixed * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)store->born_ns;
    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return mixed ^ mixed >> 32;
}

/* Another file at the path counts from another number on, which may be one
 * that was seen before: the upper bits tell the files apart. */
static uint64_t mark_of(const vld_store *store)
{
    return vld_store_file_number(store) >> 44 << 44;
}

uint64_t vld_store_txn(vld_store *store)
{
    number_call call = { APR_SUCCESS, store, 0 };

    return vld_store_run(store, read_number, &call) || !call.number
               ? 0
               : call.number ^ mark_of(store);
}

/* --- look-ups ------------------------------------------------------------ */

typedef struct get_call {
    apr_status_t rv;
    vld_store *store;
    MDB_txn *txn; /* of a batch, or NULL: this thread's vld_reader */
    const char *path;
    size_t len;
    vld_record *out;
} get_call;

static void look_up(get_call *call, MDB_txn *txn)
{
    vld_store_key key;
    MDB_val name;
    MDB_val val;
    int rc;

    call->rv = vld_store_key_of(call->path, call->len, &key);
    if (call->rv != APR_SUCCESS) {
        return;
    }
    name.mv_data = (void *)(uintptr_t)key.data;
    name.mv_size = key.size;
    rc = mdb_get(txn, call->store->files, &name, &val);
    if (rc) {
        call->rv = vld_error_mdb(rc);
        return;
    }
    call->rv = vld_record_decode(val.mv_data, val.mv_size, call->path,
                                 call->len, call->out);
}

static void get_in_batch(void *data)
{
    get_call *call = data;

    look_up(call, call->txn);
}

static void get_as_reader(void *data)
{
    get_call *call = data;
    MDB_txn *txn;
    int rc = vld_store_enter(call->store, &txn);

    if (rc) {
        call->rv = vld_error_mdb(rc);
        return;
    }
    look_up(call, txn);
    vld_store_leave(call->store);
}

apr_status_t vld_store_get(vld_store *store, const char *path, size_t len,
                           vld_record *out)
{
    get_call call = { APR_SUCCESS, store, NULL, path, len, out };

    return vld_store_run(store, get_as_reader, &call);
}

/* --- batches ------------------------------------------------------------- */

typedef struct batch_call {
    apr_status_t rv;
    vld_batch *batch;
    const vld_store_key *key;
    size_t size;  /* of the value */
    bool resized; /* by another process, beyond this one's map */
} batch_call;

/* Asked when the writer's lock is held, which whoever replaces the file holds
 * too. */
static void check_current(vld_batch *batch, batch_call *call)
{
    if (vld_store_is_replaced(batch->store)) {
        mdb_txn_abort(batch->txn);
        call->rv = VLD_E_REPLACED;
    }
}

static void begin_writing(void *data)
{
    batch_call *call = data;
    vld_batch *batch = call->batch;

    int rc = mdb_txn_begin(batch->store->env, NULL, 0, &batch->txn);

    call->rv = vld_error_mdb(rc);
    call->resized = rc == MDB_MAP_RESIZED;
    if (call->rv == APR_SUCCESS) {
        check_current(batch, call);
    }
}

static void set_writing(vld_store *store, int writing)
{
    __atomic_store_n(&store->writing, writing, __ATOMIC_SEQ_CST);
}

/* As readers do; but a writer waits until the map has moved. */
static void go_inside(vld_store *store)
{
    for (;;) {
        set_writing(store, 1);
        if (!__atomic_load_n(&store->growing, __ATOMIC_SEQ_CST)) {
            return;
        }
        set_writing(store, 0);
        pthread_mutex_lock(&store->grow_mutex);
        pthread_mutex_unlock(&store->grow_mutex);
    }
}

/* Once, and before the lock is taken. */
static apr_status_t check_pages(vld_store *store)
{
    apr_status_t rv = APR_SUCCESS;

    if (!__atomic_load_n(&store->checked, __ATOMIC_RELAXED)) {
        rv = vld_store_check(store);
        if (rv == APR_SUCCESS) {
            __atomic_store_n(&store->checked, 1, __ATOMIC_RELAXED);
        }
    }
    return rv;
}

static apr_status_t begin_batch(vld_store *store, batch_call *call)
{
    apr_status_t rv = check_pages(store);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (int i = 0;; i++) {
        call->resized = false;
        go_inside(store);
        rv = vld_store_run(store, begin_writing, call);
        if (rv != APR_SUCCESS) {
            set_writing(store, 0);
        }
        if (!call->resized || i || !vld_store_grow(store)) {
            return rv;
        }
    }
}

static void free_batch(vld_batch *batch)
{
    free(batch->value);
    free(batch);
}

apr_status_t vld_batch_begin(vld_store *store, vld_batch **out)
{
    vld_batch *batch;
    batch_call call = { APR_SUCCESS, NULL, NULL, 0, false };
    apr_status_t rv;

    if (store->mode == VLD_STORE_READ) {
        return APR_EACCES;
    }
    batch = calloc(1, sizeof(*batch));
    if (!batch) {
        return APR_ENOMEM;
    }
    batch->store = store;
    batch->value = malloc(VLD_RECORD_SIZE + VLD_PATH_MAX);
    call.batch = batch;
    rv = batch->value ? begin_batch(store, &call) : APR_ENOMEM;
    if (rv != APR_SUCCESS) {
        free_batch(batch);
        return rv;
    }
    *out = batch;
    return APR_SUCCESS;
}

static void put_value(void *data)
{
    batch_call *call = data;
    vld_batch *batch = call->batch;
    MDB_val key = { call->key->size, (void *)(uintptr_t)call->key->data };
    MDB_val val = { call->size, batch->value };

    int rc = mdb_put(batch->txn, batch->store->files, &key, &val, 0);

    call->rv = vld_error_mdb_write(rc, batch->store->env);
}

apr_status_t vld_batch_put(vld_batch *batch, const char *path, size_t len,
                           const vld_record *record)
{
    vld_store_key key;
    batch_call call = { APR_SUCCESS, batch, &key, vld_value_size(len), false };
    apr_status_t rv = vld_record_encode(record, path, len, batch->value);

    if (rv == APR_SUCCESS) {
        rv = vld_store_key_of(path, len, &key);
    }
    return rv == APR_SUCCESS ? vld_store_run(batch->store, put_value, &call)
                             : rv;
}

apr_status_t vld_batch_get(vld_batch *batch, const char *path, size_t len,
                           vld_record *out)
{
    get_call call = { APR_SUCCESS, batch->store, batch->txn, path, len, out };

    return vld_store_run(batch->store, get_in_batch, &call);
}

static void delete_key(void *data)
{
    batch_call *call = data;
    vld_batch *batch = call->batch;
    MDB_val key = { call->key->size, (void *)(uintptr_t)call->key->data };

    int rc = mdb_del(batch->txn, batch->store->files, &key, NULL);

    call->rv = vld_error_mdb_write(rc, batch->store->env);
}

apr_status_t vld_batch_delete(vld_batch *batch, const char *path, size_t len)
{
    vld_store_key key;
    batch_call call = { APR_SUCCESS, batch, &key, 0, false };
    apr_status_t rv = vld_store_key_of(path, len, &key);

    return rv == APR_SUCCESS ? vld_store_run(batch->store, delete_key, &call)
                             : rv;
}

static void commit(void *data)
{
    batch_call *call = data;
    int rc = mdb_txn_commit(call->batch->txn);

    call->rv = vld_error_mdb_write(rc, call->batch->store->env);
}

apr_status_t vld_batch_commit(vld_batch *batch)
{
    vld_store *store = batch->store;
    batch_call call = { VLD_E_DAMAGED, batch, NULL, 0, false };

    /* Not through vld_store_run: whoever aborts must know whether LMDB has
     * ended the transaction. */
    if (vld_store_is_dead(store)) {
        vld_batch_abort(batch);
        return VLD_E_DAMAGED;
    }
    if (!vld_fault_run(commit, &call)) {
        mark_dead(store);
        vld_batch_abort(batch);
        return VLD_E_DAMAGED;
    }
    set_writing(store, 0);
    free_batch(batch);
    return call.rv;
}

bool vld_batch_is_well(const vld_batch *batch)
{
    return !vld_store_is_dead(batch->store);
}

void vld_batch_abort(vld_batch *batch)
{
    vld_fault_run(abort_txn, batch->txn);
    set_writing(batch->store, 0);
    free_batch(batch);
}
