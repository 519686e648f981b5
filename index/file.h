/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* One file: its digest together with an identity that it is known to have had.
 * Private to index/. */
#ifndef VALIDATORS_INDEX_FILE_H
#define VALIDATORS_INDEX_FILE_H

#include "validators/index.h"

typedef enum vld_reading {
    VLD_READ,    /* the record has digest, identity and indexed_ns */
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
} vld_attempt;

/* Look at the file open as fd, read it, and look again. */
vld_reading vld_file_try(vld_attempt *a);

#endif /* VALIDATORS_INDEX_FILE_H */
