/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The databases of an index.  Private to index/. */
#ifndef VALIDATORS_INDEX_DATABASES_H
#define VALIDATORS_INDEX_DATABASES_H

#include "index/tree.h"

/* Called under guard: open them for batches, in a transaction of reading, which
 * is ended.  VLD_E_NOT_INDEX: they are not there. */
apr_status_t vld_databases_open(vld_store *store, MDB_txn *txn);

/* Called under guard: make and open them, where the file holds nothing;
 * VLD_E_NOT_INDEX where it holds something else. */
apr_status_t vld_databases_make(vld_store *store);

/* See that they are there, of this format, and that the file is as long as they
 * need.  VLD_E_NOT_INDEX, VLD_E_VERSION, VLD_E_DAMAGED, others. */
apr_status_t vld_databases_inspect(vld_store *store);

/* The value in `meta` that name has.  Statuses of vld_tree_get. */
apr_status_t vld_databases_get_meta(const vld_view *view, const char *name,
                                    vld_octets *value);

/* In a transaction of writing: say in `meta` that records may have promises,
 * so that programs that do not know them refuse the index; LMDB's code. */
int vld_databases_allow_promises(vld_store *store, MDB_txn *txn);

#endif /* VALIDATORS_INDEX_DATABASES_H */
