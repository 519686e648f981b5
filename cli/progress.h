/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The line of progress on a terminal. */
#ifndef VALIDATORS_CLI_PROGRESS_H
#define VALIDATORS_CLI_PROGRESS_H

#include <stdint.h>

#include "cli/cli.h"

/* The line of progress on standard error.  One a process at a time. */
typedef struct cli_progress cli_progress;

/* Draws nothing unless standard error is a terminal and neither --quiet nor
 * --json was given. */
cli_progress *cli_progress_start(const cli *c);
/* Whether it is worth while to count what there is to do. */
bool cli_progress_is_shown(const cli_progress *progress);

/* What has been done so far. */
typedef struct cli_work_done {
    uint64_t files;
    uint64_t hashed; /* of them */
    uint64_t bytes;  /* read */
    /* How far the work is, in whatever it is measured; total 0: its end is not
     * known, and a mark moves to and fro in place of the percentage. */
    uint64_t done;
    uint64_t total;
} cli_work_done;

/* Draw the line anew, at most ten times a second. */
void cli_progress_draw(cli_progress *progress, const cli_work_done *work);
/* Take the line away, so that something else may be written there. */
void cli_progress_clear(cli_progress *progress);

#endif /* VALIDATORS_CLI_PROGRESS_H */
