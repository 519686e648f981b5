/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Fuzz entry for manifests: any octets as a file.  An entry that is read, and
 * is written again, is read as the same. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/manifest.h"

/* Nobody stops it. */
static const int never;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

volatile int cli_stopped;

static int file_of(const void *data, size_t size)
{
    int fd = memfd_create("manifest", 0);

    if (fd < 0 || write(fd, data, size) != (ssize_t)size
        || lseek(fd, 0, SEEK_SET) != 0) {
        abort();
    }
    return fd;
}

static void read_again(const cli_entry *entry, const char *name)
{
    vld_record record = { .digest = entry->digest,
                          .identity = { .size = entry->size,
                                        .mtime_ns = entry->mtime_ns },
                          .last_modified = entry->last_modified,
                          .is_promised = entry->has_seed,
                          .seed = entry->seed };
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    cli_entry again;
    int fd;

    if (entry->has_facts) {
        cli_put_manifest_facts(out, &record);
    }
    cli_put_sha256sum(out, name, strlen(name), &entry->digest);
    fclose(out);
    fd = file_of(text, len);
    if (cli_manifest_next(cli_manifest_read(fd, &never), &again) != APR_SUCCESS
        || again.why || strcmp(again.name, name)
        || memcmp(&again.digest, &entry->digest, sizeof(again.digest))
        || again.has_facts != entry->has_facts
        || again.last_modified != entry->last_modified
        || again.size != entry->size || again.mtime_ns != entry->mtime_ns
        || again.has_seed != entry->has_seed
        || (again.has_seed
            && memcmp(&again.seed, &entry->seed, sizeof(again.seed)))) {
        abort();
    }
    close(fd);
    free(text);
}

/* Of every entry, since one is read at a time. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = file_of(data, size);
    cli_manifest *manifest = cli_manifest_read(fd, &never);
    cli_entry entry, last;
    char *name = NULL;

    while (cli_manifest_next(manifest, &entry) == APR_SUCCESS) {
        if (!entry.why) {
            free(name);
            name = strdup(entry.name);
            last = entry;
        }
    }
    close(fd);
    if (name) {
        read_again(&last, name);
        free(name);
    }
    return 0;
}
