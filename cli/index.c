/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index as the commands meet it: opened, searched, and its errors told. */
#include "cli/index.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#include <apr_file_io.h>
#include <apr_strings.h>

#include "cli/cli.h"
#include "cli/message.h"
#include "cli/owner.h"
#include "cli/path.h"

/* On a full disk LMDB's writes come out short, which it calls an error of
 * input and output. */
static apr_status_t true_cause(const cli *c, apr_status_t rv)
{
    struct statvfs fs;

    if (rv == APR_FROM_OS_ERROR(EIO) && statvfs(c->index, &fs) == 0
        && fs.f_bavail == 0) {
        return APR_FROM_OS_ERROR(ENOSPC);
    }
    return rv;
}

cli_exit cli_index_error(cli *c, apr_status_t rv)
{
    char why[256], advice[16384];

    rv = true_cause(c, rv);
    vld_strerror(rv, why, sizeof(why));
    vld_advice(rv, cli_shown(c->pool, c->index), advice, sizeof(advice));
    if (advice[0] == '\0') {
        cli_error("%s: %s", cli_shown(c->pool, c->index), why);
    }
    else {
        cli_error("%s: %s; %s", cli_shown(c->pool, c->index), why, advice);
    }
    return CLI_ERROR;
}

static vld_store_mode mode_of(const cli_command *command)
{
    switch (command->needs) {
    case CLI_NEEDS_CREATE: return VLD_STORE_CREATE;
    case CLI_NEEDS_WRITE: return VLD_STORE_WRITE;
    default: return VLD_STORE_READ;
    }
}

apr_status_t cli_reopen_index(cli *c)
{
    apr_status_t rv;

    vld_store_close(c->store);
    rv = vld_store_open(&c->store, c->index, mode_of(c->command), c->pool);
    if (rv != APR_SUCCESS) {
        c->store = NULL;
    }
    return rv;
}

/* Those above the folder of the default index, which nobody has mistyped. */
static void make_folders(const cli *c)
{
    char *folder = apr_pstrdup(c->pool, c->index);
    int level;

    for (level = 0; level < 2 && strrchr(folder, '/') != NULL; level++) {
        *strrchr(folder, '/') = '\0';
    }
    if (strcmp(c->index, VLD_DEFAULT_INDEX) == 0 && folder[0] != '\0') {
        apr_dir_make_recursive(folder, 0x755, c->pool);
    }
}

bool cli_open_index(cli *c)
{
    vld_store_mode mode = mode_of(c->command);
    apr_status_t rv;

    if (mode == VLD_STORE_CREATE) {
        make_folders(c);
    }
    if (!cli_become_owner(c)) {
        return false;
    }
    rv = vld_store_open(&c->store, c->index, mode, c->pool);
    if (APR_STATUS_IS_ENOENT(rv) && mode == VLD_STORE_CREATE) {
        cli_error("%s: the folder above the index's folder is not there; "
                  "make it, or name another index with -i",
                  cli_shown(c->pool, c->index));
        c->store = NULL;
        return false;
    }
    if (rv != APR_SUCCESS) {
        c->store = NULL;
        cli_index_error(c, rv);
        return false;
    }
    return true;
}

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

apr_status_t cli_choose_prefix(cli *c, const char *given, const char **out)
{
    const char *absolute = cli_absolute(c->pool, given);
    bool has = false;
    apr_status_t rv = APR_SUCCESS;

    *out = NULL;
    if (absolute != NULL) {
        rv = has_records(c, absolute, &has);
    }
    if (rv == APR_SUCCESS && !has) {
        absolute = cli_real(c->pool, given);
        if (absolute != NULL) {
            rv = has_records(c, absolute, &has);
        }
    }
    if (has) {
        *out = absolute;
    }
    return rv;
}

void cli_warn_of_index_below(const cli *c, const char *root)
{
    const char *index = cli_real(c->pool, c->index);
    const char *real = cli_real(c->pool, root);

    if (index != NULL && real != NULL && cli_is_below(index, real)) {
        cli_error("warning: the index %s lies below %s; keep it where nobody "
                  "can fetch it",
                  cli_shown(c->pool, index), cli_shown(c->pool, root));
    }
}
