/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The figures of an index as a whole.  It never looks at a record. */
#include <string.h>
#include <sys/stat.h>

#include "validators/bytes.h"
#include "index/databases.h"
#include "index/error.h"
#include "index/grow.h"
#include "index/guarded.h"

typedef struct stat_call {
    apr_status_t rv;
    vld_store *store;
    vld_store_info *out;
} stat_call;

static int count_line(const char *line, void *baton)
{
    unsigned *lines = baton;

    (void)line;
    ++*lines;
    return 0;
}

/* me_numreaders is a high-water mark, so count the lines of mdb_reader_list:
 * one heading and one per slot, or a single line when there is none. */
static uint32_t count_readers(MDB_env *env)
{
    unsigned lines = 0;

    if (mdb_reader_list(env, count_line, &lines) < 0 || !lines) {
        return 0;
    }
    return lines - 1;
}

static uint64_t count_pages(MDB_txn *txn, MDB_dbi dbi, uint64_t *entries)
{
    MDB_stat st;

    if (mdb_stat(txn, dbi, &st)) {
        return 0;
    }
    *entries = st.ms_entries;
    return st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
}

static void read_meta_figures(vld_store *store, MDB_txn *txn,
                              vld_store_info *out)
{
    MDB_val val;
    size_t len;

    if (!vld_databases_get_meta(store, txn, "format", &val)
        && val.mv_size == 4) {
        out->format = vld_get32(val.mv_data);
    }
    if (!vld_databases_get_meta(store, txn, "created", &val)
        && val.mv_size == 8) {
        out->created_ns = (int64_t)vld_get64(val.mv_data);
    }
    if (!vld_databases_get_meta(store, txn, "tool", &val)) {
        len = val.mv_size < sizeof(out->tool) ? val.mv_size
                                              : sizeof(out->tool) - 1;
        memcpy(out->tool, val.mv_data, len);
    }
}

static void read_figures(vld_store *store, MDB_txn *txn, vld_store_info *out)
{
    enum { FREE_PAGES, MAIN }; /* LMDB's own databases */
    uint64_t pages = 2;        /* its two heads */
    uint64_t others;
    MDB_stat st;

    pages += count_pages(txn, store->files, &out->files);
    pages += count_pages(txn, store->meta, &others);
    pages += count_pages(txn, FREE_PAGES, &others);
    pages += count_pages(txn, MAIN, &others);
    if (!mdb_env_stat(store->env, &st)) {
        out->used_bytes = pages * st.ms_psize;
    }
    read_meta_figures(store, txn, out);
}

static void read_stat(void *data)
{
    stat_call *call = data;
    vld_store *store = call->store;
    MDB_envinfo info;
    MDB_txn *txn;
    int dead;
    int rc = vld_store_enter(store, &txn);

    if (!rc) {
        read_figures(store, txn, call->out);
        vld_store_leave(store);
        mdb_reader_check(store->env, &dead);
        rc = mdb_env_info(store->env, &info);
    }
    call->rv = vld_error_mdb(rc);
    if (rc) {
        return;
    }
    call->out->map_bytes = info.me_mapsize;
    call->out->txn = info.me_last_txnid;
    call->out->max_readers = info.me_maxreaders;
    call->out->readers = count_readers(store->env);
}

apr_status_t vld_store_stat(vld_store *store, vld_store_info *out)
{
    stat_call call = { APR_SUCCESS, store, out };
    struct stat st;

    memset(out, 0, sizeof(*out));
    if (stat(store->path, &st)) {
        return vld_error_os();
    }
    out->file_bytes = (uint64_t)st.st_size;
    return vld_store_run(store, read_stat, &call);
}
