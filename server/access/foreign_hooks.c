/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Hooks of modules that are not known, of a phase that the quick handler skips:
 * such a hook may let one client pass and refuse another, or lead it elsewhere,
 * and leaves no trace in the request.  This file reads the lists of hooks once,
 * at start; it sets no hook.
 *
 * Hooks of post_read_request are left alone: httpd runs them before the quick
 * handler, so whom they refuse is refused. */
#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_request.h>

#include "server/access/foreign_hooks.h"
#include "server/config.h"

APLOG_USE_MODULE(validators);

/* httpd's own modules: providers.c and foreign_directives.c account for all
 * that their hooks decide by.  Not mod_lua, whose hooks are scripts. */
/* clang-format off */
static const char *const known[] = {
    "core.c", "http_core.c", "mod_access_compat.c", "mod_alias.c",
    "mod_allowhandlers.c", "mod_allowmethods.c", "mod_auth_basic.c",
    "mod_auth_digest.c", "mod_auth_form.c", "mod_authn_core.c",
    "mod_authnz_fcgi.c", "mod_authnz_ldap.c", "mod_authz_core.c",
    "mod_cern_meta.c", "mod_charset_lite.c", "mod_dav.c", "mod_dav_fs.c",
    "mod_dir.c", "mod_env.c", "mod_file_cache.c", "mod_headers.c",
    "mod_http2.c", "mod_include.c", "mod_log_debug.c", "mod_mime.c",
    "mod_mime_magic.c", "mod_negotiation.c", "mod_proxy.c",
    "mod_proxy_express.c", "mod_rewrite.c", "mod_session.c", "mod_setenvif.c",
    "mod_speling.c", "mod_ssl.c", "mod_userdir.c", "mod_usertrack.c",
    "mod_validators.c", "mod_vhost_alias.c", NULL
};
/* clang-format on */

static bool unknown_found;

/* A hook bears the name of its module's source file, with the path that the
 * compiler was given. */
static const char *base_name_of(const char *name)
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

/* A module may have several hooks.  False: the name was there already. */
static bool add_name(apr_array_header_t *names, const char *name)
{
    int i;

    for (i = 0; i < names->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(names, i, const char *), name)) {
            return false;
        }
    }
    *(const char **)apr_array_push(names) = name;
    return true;
}

static void check_hook(server_rec *s, apr_array_header_t *logged,
                       const char *name)
{
    name = name ? base_name_of(name) : "a module without a name";
    if (is_known(name)) {
        return;
    }
    unknown_found = true;
    if (!add_name(logged, name)) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, s,
                 "%s has a hook of access control, fixups or URI mapping that "
                 "is not known to decide alike for every client: "
                 "ValidatorsQuickHandler answers nothing, unless "
                 "\"ValidatorsVouchFor %s\" says that it does",
                 name, name);
}

/* The lists differ only in the type of their functions. */
#define CHECK_ALL(hook)                                                        \
    do {                                                                       \
        apr_array_header_t *all = ap_hook_get_##hook();                        \
        int i;                                                                 \
                                                                               \
        for (i = 0; all && i < all->nelts; i++) {                              \
            check_hook(s, logged,                                              \
                       APR_ARRAY_IDX(all, i, ap_LINK_##hook##_t).szName);      \
        }                                                                      \
    } while (0)

void vld_foreign_hooks_check(server_rec *s, apr_pool_t *ptemp)
{
    apr_array_header_t *logged = apr_array_make(ptemp, 2, sizeof(const char *));

    unknown_found = false;
    if (!vld_config_global()->any_quick_on) {
        return;
    }
    CHECK_ALL(access_checker);
    CHECK_ALL(access_checker_ex);
    CHECK_ALL(check_user_id);
    CHECK_ALL(auth_checker);
    CHECK_ALL(header_parser);
    CHECK_ALL(pre_translate_name);
    CHECK_ALL(translate_name);
    CHECK_ALL(map_to_storage);
    CHECK_ALL(type_checker);
    CHECK_ALL(fixups);
}

bool vld_foreign_hooks_all_known(void)
{
    return !unknown_found;
}
