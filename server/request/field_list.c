/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The values of a response's fields, read octet by octet.  Keeps nothing, and
 * changes nothing. */
#include "server/request/field_list.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Digits of microseconds since 1970: those of this century have sixteen. */
#define CLOCK_DIGITS 16

static bool is_space(char c)
{
    return isspace((unsigned char)c);
}

/* The end of a name, as ap_get_token has it: quotes hide what ends one. */
static const char *find_name_end(const char *at)
{
    while (*at && !is_space(*at) && *at != ';' && *at != ',') {
        if (*at++ == '"') {
            at += strcspn(at, "\"");
            at += *at == '"';
        }
    }
    return at;
}

bool vld_field_list_next(const char **at, const char **name, size_t *len)
{
    const char *end;

    if (!**at) {
        return false;
    }
    while (is_space(**at)) {
        (*at)++;
    }
    *name = *at;
    end = find_name_end(*at);
    *len = (size_t)(end - *name);
    end += strcspn(end, ",");
    while (*end == ',' || is_space(*end)) {
        end++;
    }
    *at = end;
    return true;
}

bool vld_field_has_directive(const char *value, const char *name)
{
    size_t len = strlen(name);

    for (; *value; value++) {
        if (!strncasecmp(value, name, len)
            && !isalnum((unsigned char)value[len]) && value[len] != '-') {
            return true;
        }
    }
    return false;
}

bool vld_field_has_clock(const char *value)
{
    const char *at;
    bool first;

    for (at = value; *at; at++) {
        first = at == value || at[-1] == ' ';
        if ((!strncmp(at, "t=", 2)
             && strspn(at + 2, "0123456789") >= CLOCK_DIGITS)
            || (first && !strncmp(at, "D=", 2)
                && isdigit((unsigned char)at[2]))) {
            return true;
        }
    }
    return false;
}
