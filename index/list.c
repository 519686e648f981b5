/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Walks over all records and figures of the whole.  No callback is called
 * inside a transaction. */
#include "index/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "validators/bytes.h"
#include "index/error.h"
#include "index/record.h"

#define CHUNK_RECORDS 256
#define CHUNK_OCTETS 262144

/* Keys come in this order: hashed ones, the prefix itself, what is below. */
typedef enum part { PART_HASHED, PART_ITSELF, PART_BELOW, PART_NONE } part;

typedef struct entry {
    size_t at; /* of the path in text */
    size_t len;
    bool good;
    vld_record record;
} entry;

/* A stretch of the index, copied so that the transaction can end before the
 * callback is called. */
typedef struct walk {
    apr_status_t rv;
    vld_store *store;
    char *prefix; /* without trailing slash: "" is all; then '/' */
    size_t prefix_len;
    part part;
    unsigned char last[VLD_KEY_MAX]; /* the key that was seen last */
    size_t last_len;                 /* 0: none in this part */
    entry entries[CHUNK_RECORDS];
    size_t count;
    char *text;
    size_t text_len;
    size_t text_size;
} walk;

/* --- reading a stretch --------------------------------------------------- */

static bool is_below(const walk *w, const char *path, size_t len)
{
    if (len < w->prefix_len || memcmp(path, w->prefix, w->prefix_len)) {
        return false;
    }
    return !w->prefix_len || len == w->prefix_len || path[w->prefix_len] == '/';
}

static bool is_in_part(const walk *w, const MDB_val *key)
{
    const char *k = key->mv_data;

    switch (w->part) {
    case PART_HASHED: return k[0] == '\0';
    case PART_ITSELF:
        return key->mv_size == w->prefix_len
               && !memcmp(k, w->prefix, w->prefix_len);
    default:
        return key->mv_size > w->prefix_len
               && !memcmp(k, w->prefix, w->prefix_len + 1);
    }
}

static void start_of_part(const walk *w, MDB_val *key)
{
    key->mv_data = w->part == PART_HASHED ? (char *)(uintptr_t) "" : w->prefix;
    key->mv_size = w->part == PART_ITSELF ? w->prefix_len : w->prefix_len + 1;
    if (w->part == PART_HASHED) {
        key->mv_size = 1;
    }
}

static int seek(walk *w, MDB_cursor *cursor, MDB_val *key, MDB_val *val)
{
    int rc;

    if (!w->last_len) {
        start_of_part(w, key);
        return mdb_cursor_get(cursor, key, val, MDB_SET_RANGE);
    }
    key->mv_data = w->last;
    key->mv_size = w->last_len;
    rc = mdb_cursor_get(cursor, key, val, MDB_SET_RANGE);
    if (!rc && key->mv_size == w->last_len
        && !memcmp(key->mv_data, w->last, w->last_len)) {
        rc = mdb_cursor_get(cursor, key, val, MDB_NEXT);
    }
    return rc;
}

static bool make_room(walk *w, size_t len)
{
    size_t size = w->text_len + len + 1;
    char *text;

    if (size <= w->text_size) {
        return true;
    }
    size = size < CHUNK_OCTETS ? CHUNK_OCTETS : size;
    text = realloc(w->text, size);
    if (!text) {
        return false;
    }
    w->text = text;
    w->text_size = size;
    return true;
}

static apr_status_t copy(walk *w, const MDB_val *key, const MDB_val *val)
{
    entry *e = &w->entries[w->count];
    const char *path;
    size_t len;
    bool known = vld_record_path(key->mv_data, key->mv_size, val->mv_data,
                                 val->mv_size, &path, &len);

    if (!known) {
        path = key->mv_data;
        len = key->mv_size;
    }
    if (w->part == PART_HASHED && !is_below(w, path, len)) {
        return APR_SUCCESS;
    }
    if (!make_room(w, len)) {
        return APR_ENOMEM;
    }
    e->at = w->text_len;
    e->len = len;
    memcpy(w->text + e->at, path, len);
    w->text[e->at + len] = '\0';
    w->text_len += len + 1;
    e->good = known
              && !vld_record_decode(val->mv_data, val->mv_size, w->text + e->at,
                                    len, &e->record);
    w->count++;
    return APR_SUCCESS;
}

static bool has_room(const walk *w)
{
    return w->count < CHUNK_RECORDS && w->text_len < CHUNK_OCTETS;
}

/* What is too long for a key is all among the hashed. */
static part part_after(const walk *w)
{
    if (w->part == PART_HASHED && w->prefix_len > 0
        && w->prefix_len <= VLD_KEY_MAX) {
        return PART_ITSELF;
    }
    if (w->part < PART_BELOW && w->prefix_len < VLD_KEY_MAX) {
        return PART_BELOW;
    }
    return PART_NONE;
}

/* In a damaged page keys may be of any length and in any order; a walk that
 * believed them would begin again and again. */
static bool comes_next(const walk *w, const MDB_val *key)
{
    size_t least = key->mv_size < w->last_len ? key->mv_size : w->last_len;
    int order;

    if (!key->mv_size || key->mv_size > VLD_KEY_MAX) {
        return false;
    }
    order = memcmp(key->mv_data, w->last, least);
    return !w->last_len || order > 0
           || (order == 0 && key->mv_size > w->last_len);
}

