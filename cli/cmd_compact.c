/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators compact: gives back the room that nothing in the index uses.
 * Never changes a record. */
#include "cli/cli.h"
#include "cli/index.h"
#include "cli/output.h"

#define MOST_TRIES 5

static void put_summary(const cli *c, const vld_store_info *before,
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

static cli_exit run(cli *c, int argc, char **argv)
{
    vld_store_info before, after;
    apr_status_t rv = VLD_E_REPLACED;
    int i;

    (void)argc;
    (void)argv;
    if (!cli_open_index(c)) {
        return CLI_ERROR;
    }
    for (i = 0; i < MOST_TRIES && rv == VLD_E_REPLACED; i++) {
        rv = vld_store_stat(c->store, &before);
        if (rv == APR_SUCCESS) {
            rv = vld_store_compact(c->store);
        }
        if (rv == VLD_E_REPLACED) {
            apr_status_t again = cli_reopen_index(c);

            rv = again == APR_SUCCESS ? VLD_E_REPLACED : again;
        }
    }
    if (rv == APR_SUCCESS) {
        rv = cli_reopen_index(c);
    }
    if (rv == APR_SUCCESS) {
        rv = vld_store_stat(c->store, &after);
    }
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    put_summary(c, &before, &after);
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
    NULL,
    run,
};
