/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether a response to one client may be given to others.  It never decides on
 * access itself.
 *
 * Authorization leaves no trace in a request that it has let in.  So every
 * authorization provider but `all` is registered again behind a wrapper that
 * marks the request and calls the original: `Require all granted` is the same
 * for every client, any other rule may not be.
 *
 * Each provider has a trampoline of its own, since a wrapper cannot learn at
 * run time which original it stands for.  mod_authz_core passes no pointer to
 * the provider; it puts a name into r->notes (AUTHZ_PROVIDER_NAME_NOTE), but
 * below an <AuthzProviderAlias> that is the alias's name, which the original
 * was never registered under. */
#include <apr_strings.h>

#include <httpd.h>
#include <ap_provider.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_auth.h>
#include <mod_ssl.h>

#include "server/access/conditions.h"
#include "server/access/foreign_hooks.h"
#include "server/access/providers.h"
#include "server/access/variables.h"
#include "server/config.h"

APLOG_USE_MODULE(validators);

/* The note in a client's request for which such a rule was asked. */
#define MARK "validators-access"
/* ... in which a directive was in force by which the fields may depend on the
 * client. */
#define FIELDS_MARK "validators-fields"

/* --- the wrapped providers ----------------------------------------------- */

#define MOST_PROVIDERS 64

static const authz_provider *originals[MOST_PROVIDERS];
static authz_provider wrappers[MOST_PROVIDERS];
/* A provider has no wrapper: no answer can be known to be public. */
static bool some_unwrapped;

/* The request that the client made. */
static request_rec *root_of(const request_rec *r)
{
    while (r->main || r->prev) {
        r = r->main ? r->main : r->prev;
    }
    return (request_rec *)r;
}

static void mark_root(const request_rec *r, const char *mark)
{
    apr_table_setn(root_of(r)->notes, mark, "1");
}

static authz_status ask_original(int i, request_rec *r, const char *line,
                                 const void *parsed)
{
    mark_root(r, MARK);
    return originals[i]->check_authorization(r, line, parsed);
}

