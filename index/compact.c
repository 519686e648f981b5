/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Replaces the index by a copy of its pages in use.  The old file is complete
 * and in use until the rename. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/batch.h"
#include "index/error.h"
#include "index/files.h"
#include "index/guarded.h"
#include "index/store.h"

/* The folder is the index's own: other programs put no files there. */
#define SUFFIX "-compact"
#define HOLD_MS 5000

typedef struct compact_call {
    apr_status_t rv;
    vld_store *store;
    struct stat old;
    int fd;
    char name[PATH_MAX];
} compact_call;

static apr_status_t name_new_file(compact_call *call)
{
    int n = snprintf(call->name, sizeof(call->name), "%s" SUFFIX,
                     call->store->path);

    return n < 0 || (size_t)n >= sizeof(call->name)
               ? APR_FROM_OS_ERROR(ENAMETOOLONG)
               : APR_SUCCESS;
}

/* With the owner and mode of the old one.  A file that a killed run has left is
 * removed first: the writer's lock is held, so no other run uses it. */
static apr_status_t make_new_file(compact_call *call)
{
    mdb_filehandle_t old;

    if (mdb_env_get_fd(call->store->env, &old) || fstat(old, &call->old)
        || (unlink(call->name) && errno != ENOENT)) {
        return vld_error_os();
    }
    call->fd = open(call->name,
                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (call->fd < 0 || fchown(call->fd, call->old.st_uid, call->old.st_gid)
        || fchmod(call->fd, call->old.st_mode & 07777)) {
        return vld_error_os();
    }
    return APR_SUCCESS;
}

static void copy_pages(void *data)
{
    compact_call *call = data;
    int rc = mdb_env_copyfd2(call->store->env, call->fd, MDB_CP_COMPACT);

    call->rv = vld_error_mdb_write(rc, call->store->env);
    if (call->rv == APR_SUCCESS && fsync(call->fd)) {
        call->rv = vld_error_os();
    }
}

/* Between the two renames the lock file is that of the old index: a process
 * that opens meanwhile, or after a power cut, sees that they do not fit. */
static apr_status_t put_in_place(compact_call *call)
{
    const char *path = call->store->path;

    return rename(call->name, path) ? vld_error_os()
                                    : vld_index_files_renew_lock(path);
}

static apr_status_t replace_file(compact_call *call)
{
    int held;
    apr_status_t rv = vld_index_files_hold(call->store->path, true, HOLD_MS,
                                           &held);

    if (rv == APR_SUCCESS) {
        rv = put_in_place(call);
        if (held >= 0) {
            fsync(held);
        }
        vld_index_files_release(held);
    }
    return rv;
}

static apr_status_t make_and_replace(compact_call *call)
{
    apr_status_t rv = make_new_file(call);

    if (rv == APR_SUCCESS) {
        rv = vld_store_run(call->store, copy_pages, call);
    }
    if (rv == APR_SUCCESS) {
        rv = replace_file(call);
    }
    if (rv != APR_SUCCESS) {
        unlink(call->name);
    }
    if (call->fd >= 0) {
        close(call->fd);
    }
    return rv;
}

apr_status_t vld_store_compact(vld_store *store)
{
    compact_call call = { .store = store, .fd = -1 };
    vld_batch *batch;
    apr_status_t rv = name_new_file(&call);

    if (rv == APR_SUCCESS) {
        rv = vld_batch_begin(store, &batch);
    }
    if (rv == APR_SUCCESS) {
        rv = make_and_replace(&call);
        vld_batch_abort(batch);
    }
    return rv;
}
