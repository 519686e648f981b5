/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Every tag that is made of a file. */
#ifndef SERVER_REQUEST_TAG_H
#define SERVER_REQUEST_TAG_H

#include "server/config.h"
#include "server/request/choose.h"

/* Each of them: false, and the tag is empty, where OpenSSL made none. */

/* The tag that was chosen: of the content's name, strong, or of the identity,
 * weak.  False, too: none was chosen. */
bool vld_tag_of_choice(const vld_dir_config *conf, const vld_choice *choice,
                       const vld_identity *identity,
                       char out[VLD_WEAK_ETAG_SIZE]);

/* The strong tag of a content's name. */
bool vld_tag_of_name(const vld_dir_config *conf, const vld_digest *name,
                     char out[VLD_ETAG_SIZE]);

/* The weak tag of an identity. */
bool vld_tag_of_identity(const vld_dir_config *conf,
                         const vld_identity *identity,
                         char out[VLD_WEAK_ETAG_SIZE]);

/* The tags that mod_deflate and mod_brotli make of this one: they name the same
 * content.  Field values in the pool; the last has ptr NULL. */
const vld_span *vld_tag_of_codings(apr_pool_t *p, const char *etag);

/* Have the response say the tag. */
void vld_tag_set(request_rec *r, const char *etag);

#endif /* SERVER_REQUEST_TAG_H */
