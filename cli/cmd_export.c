/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators export: a manifest of the records, for other hosts and for
 * sha256sum -c.  Never looks at the files themselves. */
#include <string.h>

#include "cli/cli.h"
#include "cli/index.h"
#include "cli/manifest.h"
#include "cli/message.h"
#include "cli/path.h"

typedef struct export_settings {
    const char *root;
} export_settings;

static const cli_option options[] = {
    { 0, "root", "DIR", "write names relative to DIR",
      CLI_TEXT(export_settings, root) },
    CLI_OPTIONS_END,
};

typedef struct exporting {
    cli *c;
    size_t skip; /* octets at the start of each name that are left out */
    uint64_t damaged;
    uint64_t unread; /* left out */
} exporting;

static apr_status_t put_entry(void *baton, const char *path, size_t len,
                              const vld_record *record)
{
    exporting *e = baton;

    if (!record) {
        e->damaged++;
        cli_report_damaged(e->c->pool, path, len);
        return APR_SUCCESS;
    }
    if (record->is_unread) {
        e->unread++;
        return APR_SUCCESS;
    }
    path += e->skip;
    len -= e->skip;
    cli_put_manifest_facts(stdout, record);
    /* sha256sum takes "-" for its standard input. */
    if (strcmp(path, "-") == 0) {
        path = "./-";
        len = 3;
    }
    cli_put_sha256sum(stdout, path, len, &record->digest);
    return ferror(stdout) ? APR_EOF : APR_SUCCESS;
}

static cli_exit export_below(cli *c, const char *prefix, size_t skip)
{
    exporting e = { c, skip, 0, 0 };
    apr_status_t rv;

    cli_put_manifest_head(stdout);
    rv = vld_store_each(c->store, prefix, put_entry, &e);
    if (ferror(stdout)) {
        return CLI_ERROR; /* cli_flush() reports it */
    }
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    cli_report_unread(e.unread);
    return e.damaged > 0 ? CLI_FOUND : CLI_DONE;
}

static cli_exit export_relative(cli *c, const char *given, const char *prefix)
{
    const char *root;
    vld_record record;
    cli_exit status = cli_choose_prefix(c, given, &root);

    if (status != CLI_DONE) {
        return status;
    }
    if (!prefix) {
        prefix = root;
    }
    if (!cli_is_below(prefix, root)) {
        cli_error("%s is not below %s, so that it has no name relative to it",
                  cli_shown(c->pool, prefix), cli_shown(c->pool, root));
        return CLI_ERROR;
    }
    if (vld_store_get(c->store, root, strlen(root), &record) == APR_SUCCESS) {
        cli_error("%s: it has a record, so it is a file; --root wants the "
                  "folder that it is in",
                  cli_shown(c->pool, root));
        return CLI_ERROR;
    }
    return export_below(c, prefix, strlen(root) + (root[1] ? 1 : 0));
}

static cli_exit run_export(cli *c, int argc, char **argv)
{
    const export_settings *settings = c->settings;
    const char *root = settings->root, *prefix = NULL;
    cli_exit status = CLI_DONE;

    if (c->json) {
        cli_error("export: a manifest is no JSON; `htvalidators list --json` "
                  "writes that");
        return CLI_ERROR;
    }
    if (root && !root[0]) {
        cli_error("export: --root: an empty path; is a variable not set?");
        return CLI_ERROR;
    }
    if (!cli_open_index(c)) {
        return CLI_ERROR;
    }
    if (argc > 0) {
        status = cli_choose_prefix(c, argv[0], &prefix);
    }
    if (status != CLI_DONE) {
        return status;
    }
    return root ? export_relative(c, root, prefix)
                : export_below(c, prefix ? prefix : "/", 0);
}

const cli_command cli_export = {
    "export",
    "[PREFIX]",
    "write a manifest, as sha256sum and import read it",
    CLI_NEEDS_READ,
    0,
    1,
    options,
    sizeof(export_settings),
    run_export,
};
