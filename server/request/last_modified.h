/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Last-Modified of a response. */
#ifndef SERVER_REQUEST_LAST_MODIFIED_H
#define SERVER_REQUEST_LAST_MODIFIED_H

#include <httpd.h>

#include "server/request/choose.h"

/* Set the field to the date that was chosen, or unset it where none is sent. */
void vld_last_modified_set(request_rec *r, const vld_choice *choice);

/* Whether the field says this date, in seconds: mod_headers may have changed
 * it. */
bool vld_last_modified_is(const request_rec *r, apr_int64_t date);

#endif /* SERVER_REQUEST_LAST_MODIFIED_H */
