/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators stat: figures of the index itself. */
#include <inttypes.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/output.h"

static void put_json(const cli *c, const vld_store_info *info)
{
    json_t *object = json_object();
    char created[CLI_TIME];

    cli_json_path(object, c->index, strlen(c->index));
    cli_json_number(object, "records", info->files);
    cli_json_number(object, "file_bytes", info->file_bytes);
    cli_json_number(object, "used_bytes", info->used_bytes);
    cli_json_number(object, "map_bytes", info->map_bytes);
    cli_json_number(object, "transaction", info->txn);
    cli_json_number(object, "format", info->format);
    json_object_set_new(object, "created",
                        json_string(cli_time(info->created_ns, created)));
    json_object_set_new(object, "tool", json_string(info->tool));
    cli_put_json(object);
}

static void put_size(const char *label, uint64_t octets)
{
    char size[CLI_SIZE];

    printf("%-13s%s (%" PRIu64 " octets)\n", label, cli_size(octets, size),
           octets);
}

static void put_text(const cli *c, const vld_store_info *info)
{
    char created[CLI_TIME];

    fputs("index        ", stdout);
    cli_put_path(stdout, c->index, strlen(c->index));
    printf("\nrecords      %" PRIu64 "\n", info->files);
    put_size("file size", info->file_bytes);
    put_size("in use", info->used_bytes);
    put_size("may grow to", info->map_bytes);
    printf("transaction  %" PRIu64 "\n", info->txn);
    printf("format       %" PRIu32 "\n", info->format);
    printf("created      %s by %s\n", cli_time(info->created_ns, created),
           info->tool);
}

static cli_exit run(cli *c, int argc, char **argv)
{
    vld_store_info info;
    apr_status_t rv;

    (void)argc;
    (void)argv;
    if (!cli_open_index(c)) {
        return CLI_ERROR;
    }
    rv = vld_store_stat(c->store, &info);
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    if (c->json) {
        put_json(c, &info);
    }
    else {
        put_text(c, &info);
    }
    return CLI_DONE;
}

const cli_command cli_stat = {
    "stat", "", "show figures of the index", CLI_NEEDS_READ, 0, 0, NULL, 0, run,
};
