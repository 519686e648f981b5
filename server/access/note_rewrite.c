/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The notes that are taken of mod_rewrite's directives.  Conditions count for
 * the rule that follows them, as mod_rewrite has it. */
#include <string.h>
#include <strings.h>

#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>

#include "server/access/conditions.h"
#include "server/access/notes.h"

#define NOT_FOR_ALL (VLD_ASKS_CLIENT | VLD_ASKS_VARIABLE)

void vld_note_rewrite_cond(cmd_parms *cmd, vld_dir_config *conf,
                           const char *args)
{
    const char *rest = args;
    const char *test = ap_getword_conf(cmd->temp_pool, &rest);
    const char *pattern = ap_getword_conf(cmd->temp_pool, &rest);
    unsigned asks;

    if (!strcmp(test, "%{REQUEST_METHOD}")) {
        asks = vld_condition_is_same_for_get_and_head(pattern)
                   ? VLD_ASKS_NOTHING
                   : VLD_ASKS_CLIENT;
    }
    else if (!strcasecmp(test, "expr")) {
        asks = vld_expression_asks(pattern);
    }
    else {
        asks = vld_condition_asks(args, test);
    }
    vld_note_asked(cmd, conf, asks & ~(unsigned)VLD_ASKS_CLIENT, args,
                   VLD_READ_BY_RULE);
    conf->rewrite_asks |= asks & NOT_FOR_ALL;
}

/* --- flags ---------------------------------------------------------------- */

/* The flags of a rule: whether there are others than these. */
typedef struct rule_flags {
    bool others;  /* than E and NC, which only set variables */
    bool on_file; /* among them one that changes what is said of a file */
} rule_flags;

static bool is_flag(const char *flag, const char *brief, const char *name)
{
    size_t len = strcspn(flag, "=");

    return (strlen(brief) == len && !strncasecmp(flag, brief, len))
           || (strlen(name) == len && !strncasecmp(flag, name, len));
}

static void set_variable(cmd_parms *cmd, vld_dir_config *conf, const char *flag,
                         vld_variable_source source)
{
    const char *name = strchr(flag, '=');

    if (name) {
        name += name[1] == '!' ? 2 : 1;
        vld_variables_set(cmd, conf,
                          apr_pstrndup(cmd->temp_pool, name,
                                       strcspn(name, ":")),
                          source);
    }
}

/* Read the flags, [E=name:value,L]: E sets a variable. */
static rule_flags read_flags(cmd_parms *cmd, vld_dir_config *conf,
                             const char *args, vld_variable_source source)
{
    rule_flags found = { false, false };
    char *text = apr_pstrdup(cmd->temp_pool, args), *state = NULL, *flag;

    for (flag = apr_strtok(text, "[], \t", &state); flag;
         flag = apr_strtok(NULL, "[], \t", &state)) {
        if (is_flag(flag, "E", "env")) {
            set_variable(cmd, conf, flag, source);
            continue;
        }
        found.others |= !is_flag(flag, "NC", "nocase");
        found.on_file |= is_flag(flag, "T", "type")
                         || is_flag(flag, "H", "handler")
                         || is_flag(flag, "CO", "cookie")
                         || is_flag(flag, "PT", "passthrough");
    }
    return found;
}

/* --- rules ---------------------------------------------------------------- */

/* In a folder the pattern is matched against what follows the folder's path:
 * this one matches the folder alone. */
static bool is_for_folder(const cmd_parms *cmd, const char *pattern)
{
    return cmd->path && !strcmp(pattern, "^$");
}

/* It can rewrite otherwise for another client. */
static void note_rewrites(cmd_parms *cmd, vld_dir_config *conf,
                          const char *pattern)
{
    if (is_for_folder(cmd, pattern)) {
        conf->depends_for_folder = VLD_ON;
    }
    else {
        conf->depends_on_client = VLD_ON;
    }
    conf->rewrites = VLD_ON;
}

void vld_note_rewrite_rule(cmd_parms *cmd, vld_dir_config *conf,
                           const char *args)
{
    const char *rest = args;
    const char *pattern = ap_getword_conf(cmd->temp_pool, &rest);
    const char *target = ap_getword_conf(cmd->temp_pool, &rest);
    const char *flags = ap_getword_conf(cmd->temp_pool, &rest);
    unsigned asks = conf->rewrite_asks | vld_condition_asks(args, args);
    rule_flags has = read_flags(cmd, conf, flags,
                                asks & NOT_FOR_ALL ? VLD_SET_FOR_CLIENT
                                                   : VLD_SET_BY_REWRITING);
    bool sets_only = !strcmp(target, "-") && !has.others;

    conf->rewrite_asks = VLD_ASKS_NOTHING;
    if (sets_only) {
        /* Those who read its variables ask for the client. */
        asks &= ~(unsigned)NOT_FOR_ALL;
    }
    vld_note_asked(cmd, conf, asks & ~(unsigned)VLD_ASKS_CLIENT, args,
                   VLD_READ_BY_RULE);
    if (asks & VLD_ASKS_CLIENT) {
        note_rewrites(cmd, conf, pattern);
    }
    if ((asks & NOT_FOR_ALL) && has.on_file) {
        conf->fields_depend = VLD_ON;
    }
}
