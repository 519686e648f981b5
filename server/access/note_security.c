/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Notes of ModSecurity's directives: which may rewrite a content, and which
 * rules must see each response.  Judges no request. */
#include <string.h>

#include <apr_strings.h>

#include <httpd.h>

#include "server/access/notes.h"
#include "server/config.h"

/* Whether the actions put the rule into a phase after the handler.  Anything
 * that is like it counts, also within the pattern. */
static bool is_of_response(const char *args)
{
    for (; (args = ap_strcasestr(args, "phase:")); args++) {
        const char *phase = args + 6 + strspn(args + 6, "'\" ");

        if (*phase == '3' || *phase == '4'
            || !strncasecmp(phase, "response", 8)) {
            return true;
        }
    }
    return false;
}

/* Rules of the phases 1 and 2 see each request before it is answered in fixups.
 * Those of 3 and 4 look at the response: it must be a full one.  A variable
 * that a rule sets may be read for a field. */
void vld_note_sec_rule(cmd_parms *cmd, vld_dir_config *conf, const char *args)
{
    (void)cmd;
    if (is_of_response(args) || ap_strcasestr(args, "setenv:")) {
        conf->fields_depend = VLD_ON;
    }
}

/* Of the whole server: ModSecurity goes by the configuration of the URL that
 * was asked for, also where DirectoryIndex leads to another one. */
void vld_note_sec_injects(cmd_parms *cmd, vld_dir_config *conf,
                          const char *args)
{
    (void)conf;
    if (strcasecmp(ap_getword_conf(cmd->temp_pool, &args), "off")) {
        vld_config_edit()->security_injects = 1;
    }
}

void vld_note_sec_streams(cmd_parms *cmd, vld_dir_config *conf,
                          const char *args)
{
    (void)conf;
    if (strcasecmp(ap_getword_conf(cmd->temp_pool, &args), "off")) {
        vld_config_edit()->security_streams = 1;
    }
}
