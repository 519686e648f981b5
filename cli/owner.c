/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Root works on another user's index as that user: new files then belong to
 * the owner, and links in the owner's folder cannot lead root to other files.
 * Never gains a right. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "cli/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/message.h"
#include "cli/path.h"

/* The folder of LMDB's files. */
static bool stat_folder(const cli *c, struct stat *st)
{
    const char *real = cli_real(c->pool, c->index);

    return stat(cli_folder_of(c->pool, real ? real : c->index), st) == 0;
}

static bool switch_user(uid_t uid, gid_t folder_gid)
{
    const struct passwd *user = getpwuid(uid);
    gid_t gid = user ? user->pw_gid : folder_gid;
    int rv = user ? initgroups(user->pw_name, gid) : setgroups(1, &gid);

    return rv == 0 && setresgid(gid, gid, gid) == 0
           && setresuid(uid, uid, uid) == 0;
}

bool cli_become_owner(const cli *c)
{
    struct stat st;

    if (geteuid() != 0 || !stat_folder(c, &st) || st.st_uid == 0) {
        return true;
    }
    if (!switch_user(st.st_uid, st.st_gid)) {
        cli_error(
            "%s: its folder belongs to user %ld, cannot switch to that user: "
            "%s; run this as that user",
            cli_shown(c->pool, c->index), (long)st.st_uid, strerror(errno));
        return false;
    }
    return true;
}
