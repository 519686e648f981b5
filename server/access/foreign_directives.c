/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Directives of other modules that may make a response depend on the client,
 * and of which a request bears no trace.  httpd gives a directive to every
 * module that has its name; what is done here is to take note that it is in
 * force.  It never does what the directive says. */
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>

#include "server/access/access.h"
#include "server/config.h"

/* Without this module the directive would be unknown: it must stay so where
 * the module that it belongs to is not loaded. */
static const char *unknown(const cmd_parms *cmd)
{
    return apr_pstrcat(cmd->pool, "Invalid command '", cmd->cmd->name,
                       "', perhaps misspelled or defined by a module not "
                       "included in the server configuration",
                       NULL);
}

const char *vld_foreign_rule(cmd_parms *cmd, void *conf, const char *args)
{
    (void)args;
    if (!ap_find_linked_module(cmd->info)) {
        return unknown(cmd);
    }
    ((vld_dir_config *)conf)->depends_on_client = VLD_ON;
    return NULL;
}

/* Allow and Deny: `from all` is the same for all. */
const char *vld_foreign_from(cmd_parms *cmd, void *conf, const char *args)
{
    const char *rest = args;
    const char *from = ap_getword_conf(cmd->temp_pool, &rest);
    const char *whom = ap_getword_conf(cmd->temp_pool, &rest);

    if (!strcasecmp(from, "from") && !strcasecmp(whom, "all") && !*rest) {
        return ap_find_linked_module(cmd->info) ? NULL : unknown(cmd);
    }
    return vld_foreign_rule(cmd, conf, args);
}

const char *vld_foreign_by_type(cmd_parms *cmd, void *conf, const char *args)
{
    return ap_find_linked_module(cmd->info)
               ? vld_filters_by_type(cmd, conf, args)
               : unknown(cmd);
}

const char *vld_foreign_provider(cmd_parms *cmd, void *conf, const char *args)
{
    return ap_find_linked_module(cmd->info)
               ? vld_filters_provider(cmd, conf, args)
               : unknown(cmd);
}

/* Variables that say the same to every client that sends this request target
 * to this host: the key of a prepared answer has them, or the server does. */
static const char *const same_for_all[] = {
    "DOCUMENT_ROOT",   "HTTPS",
    "HTTP_HOST",       "PATH_INFO",
    "QUERY_STRING",    "REQUEST_FILENAME",
    "REQUEST_SCHEME",  "REQUEST_URI",
    "SCRIPT_FILENAME", "SCRIPT_GROUP",
    "SCRIPT_USER",     "SERVER_ADMIN",
    "SERVER_NAME",     "SERVER_PORT",
    "SERVER_SOFTWARE", NULL
};

static bool is_same_for_all(const char *name, apr_size_t len)
{
    int i;

    for (i = 0; same_for_all[i]; i++) {
        if (strlen(same_for_all[i]) == len
            && !strncmp(same_for_all[i], name, len)) {
            return true;
        }
    }
    return false;
}

/* Whether a condition asks for any other variable, a map or an expression. */
static bool asks_for_client(const char *args, const char *test)
{
    const char *end;

    if (strstr(args, "${") || !strcasecmp(test, "expr")) {
        return true;
    }
    while ((test = strstr(test, "%{"))) {
        end = strchr(test, '}');
        if (!end || !is_same_for_all(test + 2, (apr_size_t)(end - test - 2))) {
            return true;
        }
        test = end;
    }
    return false;
}

/* RewriteRule, Alias, Redirect: what they make of the URL may have variables in
 * it.  A flag that sets a variable or a cookie by one counts too. */
const char *vld_foreign_expression(cmd_parms *cmd, void *conf, const char *args)
{
    if (!ap_find_linked_module(cmd->info)) {
        return unknown(cmd);
    }
    if (asks_for_client(args, args)) {
        ((vld_dir_config *)conf)->depends_on_client = VLD_ON;
    }
    return NULL;
}

const char *vld_foreign_cache_enable(cmd_parms *cmd, void *conf,
                                     const char *args)
{
    const char *rest = args;

    if (!ap_find_linked_module(cmd->info)) {
        return unknown(cmd);
    }
    if (!strcasecmp(ap_getword_conf(cmd->temp_pool, &rest), "socache")) {
        ((vld_dir_config *)conf)->socache = VLD_ON;
        vld_config_edit()->uses_socache = 1;
    }
    return NULL;
}

/* Many sites take the suffix of mod_deflate out of If-None-Match, which httpd
 * could not match otherwise. */
const char *vld_foreign_request_header(cmd_parms *cmd, void *conf,
                                       const char *args)
{
    (void)conf;
    if (!ap_find_linked_module(cmd->info)) {
        return unknown(cmd);
    }
    if (ap_strcasestr(args, "If-None-Match")) {
        vld_config_edit()->if_none_match_edited = 1;
    }
    return NULL;
}

/* A pattern of whole names of methods, which tells GET from HEAD in no way:
 * it has both or neither. */
static bool is_same_for_get_and_head(const char *pattern)
{
    static const char *const methods[] = {
        "GET",   "HEAD",    "POST",    "PUT",   "DELETE",   "TRACE",
        "TRACK", "OPTIONS", "CONNECT", "PATCH", "PROPFIND", "PROPPATCH",
        "MKCOL", "COPY",    "MOVE",    "LOCK",  "UNLOCK",   NULL
    };
    bool has[2] = { false, false };
    apr_size_t len;
    int i;

    for (; *pattern; pattern += len) {
        len = strspn(pattern, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        for (i = 0; len && methods[i]; i++) {
            if (strlen(methods[i]) == len
                && !strncmp(methods[i], pattern, len)) {
                break;
            }
        }
        if (len ? !methods[i] : !strchr("!=^$|()", *pattern)) {
            return false;
        }
        if (len && i < 2) {
            has[i] = true;
        }
        len += !len;
    }
    return has[0] == has[1];
}

/* SSLCipherSuite below the server's level refuses clients; at the server's it
 * is who gets in at all. */
const char *vld_foreign_ciphers(cmd_parms *cmd, void *conf, const char *args)
{
    if (cmd->path) {
        return vld_foreign_rule(cmd, conf, args);
    }
    return ap_find_linked_module(cmd->info) ? NULL : unknown(cmd);
}

/* mod_setenvif: prefer-language chooses a variant by what Vary does not
 * name. */
const char *vld_foreign_setenvif(cmd_parms *cmd, void *conf, const char *args)
{
    const char *rest = args;

    if (!ap_find_linked_module(cmd->info)) {
        return unknown(cmd);
    }
    if (ap_strcasestr(args, "prefer-language")
        && strcasecmp(ap_getword_conf(cmd->temp_pool, &rest), "Request_URI")) {
        ((vld_dir_config *)conf)->depends_on_client = VLD_ON;
    }
    return NULL;
}

const char *vld_foreign_rewrite_cond(cmd_parms *cmd, void *conf,
                                     const char *args)
{
    const char *rest = args;
    const char *test = ap_getword_conf(cmd->temp_pool, &rest);
    const char *pattern = ap_getword_conf(cmd->temp_pool, &rest);

    if (!ap_find_linked_module(cmd->info)) {
        return unknown(cmd);
    }
    if (strcmp(test, "%{REQUEST_METHOD}")
            ? asks_for_client(args, test)
            : !is_same_for_get_and_head(pattern)) {
        ((vld_dir_config *)conf)->depends_on_client = VLD_ON;
    }
    return NULL;
}
