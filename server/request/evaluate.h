/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Evaluate: the preconditions, judged once. */
#ifndef SERVER_REQUEST_EVALUATE_H
#define SERVER_REQUEST_EVALUATE_H

#include <util_filter.h>

apr_status_t vld_evaluate_filter(ap_filter_t *f, apr_bucket_brigade *bb);

#endif /* SERVER_REQUEST_EVALUATE_H */
