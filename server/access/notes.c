/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What a directive asks for, put down in the configuration.  It judges no
 * text. */
#include <stdbool.h>
#include <strings.h>

#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>

#include "server/access/conditions.h"
#include "server/access/notes.h"

/* Of which a function makes something else than is found in the field. */
static bool is_of_one_response(const char *name, apr_size_t len)
{
    return len == sizeof("UNIQUE_ID") - 1
           && !strncasecmp(name, "UNIQUE_ID", len);
}

void vld_note_asked(cmd_parms *cmd, vld_dir_config *conf, unsigned asks,
                    const char *text, vld_variable_use use)
{
    const char *name;
    apr_size_t len;

    if (asks & VLD_ASKS_CLIENT) {
        if (use == VLD_READ_BY_RULE) {
            conf->depends_on_client = VLD_ON;
        }
        else {
            conf->fields_depend = VLD_ON;
        }
    }
    if (asks & VLD_ASKS_CLOSED) {
        conf->needs_no_field = VLD_ON;
    }
    if (asks & VLD_ASKS_CODING) {
        vld_config_edit()->coding_asked = 1;
    }
    if (asks & VLD_ASKS_ORIGIN) {
        vld_config_edit()->origin_asked = 1;
    }
    while ((asks & VLD_ASKS_VARIABLE)
           && vld_condition_next_variable(&text, &name, &len)) {
        if (is_of_one_response(name, len)) {
            conf->fields_depend = VLD_ON;
        }
        vld_variables_read(cmd, conf, apr_pstrmemdup(cmd->temp_pool, name, len),
                           use);
    }
}
