/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The record that a file which was just read gets in the index.  Never looks
 * at the file. */
#include <string.h>

#include "validators/index.h"

/* Whether another one has read the file later, and so knows better.  One that
 * promised the tag of this very file has not read it. */
static bool was_read_later(const vld_record *known, const vld_record *record)
{
    return known->indexed_ns > record->indexed_ns
           && known->indexed_ns <= vld_now_ns()
           && !(known->is_unread
                && vld_identity_equal(&known->identity, &record->identity,
                                      VLD_COMPARE_STRICT));
}

/* What was sent under its digest has the name of the record now. */
static const vld_last_sent *name_as_record(const vld_last_sent *heard,
                                           const vld_record *record,
                                           vld_last_sent *named)
{
    if (!heard || !heard->has_name || record->is_unread
        || memcmp(&heard->name, &record->digest, sizeof(record->digest))) {
        return heard;
    }
    *named = *heard;
    vld_record_name(record, &named->name);
    return named;
}

apr_status_t vld_batch_record(vld_batch *batch, const char *path, size_t len,
                              vld_record *record, const vld_last_sent *heard,
                              bool *same)
{
    vld_record known;
    vld_last_sent named;
    apr_status_t rv = vld_batch_get(batch, path, len, &known);
    bool is_known = rv == APR_SUCCESS;

    *same = false;
    /* A single record that does not check is replaced; a store that met a
     * fault is an error. */
    if (!is_known && !APR_STATUS_IS_NOTFOUND(rv)
        && (rv != VLD_E_DAMAGED || !vld_batch_is_well(batch))) {
        return rv;
    }
    if (is_known && was_read_later(&known, record)) {
        return APR_SUCCESS;
    }
    if (is_known) {
        vld_record_keep_promise(record, &known);
        *same = vld_record_is_same(&known, record);
    }
    record->last_modified = vld_dates_of_record(
        record, is_known ? &known : NULL, name_as_record(heard, record, &named),
        vld_now_ns() / 1000000000);
    return vld_batch_put(batch, path, len, record);
}
