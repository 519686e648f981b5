/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Records forget the promises that they keep.  Never drops a record, and never
 * the promise of a content that was not read. */
#include <stdlib.h>
#include <string.h>

#include "validators/index.h"

/* Records of one batch: other writers get their turn in between. */
#define BATCH 256

typedef struct forgetting {
    vld_store *store;
    uint64_t *count;
    size_t chosen;
    uint64_t written;
    char *paths[BATCH];
} forgetting;

static bool has_promise(const vld_record *record)
{
    return record && record->is_promised && !record->is_unread;
}

static apr_status_t put_records(void *baton, vld_batch *batch)
{
    forgetting *f = baton;
    apr_status_t rv = APR_SUCCESS;
    vld_record record;
    size_t i;

    f->written = 0;
    for (i = 0; i < f->chosen && rv == APR_SUCCESS; i++) {
        const char *path = f->paths[i];

        if (vld_batch_get(batch, path, strlen(path), &record) == APR_SUCCESS
            && has_promise(&record)) {
            record.is_promised = false;
            rv = vld_batch_put(batch, path, strlen(path), &record);
            f->written++;
        }
    }
    return rv;
}

static void drop_paths(forgetting *f)
{
    while (f->chosen) {
        free(f->paths[--f->chosen]);
    }
}

static apr_status_t write_chosen(forgetting *f)
{
    apr_status_t rv = f->chosen ? vld_store_write(f->store, put_records, f)
                                : APR_SUCCESS;

    *f->count += rv == APR_SUCCESS && f->chosen ? f->written : 0;
    drop_paths(f);
    return rv;
}

static apr_status_t choose_record(void *baton, const char *path, size_t len,
                                  const vld_record *record)
{
    forgetting *f = baton;
    char *copy;

    if (!has_promise(record)) {
        return APR_SUCCESS;
    }
    copy = malloc(len + 1);
    if (!copy) {
        return APR_ENOMEM;
    }
    memcpy(copy, path, len + 1);
    f->paths[f->chosen++] = copy;
    return f->chosen == BATCH ? write_chosen(f) : APR_SUCCESS;
}

apr_status_t vld_store_forget_promises(vld_store *store, const char *prefix,
                                       uint64_t *count)
{
    forgetting f = { .store = store, .count = count };
    apr_status_t rv = vld_store_each(store, prefix, choose_record, &f);

    if (rv == APR_SUCCESS) {
        rv = write_chosen(&f);
    }
    drop_paths(&f);
    return rv;
}
