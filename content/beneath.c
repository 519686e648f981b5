/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The way down from the root of the file system, name by name.  It follows no
 * link and reads no file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "validators/content.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FOLDER (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int step(int fd, const char *name, size_t len, int flags)
{
    char text[NAME_MAX + 1];

    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(text, len ? name : ".", len ? len : 1);
    text[len ? len : 1] = '\0';
    return openat(fd, text, flags);
}

static void close_quietly(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
}

int vld_beneath_open(const char *path, int flags)
{
    int fd = open("/", FOLDER);

    path += *path == '/';
    while (fd >= 0) {
        size_t len = strcspn(path, "/");
        int next = step(fd, path, len,
                        path[len] ? FOLDER : flags | O_NOFOLLOW | O_CLOEXEC);

        close_quietly(fd);
        if (!path[len]) {
            return next;
        }
        fd = next;
        path += len + 1;
    }
    return -1;
}

int vld_beneath_stat(const char *path, struct stat *st)
{
    int fd = vld_beneath_open(path, O_PATH);
    int rc = fd < 0 ? -1 : fstat(fd, st);

    if (fd >= 0) {
        close_quietly(fd);
    }
    return rc;
}

int vld_beneath_is_gone(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

bool vld_beneath_is_virtual(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs)) {
        return false;
    }
    switch ((unsigned long)fs.f_type & 0xffffffffUL) {
    case 0x9fa0:     /* proc */
    case 0x62656572: /* sysfs */
    case 0x0027e0eb: /* cgroup */
    case 0x63677270: /* cgroup2 */
    case 0x64626720: /* debugfs */
    case 0x74726163: /* tracefs */
    case 0x73636673: /* securityfs */
    case 0x62656570: /* configfs */
    case 0x6165676c: /* pstore */
    case 0xde5e81e4: /* efivarfs */
    case 0xcafe4a11: /* bpf */
    case 0xf97cff8c: /* selinux */ return true;
    default: return false;
    }
}
