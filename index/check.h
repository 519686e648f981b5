/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether LMDB can trust the pages of an index.  Private to index/. */
#ifndef VALIDATORS_INDEX_CHECK_H
#define VALIDATORS_INDEX_CHECK_H

#include "index/store.h"

/* Check every page in use, not the records in them.  LMDB trusts pages: a
 * damaged one makes a reader fault, which is caught, but makes a writer corrupt
 * its own memory, which ends the process later.  So the first batch of a store
 * calls this before it begins.  VLD_E_DAMAGED: LMDB did not write these pages;
 * statuses of reading.  Takes as long as reading the file once. */
apr_status_t vld_store_check(vld_store *store);

#endif /* VALIDATORS_INDEX_CHECK_H */
