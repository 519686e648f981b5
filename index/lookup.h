/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A look-up inside a transaction that is open.  Private to index/. */
#ifndef VALIDATORS_INDEX_LOOKUP_H
#define VALIDATORS_INDEX_LOOKUP_H

#include "index/store.h"

/* As vld_store_get, in this transaction; called under guard. */
apr_status_t vld_lookup_in(const vld_store *store, MDB_txn *txn,
                           const char *path, size_t len, vld_record *out);

#endif /* VALIDATORS_INDEX_LOOKUP_H */
