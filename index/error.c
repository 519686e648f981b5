/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Errors of LMDB and of the system as apr_status_t, and as sentences for the
 * administrator.  It decides nothing. */
#include "index/error.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <apr_strings.h>

#include "index/advice.h"
#include "validators/index.h"

/* Less free space than this may cut a write short. */
#define LEAST_FREE 1048576

apr_status_t vld_error_mdb(int rc)
{
    switch (rc) {
    case MDB_SUCCESS: return APR_SUCCESS;
    case MDB_NOTFOUND: return APR_NOTFOUND;
    case MDB_INVALID:
    case MDB_INCOMPATIBLE: return VLD_E_NOT_INDEX;
    case MDB_VERSION_MISMATCH: return VLD_E_VERSION;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL: /* pages that refer to each other in a circle */
    case MDB_BAD_TXN:     /* an error before, in the same transaction */
    case MDB_PANIC: return VLD_E_DAMAGED;
    case MDB_MAP_FULL:
    case MDB_MAP_RESIZED: return VLD_E_FULL;
    case MDB_TXN_FULL: return APR_ENOMEM;
    case MDB_BAD_VALSIZE: return APR_EINVAL;
    default: return rc > 0 ? APR_FROM_OS_ERROR(rc) : APR_EGENERAL;
    }
}

static bool is_disk_full(MDB_env *env)
{
    mdb_filehandle_t fd;
    struct statvfs fs;

    return !mdb_env_get_fd(env, &fd) && !fstatvfs(fd, &fs)
           && (uint64_t)fs.f_bavail * fs.f_frsize < LEAST_FREE;
}

apr_status_t vld_error_mdb_write(int rc, MDB_env *env)
{
    return rc == EIO && is_disk_full(env) ? APR_FROM_OS_ERROR(ENOSPC)
                                          : vld_error_mdb(rc);
}

static const char *find_sentence(apr_status_t rv)
{
    switch (rv) {
    case VLD_E_NOT_INDEX: return "the file is not an index of mod_validators";
    case VLD_E_VERSION: return "the index is of another format version";
    case VLD_E_DAMAGED:
        return "the index is damaged: it is cut short, or its pages or "
               "records do not check";
    case VLD_E_FULL: return "the index has grown to the most that it may";
    case VLD_E_UNKNOWN:
        return "the index changes too fast to be read at this moment";
    case VLD_E_LOCKED: return "the index's lock file is not this user's alone";
    case VLD_E_OWNER:
        return "the index is not trusted, since others could have written it";
    case VLD_E_REPLACED: return "the index has been replaced or removed";
    case VLD_E_STALE: return "the index's lock file belongs to another index";
    default: break;
    }
    if (APR_STATUS_IS_ENOENT(rv)) {
        return "no such file or folder";
    }
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        return "no record of this path";
    }
    return NULL;
}

const char *vld_strerror(apr_status_t rv, char *buf, apr_size_t size)
{
    const char *text = find_sentence(rv);

    if (!text) {
        return apr_strerror(rv, buf, size);
    }
    apr_cpystrn(buf, text, size);
    return buf;
}

/* What to do; '@' means the index's path. */
static const char *find_cure(apr_status_t rv)
{
    switch (rv) {
    case VLD_E_NOT_INDEX:
        return "name another file with -i or ValidatorsIndex, or move \"@\" "
               "away and run `htvalidators -i \"@\" scan FOLDER`";
    case VLD_E_VERSION:
    case VLD_E_DAMAGED:
        return "move it away and make a new one: run `mv \"@\" \"@.old\" && "
               "rm -f \"@-lock\" && htvalidators -i \"@\" scan FOLDER`; httpd "
               "needs no restart";
    case VLD_E_FULL:
        return "see what it holds with `htvalidators -i \"@\" stat` and drop "
               "what is not served with `htvalidators -i \"@\" forget "
               "FOLDER`; where `ulimit -v` limits memory, raise that";
    case VLD_E_UNKNOWN:
        return "do it again: \"@\" was written to all the time; "
               "`fuser -v \"@\"` names who has it open";
    case VLD_E_LOCKED:
        return "who writes to \"@\" must own \"@-lock\", a regular file of "
               "mode 0600: write as the owner of the index, or, while nothing "
               "writes to it, run `rm -f \"@-lock\"`: the next who writes "
               "makes it again";
    case VLD_E_OWNER:
        return "\"@\" must belong to root, to the user who opens it or to "
               "the owner of its folder, and neither it nor its folder may "
               "be writable for everybody: see `ls -la` there, then `chown` "
               "or `chmod o-w`, or name another file";
    case VLD_E_STALE:
        return "while nothing writes to \"@\", run `rm -f \"@-lock\"`: the "
               "next who writes makes it again";
    case VLD_E_REPLACED:
        return "do it again: another file stands at \"@\" now, or none";
    default: return NULL;
    }
}

static const char *find_os_cure(apr_status_t rv)
{
    if (APR_STATUS_IS_ENOENT(rv)) {
        return "there is no index at \"@\": make it with `htvalidators -i "
               "\"@\" scan FOLDER`";
    }
    if (APR_STATUS_IS_EACCES(rv)) {
        return "\"@\" and the folders above it must be accessible: run "
               "`chgrp " VLD_SERVER_GROUP
               " \"@\" && chmod g+r \"@\"` and look at the modes of the "
               "folders, or run the command as root or as the owner of the "
               "index";
    }
    if (APR_STATUS_IS_ENOSPC(rv)) {
        return "free space where \"@\" is kept and run `htvalidators -i "
               "\"@\" scan FOLDER` again: what was committed is kept";
    }
    if (rv == APR_FROM_OS_ERROR(ENOLCK)
        || rv == APR_FROM_OS_ERROR(EOPNOTSUPP)) {
        return "\"@\" must be on a local file system with locks (not NFS): "
               "name another file with -i or ValidatorsIndex";
    }
    if (rv == APR_FROM_OS_ERROR(EROFS)) {
        return "\"@\" can be read where it is, but not written: run this "
               "where its file system is writable, or name another file with "
               "-i";
    }
    if (APR_STATUS_IS_EAGAIN(rv)) {
        return "another process is opening or replacing \"@\" and does not "
               "get on: see `fuser -v \"@\"`, and try again";
    }
    return "look at \"@\" with `htvalidators -i \"@\" stat`, and into the "
           "system's log";
}

/* What a sign stands for; NULL: it is none. */
static const char *find_value(char sign, const vld_advice_view *view)
{
    switch (sign) {
    case '@': return view->path;
    case '^': return view->at;
    case '~': return view->user;
    case '%': return view->owner;
    default: return NULL;
    }
}

static void expand_signs(const char *text, const vld_advice_view *view,
                         char *buf, apr_size_t size)
{
    char *out = buf;
    char *end = buf + size - 1;

    for (; *text && out < end; text++) {
        const char *value = find_value(*text, view);

        if (!value) {
            *out++ = *text;
            continue;
        }
        for (; *value && out < end; value++) {
            *out++ = *value;
        }
    }
    *out = '\0';
}

const char *vld_advice(apr_status_t rv, const char *index_path, char *buf,
                       apr_size_t size)
{
    vld_advice_view view = { .path = index_path };
    const char *text;

    if (!size) {
        return buf;
    }
    text = vld_advice_find(rv, &view);
    if (!text) {
        text = find_cure(rv);
    }
    expand_signs(text ? text : find_os_cure(rv), &view, buf, size);
    return buf;
}
