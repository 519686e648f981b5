/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Deletes the records of files that are gone.  In doubt a record stays: it is
 * not used as long as the file differs from it. */
#include "watch/gone.h"

#include <errno.h>
#include <sys/stat.h>

#include "validators/content.h"

static bool is_gone(vld_gone *g, const char *path)
{
    struct stat st;

    if (vld_beneath_stat(path, &st)) {
        return vld_beneath_is_gone(errno);
    }
    g->linked |= S_ISREG(st.st_mode) && st.st_nlink > 1;
    return !S_ISREG(st.st_mode);
}

static apr_status_t choose_gone(void *baton, const char *path, size_t len,
                                const vld_record *record, bool *drop)
{
    vld_gone *g = baton;
    apr_status_t rv = g->between ? g->between(g->baton) : APR_SUCCESS;

    (void)record;
    *drop = rv == APR_SUCCESS && len && *path && is_gone(g, path);
    return rv;
}

static bool confirm_gone(void *baton, const char *path, size_t len)
{
    (void)len;
    return is_gone(baton, path);
}

static apr_status_t open_sweep(vld_gone *g)
{
    vld_sweep_rule rule = { .choose = choose_gone,
                            .confirm = confirm_gone,
                            .baton = g };

    return g->sweep ? APR_SUCCESS
                    : vld_sweep_open(&g->sweep, g->store, &rule, &g->dropped);
}

apr_status_t vld_gone_one(vld_gone *g, const char *path, size_t len)
{
    apr_status_t rv = open_sweep(g);

    return rv == APR_SUCCESS ? vld_sweep_add(g->sweep, path, len) : rv;
}

apr_status_t vld_gone_below(vld_gone *g, const char *prefix)
{
    apr_status_t rv = open_sweep(g);

    return rv == APR_SUCCESS ? vld_sweep_below(g->sweep, prefix) : rv;
}

apr_status_t vld_gone_drop(vld_gone *g)
{
    return g->sweep ? vld_sweep_flush(g->sweep) : APR_SUCCESS;
}

void vld_gone_clear(vld_gone *g)
{
    vld_sweep_close(g->sweep);
    g->sweep = NULL;
}
