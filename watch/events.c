/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Turns the events of inotify into folders to watch and paths to look at.  It
 * reads no file and no index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/events.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "validators/content.h"

#define LIMIT_LEAST 524288UL
#define OPEN_FOLDER (O_RDONLY | O_DIRECTORY | O_NONBLOCK)
#define CHANGED                                                                \
    (IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM        \
     | IN_MOVED_TO | IN_DELETE)

/* A folder that is watched and still to be listed. */
typedef struct listing {
    struct listing *next;
    char path[];
} listing;

typedef struct filling {
    vld_watch *w;
    vld_root *root;
    vld_folder *top; /* the root's folder */
    bool files;      /* files may have changed, too */
    listing *to_list;
} filling;

/* --- the limit ----------------------------------------------------------- */

static unsigned long read_limit(const char *path)
{
    unsigned long limit = 0;
    FILE *in = fopen(path, "re");

    if (in) {
        if (fscanf(in, "%lu", &limit) != 1) {
            limit = 0;
        }
        fclose(in);
    }
    return limit;
}

/* There are two limits; the lower one was met. */
static unsigned long lower_limit(const char **name)
{
    unsigned long all = read_limit("/proc/sys/fs/inotify/max_user_watches");
    unsigned long here = read_limit("/proc/sys/user/max_inotify_watches");
    bool lower = here && here < all;

    *name = lower ? "user.max_inotify_watches" : "fs.inotify.max_user_watches";
    return lower ? here : all;
}

/* True: that was not reported before. */
static bool start_to_poll(vld_root *root)
{
    bool reported = root->polled_reported;

    root->rescan |= !root->polled;
    root->polled = true;
    root->polled_reported = true;
    return !reported;
}

static void report_limit(vld_watch *w, vld_root *root)
{
    const char *name;
    unsigned long limit = lower_limit(&name);
    unsigned long more = limit < LIMIT_LEAST / 2 ? LIMIT_LEAST : 2 * limit;
    char why[400];

    if (!start_to_poll(root)) {
        return;
    }
    snprintf(why, sizeof(why),
             "more folders than may be watched (%s is %lu); until there is "
             "room it is scanned every %lld s: run `sysctl %s=%lu` and write "
             "%s=%lu into a file in /etc/sysctl.d",
             name, limit, (long long)(w->options->interval_ns / 1000000000),
             name, more, name, more);
    vld_watch_report_problem(w, root->path, why);
}

static void report_double_mount(vld_watch *w, vld_root *root, const char *path)
{
    if (!start_to_poll(root)) {
        return;
    }
    vld_watch_report_problem(
        w, path,
        "the folder is mounted at two places, and can be "
        "watched at one: the tree is scanned from time to time "
        "instead");
}

/* --- listing ------------------------------------------------------------- */

static void defer_listing(filling *f, const char *path)
{
    size_t len = strlen(path);
    listing *next = malloc(sizeof(*next) + len + 1);

    if (!next) {
        f->root->lost = f->root->rescan = true;
        return;
    }
    memcpy(next->path, path, len + 1);
    next->next = f->to_list;
    f->to_list = next;
}

/* Where files are not asked for, the scan of the tree reports it. */
static void report_failure(filling *f, const char *path, apr_status_t rv)
{
    if (f->files) {
        vld_watch_report_failure(f->w, path, rv);
    }
}

static void watch_fd(filling *f, vld_folder *parent, const char *name, int fd,
                     const char *path)
{
    vld_folder *folder = vld_folders_child(f->w->folders, parent, name);
    int known = folder ? folder->wd : -1;
    apr_status_t rv = vld_folders_watch(f->w->folders, parent, name, fd,
                                        &folder);

    if (rv == APR_SUCCESS) {
        /* A folder that was watched here before is listed already. */
        if (!f->files || folder->wd != known) {
            defer_listing(f, path);
        }
    }
    else if (APR_STATUS_IS_ENOSPC(rv)) {
        report_limit(f->w, f->root);
    }
    else if (APR_STATUS_IS_EEXIST(rv)) {
        report_double_mount(f->w, f->root, path);
    }
    else {
        /* EACCES is no reason to poll; any other error is. */
        f->root->polled |= !APR_STATUS_IS_EACCES(rv);
        report_failure(f, path, rv);
    }
}

static bool is_passed_by(int fd, const vld_folder *parent)
{
    struct stat st;

    return fstat(fd, &st)
           || (st.st_dev != parent->dev && vld_beneath_is_virtual(fd));
}

static void watch_path(filling *f, vld_folder *parent, const char *name,
                       const char *path)
{
    int fd = vld_beneath_open(path, OPEN_FOLDER);

    if (fd < 0) {
        if (!vld_beneath_is_gone(errno)) {
            report_failure(f, path, vld_error_os());
        }
        return;
    }
    if (!is_passed_by(fd, parent)) {
        watch_fd(f, parent, name, fd, path);
    }
    close(fd);
}

