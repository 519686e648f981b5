/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Digests of files while somebody waits.  Private to content/. */
#ifndef VALIDATORS_INDEX_DIGEST_H
#define VALIDATORS_INDEX_DIGEST_H

#include "validators/content.h"

/* As vld_digest_fd, for a file of `expected` octets: reads no further than
 * just past them, so that a growing file cannot keep the reader for ever
 * (*size != expected tells).  Of `how`, stop, progress and goes_on count (NULL:
 * none); APR_EINTR: one of them ended it. */
apr_status_t vld_digest_file(int fd, uint64_t expected, const vld_attempt *how,
                             vld_digest *out, uint64_t *size);

#endif /* VALIDATORS_INDEX_DIGEST_H */
