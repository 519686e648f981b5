/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Manifests: the lines of sha256sum, with comments of this tool's own. */
#ifndef VALIDATORS_CLI_MANIFEST_H
#define VALIDATORS_CLI_MANIFEST_H

#include <stdbool.h>
#include <stdio.h>

#include "validators/index.h"

/* A line as GNU sha256sum writes it: where the name has a backslash, newline
 * or carriage return, a backslash stands before it and these are escaped; any
 * other octet stands as it is. */
void cli_put_sha256sum(FILE *out, const char *name, size_t len,
                       const vld_digest *digest);

/* What `export` writes beside that, in comments: the first line of all, and
 * the line before each entry, with what else is known of the file. */
void cli_put_manifest_head(FILE *out);
void cli_put_manifest_facts(FILE *out, const vld_record *record);

/* One entry of a manifest, or one line that is none. */
typedef struct cli_entry {
    unsigned long line;
    uint64_t octets;  /* of the manifest, since the entry before */
    const char *why;  /* it is none, because; NULL: it is one */
    const char *name; /* NUL-terminated; until the next entry is read */
    vld_digest digest;
    bool has_facts; /* the three below */
    int64_t last_modified;
    uint64_t size;
    int64_t mtime_ns;
    bool has_seed; /* with the three above: a promised tag's */
    vld_seed seed;
} cli_entry;

/* A manifest that is read: of this tool, or of sha256sum in text or binary
 * mode or with --tag.  One a process at a time; the descriptor stays the
 * caller's. */
typedef struct cli_manifest cli_manifest;
cli_manifest *cli_manifest_read(int fd, const int *stop);

/* APR_EOF at the end; APR_EINTR soon after *stop (an atomic int) is not 0;
 * APR_ENOTIMPL for a manifest of a later version; a read's error. */
apr_status_t cli_manifest_next(cli_manifest *manifest, cli_entry *out);

#endif /* VALIDATORS_CLI_MANIFEST_H */
