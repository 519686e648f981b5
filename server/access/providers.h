/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether a response to one client may be given to others. */
#ifndef SERVER_ACCESS_PROVIDERS_H
#define SERVER_ACCESS_PROVIDERS_H

#include <stdbool.h>

#include <httpd.h>

/* The client has sent a certificate. */
bool vld_access_has_certificate(request_rec *r);
/* No credentials and no authentication took part in this request. */
bool vld_access_anonymous(request_rec *r);
/* No rule was consulted that could decide otherwise for another client. */
bool vld_access_public(request_rec *r);

/* No directive was in force that could give another client other fields, or the
 * content in another coding. */
bool vld_access_fields_for_all(const request_rec *r);

/* Take down whether a rule is consulted for r that could, or a directive
 * is in force that could.  It is a hook of name
 * translation and of access control, before all others and for sub-requests
 * too; it always declines. */
int vld_access_take_down(request_rec *r);

/* Wrap the authorization providers, before any Require is read. */
void vld_access_wrap_providers(apr_pool_t *pconf);
/* Find what other modules offer, once all are loaded. */
void vld_access_find_modules(void);

#endif /* SERVER_ACCESS_PROVIDERS_H */
