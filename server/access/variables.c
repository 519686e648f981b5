/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Variables of the environment, by the directives that set and read them.  It
 * never looks at a variable's value: another request may have another.
 *
 * What the files of the configuration set is known for all of it together, so
 * that it does not matter in which section a variable is set and in which it is
 * read.  What an .htaccess file sets belongs to the request. */
#include <strings.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "server/access/variables.h"

/* In a request's notes: a variable that depends on the client. */
#define NOTE "validators-variable"
/* ... that some rule may have rewritten otherwise for another client. */
#define REWRITES "validators-rewrites"

typedef struct vld_variable {
    const char *name;
    vld_variable_source source;
} vld_variable;

typedef struct vld_variable_read {
    const char *name;
    vld_variable_use use;
} vld_variable_read;

/* What modules look at to choose a coding, and with it the tag. */
static const char *const for_coding[] = { "no-gzip", "gzip-only-text/html",
                                          "force-gzip", "no-brotli", NULL };
/* What mod_negotiation looks at to choose a file. */
static const char *const for_file[] = { "prefer-language", NULL };
/* Where it is set below the server's level, the quick handler comes before. */
static const char *const for_header[] = { "force-no-vary", NULL };

/* Set by httpd itself, by what is part of an answer's key.  UNIQUE_ID is
 * not, but a field that has its value is known by that. */
static const char *const for_all[] = { "HTTPS",      "REDIRECT_STATUS",
                                       "SCRIPT_URI", "SCRIPT_URL",
                                       "UNIQUE_ID",  NULL };

static bool is_among(const char *const *names, const char *name)
{
    for (; *names; names++) {
        if (!strcasecmp(name, *names)) {
            return true;
        }
    }
    return false;
}

/* --- while a configuration is read ---------------------------------------- */

static bool is_in_htaccess(const cmd_parms *cmd)
{
    return cmd->pool == cmd->temp_pool;
}

/* The directive stands in an <If>, or beside it. */
static bool is_in_if(const cmd_parms *cmd)
{
    const ap_directive_t *d = cmd->directive ? cmd->directive->parent : NULL;

    for (; d; d = d->parent) {
        if (!strncasecmp(d->directive, "<If", 4)
            || !strncasecmp(d->directive, "<Else", 5)) {
            return true;
        }
    }
    return false;
}

void vld_variables_read(cmd_parms *cmd, vld_dir_config *conf, const char *name,
                        vld_variable_use use)
{
    vld_variable_read *read;

    if (!conf->read) {
        conf->read = apr_array_make(cmd->pool, 2, sizeof(*read));
    }
    read = apr_array_push(conf->read);
    read->name = apr_pstrdup(cmd->pool, name);
    read->use = use;
}

static void add_variable(apr_pool_t *pool, apr_array_header_t **list,
                         const char *name, vld_variable_source source)
{
    vld_variable *variable;

    if (!*list) {
        *list = apr_array_make(pool, 4, sizeof(*variable));
    }
    variable = apr_array_push(*list);
    variable->name = apr_pstrdup(pool, name);
    variable->source = source;
}

void vld_variables_set(cmd_parms *cmd, vld_dir_config *conf, const char *name,
                       vld_variable_source source)
{
    if (is_in_if(cmd)) {
        source = VLD_SET_FOR_CLIENT;
    }
    add_variable(cmd->pool,
                 is_in_htaccess(cmd) ? &conf->set : &vld_config_edit()->set,
                 name, source);
    if (source == VLD_SET_FOR_ALL) {
        return;
    }
    /* httpd's own modules read these. */
    if (is_among(for_coding, name)) {
        vld_variables_read(cmd, conf, name, VLD_READ_FOR_FIELD);
    }
    if (is_among(for_file, name) || (cmd->path && is_among(for_header, name))) {
        vld_variables_read(cmd, conf, name, VLD_READ_BY_RULE);
    }
}

/* --- for a request -------------------------------------------------------- */

/* What is known of one variable. */
typedef struct verdict {
    const char *name;
    bool is_set;
    bool by_rewriting;
    bool by_client;
} verdict;

static void search(const apr_array_header_t *list, verdict *v)
{
    const vld_variable *variable;
    int i;

    for (i = 0; list && i < list->nelts; i++) {
        variable = &APR_ARRAY_IDX(list, i, vld_variable);
        if (!strcasecmp(variable->name, v->name)) {
            v->is_set = true;
            v->by_rewriting |= variable->source == VLD_SET_BY_REWRITING;
            v->by_client |= variable->source == VLD_SET_FOR_CLIENT;
        }
    }
}

static int is_noted(void *name, const char *key, const char *value)
{
    (void)key;
    return strcasecmp(name, value) != 0;
}

/* Whether the variable may depend on the client.  An internal redirect puts
 * REDIRECT_ before the name of each. */
static bool is_of_client(const request_rec *root, const vld_dir_config *conf,
                         const char *name, bool rewrites)
{
    verdict v = { name, false, false, false };

    while (!is_among(for_all, v.name) && !strncasecmp(v.name, "REDIRECT_", 9)) {
        v.name += 9;
    }
    search(vld_config_global()->set, &v);
    search(conf->set, &v);
    if (!apr_table_do(is_noted, (void *)v.name, root->notes, NOTE, NULL)) {
        return true;
    }
    return v.by_client || (v.by_rewriting && rewrites)
           || (!v.is_set && !is_among(for_all, v.name));
}

static bool does_any_depend(const request_rec *root, const vld_dir_config *conf,
                            vld_variable_use use, bool rewrites)
{
    const vld_variable_read *read;
    int i;

    for (i = 0; i < conf->read->nelts; i++) {
        read = &APR_ARRAY_IDX(conf->read, i, vld_variable_read);
        if (read->use == use
            && is_of_client(root, conf, read->name, rewrites)) {
            return true;
        }
    }
    return false;
}

/* A rule that looks at a variable that depends on the client rewrites by the
 * client. */
static bool do_rules_rewrite(const request_rec *root,
                             const vld_dir_config *conf)
{
    return conf->rewrites == VLD_ON || apr_table_get(root->notes, REWRITES)
           || (conf->read
               && does_any_depend(root, conf, VLD_READ_BY_RULE, false));
}

bool vld_variables_depend(const request_rec *root, const vld_dir_config *conf,
                          vld_variable_use use)
{
    return conf->read
           && does_any_depend(root, conf, use, do_rules_rewrite(root, conf));
}

void vld_variables_take_down(request_rec *root, const vld_dir_config *conf)
{
    const vld_variable *variable;
    int i;

    if (conf->rewrites == VLD_ON) {
        apr_table_setn(root->notes, REWRITES, "1");
    }
    for (i = 0; conf->set && i < conf->set->nelts; i++) {
        variable = &APR_ARRAY_IDX(conf->set, i, vld_variable);
        if (variable->source == VLD_SET_FOR_CLIENT
            || (variable->source == VLD_SET_BY_REWRITING
                && do_rules_rewrite(root, conf))) {
            apr_table_addn(root->notes, NOTE, variable->name);
        }
    }
}
