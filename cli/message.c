/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Messages on standard error, and names as text.  A name is any sequence of
 * octets; its text is UTF-8.  Never writes a result. */
#include "cli/message.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void cli_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    flockfile(stderr);
    fputs("htvalidators: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(arguments);
}

/* --- UTF-8 --------------------------------------------------------------- */

size_t cli_utf8_length(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char first, last, low, high; /* bounds of octets 1 and 2 */
        size_t octets;
    } forms[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
        { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    size_t f, i;

    for (f = 0; f < sizeof(forms) / sizeof(forms[0]); f++) {
        if (s[0] < forms[f].first || s[0] > forms[f].last) {
            continue;
        }
        if (forms[f].octets > left) {
            return 0;
        }
        if (forms[f].octets > 1
            && (s[1] < forms[f].low || s[1] > forms[f].high)) {
            return 0;
        }
        for (i = 2; i < forms[f].octets; i++) {
            if ((s[i] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return forms[f].octets;
    }
    return 0;
}

/* C0, DEL and C1 move cursors and hide text. */
static bool is_control(const unsigned char *s, size_t octets)
{
    return (octets == 1 && (s[0] < 0x20 || s[0] == 0x7f))
           || (octets == 2 && s[0] == 0xc2 && s[1] < 0xa0);
}

/* Writes the text form of one character, or of one octet that is none, to
 * out (8 octets and NUL at most for two octets); returns octets taken. */
static size_t escape_one(const unsigned char *s, size_t left, char out[9])
{
    size_t octets = cli_utf8_length(s, left);

    if (s[0] == '\\' || s[0] == '\n' || s[0] == '\t') {
        snprintf(out, 9, "\\%c",
                 s[0] == '\n'   ? 'n'
                 : s[0] == '\t' ? 't'
                                : '\\');
        return 1;
    }
    if (octets == 0 || (octets == 1 && is_control(s, 1))) {
        snprintf(out, 9, "\\%03o", s[0]);
        return 1;
    }
    if (is_control(s, octets)) {
        snprintf(out, 9, "\\%03o\\%03o", s[0], s[1]);
        return octets;
    }
    memcpy(out, s, octets);
    out[octets] = '\0';
    return octets;
}

void cli_put_path(FILE *out, const char *path, size_t len)
{
    char text[9];

    while (len > 0) {
        size_t taken = escape_one((const unsigned char *)path, len, text);

        fputs(text, out);
        path += taken;
        len -= taken;
    }
}

const char *cli_shown(apr_pool_t *p, const char *path)
{
    size_t left = strlen(path);
    char *shown = apr_palloc(p, 4 * left + 9), *end = shown;

    *end = '\0';
    while (left > 0) {
        size_t taken = escape_one((const unsigned char *)path, left, end);

        end += strlen(end);
        path += taken;
        left -= taken;
    }
    return shown;
}

void cli_report_problem(const char *path, const char *why)
{
    apr_pool_t *p;

    if (apr_pool_create(&p, NULL) == APR_SUCCESS) {
        cli_error("%s: %s", cli_shown(p, path), why);
        apr_pool_destroy(p);
    }
}

/* --- the end ------------------------------------------------------------- */

bool cli_flush(void)
{
    bool failed = ferror(stdout) != 0;

    errno = 0;
    if (fclose(stdout) == 0 && !failed) {
        return true;
    }
    cli_error("standard output: %s; what was written is not complete",
              errno ? strerror(errno) : "a write failed");
    return false;
}
