/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Records of files that are gone: found, and deleted in batches.  Private to
 * watch/; one thread. */
#ifndef VALIDATORS_WATCH_GONE_H
#define VALIDATORS_WATCH_GONE_H

#include "validators/index.h"

/* Zeroed before, but for the store. */
typedef struct vld_gone {
    vld_store *store;
    uint64_t dropped; /* records, since the start */
    bool linked;      /* a file with more than one name was met */
    /* Called between records; a status other than APR_SUCCESS ends the
     * search. */
    apr_status_t (*between)(void *baton);
    void *baton;
    vld_sweep *sweep; /* NULL: nothing was found yet */
} vld_gone;

/* The file at this path may be gone, or be no regular file any more. */
apr_status_t vld_gone_one(vld_gone *g, const char *path, size_t len);
/* So may any file at or below the prefix. */
apr_status_t vld_gone_below(vld_gone *g, const char *prefix);

/* Delete the records that were found, except those of files that are back.
 * Nothing is found after, whatever is returned; a failure leaves the index as
 * it was. */
apr_status_t vld_gone_drop(vld_gone *g);
/* Keep the records that were found.  Also before the store is another. */
void vld_gone_clear(vld_gone *g);

#endif /* VALIDATORS_WATCH_GONE_H */
