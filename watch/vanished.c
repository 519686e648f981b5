/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Drops the records of files that are gone.  In doubt a record stays: it
 * counts for nothing as long as the file is not as it says. */
#include "watch/vanished.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "validators/content.h"

/* In one transaction: other writers get their turn in between. */
#define COUNT_MOST 4096
#define OCTETS_MOST 4194304

static bool is_gone(vld_vanished *v, const char *path)
{
    struct stat st;

    if (vld_beneath_stat(path, &st)) {
        return vld_beneath_is_gone(errno);
    }
    v->linked |= S_ISREG(st.st_mode) && st.st_nlink > 1;
    return !S_ISREG(st.st_mode);
}

static apr_status_t keep(vld_vanished *v, const char *path, size_t len)
{
    char *copy;

    if (!v->paths) {
        v->paths = malloc(COUNT_MOST * sizeof(*v->paths));
    }
    copy = v->paths ? malloc(len + 1) : NULL;
    if (!copy) {
        return APR_ENOMEM;
    }
    memcpy(copy, path, len);
    copy[len] = '\0';
    v->paths[v->count++] = copy;
    v->octets += len;
    return v->count == COUNT_MOST || v->octets >= OCTETS_MOST
               ? vld_vanished_drop(v)
               : APR_SUCCESS;
}

apr_status_t vld_vanished_one(vld_vanished *v, const char *path, size_t len)
{
    vld_record record;
    apr_status_t rv = vld_store_get(v->store, path, len, &record);

    if (APR_STATUS_IS_NOTFOUND(rv) || APR_STATUS_IS_EINVAL(rv)) {
        return APR_SUCCESS;
    }
    return rv == APR_SUCCESS || rv == VLD_E_DAMAGED ? keep(v, path, len) : rv;
}

static apr_status_t look(void *baton, const char *path, size_t len,
                         const vld_record *record)
{
    vld_vanished *v = baton;
    apr_status_t rv = v->between ? v->between(v->baton) : APR_SUCCESS;

    (void)record;
    if (rv != APR_SUCCESS || !len || !*path || !is_gone(v, path)) {
        return rv;
    }
    return keep(v, path, len);
}

apr_status_t vld_vanished_below(vld_vanished *v, const char *prefix)
{
    return vld_store_each(v->store, prefix, look, v);
}

static apr_status_t delete_all(vld_vanished *v, vld_batch *batch,
                               uint64_t *dropped)
{
    for (size_t i = 0; i < v->count; i++) {
        const char *path = v->paths[i];
        apr_status_t rv = is_gone(v, path)
                              ? vld_batch_delete(batch, path, strlen(path))
                              : APR_NOTFOUND;

        if (rv != APR_SUCCESS && !APR_STATUS_IS_NOTFOUND(rv)) {
            return rv;
        }
        *dropped += rv == APR_SUCCESS;
    }
    return APR_SUCCESS;
}

void vld_vanished_clear(vld_vanished *v)
{
    while (v->count) {
        free(v->paths[--v->count]);
    }
    free(v->paths);
    v->paths = NULL;
    v->octets = 0;
}

apr_status_t vld_vanished_drop(vld_vanished *v)
{
    uint64_t dropped = 0;
    vld_batch *batch;
    apr_status_t rv;

    if (!v->count) {
        return APR_SUCCESS;
    }
    rv = vld_batch_begin(v->store, &batch);
    if (rv == APR_SUCCESS) {
        rv = delete_all(v, batch, &dropped);
        if (rv == APR_SUCCESS) {
            rv = vld_batch_commit(batch);
        }
        else {
            vld_batch_abort(batch);
        }
    }
    if (rv == APR_SUCCESS) {
        v->dropped += dropped;
    }
    vld_vanished_clear(v);
    return rv;
}
