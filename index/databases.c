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

int vld_databases_get_meta(const vld_store *store, MDB_txn *txn,
                           const char *name, MDB_val *val)
{
    MDB_val key = make_text_val(name);

    return mdb_get(txn, store->meta, &key, val);
}

static apr_status_t check_format(vld_store *store, MDB_txn *txn)
{
    MDB_val val;
    int rc = vld_databases_get_meta(store, txn, "format", &val);

    if (rc == MDB_NOTFOUND || (!rc && val.mv_size != 4)) {
        return VLD_E_NOT_INDEX;
    }
    if (rc) {
        return vld_error_mdb(rc);
    }
    return vld_get32(val.mv_data) >= VLD_FORMAT_FIRST
                   && vld_get32(val.mv_data) <= VLD_FORMAT_PROMISES
               ? APR_SUCCESS
               : VLD_E_VERSION;
}

int vld_databases_allow_promises(vld_store *store, MDB_txn *txn)
{
    unsigned char number[4];
    MDB_val val;
    int rc = vld_databases_get_meta(store, txn, "format", &val);

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
        return check_format(store, txn);
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

/* --- inspecting ----------------------------------------------------------- */

/* How the file's length and its last page agree. */
typedef enum extent {
    EXTENT_WHOLE,
    EXTENT_SHORT, /* the last pages are not there */
    EXTENT_TORN   /* it ends within one of them */
} extent;

static extent measure_file(vld_store *store, off_t *size)
{
    MDB_envinfo info;
    MDB_stat st;
    struct stat file;
    mdb_filehandle_t fd;

    if (mdb_env_info(store->env, &info) || mdb_env_stat(store->env, &st)
        || mdb_env_get_fd(store->env, &fd) || fstat(fd, &file)) {
        return EXTENT_TORN;
    }
    *size = file.st_size;
    /* Part of a page may follow the last one: of a writer that is at work, or
     * that was killed. */
    if ((uint64_t)file.st_size / st.ms_psize > info.me_last_pgno) {
        return EXTENT_WHOLE;
    }
    return (uint64_t)file.st_size % st.ms_psize ? EXTENT_TORN : EXTENT_SHORT;
}

/* Read every page that the database uses. */
static int touch_database(MDB_txn *txn, MDB_dbi dbi,
                          bool (*is_good)(const MDB_val *, const MDB_val *))
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, dbi, &cursor);

    if (rc) {
        return rc;
    }
    while (!(rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT))) {
        if (!is_good(&key, &val)) {
            rc = MDB_CORRUPTED;
            break;
        }
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static bool is_readable(const MDB_val *key, const MDB_val *val)
{
    const volatile unsigned char *octets = val->mv_data;

    (void)key;
    if (val->mv_size) {
        (void)octets[val->mv_size - 1];
    }
    return true;
}

static bool is_record(const MDB_val *key, const MDB_val *val)
{
    vld_record record;
    const char *path;
    size_t len;

    return vld_record_path(key->mv_data, key->mv_size, val->mv_data,
                           val->mv_size, &path, &len)
           && !vld_record_decode(val->mv_data, val->mv_size, path, len,
                                 &record);
}

#define FREE_DATABASE 0 /* LMDB's own, of free pages */

/* LMDB does not write pages that one transaction both took and gave back, so
 * a good file may end before its last page.  Reading all that is in use shows
 * whether it is good. */
static int touch_all(vld_store *store, MDB_txn *txn)
{
    int rc = touch_database(txn, FREE_DATABASE, is_readable);

    if (!rc) {
        rc = touch_database(txn, store->meta, is_readable);
    }
    return rc ? rc : touch_database(txn, store->files, is_record);
}

apr_status_t vld_databases_inspect(vld_store *store, MDB_txn *txn)
{
    extent e = measure_file(store, &store->least_size);
    int rc;
    apr_status_t rv;

    if (e == EXTENT_TORN) {
        return VLD_E_DAMAGED;
    }
    rc = open_databases(store, txn, 0);
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) {
        return VLD_E_NOT_INDEX;
    }
    if (rc) {
        return vld_error_mdb(rc);
    }
    rv = check_format(store, txn);
    if (rv == APR_SUCCESS && e == EXTENT_SHORT && touch_all(store, txn)) {
        rv = VLD_E_DAMAGED;
    }
    return rv;
}
