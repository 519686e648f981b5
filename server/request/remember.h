/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Remember: what a full response said. */
#ifndef SERVER_REQUEST_REMEMBER_H
#define SERVER_REQUEST_REMEMBER_H

#include "server/request/request.h"

/* Remember what this response says, if it may be remembered; forget what was
 * remembered under its key if it may not.  Called with the final fields,
 * before they are judged: a date that is only safe while it is remembered is
 * taken back where it could not be. */
void vld_remember(request_rec *r, vld_request *rq);

#endif /* SERVER_REQUEST_REMEMBER_H */
