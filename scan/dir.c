/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Folders that are open for several threads: counted.  Reads none. */
#include "scan/dir.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

vld_dir *vld_dir_open(int fd)
{
    vld_dir *dir = malloc(sizeof(*dir));
    DIR *stream = dir ? fdopendir(fd) : NULL;

    if (!stream) {
        int saved = errno;

        free(dir);
        close(fd);
        errno = saved;
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
