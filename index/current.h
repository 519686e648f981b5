/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Which files a store has open, and whether they are still in place.  Private
 * to index/. */
#ifndef VALIDATORS_INDEX_CURRENT_H
#define VALIDATORS_INDEX_CURRENT_H

#include "index/store.h"

/* Remember the lock file that LMDB has opened beside the store's file. */
void vld_store_note_lock(vld_store *store);

/* Whether other files are at the store's path, or none. */
bool vld_store_is_replaced(const vld_store *store);

#endif /* VALIDATORS_INDEX_CURRENT_H */
