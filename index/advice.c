/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Why an index cannot be used, by what is at its path now, and what mends it.
 * It changes nothing and decides nothing. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "index/advice.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "validators/index.h"

#define SCAN "`htvalidators -i \"@\" scan FOLDER`"
#define AS_ROOT "as root, run "
#define ELSEWHERE                                                              \
    "name another file with -i or ValidatorsIndex, for example "               \
    "\"" VLD_DEFAULT_INDEX "\""

/* --- names --------------------------------------------------------------- */

static void name_user(uid_t uid, char *out, size_t size)
{
    char text[4096];
    struct passwd user;
    struct passwd *found = NULL;

    if (getpwuid_r(uid, &user, text, sizeof(text), &found) || !found) {
        snprintf(out, size, "%ld", (long)uid);
        return;
    }
    snprintf(out, size, "%s", user.pw_name);
}

static bool is_server_group(void)
{
    char text[4096];
    struct group group;
    struct group *found = NULL;

    return !getgrnam_r(VLD_SERVER_GROUP, &group, text, sizeof(text), &found)
           && found && group.gr_gid == getegid();
}

/* The path without its last name; false: it has only one. */
static bool cut_name(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash || !strcmp(path, "/")) {
        return false;
    }
    slash[slash == path] = '\0';
    return true;
}

static void blame(vld_advice_view *v, const char *at)
{
    struct stat st;

    snprintf(v->at, sizeof(v->at), "%s", at);
    if (!lstat(at, &st)) {
        name_user(st.st_uid, v->owner, sizeof(v->owner));
    }
}

static void blame_folder(vld_advice_view *v)
{
    snprintf(v->at, sizeof(v->at), "%s", v->path);
    if (!cut_name(v->at)) {
        strcpy(v->at, ".");
    }
    blame(v, strdupa(v->at));
}

static bool may(const char *path, int what)
{
    return !faccessat(AT_FDCWD, path, what, AT_EACCESS);
}

static bool is_there(const char *path)
{
    struct stat st;

    return !stat(path, &st);
}

/* --- a file that is no index --------------------------------------------- */

/* Whether an index would be alone in a folder, or is there already. */
static bool is_for_an_index(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;
    bool good = dir != NULL;

    while (good && (e = readdir(dir))) {
        good = e->d_name[0] == '.' || strstr(e->d_name, ".mdb");
    }
    if (dir) {
        closedir(dir);
    }
    return good;
}

static const char *explain_not_index(vld_advice_view *v)
{
    struct stat st;

    if (stat(v->path, &st)) {
        return lstat(v->path, &st)
                   ? NULL
                   : "it is a link to a file that is not there: run "
                     "`rm \"@\" && htvalidators -i \"@\" scan FOLDER`";
    }
    if (S_ISDIR(st.st_mode)) {
        return is_for_an_index(v->path)
                   ? "it is a folder: name the file in it, "
                     "`htvalidators -i \"@/validators.mdb\" scan FOLDER` and "
                     "\"ValidatorsIndex @/validators.mdb\""
                   : "it is a folder, of other files: " ELSEWHERE;
    }
    if (S_ISREG(st.st_mode) && !st.st_size && st.st_nlink == 1) {
        return "it is empty: run " SCAN;
    }
    return S_ISREG(st.st_mode) ? ELSEWHERE
               ", or, if it is no other program's, run `mv "
               "\"@\" \"@.old\" && htvalidators -i \"@\" scan "
               "FOLDER`"
                               : "it is left as it is: " ELSEWHERE;
}

/* --- a file that is not trusted ------------------------------------------- */

static const char *explain_owner(vld_advice_view *v)
{
    struct stat st, folder;

    blame_folder(v);
    if (stat(v->at, &folder)) {
        return NULL;
    }
    if (folder.st_mode & S_IWOTH) {
        return folder.st_mode & S_ISVTX
                   ? "the folder \"^\" can be written by everybody; an index "
                     "needs one of its own: run `mkdir \"@.d\" && chmod 0750 "
                     "\"@.d\" && htvalidators -i \"@.d/validators.mdb\" scan "
                     "FOLDER`, and name that in ValidatorsIndex"
                   : "the folder \"^\" can be written by everybody: run `chmod "
                     "o-w \"^\"`";
    }
    if (stat(v->path, &st)) {
        return NULL;
    }
    if (st.st_mode & S_IWOTH) {
        return "it can be written by everybody: run `chmod o-w \"@\"`";
    }
    name_user(st.st_uid, v->owner, sizeof(v->owner));
    return "it belongs to user %, who is neither root nor the owner of the "
           "folder: " AS_ROOT "`chown --reference=\"^\" \"@\" \"@-lock\"`";
}

/* --- a file that is not there -------------------------------------------- */

/* The nearest folder above the path that is there; how many are missing. */
static unsigned find_nearest(vld_advice_view *v)
{
    unsigned missing = 0;

    blame_folder(v);
    while (!is_there(v->at) && cut_name(v->at)) {
        missing++;
    }
    return missing;
}

static bool is_read_only(const char *folder)
{
    return !may(folder, W_OK) && errno == EROFS;
}

