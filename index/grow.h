/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A writer's map that has become too small for the file.  Private to index/. */
#ifndef VALIDATORS_INDEX_GROW_H
#define VALIDATORS_INDEX_GROW_H

#include "index/store.h"

/* Enlarge the writer's map: another process has made the file longer than it.
 * In the thread that writes, outside of transactions.  False: not possible;
 * the store is dead. */
bool vld_store_grow(vld_store *store);

#endif /* VALIDATORS_INDEX_GROW_H */
