/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The trees that a watch was given: where they are now, and scans of them as
 * a whole.  It reads no event of its own. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "validators/content.h"
#include "validators/scan.h"
#include "watch/watch.h"

/* A poll takes at most a tenth of the time. */
#define POLL_SHARE 10

static const char *name_of(const vld_root *root)
{
    return strcmp(root->path, "/") ? root->path : "";
}

static vld_folder *folder_of(vld_watch *w, const vld_root *root)
{
    return root->path ? vld_folders_child(w->folders, NULL, name_of(root))
                      : NULL;
}

vld_root *vld_roots_of(vld_watch *w, const vld_folder *f)
{
    while (f->parent) {
        f = f->parent;
    }
    for (size_t i = 0; i < w->count; i++) {
        vld_root *root = &w->roots[i];

        if (root->path && !root->covered && !strcmp(name_of(root), f->name)) {
            return root;
        }
    }
    return NULL;
}

void vld_roots_lost(vld_watch *w)
{
    for (size_t i = 0; i < w->count; i++) {
        vld_root *root = &w->roots[i];

        if (!root->lost && !root->covered && !root->missing) {
            root->lost = root->rescan = true;
            vld_watch_problem(w, root->path,
                              "more changes at once than the system tells "
                              "of (fs.inotify.max_queued_events); it is "
                              "scanned again");
        }
    }
}

void vld_roots_touched(vld_watch *w)
{
    for (size_t i = 0; i < w->count; i++) {
        w->roots[i].stale |= w->vanished.linked;
    }
}

/* --- where they are ------------------------------------------------------ */

static bool is_below(const char *path, const char *folder)
{
    size_t len = strcmp(folder, "/") ? strlen(folder) : 0;

    return !strncmp(path, folder, len) && (path[len] == '/' || !path[len]);
}

static bool is_covered(const vld_watch *w, const vld_root *root)
{
    for (size_t i = 0; i < w->count; i++) {
        const vld_root *other = &w->roots[i];

        if (other != root && other->path && root->path && !other->missing
            && is_below(root->path, other->path)
            && (strcmp(root->path, other->path) || other < root)) {
            return true;
        }
    }
    return false;
}

static void leave(vld_watch *w, vld_root *root)
{
    vld_folder *folder = folder_of(w, root);
    size_t len;

    if (folder) {
        vld_folders_drop(w->folders, folder);
    }
    if (root->path) {
        len = strlen(root->path);
        memcpy(w->path, root->path, len);
        strcpy(w->path + len, "/");
        vld_events_pend(w, root, w->path);
    }
}

static void is_missing(vld_watch *w, vld_root *root, int error)
{
    char why[320];
    size_t len;

    if (root->missing) {
        return;
    }
    leave(w, root);
    root->missing = true;
    root->rescan = root->lost = false;
    vld_strerror(APR_FROM_OS_ERROR(error), why, 256);
    len = strlen(why);
    strcpy(why + len, "; it is followed again when it is back");
    vld_watch_problem(w, root->given, why);
}

static void is_at(vld_watch *w, vld_root *root, char *path,
                  const struct stat *st)
{
    bool moved = !root->path || strcmp(path, root->path);

    if (moved || root->missing || st->st_dev != root->dev
        || st->st_ino != root->ino
        || (!root->covered && !folder_of(w, root) && !root->polled)) {
        if (!root->missing) {
            leave(w, root);
        }
        root->rescan = true;
    }
    free(root->path);
    root->path = path;
    root->dev = st->st_dev;
    root->ino = st->st_ino;
    root->missing = false;
}

