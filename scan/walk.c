/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The walking thread of a scan: every regular file below the root, and
 * whether its record is fresh.  It follows no symbolic link, and never reads
 * a file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/scan.h"

/* Folders that are open at a time; deeper ones are put off. */
#define DEPTH_MOST 128
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

typedef struct later {
    struct later *next;
    size_t len;
    char path[];
} later;

typedef struct frame {
    vld_dir *dir;
    size_t path_len;
    dev_t dev;
} frame;

typedef struct walk {
    vld_run *run;
    frame frames[DEPTH_MOST];
    size_t depth;
    later *later; /* folders put off for their depth */
    size_t len;
    char path[VLD_PATH_MAX + 1]; /* where it is */
} walk;

/* --- folders ------------------------------------------------------------- */

vld_dir *vld_dir_open(int fd)
{
    vld_dir *dir = malloc(sizeof(*dir));
    DIR *stream = dir ? fdopendir(fd) : NULL;

    if (!stream) {
        free(dir);
        close(fd);
        return NULL;
    }
    dir->stream = stream;
    dir->fd = dirfd(stream);
    dir->refs = 1;
    return dir;
}

vld_dir *vld_dir_hold(vld_dir *dir)
{
    __atomic_fetch_add(&dir->refs, 1, __ATOMIC_RELAXED);
    return dir;
}

