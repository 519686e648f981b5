/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Calls into LMDB that may meet a fault.  Private to index/. */
#ifndef VALIDATORS_INDEX_GUARDED_H
#define VALIDATORS_INDEX_GUARDED_H

#include "index/store.h"

/* Call fn(call) and catch its faults.  call points to a struct whose first
 * member is the apr_status_t that fn leaves; it is returned.  VLD_E_DAMAGED
 * after a fault, now or before: then fn was not called, or only in part. */
apr_status_t vld_store_run(vld_store *store, void (*fn)(void *call),
                           void *call);

/* A fault was met: from now on vld_store_run calls nothing. */
void vld_store_mark_dead(vld_store *store);

#endif /* VALIDATORS_INDEX_GUARDED_H */
