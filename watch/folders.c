/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The tree of watched folders.  It reads no event, lists no folder and looks
 * at no file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/folders.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <apr_hash.h>

#include "validators/content.h"

#define EVENTS                                                                 \
    (IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM        \
     | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR    \
     | IN_EXCL_UNLINK)

#define DESCRIPTORS "/proc/self/fd"

struct vld_folders {
    int fd;
    size_t count;
    apr_hash_t *by_wd;
    apr_hash_t *by_name; /* parent and name */
    vld_folder *roots;
};

apr_status_t vld_folders_make(vld_folders **out, apr_pool_t *p)
{
    vld_folders *t;

    if (access(DESCRIPTORS, X_OK)) {
        return vld_error_os();
    }
    t = calloc(1, sizeof(*t));
    if (!t) {
        return APR_ENOMEM;
    }
    t->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (t->fd < 0) {
        apr_status_t rv = vld_error_os();

        free(t);
        return rv;
    }
    t->by_wd = apr_hash_make(p);
    t->by_name = apr_hash_make(p);
    *out = t;
    return APR_SUCCESS;
}

void vld_folders_free(vld_folders *t)
{
    while (t->roots) {
        vld_folders_drop(t, t->roots);
    }
    close(t->fd);
    free(t);
}

int vld_folders_fd(const vld_folders *t)
{
    return t->fd;
}

size_t vld_folders_count(const vld_folders *t)
{
    return t->count;
}

/* --- keys ---------------------------------------------------------------- */

static const void *key_of(const vld_folder *f)
{
    return &f->parent;
}

static apr_ssize_t key_size(const char *name)
{
    return (apr_ssize_t)(offsetof(vld_folder, name)
                         - offsetof(vld_folder, parent) + strlen(name));
}

vld_folder *vld_folders_by_wd(vld_folders *t, int wd)
{
    return apr_hash_get(t->by_wd, &wd, sizeof(wd));
}

vld_folder *vld_folders_child(vld_folders *t, const vld_folder *parent,
                              const char *name)
{
    char key[sizeof(parent) + PATH_MAX + 1];
    size_t len = strlen(name);

    if (len > PATH_MAX) {
        return NULL;
    }
    memcpy(key, &parent, sizeof(parent));
    memcpy(key + sizeof(parent), name, len);
    return apr_hash_get(t->by_name, key, key_size(name));
}

vld_folder *vld_folders_at(vld_folders *t, vld_folder *root, const char *path)
{
    vld_folder *f = root;

    path += strlen(root->name);
    while (f && *path == '/' && path[1]) {
        size_t len = strcspn(++path, "/");
        char name[NAME_MAX + 1];

        if (len > NAME_MAX) {
            return NULL;
        }
        memcpy(name, path, len);
        name[len] = '\0';
        f = vld_folders_child(t, f, name);
        path += len;
    }
    return f;
}

size_t vld_folders_path(const vld_folder *f, const char *name, char *out)
{
    const vld_folder *up;
    size_t len = name ? strlen(name) + 1 : 0;
    size_t at;

    for (up = f; up; up = up->parent) {
        len += strlen(up->name) + (up->parent != NULL);
    }
    if (len > VLD_PATH_MAX) {
        return 0;
    }
    out[at = len] = '\0';
    for (up = f; name || up; name = NULL) {
        const char *part = name ? name : up->name;

        at -= strlen(part);
        memcpy(out + at, part, strlen(part));
        if (name || up->parent) {
            out[--at] = '/';
        }
        up = name ? up : up->parent;
    }
    if (!len) {
        strcpy(out, "/");
        return 1;
    }
    return len;
}

/* --- dropping ------------------------------------------------------------ */

static void unlink_folder(vld_folders *t, vld_folder *f)
{
    apr_hash_set(t->by_wd, &f->wd, sizeof(f->wd), NULL);
    apr_hash_set(t->by_name, key_of(f), key_size(f->name), NULL);
    *f->link = f->next;
    if (f->next) {
        f->next->link = f->link;
    }
    t->count--;
}

/* A tree may be deeper than a stack. */
static void drop_below(vld_folders *t, vld_folder *top)
{
    vld_folder *f = top;

    while (top->child) {
        vld_folder *up;

        while (f->child) {
            f = f->child;
        }
        up = f->parent;
        inotify_rm_watch(t->fd, f->wd);
        unlink_folder(t, f);
        free(f);
        f = up;
    }
}

void vld_folders_drop(vld_folders *t, vld_folder *f)
{
    drop_below(t, f);
    inotify_rm_watch(t->fd, f->wd);
    unlink_folder(t, f);
    free(f);
}

/* --- watching ------------------------------------------------------------ */

/* By the descriptor, since its name may lead elsewhere by now. */
static int add_watch(int fd, int folder)
{
    char path[40];

    snprintf(path, sizeof(path), DESCRIPTORS "/%d", folder);
    return inotify_add_watch(fd, path, EVENTS);
}

static bool is_still_there(const vld_folder *f)
{
    char *path = malloc(VLD_PATH_MAX + 1);
    struct stat st;
    bool there = path && vld_folders_path(f, NULL, path)
                 && !vld_beneath_stat(path, &st) && st.st_dev == f->dev
                 && st.st_ino == f->ino;

    free(path);
    return there;
}

static vld_folder *add_folder(vld_folders *t, vld_folder *parent,
                              const char *name, int wd, const struct stat *st)
{
    vld_folder *f = calloc(1, sizeof(*f) + strlen(name) + 1);

    if (!f) {
        return NULL;
    }
    strcpy(f->name, name);
    f->parent = parent;
    f->wd = wd;
    f->dev = st->st_dev;
    f->ino = st->st_ino;
    f->link = parent ? &parent->child : &t->roots;
    f->next = *f->link;
    if (f->next) {
        f->next->link = &f->next;
    }
    *f->link = f;
    apr_hash_set(t->by_wd, &f->wd, sizeof(f->wd), f);
    apr_hash_set(t->by_name, key_of(f), key_size(f->name), f);
    t->count++;
    return f;
}

static bool is_above(const vld_folder *f, const vld_folder *below)
{
    while (below && below != f) {
        below = below->parent;
    }
    return below != NULL;
}

/* inotify watches the folder already, at another path: it was moved, and that
 * event is yet to come, or it is mounted twice.  Its watch is kept for the new
 * path. */
static apr_status_t release_watch(vld_folders *t, const vld_folder *parent,
                                  vld_folder *old)
{
    if (is_above(old, parent) || is_still_there(old)) {
        return APR_EEXIST;
    }
    drop_below(t, old);
    unlink_folder(t, old);
    free(old);
    return APR_SUCCESS;
}

apr_status_t vld_folders_watch(vld_folders *t, vld_folder *parent,
                               const char *name, int fd, vld_folder **out)
{
    struct stat st;
    int wd = fstat(fd, &st) ? -1 : add_watch(t->fd, fd);
    vld_folder *here, *known;
    apr_status_t rv = APR_SUCCESS;

    if (wd < 0) {
        return vld_error_os();
    }
    here = vld_folders_child(t, parent, name);
    known = vld_folders_by_wd(t, wd);
    if (here && here == known) {
        *out = here;
        return APR_SUCCESS;
    }
    if (known) {
        rv = release_watch(t, parent, known);
    }
    if (rv == APR_SUCCESS) {
        here = vld_folders_child(t, parent, name);
        if (here) {
            vld_folders_drop(t, here);
        }
        *out = add_folder(t, parent, name, wd, &st);
        rv = *out ? APR_SUCCESS : APR_ENOMEM;
    }
    return rv;
}