void vld_dir_release(vld_dir *dir)
{
    if (dir && __atomic_fetch_sub(&dir->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        closedir(dir->stream);
        free(dir);
    }
}

static int open_next(int fd, const char *name, size_t len, int flags)
{
    char text[NAME_MAX + 1];

    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(text, name, len);
    text[len] = '\0';
    return openat(fd, text, flags);
}

static void close_quietly(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
}

int vld_walk_open(const vld_run *run, const char *path, int flags)
{
    const char *name = path + run->root_len;
    int fd = run->root_fd;

    name += *name == '/';
    for (;;) {
        size_t len = strcspn(name, "/");
        bool last = !name[len];
        int next = open_next(fd, len ? name : ".", len ? len : 1,
                             last ? flags : DIR_FLAGS);

        if (fd != run->root_fd) {
            close_quietly(fd);
        }
        if (next < 0 || last) {
            return next;
        }
        fd = next;
        name += len + 1;
    }
}

/* --- problems ------------------------------------------------------------ */

static void fail(walk *w, apr_status_t rv)
{
    vld_run_add(&w->run->totals.failed, 1);
    vld_run_problem_status(w->run, w->path, rv);
}

/* Gone, or something else, since its name was read: that is no problem. */
static bool has_moved(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

/* --- files --------------------------------------------------------------- */

static void hand_over(walk *w, size_t name_at, const vld_record *known)
{
    vld_dir *dir = w->depth ? w->frames[w->depth - 1].dir : NULL;
    vld_job *job = calloc(1, sizeof(*job) + w->len + 1);

    if (!job) {
        vld_queue_end(w->run, APR_ENOMEM);
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
    vld_queue_put(w->run, job);
}

/* *known tells whether there is a record. */
static bool is_fresh(walk *w, const struct stat *st, vld_record *record,
                     bool *known)
{
    vld_identity id;
    apr_status_t rv = vld_store_get(w->run->store, w->path, w->len, record);

    *known = rv == APR_SUCCESS;
    if (*known) {
        vld_identity_of(st, &id);
        return vld_identity_equal(&id, &record->identity, VLD_COMPARE_STRICT);
    }
    /* One record that does not check is made again; a store that does not
     * work is another matter. */
    if (!APR_STATUS_IS_NOTFOUND(rv)
        && (rv != VLD_E_DAMAGED || vld_store_is_dead(w->run->store))) {
        vld_queue_end(w->run, rv);
        return true;
    }
    return false;
}

static void visit_file(walk *w, const struct stat *st, size_t name_at)
{
    vld_record record;
    bool known;

    /* The index changes with every batch that is written to it. */
    if (vld_store_is_own(w->run->store, st)) {
        return;
    }
    vld_run_add(&w->run->totals.seen, 1);
    if (is_fresh(w, st, &record, &known)) {
        vld_run_add(&w->run->totals.unchanged, 1);
        return;
    }
    hand_over(w, name_at, known && w->run->options->adopt ? &record : NULL);
}

/* --- the walk ------------------------------------------------------------ */

static void put_off(walk *w)
{
    later *l = malloc(sizeof(*l) + w->len + 1);

    if (!l) {
        vld_queue_end(w->run, APR_ENOMEM);
        return;
    }
    memcpy(l->path, w->path, w->len + 1);
    l->len = w->len;
    l->next = w->later;
    w->later = l;
}

/* Go on in the folder open as fd, whose path is w->path. */
static void enter_fd(walk *w, int fd, dev_t above)
{
    frame *f = &w->frames[w->depth];
    struct stat st;

    if (fstat(fd, &st)) {
        fail(w, vld_error_os());
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
        fail(w, vld_error_os());
        return;
    }
    f->path_len = w->len;
    f->dev = st.st_dev;
    w->depth++;
}

static int open_folder(const frame *above, const char *name)
{
    int fd = openat(above->dir->fd, name, DIR_FLAGS | O_NOATIME);

    if (fd < 0 && errno == EPERM) {
        fd = openat(above->dir->fd, name, DIR_FLAGS);
    }
    return fd;
}

static void visit_folder(walk *w, const frame *above, const char *name)
{
    int fd;

    if (w->depth == DEPTH_MOST) {
        put_off(w);
        return;
    }
    fd = open_folder(above, name);
    if (fd >= 0) {
        enter_fd(w, fd, above->dev);
    }
    else if (!has_moved(errno)) {
        fail(w, vld_error_os());
    }
}

static bool set_path(walk *w, const frame *f, const char *name)
{
    size_t len = strlen(name);

    if (f->path_len + 1 + len > VLD_PATH_MAX) {
        w->len = f->path_len;
        w->path[w->len] = '\0';
        fail(w, APR_FROM_OS_ERROR(ENAMETOOLONG));
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
        if (!has_moved(errno)) {
            fail(w, vld_error_os());
        }
    }
    else if (S_ISREG(st.st_mode)) {
        visit_file(w, &st, f->path_len + 1);
    }
    else if (S_ISDIR(st.st_mode)) {
        visit_folder(w, f, name);
    }
}

static void visit(walk *w, const frame *f, const struct dirent *e)
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

static void leave(walk *w)
{
    w->depth--;
    vld_dir_release(w->frames[w->depth].dir);
}

static void go(walk *w)
{
    while (w->depth && !vld_queue_is_ending(w->run)) {
        frame *f = &w->frames[w->depth - 1];
        struct dirent *e;

        errno = 0;
        e = readdir(f->dir->stream);
        if (e) {
            visit(w, f, e);
            continue;
        }
        if (errno) {
            apr_status_t rv = vld_error_os();

            w->len = f->path_len;
            w->path[w->len] = '\0';
            fail(w, rv);
        }
        leave(w);
    }
    while (w->depth) {
        leave(w);
    }
}

static void go_from(walk *w, const char *path, size_t len)
{
    int fd = vld_walk_open(w->run, path, DIR_FLAGS);

    memcpy(w->path, path, len + 1);
    w->len = len;
    if (fd >= 0) {
        enter_fd(w, fd, 0);
        go(w);
    }
    else if (!has_moved(errno)) {
        fail(w, vld_error_os());
    }
}

static void go_later(walk *w)
{
    while (w->later) {
        later *l = w->later;

        w->later = l->next;
        if (!vld_queue_is_ending(w->run)) {
            go_from(w, l->path, l->len);
        }
        free(l);
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
        fail(w, vld_error_os());
    }
    else if (S_ISREG(st.st_mode)) {
        visit_file(w, &st, run->root_len + 1);
    }
}

void *vld_walk_thread(void *data)
{
    vld_run *run = data;
    walk *w = calloc(1, sizeof(*w));

    if (!w) {
        vld_queue_end(run, APR_ENOMEM);
    }
    else if (run->root_is_file) {
        w->run = run;
        visit_root_file(w);
    }
    else {
        w->run = run;
        go_from(w, run->root, run->root_len);
        go_later(w);
    }
    free(w);
    vld_queue_walked(run);
    return NULL;
}
