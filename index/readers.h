/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The readers of a store: one of each thread, kept between its calls.  Private
 * to index/. */
#ifndef VALIDATORS_INDEX_READERS_H
#define VALIDATORS_INDEX_READERS_H

#include "index/store.h"

/* Begin a transaction of reading that belongs to the caller; LMDB's code.
 * Where no slot is free, those of processes that have ended are cleared. */
int vld_store_begin_reading(vld_store *store, MDB_txn **txn);

/* Open this thread's transaction on the newest snapshot, until
 * vld_store_leave; LMDB's code.  MDB_MAP_RESIZED: the map is too small, or is
 * being enlarged (vld_store_enter waits for that). */
int vld_store_try_enter(vld_store *store, MDB_txn **txn);
void vld_store_leave(vld_store *store);

/* Whether any thread is between try_enter and leave. */
bool vld_store_is_busy(vld_store *store);

/* Free the readers of all threads; no thread is in the store. */
void vld_store_drop_readers(vld_store *store);

#endif /* VALIDATORS_INDEX_READERS_H */