static const char *explain_missing(vld_advice_view *v)
{
    struct stat st;
    unsigned missing;

    blame_folder(v);
    if (!is_there(v->at) && !lstat(v->at, &st)) {
        return "its folder \"^\" is a link to a folder that is not there: make "
               "that one, or run `rm \"^\"`";
    }
    missing = find_nearest(v);
    if (is_read_only(v->at)) {
        return "there is no index, and the file system of \"^\" is read-only: "
               "mount it writable, or " ELSEWHERE;
    }
    if (missing > 1 && strcmp(v->path, VLD_DEFAULT_INDEX)) {
        blame_folder(v);
        cut_name(v->at);
        return "the folder above the index's folder is not there: run "
               "`mkdir -p \"^\" && htvalidators -i \"@\" scan FOLDER`, "
               "or mend the path";
    }
    return "there is no index: make it with " SCAN;
}

/* --- a file that is not allowed ------------------------------------------- */

static bool is_mine(const char *path)
{
    struct stat st;

    return !stat(path, &st) && st.st_uid == geteuid();
}

/* The first folder on the way that this user may not enter. */
static bool find_closed(vld_advice_view *v)
{
    char way[PATH_MAX];
    char *slash;

    snprintf(way, sizeof(way), "%s", v->path);
    for (slash = strchr(way + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!may(way, X_OK) && errno == EACCES) {
            blame(v, way);
            return true;
        }
        *slash = '/';
    }
    return false;
}

static const char *explain_closed(vld_advice_view *v)
{
    char closed[PATH_MAX];
    bool is_last;

    strcpy(closed, v->at);
    blame_folder(v);
    is_last = !strcmp(closed, v->at);
    blame(v, closed);
    if (is_mine(v->at)) {
        return "user ~ may not enter the own folder \"^\": run `chmod u+rwx "
               "\"^\"`";
    }
    if (!is_server_group()) {
        return "user ~ may not enter \"^\" (user %'s): run the same command as "
               "root";
    }
    return is_last
               ? "user ~ may not enter \"^\" (user %'s): " AS_ROOT
                 "`chgrp " VLD_SERVER_GROUP " \"^\" && chmod g+rx \"^\"`"
               : "user ~ may not enter \"^\" (user %'s), which is not for the "
                 "server: keep the index elsewhere, " ELSEWHERE;
}

static const char *explain_file(vld_advice_view *v)
{
    blame_folder(v);
    if (!may(v->path, R_OK)) {
        if (is_mine(v->path)) {
            return "user ~ may not read the own file: run `chmod u+rw \"@\"`";
        }
        if (is_server_group() && !is_mine(v->at)) {
            return "user ~ may not read it: " AS_ROOT "`chgrp " VLD_SERVER_GROUP
                   " \"@\" && chmod g+r \"@\"`";
        }
    }
    else if (may(v->path, W_OK)) {
        return NULL;
    }
    if (is_mine(v->at)) {
        return "it is in user ~'s folder, and is not user ~'s: " AS_ROOT
               "`chown --reference=\"^\" \"@\" \"@-lock\"`";
    }
    return may(v->path, R_OK)
               ? "user ~ may read it, but not write it: run the same command "
                 "as user % or as root"
               : "user ~ may not read it: run the same command as root";
}

static const char *explain_making(vld_advice_view *v)
{
    find_nearest(v);
    if (may(v->at, W_OK)) {
        return NULL;
    }
    blame(v, strdupa(v->at));
    return is_mine(v->at)
               ? "user ~ may not make files in the own folder \"^\": run "
                 "`chmod u+rwx \"^\"`"
               : "user ~ may not make files in \"^\" (user %'s): run the same "
                 "command as root";
}

static const char *explain_denied(vld_advice_view *v)
{
    const char *text = NULL;

    if (find_closed(v)) {
        return explain_closed(v);
    }
    if (is_there(v->path)) {
        text = explain_file(v);
    }
    return text ? text : explain_making(v);
}

/* Who compacts or renews an index gives the new file to the old one's group. */
static const char *explain_refused(vld_advice_view *v)
{
    struct stat st, folder;

    blame_folder(v);
    if (stat(v->path, &st) || stat(v->at, &folder) || st.st_gid != folder.st_gid
        || folder.st_mode & S_ISGID) {
        return NULL;
    }
    return "user ~ is no member of the file's group: " AS_ROOT
           "`chmod g+s \"^\"`";
}

/* -------------------------------------------------------------------------- */

const char *vld_advice_find(apr_status_t rv, vld_advice_view *view)
{
    name_user(geteuid(), view->user, sizeof(view->user));
    view->at[0] = view->owner[0] = '\0';
    if (rv == VLD_E_NOT_INDEX) {
        return explain_not_index(view);
    }
    if (rv == VLD_E_OWNER) {
        return explain_owner(view);
    }
    if (APR_STATUS_IS_ENOENT(rv)) {
        return explain_missing(view);
    }
    if (APR_STATUS_IS_EACCES(rv)) {
        return explain_denied(view);
    }
    /* Who may not use the file may not use its lock file either. */
    if (rv == VLD_E_LOCKED && is_there(view->path) && !may(view->path, R_OK)) {
        return explain_file(view);
    }
    if (rv == APR_FROM_OS_ERROR(EPERM)) {
        return explain_refused(view);
    }
    if (rv == APR_FROM_OS_ERROR(ENOTDIR)) {
        return "a folder on its path is a file: " ELSEWHERE;
    }
    return NULL;
}
