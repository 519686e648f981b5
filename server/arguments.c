/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Numbers in the arguments of directives.  It never makes a message. */
#include "server/arguments.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

bool vld_argument_number(const char *text, int64_t most, int64_t *out)
{
    char *end;
    long long n;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno || end == text || *end || n < 0 || n > most) {
        return false;
    }
    *out = n;
    return true;
}

bool vld_argument_size(const char *text, int64_t *out)
{
    static const char suffixes[] = "kmg";
    const char *suffix;
    char *end;
    long long n;
    int shift = 0;

    errno = 0;
    n = strtoll(text, &end, 10);
    if (errno || !isdigit((unsigned char)*text)) {
        return false;
    }
    suffix = *end ? strchr(suffixes, tolower((unsigned char)*end)) : NULL;
    if (suffix) {
        shift = 10 * (int)(suffix - suffixes + 1);
        end++;
    }
    if (*end || n > INT64_MAX >> shift) {
        return false;
    }
    *out = (int64_t)n << shift;
    return true;
}
