/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The record that a file which was just read gets in the index.  Never looks
 * at the file. */
#include <string.h>

#include "validators/index.h"

apr_status_t vld_batch_record(vld_batch *batch, const char *path, size_t len,
                              vld_record *record, const vld_last_sent *heard,
                              bool *same)
{
    vld_record known;
    apr_status_t rv = vld_batch_get(batch, path, len, &known);
    bool is_known = rv == APR_SUCCESS;

    *same = false;
    /* A single record that does not check is replaced; a store that met a
     * fault is an error. */
    if (!is_known && !APR_STATUS_IS_NOTFOUND(rv)
        && (rv != VLD_E_DAMAGED || !vld_batch_is_well(batch))) {
        return rv;
    }
    if (is_known && known.indexed_ns > record->indexed_ns
        && known.indexed_ns <= vld_now_ns()) {
        return APR_SUCCESS; /* another one has read the file later */
    }
    *same = is_known
            && !memcmp(&known.digest, &record->digest, sizeof(record->digest));
    record->last_modified = vld_dates_of_record(record,
                                                is_known ? &known : NULL, heard,
                                                vld_now_ns() / 1000000000);
    return vld_batch_put(batch, path, len, record);
}
