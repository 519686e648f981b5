/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The databases of an index: `meta`, which says what it is, and `files`.  It
 * never opens others. */
#include "index/databases.h"

#include <string.h>
#include <sys/stat.h>

#include "validators/bytes.h"
#include "index/error.h"
#include "index/fault.h"
#include "index/record.h"
#include "index/tree.h"
#include "mod_validators.h"

/* --- opening and making -------------------------------------------------- */

static int open_database(MDB_txn *txn, const char *name, unsigned flags,
                         MDB_dbi *out)
{
    int rc = mdb_dbi_open(txn, name, flags, out);

    return rc ? rc : mdb_set_compare(txn, *out, vld_fault_compare);
}

static int open_databases(vld_store *store, MDB_txn *txn, unsigned flags)
{
    MDB_dbi names;
    int rc = open_database(txn, NULL, 0, &names);

    if (!rc) {
        rc = open_database(txn, "meta", flags, &store->meta);
    }
    if (!rc) {
        rc = open_database(txn, "files", flags, &store->files);
    }
    return rc;
}

static MDB_val make_text_val(const char *text)
{
    MDB_val val = { strlen(text), (void *)(uintptr_t)text };

    return val;
}

static int put_meta(vld_store *store, MDB_txn *txn, const char *name,
                    const void *data, size_t size)
{
    MDB_val key = make_text_val(name);
    MDB_val val = { size, (void *)(uintptr_t)data };

    return mdb_put(txn, store->meta, &key, &val, 0);
}

int vld_databases_allow_promises(vld_store *store, MDB_txn *txn)
{
    unsigned char number[4];
    MDB_val key = make_text_val("format");
    MDB_val val;
    int rc = mdb_get(txn, store->meta, &key, &val);

    if (rc
        || (val.mv_size == 4
            && vld_get32(val.mv_data) == VLD_FORMAT_PROMISES)) {
        return rc;
    }
    vld_put32(number, VLD_FORMAT_PROMISES);
    return put_meta(store, txn, "format", number, sizeof(number));
}

static int write_meta(vld_store *store, MDB_txn *txn)
{
    static const char tool[] = "mod_validators " MOD_VALIDATORS_VERSION;
    unsigned char number[8];
    int rc;

    vld_put32(number, VLD_FORMAT_FIRST);
    rc = put_meta(store, txn, "format", number, 4);
    if (!rc) {
        vld_put64(number, (uint64_t)vld_now_ns());
        rc = put_meta(store, txn, "created", number, 8);
    }
    if (!rc) {
        rc = put_meta(store, txn, "tool", tool, sizeof(tool) - 1);
    }
    return rc;
}

/* Fill an environment that holds nothing, or accept what another opener has
 * put into it meanwhile. */
static apr_status_t fill_empty(vld_store *store, MDB_txn *txn)
{
    MDB_dbi main_db;
    MDB_stat st;
    int rc = open_databases(store, txn, 0);

    if (!rc) {
        return APR_SUCCESS;
    }
    if (rc == MDB_NOTFOUND) {
        rc = mdb_dbi_open(txn, NULL, 0, &main_db);
    }
    if (!rc) {
        rc = mdb_stat(txn, main_db, &st);
    }
    if (!rc && st.ms_entries) {
        return VLD_E_NOT_INDEX;
    }
    if (!rc) {
        rc = open_databases(store, txn, MDB_CREATE);
    }
    if (!rc) {
        rc = write_meta(store, txn);
    }
    return vld_error_mdb_write(rc, store->env);
}

apr_status_t vld_databases_make(vld_store *store)
{
    MDB_txn *txn;
    apr_status_t rv = vld_error_mdb(mdb_txn_begin(store->env, NULL, 0, &txn));

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = fill_empty(store, txn);
    if (rv != APR_SUCCESS) {
        mdb_txn_abort(txn);
        return rv;
    }
    return vld_error_mdb_write(mdb_txn_commit(txn), store->env);
}

static apr_status_t keep_databases(vld_store *store, MDB_txn *txn)
{
    int rc = open_databases(store, txn, 0);

    return rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE ? VLD_E_NOT_INDEX
                                                        : vld_error_mdb(rc);
}

