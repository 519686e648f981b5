/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Messages, and names as they are shown in them. */
#ifndef VALIDATORS_CLI_MESSAGE_H
#define VALIDATORS_CLI_MESSAGE_H

#include <stdbool.h>
#include <stdio.h>
#include <apr_pools.h>

#if defined(__GNUC__)
#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLI_PRINTF(text, first)
#endif

/* One line "htvalidators: ..." on standard error. */
void cli_error(const char *format, ...) CLI_PRINTF(1, 2);

/* The same for a path and why it was left out.  Any thread. */
void cli_report_problem(const char *path, const char *why);

/* A name for text output: always UTF-8, on one line, harmless on a terminal
 * and never ambiguous (`\n`, `\t`, `\\`, `\ooo`). */
void cli_put_path(FILE *out, const char *path, size_t len);
const char *cli_shown(apr_pool_t *p, const char *path);

/* Octets of the UTF-8 character at s, RFC 3629; 0: they are not one. */
size_t cli_utf8_length(const unsigned char *s, size_t left);

/* Whether all that was written has arrived; else a message. */
bool cli_flush(void);

#endif /* VALIDATORS_CLI_MESSAGE_H */
