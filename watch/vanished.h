/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Records of files that are not there any more: found, and taken out of the
 * index in batches.  Private to watch/; one thread. */
#ifndef VALIDATORS_WATCH_VANISHED_H
#define VALIDATORS_WATCH_VANISHED_H

#include "validators/index.h"

typedef struct vld_vanished {
    vld_store *store;
    uint64_t dropped; /* records, since the start */
    bool linked;      /* a file with more than one name was met */
    /* Called between records; what is not APR_SUCCESS ends the search. */
    apr_status_t (*between)(void *baton);
    void *baton;
    char **paths;
    size_t count;
    size_t octets;
} vld_vanished;

/* The file at this path may be gone, or be no file any more. */
apr_status_t vld_vanished_one(vld_vanished *v, const char *path, size_t len);
/* So may any at or below it. */
apr_status_t vld_vanished_below(vld_vanished *v, const char *prefix);

/* Drop what was found, except files that are there again, and begin anew. A
 * failure leaves the index as it was. */
apr_status_t vld_vanished_drop(vld_vanished *v);
/* Forget what was found. */
void vld_vanished_clear(vld_vanished *v);

#endif /* VALIDATORS_WATCH_VANISHED_H */
