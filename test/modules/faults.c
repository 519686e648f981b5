/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A library to be preloaded by tests: files below FAULTS_BELOW stand on a file
 * system that has no locks, is read-only or is full, as FAULTS says.  It
 * leaves every other file alone. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

static int asked(const char *fault)
{
    const char *faults = getenv("FAULTS");

    return faults && !strcmp(faults, fault);
}

static int is_below(const char *path)
{
    const char *below = getenv("FAULTS_BELOW");

    return below && path && !strncmp(path, below, strlen(below));
}

static int is_fd_below(int fd)
{
    char name[64], path[PATH_MAX];
    ssize_t n;

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    n = readlink(name, path, sizeof(path) - 1);
    if (n <= 0) {
        return 0;
    }
    path[n] = '\0';
    return is_below(path);
}

static int fail(int err)
{
    errno = err;
    return -1;
}

/* --- no locks ------------------------------------------------------------ */

static int is_lock(int command)
{
    return command == F_SETLK || command == F_SETLKW || command == F_GETLK
           || command == F_OFD_SETLK || command == F_OFD_SETLKW
           || command == F_OFD_GETLK;
}

#define FCNTL(name)                                                            \
    int name(int fd, int command, ...)                                         \
    {                                                                          \
        int (*real)(int, int, ...) = (int (*)(int, int, ...))dlsym(RTLD_NEXT,  \
                                                                   #name);     \
        va_list list;                                                          \
        void *arg;                                                             \
                                                                               \
        va_start(list, command);                                               \
        arg = va_arg(list, void *);                                            \
        va_end(list);                                                          \
        if (asked("ENOLCK") && is_lock(command) && is_fd_below(fd)) {          \
            return fail(ENOLCK);                                               \
        }                                                                      \
        return real(fd, command, arg);                                         \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

int flock(int fd, int how)
{
    int (*real)(int, int) = (int (*)(int, int))dlsym(RTLD_NEXT, "flock");

    return asked("ENOLCK") && is_fd_below(fd) ? fail(ENOLCK) : real(fd, how);
}

/* --- read-only ----------------------------------------------------------- */

#define OPEN(name)                                                             \
    int name(const char *path, int flags, ...)                                 \
    {                                                                          \
        int (*real)(const char *, int,                                         \
                    ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT,   \
                                                                  #name);      \
        va_list list;                                                          \
        unsigned mode;                                                         \
                                                                               \
        va_start(list, flags);                                                 \
        mode = va_arg(list, unsigned);                                         \
        va_end(list);                                                          \
        if (asked("EROFS") && is_below(path)                                   \
            && ((flags & O_ACCMODE) != O_RDONLY                                \
                || (flags & O_CREAT && access(path, F_OK)))) {                 \
            return fail(EROFS);                                                \
        }                                                                      \
        return real(path, flags, mode);                                        \
    }
OPEN(open)
OPEN(open64)

int faccessat(int fd, const char *path, int mode, int flags)
{
    int (*real)(int, const char *, int,
                int) = (int (*)(int, const char *, int, int))dlsym(RTLD_NEXT,
                                                                   "faccessat");

    return asked("EROFS") && mode & W_OK && is_below(path)
               ? fail(EROFS)
               : real(fd, path, mode, flags);
}

/* --- full ---------------------------------------------------------------- */

/* The first pages still find room. */
#define FULL_FROM 65536

static int is_full(int fd, off_t at)
{
    return asked("ENOSPC") && is_fd_below(fd) && at >= FULL_FROM;
}

#define PWRITE(name, type, count)                                              \
    ssize_t name(int fd, const type *from, count n, off_t at)                  \
    {                                                                          \
        ssize_t (*real)(int, const type *, count,                              \
                        off_t) = (ssize_t(*)(int, const type *, count,         \
                                             off_t))dlsym(RTLD_NEXT, #name);   \
                                                                               \
        return is_full(fd, at) ? fail(ENOSPC) : real(fd, from, n, at);         \
    }
PWRITE(pwrite, void, size_t)
PWRITE(pwrite64, void, size_t)
PWRITE(pwritev, struct iovec, int)
PWRITE(pwritev64, struct iovec, int)

#define WRITE(name, type, count)                                               \
    ssize_t name(int fd, const type *from, count n)                            \
    {                                                                          \
        ssize_t (*real)(int, const type *,                                     \
                        count) = (ssize_t(*)(int, const type *,                \
                                             count))dlsym(RTLD_NEXT, #name);   \
                                                                               \
        return is_full(fd, lseek(fd, 0, SEEK_CUR)) ? fail(ENOSPC)              \
                                                   : real(fd, from, n);        \
    }
WRITE(write, void, size_t)
WRITE(writev, struct iovec, int)
