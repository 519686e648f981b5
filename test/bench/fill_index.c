/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Puts synthetic records into an index, for scripts/bench: paths as a large
 * site has them, all different, none of which exists.
 *
 * fill_index INDEX COUNT [FOLDER]     FOLDER: what they are below; /srv/www */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <apr_general.h>

#include "validators/index.h"

#define BATCH 50000

/* Any mixing that never gives the same twice (splitmix64). */
static uint64_t mixed(uint64_t n)
{
    n += UINT64_C(0x9E3779B97F4A7C15);
    n = (n ^ (n >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94D049BB133111EB);
    return n ^ (n >> 31);
}

static void invent(uint64_t n, vld_record *record)
{
    uint64_t word;
    unsigned i;

    memset(record, 0, sizeof(*record));
    for (i = 0; i < sizeof(record->digest.bytes); i += sizeof(word)) {
        word = mixed(n * 4 + i / sizeof(word));
        memcpy(record->digest.bytes + i, &word, sizeof(word));
    }
    record->identity.size = mixed(n) % 1000000;
    record->identity.mtime_ns = INT64_C(1700000000000000000) + (int64_t)n;
    record->identity.ctime_ns = record->identity.mtime_ns;
    record->identity.inode = n + 1000;
    record->last_modified = 1700000000 + (int64_t)(n / 1000);
    record->indexed_ns = INT64_C(1750000000000000000);
}

static const char *folder = "/srv/www";

typedef struct range {
    uint64_t from;
    uint64_t to;
} range;

static apr_status_t put_range(void *baton, vld_batch *batch)
{
    const range *some = baton;
    apr_status_t rv = APR_SUCCESS;
    vld_record record;
    char path[512];
    uint64_t n;
    int len;

    for (n = some->from; n < some->to && rv == APR_SUCCESS; n++) {
        invent(n, &record);
        len = snprintf(path, sizeof(path),
                       "%s/site-%03u/htdocs/static/%02u/page-%07" PRIu64
                       ".html",
                       folder, (unsigned)(n / 10000), (unsigned)(n / 100 % 100),
                       n);
        rv = vld_batch_put(batch, path, (size_t)len, &record);
    }
    return rv;
}

static apr_status_t fill_index(const char *path, uint64_t count)
{
    vld_store *store;
    range next = { 0, 0 };
    apr_status_t rv = vld_store_open(&store, path, VLD_STORE_CREATE);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (; rv == APR_SUCCESS && next.from < count; next.from = next.to) {
        next.to = count - next.from > BATCH ? next.from + BATCH : count;
        rv = vld_store_write(store, put_range, &next);
    }
    vld_store_close(store);
    return rv;
}

int main(int argc, const char *const *argv)
{
    char why[256];
    apr_status_t rv;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: fill_index INDEX COUNT [FOLDER]\n");
        return 2;
    }
    folder = argc == 4 ? argv[3] : folder;
    apr_initialize();
    rv = fill_index(argv[1], strtoull(argv[2], NULL, 10));
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "fill_index: %s: %s\n", argv[1],
                vld_strerror(rv, why, sizeof(why)));
    }
    apr_terminate();
    return rv == APR_SUCCESS ? 0 : 2;
}