/* clang-format would break the macros that make functions. */
/* clang-format off */
#define T1(n)                                                                  \
    static authz_status ask_##n(request_rec *r, const char *line,              \
                                const void *parsed)                            \
    {                                                                          \
        return ask_original(0##n, r, line, parsed);                            \
    }
/* In octal: two digits make a number from 0 to 63. */
#define T8(n)                                                                  \
    T1(n##0) T1(n##1) T1(n##2) T1(n##3) T1(n##4) T1(n##5) T1(n##6) T1(n##7)
T8(0) T8(1) T8(2) T8(3) T8(4) T8(5) T8(6) T8(7)

#define A8(n)                                                                  \
    ask_##n##0, ask_##n##1, ask_##n##2, ask_##n##3, ask_##n##4, ask_##n##5,    \
        ask_##n##6, ask_##n##7
static authz_status (*const trampolines[MOST_PROVIDERS])(request_rec *,
                                                         const char *,
                                                         const void *) = {
    A8(0), A8(1), A8(2), A8(3), A8(4), A8(5), A8(6), A8(7)
};
/* clang-format on */

static bool is_wrapper(const authz_provider *provider)
{
    return provider >= wrappers && provider < wrappers + MOST_PROVIDERS;
}

static void wrap_provider(apr_pool_t *pconf, const char *name, int i)
{
    const authz_provider *provider = ap_lookup_provider(AUTHZ_PROVIDER_GROUP,
                                                        name,
                                                        AUTHZ_PROVIDER_VERSION);

    if (!provider || is_wrapper(provider)) {
        return;
    }
    if (i >= MOST_PROVIDERS) {
        some_unwrapped = true;
        return;
    }
    originals[i] = provider;
    wrappers[i].check_authorization = trampolines[i];
    wrappers[i].parse_require_line = provider->parse_require_line;
    ap_register_provider(pconf, AUTHZ_PROVIDER_GROUP, name,
                         AUTHZ_PROVIDER_VERSION, &wrappers[i]);
}

void vld_access_wrap_providers(apr_pool_t *pconf)
{
    apr_array_header_t *names = ap_list_provider_names(pconf,
                                                       AUTHZ_PROVIDER_GROUP,
                                                       AUTHZ_PROVIDER_VERSION);
    const ap_list_provider_names_t *name = (const ap_list_provider_names_t *)
                                               names->elts;
    int i;

    some_unwrapped = false;
    for (i = 0; i < names->nelts; i++) {
        if (strcmp(name[i].provider_name, "all")) {
            wrap_provider(pconf, name[i].provider_name, i);
        }
    }
}

/* --- other traces -------------------------------------------------------- */

static APR_OPTIONAL_FN_TYPE(ssl_var_lookup) * ssl_var;

void vld_access_find_modules(void)
{
    ssl_var = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
}

bool vld_access_has_certificate(request_rec *r)
{
    conn_rec *c = r->connection->master ? r->connection->master : r->connection;
    const char *verified;

    if (!ssl_var || ap_http_scheme(r)[4] != 's') {
        return false;
    }
    verified = ssl_var(r->pool, r->server, c, r, (char *)"SSL_CLIENT_VERIFY");
    return verified && *verified && strcmp(verified, "NONE");
}

/* The configuration in force asks who the client is. */
static bool is_authn_asked(request_rec *r)
{
    const char *type = ap_auth_type(r);

    return type && strcasecmp(type, "None");
}

bool vld_access_anonymous(request_rec *r)
{
    return !r->user && !r->ap_auth_type
           && !apr_table_get(r->headers_in, "Authorization")
           && !is_authn_asked(r) && !vld_access_has_certificate(r);
}

/* A rule of the configuration in force may decide otherwise for another client
 * and leave no other trace.  An <If> may contain a `Require all denied` that
 * did not apply to this client. */
static bool is_rule_in_force(request_rec *r)
{
    const vld_dir_config *conf = vld_config_of(r);

    return conf->if_asks == VLD_ON || conf->depends_on_client == VLD_ON
           || (conf->depends_for_folder == VLD_ON
               && r->finfo.filetype == APR_DIR)
           || (conf->edits_coding == VLD_ON
               && vld_config_global()->coding_asked)
           || vld_variables_depend(root_of(r), conf, VLD_READ_BY_RULE)
           || is_authn_asked(r);
}

/* A directive of the configuration in force may say otherwise to another
 * client, in the same way. */
static bool is_field_rule_in_force(const request_rec *r)
{
    const vld_dir_config *conf = vld_config_of(r);

    return conf->if_asks == VLD_ON || conf->fields_depend == VLD_ON
           || vld_variables_depend(root_of(r), conf, VLD_READ_FOR_FIELD);
}

/* The request has a field that no request has to which the quick handler
 * answers. */
static bool has_closing_field(const request_rec *r)
{
    const char *const *name;

    for (name = vld_condition_closing_fields; *name; name++) {
        if (apr_table_get(r->headers_in, *name)) {
            return true;
        }
    }
    return false;
}

/* DirectoryIndex, MultiViews and FallbackResource give the request the
 * configuration of what they lead to: the rules that it has passed are looked
 * at while they are its own. */
int vld_access_take_down(request_rec *r)
{
    const vld_dir_config *conf = vld_config_of(r);
    bool closes = conf->needs_no_field == VLD_ON && has_closing_field(r);

    vld_variables_take_down(root_of(r), conf);
    if (closes || (vld_config_global()->any_quick_on && is_rule_in_force(r))) {
        mark_root(r, MARK);
    }
    if (closes || is_field_rule_in_force(r)) {
        mark_root(r, FIELDS_MARK);
    }
    return DECLINED;
}

bool vld_access_fields_for_all(const request_rec *r)
{
    return !is_field_rule_in_force(r)
           && !apr_table_get(root_of(r)->notes, FIELDS_MARK);
}

bool vld_access_public(request_rec *r)
{
    return !some_unwrapped && vld_foreign_hooks_all_known()
           && !is_rule_in_force(r) && !apr_table_get(root_of(r)->notes, MARK);
}
