/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A walk over records.  No callback is called while pages are read. */
#include <stdlib.h>
#include <string.h>

#include "index/record.h"
#include "index/tree.h"

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

/* Where a walk is. */
typedef struct position {
    key_range range;
    unsigned char last[VLD_KEY_MAX]; /* the key that was seen last */
    size_t last_len;                 /* 0: none in this range */
} position;

/* A chunk of the index is copied, and the callback is called when it is known
 * that no page was overwritten meanwhile.  If one was, the chunk is copied
 * again, half as long: so it gets done under any writer. */
typedef struct walk {
    vld_store *store;
    char *prefix; /* without trailing slash: "" is all; then '/' */
    size_t prefix_len;
    position before; /* the end of the last chunk */
    position now;    /* how far this one has come */
    size_t most;     /* records of it */
    unsigned tries;  /* of it */
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

static bool is_in_range(const walk *w, const vld_octets *key)
{
    switch (w->now.range) {
    case RANGE_HASHED: return key->data[0] == '\0';
    case RANGE_ITSELF:
        return key->size == w->prefix_len
               && !memcmp(key->data, w->prefix, w->prefix_len);
    default:
        return key->size > w->prefix_len
               && !memcmp(key->data, w->prefix, w->prefix_len + 1);
    }
}

static apr_status_t start_range(const walk *w, vld_cursor *cursor,
                                const vld_view *view, const unsigned char *db)
{
    switch (w->now.range) {
    case RANGE_HASHED: return vld_cursor_seek(cursor, view, db, "", 1);
    case RANGE_ITSELF:
        return vld_cursor_seek(cursor, view, db, w->prefix, w->prefix_len);
    default:
        return vld_cursor_seek(cursor, view, db, w->prefix, w->prefix_len + 1);
    }
}

static apr_status_t find_next(const walk *w, vld_cursor *cursor,
                              const vld_view *view, const unsigned char *db)
{
    vld_octets key;
    vld_octets value;
    apr_status_t rv;

    if (!w->now.last_len) {
        return start_range(w, cursor, view, db);
    }
    rv = vld_cursor_seek(cursor, view, db, w->now.last, w->now.last_len);
    if (rv == APR_SUCCESS) {
        rv = vld_cursor_read(cursor, &key, &value);
    }
    return rv == APR_SUCCESS && key.size == w->now.last_len
                   && !memcmp(key.data, w->now.last, key.size)
               ? vld_cursor_next(cursor)
               : rv;
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

static apr_status_t copy_record(walk *w, const vld_octets *key,
                                const vld_octets *val)
{
    entry *e = &w->entries[w->count];
    const char *path;
    size_t len;
    bool known = vld_record_path(key->data, key->size, val->data, val->size,
                                 &path, &len);

    if (!known) {
        path = (const char *)key->data;
        len = key->size;
    }
    if (w->now.range == RANGE_HASHED && !is_below(w, path, len)) {
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
              && !vld_record_decode(val->data, val->size, w->text + e->at, len,
                                    &e->record);
    w->count++;
    return APR_SUCCESS;
}

static bool has_room(const walk *w)
{
    return w->count < w->most && w->text_len < CHUNK_OCTETS;
}

/* A prefix that is too long for a key has records under hashed keys alone. */
static key_range choose_next_range(const walk *w)
{
    if (w->now.range == RANGE_HASHED && w->prefix_len > 0
        && w->prefix_len <= VLD_KEY_MAX) {
        return RANGE_ITSELF;
    }
    if (w->now.range < RANGE_BELOW && w->prefix_len < VLD_KEY_MAX) {
        return RANGE_BELOW;
    }
    return RANGE_NONE;
}

/* In a damaged page keys may have any length and any order; a walk that trusted
 * them might never end. */
static bool is_after_last(const walk *w, const vld_octets *key)
{
    size_t least = key->size < w->now.last_len ? key->size : w->now.last_len;
    int order;

    if (!key->size || key->size > VLD_KEY_MAX) {
        return false;
    }
    order = memcmp(key->data, w->now.last, least);
    return !w->now.last_len || order > 0
           || (order == 0 && key->size > w->now.last_len);
}

static apr_status_t take_record(walk *w, const vld_octets *key,
                                const vld_octets *value)
{
    apr_status_t rv = is_after_last(w, key) ? copy_record(w, key, value)
                                            : VLD_E_DAMAGED;

    if (rv == APR_SUCCESS) {
        memcpy(w->now.last, key->data, key->size);
        w->now.last_len = key->size;
    }
    return rv;
}

static apr_status_t read_range(walk *w, const vld_view *view,
                               const unsigned char *db)
{
    vld_cursor cursor;
    vld_octets key;
    vld_octets value;
    apr_status_t rv = find_next(w, &cursor, view, db);

    while (rv == APR_SUCCESS) {
        rv = vld_cursor_read(&cursor, &key, &value);
        if (rv == APR_SUCCESS && key.size && !is_in_range(w, &key)) {
            break;
        }
        if (rv == APR_SUCCESS) {
            rv = take_record(w, &key, &value);
        }
        if (rv != APR_SUCCESS || !has_room(w)) {
            return rv;
        }
        rv = vld_cursor_next(&cursor);
    }
    if (rv == APR_SUCCESS || rv == APR_NOTFOUND) {
        w->now.range = choose_next_range(w);
        w->now.last_len = 0;
        rv = APR_SUCCESS;
    }
    return rv;
}

static void begin_chunk(walk *w)
{
    if (w->tries++ && w->most > 1) {
        w->most /= 2;
    }
    w->now = w->before;
    w->count = 0;
    w->text_len = 0;
}

static apr_status_t read_chunk(const vld_view *view, void *data)
{
    walk *w = data;
    const unsigned char *files;
    apr_status_t rv = APR_SUCCESS;

    begin_chunk(w);
    if (vld_tree_database(view, "files", &files)) {
        return VLD_E_DAMAGED;
    }
    while (rv == APR_SUCCESS && w->now.range != RANGE_NONE && has_room(w)) {
        rv = read_range(w, view, files);
    }
    return rv;
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
    w->most = CHUNK_RECORDS;
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
    while (rv == APR_SUCCESS && w->before.range != RANGE_NONE) {
        w->tries = 0;
        rv = vld_view_read(store, read_chunk, w);
        if (rv == APR_SUCCESS) {
            w->before = w->now;
            w->most = w->most < CHUNK_RECORDS / 2 ? 2 * w->most : CHUNK_RECORDS;
            rv = call_back(w, cb, baton);
        }
    }
    free(w->text);
    free(w->prefix);
    free(w);
    return rv;
}
