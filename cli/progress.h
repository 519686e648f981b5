/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The line of progress on a terminal. */
#ifndef VALIDATORS_CLI_PROGRESS_H
#define VALIDATORS_CLI_PROGRESS_H

#include "validators/scan.h"
#include "cli/cli.h"

/* The line of progress on standard error.  One a process at a time. */
typedef struct cli_progress cli_progress;

/* Draws nothing unless standard error is a terminal and neither --quiet nor
 * --json was given. */
cli_progress *cli_progress_start(const cli *c);
void cli_progress_draw(cli_progress *progress, const vld_scan_totals *totals);
/* Take the line away, so that something else may be written there. */
void cli_progress_clear(cli_progress *progress);

#endif /* VALIDATORS_CLI_PROGRESS_H */
