/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The notes that are taken of other modules' directives, for
 * foreign_directives.c.  Each is given the arguments as they stand in the
 * configuration.  Private to server/access/. */
#ifndef SERVER_ACCESS_NOTES_H
#define SERVER_ACCESS_NOTES_H

#include <http_config.h>

#include "server/access/variables.h"
#include "server/config.h"

/* Put down what a directive asks for (vld_asks), and each variable of the
 * environment that its text names. */
void vld_note_asked(cmd_parms *cmd, vld_dir_config *conf, unsigned asks,
                    const char *text, vld_variable_use use);

/* mod_headers */
void vld_note_header(cmd_parms *cmd, vld_dir_config *conf, const char *args);
void vld_note_request_header(cmd_parms *cmd, vld_dir_config *conf,
                             const char *args);
/* mod_setenvif, mod_env */
void vld_note_setenvif(cmd_parms *cmd, vld_dir_config *conf, const char *args);
void vld_note_setenv(cmd_parms *cmd, vld_dir_config *conf, const char *args);
void vld_note_environment(cmd_parms *cmd, vld_dir_config *conf,
                          const char *args);
/* mod_rewrite */
void vld_note_rewrite_cond(cmd_parms *cmd, vld_dir_config *conf,
                           const char *args);
void vld_note_rewrite_rule(cmd_parms *cmd, vld_dir_config *conf,
                           const char *args);
/* mod_security2 */
void vld_note_sec_rule(cmd_parms *cmd, vld_dir_config *conf, const char *args);
void vld_note_sec_injects(cmd_parms *cmd, vld_dir_config *conf,
                          const char *args);
void vld_note_sec_streams(cmd_parms *cmd, vld_dir_config *conf,
                          const char *args);

#endif /* SERVER_ACCESS_NOTES_H */
