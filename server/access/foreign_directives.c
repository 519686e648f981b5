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
#include "server/access/notes.h"
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

/* Alias, Redirect, SetHandler, AuthType: the argument may be an expression
 * whose value is a text. */
static void note_expression(cmd_parms *cmd, vld_dir_config *conf,
                            const char *args)
{
    vld_note_asked(cmd, conf, vld_text_asks(args), args, VLD_READ_BY_RULE);
}

/* Its cookie may be all that tells two clients apart. */
static void note_if_on(cmd_parms *cmd, vld_dir_config *conf, const char *args)
{
    if (!strcasecmp(ap_getword_conf(cmd->temp_pool, &args), "on")) {
        conf->depends_on_client = VLD_ON;
    }
}

/* mod_lua's functions may set any field. */
static void note_fields(cmd_parms *cmd, vld_dir_config *conf, const char *args)
{
    (void)cmd;
    (void)args;
    conf->fields_depend = VLD_ON;
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
    args = ap_getword_conf(cmd->temp_pool, &args);
    vld_note_asked(cmd, conf, vld_expression_asks(args), args,
                   VLD_READ_FOR_FIELD);
}

/* --- the handler ---------------------------------------------------------- */

/* Indexed by vld_foreign_directive. */
static const struct {
    const char *module; /* as httpd lists it */
    void (*note)(cmd_parms *cmd, vld_dir_config *conf, const char *args);
} directives[] = {
#define X(name, note, module, where) { #module ".c", note },
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

const char *vld_foreign_note_if(cmd_parms *cmd, void *dir, const char *args)
{
    vld_dir_config *conf = dir;
    const char *end = ap_strrchr_c(args, '>');
    const char *text = apr_pstrmemdup(cmd->temp_pool, args,
                                      end ? (apr_size_t)(end - args)
                                          : strlen(args));
    unsigned asks;

    asks = vld_expression_asks(ap_getword_conf(cmd->temp_pool, &text));
    vld_note_asked(cmd, conf, asks & VLD_ASKS_SAME, "", VLD_READ_BY_RULE);
    if (asks & (VLD_ASKS_CLIENT | VLD_ASKS_VARIABLE)) {
        conf->if_asks = VLD_ON;
    }
    return NULL;
}
