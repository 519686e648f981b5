/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The begin and the end of a batch, which vld_store_write puts together.
 * Private to index/. */
#ifndef VALIDATORS_INDEX_BATCH_H
#define VALIDATORS_INDEX_BATCH_H

#include "validators/index.h"

/* Begin a batch of this thread: waits while another one is open, in whatever
 * process.  Statuses of vld_store_write. */
apr_status_t vld_batch_begin(vld_store *store, vld_batch **out);
/* End the batch: nothing of it is seen before vld_batch_commit returns success,
 * and nothing ever after a failure or after vld_batch_abort. */
apr_status_t vld_batch_commit(vld_batch *batch);
void vld_batch_abort(vld_batch *batch);

#endif /* VALIDATORS_INDEX_BATCH_H */
