/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A bucket of a file's octets that are checked as they are read. */
#ifndef SERVER_REQUEST_CHECKED_BUCKET_H
#define SERVER_REQUEST_CHECKED_BUCKET_H

#include <apr_buckets.h>
#include <httpd.h>

#include "validators/types.h"

/* len octets from offset of a file whose content is `digest` (NULL: not known)
 * while its identity is `identity`.  Reading the bucket copies the octets and
 * then looks at the file again: if it has changed, the connection is aborted
 * rather than let a mixture pass for the content that the entity tag names.  fd
 * is shared, not owned: it must be open for as long as the bucket's pool. */
apr_bucket *vld_checked_bucket_create(request_rec *r, apr_file_t *fd,
                                      apr_off_t offset, apr_size_t len,
                                      const vld_identity *identity,
                                      const vld_digest *digest,
                                      apr_bucket_alloc_t *list);

#endif /* SERVER_REQUEST_CHECKED_BUCKET_H */
