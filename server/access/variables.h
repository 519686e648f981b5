/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Variables of the environment: which directives set them, which read them, and
 * whether what a directive reads can depend on the client. */
#ifndef SERVER_ACCESS_VARIABLES_H
#define SERVER_ACCESS_VARIABLES_H

#include <stdbool.h>

#include <httpd.h>
#include <http_config.h>

#include "server/config.h"

/* By what a directive sets a variable. */
typedef enum vld_variable_source {
    VLD_SET_FOR_ALL,      /* by what is the same for every client */
    VLD_SET_BY_REWRITING, /* by a rewriting rule that is, unless rules before it
                           * are not */
    VLD_SET_FOR_CLIENT    /* by what may differ */
} vld_variable_source;

/* For what a directive reads one. */
typedef enum vld_variable_use {
    VLD_READ_BY_RULE,  /* who may see the resource, and which file it is */
    VLD_READ_FOR_FIELD /* what the response says */
} vld_variable_use;

/* --- while a configuration is read ---------------------------------------- */

/* The directive cmd sets the variable, or unsets it. */
void vld_variables_set(cmd_parms *cmd, vld_dir_config *conf, const char *name,
                       vld_variable_source source);
/* It reads the variable. */
void vld_variables_read(cmd_parms *cmd, vld_dir_config *conf, const char *name,
                        vld_variable_use use);

/* --- for a request -------------------------------------------------------- */

/* Whether a directive of conf reads a variable for this use whose value may
 * depend on the client: one that httpd's own modules and the configuration do
 * not set for all counts as that.  `root` is the request that the client
 * made. */
bool vld_variables_depend(const request_rec *root, const vld_dir_config *conf,
                          vld_variable_use use);
/* Note in root what the .htaccess files of conf have set, for where another
 * configuration takes the place of this one. */
void vld_variables_take_down(request_rec *root, const vld_dir_config *conf);

#endif /* SERVER_ACCESS_VARIABLES_H */