static void find(vld_watch *w, vld_root *root)
{
    char *path = realpath(root->given, NULL);
    int fd = path ? vld_beneath_open(path, O_RDONLY | O_DIRECTORY) : -1;
    struct stat st;

    if (fd < 0 || fstat(fd, &st)) {
        is_missing(w, root, errno);
        free(path);
    }
    else {
        is_at(w, root, path, &st);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void cover(vld_watch *w, vld_root *root)
{
    bool covered = is_covered(w, root);

    if (covered && !root->covered && folder_of(w, root)) {
        vld_folders_drop(w->folders, folder_of(w, root));
    }
    root->rescan |= root->covered && !covered;
    root->covered = covered;
}

void vld_roots_check(vld_watch *w)
{
    size_t i;

    for (i = 0; i < w->count; i++) {
        find(w, &w->roots[i]);
    }
    for (i = 0; i < w->count; i++) {
        cover(w, &w->roots[i]);
    }
}

/* --- scans --------------------------------------------------------------- */

/* A scan may take long: the queue of events must not fill up meanwhile. */
static void on_progress(void *baton, const vld_scan_totals *so_far)
{
    vld_watch *w = baton;

    (void)so_far;
    vld_events_read(w);
    if (w->options->alive) {
        w->options->alive(w->options->baton);
    }
}

static void on_problem(void *baton, const char *path, const char *why)
{
    vld_watch_problem(baton, path, why);
}

static apr_status_t between(void *baton)
{
    vld_watch *w = baton;
    static unsigned n;

    if (++n % 1024 == 0) {
        on_progress(w, NULL);
    }
    return vld_watch_is_stopping(w) ? APR_EINTR : APR_SUCCESS;
}

/* What a poll cannot read was told by the scan before it. */
static apr_status_t scan_tree(vld_watch *w, const vld_root *root, bool poll)
{
    vld_scan_options how = {
        .jobs = w->options->jobs,
        .stop = w->options->stop,
        .progress = on_progress,
        .problem = poll ? NULL : on_problem,
        .baton = w,
    };
    vld_scan_totals t;
    apr_status_t rv;

    memset(&t, 0, sizeof(t));
    rv = vld_scan(w->store, root->path, &how, &t);
    w->totals.indexed += t.hashed;
    w->totals.same_content += t.same_content;
    w->totals.failed += poll ? 0 : t.failed;
    return rv;
}

static apr_status_t drop_vanished(vld_watch *w, const char *path)
{
    apr_status_t rv;

    w->vanished.between = between;
    w->vanished.baton = w;
    rv = vld_vanished_below(&w->vanished, path);
    if (rv == APR_SUCCESS || rv == APR_EINTR) {
        apr_status_t dropped = vld_vanished_drop(&w->vanished);

        rv = rv == APR_SUCCESS ? dropped : rv;
    }
    else {
        vld_vanished_clear(&w->vanished);
    }
    w->vanished.between = NULL;
    w->totals.dropped = w->vanished.dropped;
    return rv;
}

static void set_up(vld_watch *w, vld_root *root)
{
    if (root->lost && folder_of(w, root)) {
        vld_folders_drop(w->folders, folder_of(w, root));
    }
    root->lost = root->stale = false;
    vld_events_fill(w, root);
    root->rescan = root->lost;
}

static void set_poll_time(const vld_watch *w, vld_root *root, int64_t began_ns)
{
    int64_t now_ns = vld_monotonic_ns();
    int64_t pause_ns = POLL_SHARE * (now_ns - began_ns);

    if (pause_ns < w->options->interval_ns) {
        pause_ns = w->options->interval_ns;
    }
    root->poll_ns = now_ns + pause_ns;
}

static apr_status_t scan_and_drop(vld_watch *w, vld_root *root, bool poll)
{
    apr_status_t rv = scan_tree(w, root, poll);

    if (rv == APR_SUCCESS) {
        return drop_vanished(w, root->path);
    }
    if (rv != APR_EINTR) {
        find(w, root); /* it may have gone while it was scanned */
        rv = root->missing || root->rescan ? APR_SUCCESS : rv;
    }
    return rv;
}

/* A poll that finds nothing is no news. */
static void tell(vld_watch *w, const vld_watch_totals *before, bool poll)
{
    if (!w->ready) {
        return;
    }
    if (!poll) {
        w->totals.rescans++;
        vld_watch_tell(w, VLD_WATCH_RESCAN);
    }
    else if (w->totals.indexed != before->indexed
             || w->totals.dropped != before->dropped) {
        vld_watch_tell(w, VLD_WATCH_BATCH);
    }
}

static apr_status_t scan(vld_watch *w, vld_root *root, bool poll)
{
    int64_t began_ns = vld_monotonic_ns();
    vld_watch_totals before = w->totals;
    apr_status_t rv;

    set_up(w, root);
    rv = scan_and_drop(w, root, poll);
    set_poll_time(w, root, began_ns);
    if (rv == APR_SUCCESS) {
        tell(w, &before, poll);
    }
    return rv;
}

apr_status_t vld_roots_scan(vld_watch *w)
{
    apr_status_t rv = APR_SUCCESS;

    for (size_t i = 0; i < w->count && rv == APR_SUCCESS; i++) {
        vld_root *root = &w->roots[i];
        bool poll = !root->rescan && (root->polled || root->stale)
                    && root->poll_ns <= vld_monotonic_ns();

        if (!root->missing && !root->covered && (root->rescan || poll)) {
            rv = scan(w, root, poll);
        }
    }
    return rv;
}

int64_t vld_roots_next_ns(const vld_watch *w)
{
    int64_t next_ns = INT64_MAX;

    for (size_t i = 0; i < w->count; i++) {
        const vld_root *root = &w->roots[i];

        if (root->missing || root->covered) {
            continue;
        }
        if (root->rescan) {
            return 0;
        }
        if ((root->polled || root->stale) && root->poll_ns < next_ns) {
            next_ns = root->poll_ns;
        }
    }
    return next_ns;
}
