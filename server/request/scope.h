/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Which requests are the module's business. */
#ifndef SERVER_REQUEST_SCOPE_H
#define SERVER_REQUEST_SCOPE_H

#include <httpd.h>

/* Before the first request: find the module's own filters. */
void vld_scope_resolve(void);
/* DONE when a prepared answer was given, else DECLINED. */
int vld_scope_fixups(request_rec *r);
int vld_scope_handler(request_rec *r);
int vld_scope_core_handler(request_rec *r);
void vld_scope_insert_filter(request_rec *r);

/* The note of requests that ended before their response was made: errors and
 * redirects. */
int vld_scope_log(request_rec *r);

#endif /* SERVER_REQUEST_SCOPE_H */
