/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Look-ups.  They never hand out a record that does not check. */
#include "index/lookup.h"

#include "index/error.h"
#include "index/record.h"
#include "index/tree.h"

apr_status_t vld_lookup_in(const vld_store *store, MDB_txn *txn,
                           const char *path, size_t len, vld_record *out)
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

typedef struct get_call {
    apr_status_t rv; /* of the record, where the pages are well */
    const vld_store_key *key;
    const char *path;
    size_t len;
    vld_record *out;
} get_call;

static apr_status_t get_record(const vld_view *view, void *data)
{
    get_call *call = data;
    const unsigned char *files;
    vld_octets value;
    apr_status_t rv = vld_tree_database(view, "files", &files);

    if (rv != APR_SUCCESS) {
        return VLD_E_DAMAGED;
    }
    rv = vld_tree_get(view, files, call->key->data, call->key->size, &value);
    call->rv = rv == APR_SUCCESS
                   ? vld_record_decode(value.data, value.size, call->path,
                                       call->len, call->out)
                   : rv;
    return rv;
}

apr_status_t vld_store_get(vld_store *store, const char *path, size_t len,
                           vld_record *out)
{
    vld_store_key key;
    get_call call = { APR_SUCCESS, &key, path, len, out };
    apr_status_t rv = vld_store_key_of(path, len, &key);

    if (rv == APR_SUCCESS) {
        rv = vld_view_read(store, get_record, &call);
    }
    return rv == APR_SUCCESS ? call.rv : rv;
}
