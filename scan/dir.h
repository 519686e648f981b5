/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A folder that is open for several threads.  Private to scan/. */
#ifndef VALIDATORS_SCAN_DIR_H
#define VALIDATORS_SCAN_DIR_H

#include <dirent.h>

/* The walk holds it while it reads the folder, jobs until they have opened
 * their file. */
typedef struct vld_dir {
    DIR *stream;
    int fd;   /* the stream's */
    int refs; /* atomic */
} vld_dir;

/* Takes fd, also when it fails: NULL and errno. */
vld_dir *vld_dir_open(int fd);
vld_dir *vld_dir_hold(vld_dir *dir);
/* The last release closes it; NULL: nothing. */
void vld_dir_release(vld_dir *dir);

#endif /* VALIDATORS_SCAN_DIR_H */
