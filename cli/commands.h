/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and the help that is made from it. */
#ifndef VALIDATORS_CLI_COMMANDS_H
#define VALIDATORS_CLI_COMMANDS_H

#include <stdio.h>

#include "cli/cli.h"

/* The options that stand before or after any command. */
extern const cli_option cli_global_options[];

const cli_command *cli_find_command(const char *name);
void cli_print_help(FILE *out);
void cli_print_usage(FILE *out, const cli_command *command);

#endif /* VALIDATORS_CLI_COMMANDS_H */
