/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The folders that are watched: a tree of names over the descriptors of
 * inotify.  Private to watch/; one thread. */
#ifndef VALIDATORS_WATCH_FOLDERS_H
#define VALIDATORS_WATCH_FOLDERS_H

#include <sys/stat.h>

#include <apr_pools.h>

#include "validators/index.h"

/* parent and name are adjacent: together they are the key of a folder. */
typedef struct vld_folder {
    struct vld_folder *child; /* the first */
    struct vld_folder *next;  /* of the same parent */
    struct vld_folder **link; /* what points here */
    dev_t dev;
    ino_t ino;
    int wd;
    struct vld_folder *parent; /* NULL: name is an absolute path, "" for "/" */
    char name[];
} vld_folder;

typedef struct vld_folders vld_folders;

/* Status of inotify_init1: EMFILE where fs.inotify.max_user_instances is used
 * up; ENOENT: /proc is not mounted. */
apr_status_t vld_folders_make(vld_folders **out, apr_pool_t *p);
void vld_folders_free(vld_folders *t);

int vld_folders_fd(const vld_folders *t); /* inotify's, not blocking */
size_t vld_folders_count(const vld_folders *t);

/* Watch the folder that is open as fd and has the name in parent (parent
 * NULL: a root, by its path).  Another folder that was watched at this path is
 * dropped.  ENOSPC's status: no more may be watched; APR_EEXIST: the same
 * folder is watched at another path, where it still is (mounted twice): it can
 * be watched at one path only. */
apr_status_t vld_folders_watch(vld_folders *t, vld_folder *parent,
                               const char *name, int fd, vld_folder **out);

/* NULL: not watched. */
vld_folder *vld_folders_by_wd(vld_folders *t, int wd);
vld_folder *vld_folders_child(vld_folders *t, const vld_folder *parent,
                              const char *name);
/* Below root, by the whole path. */
vld_folder *vld_folders_at(vld_folders *t, vld_folder *root, const char *path);

/* Write the path (VLD_PATH_MAX + 1 octets of room) of a folder, or of a name
 * in it; its length, or 0 when it is too long. */
size_t vld_folders_path(const vld_folder *f, const char *name, char *out);

/* Stop watching it and all folders below it. */
void vld_folders_drop(vld_folders *t, vld_folder *f);

#endif /* VALIDATORS_WATCH_FOLDERS_H */
