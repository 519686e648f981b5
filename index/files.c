/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index's folder, file and lock file.  It never looks into them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "index/files.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "index/error.h"
#include "index/place.h"

#define DATA_MODE 0640
#define LOCK_MODE 0600 /* it is LMDB's memory, mutexes with pointers in it */
#define NEW "-new"     /* of a lock file that is not in its place yet */
#define FOLDER_MODE 0750
#define ABOVE_MODE 0755

static const uid_t no_user = (uid_t)-1;
static const gid_t no_group = (gid_t)-1;

/* --- groups -------------------------------------------------------------- */

static gid_t find_server_group(void)
{
    char text[4096];
    struct group group;
    struct group *found = NULL;

    if (getgrnam_r(VLD_SERVER_GROUP, &group, text, sizeof(text), &found)
        || !found) {
        return no_group;
    }
    return group.gr_gid;
}

/* New files get the folder's group; in folders of root's group the server's,
 * because otherwise only root could read the index. */
static gid_t choose_group(const struct stat *folder)
{
    gid_t group = no_group;

    if (geteuid() == 0 && folder->st_gid == 0) {
        group = find_server_group();
    }
    return group == no_group ? folder->st_gid : group;
}

/* A failure is no error: the files still serve the user who made them. */
static void set_group(int fd, gid_t group)
{
    if (group != no_group && fchown(fd, no_user, group)) {
        errno = 0;
    }
}

/* --- making -------------------------------------------------------------- */

static apr_status_t split_folder(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    if (len >= PATH_MAX) {
        return APR_FROM_OS_ERROR(ENAMETOOLONG);
    }
    if (!slash) {
        strcpy(folder, ".");
        return APR_SUCCESS;
    }
    memcpy(folder, path, len);
    strcpy(folder + len, len ? "" : "/");
    return APR_SUCCESS;
}

/* Give a folder that was just made to its owner, or only to the group where
 * owner is NULL.  By a descriptor, so that it is that folder. */
static bool hand_over(int at, const char *folder, const vld_index_owner *owner,
                      gid_t group)
{
    int fd = openat(at, folder,
                    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    bool good = true;

    if (fd < 0) {
        return false;
    }
    if (owner) {
        good = !fstat(fd, &st) && st.st_uid == geteuid()
               && (geteuid() != 0 || !fchown(fd, owner->uid, owner->gid));
    }
    else {
        set_group(fd, group);
    }
    /* chmod after chown: the umask may have taken the group's bits. */
    good = good && !fchmod(fd, FOLDER_MODE);
    close(fd);
    return good;
}

apr_status_t vld_index_files_make_folder(const char *path)
{
    char folder[PATH_MAX];
    apr_status_t rv = split_folder(path, folder);

    if (rv == APR_SUCCESS && !mkdir(folder, FOLDER_MODE)) {
        hand_over(AT_FDCWD, folder, NULL,
                  geteuid() == 0 ? find_server_group() : no_group);
    }
    else if (rv == APR_SUCCESS && errno != EEXIST) {
        rv = vld_error_os();
    }
    return rv;
}

bool vld_index_files_make_folder_for(const char *path,
                                     const vld_index_owner *owner)
{
    char folder[PATH_MAX];
    vld_index_place above;
    int at;
    bool made;

    if (split_folder(path, folder) != APR_SUCCESS) {
        return false;
    }
    if (geteuid() != 0) {
        return !mkdir(folder, FOLDER_MODE)
               && hand_over(AT_FDCWD, folder, owner, no_group);
    }
    /* Where others can write, another folder could be given away. */
    at = vld_index_place_open(folder, &above);
    made = above.verdict == VLD_PLACE_ROOTS && above.name[0]
               ? !mkdirat(at, above.name, FOLDER_MODE)
                     && hand_over(at, above.name, owner, no_group)
               : vld_index_place_make_as(at, &above, FOLDER_MODE, owner);
    vld_index_files_release(at);
    return made;
}

void vld_index_files_make_parents(const char *path)
{
    char folder[PATH_MAX];
    char *slash;

    if (split_folder(path, folder) != APR_SUCCESS) {
        return;
    }
    for (slash = strchr(folder + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(folder, ABOVE_MODE);
        *slash = '/';
    }
}

/* The default index has no typing errors in its path. */
void vld_index_files_make_above(const char *path)
{
    vld_index_place place;

    if (!strcmp(path, VLD_DEFAULT_INDEX)
        && (geteuid() != 0
            || vld_index_place_judge(path, &place) == VLD_PLACE_ROOTS)) {
        vld_index_files_make_parents(path);
    }
}

/* Made with its final mode and group before LMDB opens it, which would leave
 * the mode to the umask. */
static apr_status_t make_file(const char *path, mode_t mode, gid_t group)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                  mode);

    if (fd < 0) {
        return errno == EEXIST ? APR_SUCCESS : vld_error_os();
    }
    set_group(fd, group);
    if (fchmod(fd, mode)) {
        errno = 0;
    }
    close(fd);
    return APR_SUCCESS;
}

