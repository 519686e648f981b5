/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* How results are written: JSON, records, sizes and times.  A name is any
 * sequence of octets; what is written is UTF-8.  Never reads the index. */
#include "cli/output.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "validators/precond.h"
#include "cli/cli.h"
#include "cli/message.h"
#include "cli/tag.h"

/* --- JSON ---------------------------------------------------------------- */

void cli_put_json(json_t *object)
{
    if (!object
        || json_dumpf(object, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER) != 0
        || fputc('\n', stdout) == EOF) {
        if (!ferror(stdout)) {
            cli_error("out of memory");
            exit(CLI_ERROR);
        }
    }
    json_decref(object);
}

static json_t *make_base64_string(const char *octets, size_t len)
{
    char *text = malloc(4 * (len / 3 + 1) + 1);
    json_t *string;

    if (!text) {
        return NULL;
    }
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)octets,
                    (int)len);
    string = json_string(text);
    free(text);
    return string;
}

/* The name, with U+FFFD for each octet that is not part of UTF-8. */
static json_t *make_repaired_string(const char *path, size_t len)
{
    const unsigned char *s = (const unsigned char *)path;
    char *text = malloc(3 * len + 1), *end = text;
    json_t *string;

    if (!text) {
        return NULL;
    }
    while (len > 0) {
        size_t octets = cli_utf8_length(s, len);
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

    if (string) {
        json_object_set_new(object, "path", string);
        return;
    }
    json_object_set_new(object, "path", make_repaired_string(path, len));
    json_object_set_new(object, "path_base64", make_base64_string(path, len));
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

    cli_record_etag(record, etag);
    vld_digest_hex(&record->digest, hex);
    vld_date_format(record->last_modified, date);
    snprintf(inode, sizeof(inode), "%" PRIu64, record->identity.inode);
    cli_json_path(object, path, len);
    set_string(object, "etag", etag);
    set_string(object, "last_modified", date);
    json_object_set_new(object, "sha256",
                        record->is_unread ? json_null() : json_string(hex));
    json_object_set_new(object, "promised", json_boolean(record->is_promised));
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
    if (!gmtime_r(&s, &tm)) {
        snprintf(out, CLI_TIME, "%" PRId64 " ns", ns);
        return out;
    }
    snprintf(out, CLI_TIME, "%04d-%02d-%02dT%02d:%02d:%02d.%09dZ",
             tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
             tm.tm_min, tm.tm_sec, (int)fraction);
    return out;
}
