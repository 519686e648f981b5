/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators list: every record below a prefix, as it is met.  Never looks
 * at the files themselves. */
#include <apr_strings.h>

#include "validators/precond.h"
#include "cli/cli.h"
#include "cli/index.h"
#include "cli/manifest.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/tag.h"

#define KEY_SHA256SUM CLI_KEY_OWN

static const cli_option options[] = {
    { KEY_SHA256SUM, "sha256sum", NULL, "write the format of sha256sum" },
    CLI_OPTION_TAG_KEY,
    { 0, NULL, NULL, NULL },
};

static bool as_sha256sum;
static const char *tag_key_file;

typedef struct listing {
    cli *c;
    uint64_t damaged;
} listing;

static bool set(int key, const char *value)
{
    if (key == CLI_KEY_TAG_KEY) {
        tag_key_file = value;
    }
    else {
        as_sha256sum = true;
    }
    return true;
}

static void put_text(const char *path, size_t len, const vld_record *record)
{
    char etag[VLD_ETAG_SIZE], date[VLD_DATE_SIZE];

    cli_etag(&record->digest, etag);
    vld_date_format(record->last_modified, date);
    printf("%s  %s  ", etag, date);
    cli_put_path(stdout, path, len);
    putchar('\n');
}

static void report_damage(listing *list, const char *path, size_t len)
{
    list->damaged++;
    if (path == NULL || len == 0) {
        cli_error("a record does not check and is left out");
        return;
    }
    cli_error("%s: its record does not check and is left out; "
              "`htvalidators scan` makes a new one",
              cli_shown(list->c->pool,
                        apr_pstrmemdup(list->c->pool, path, len)));
}

static apr_status_t put(void *baton, const char *path, size_t len,
                        const vld_record *record)
{
    listing *list = baton;

    if (record == NULL) {
        report_damage(list, path, len);
    }
    else if (as_sha256sum) {
        cli_put_sha256sum(stdout, path, len, &record->digest);
    }
    else if (list->c->json) {
        cli_put_json(cli_json_record(path, len, record));
    }
    else {
        put_text(path, len, record);
    }
    return ferror(stdout) ? APR_EOF : APR_SUCCESS;
}

static cli_exit list_below(cli *c, const char *prefix)
{
    listing list = { c, 0 };
    apr_status_t rv = vld_store_each(c->store, prefix, put, &list);

    if (ferror(stdout)) {
        return CLI_ERROR; /* cli_flush() tells why */
    }
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    return list.damaged > 0 ? CLI_FOUND : CLI_DONE;
}

static cli_exit run(cli *c, int argc, char **argv)
{
    const char *prefix = "/";
    apr_status_t rv;

    if (as_sha256sum && c->json) {
        cli_error("list: --json or --sha256sum, not both");
        return CLI_ERROR;
    }
    if (as_sha256sum && tag_key_file != NULL) {
        cli_error("list: --sha256sum shows no tags: it or --tag-key, not "
                  "both");
        return CLI_ERROR;
    }
    if (!cli_use_tag_key(c, tag_key_file) || !cli_open_index(c)) {
        return CLI_ERROR;
    }
    if (argc == 0) {
        return list_below(c, prefix);
    }
    rv = cli_choose_prefix(c, argv[0], &prefix);
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    if (prefix == NULL) {
        cli_error("%s: no records at or below it", cli_shown(c->pool, argv[0]));
        return CLI_FOUND;
    }
    return list_below(c, prefix);
}

const cli_command cli_list = {
    "list",
    "[PREFIX]",
    "write every record, or those at or below PREFIX",
    CLI_NEEDS_READ,
    0,
    1,
    options,
    set,
    run,
};