apr_status_t vld_index_files_lock_path(const char *path, char lock[PATH_MAX])
{
    size_t len = strlen(path);

    if (len + sizeof("-lock") > PATH_MAX) {
        return APR_FROM_OS_ERROR(ENAMETOOLONG);
    }
    memcpy(lock, path, len);
    strcpy(lock + len, "-lock");
    return APR_SUCCESS;
}

/* In a folder that everybody may write to, sticky or not, others could make the
 * lock file: it is refused. */
static apr_status_t look_at_folder(const char *path, struct stat *st)
{
    char folder[PATH_MAX];
    apr_status_t rv = split_folder(path, folder);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (stat(folder, st)) {
        return vld_error_os();
    }
    return st->st_mode & S_IWOTH ? VLD_E_OWNER : APR_SUCCESS;
}

static apr_status_t make_data(const char *path)
{
    struct stat folder;
    apr_status_t rv = look_at_folder(path, &folder);

    return rv == APR_SUCCESS ? make_file(path, DATA_MODE, choose_group(&folder))
                             : rv;
}

static apr_status_t make_lock(const char *path)
{
    char lock[PATH_MAX];
    struct stat folder;
    apr_status_t rv = look_at_folder(path, &folder);

    if (rv == APR_SUCCESS) {
        rv = vld_index_files_lock_path(path, lock);
    }
    return rv == APR_SUCCESS ? make_file(lock, LOCK_MODE, no_group) : rv;
}

