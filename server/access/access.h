/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* May what one client was told be told to others?  Looks at the configuration
 * of other modules and at what a request was asked for; never at what the
 * module has made of it. */
#ifndef SERVER_ACCESS_ACCESS_H
#define SERVER_ACCESS_ACCESS_H

#include <httpd.h>
#include <http_config.h>
#include <util_filter.h>

#include "server/config.h"

/* --- providers.c ---------------------------------------------------------- */

/* The client has shown a certificate. */
bool vld_access_has_certificate(request_rec *r);
/* No credentials and no authentication took part in this request. */
bool vld_access_anonymous(request_rec *r);
/* No rule was consulted that could decide otherwise for another client. */
bool vld_access_public(request_rec *r);
/* Wrap the authorization providers, before any Require is read. */
void vld_access_pre_config(apr_pool_t *pconf);
void vld_access_optional_fns(void);

/* --- foreign_directives.c ------------------------------------------------- */

/* Directives of other modules of which is taken note, in shadows.c; each a
 * RAW_ARGS handler. */
const char *vld_foreign_rule(cmd_parms *cmd, void *conf, const char *args);
const char *vld_foreign_from(cmd_parms *cmd, void *conf, const char *args);
const char *vld_foreign_by_type(cmd_parms *cmd, void *conf, const char *args);
const char *vld_foreign_provider(cmd_parms *cmd, void *conf, const char *args);
const char *vld_foreign_ciphers(cmd_parms *cmd, void *conf, const char *args);
const char *vld_foreign_setenvif(cmd_parms *cmd, void *conf, const char *args);
const char *vld_foreign_expression(cmd_parms *cmd, void *conf,
                                   const char *args);
const char *vld_foreign_cache_enable(cmd_parms *cmd, void *conf,
                                     const char *args);
const char *vld_foreign_request_header(cmd_parms *cmd, void *conf,
                                       const char *args);
const char *vld_foreign_rewrite_cond(cmd_parms *cmd, void *conf,
                                     const char *args);

/* --- foreign_hooks.c ------------------------------------------------------ */

/* Look for access hooks of modules that are not known, and say so. */
void vld_foreign_hooks_check(server_rec *s, apr_pool_t *ptemp);
bool vld_foreign_hooks_all_known(void);

/* --- filters.c ------------------------------------------------------------ */

/* The filters after f that may rewrite the file's octets. */
typedef struct vld_rewriting {
    const char *name;   /* one of them; NULL: none */
    bool deterministic; /* what they make follows from the octets and the
                         * configuration alone */
} vld_rewriting;

/* False: none will, or only by a content coding. */
bool vld_filters_rewriting(const ap_filter_t *f, vld_rewriting *found);
/* Resolve the names of filters, once all modules have registered theirs. */
void vld_filters_resolve(apr_pool_t *pconf);
/* Of directives of mod_filter; RAW_ARGS handlers behind vld_foreign_filter. */
const char *vld_filters_by_type(cmd_parms *cmd, void *conf, const char *args);
const char *vld_filters_provider(cmd_parms *cmd, void *conf, const char *args);

#endif /* SERVER_ACCESS_ACCESS_H */
