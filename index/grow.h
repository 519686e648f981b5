/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A map that has become too small for the file.  Private to index/. */
#ifndef VALIDATORS_INDEX_GROW_H
#define VALIDATORS_INDEX_GROW_H

#include "index/readers.h"

/* Enlarge this process's map: the file has grown beyond it.  Waits shortly for
 * the readers inside and for an open batch; this thread has neither.  False:
 * not now, or not possible. */
bool vld_store_grow(vld_store *store);

/* As vld_store_try_enter, with a map that is enlarged where need be. */
static inline int vld_store_enter(vld_store *store, MDB_txn **txn)
{
    int rc = vld_store_try_enter(store, txn);

    return rc == MDB_MAP_RESIZED && vld_store_grow(store)
               ? vld_store_try_enter(store, txn)
               : rc;
}

#endif /* VALIDATORS_INDEX_GROW_H */
