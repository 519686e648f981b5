/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Records forget the promises that they keep.  Never drops a record, and never
 * the promise of a content that was not read. */
#include "validators/index.h"

static bool has_promise(const vld_record *record)
{
    return record && record->is_promised && !record->is_unread;
}

static apr_status_t choose_promised(void *nothing, const char *path, size_t len,
                                    const vld_record *record, bool *chosen)
{
    (void)nothing;
    (void)path;
    (void)len;
    *chosen = has_promise(record);
    return APR_SUCCESS;
}

static apr_status_t forget_promise(void *nothing, vld_batch *batch,
                                   const char *path, size_t len, bool *changed)
{
    vld_record record;

    (void)nothing;
    *changed = vld_batch_get(batch, path, len, &record) == APR_SUCCESS
               && has_promise(&record);
    if (!*changed) {
        return APR_SUCCESS;
    }
    record.is_promised = false;
    return vld_batch_put(batch, path, len, &record);
}

apr_status_t vld_store_forget_promises(vld_store *store, const char *prefix,
                                       uint64_t *count)
{
    static const vld_sweep_rule rule = { .choose = choose_promised,
                                         .change = forget_promise,
                                         .batch_records = 256 };
    vld_sweep *sweep;
    apr_status_t rv = vld_sweep_open(&sweep, store, &rule, count);

    if (rv == APR_SUCCESS) {
        rv = vld_sweep_finish(sweep, prefix);
    }
    return rv;
}
