/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The notes that are taken of the directives of mod_headers, mod_setenvif and
 * mod_env: which fields and variables can depend on the client.  It sets no
 * field and no variable. */
#include <string.h>
#include <strings.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>

#include "server/access/conditions.h"
#include "server/access/kept_fields.h"
#include "server/access/notes.h"

/* --- mod_headers: the response -------------------------------------------- */

/* A value with the formats of mod_headers: %{name}e is a variable, %{name}s one
 * of TLS, %l, %i and %b are what the server is doing.  %t and %D are known by
 * the value. */
static void note_formats(cmd_parms *cmd, vld_dir_config *conf,
                         const char *value, vld_variable_use use)
{
    const char *at = value, *name = NULL, *end;

    while ((at = strchr(at, '%'))) {
        at++;
        if (*at == '{') {
            name = at + 1;
            end = strchr(name, '}');
            if (!end) {
                return;
            }
            at = end + 1;
            if (*at == 'e') {
                vld_variables_read(cmd, conf,
                                   apr_pstrmemdup(cmd->temp_pool, name,
                                                  (apr_size_t)(end - name)),
                                   use);
            }
        }
        if (*at && strchr("slib", *at)) {
            vld_note_asked(cmd, conf, VLD_ASKS_CLIENT, "", use);
        }
        if (*at) {
            at++;
        }
    }
}

static void note_value(cmd_parms *cmd, vld_dir_config *conf, const char *word,
                       vld_variable_use use)
{
    if (use == VLD_READ_FOR_FIELD && vld_kept_has_nonce("", word)) {
        return; /* in no 304 */
    }
    if (!strncasecmp(word, "expr=", 5)) {
        vld_note_asked(cmd, conf, vld_text_asks(word), word, use);
    }
    else {
        note_formats(cmd, conf, word, use);
    }
}

static void note_condition(cmd_parms *cmd, vld_dir_config *conf,
                           const char *word, vld_variable_use use)
{
    if (!strncasecmp(word, "env=", 4)) {
        vld_variables_read(cmd, conf, word + (word[4] == '!' ? 5 : 4), use);
    }
    else if (!strncasecmp(word, "expr=", 5)) {
        vld_note_asked(cmd, conf, vld_expression_asks(word + 5), word, use);
    }
}

/* The words after the field's name: values, as many as the action has, and
 * perhaps a condition. */
static void note_words(cmd_parms *cmd, vld_dir_config *conf, const char *action,
                       const char *args, vld_variable_use use)
{
    int values = !strcasecmp(action, "unset")      ? 0
                 : !strncasecmp(action, "edit", 4) ? 2
                                                   : 1;
    const char *word;

    while (*args) {
        word = ap_getword_conf(cmd->temp_pool, &args);
        if (values-- > 0) {
            note_value(cmd, conf, word, use);
        }
        else {
            note_condition(cmd, conf, word, use);
        }
    }
}

static const char *read_field_name(cmd_parms *cmd, const char **args)
{
    const char *name = ap_getword_conf(cmd->temp_pool, args);

    /* A copy: where no word is left httpd gives a constant. */
    return apr_pstrmemdup(cmd->temp_pool, name, strcspn(name, ":"));
}

/* `Header echo` repeats the request's fields whose names match the pattern.
 * Only patterns that begin with the beginning of a name are understood. */
static bool may_echo(const char *pattern)
{
    size_t len = 0;

    if (*pattern != '^' || strchr(pattern, '|')) {
        return true;
    }
    pattern++;
    while (apr_isalnum(pattern[len]) || pattern[len] == '-') {
        len++;
    }
    if (pattern[len] && strchr("?*{", pattern[len]) && len) {
        len--; /* it need not be there */
    }
    return vld_kept_may_begin_with(pattern, len);
}

void vld_note_header(cmd_parms *cmd, vld_dir_config *conf, const char *args)
{
    const char *action = ap_getword_conf(cmd->temp_pool, &args), *name;

    if (!strcasecmp(action, "always") || !strcasecmp(action, "onsuccess")) {
        action = ap_getword_conf(cmd->temp_pool, &args);
    }
    if (!strcasecmp(action, "echo")) {
        vld_config_edit()->sendfile_named = 1; /* it might be among them */
        if (may_echo(ap_getword_conf(cmd->temp_pool, &args))) {
            conf->fields_depend = VLD_ON;
        }
        return;
    }
    name = read_field_name(cmd, &args);
    if (!strncasecmp(name, "X-Sendfile", 10)) {
        vld_config_edit()->sendfile_named = 1;
    }
    if (strcasecmp(action, "note") && vld_kept_matters(name)) {
        note_words(cmd, conf, action, args, VLD_READ_FOR_FIELD);
    }
}

