/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index's files and folder, prepared by the parent while it is root, so
 * that the children can use them.  It never opens the index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "server/index/prepare.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include <http_config.h>
#include <http_log.h>
#include <unixd.h>

#include "server/config.h"

APLOG_USE_MODULE(validators);

#define FOLDER_MODE 0750

/* --- files that are there ------------------------------------------------- */

/* Whether the server's user has these bits, by the mode of the file. */
static bool server_has(const struct stat *st, mode_t bits)
{
    if (st->st_uid == ap_unixd_config.user_id) {
        return (st->st_mode & (bits << 6)) == bits << 6;
    }
    if (st->st_gid == ap_unixd_config.group_id) {
        return (st->st_mode & (bits << 3)) == bits << 3;
    }
    return (st->st_mode & bits) == bits;
}

/* Give a file of the index to the server's group, if the children cannot use
 * it.  Only a regular file with one name that root or the server's user owns;
 * through a descriptor, so that the file that was checked is the file that is
 * changed. */
static void grant_file(server_rec *s, const char *path, mode_t bits)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1
        && (st.st_uid == 0 || st.st_uid == ap_unixd_config.user_id)
        && !server_has(&st, bits)
        && fchown(fd, (uid_t)-1, ap_unixd_config.group_id) == 0
        && fchmod(fd, (st.st_mode & 07777) | bits << 3) == 0) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "%s: now of the server's group, which reads the index",
                     path);
    }
    close(fd);
}

/* A folder of another user may contain any file under any name; and files that
 * are made in it have the folder's group already. */
static bool is_in_roots_folder(apr_pool_t *ptemp, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat st;

    return slash && slash != path
           && stat(apr_pstrmemdup(ptemp, path, (apr_size_t)(slash - path)), &st)
                  == 0
           && st.st_uid == 0 && !(st.st_mode & S_IWOTH);
}

void vld_index_grant_to_group(server_rec *s, apr_pool_t *ptemp)
{
    const char *path = vld_config_global()->index_path;

    if (vld_config_global()->any_engine_on && geteuid() == 0
        && is_in_roots_folder(ptemp, path)) {
        grant_file(s, path, 4);
        grant_file(s, apr_pstrcat(ptemp, path, "-lock", NULL), 6);
    }
}

/* --- the folder ----------------------------------------------------------- */

/* Only for the default index: its path has no misspelling by an
 * administrator. */
static void make_folders_above(const char *path, const char *folder,
                               apr_pool_t *ptemp)
{
    const char *slash = strrchr(folder, '/');

    if (!strcmp(path, VLD_DEFAULT_INDEX) && slash && slash != folder) {
        apr_dir_make_recursive(apr_pstrmemdup(ptemp, folder,
                                              (apr_size_t)(slash - folder)),
                               APR_FPROT_UREAD | APR_FPROT_UWRITE
                                   | APR_FPROT_UEXECUTE | APR_FPROT_GREAD
                                   | APR_FPROT_GEXECUTE | APR_FPROT_WREAD
                                   | APR_FPROT_WEXECUTE,
                               ptemp);
    }
}

/* Through a descriptor, and only what this process has just made. */
static bool give_folder(const char *folder)
{
    struct stat st;
    bool given;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        return false;
    }
    /* chmod after chown: the umask may have taken the group's bits. */
    given = fstat(fd, &st) == 0 && st.st_uid == geteuid()
            && (geteuid() != 0
                || fchown(fd, ap_unixd_config.user_id, ap_unixd_config.group_id)
                       == 0)
            && fchmod(fd, FOLDER_MODE) == 0;
    close(fd);
    return given;
}

void vld_index_make_folder(server_rec *s, apr_pool_t *ptemp, bool indexes)
{
    const char *path = vld_config_global()->index_path;
    const char *slash = strrchr(path, '/');
    const char *folder;

    if (!indexes || !slash || slash == path) {
        return;
    }
    folder = apr_pstrmemdup(ptemp, path, (apr_size_t)(slash - path));
    make_folders_above(path, folder, ptemp);
    if (mkdir(folder, FOLDER_MODE) == 0 && give_folder(folder)) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "%s: made for the server to keep its index in", folder);
    }
}
