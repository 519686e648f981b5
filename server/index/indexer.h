/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The indexer: a thread of one child that indexes the files that requests have
 * wanted. */
#ifndef SERVER_INDEX_INDEXER_H
#define SERVER_INDEX_INDEXER_H

#include <stdbool.h>

#include <httpd.h>

/* In the parent, once the configuration is read: if files are to be indexed,
 * have mod_watchdog call the indexer in one child at a time. */
void vld_indexer_enlist(server_rec *s, apr_pool_t *pconf);
/* Whether mod_watchdog will call it. */
bool vld_indexer_runs(void);
/* In each child, before mod_watchdog starts its threads. */
void vld_indexer_child_init(apr_pool_t *pchild);
/* The child is about to end: give up the file that is being read. */
void vld_indexer_stop(void);

#endif /* SERVER_INDEX_INDEXER_H */
