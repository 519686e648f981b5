/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators compact: gives back the room that nothing in the index uses.
 * Never changes a record. */
#include "cli/cli.h"
#include "cli/index.h"
#include "cli/output.h"

/* The store's figures before and after. */
typedef struct compaction {
    cli *c;
    vld_store_info before, after;
} compaction;

static void put_sizes(const cli *c, const vld_store_info *before,
                      const vld_store_info *after)
{
    char was[CLI_SIZE], is[CLI_SIZE];
    json_t *object;

    if (c->json) {
        object = json_object();
        cli_json_number(object, "files", after->files);
        cli_json_number(object, "bytes_before", before->file_bytes);
        cli_json_number(object, "bytes", after->file_bytes);
        cli_put_json(object);
    }
    else if (!c->quiet) {
        cli_size(before->file_bytes, was);
        cli_size(after->file_bytes, is);
        printf("%s, was %s\n", is, was);
    }
}

static apr_status_t compact_store(void *baton)
{
    compaction *a = baton;
    apr_status_t rv = vld_store_stat(a->c->store, &a->before);

    return rv == APR_SUCCESS ? vld_store_compact(a->c->store) : rv;
}

static cli_exit run(cli *c, int argc, char **argv)
{
    compaction a = { .c = c };
    apr_status_t rv;

    (void)argc;
    (void)argv;
    if (!cli_open_index(c)) {
        return CLI_ERROR;
    }
    rv = cli_retry_replaced(c, CLI_RETRIES, compact_store, &a);
    if (rv == APR_SUCCESS) {
        rv = cli_reopen_index(c);
    }
    if (rv == APR_SUCCESS) {
        rv = vld_store_stat(c->store, &a.after);
    }
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    put_sizes(c, &a.before, &a.after);
    return CLI_DONE;
}

const cli_command cli_compact = {
    "compact",
    "",
    "give back the room that the index does not use",
    CLI_NEEDS_WRITE,
    0,
    0,
    NULL,
    0,
    run,
};
