/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Finds out where the trees of a watch are now.  It reads no event and scans
 * nothing. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "validators/content.h"

static bool is_below(const char *path, const char *folder)
{
    size_t len = strcmp(folder, "/") ? strlen(folder) : 0;

    return !strncmp(path, folder, len) && (path[len] == '/' || !path[len]);
}

static bool is_covered(const vld_watch *w, const vld_root *root)
{
    for (size_t i = 0; i < w->count; i++) {
        const vld_root *other = &w->roots[i];

        if (other != root && other->path && root->path && !other->gone
            && is_below(root->path, other->path)
            && (strcmp(root->path, other->path) || other < root)) {
            return true;
        }
    }
    return false;
}

static void leave_root(vld_watch *w, vld_root *root)
{
    vld_folder *folder = vld_root_folder(w, root);
    size_t len;

    if (folder) {
        vld_folders_drop(w->folders, folder);
    }
    if (root->path) {
        len = strlen(root->path);
        memcpy(w->path, root->path, len);
        strcpy(w->path + len, "/");
        vld_root_pend(w, root, w->path);
    }
}

static void mark_gone(vld_watch *w, vld_root *root, int error)
{
    char why[320];
    size_t len;

    if (root->gone) {
        return;
    }
    leave_root(w, root);
    root->gone = true;
    root->rescan = root->lost = false;
    vld_strerror(APR_FROM_OS_ERROR(error), why, 256);
    len = strlen(why);
    strcpy(why + len, "; it is followed again when it is back");
    vld_watch_report_problem(w, root->given, why);
}

static void mark_found(vld_watch *w, vld_root *root, char *path,
                       const struct stat *st)
{
    bool moved = !root->path || strcmp(path, root->path);

    if (moved || root->gone || st->st_dev != root->dev
        || st->st_ino != root->ino
        || (!root->covered && !vld_root_folder(w, root) && !root->polled)) {
        if (!root->gone) {
            leave_root(w, root);
        }
        root->rescan = true;
    }
    free(root->path);
    root->path = path;
    root->dev = st->st_dev;
    root->ino = st->st_ino;
    root->gone = false;
}

void vld_root_find(vld_watch *w, vld_root *root)
{
    char *path = realpath(root->given, NULL);
    int fd = path ? vld_beneath_open(path, O_RDONLY | O_DIRECTORY) : -1;
    struct stat st;

    if (fd < 0 || fstat(fd, &st)) {
        mark_gone(w, root, errno);
        free(path);
    }
    else {
        mark_found(w, root, path, &st);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void check_cover(vld_watch *w, vld_root *root)
{
    bool covered = is_covered(w, root);

    if (covered && !root->covered && vld_root_folder(w, root)) {
        vld_folders_drop(w->folders, vld_root_folder(w, root));
    }
    root->rescan |= root->covered && !covered;
    root->covered = covered;
}

void vld_roots_check(vld_watch *w)
{
    size_t i;

    for (i = 0; i < w->count; i++) {
        vld_root_find(w, &w->roots[i]);
    }
    for (i = 0; i < w->count; i++) {
        check_cover(w, &w->roots[i]);
    }
}
