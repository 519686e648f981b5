/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Attach: the validators of the file that core sends. */
#ifndef SERVER_REQUEST_ATTACH_H
#define SERVER_REQUEST_ATTACH_H

#include <util_filter.h>

apr_status_t vld_attach_filter(ap_filter_t *f, apr_bucket_brigade *bb);

#endif /* SERVER_REQUEST_ATTACH_H */
