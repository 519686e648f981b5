/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A walk over records.  No callback is called inside a transaction. */
#include <stdlib.h>
#include <string.h>

#include "index/error.h"
#include "index/grow.h"
#include "index/guarded.h"
#include "index/record.h"

#define CHUNK_RECORDS 256
#define CHUNK_OCTETS 262144

/* Keys come in this order: hashed ones, the prefix itself, what is below. */
typedef enum key_range {
    RANGE_HASHED,
    RANGE_ITSELF,
    RANGE_BELOW,
    RANGE_NONE
} key_range;

typedef struct entry {
    size_t at; /* of the path in text */
    size_t len;
    bool good;
    vld_record record;
} entry;

/* A chunk of the index is copied, so that the transaction can end before the
 * callback is called. */
typedef struct walk {
    apr_status_t rv;
    vld_store *store;
    char *prefix; /* without trailing slash: "" is all; then '/' */
    size_t prefix_len;
    key_range range;
    unsigned char last[VLD_KEY_MAX]; /* the key that was seen last */
    size_t last_len;                 /* 0: none in this range */
    entry entries[CHUNK_RECORDS];
    size_t count;
    char *text;
    size_t text_len;
    size_t text_size;
} walk;

/* --- reading a chunk ----------------------------------------------------- */

static bool is_below(const walk *w, const char *path, size_t len)
{
    if (len < w->prefix_len || memcmp(path, w->prefix, w->prefix_len)) {
        return false;
    }
    return !w->prefix_len || len == w->prefix_len || path[w->prefix_len] == '/';
}

static bool is_in_range(const walk *w, const MDB_val *key)
{
    const char *k = key->mv_data;

    switch (w->range) {
    case RANGE_HASHED: return k[0] == '\0';
    case RANGE_ITSELF:
        return key->mv_size == w->prefix_len
               && !memcmp(k, w->prefix, w->prefix_len);
    default:
        return key->mv_size > w->prefix_len
               && !memcmp(k, w->prefix, w->prefix_len + 1);
    }
}

static void start_range(const walk *w, MDB_val *key)
{
    key->mv_data = w->range == RANGE_HASHED ? (char *)(uintptr_t) ""
                                            : w->prefix;
    key->mv_size = w->range == RANGE_ITSELF ? w->prefix_len : w->prefix_len + 1;
    if (w->range == RANGE_HASHED) {
        key->mv_size = 1;
    }
}

static int find_next(walk *w, MDB_cursor *cursor, MDB_val *key, MDB_val *val)
{
    int rc;

    if (!w->last_len) {
        start_range(w, key);
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

static apr_status_t copy_record(walk *w, const MDB_val *key, const MDB_val *val)
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
    if (w->range == RANGE_HASHED && !is_below(w, path, len)) {
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

/* A prefix that is too long for a key has records under hashed keys alone. */
static key_range choose_next_range(const walk *w)
{
    if (w->range == RANGE_HASHED && w->prefix_len > 0
        && w->prefix_len <= VLD_KEY_MAX) {
        return RANGE_ITSELF;
    }
    if (w->range < RANGE_BELOW && w->prefix_len < VLD_KEY_MAX) {
        return RANGE_BELOW;
    }
    return RANGE_NONE;
}

/* In a damaged page keys may have any length and any order; a walk that trusted
 * them might never end. */
static bool is_after_last(const walk *w, const MDB_val *key)
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

static apr_status_t read_range(walk *w, MDB_cursor *cursor)
{
    MDB_val key;
    MDB_val val;
    apr_status_t rv = APR_SUCCESS;
    int rc = find_next(w, cursor, &key, &val);

    while (!rc && is_in_range(w, &key)) {
        rv = is_after_last(w, &key) ? copy_record(w, &key, &val)
                                    : VLD_E_DAMAGED;
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
    w->range = choose_next_range(w);
    w->last_len = 0;
    return APR_SUCCESS;
}

static void read_chunk(void *data)
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
        while (w->rv == APR_SUCCESS && w->range != RANGE_NONE && has_room(w)) {
            w->rv = read_range(w, cursor);
        }
        mdb_cursor_close(cursor);
    }
    vld_store_leave(w->store);
}

/* --- the walk ------------------------------------------------------------ */

static apr_status_t call_back(walk *w, vld_record_cb cb, void *baton)
{
    apr_status_t rv = APR_SUCCESS;

    for (size_t i = 0; i < w->count && rv == APR_SUCCESS; i++) {
        const entry *e = &w->entries[i];

        rv = cb(baton, w->text + e->at, e->len, e->good ? &e->record : NULL);
    }
    return rv;
}

static walk *begin_walk(vld_store *store, const char *prefix)
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
    walk *w = begin_walk(store, prefix);
    apr_status_t rv = APR_SUCCESS;

    if (!w) {
        return APR_ENOMEM;
    }
    while (rv == APR_SUCCESS && w->range != RANGE_NONE) {
        w->count = 0;
        w->text_len = 0;
        rv = vld_store_run(store, read_chunk, w);
        if (rv == APR_SUCCESS) {
            rv = call_back(w, cb, baton);
        }
    }
    free(w->text);
    free(w->prefix);
    free(w);
    return rv;
}
