/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* One file: its digest together with an identity that it is known to have had.
 * Private to index/. */
#ifndef VALIDATORS_INDEX_FILE_H
#define VALIDATORS_INDEX_FILE_H

#include "validators/index.h"

typedef enum vld_reading {
    VLD_READ,    /* the record has digest, identity and indexed_ns */
    VLD_ADOPTED, /* the same, without reading */
    VLD_RACY,    /* must be looked at again in wait_ns */
    VLD_CHANGED, /* while it was read */
    VLD_PASSED,  /* not there any more, or no regular file */
    VLD_FAILED   /* rv */
} vld_reading;

typedef struct vld_attempt {
    int fd;
    const int *stop;    /* not 0: end soon, VLD_FAILED with APR_EINTR */
    uint64_t *progress; /* octets read are added; NULL: not */
    vld_record *record;
    int64_t wait_ns;    /* with VLD_RACY */
    apr_status_t rv;    /* with VLD_FAILED */
    /* The content of a file of this size and mtime is known: its digest is
     * taken over.  NULL: read. */
    const vld_record *known;
} vld_attempt;

/* Look at the file open as fd, read it, and look again. */
vld_reading vld_file_try(vld_attempt *a);

#endif /* VALIDATORS_INDEX_FILE_H */