/* --- mod_headers: the request --------------------------------------------- */

static const char *last_word(cmd_parms *cmd, const char *args)
{
    const char *word = "";

    while (*args) {
        word = ap_getword_conf(cmd->temp_pool, &args);
    }
    return word;
}

/* The key of an answer has fields of the request; the quick handler sees them
 * as the client sent them. */
static void note_edited(cmd_parms *cmd, vld_dir_config *conf,
                        const char *action, const char *name, const char *args)
{
    unsigned asks = vld_field_asks(name, strlen(name));

    if (asks == VLD_ASKS_NOTHING || asks == VLD_ASKS_ORIGIN) {
        conf->depends_on_client = VLD_ON;
    }
    else if (asks == VLD_ASKS_CODING) {
        conf->edits_coding = VLD_ON;
    }
    if (!strncasecmp(name, "Accept", 6) || !strcasecmp(name, "Negotiate")) {
        note_words(cmd, conf, action, args, VLD_READ_BY_RULE);
    }
}

/* Many sites remove mod_deflate's suffix from If-None-Match, because httpd
 * cannot match such a tag. */
void vld_note_request_header(cmd_parms *cmd, vld_dir_config *conf,
                             const char *args)
{
    const char *rest = args, *action, *name;

    if (ap_strcasestr(args, "If-None-Match")) {
        vld_config_edit()->if_none_match_edited = 1;
    }
    if (!strcasecmp(last_word(cmd, args), "early")) {
        return; /* before the quick handler */
    }
    action = ap_getword_conf(cmd->temp_pool, &rest);
    name = read_field_name(cmd, &rest);
    note_edited(cmd, conf, action, name, rest);
}

/* --- mod_setenvif --------------------------------------------------------- */

/* What SetEnvIf looks at: a field, or one of these.  A name may be a pattern;
 * of patterns, only ^name$ is understood. */
static unsigned attribute_asks(const char *name, const char *pattern)
{
    size_t len = strlen(name);

    if (!strcasecmp(name, "Request_URI") || !strcasecmp(name, "Server_Addr")) {
        return VLD_ASKS_NOTHING;
    }
    if (!strcasecmp(name, "Request_Method")) {
        return vld_condition_is_same_for_get_and_head(pattern)
                   ? VLD_ASKS_NOTHING
                   : VLD_ASKS_CLIENT;
    }
    if (len > 2 && name[0] == '^' && name[len - 1] == '$') {
        return vld_field_asks(name + 1, len - 2);
    }
    return vld_field_asks(name, len);
}

void vld_note_setenvif(cmd_parms *cmd, vld_dir_config *conf, const char *args)
{
    const char *what = ap_getword_conf(cmd->temp_pool, &args), *word;
    unsigned asks;

    if (!strncasecmp(cmd->cmd->name, "BrowserMatch", 12)) {
        asks = VLD_ASKS_CLIENT;
    }
    else if (!strcasecmp(cmd->cmd->name, "SetEnvIfExpr")) {
        asks = vld_expression_asks(what);
    }
    else {
        asks = attribute_asks(what, ap_getword_conf(cmd->temp_pool, &args));
    }
    vld_note_asked(cmd, conf, asks & (unsigned)VLD_ASKS_SAME, "",
                   VLD_READ_FOR_FIELD);
    while (*args) {
        word = ap_getword_conf(cmd->temp_pool, &args);
        word += *word == '!';
        vld_variables_set(
            cmd, conf, apr_pstrndup(cmd->temp_pool, word, strcspn(word, "=")),
            asks & (VLD_ASKS_CLIENT | VLD_ASKS_VARIABLE) ? VLD_SET_FOR_CLIENT
                                                         : VLD_SET_FOR_ALL);
    }
}

/* --- mod_env -------------------------------------------------------------- */

void vld_note_setenv(cmd_parms *cmd, vld_dir_config *conf, const char *args)
{
    vld_variables_set(cmd, conf, ap_getword_conf(cmd->temp_pool, &args),
                      VLD_SET_FOR_ALL);
}

void vld_note_environment(cmd_parms *cmd, vld_dir_config *conf,
                          const char *args)
{
    while (*args) {
        vld_note_setenv(cmd, conf, ap_getword_conf(cmd->temp_pool, &args));
    }
}
