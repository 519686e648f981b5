/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The source of a scan: every regular file below the root, and whether its
 * record is fresh.  It follows no symbolic link, and never reads a file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/run.h"

/* Folders that are open at a time; deeper ones are deferred. */
#define DEPTH_MOST 128
#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOATIME)

typedef struct deferred_folder {
    struct deferred_folder *next;
    size_t len;
    char path[];
} deferred_folder;

typedef struct frame {
    vld_dir *dir;
    size_t path_len;
    dev_t dev;
} frame;

typedef struct walk {
    vld_run *run;
    vld_pool *pool;
    frame frames[DEPTH_MOST];
    size_t depth;
    deferred_folder *deferred;
    size_t len;
    char path[VLD_PATH_MAX + 1]; /* where it is */
} walk;

/* --- problems ------------------------------------------------------------ */

static void report_failure(walk *w, apr_status_t rv)
{
    vld_run_add(&w->run->totals.failed, 1);
    vld_run_problem_status(w->run, w->path, rv);
}

/* --- files --------------------------------------------------------------- */

static void hand_over(walk *w, size_t name_at, const vld_record *known)
{
    vld_dir *dir = w->depth ? w->frames[w->depth - 1].dir : NULL;
    vld_job *job = calloc(1, sizeof(*job) + w->len + 1);

    if (!job) {
        vld_pool_end(w->pool, APR_ENOMEM);
        return;
    }
    memcpy(job->path, w->path, w->len + 1);
    job->len = w->len;
    job->name_at = name_at;
    job->dir = dir ? vld_dir_hold(dir) : NULL;
    if (known) {
        job->has_known = true;
        job->known = *known;
    }
    vld_pool_put(w->pool, &job->item);
}

/* *known tells whether there is a record. */
static bool is_fresh(walk *w, int folder_fd, const struct stat *st,
                     vld_record *record, bool *known)
{
    vld_identity id;
    apr_status_t rv = vld_store_get(w->run->store, w->path, w->len, record);

    *known = rv == APR_SUCCESS;
    if (*known) {
        vld_identity_of(st, &id);
        return !record->is_unread
               && vld_identity_equal(&id, &record->identity, VLD_COMPARE_STRICT)
               && vld_identity_proves(&id, folder_fd, st->st_dev);
    }
    /* One record that does not check is made again, and so is one of which
     * nobody knows; a store that does not work is another matter. */
    if (!APR_STATUS_IS_NOTFOUND(rv) && rv != VLD_E_UNKNOWN
        && (rv != VLD_E_DAMAGED || vld_store_is_dead(w->run->store))) {
        vld_pool_end(w->pool, rv);
        return true;
    }
    return false;
}

static void visit_file(walk *w, int folder_fd, const struct stat *st,
                       size_t name_at)
{
    vld_record record;
    bool known;

    /* The index changes with every batch that is written to it. */
    if (vld_store_is_own(w->run->store, st)) {
        return;
    }
    vld_run_add(&w->run->totals.seen, 1);
    if (is_fresh(w, folder_fd, st, &record, &known)) {
        vld_run_add(&w->run->totals.unchanged, 1);
        return;
    }
    hand_over(w, name_at, known && w->run->options->adopt ? &record : NULL);
}

/* --- the walk ------------------------------------------------------------ */

static void defer_folder(walk *w)
{
    deferred_folder *d = malloc(sizeof(*d) + w->len + 1);

    if (!d) {
        vld_pool_end(w->pool, APR_ENOMEM);
        return;
    }
    memcpy(d->path, w->path, w->len + 1);
    d->len = w->len;
    d->next = w->deferred;
    w->deferred = d;
}

/* Go on in the folder open as fd, whose path is w->path. */
static void enter_fd(walk *w, int fd, dev_t above)
{
    frame *f = &w->frames[w->depth];
    struct stat st;

    if (fstat(fd, &st)) {
        report_failure(w, vld_error_os());
        close(fd);
        return;
    }
    if (st.st_dev != above && vld_beneath_is_virtual(fd)) {
        vld_run_problem(w->run, w->path, "a virtual file system is passed by");
        close(fd);
        return;
    }
    f->dir = vld_dir_open(fd);
    if (!f->dir) {
        report_failure(w, vld_error_os());
        return;
    }
    f->path_len = w->len;
    f->dev = st.st_dev;
    w->depth++;
}