/* Committed, because that is what keeps the handles. */
apr_status_t vld_databases_open(vld_store *store, MDB_txn *txn)
{
    apr_status_t rv = keep_databases(store, txn);

    if (rv != APR_SUCCESS) {
        mdb_txn_abort(txn);
        return rv;
    }
    return vld_error_mdb(mdb_txn_commit(txn));
}

/* --- inspecting ----------------------------------------------------------- */

apr_status_t vld_databases_get_meta(const vld_view *view, const char *name,
                                    vld_octets *value)
{
    const unsigned char *meta;
    apr_status_t rv = vld_tree_database(view, "meta", &meta);

    return rv == APR_SUCCESS
               ? vld_tree_get(view, meta, name, strlen(name), value)
               : VLD_E_DAMAGED;
}

static apr_status_t check_format(const vld_view *view)
{
    vld_octets value;
    apr_status_t rv = vld_databases_get_meta(view, "format", &value);

    if (rv == APR_NOTFOUND || (rv == APR_SUCCESS && value.size != 4)) {
        return VLD_E_NOT_INDEX;
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    return vld_get32(value.data) >= VLD_FORMAT_FIRST
                   && vld_get32(value.data) <= VLD_FORMAT_PROMISES
               ? APR_SUCCESS
               : VLD_E_VERSION;
}

static bool is_no_database(apr_status_t rv)
{
    return rv == APR_NOTFOUND || rv == VLD_E_NOT_INDEX;
}

/* *data: the number of the last page. */
static apr_status_t inspect_view(const vld_view *view, void *data)
{
    const unsigned char *db;
    apr_status_t rv = vld_tree_database(view, "meta", &db);

    *(uint64_t *)data = view->last;
    if (rv == APR_SUCCESS) {
        rv = vld_tree_database(view, "files", &db);
    }
    if (is_no_database(rv)) {
        return VLD_E_NOT_INDEX;
    }
    return rv == APR_SUCCESS ? check_format(view) : rv;
}

static apr_status_t refuse_damaged(void *baton, const char *path, size_t len,
                                   const vld_record *record)
{
    (void)baton;
    (void)path;
    (void)len;
    return record ? APR_SUCCESS : VLD_E_DAMAGED;
}

static void touch(const volatile unsigned char *octet)
{
    (void)*octet;
}

/* The lists of free pages, which no look-up reads. */
static apr_status_t touch_free(const vld_view *view, void *unused)
{
    vld_cursor cursor;
    vld_octets key;
    vld_octets value;
    apr_status_t rv = vld_cursor_seek(&cursor, view, view->head + VLD_HEAD_FREE,
                                      "", 0);

    (void)unused;
    while (rv == APR_SUCCESS) {
        rv = vld_cursor_read(&cursor, &key, &value);
        if (rv == APR_SUCCESS && value.size) {
            touch(value.data + value.size - 1);
        }
        if (rv == APR_SUCCESS) {
            rv = vld_cursor_next(&cursor);
        }
    }
    return rv == APR_NOTFOUND ? APR_SUCCESS : rv;
}

/* While writers are too fast for a look at the lists, they are there. */
static apr_status_t touch_all(vld_store *store)
{
    apr_status_t rv = vld_view_read(store, touch_free, NULL);

    return rv == APR_SUCCESS || rv == VLD_E_UNKNOWN
               ? vld_store_each(store, "", refuse_damaged, NULL)
               : rv;
}

/* LMDB does not write pages that one transaction both took and gave back, so
 * a good file may end before its last page.  Reading all that is in use shows
 * whether it is good.  Part of a page may follow the last one: of a writer that
 * is at work, or that was killed. */
static apr_status_t check_length(vld_store *store, uint64_t last)
{
    struct stat file;
    uint64_t size;

    if (fstat(store->fd, &file)) {
        return vld_error_os();
    }
    store->least_size = file.st_size;
    size = (uint64_t)file.st_size;
    if (size / store->page_size > last) {
        return APR_SUCCESS;
    }
    return size % store->page_size ? VLD_E_DAMAGED : touch_all(store);
}

apr_status_t vld_databases_inspect(vld_store *store)
{
    uint64_t last = 0;
    apr_status_t rv = vld_view_read(store, inspect_view, &last);

    return rv == APR_SUCCESS ? check_length(store, last) : rv;
}
