/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index in a child, and the thread that fills it.  Sees no request. */
#ifndef SERVER_INDEX_INDEX_H
#define SERVER_INDEX_INDEX_H

#include <httpd.h>

#include "validators/index.h"

/* --- handle.c: the index as the children see it --------------------------- */

/* In the parent, as root: let the server's group reach an index that root has
 * made.  The parent itself never opens it: LMDB is not carried over a fork. */
void vld_index_lend(server_rec *s, apr_pool_t *ptemp);
/* In the parent: make the folder in which the children make the index, where
 * there is none (one level), for the server's user. */
void vld_index_make_folder(server_rec *s, apr_pool_t *ptemp);
/* Open it in a child, which says in the error log what is wrong with it (one
 * child for all); an index that cannot be opened is tried again. */
void vld_index_child_init(apr_pool_t *pchild, server_rec *s);
/* The child's store, for the indexer to write to (its thread alone makes
 * batches) until it calls vld_index_written; it is opened anew, or the index
 * made, where need be.  NULL: not now, or the server's user may not write to
 * it: then *read_only. */
vld_store *vld_index_to_write(bool *read_only);
void vld_index_written(void);
/* Log what is wrong with the index as the look-ups do: once for all. */
void vld_index_complain(apr_status_t rv);
/* The number of the index's last transaction; 0 without an index.  now is the
 * time of the request: once a second the store is compared with the file. */
apr_uint64_t vld_index_txn(apr_time_t now);
/* The same, or what it was about a millisecond before. */
apr_uint64_t vld_index_txn_lately(apr_time_t now);

typedef struct vld_lookup {
    vld_record record;
    apr_uint64_t txn;         /* the index's, read before the look-up */
    apr_int64_t link_mtime_s; /* latest change of a symbolic link in the
                               * path; 0: the path is its own real path */
} vld_lookup;

/* Look up path, or its real path.  False: no record (or no index). */
bool vld_index_find(apr_time_t now, const char *path, vld_lookup *out);

/* --- indexer.c: files are indexed by themselves --------------------------- */

/* Before the children are made: have mod_watchdog call the indexer in one of
 * them at a time. */
void vld_indexer_post_config(server_rec *s, apr_pool_t *pconf);
/* Whether that is so. */
bool vld_indexer_runs(void);
/* In each child. */
void vld_indexer_child_init(apr_pool_t *pchild);
/* The child is about to end: give up what is being read. */
void vld_indexer_stop(void);

#endif /* SERVER_INDEX_INDEX_H */
