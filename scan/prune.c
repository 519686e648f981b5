/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The end of a scan that prunes: records of files that are gone are dropped.
 * It trusts nothing but the file system's word that a file is not there, and
 * not even that where the file system itself may be missing. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/run.h"

#define BATCH_OCTETS ((size_t)1 << 22)

/* A removal's time comes from a clock that ticks, or from a server's: as far
 * behind as the widest margin. */
#define BEHIND_NS INT64_C(2000000000)

typedef struct pruning {
    vld_run *run;
    char *text; /* paths, each with its NUL */
    size_t used;
    size_t count;
    size_t folder_len; /* of the folder reported last */
    char folder[VLD_PATH_MAX + 1];
    char path[VLD_PATH_MAX + 1]; /* for cutting */
} pruning;

/* --- what is there ------------------------------------------------------- */

/* lstat for paths of any length. */
static int look_at_path(const char *path, size_t len, struct stat *st)
{
    return len < PATH_MAX ? lstat(path, st) : vld_beneath_stat(path, st);
}

static bool is_gone(const char *path, size_t len)
{
    struct stat st;

    return look_at_path(path, len, &st)
           && (errno == ENOENT || errno == ENOTDIR);
}

/* Cut p->path back to the nearest folder above it that is there. */
static bool find_folder(pruning *p, size_t *len, struct stat *st)
{
    const vld_run *run = p->run;

    while (*len > run->root_len) {
        while (*len > run->root_len && p->path[*len - 1] != '/') {
            --*len;
        }
        *len -= *len > run->root_len;
        p->path[*len] = '\0';
        if (*len <= run->root_len) {
            break;
        }
        if (look_at_path(p->path, *len, st)) {
            if (errno != ENOENT && errno != ENOTDIR) {
                return false;
            }
        }
        else if (S_ISDIR(st->st_mode)) {
            return true;
        }
    }
    return !fstat(run->root_fd, st);
}

static void keep_record(pruning *p, size_t folder_len, const char *why)
{
    vld_run_add(&p->run->totals.kept, 1);
    if (p->folder_len == folder_len + 1
        && !memcmp(p->folder, p->path, folder_len)) {
        return;
    }
    memcpy(p->folder, p->path, folder_len + 1);
    p->folder_len = folder_len + 1;
    vld_run_problem(p->run, folder_len ? p->folder : "/", why);
}

#define ARE_KEPT                                                               \
    "is a file system not mounted? Their records are kept (`htvalidators "     \
    "forget` drops them)"
static const char not_changed[] =
    "it has not changed since files below it were indexed that are not there "
    "now; " ARE_KEPT;
static const char nothing_there[] =
    "there is no file below it, but there are records of some; " ARE_KEPT;

/* Whether somebody has removed the file, as far as can be told: then the
 * folder that it was in, or the nearest that is left, has changed since. */
static bool was_removed(pruning *p, const char *path, size_t len,
                        const vld_record *record)
{
    vld_identity id;
    struct stat st;

    memcpy(p->path, path, len + 1);
    /* A mount point may have been made this moment, for a container. */
    if (!p->run->totals.seen && !p->run->root_is_file) {
        p->path[p->run->root_len] = '\0';
        keep_record(p, p->run->root_len, nothing_there);
        return false;
    }
    if (!find_folder(p, &len, &st)) {
        return false;
    }
    vld_identity_of(&st, &id);
    if (id.ctime_ns >= record->indexed_ns - BEHIND_NS) {
        return true;
    }
    keep_record(p, len, not_changed);
    return false;
}

/* --- dropping ------------------------------------------------------------ */

static apr_status_t drop_all(pruning *p, vld_batch *batch, uint64_t *dropped)
{
    char *path = p->text;

    for (size_t i = 0; i < p->count; i++) {
        size_t len = strlen(path);
        apr_status_t rv = APR_NOTFOUND;

        if (is_gone(path, len)) {
            rv = vld_batch_delete(batch, path, len);
        }
        if (rv == APR_SUCCESS) {
            ++*dropped;
        }
        else if (!APR_STATUS_IS_NOTFOUND(rv)) {
            return rv;
        }
        path += len + 1;
    }
    return APR_SUCCESS;
}

static apr_status_t drop_collected(pruning *p)
{
    vld_batch *batch;
    uint64_t dropped = 0;
    apr_status_t rv;

    if (!p->count) {
        return APR_SUCCESS;
    }
    rv = vld_batch_begin(p->run->store, &batch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = drop_all(p, batch, &dropped);
    if (rv != APR_SUCCESS) {
        vld_batch_abort(batch);
        return rv;
    }
    rv = vld_batch_commit(batch);
    if (rv == APR_SUCCESS) {
        vld_run_add(&p->run->totals.pruned, dropped);
    }
    p->count = 0;
    p->used = 0;
    return rv;
}

static apr_status_t visit_record(void *baton, const char *path, size_t len,
                                 const vld_record *record)
{
    pruning *p = baton;
    apr_status_t rv = vld_run_tick(p->run);

    /* A key of which the path is lost belongs to nobody's tree. */
    if (rv != APR_SUCCESS || !vld_path_is_valid(path, len)) {
        return rv;
    }
    memcpy(p->path, path, len + 1);
    if (!is_gone(path, len) || (record && !was_removed(p, path, len, record))) {
        return APR_SUCCESS;
    }
    memcpy(p->text + p->used, path, len + 1);
    p->used += len + 1;
    p->count++;
    return p->count < p->run->batch && p->used < BATCH_OCTETS
               ? APR_SUCCESS
               : drop_collected(p);
}

/* The root is still what was scanned. */
static apr_status_t check_root(const vld_run *run)
{
    struct stat now;
    struct stat then;

    if (lstat(run->root, &now)) {
        return vld_error_os();
    }
    if (run->root_is_file) {
        return APR_SUCCESS;
    }
    if (fstat(run->root_fd, &then)) {
        return vld_error_os();
    }
    return now.st_dev == then.st_dev && now.st_ino == then.st_ino
               ? APR_SUCCESS
               : APR_FROM_OS_ERROR(ESTALE);
}

apr_status_t vld_prune(vld_run *run)
{
    pruning *p;
    apr_status_t rv = check_root(run);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    p = calloc(1, sizeof(*p));
    if (p) {
        p->run = run;
        p->text = malloc(BATCH_OCTETS + VLD_PATH_MAX + 1);
    }
    if (!p || !p->text) {
        free(p);
        return APR_ENOMEM;
    }
    rv = vld_store_each(run->store, run->root, visit_record, p);
    if (rv == APR_SUCCESS) {
        rv = drop_collected(p);
    }
    free(p->text);
    free(p);
    return rv;
}