/* By rename: there always is a lock file. */
apr_status_t vld_index_files_renew_lock(const char *path)
{
    char lock[PATH_MAX];
    char made[PATH_MAX + sizeof(NEW)];
    struct stat folder;
    apr_status_t rv = look_at_folder(path, &folder);

    if (rv == APR_SUCCESS) {
        rv = vld_index_files_lock_path(path, lock);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    snprintf(made, sizeof(made), "%s" NEW, lock);
    if (unlink(made) && errno != ENOENT) {
        return vld_error_os();
    }
    rv = make_file(made, LOCK_MODE, no_group);
    return rv == APR_SUCCESS && rename(made, lock) ? vld_error_os() : rv;
}

/* --- checking ------------------------------------------------------------ */

/* LMDB trusts the pages of an index: they must come from a user who could do
 * worse anyway. */
static apr_status_t check_owner(const char *path, const struct stat *st)
{
    struct stat above;
    apr_status_t rv = look_at_folder(path, &above);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    return !(st->st_mode & S_IWOTH)
                   && (st->st_uid == 0 || st->st_uid == geteuid()
                       || st->st_uid == above.st_uid)
               ? APR_SUCCESS
               : VLD_E_OWNER;
}

/* LMDB's own mark, behind the header of the first page.  It is checked before
 * the lock file, because a message about that would mislead where the file is
 * no index.  LMDB itself reports a file that cannot be read. */
#define MARK_OFFSET (sizeof(size_t) > 4 ? 16 : 12)
#define MARK 0xBEEFC0DEu

static bool has_mark(const char *path)
{
    uint32_t mark = MARK;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t n;

    if (fd < 0) {
        return true;
    }
    n = pread(fd, &mark, sizeof(mark), MARK_OFFSET);
    close(fd);
    return n == (ssize_t)sizeof(mark) && mark == MARK;
}

/* An empty file with another name is another program's: no index is made in
 * it. */
static bool has_one_name(const char *path)
{
    struct stat st;

    return !lstat(path, &st) && S_ISREG(st.st_mode) && st.st_nlink == 1;
}

static apr_status_t check_data(const char *path, vld_store_mode mode,
                               struct stat *st)
{
    struct stat link;

    if (stat(path, st)) {
        apr_status_t rv = vld_error_os();

        /* A link to nowhere: LMDB would make the file there. */
        return !lstat(path, &link) && S_ISLNK(link.st_mode) ? VLD_E_NOT_INDEX
                                                            : rv;
    }
    if (!S_ISREG(st->st_mode)
        || (st->st_size ? !has_mark(path)
                        : mode != VLD_STORE_CREATE || !has_one_name(path))) {
        return VLD_E_NOT_INDEX;
    }
    return check_owner(path, st);
}

/* Not by name, which could be a link by now. */
static bool tighten(int fd)
{
    char name[64];

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    return !chmod(name, LOCK_MODE);
}

/* What stands in the lock file is followed as pointers: nobody else may write
 * there.  That of an older version has the mode 0660.  It is opened by O_PATH,
 * because closing it in any other way would release all locks that this process
 * has on it. */
static apr_status_t claim_lock(const char *path)
{
    char lock[PATH_MAX];
    struct stat st;
    bool good;
    int fd;
    apr_status_t rv = vld_index_files_lock_path(path, lock);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    fd = open(lock, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? VLD_E_LOCKED : vld_error_os();
    }
    good = !fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_uid == geteuid()
           && (!(st.st_mode & 077) || tighten(fd))
           && !faccessat(AT_FDCWD, lock, R_OK | W_OK, AT_EACCESS);
    close(fd);
    return good ? APR_SUCCESS : VLD_E_LOCKED;
}

apr_status_t vld_index_files_prepare(const char *path, vld_store_mode mode,
                                     struct stat *st)
{
    apr_status_t rv = check_data(path, mode, st);

    if (mode == VLD_STORE_CREATE && APR_STATUS_IS_ENOENT(rv)) {
        rv = vld_index_files_make_folder(path);
        rv = rv == APR_SUCCESS ? make_data(path) : rv;
        if (rv == APR_SUCCESS) {
            rv = check_data(path, mode, st);
        }
    }
    if (rv != APR_SUCCESS || mode == VLD_STORE_READ) {
        return rv;
    }
    if (faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS)) {
        return vld_error_os();
    }
    rv = make_lock(path);
    return rv == APR_SUCCESS ? claim_lock(path) : rv;
}

/* --- holding the folder -------------------------------------------------- */

#define NAP_NS INT64_C(5000000)

static bool try_hold(int fd, int how, long wait_ms)
{
    const struct timespec nap = { 0, NAP_NS };
    int64_t left = wait_ms * INT64_C(1000000);

    while (flock(fd, how | LOCK_NB)) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            return true; /* a file system without such locks */
        }
        if (left <= 0) {
            return false;
        }
        nanosleep(&nap, NULL);
        left -= NAP_NS;
    }
    return true;
}

apr_status_t vld_index_files_hold(const char *path, bool alone, long wait_ms,
                                  int *held)
{
    char folder[PATH_MAX];
    apr_status_t rv = split_folder(path, folder);

    *held = -1;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    *held = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*held >= 0 && !try_hold(*held, alone ? LOCK_EX : LOCK_SH, wait_ms)) {
        vld_index_files_release(*held);
        *held = -1;
        return APR_EAGAIN;
    }
    return APR_SUCCESS;
}

void vld_index_files_release(int held)
{
    if (held >= 0) {
        close(held);
    }
}
