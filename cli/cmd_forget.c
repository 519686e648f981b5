/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators forget: takes records out of the index.  The files themselves
 * are never touched. */
#include <inttypes.h>
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "cli.h"

/* Records and octets of names in one transaction: other writers get their
 * turn in between, and memory stays small. */
#define BATCH_RECORDS 10000
#define BATCH_OCTETS (4 * 1024 * 1024)

typedef struct harvest {
    apr_pool_t *pool;
    apr_array_header_t *paths;
    size_t octets;
} harvest;

static apr_status_t collect(void *baton, const char *path, size_t len,
                            const vld_record *record)
{
    harvest *h = baton;

    (void)record;
    if (path == NULL || len == 0) {
        return APR_SUCCESS;
    }
    if (h->paths->nelts >= BATCH_RECORDS || h->octets >= BATCH_OCTETS) {
        return APR_EOF;
    }
    APR_ARRAY_PUSH(h->paths, const char *) = apr_pstrmemdup(h->pool, path, len);
    h->octets += len;
    return APR_SUCCESS;
}

static apr_status_t
delete_all(vld_batch *batch, const apr_array_header_t *paths, uint64_t *deleted)
{
    int i;

    for (i = 0; i < paths->nelts; i++) {
        const char *path = APR_ARRAY_IDX(paths, i, const char *);
        apr_status_t rv = vld_batch_delete(batch, path, strlen(path));

        if (rv == APR_SUCCESS) {
            (*deleted)++;
        }
        else if (rv != APR_NOTFOUND) {
            return rv;
        }
    }
    return APR_SUCCESS;
}

static apr_status_t commit_deletion(vld_store *store,
                                    const apr_array_header_t *paths,
                                    uint64_t *deleted)
{
    vld_batch *batch;
    apr_status_t rv = vld_batch_begin(store, &batch);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = delete_all(batch, paths, deleted);
    if (rv == APR_SUCCESS) {
        return vld_batch_commit(batch);
    }
    vld_batch_abort(batch);
    return rv;
}

/* One transaction's worth; *deleted gets how many that were. */
static apr_status_t forget_some(cli *c, apr_pool_t *p, const char *prefix,
                                uint64_t *deleted)
{
    harvest h = { p, NULL, 0 };
    apr_status_t rv;

    h.paths = apr_array_make(p, 256, sizeof(const char *));
    *deleted = 0;
    rv = vld_store_each(c->store, prefix, collect, &h);
    if (rv != APR_SUCCESS && rv != APR_EOF) {
        return rv;
    }
    if (h.paths->nelts == 0) {
        return APR_SUCCESS;
    }
    rv = commit_deletion(c->store, h.paths, deleted);
    if (rv != APR_SUCCESS) {
        *deleted = 0;
    }
    return rv;
}

static apr_status_t forget(cli *c, const char *prefix, uint64_t *total)
{
    uint64_t deleted;
    apr_status_t rv;

    do {
        apr_pool_t *p;

        apr_pool_create(&p, c->pool);
        rv = forget_some(c, p, prefix, &deleted);
        apr_pool_destroy(p);
        *total += deleted;
    } while (rv == APR_SUCCESS && deleted > 0 && !cli_stopped);
    return rv;
}

static void put_summary(const cli *c, uint64_t total, bool complete)
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
    apr_status_t rv = cli_choose_prefix(c, given, &prefix);

    if (rv == APR_SUCCESS && prefix != NULL) {
        rv = forget(c, prefix, total);
    }
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    if (*total == before) {
        cli_error("%s: no records at or below it", cli_shown(c->pool, given));
        return CLI_FOUND;
    }
    return CLI_DONE;
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
    put_summary(c, total, !cli_stopped && worst != CLI_ERROR);
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
    NULL,
    run,
};
