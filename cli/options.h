/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The command line sorted into options, command and operands. */
#ifndef VALIDATORS_CLI_OPTIONS_H
#define VALIDATORS_CLI_OPTIONS_H

#include "cli/cli.h"

/* Sort the command line into c and c->settings.  CLI_DONE, and *argc and *argv
 * are the operands; CLI_ERROR after a message. */
cli_exit cli_parse(cli *c, int *argc, char ***argv);

#endif /* VALIDATORS_CLI_OPTIONS_H */
