/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Every tag that is made of a file. */
#ifndef SERVER_REQUEST_TAG_H
#define SERVER_REQUEST_TAG_H

#include "server/request/choose.h"

/* The tag that was chosen: of the content, strong, or of the identity, weak.
 * False, and the tag is empty: none was, or OpenSSL made none. */
bool vld_tag_of_choice(const vld_choice *choice, const vld_identity *identity,
                       char out[VLD_WEAK_ETAG_SIZE]);

/* The weak tag of an identity.  False, and the tag is empty: OpenSSL made
 * none. */
bool vld_tag_of_identity(const vld_identity *identity,
                         char out[VLD_WEAK_ETAG_SIZE]);

#endif /* SERVER_REQUEST_TAG_H */
