/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Fuzz entry for the values of a response's fields, Vary and Cache-Control: any
 * text in an allocation of its own.  A list comes to its end, its names are in
 * it and in order, and no directive is missed that a plain reading finds. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/request/field_list.h"

#define LAW(holds)                                                             \
    do {                                                                       \
        if (!(holds))                                                          \
            abort();                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const char *text)
{
    const char *at = text, *end = text + strlen(text), *name, *last = text;
    size_t len;

    while (vld_field_list_next(&at, &name, &len)) {
        LAW(name >= last && name + len <= at && at > last && at <= end);
        LAW(len == 0 || !isspace((unsigned char)*name));
        LAW(memchr(name, '"', len)
            || (!memchr(name, ',', len) && !memchr(name, ' ', len)));
        last = at;
    }
    LAW(at == end);
}

/* Names that commas and blanks alone part are all found. */
static void check_star(const char *text)
{
    const char *at = text, *name;
    size_t len;
    int found = 0;

    if (strpbrk(text, "\";")) {
        return;
    }
    while (vld_field_list_next(&at, &name, &len)) {
        found |= len == 1 && *name == '*';
    }
    LAW(found
        || (strncmp(text, "*,", 2) && !strstr(text, ",*,")
            && strcmp(text, "*")));
}

static void check_directives(char *text)
{
    static const char blanks[] = " \t,";
    int is_private = vld_field_has_directive(text, "private");
    char *state = NULL, *word;

    vld_field_has_clock(text);
    for (word = strtok_r(text, blanks, &state); word;
         word = strtok_r(NULL, blanks, &state)) {
        LAW(is_private
            || (strcasecmp(word, "private")
                && strncasecmp(word, "private=", 8)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    check_list(text);
    check_star(text);
    check_directives(text);
    free(text);
    return 0;
}
