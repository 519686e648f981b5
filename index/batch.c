/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Batches: transactions of writing.  None is begun in a file whose pages were
 * not checked, or that is not at the store's path any more. */
#include "index/batch.h"

#include <stdlib.h>

#include "index/check.h"
#include "index/current.h"
#include "index/databases.h"
#include "index/error.h"
#include "index/fault.h"
#include "index/grow.h"
#include "index/guarded.h"
#include "index/lookup.h"
#include "index/record.h"

struct vld_batch {
    vld_store *store;
    MDB_txn *txn;
    unsigned char *value; /* room for one value */
    bool has_promises;    /* the index says that it may have them */
};

/* --- begin --------------------------------------------------------------- */

typedef struct batch_call {
    apr_status_t rv;
    vld_batch *batch;
    const vld_store_key *key;
    size_t size;   /* of the value */
    bool promises; /* the value is a record with a promise */
    bool resized;  /* by another process, beyond this one's map */
} batch_call;

static void begin_txn(void *data)
{
    batch_call *call = data;
    vld_batch *batch = call->batch;
    int rc = mdb_txn_begin(batch->store->env, NULL, 0, &batch->txn);

    call->rv = vld_error_mdb(rc);
    call->resized = rc == MDB_MAP_RESIZED;
    /* A compaction replaces the file under the writer's lock, which is held
     * now: the answer stays true until the end of the batch. */
    if (call->rv == APR_SUCCESS && vld_store_is_replaced(batch->store)) {
        mdb_txn_abort(batch->txn);
        call->rv = VLD_E_REPLACED;
    }
}

/* Once, and before the writer's lock is taken: it takes as long as reading the
 * file. */
static apr_status_t check_pages(vld_store *store)
{
    apr_status_t rv = APR_SUCCESS;

    if (!store->checked) {
        rv = vld_store_check(store);
        store->checked = rv == APR_SUCCESS;
    }
    return rv;
}

static apr_status_t begin_guarded(vld_store *store, batch_call *call)
{
    apr_status_t rv = check_pages(store);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (int i = 0;; i++) {
        call->resized = false;
        rv = vld_store_run(store, begin_txn, call);
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
    batch_call call = { APR_SUCCESS, NULL, NULL, 0, false, false };
    apr_status_t rv;

    if (store->mode == VLD_STORE_READ) {
        return APR_EACCES;
    }
    batch = calloc(1, sizeof(*batch));
    if (!batch) {
        return APR_ENOMEM;
    }
    batch->store = store;
    batch->value = malloc(VLD_PROMISED_SIZE + VLD_PATH_MAX);
    call.batch = batch;
    rv = batch->value ? begin_guarded(store, &call) : APR_ENOMEM;
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

    int rc = 0;

    if (call->promises && !batch->has_promises) {
        rc = vld_databases_allow_promises(batch->store, batch->txn);
        batch->has_promises = !rc;
    }
    if (!rc) {
        rc = mdb_put(batch->txn, batch->store->files, &key, &val, 0);
    }
    call->rv = vld_error_mdb_write(rc, batch->store->env);
}

apr_status_t vld_batch_put(vld_batch *batch, const char *path, size_t len,
                           const vld_record *record)
{
    vld_store_key key;
    batch_call call = {
        APR_SUCCESS,         batch, &key, vld_value_size(record, len),
        record->is_promised, false
    };
    apr_status_t rv = vld_record_encode(record, path, len, batch->value);

    if (rv == APR_SUCCESS) {
        rv = vld_store_key_of(path, len, &key);
    }
    return rv == APR_SUCCESS ? vld_store_run(batch->store, put_value, &call)
                             : rv;
}

typedef struct get_call {
    apr_status_t rv;
    const vld_batch *batch;
    const char *path;
    size_t len;
    vld_record *out;
} get_call;

static void get_record(void *data)
{
    get_call *call = data;

    call->rv = vld_lookup_in(call->batch->store, call->batch->txn, call->path,
                             call->len, call->out);
}

apr_status_t vld_batch_get(vld_batch *batch, const char *path, size_t len,
                           vld_record *out)
{
    get_call call = { APR_SUCCESS, batch, path, len, out };

    return vld_store_run(batch->store, get_record, &call);
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
    batch_call call = { APR_SUCCESS, batch, &key, 0, false, false };
    apr_status_t rv = vld_store_key_of(path, len, &key);

    return rv == APR_SUCCESS ? vld_store_run(batch->store, delete_key, &call)
                             : rv;
}

static void commit_txn(void *data)
{
    batch_call *call = data;
    int rc = mdb_txn_commit(call->batch->txn);

    call->rv = vld_error_mdb_write(rc, call->batch->store->env);
}

apr_status_t vld_batch_commit(vld_batch *batch)
{
    vld_store *store = batch->store;
    batch_call call = { VLD_E_DAMAGED, batch, NULL, 0, false, false };
    apr_status_t rv = vld_store_run(store, commit_txn, &call);

    free_batch(batch);
    return rv;
}

bool vld_batch_is_well(const vld_batch *batch)
{
    return !vld_store_is_dead(batch->store);
}

static void abort_write_txn(void *txn)
{
    mdb_txn_abort(txn);
}

/* After a fault the transaction is left as it is: it may be half freed, and
 * LMDB keeps cursors of the stack that was left in its lists. */
void vld_batch_abort(vld_batch *batch)
{
    if (!vld_store_is_dead(batch->store)
        && !vld_fault_run(abort_write_txn, batch->txn)) {
        vld_store_mark_dead(batch->store);
    }
    free_batch(batch);
}
