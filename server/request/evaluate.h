/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Evaluate: the preconditions, judged once. */
#ifndef SERVER_REQUEST_EVALUATE_H
#define SERVER_REQUEST_EVALUATE_H

#include <util_filter.h>

#include "server/request/request.h"

/* A method other than GET and HEAD: judge its preconditions by the validators
 * that the response has now, before any other filter acts.  True: they are
 * false, and the response is a 412, to which no content belongs. */
bool vld_evaluate_refuses(request_rec *r, vld_request *rq);

apr_status_t vld_evaluate_filter(ap_filter_t *f, apr_bucket_brigade *bb);

#endif /* SERVER_REQUEST_EVALUATE_H */
