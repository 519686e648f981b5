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

#ifndef VLD_SERVER_GROUP
#define VLD_SERVER_GROUP "www-data"
#endif

#define DATA_MODE 0640
#define LOCK_MODE 0660 /* readers write themselves into it */
#define NEW "-new"     /* of a lock file that is not in its place yet */
#define FOLDER_MODE 0750

static const gid_t no_group = (gid_t)-1;

/* --- groups -------------------------------------------------------------- */

static gid_t server_group(void)
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

/* The group of new files in a folder: the folder's; in root's own folders
 * the server's, since nobody but root could read the index else. */
static gid_t group_in(const struct stat *folder)
{
    gid_t group = no_group;

    if (geteuid() == 0 && folder->st_gid == 0) {
        group = server_group();
    }
    return group == no_group ? folder->st_gid : group;
}

/* A group that cannot be given is no error: the files still serve their
 * maker. */
static void give(int fd, gid_t group)
{
    if (group != no_group && fchown(fd, (uid_t)-1, group)) {
        errno = 0;
    }
}

/* --- making -------------------------------------------------------------- */

static apr_status_t folder_of(const char *path, char folder[PATH_MAX])
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

static void open_to_server(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return;
    }
    /* chmod after chown: the umask may have taken the group's bits. */
    give(fd, geteuid() == 0 ? server_group() : no_group);
    if (fchmod(fd, FOLDER_MODE)) {
        errno = 0;
    }
    close(fd);
}

apr_status_t vld_index_files_make_folder(const char *path)
{
    char folder[PATH_MAX];
    apr_status_t rv = folder_of(path, folder);

    if (rv == APR_SUCCESS && !mkdir(folder, FOLDER_MODE)) {
        open_to_server(folder);
    }
    else if (rv == APR_SUCCESS && errno != EEXIST) {
        rv = vld_error_os();
    }
    return rv;
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
    give(fd, group);
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

/* Not one that everybody may write to, sticky or not: others could put a lock
 * file there. */
static apr_status_t look_at_folder(const char *path, struct stat *st)
{
    char folder[PATH_MAX];
    apr_status_t rv = folder_of(path, folder);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (stat(folder, st)) {
        return vld_error_os();
    }
    return st->st_mode & S_IWOTH ? VLD_E_OWNER : APR_SUCCESS;
}

static apr_status_t make(const char *path, bool data)
{
    char lock[PATH_MAX];
    struct stat folder;
    apr_status_t rv = look_at_folder(path, &folder);

    if (rv == APR_SUCCESS && data) {
        rv = make_file(path, DATA_MODE, group_in(&folder));
    }
    if (rv == APR_SUCCESS) {
        rv = vld_index_files_lock_path(path, lock);
    }
    return rv == APR_SUCCESS ? make_file(lock, LOCK_MODE, group_in(&folder))
                             : rv;
}

/* At no moment is there none: a reader could not make it. */
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
    rv = make_file(made, LOCK_MODE, group_in(&folder));
    return rv == APR_SUCCESS && rename(made, lock) ? vld_error_os() : rv;
}

/* --- checking ------------------------------------------------------------ */

/* The pages of an index are believed by LMDB: they must come from somebody
 * who could do worse anyway. */
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

/* LMDB's own mark, behind the header of the first page.  Looked for before
 * anything is said of the lock file, which would not mend another file. A file
 * that cannot be read is for LMDB to complain of. */
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
        || (st->st_size == 0 && mode != VLD_STORE_CREATE)) {
        return VLD_E_NOT_INDEX;
    }
    if (st->st_size && !has_mark(path)) {
        return VLD_E_NOT_INDEX;
    }
    return check_owner(path, st);
}

/* Nobody writes to an index on a file system that is read-only: LMDB then
 * reads without a lock file. */
static bool is_read_only(const char *path)
{
    char folder[PATH_MAX];

    return folder_of(path, folder) == APR_SUCCESS
           && faccessat(AT_FDCWD, folder, W_OK, AT_EACCESS) && errno == EROFS;
}

/* Asks without opening: to close a lock file gives up all locks that this
 * process holds on it. */
static apr_status_t check_lock(const char *path)
{
    char lock[PATH_MAX];
    struct stat st;
    apr_status_t rv = vld_index_files_lock_path(path, lock);

    if (rv != APR_SUCCESS || is_read_only(path)) {
        return rv;
    }
    if (lstat(lock, &st) || !S_ISREG(st.st_mode)
        || faccessat(AT_FDCWD, lock, R_OK | W_OK, AT_EACCESS)) {
        return VLD_E_LOCKED;
    }
    return APR_SUCCESS;
}

apr_status_t vld_index_files_prepare(const char *path, vld_store_mode mode,
                                     struct stat *st)
{
    apr_status_t rv = check_data(path, mode, st);

    if (mode == VLD_STORE_CREATE && APR_STATUS_IS_ENOENT(rv)) {
        rv = vld_index_files_make_folder(path);
        rv = rv == APR_SUCCESS ? make(path, true) : rv;
        if (rv == APR_SUCCESS) {
            rv = check_data(path, mode, st);
        }
    }
    if (rv == APR_SUCCESS && mode != VLD_STORE_READ) {
        rv = make(path, false);
    }
    return rv == APR_SUCCESS ? check_lock(path) : rv;
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
    apr_status_t rv = folder_of(path, folder);

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
