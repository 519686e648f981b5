/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index as the commands meet it. */
#ifndef VALIDATORS_CLI_INDEX_H
#define VALIDATORS_CLI_INDEX_H

#include "cli/cli.h"

/* Open the index as c->command needs it.  False after a message. */
bool cli_open_index(cli *c);

/* Close the index and open what stands at its path now, as c->command needs
 * it: after VLD_E_REPLACED.  c->store is NULL when that fails. */
apr_status_t cli_reopen_index(cli *c);

/* Report what the index answered: path, why, what to do.  CLI_ERROR. */
cli_exit cli_index_error(cli *c, apr_status_t rv);

/* The prefix that records stand at or below: the path as it was given, else
 * its real path; *out NULL when neither has any. */
apr_status_t cli_choose_prefix(cli *c, const char *given, const char **out);

/* Warn where the index lies below a folder that is served: visitors could
 * fetch it. */
void cli_warn_of_index_below(const cli *c, const char *root);

#endif /* VALIDATORS_CLI_INDEX_H */