static void visit_folder(walk *w, const frame *above, const char *name)
{
    int fd;

    if (w->depth == DEPTH_MOST) {
        defer_folder(w);
        return;
    }
    fd = vld_beneath_openat(above->dir->fd, name, OPEN_FOLDER);
    if (fd >= 0) {
        enter_fd(w, fd, above->dev);
    }
    else if (!vld_beneath_is_gone(errno)) {
        report_failure(w, vld_error_os());
    }
}

static bool set_path(walk *w, const frame *f, const char *name)
{
    size_t len = strlen(name);

    if (f->path_len + 1 + len > VLD_PATH_MAX) {
        w->len = f->path_len;
        w->path[w->len] = '\0';
        report_failure(w, APR_FROM_OS_ERROR(ENAMETOOLONG));
        return false;
    }
    w->path[f->path_len] = '/';
    memcpy(w->path + f->path_len + 1, name, len + 1);
    w->len = f->path_len + 1 + len;
    return true;
}

static void visit_by_stat(walk *w, const frame *f, const char *name)
{
    struct stat st;

    if (fstatat(f->dir->fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
        if (!vld_beneath_is_gone(errno)) {
            report_failure(w, vld_error_os());
        }
    }
    else if (S_ISREG(st.st_mode)) {
        visit_file(w, f->dir->fd, &st, f->path_len + 1);
    }
    else if (S_ISDIR(st.st_mode)) {
        visit_folder(w, f, name);
    }
}

static void visit_entry(walk *w, const frame *f, const struct dirent *e)
{
    const char *name = e->d_name;

    if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]))) {
        return;
    }
    if (!set_path(w, f, name)) {
        return;
    }
    switch (e->d_type) {
    case DT_DIR: visit_folder(w, f, name); break;
    case DT_REG:
    case DT_UNKNOWN: visit_by_stat(w, f, name); break;
    default: break;
    }
}

static void leave_folder(walk *w)
{
    w->depth--;
    vld_dir_release(w->frames[w->depth].dir);
}

static void walk_folders(walk *w)
{
    while (w->depth && !vld_pool_is_ending(w->pool)) {
        frame *f = &w->frames[w->depth - 1];
        struct dirent *e;

        errno = 0;
        e = readdir(f->dir->stream);
        if (e) {
            visit_entry(w, f, e);
            continue;
        }
        if (errno) {
            apr_status_t rv = vld_error_os();

            w->len = f->path_len;
            w->path[w->len] = '\0';
            report_failure(w, rv);
        }
        leave_folder(w);
    }
    while (w->depth) {
        leave_folder(w);
    }
}

static void walk_from(walk *w, const char *path, size_t len)
{
    int fd = vld_beneath_openat(w->run->root_fd, path + w->run->root_len,
                                OPEN_FOLDER);

    memcpy(w->path, path, len + 1);
    w->len = len;
    if (fd >= 0) {
        enter_fd(w, fd, 0);
        walk_folders(w);
    }
    else if (!vld_beneath_is_gone(errno)) {
        report_failure(w, vld_error_os());
    }
}

static void walk_deferred(walk *w)
{
    while (w->deferred) {
        deferred_folder *d = w->deferred;

        w->deferred = d->next;
        if (!vld_pool_is_ending(w->pool)) {
            walk_from(w, d->path, d->len);
        }
        free(d);
    }
}

static void visit_root_file(walk *w)
{
    const vld_run *run = w->run;
    const char *name = run->root + run->root_len + 1;
    struct stat st;

    w->len = strlen(run->root);
    memcpy(w->path, run->root, w->len + 1);
    if (fstatat(run->root_fd, name, &st, AT_SYMLINK_NOFOLLOW)) {
        report_failure(w, vld_error_os());
    }
    else if (S_ISREG(st.st_mode)) {
        visit_file(w, run->root_fd, &st, run->root_len + 1);
    }
}

apr_status_t vld_walk(void *baton, vld_pool *pool)
{
    vld_run *run = baton;
    walk *w = calloc(1, sizeof(*w));

    if (!w) {
        return APR_ENOMEM;
    }
    w->run = run;
    w->pool = pool;
    if (run->root_is_file) {
        visit_root_file(w);
    }
    else {
        walk_from(w, run->root, run->root_len);
        walk_deferred(w);
    }
    free(w);
    return APR_SUCCESS;
}
