/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Directives of other modules that may make a response depend on the client
 * and leave no trace in a request.  httpd passes a directive to every module
 * that has one of that name; this file records that it is in force.  It never
 * does what the directive says. */
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>

#include "server/access/conditions.h"
#include "server/access/filters.h"
#include "server/access/foreign_directives.h"
#include "server/config.h"

/* --- what makes a response depend on the client --------------------------- */

/* Whatever its arguments are. */
static void note_always(cmd_parms *cmd, vld_dir_config *conf, const char *args)
{
    (void)cmd;
    (void)args;
    conf->depends_on_client = VLD_ON;
}

/* Allow and Deny: `from all` is the same for every client. */
static void note_from(cmd_parms *cmd, vld_dir_config *conf, const char *args)
{
    const char *from = ap_getword_conf(cmd->temp_pool, &args);
    const char *whom = ap_getword_conf(cmd->temp_pool, &args);

    if (strcasecmp(from, "from") || strcasecmp(whom, "all") || *args) {
        conf->depends_on_client = VLD_ON;
    }
}

/* Per directory, SSLCipherSuite can refuse a client (renegotiation).  At server
 * level it only limits who can connect, so it does not matter here. */
static void note_ciphers(cmd_parms *cmd, vld_dir_config *conf, const char *args)
{
    (void)args;
    if (cmd->path) {
        conf->depends_on_client = VLD_ON;
    }
}

/* mod_negotiation chooses a variant by the variable prefer-language, which Vary
 * does not name. */
static void note_setenvif(cmd_parms *cmd, vld_dir_config *conf,
                          const char *args)
{
    if (ap_strcasestr(args, "prefer-language")
        && strcasecmp(ap_getword_conf(cmd->temp_pool, &args), "Request_URI")) {
        conf->depends_on_client = VLD_ON;
    }
}

/* RewriteRule, Alias, Redirect: the target may contain variables.  A flag that
 * sets a variable or a cookie by one counts too. */
static void note_expression(cmd_parms *cmd, vld_dir_config *conf,
                            const char *args)
{
    (void)cmd;
    if (vld_condition_asks_for_client(args, args)) {
        conf->depends_on_client = VLD_ON;
    }
}

static void note_rewrite_cond(cmd_parms *cmd, vld_dir_config *conf,
                              const char *args)
{
    const char *rest = args;
    const char *test = ap_getword_conf(cmd->temp_pool, &rest);
    const char *pattern = ap_getword_conf(cmd->temp_pool, &rest);

    if (strcmp(test, "%{REQUEST_METHOD}")
            ? vld_condition_asks_for_client(args, test)
            : !vld_condition_is_same_for_get_and_head(pattern)) {
        conf->depends_on_client = VLD_ON;
    }
}

/* --- what changes the conditional fields ---------------------------------- */

static void note_cache_enable(cmd_parms *cmd, vld_dir_config *conf,
                              const char *args)
{
    if (!strcasecmp(ap_getword_conf(cmd->temp_pool, &args), "socache")) {
        conf->socache = VLD_ON;
        vld_config_edit()->uses_socache = 1;
    }
}

/* Many sites remove mod_deflate's suffix from If-None-Match, because httpd
 * cannot match such a tag. */
static void note_request_header(cmd_parms *cmd, vld_dir_config *conf,
                                const char *args)
{
    (void)cmd;
    (void)conf;
    if (ap_strcasestr(args, "If-None-Match")) {
        vld_config_edit()->if_none_match_edited = 1;
    }
}

/* --- which filters mod_filter may run ------------------------------------- */

static void add_provider(cmd_parms *cmd, vld_dir_config *conf,
                         const char *harness, const char *filter,
                         const char *const *types)
{
    vld_filter_provider *p;

    if (vld_filters_is_harmless(filter)) {
        return;
    }
    if (!conf->rewriters) {
        conf->rewriters = apr_array_make(cmd->pool, 2, sizeof(*p));
    }
    p = apr_array_push(conf->rewriters);
    p->harness = harness;
    p->filter = filter;
    p->types = types;
}

/* The words of args, and NULL after the last. */
static const char *const *split_words(cmd_parms *cmd, const char *args)
{
    apr_array_header_t *words = apr_array_make(cmd->pool, 4,
                                               sizeof(const char *));

    while (*args) {
        *(const char **)apr_array_push(words) = ap_getword_conf(cmd->pool,
                                                                &args);
    }
    *(const char **)apr_array_push(words) = NULL;
    return (const char *const *)words->elts;
}

static void note_filters_by_type(cmd_parms *cmd, vld_dir_config *conf,
                                 const char *args)
{
    char *names = ap_getword_conf(cmd->pool, &args), *state = NULL, *name;
    const char *const *types = split_words(cmd, args);

    for (name = apr_strtok(names, ";", &state); name;
         name = apr_strtok(NULL, ";", &state)) {
        add_provider(cmd, conf,
                     apr_pstrcat(cmd->pool, VLD_HARNESS_BY_TYPE, name, NULL),
                     name, types);
    }
}

static void note_filter_provider(cmd_parms *cmd, vld_dir_config *conf,
                                 const char *args)
{
    const char *harness = ap_getword_conf(cmd->pool, &args);
    const char *name = ap_getword_conf(cmd->pool, &args);

    add_provider(cmd, conf, harness, name, NULL);
}

/* --- the handler ---------------------------------------------------------- */

/* Indexed by vld_foreign_directive. */
static const struct {
    const char *module; /* as httpd lists it */
    void (*note)(cmd_parms *cmd, vld_dir_config *conf, const char *args);
} directives[] = {
#define X(name, note, module, where) { #module ".c", note_##note },
    VLD_FOREIGN_DIRECTIVES(X)
#undef X
};

const char *vld_foreign_take_note(cmd_parms *cmd, void *conf, const char *args)
{
    apr_uintptr_t i = (apr_uintptr_t)cmd->info;

    /* Without this module the directive would be unknown where its own module
     * is not loaded: it stays so, in httpd's words. */
    if (!ap_find_linked_module(directives[i].module)) {
        return apr_pstrcat(cmd->pool, "Invalid command '", cmd->cmd->name,
                           "', perhaps misspelled or defined by a module not "
                           "included in the server configuration",
                           NULL);
    }
    directives[i].note(cmd, conf, args);
    return NULL;
}
