/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Opens and looks at files name by name, from the root of the file system or
 * from an open folder.  Follows no link and reads no file. */
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

static int open_name(int fd, const char *name, size_t len, int flags)
{
    char text[NAME_MAX + 1];
    int next;

    if (len > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(text, len ? name : ".", len ? len : 1);
    text[len ? len : 1] = '\0';
    next = openat(fd, text, flags);
    /* Only a file's owner and root may leave the atime alone. */
    return next < 0 && errno == EPERM && (flags & O_NOATIME)
               ? openat(fd, text, flags & ~O_NOATIME)
               : next;
}

static void close_quietly(int fd)
{
    int saved = errno;

    close(fd);
    errno = saved;
}

int vld_beneath_openat(int folder, const char *path, int flags)
{
    int fd = folder;

    path += *path == '/';
    for (;;) {
        size_t len = strcspn(path, "/");
        bool last = !path[len];
        int next = open_name(fd, path, len,
                             last ? flags | O_NOFOLLOW | O_CLOEXEC : FOLDER);

        if (fd != folder) {
            close_quietly(fd);
        }
        if (next < 0 || last) {
            return next;
        }
        fd = next;
        path += len + 1;
    }
}

int vld_beneath_open(const char *path, int flags)
{
    int root = open("/", FOLDER);
    int fd = root < 0 ? -1 : vld_beneath_openat(root, path, flags);

    if (root >= 0) {
        close_quietly(root);
    }
    return fd;
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
