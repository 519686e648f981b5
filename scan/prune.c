/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The end of a scan that prunes: records of files that are gone are dropped.
 * Never drops a record because a file could not be looked at, nor where its
 * file system may not be mounted. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scan/run.h"

/* A removal's time comes from a clock that ticks, or from a server's: as far
 * behind as the widest margin. */
#define BEHIND_NS INT64_C(2000000000)

typedef struct pruning {
    vld_run *run;
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

static apr_status_t choose_record(void *baton, const char *path, size_t len,
                                  const vld_record *record, bool *drop)
{
    pruning *p = baton;
    apr_status_t rv = vld_run_tick(p->run);

    /* A key of which the path is lost belongs to nobody's tree. */
    if (rv == APR_SUCCESS && vld_path_is_valid(path, len)) {
        *drop = is_gone(path, len)
                && (!record || was_removed(p, path, len, record));
    }
    return rv;
}

static bool confirm_record(void *baton, const char *path, size_t len)
{
    (void)baton;
    return is_gone(path, len);
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
        const vld_sweep_rule rule = { .choose = choose_record,
                                      .confirm = confirm_record,
                                      .baton = p,
                                      .batch_records = run->batch };

        p->run = run;
        rv = vld_store_delete_each(run->store, run->root, &rule,
                                   &run->totals.pruned);
    }
    else {
        rv = APR_ENOMEM;
    }
    free(p);
    return rv;
}
