/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* How things are written: names, sizes, times, JSON.  Names of files are
 * octets and may be anything; what is written is always UTF-8. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "cli.h"
#include "validators/precond.h"

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

/* Octets of the character at s, RFC 3629; 0 when they are not one. */
static size_t utf8_length(const unsigned char *s, size_t left)
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
    size_t octets = utf8_length(s, left);

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

/* --- JSON ---------------------------------------------------------------- */

void cli_put_json(json_t *object)
{
    if (object == NULL
        || json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) != 0
        || fputc('\n', stdout) == EOF) {
        if (!ferror(stdout)) {
            cli_error("out of memory");
            exit(CLI_ERROR);
        }
    }
    json_decref(object);
}

static json_t *base64_string(const char *octets, size_t len)
{
    char *text = malloc(4 * (len / 3 + 1) + 1);
    json_t *string;

    if (text == NULL) {
        return NULL;
    }
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)octets,
                    (int)len);
    string = json_string(text);
    free(text);
    return string;
}

/* The name with U+FFFD for every octet that is no UTF-8. */
static json_t *repaired_string(const char *path, size_t len)
{
    const unsigned char *s = (const unsigned char *)path;
    char *text = malloc(3 * len + 1), *end = text;
    json_t *string;

    if (text == NULL) {
        return NULL;
    }
    while (len > 0) {
        size_t octets = utf8_length(s, len);
        size_t taken = octets ? octets : 1;

        memcpy(end, octets ? (const char *)s : "\xef\xbf\xbd",
               octets ? octets : 3);
        end += octets ? octets : 3;
        s += taken;
        len -= taken;
    }
    string = json_stringn(text, (size_t)(end - text));
    free(text);
    return string;
}

void cli_json_number(json_t *object, const char *key, uint64_t value)
{
    json_object_set_new(object, key, json_integer((json_int_t)value));
}

void cli_json_path(json_t *object, const char *path, size_t len)
{
    json_t *string = json_stringn(path, len);

    if (string != NULL) {
        json_object_set_new(object, "path", string);
        return;
    }
    json_object_set_new(object, "path", repaired_string(path, len));
    json_object_set_new(object, "path_base64", base64_string(path, len));
}

static void set_string(json_t *object, const char *key, const char *value)
{
    json_object_set_new(object, key, json_string(value));
}

json_t *cli_json_record(const char *path, size_t len, const vld_record *record)
{
    json_t *object = json_object();
    char etag[VLD_ETAG_SIZE], hex[VLD_HEX_SIZE], date[VLD_DATE_SIZE];
    char time_text[CLI_TIME], inode[24];

    cli_etag(&record->digest, etag);
    vld_digest_hex(&record->digest, hex);
    vld_date_format(record->last_modified, date);
    snprintf(inode, sizeof(inode), "%" PRIu64, record->identity.inode);
    cli_json_path(object, path, len);
    set_string(object, "etag", etag);
    set_string(object, "last_modified", date);
    set_string(object, "sha256", hex);
    json_object_set_new(object, "size",
                        json_integer((json_int_t)record->identity.size));
    set_string(object, "mtime", cli_time(record->identity.mtime_ns, time_text));
    set_string(object, "ctime", cli_time(record->identity.ctime_ns, time_text));
    set_string(object, "inode", inode);
    set_string(object, "indexed", cli_time(record->indexed_ns, time_text));
    return object;
}

/* --- sizes and times ----------------------------------------------------- */

const char *cli_size(uint64_t octets, char out[CLI_SIZE])
{
    static const char *const units[] = { "KiB", "MiB", "GiB",
                                         "TiB", "PiB", "EiB" };
    double value = (double)octets / 1024.0;
    size_t u = 0;

    if (octets < 1024) {
        snprintf(out, CLI_SIZE, "%u B", (unsigned)octets);
        return out;
    }
    while (value >= 1023.95 && u + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024.0;
        u++;
    }
    snprintf(out, CLI_SIZE, "%.1f %s", value, units[u]);
    return out;
}

const char *cli_time(int64_t ns, char out[CLI_TIME])
{
    const int64_t second = 1000000000;
    int64_t fraction = ns % second;
    time_t s;
    struct tm tm;

    if (fraction < 0) {
        fraction += second;
    }
    s = (time_t)((ns - fraction) / second);
    if (gmtime_r(&s, &tm) == NULL) {
        snprintf(out, CLI_TIME, "%" PRId64 " ns", ns);
        return out;
    }
    snprintf(out, CLI_TIME, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ",
             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec, (int)fraction);
    return out;
}

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
