/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Checks the pages of an index one by one, as octets of a file.  It knows
 * LMDB's format and trusts no page; it writes nothing. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "index/check.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "validators/bytes.h"
#include "index/error.h"
#include "index/grow.h"
#include "index/guarded.h"
#include "index/layout.h"
#include "index/record.h"

typedef struct check {
    apr_status_t rv;
    vld_store *store;
    int fd;
    size_t page_size;
    uint64_t last;        /* page */
    unsigned char *seen;  /* a bit a page */
    unsigned char *used;  /* an octet for each two of a page */
    unsigned char *pages; /* one for each depth, one for big data */
    bool is_free;         /* the database of free pages: keys are numbers */
    unsigned char key[VLD_KEY_MAX];
    size_t key_len; /* of the key before; 0: none */
    bool is_bound;  /* that key is a branch's: the first key below may be
                     * equal to it */
} check;

typedef struct node {
    uint64_t number; /* branch: page below; leaf: octets of data */
    unsigned flags;
    size_t key_len;
    const unsigned char *key;
    const unsigned char *data;
} node;

/* --- pages --------------------------------------------------------------- */

/* Each page has one use. */
static bool take_page(check *c, uint64_t number)
{
    unsigned char bit = (unsigned char)(1 << number % 8);

    if (number < 2 || number > c->last || c->seen[number / 8] & bit) {
        return false;
    }
    c->seen[number / 8] |= bit;
    return true;
}

static bool read_page(const check *c, uint64_t number, unsigned char *page)
{
    return pread(c->fd, page, c->page_size, (off_t)(number * c->page_size))
           == (ssize_t)c->page_size;
}

static bool read_as(const check *c, uint64_t number, unsigned kind,
                    unsigned char *page)
{
    return read_page(c, number, page) && vld_get64_native(page) == number
           && vld_get16_native(page + VLD_PAGE_KIND) == kind;
}

/* --- nodes --------------------------------------------------------------- */

static bool take_octets(check *c, size_t at, size_t len)
{
    len += len % 2;
    if (at % 2 || at + len > c->page_size
        || memchr(c->used + at / 2, 1, len / 2)) {
        return false;
    }
    memset(c->used + at / 2, 1, len / 2);
    return true;
}

static bool read_node(check *c, const unsigned char *page, unsigned i,
                      node *out)
{
    size_t at = vld_get16_native(page + VLD_PAGE_HEAD + 2 * i), len;
    const unsigned char *p = page + at;

    if (at < vld_get16_native(page + VLD_PAGE_UPPER)
        || at + VLD_NODE_HEAD > c->page_size) {
        return false;
    }
    out->number = vld_get16_native(p) | (uint64_t)vld_get16_native(p + 2) << 16;
    out->flags = vld_get16_native(p + VLD_NODE_FLAGS);
    out->key_len = vld_get16_native(p + VLD_NODE_KEY_SIZE);
    out->key = p + VLD_NODE_HEAD;
    out->data = out->key + out->key_len;
    len = VLD_NODE_HEAD + out->key_len;
    if (vld_get16_native(page + VLD_PAGE_KIND) == VLD_IS_BRANCH) {
        out->number |= (uint64_t)out->flags << 32;
        return take_octets(c, at, len);
    }
    return take_octets(c, at,
                       len + (out->flags == VLD_NODE_BIG ? 8 : out->number));
}

static int compare_key(const check *c, const node *n)
{
    size_t least = n->key_len < c->key_len ? n->key_len : c->key_len;
    int order;

    if (c->is_free) {
        uint64_t now = vld_get64_native(n->key),
                 before = vld_get64_native(c->key);

        return now > before ? 1 : now < before ? -1 : 0;
    }
    order = memcmp(n->key, c->key, least);
    return order                     ? order
           : n->key_len > c->key_len ? 1
                                     : -(n->key_len < c->key_len);
}

static bool take_key(check *c, const node *n)
{
    int order;

    if (!n->key_len || n->key_len > VLD_KEY_MAX
        || (c->is_free && n->key_len != sizeof(uint64_t))) {
        return false;
    }
    order = c->key_len ? compare_key(c, n) : 1;
    if (order < 0 || (order == 0 && !c->is_bound)) {
        return false;
    }
    memcpy(c->key, n->key, n->key_len);
    c->key_len = n->key_len;
    c->is_bound = false;
    return true;
}

