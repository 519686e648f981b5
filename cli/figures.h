/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The figures that a command counts: one table a command, from which they are
 * summed, written as JSON and written as text. */
#ifndef VALIDATORS_CLI_FIGURES_H
#define VALIDATORS_CLI_FIGURES_H

#include <stddef.h>

#include <apr_time.h>
#include <jansson.h>

#include "cli/cli.h"

/* One figure, a uint64_t member of the totals of a command.  A table of them
 * is in the order of the JSON and ends with CLI_FIGURES_END. */
typedef struct cli_figure {
    const char *name; /* the key in JSON; "{name}" in texts */
    size_t offset;    /* of the member in the totals */
    bool is_size;     /* octets, in texts as "1.2 MiB" */
} cli_figure;

#define CLI_COUNT(name, totals, member)                                        \
    {                                                                          \
        name, offsetof(totals, member), false                                  \
    }
#define CLI_OCTETS(name, totals, member)                                       \
    {                                                                          \
        name, offsetof(totals, member), true                                   \
    }
#define CLI_FIGURES_END                                                        \
    {                                                                          \
        NULL, 0, false                                                         \
    }

/* Add each figure of `more` to that of `sum`; both are totals of the table. */
void cli_figures_add(const cli_figure *figures, void *sum, const void *more);

/* Set each figure in the object, under its name. */
void cli_figures_json(const cli_figure *figures, const void *totals,
                      json_t *object);

/* Write `text` to out with the figure in place of each "{name}".  Text beyond
 * the room is cut off; out is NUL-terminated.  Returns out. */
#define CLI_FIGURES_TEXT 1024
const char *cli_figures_text(const cli_figure *figures, const void *totals,
                             const char *text, char out[CLI_FIGURES_TEXT]);

/* The summary of a run on standard output: with --json the figures, `seconds`
 * since `started` and `complete`; without, `text` (as above) and the seconds;
 * nothing with --quiet. */
void cli_put_summary(const cli *c, const cli_figure *figures,
                     const void *totals, const char *text, apr_time_t started,
                     bool complete);

#endif /* VALIDATORS_CLI_FIGURES_H */
