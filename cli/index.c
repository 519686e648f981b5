/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index as the commands meet it: opened, reopened and searched, and its
 * errors reported.  Never changes a record. */
#include "cli/index.h"

#include <inttypes.h>
#include <string.h>

#include <apr_strings.h>

#include "cli/cli.h"
#include "cli/message.h"
#include "cli/owner.h"
#include "cli/path.h"

static vld_store_mode choose_mode(const cli_command *command)
{
    switch (command->needs) {
    case CLI_NEEDS_CREATE: return VLD_STORE_CREATE;
    case CLI_NEEDS_WRITE: return VLD_STORE_WRITE;
    default: return VLD_STORE_READ;
    }
}

cli_exit cli_index_error(cli *c, apr_status_t rv)
{
    char why[256], advice[16384];

    vld_strerror(rv, why, sizeof(why));
    vld_advice(rv, c->index, advice, sizeof(advice));
    cli_error("%s: %s; %s", cli_shown(c->pool, c->index), why,
              cli_shown(c->pool, advice));
    return CLI_ERROR;
}

/* False after a message. */
static bool prepare(cli *c)
{
    if (!cli_become_owner(c)) {
        return false;
    }
    if (choose_mode(c->command) == VLD_STORE_CREATE) {
        vld_index_files_make_above(c->index);
    }
    return true;
}

static apr_status_t open_store(cli *c)
{
    apr_status_t rv = vld_store_open(&c->store, c->index,
                                     choose_mode(c->command));

    if (rv != APR_SUCCESS) {
        c->store = NULL;
    }
    return rv;
}

bool cli_open_index(cli *c)
{
    apr_status_t rv;

    if (!prepare(c)) {
        return false;
    }
    rv = open_store(c);
    if (rv != APR_SUCCESS) {
        cli_index_error(c, rv);
        return false;
    }
    if (choose_mode(c->command) == VLD_STORE_CREATE) {
        cli_warn_of_group(c);
    }
    return true;
}

apr_status_t cli_reopen_index(cli *c)
{
    if (c->store) {
        vld_store_close(c->store);
        c->store = NULL;
    }
    return prepare(c) ? open_store(c) : APR_EACCES;
}

apr_status_t cli_retry_replaced(cli *c, unsigned most,
                                apr_status_t (*attempt)(void *baton),
                                void *baton)
{
    apr_status_t rv = attempt(baton);

    while (rv == VLD_E_REPLACED && most > 0) {
        rv = cli_reopen_index(c);
        if (rv == APR_SUCCESS) {
            rv = attempt(baton);
        }
        most -= most != CLI_RETRY_ALWAYS;
    }
    return rv;
}

/* --- records ------------------------------------------------------------- */

static apr_status_t end_at_once(void *baton, const char *path, size_t len,
                                const vld_record *record)
{
    (void)path;
    (void)len;
    (void)record;
    *(bool *)baton = true;
    return APR_EOF;
}

static apr_status_t has_records(cli *c, const char *prefix, bool *has)
{
    apr_status_t rv = vld_store_each(c->store, prefix, end_at_once, has);

    return *has ? APR_SUCCESS : rv;
}

static apr_status_t find_prefix(cli *c, const char *given, const char **out)
{
    const char *absolute = cli_absolute(c->pool, given);
    bool has = false;
    apr_status_t rv = APR_SUCCESS;

    *out = NULL;
    if (absolute) {
        rv = has_records(c, absolute, &has);
    }
    if (rv == APR_SUCCESS && !has) {
        absolute = cli_real(c->pool, given);
        if (absolute) {
            rv = has_records(c, absolute, &has);
        }
    }
    if (has) {
        *out = absolute;
    }
    return rv;
}

cli_exit cli_report_no_records(const cli *c, const char *given)
{
    cli_error("%s: no records at or below it", cli_shown(c->pool, given));
    return CLI_FOUND;
}

cli_exit cli_choose_prefix(cli *c, const char *given, const char **out)
{
    apr_status_t rv = find_prefix(c, given, out);

    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    return *out ? CLI_DONE : cli_report_no_records(c, given);
}

void cli_report_damaged(apr_pool_t *p, const char *path, size_t len)
{
    if (!len || !path[0]) {
        cli_error("a record does not check and is left out");
        return;
    }
    cli_error("%s: its record does not check and is left out; "
              "`htvalidators scan` makes a new one",
              cli_shown(p, path));
}

void cli_report_unread(uint64_t count)
{
    if (count) {
        cli_error("%" PRIu64
                  " %s not read yet and left out; `htvalidators scan` "
                  "reads them",
                  count, count == 1 ? "file was" : "files were");
    }
}

void cli_warn_of_index_below(const cli *c, const char *root)
{
    const char *index = cli_real(c->pool, c->index);
    const char *real = cli_real(c->pool, root);

    if (index && real && cli_is_below(index, real)) {
        cli_error("warning: the index %s lies below %s; keep it where nobody "
                  "can fetch it",
                  cli_shown(c->pool, index), cli_shown(c->pool, root));
    }
}