/* --- data ---------------------------------------------------------------- */

/* Data on pages of its own; it begins behind the head of the first one. */
static bool take_big(check *c, uint64_t first, uint64_t len)
{
    unsigned char *page = c->pages + VLD_MOST_DEPTH * c->page_size;
    uint64_t count = (VLD_PAGE_HEAD - 1 + len) / c->page_size + 1;

    if (first > c->last || count > c->last
        || !read_as(c, first, VLD_IS_OVERFLOW, page)
        || (vld_get16_native(page + VLD_PAGE_LOWER)
            | (uint64_t)vld_get16_native(page + VLD_PAGE_UPPER) << 16)
               != count) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!take_page(c, first + i)) {
            return false;
        }
    }
    return true;
}

/* A list of free pages: how many, then their numbers, from the greatest. */
static bool take_list(check *c, uint64_t at, const unsigned char *data,
                      uint64_t len)
{
    uint64_t count, before = UINT64_MAX, i;
    unsigned char word[8];

    if (len < 8 || len % 8) {
        return false;
    }
    for (i = 0, count = 0; i * 8 < len; i++) {
        if (data) {
            memcpy(word, data + 8 * i, sizeof(word));
        }
        else if (pread(c->fd, word, sizeof(word), (off_t)(at + 8 * i)) != 8) {
            return false;
        }
        if (i == 0) {
            count = vld_get64_native(word);
            if (count + 1 != len / 8) {
                return false;
            }
            continue;
        }
        if (vld_get64_native(word) >= before
            || !take_page(c, vld_get64_native(word))) {
            return false;
        }
        before = vld_get64_native(word);
    }
    return true;
}

static bool take_data(check *c, const node *n)
{
    uint64_t first;

    if (n->flags == 0 || n->flags == VLD_NODE_DATABASE) {
        return !c->is_free || take_list(c, 0, n->data, n->number);
    }
    if (n->flags != VLD_NODE_BIG) {
        return false;
    }
    first = vld_get64_native(n->data);
    return take_big(c, first, n->number)
           && (!c->is_free
               || take_list(c, first * c->page_size + VLD_PAGE_HEAD, NULL,
                            n->number));
}

/* --- trees --------------------------------------------------------------- */

static bool take_tree(check *c, const unsigned char *db, bool holds);

static bool take_leaf(check *c, const node *n, bool holds)
{
    check inner;
    bool good;

    if (!take_key(c, n) || !take_data(c, n)) {
        return false;
    }
    if (n->flags != VLD_NODE_DATABASE) {
        return true;
    }
    if (!holds || n->number != VLD_DB_SIZE) {
        return false;
    }
    /* A database inside the main one shares the set of pages; keys and buffers
     * are its own. */
    inner = *c;
    inner.pages = malloc((VLD_MOST_DEPTH + 1) * c->page_size);
    inner.used = malloc(c->page_size / 2);
    good = inner.pages && inner.used && take_tree(&inner, n->data, false);
    free(inner.pages);
    free(inner.used);
    return good;
}

static bool take_page_of_tree(check *c, uint64_t number, unsigned depth,
                              bool holds);

/* Keys below a branch's key are not less than it; the first key of a branch has
 * no meaning. */
static bool take_below(check *c, const node *n, unsigned i, unsigned depth,
                       bool holds)
{
    if (i > 0) {
        if (!take_key(c, n)) {
            return false;
        }
        c->is_bound = true;
    }
    return take_page_of_tree(c, n->number, depth - 1, holds);
}