static apr_status_t read_part(walk *w, MDB_cursor *cursor)
{
    MDB_val key;
    MDB_val val;
    apr_status_t rv = APR_SUCCESS;
    int rc = seek(w, cursor, &key, &val);

    while (!rc && is_in_part(w, &key)) {
        rv = comes_next(w, &key) ? copy(w, &key, &val) : VLD_E_DAMAGED;
        if (rv != APR_SUCCESS) {
            return rv;
        }
        memcpy(w->last, key.mv_data, key.mv_size);
        w->last_len = key.mv_size;
        if (!has_room(w)) {
            return APR_SUCCESS;
        }
        rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT);
    }
    if (rc && rc != MDB_NOTFOUND) {
        return vld_error_mdb(rc);
    }
    w->part = part_after(w);
    w->last_len = 0;
    return APR_SUCCESS;
}

static void read_stretch(void *data)
{
    walk *w = data;
    MDB_txn *txn;
    MDB_cursor *cursor;
    int rc = vld_store_enter(w->store, &txn);

    w->rv = vld_error_mdb(rc);
    if (rc) {
        return;
    }
    rc = mdb_cursor_open(txn, w->store->files, &cursor);
    w->rv = vld_error_mdb(rc);
    if (!rc) {
        w->rv = APR_SUCCESS;
        while (w->rv == APR_SUCCESS && w->part != PART_NONE && has_room(w)) {
            w->rv = read_part(w, cursor);
        }
        mdb_cursor_close(cursor);
    }
    vld_store_leave(w->store);
}

/* --- the walk ------------------------------------------------------------ */

static apr_status_t hand_out(walk *w, vld_record_cb cb, void *baton)
{
    apr_status_t rv = APR_SUCCESS;

    for (size_t i = 0; i < w->count && rv == APR_SUCCESS; i++) {
        const entry *e = &w->entries[i];

        rv = cb(baton, w->text + e->at, e->len, e->good ? &e->record : NULL);
    }
    return rv;
}

static walk *new_walk(vld_store *store, const char *prefix)
{
    walk *w = calloc(1, sizeof(*w));
    size_t len = strlen(prefix);

    if (!w) {
        return NULL;
    }
    while (len && prefix[len - 1] == '/') {
        len--;
    }
    w->store = store;
    w->prefix_len = len;
    w->prefix = malloc(len + 2);
    if (!w->prefix) {
        free(w);
        return NULL;
    }
    memcpy(w->prefix, prefix, len);
    memcpy(w->prefix + len, "/", 2);
    return w;
}

apr_status_t vld_store_each(vld_store *store, const char *prefix,
                            vld_record_cb cb, void *baton)
{
    walk *w = new_walk(store, prefix);
    apr_status_t rv = APR_SUCCESS;

    if (!w) {
        return APR_ENOMEM;
    }
    while (rv == APR_SUCCESS && w->part != PART_NONE) {
        w->count = 0;
        w->text_len = 0;
        rv = vld_store_run(store, read_stretch, w);
        if (rv == APR_SUCCESS) {
            rv = hand_out(w, cb, baton);
        }
    }
    free(w->text);
    free(w->prefix);
    free(w);
    return rv;
}

/* --- figures ------------------------------------------------------------- */

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

/* LMDB's own figure is the most that were ever in use; its list has a line
 * of heading and one for each slot, or one line that there are none. */
static uint32_t count_readers(MDB_env *env)
{
    unsigned lines = 0;

    if (mdb_reader_list(env, count_line, &lines) < 0 || !lines) {
        return 0;
    }
    return lines - 1;
}

static uint64_t pages_of(MDB_txn *txn, MDB_dbi dbi, uint64_t *entries)
{
    MDB_stat st;

    if (mdb_stat(txn, dbi, &st)) {
        return 0;
    }
    *entries = st.ms_entries;
    return st.ms_branch_pages + st.ms_leaf_pages + st.ms_overflow_pages;
}

static void read_meta(vld_store *store, MDB_txn *txn, vld_store_info *out)
{
    static char format[] = "format";
    static char created[] = "created";
    static char tool[] = "tool";
    MDB_val key = { 6, format };
    MDB_val val;
    size_t len;

    if (!mdb_get(txn, store->meta, &key, &val) && val.mv_size == 4) {
        out->format = vld_get32(val.mv_data);
    }
    key = (MDB_val){ 7, created };
    if (!mdb_get(txn, store->meta, &key, &val) && val.mv_size == 8) {
        out->created_ns = (int64_t)vld_get64(val.mv_data);
    }
    key = (MDB_val){ 4, tool };
    if (!mdb_get(txn, store->meta, &key, &val)) {
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

    pages += pages_of(txn, store->files, &out->files);
    pages += pages_of(txn, store->meta, &others);
    pages += pages_of(txn, FREE_PAGES, &others);
    pages += pages_of(txn, MAIN, &others);
    if (!mdb_env_stat(store->env, &st)) {
        out->used_bytes = pages * st.ms_psize;
    }
    read_meta(store, txn, out);
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
