/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Look-ups.  They never hand out a record that does not check. */
#include "index/lookup.h"

#include "index/error.h"
#include "index/grow.h"
#include "index/guarded.h"
#include "index/record.h"

typedef struct get_call {
    apr_status_t rv;
    vld_store *store;
    const char *path;
    size_t len;
    vld_record *out;
} get_call;

static inline apr_status_t look_up(const vld_store *store, MDB_txn *txn,
                                   const char *path, size_t len,
                                   vld_record *out)
{
    vld_store_key key;
    MDB_val name;
    MDB_val val;
    apr_status_t rv = vld_store_key_of(path, len, &key);
    int rc;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    name.mv_data = (void *)(uintptr_t)key.data;
    name.mv_size = key.size;
    rc = mdb_get(txn, store->files, &name, &val);
    return rc ? vld_error_mdb(rc)
              : vld_record_decode(val.mv_data, val.mv_size, path, len, out);
}

apr_status_t vld_lookup_in(const vld_store *store, MDB_txn *txn,
                           const char *path, size_t len, vld_record *out)
{
    return look_up(store, txn, path, len, out);
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
    call->rv = look_up(call->store, txn, call->path, call->len, call->out);
    vld_store_leave(call->store);
}

apr_status_t vld_store_get(vld_store *store, const char *path, size_t len,
                           vld_record *out)
{
    get_call call = { APR_SUCCESS, store, path, len, out };

    return vld_store_run(store, get_as_reader, &call);
}