static bool take_page_of_tree(check *c, uint64_t number, unsigned depth,
                              bool holds)
{
    unsigned char *page = c->pages + (depth - 1) * c->page_size;
    unsigned lower, upper, i;
    node n;

    if (!take_page(c, number)
        || !read_as(c, number, depth > 1 ? VLD_IS_BRANCH : VLD_IS_LEAF, page)) {
        return false;
    }
    lower = vld_get16_native(page + VLD_PAGE_LOWER);
    upper = vld_get16_native(page + VLD_PAGE_UPPER);
    if (lower <= VLD_PAGE_HEAD || lower % 2 || lower > upper
        || upper > c->page_size) {
        return false;
    }
    memset(c->used, 0, c->page_size / 2);
    for (i = 0; i < (lower - VLD_PAGE_HEAD) / 2; i++) {
        if (!read_node(c, page, i, &n) || n.key_len > VLD_KEY_MAX) {
            return false;
        }
    }
    for (i = 0; i < (lower - VLD_PAGE_HEAD) / 2; i++) {
        memset(c->used, 0, c->page_size / 2);
        read_node(c, page, i, &n);
        if (depth > 1 ? !take_below(c, &n, i, depth, holds)
                      : !take_leaf(c, &n, holds)) {
            return false;
        }
    }
    return true;
}

static bool take_tree(check *c, const unsigned char *db, bool holds)
{
    unsigned depth = vld_get16_native(db + VLD_DB_DEPTH);
    uint64_t root = vld_get64_native(db + VLD_DB_ROOT);

    c->key_len = 0;
    c->is_bound = false;
    if ((vld_get16_native(db + VLD_DB_FLAGS) & VLD_ORDER_FLAGS)
        != (c->is_free ? VLD_NUMBERS_AS_KEYS : 0)) {
        return false;
    }
    if (depth == 0 || root == UINT64_MAX) {
        return depth == 0 && root == UINT64_MAX;
    }
    return depth <= VLD_MOST_DEPTH && take_page_of_tree(c, root, depth, holds);
}

/* --- the file ------------------------------------------------------------ */

/* Each transaction writes the meta page of its parity. */
static bool read_meta(const check *c, uint64_t txn, unsigned char *meta)
{
    return read_page(c, txn & 1, meta)
           && vld_get64_native(meta + VLD_HEAD_TXN) == txn;
}

/* *gone: two commits have overwritten the snapshot's meta page. */
static bool take_all(check *c, uint64_t txn, bool *gone)
{
    unsigned char *meta = malloc(c->page_size);
    bool good = false;
    size_t pages;

    *gone = meta && !read_meta(c, txn, meta);
    if (meta && !*gone) {
        c->last = vld_get64_native(meta + VLD_HEAD_LAST);
        pages = (size_t)c->last / 8 + 1;
        c->seen = c->last < (uint64_t)1 << 40 ? calloc(pages, 1) : NULL;
        c->pages = malloc((VLD_MOST_DEPTH + 1) * c->page_size);
        c->used = malloc(c->page_size / 2);
        c->is_free = true;
        good = c->seen && c->pages && c->used
               && take_tree(c, meta + VLD_HEAD_FREE, false);
        c->is_free = false;
        good = good && take_tree(c, meta + VLD_HEAD_MAIN, true);
    }
    free(meta);
    free(c->seen);
    free(c->pages);
    free(c->used);
    return good;
}

#define TRIES 5

/* Writers have a lock file, so this snapshot can be held. */
static int begin_reading(vld_store *store, MDB_txn **txn)
{
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, txn);

    return rc == MDB_MAP_RESIZED && vld_store_grow(store)
               ? mdb_txn_begin(store->env, NULL, MDB_RDONLY, txn)
               : rc;
}

static void check_snapshot(void *data)
{
    check *c = data;
    MDB_txn *txn;
    bool gone = true;

    for (int i = 0; c->rv == APR_SUCCESS && gone && i < TRIES; i++) {
        c->rv = vld_error_mdb(begin_reading(c->store, &txn));
        if (c->rv == APR_SUCCESS) {
            c->rv = take_all(c, mdb_txn_id(txn), &gone)
                            || (gone && i < TRIES - 1)
                        ? APR_SUCCESS
                        : VLD_E_DAMAGED;
            mdb_txn_abort(txn);
        }
    }
}

apr_status_t vld_store_check(vld_store *store)
{
    check c = { .store = store,
                .fd = store->fd,
                .page_size = store->page_size };

    return vld_store_run(store, check_snapshot, &c);
}
