/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A batch as one call: the only place that decides between commit and abort.
 * It never looks at what is written. */
#include "index/batch.h"

apr_status_t vld_store_write(vld_store *store, vld_write_fn fn, void *baton)
{
    vld_batch *batch;
    apr_status_t rv = vld_batch_begin(store, &batch);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = fn(baton, batch);
    if (rv != APR_SUCCESS) {
        vld_batch_abort(batch);
        return rv;
    }
    return vld_batch_commit(batch);
}
