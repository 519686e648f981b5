/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators forget: takes records out of the index.  The files themselves
 * are never touched. */
#include <inttypes.h>

#include "cli/cli.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/stop.h"

/* Records of one transaction: other writers get their turn in between. */
#define BATCH_RECORDS 10000

static apr_status_t choose_all(void *baton, const char *path, size_t len,
                               const vld_record *record, bool *drop)
{
    (void)baton;
    (void)path;
    (void)len;
    (void)record;
    *drop = true;
    return cli_stopped ? APR_EINTR : APR_SUCCESS;
}

static apr_status_t forget_below(cli *c, const char *prefix, uint64_t *total)
{
    const vld_sweep_rule all = { .choose = choose_all,
                                 .batch_records = BATCH_RECORDS };
    apr_status_t rv = vld_store_delete_each(c->store, prefix, &all, total);

    return cli_stopped && APR_STATUS_IS_EINTR(rv) ? APR_SUCCESS : rv;
}

static void put_totals(const cli *c, uint64_t total, bool complete)
{
    if (c->json) {
        json_t *object = json_object();

        cli_json_number(object, "forgotten", total);
        json_object_set_new(object, "complete", json_boolean(complete));
        cli_put_json(object);
    }
    else if (!c->quiet) {
        printf("%" PRIu64 " record%s forgotten\n", total,
               total == 1 ? "" : "s");
    }
}

/* One operand. */
static cli_exit forget_operand(cli *c, const char *given, uint64_t *total)
{
    const char *prefix;
    uint64_t before = *total;
    cli_exit status = cli_choose_prefix(c, given, &prefix);
    apr_status_t rv;

    if (status != CLI_DONE) {
        return status;
    }
    rv = forget_below(c, prefix, total);
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    return *total == before && !cli_stopped ? cli_report_no_records(c, given)
                                            : CLI_DONE;
}

static cli_exit run(cli *c, int argc, char **argv)
{
    cli_exit worst = CLI_DONE;
    uint64_t total = 0;
    int i;

    if (!cli_open_index(c)) {
        return CLI_ERROR;
    }
    cli_catch_signals();
    for (i = 0; i < argc && !cli_stopped && worst != CLI_ERROR; i++) {
        cli_exit one = forget_operand(c, argv[i], &total);

        worst = one > worst ? one : worst;
    }
    put_totals(c, total, !cli_stopped && worst != CLI_ERROR);
    if (cli_stopped) {
        cli_error("stopped; what was forgotten stays so, run it again for "
                  "the rest");
        return CLI_ERROR;
    }
    return worst;
}

const cli_command cli_forget = {
    "forget",
    "PREFIX...",
    "delete the records at or below PREFIX",
    CLI_NEEDS_WRITE,
    1,
    -1,
    NULL,
    0,
    run,
};
