/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators list: the records at or below a prefix, one by one.  Never looks
 * at the files themselves. */
#include "validators/precond.h"
#include "cli/cli.h"
#include "cli/index.h"
#include "cli/manifest.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/tag.h"

typedef struct list_settings {
    bool as_sha256sum;
    const char *tag_key;
} list_settings;

static const cli_option options[] = {
    { 0, "sha256sum", NULL, "write the format of sha256sum",
      CLI_FLAG(list_settings, as_sha256sum) },
    CLI_OPTION_TAG_KEY(list_settings, tag_key),
    CLI_OPTIONS_END,
};

typedef struct listing {
    cli *c;
    bool as_sha256sum;
    uint64_t damaged;
    uint64_t unread; /* left out of the format of sha256sum */
} listing;

static void put_text(const char *path, size_t len, const vld_record *record)
{
    char etag[VLD_ETAG_SIZE], date[VLD_DATE_SIZE];

    cli_record_etag(record, etag);
    vld_date_format(record->last_modified, date);
    printf("%s  %s  ", etag, date);
    cli_put_path(stdout, path, len);
    putchar('\n');
}

static apr_status_t put_record(void *baton, const char *path, size_t len,
                               const vld_record *record)
{
    listing *list = baton;

    if (!record) {
        list->damaged++;
        cli_report_damaged(list->c->pool, path, len);
    }
    else if (list->as_sha256sum && record->is_unread) {
        list->unread++;
    }
    else if (list->as_sha256sum) {
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
    const list_settings *settings = c->settings;
    listing list = { c, settings->as_sha256sum, 0, 0 };
    apr_status_t rv = vld_store_each(c->store, prefix, put_record, &list);

    if (ferror(stdout)) {
        return CLI_ERROR; /* cli_flush() reports it */
    }
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    cli_report_unread(list.unread);
    return list.damaged > 0 ? CLI_FOUND : CLI_DONE;
}

static cli_exit run_list(cli *c, int argc, char **argv)
{
    const list_settings *settings = c->settings;
    const char *prefix = "/";
    cli_exit status = CLI_DONE;

    if (settings->as_sha256sum && c->json) {
        cli_error("list: --json or --sha256sum, not both");
        return CLI_ERROR;
    }
    if (settings->as_sha256sum && settings->tag_key) {
        cli_error("list: --sha256sum shows no tags: it or --tag-key, not "
                  "both");
        return CLI_ERROR;
    }
    if (!cli_use_tag_key(c, settings->tag_key) || !cli_open_index(c)) {
        return CLI_ERROR;
    }
    if (argc > 0) {
        status = cli_choose_prefix(c, argv[0], &prefix);
    }
    return status == CLI_DONE ? list_below(c, prefix) : status;
}

const cli_command cli_list = {
    "list",
    "[PREFIX]",
    "write every record, or those at or below PREFIX",
    CLI_NEEDS_READ,
    0,
    1,
    options,
    sizeof(list_settings),
    run_list,
};
