/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Manifests: the lines of sha256sum, and comments that carry what else is
 * known of a file.  Never looks at the files that they name. */
#include "cli/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD "# htvalidators manifest "
#define VERSION 1
#define FACTS "# of="
#define FACTS_DIGITS 16 /* of the digest that the facts belong to */
#define SEED " seed="
#define SEED_DIGITS (2 * (int)sizeof(vld_seed))

/* --- writing ------------------------------------------------------------- */

static const char *escape_of(char octet)
{
    switch (octet) {
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    default: return NULL;
    }
}

void cli_put_sha256sum(FILE *out, const char *name, size_t len,
                       const vld_digest *digest)
{
    char hex[VLD_HEX_SIZE];
    bool escaped = false;
    size_t i;

    for (i = 0; i < len && !escaped; i++) {
        escaped = escape_of(name[i]);
    }
    vld_digest_hex(digest, hex);
    fprintf(out, "%s%s  ", escaped ? "\\" : "", hex);
    for (i = 0; i < len; i++) {
        const char *escape = escape_of(name[i]);

        if (escape) {
            fputs(escape, out);
        }
        else {
            putc((unsigned char)name[i], out);
        }
    }
    putc('\n', out);
}

void cli_put_manifest_head(FILE *out)
{
    fprintf(out, HEAD "%d\n", VERSION);
}

/* The beginning of the digest ties the facts to their entry, whatever grep
 * or sort make of the lines. */
void cli_put_manifest_facts(FILE *out, const vld_record *record)
{
    char hex[VLD_HEX_SIZE];

    vld_digest_hex(&record->digest, hex);
    fprintf(out,
            FACTS "%.*s last-modified=%" PRId64 " size=%" PRIu64
                  " mtime-ns=%" PRId64,
            FACTS_DIGITS, hex, record->last_modified, record->identity.size,
            record->identity.mtime_ns);
    if (record->is_promised) {
        vld_digest name;

        vld_record_name(record, &name);
        vld_digest_hex(&name, hex);
        fprintf(out, SEED "%.*s", SEED_DIGITS, hex);
    }
    putc('\n', out);
}

/* --- lines --------------------------------------------------------------- */

/* The longest name with every octet escaped, and the text around it. */
#define LINE_MOST (2 * 65535 + 128)

struct cli_manifest {
    int fd;
    const int *stop; /* atomic */
    bool ended;
    unsigned long line;
    size_t at, filled; /* of octets */
    uint64_t taken;    /* octets, of all lines */
    size_t len;        /* of text */
    bool too_long;
    bool has_facts; /* of the line before */
    char of[FACTS_DIGITS + 1];
    int64_t last_modified, size, mtime_ns;
    bool has_seed;
    vld_seed seed;
    char octets[65536];
    char text[LINE_MOST + 1];
};

cli_manifest *cli_manifest_read(int fd, const int *stop)
{
    static cli_manifest manifest;

    memset(&manifest, 0, offsetof(cli_manifest, octets));
    manifest.fd = fd;
    manifest.stop = stop;
    return &manifest;
}

/* A pipe may stay silent for long. */
static apr_status_t fill_buffer(cli_manifest *m)
{
    struct pollfd on = { m->fd, POLLIN, 0 };
    ssize_t n;

    do {
        if (__atomic_load_n(m->stop, __ATOMIC_RELAXED)) {
            return APR_EINTR;
        }
    } while (poll(&on, 1, 200) == 0 || on.revents == 0);
    n = read(m->fd, m->octets, sizeof(m->octets));
    if (n < 0) {
        return errno == EINTR ? APR_SUCCESS : APR_FROM_OS_ERROR(errno);
    }
    m->at = 0;
    m->filled = (size_t)n;
    m->ended = n == 0;
    return APR_SUCCESS;
}

/* Take as much of the line as the buffer has; true when the line is whole. */
static bool take_text(cli_manifest *m)
{
    const char *from = m->octets + m->at;
    size_t left = m->filled - m->at;
    const char *newline = memchr(from, '\n', left);
    size_t len = newline ? (size_t)(newline - from) : left;
    size_t room = LINE_MOST - m->len;

    m->too_long = m->too_long || len > room;
    memcpy(m->text + m->len, from, len < room ? len : room);
    m->len += len < room ? len : room;
    m->at += len + (newline != NULL);
    m->taken += len + (newline != NULL);
    return newline != NULL;
}

static apr_status_t next_line(cli_manifest *m)
{
    bool whole = false;

    m->len = 0;
    m->too_long = false;
    while (!whole) {
        if (m->at == m->filled) {
            apr_status_t rv = m->ended ? APR_EOF : fill_buffer(m);

            if (rv != APR_SUCCESS) {
                return rv;
            }
            if (m->ended) {
                break;
            }
        }
        whole = take_text(m);
    }
    if (!whole && m->len == 0) {
        return APR_EOF;
    }
    m->line++;
    if (m->len > 0 && m->text[m->len - 1] == '\r') {
        m->len--;
    }
    m->text[m->len] = '\0';
    return APR_SUCCESS;
}

/* --- comments ------------------------------------------------------------ */

static bool take_number(const char **at, const char *label, int64_t *out)
{
    size_t len = strlen(label);
    char *end;

    if (strncmp(*at, label, len) != 0) {
        return false;
    }
    errno = 0;
    *out = strtoll(*at + len, &end, 10);
    if (errno != 0 || end == *at + len) {
        return false;
    }
    *at = end;
    return true;
}

