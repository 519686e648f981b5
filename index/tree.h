/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* LMDB's trees, read as octets of a view.  Private to index/. */
#ifndef VALIDATORS_INDEX_TREE_H
#define VALIDATORS_INDEX_TREE_H

#include "index/view.h"

typedef struct vld_octets {
    const unsigned char *data;
    size_t size;
} vld_octets;

/* A place in a tree: the nodes on the way to it. */
typedef struct vld_cursor {
    const vld_view *view;
    unsigned depth; /* of pages below; 0: behind the last key */
    struct {
        const unsigned char *page;
        unsigned count; /* of its nodes */
        unsigned i;     /* the one of the way */
    } at[VLD_MOST_DEPTH];
} vld_cursor;

/* All of them: APR_SUCCESS; APR_NOTFOUND; VLD_E_DAMAGED: LMDB does not write
 * such pages.  What they hand out points into the view's pages. */

/* The database of this name in the main one; VLD_E_NOT_INDEX: it orders its
 * keys in another way.  *db has VLD_DB_SIZE octets. */
apr_status_t vld_tree_database(const vld_view *view, const char *name,
                               const unsigned char **db);

/* The value that the key has in a database. */
apr_status_t vld_tree_get(const vld_view *view, const unsigned char *db,
                          const void *key, size_t size, vld_octets *value);

/* To the first key that is not less.  APR_NOTFOUND: all are. */
apr_status_t vld_cursor_seek(vld_cursor *cursor, const vld_view *view,
                             const unsigned char *db, const void *key,
                             size_t size);
/* To the next key.  APR_NOTFOUND: there is none. */
apr_status_t vld_cursor_next(vld_cursor *cursor);
apr_status_t vld_cursor_read(const vld_cursor *cursor, vld_octets *key,
                             vld_octets *value);

#endif /* VALIDATORS_INDEX_TREE_H */
