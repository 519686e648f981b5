/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Posting a request's file to the indexer. */
#ifndef SERVER_REQUEST_WANT_H
#define SERVER_REQUEST_WANT_H

#include "server/request/request.h"

/* Post the request's file, when its final date is known. */
void vld_want_file(request_rec *r, const vld_request *rq);

#endif /* SERVER_REQUEST_WANT_H */
