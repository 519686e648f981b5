/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Modules whose access hooks nothing is known of: what they let pass for one
 * client they may refuse to another, and leave no trace of it.  Looks at the
 * lists of hooks once, at start. */
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_request.h>

#include "server/access/access.h"
#include "server/config.h"

APLOG_USE_MODULE(validators);

/* httpd's own, of which is known what they depend on: see access.c and
 * shadows.c. */
static const char *const known[] = { "core.c",
                                     "mod_access_compat.c",
                                     "mod_allowmethods.c",
                                     "mod_auth_basic.c",
                                     "mod_auth_digest.c",
                                     "mod_auth_form.c",
                                     "mod_authn_core.c",
                                     "mod_authnz_fcgi.c",
                                     "mod_authz_core.c",
                                     "mod_log_debug.c",
                                     "mod_lua.c",
                                     "mod_setenvif.c",
                                     "mod_ssl.c",
                                     NULL };

static bool unknown_found;

/* A hook is named by its module's source file, with the path that it was
 * compiled by. */
static const char *base_of(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

static bool is_known(const char *name)
{
    const apr_array_header_t *vouched = vld_config_global()->vouched;
    int i;

    for (i = 0; known[i]; i++) {
        if (!strcmp(known[i], name)) {
            return true;
        }
    }
    for (i = 0; vouched && i < vouched->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(vouched, i, const char *), name)) {
            return true;
        }
    }
    return false;
}

/* A module may have several hooks. */
static bool is_told(apr_array_header_t *told, const char *name)
{
    int i;

    for (i = 0; i < told->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(told, i, const char *), name)) {
            return true;
        }
    }
    *(const char **)apr_array_push(told) = name;
    return false;
}

static void look_at(server_rec *s, apr_array_header_t *told, const char *name)
{
    name = name ? base_of(name) : "a module without a name";
    if (is_known(name)) {
        return;
    }
    unknown_found = true;
    if (is_told(told, name)) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                 "%s has an access hook that is not known to say the same to "
                 "every client: ValidatorsQuickHandler answers nothing, unless "
                 "\"ValidatorsVouchFor %s\" says that it does",
                 name, name);
}

/* The lists differ in the type of their functions only. */
#define LOOK_AT_ALL(hook)                                                      \
    do {                                                                       \
        apr_array_header_t *all = ap_hook_get_##hook();                        \
        int i;                                                                 \
                                                                               \
        for (i = 0; all && i < all->nelts; i++) {                              \
            look_at(s, told,                                                   \
                    APR_ARRAY_IDX(all, i, ap_LINK_##hook##_t).szName);         \
        }                                                                      \
    } while (0)

void vld_foreign_hooks_check(server_rec *s, apr_pool_t *ptemp)
{
    apr_array_header_t *told = apr_array_make(ptemp, 2, sizeof(const char *));

    unknown_found = false;
    if (!vld_config_global()->any_quick_on) {
        return;
    }
    LOOK_AT_ALL(access_checker);
    LOOK_AT_ALL(access_checker_ex);
    LOOK_AT_ALL(check_user_id);
    LOOK_AT_ALL(auth_checker);
    LOOK_AT_ALL(header_parser);
}

bool vld_foreign_hooks_all_known(void)
{
    return !unknown_found;
}
