/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* root lets the server's user read an index.  It never lends the lock file, and
 * never the right to write. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "index/files.h"

static bool may_read(const vld_index_owner *user, const struct stat *st)
{
    mode_t bits = S_IROTH;

    if (st->st_uid == user->uid) {
        bits <<= 6;
    }
    else if (st->st_gid == user->gid) {
        bits <<= 3;
    }
    return (st->st_mode & bits) == bits;
}

/* By a descriptor, so that the file that is changed is the one that was
 * checked. */
static bool lend_file(int at, const char *name, const vld_index_owner *user)
{
    int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    bool lent;

    if (fd < 0) {
        return false;
    }
    lent = !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_nlink == 1
           && (st.st_uid == 0 || st.st_uid == user->uid) && !may_read(user, &st)
           && !fchown(fd, (uid_t)-1, user->gid)
           && !fchmod(fd, (st.st_mode & 07777) | S_IRGRP);
    close(fd);
    return lent;
}

/* Another user may have put any file into a folder of their own. */
static int open_roots_folder(const char *path, char name[NAME_MAX + 1])
{
    const char *slash = strrchr(path, '/');
    vld_index_place place;
    int at;

    if (geteuid() != 0 || !slash || slash == path) {
        return -1;
    }
    at = vld_index_place_open(path, &place);
    if (place.verdict != VLD_PLACE_ROOTS || place.linked) {
        vld_index_files_release(at);
        return -1;
    }
    strcpy(name, place.name);
    return at;
}

bool vld_index_files_lend(const char *path, const vld_index_owner *user)
{
    char name[NAME_MAX + 1];
    int at = open_roots_folder(path, name);
    bool lent;

    if (at < 0) {
        return false;
    }
    lent = name[0] && lend_file(at, name, user);
    vld_index_files_release(at);
    return lent;
}