/* At the end of the facts, or nothing. */
static bool read_seed(cli_manifest *m, const char *at)
{
    char hex[VLD_HEX_SIZE];
    vld_digest name;

    m->has_seed = false;
    if (*at == '\0') {
        return true;
    }
    if (strncmp(at, SEED, sizeof(SEED) - 1) != 0) {
        return false;
    }
    at += sizeof(SEED) - 1;
    if (strlen(at) != SEED_DIGITS) {
        return false;
    }
    memset(hex, '0', sizeof(hex) - 1);
    hex[sizeof(hex) - 1] = '\0';
    memcpy(hex, at, SEED_DIGITS);
    m->has_seed = vld_digest_unhex(hex, &name);
    memcpy(m->seed.octets, name.bytes, m->has_seed ? sizeof(m->seed) : 0);
    return m->has_seed;
}

static void read_facts(cli_manifest *m)
{
    const char *at = m->text + sizeof(FACTS) - 1;

    if (strspn(at, "0123456789abcdef") != FACTS_DIGITS) {
        return;
    }
    memcpy(m->of, at, FACTS_DIGITS);
    at += FACTS_DIGITS;
    m->has_facts = take_number(&at, " last-modified=", &m->last_modified)
                   && take_number(&at, " size=", &m->size)
                   && take_number(&at, " mtime-ns=", &m->mtime_ns)
                   && m->size >= 0 && read_seed(m, at);
}

static apr_status_t read_comment(cli_manifest *m)
{
    const char *version = m->text + sizeof(HEAD) - 1;

    if (strncmp(m->text, HEAD, sizeof(HEAD) - 1) == 0) {
        return strcmp(version, "1") == 0 ? APR_SUCCESS : APR_ENOTIMPL;
    }
    if (strncmp(m->text, FACTS, sizeof(FACTS) - 1) == 0) {
        read_facts(m);
    }
    return APR_SUCCESS;
}

/* --- entries ------------------------------------------------------------- */

/* In place. */
static bool unescape_name(char *name)
{
    char *to = name;

    for (; *name != '\0'; name++) {
        if (*name != '\\') {
            *to++ = *name;
            continue;
        }
        name++;
        if (*name != '\\' && *name != 'n' && *name != 'r') {
            return false;
        }
        *to++ = *name == 'n' ? '\n' : *name == 'r' ? '\r' : '\\';
    }
    *to = '\0';
    return true;
}

/* "HEX  name", "HEX *name" */
static const char *read_plain(char *text, char **name, vld_digest *digest)
{
    char *gap = text + VLD_HEX_SIZE - 1;

    if (strspn(text, "0123456789abcdefABCDEF") != VLD_HEX_SIZE - 1) {
        return "it does not begin with a SHA-256 in 64 hexadecimal digits";
    }
    if (gap[0] != ' ' || (gap[1] != ' ' && gap[1] != '*')) {
        return "between digest and name stand neither two spaces nor ' *'";
    }
    gap[0] = '\0';
    if (!vld_digest_unhex(text, digest)) {
        return "the digest is none";
    }
    *name = gap + 2;
    return NULL;
}

/* "SHA256 (name) = HEX" */
static const char *read_tagged(char *text, char **name, vld_digest *digest)
{
    size_t len = strlen(text);
    size_t least = sizeof("SHA256 () = ") - 1 + VLD_HEX_SIZE - 1;
    char *hex = len < least ? NULL : text + len - (VLD_HEX_SIZE - 1);

    if (!hex || strncmp(hex - 4, ") = ", 4) != 0
        || !vld_digest_unhex(hex, digest)) {
        return "it does not end with ') = ' and 64 hexadecimal digits";
    }
    hex[-4] = '\0';
    *name = text + sizeof("SHA256 (") - 1;
    return NULL;
}

static const char *read_entry(cli_manifest *m, cli_entry *out)
{
    char *text = m->text;
    char *name = NULL;
    bool escaped = text[0] == '\\';
    const char *why;

    if (m->too_long) {
        return "it is longer than any name can be";
    }
    if (strlen(text) != m->len) {
        return "it has a NUL octet (`sha256sum --zero` is not read)";
    }
    text += escaped;
    why = strncmp(text, "SHA256 (", 8) == 0
              ? read_tagged(text, &name, &out->digest)
              : read_plain(text, &name, &out->digest);
    if (why) {
        return why;
    }
    if (escaped && !unescape_name(name)) {
        return "its name has an escape that is none";
    }
    out->name = name;
    return name[0] == '\0' ? "it has no name" : NULL;
}

static bool are_its_facts(const cli_manifest *m, const cli_entry *entry)
{
    char hex[VLD_HEX_SIZE];

    vld_digest_hex(&entry->digest, hex);
    return memcmp(hex, m->of, FACTS_DIGITS) == 0;
}

apr_status_t cli_manifest_next(cli_manifest *m, cli_entry *out)
{
    uint64_t before = m->taken;
    bool had_facts;
    apr_status_t rv;

    memset(out, 0, sizeof(*out));
    do {
        had_facts = m->has_facts;
        m->has_facts = false;
        rv = next_line(m);
        if (rv == APR_SUCCESS && m->text[0] == '#') {
            rv = read_comment(m);
        }
        if (rv != APR_SUCCESS) {
            return rv;
        }
    } while (m->text[0] == '#' || m->len == 0);
    out->line = m->line;
    out->octets = m->taken - before;
    out->why = read_entry(m, out);
    if (!out->why && had_facts && are_its_facts(m, out)) {
        out->has_facts = true;
        out->last_modified = m->last_modified;
        out->size = (uint64_t)m->size;
        out->mtime_ns = m->mtime_ns;
        out->has_seed = m->has_seed;
        out->seed = m->seed;
    }
    return APR_SUCCESS;
}
