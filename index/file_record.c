/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The record that a file which was just read gets in the index.  Never looks
 * at the file. */
#include <string.h>

#include "validators/index.h"

/* The content that the record follows: the index's, or what was heard of a
 * later one. */
static bool before(const vld_record *known, const vld_last_sent *heard,
                   vld_last_sent *out)
{
    if (known) {
        out->has_digest = true;
        out->digest = known->digest;
        out->date = known->last_modified;
    }
    if (heard && heard->date && (!known || heard->date > out->date)) {
        *out = *heard;
        return true;
    }
    return known != NULL;
}

static void set_date(vld_record *record, const vld_record *known,
                     const vld_last_sent *heard, bool *same)
{
    int64_t now_s = vld_now_ns() / 1000000000;
    vld_last_sent last;

    *same = known
            && !memcmp(&known->digest, &record->digest, sizeof(record->digest));
    if (!before(known, heard, &last)) {
        record->last_modified = vld_lastmod_first(&record->identity, now_s);
    }
    else if (last.has_digest
             && !memcmp(&last.digest, &record->digest,
                        sizeof(record->digest))) {
        record->last_modified = last.date;
    }
    else {
        record->last_modified = vld_lastmod_next(&record->identity, last.date,
                                                 now_s);
    }
}

apr_status_t vld_batch_record(vld_batch *batch, const char *path, size_t len,
                              vld_record *record, const vld_last_sent *heard,
                              bool *same)
{
    vld_record known;
    apr_status_t rv = vld_batch_get(batch, path, len, &known);
    bool is_known = rv == APR_SUCCESS;

    *same = false;
    /* One record that does not check is made again; a store that does not
     * work is another matter. */
    if (!is_known && !APR_STATUS_IS_NOTFOUND(rv)
        && (rv != VLD_E_DAMAGED || !vld_batch_is_well(batch))) {
        return rv;
    }
    if (is_known && known.indexed_ns > record->indexed_ns
        && known.indexed_ns <= vld_now_ns()) {
        return APR_SUCCESS; /* another one has read the file later */
    }
    set_date(record, is_known ? &known : NULL, heard, same);
    return vld_batch_put(batch, path, len, record);
}
