/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The databases of an index.  Private to index/. */
#ifndef VALIDATORS_INDEX_DATABASES_H
#define VALIDATORS_INDEX_DATABASES_H

#include "index/store.h"

/* Called under guard, all of them. */

/* Open the databases in a transaction of reading, which the caller commits to
 * keep them, and see that they are of this format and that the file is as long
 * as they need.  VLD_E_NOT_INDEX, VLD_E_VERSION, VLD_E_DAMAGED, others. */
apr_status_t vld_databases_inspect(vld_store *store, MDB_txn *txn);

/* Make and open them, where the file holds nothing; VLD_E_NOT_INDEX where it
 * holds something else. */
apr_status_t vld_databases_make(vld_store *store);

/* The value in `meta` that name has; LMDB's code. */
int vld_databases_get_meta(const vld_store *store, MDB_txn *txn,
                           const char *name, MDB_val *val);

/* In a transaction of writing: say in `meta` that records may have promises,
 * so that programs that do not know them refuse the index; LMDB's code. */
int vld_databases_allow_promises(vld_store *store, MDB_txn *txn);

#endif /* VALIDATORS_INDEX_DATABASES_H */