static bool is_folder(int dir, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN) {
        return e->d_type == DT_DIR;
    }
    return !fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW)
           && S_ISDIR(st.st_mode);
}

static void list_entry(filling *f, vld_folder *folder, int dir,
                       const struct dirent *e)
{
    const char *name = e->d_name;

    if (!strcmp(name, ".") || !strcmp(name, "..")
        || !vld_folders_path(folder, name, f->w->path)) {
        return;
    }
    if (is_folder(dir, e)) {
        watch_path(f, folder, name, f->w->path);
    }
    else if (f->files) {
        vld_root_pend(f->w, f->root, f->w->path);
    }
}

/* Another folder may be at this path by now; then an event of that follows. */
static void list_folder(filling *f, const char *path)
{
    vld_folder *folder = vld_folders_at(f->w->folders, f->top, path);
    int fd = folder ? vld_beneath_open(path, OPEN_FOLDER) : -1;
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!stream) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    while (!f->root->lost && (e = readdir(stream))) {
        list_entry(f, folder, fd, e);
    }
    closedir(stream);
}

static void list_all(filling *f)
{
    unsigned n = 0;

    while (f->to_list) {
        listing *next = f->to_list;

        f->to_list = next->next;
        if (!vld_watch_is_stopping(f->w)) {
            list_folder(f, next->path);
        }
        free(next);
        if (++n % 256 == 0) {
            vld_watch_report_alive(f->w);
        }
    }
}

void vld_events_fill(vld_watch *w, vld_root *root)
{
    filling f = { w, root, NULL, false, NULL };
    int fd = vld_beneath_open(root->path, OPEN_FOLDER);
    const char *name = vld_root_name(root);

    if (fd < 0) {
        return;
    }
    root->polled = false;
    watch_fd(&f, NULL, name, fd, root->path);
    close(fd);
    f.top = vld_folders_child(w->folders, NULL, name);
    list_all(&f);
    root->polled_reported = root->polled;
}

/* --- events -------------------------------------------------------------- */

/* A folder that is new at its path, or that may be read now: its files may
 * have come before the watch. */
static void take_new_folder(vld_watch *w, vld_root *root, vld_folder *parent,
                            const char *name)
{
    filling f = { w, root, parent, true, NULL };

    while (f.top->parent) {
        f.top = f.top->parent;
    }
    watch_path(&f, parent, name, w->path);
    /* Files that could not be opened before may be now. */
    if (!f.to_list && vld_folders_child(w->folders, parent, name)) {
        defer_listing(&f, w->path);
    }
    list_all(&f);
}

static void take_gone_folder(vld_watch *w, vld_root *root, vld_folder *parent,
                             const char *name)
{
    vld_folder *folder = vld_folders_child(w->folders, parent, name);
    size_t len = strlen(w->path);

    if (folder) {
        vld_folders_drop(w->folders, folder);
    }
    w->path[len] = '/';
    w->path[len + 1] = '\0';
    vld_root_pend(w, root, w->path);
}

static void take_entry_event(vld_watch *w, vld_root *root, vld_folder *folder,
                             const struct inotify_event *e)
{
    if (!vld_folders_path(folder, e->name, w->path)) {
        return;
    }
    if (!(e->mask & IN_ISDIR)) {
        vld_root_pend(w, root, w->path);
    }
    else if (e->mask & (IN_MOVED_FROM | IN_DELETE)) {
        take_gone_folder(w, root, folder, e->name);
    }
    else if (e->mask & (IN_CREATE | IN_MOVED_TO | IN_ATTRIB)) {
        take_new_folder(w, root, folder, e->name);
    }
}

static void take_folder_event(vld_watch *w, vld_root *root, vld_folder *folder,
                              const struct inotify_event *e)
{
    if (e->mask & (IN_IGNORED | IN_UNMOUNT)) {
        root->rescan |= (e->mask & IN_UNMOUNT) != 0;
        vld_folders_drop(w->folders, folder);
    }
    if (e->mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)) {
        w->tick_ns = 0; /* is it a root? */
    }
}

static void take_event(vld_watch *w, const struct inotify_event *e)
{
    vld_folder *folder = vld_folders_by_wd(w->folders, e->wd);
    vld_root *root = folder ? vld_root_of(w, folder) : NULL;

    if (e->mask & IN_Q_OVERFLOW) {
        vld_roots_mark_lost(w);
    }
    else if (root && e->len && (e->mask & CHANGED)) {
        take_entry_event(w, root, folder, e);
    }
    else if (root && !e->len) {
        take_folder_event(w, root, folder, e);
    }
}

void vld_events_read(vld_watch *w)
{
    _Alignas(struct inotify_event) char buffer[65536];
    ssize_t len;

    while ((len = read(vld_folders_fd(w->folders), buffer, sizeof(buffer)))
           > 0) {
        const char *at = buffer;

        while (at < buffer + len) {
            const struct inotify_event *e = (const void *)at;

            at += sizeof(*e) + e->len;
            take_event(w, e);
        }
    }
}
