/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index as the commands meet it. */
#ifndef VALIDATORS_CLI_INDEX_H
#define VALIDATORS_CLI_INDEX_H

#include "cli/cli.h"

/* Open the index as c->command needs it.  False after a message. */
bool cli_open_index(cli *c);

/* Close the index and open the one that is at its path now, as c->command
 * needs it: after VLD_E_REPLACED.  c->store is NULL when that fails. */
apr_status_t cli_reopen_index(cli *c);

/* Run `attempt`; as often as it returns VLD_E_REPLACED, but at most `most`
 * times, reopen the index and run it again.  Returns its last status, or that
 * of a reopening that has failed.
 *
 * CLI_RETRIES: who opens an index must read all of it before he writes, and
 * another compaction may come meanwhile; one after the other, for as long as
 * somebody compacts in a loop. */
#define CLI_RETRIES 50
#define CLI_RETRY_ALWAYS (~0U)
apr_status_t cli_retry_replaced(cli *c, unsigned most,
                                apr_status_t (*attempt)(void *baton),
                                void *baton);

/* Report an error of the index: its path, the cause, the cure.  CLI_ERROR. */
cli_exit cli_index_error(cli *c, apr_status_t rv);

/* The prefix of the records at or below a path: the path as it was given, or
 * its real path where only that has records.  CLI_DONE; or CLI_FOUND (neither
 * has any) or CLI_ERROR, after a message. */
cli_exit cli_choose_prefix(cli *c, const char *given, const char **out);

/* Report that there are no records at or below the path.  CLI_FOUND. */
cli_exit cli_report_no_records(const cli *c, const char *given);

/* Report a record that does not check and is left out of the output; len 0:
 * its name is not known. */
void cli_report_damaged(apr_pool_t *p, const char *path, size_t len);

/* Report how many records were left out since their files were not read yet; 0:
 * nothing is said. */
void cli_report_unread(uint64_t count);

/* Warn where the index lies below a folder that is served: visitors could
 * fetch it. */
void cli_warn_of_index_below(const cli *c, const char *root);

#endif /* VALIDATORS_CLI_INDEX_H */
