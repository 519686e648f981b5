/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Warnings about a configuration that is valid and does not do what it says. */
#ifndef SERVER_WARNINGS_H
#define SERVER_WARNINGS_H

#include <httpd.h>

/* check_config: log a warning for each, once a start and once a `httpd -t`.
 * OK. */
int vld_warnings_log(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                     server_rec *s);

#endif /* SERVER_WARNINGS_H */
