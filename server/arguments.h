/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Numbers in the arguments of directives.  Pure: text in, number out. */
#ifndef SERVER_ARGUMENTS_H
#define SERVER_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

/* A decimal number from 0 to most.  False: the text is something else, and
 * *out is as it was. */
bool vld_argument_number(const char *text, int64_t most, int64_t *out);

/* A number of bytes in decimal, with one of the suffixes K, M and G (of 1024,
 * in either case) or without.  False: the text is something else or the number
 * does not fit, and *out is as it was. */
bool vld_argument_size(const char *text, int64_t *out);

#endif /* SERVER_ARGUMENTS_H */
