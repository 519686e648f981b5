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

#include <apr_strings.h>

#include "cli/cli.h"
#include "cli/message.h"
#include "cli/path.h"
#include "validators/index.h"

static bool switch_user(uid_t uid, gid_t folder_gid)
{
    const struct passwd *user = getpwuid(uid);
    gid_t gid = user ? user->pw_gid : folder_gid;
    int rv = user ? initgroups(user->pw_name, gid) : setgroups(1, &gid);

    return rv == 0 && setresgid(gid, gid, gid) == 0
           && setresuid(uid, uid, uid) == 0;
}

static bool become(const cli *c, const vld_index_place *place)
{
    if (!switch_user(place->at_uid, place->at_gid)) {
        cli_error(
            "%s: its folder belongs to user %ld, cannot switch to that user: "
            "%s; run this as that user",
            cli_shown(c->pool, c->index), (long)place->at_uid, strerror(errno));
        return false;
    }
    return true;
}

static const char *name_writers(const cli *c, const vld_index_place *place)
{
    if (place->at_uid != 0) {
        return apr_psprintf(c->pool, "user %ld", (long)place->at_uid);
    }
    return place->at_mode & S_IWOTH
               ? "everybody"
               : apr_psprintf(c->pool, "group %ld", (long)place->at_gid);
}

static const char *show_folder(const cli *c)
{
    return cli_shown(c->pool, cli_folder_of(c->pool, c->index));
}

/* What makes an end of the danger in the folder on the way. */
static const char *close_way(const cli *c, const vld_index_place *place)
{
    const char *at = cli_shown(c->pool, place->at);

    return place->at_uid == 0
               ? apr_psprintf(c->pool, "chmod go-w \"%s\"", at)
               : apr_psprintf(c->pool, "chown -R --reference=\"%s\" \"%s\"", at,
                              show_folder(c));
}

/* In a sticky folder others cannot replace what root makes. */
static void refuse_missing(const cli *c, const vld_index_place *place)
{
    const char *folder = cli_folder_of(c->pool, c->index);
    struct stat st;
    const char *cure;

    if (!lstat(folder, &st)) {
        cure = apr_psprintf(c->pool, "name it without the link, -i \"%s\"",
                            cli_shown(c->pool, cli_real(c->pool, c->index)));
    }
    else if (place->at_mode & S_ISVTX) {
        cure = apr_psprintf(c->pool,
                            "make the index's folder first, `mkdir -p -m 0750 "
                            "\"%s\"`",
                            show_folder(c));
    }
    else {
        cure = apr_psprintf(c->pool,
                            "`%s`, or make the index's folder for the user "
                            "who keeps the index",
                            close_way(c, place));
    }
    cli_error("%s: its folder is not there (or behind a link), and %s can be "
              "written by %s, who could lead root to other files; %s",
              cli_shown(c->pool, c->index), cli_shown(c->pool, place->at),
              name_writers(c, place), cure);
}

static void refuse(const cli *c, const vld_index_place *place)
{
    const char *index = cli_shown(c->pool, c->index);
    const char *at = cli_shown(c->pool, place->at);
    const char *who = name_writers(c, place);

    if (place->verdict == VLD_PLACE_LED) {
        cli_error("%s: the folder %s on its path can be written by %s, and the "
                  "index's folder belongs to root, who could be led to other "
                  "files; give the index's folder to the user who keeps the "
                  "index, or keep it below folders that only root can write "
                  "to: `%s`",
                  index, at, who, close_way(c, place));
    }
    else if (!place->name[0]) {
        refuse_missing(c, place);
    }
    else {
        cli_error("%s: its folder can be written by %s, who could lead root to "
                  "other files; `chmod go-w \"%s\"`, or give the folder to the "
                  "user who keeps the index",
                  index, who, at);
    }
}

bool cli_become_owner(const cli *c)
{
    vld_index_place place;

    if (geteuid() != 0) {
        return true;
    }
    switch (vld_index_place_judge(c->index, &place)) {
    case VLD_PLACE_ROOTS: return true;
    case VLD_PLACE_OTHERS: return become(c, &place);
    case VLD_PLACE_FAILED:
        cli_error("%s: cannot be reached: %s", cli_shown(c->pool, c->index),
                  strerror(errno));
        return false;
    default: refuse(c, &place); return false;
    }
}

/* --- the group ----------------------------------------------------------- */

static const char *name_group(const cli *c, gid_t gid)
{
    const struct group *group = getgrgid(gid);

    return group ? apr_pstrdup(c->pool, group->gr_name)
                 : apr_psprintf(c->pool, "%ld", (long)gid);
}

/* The owner of a folder may give files to its group as a member only; the
 * folder's setgid bit gives them in any case.  Root has done it by itself. */
void cli_warn_of_group(const cli *c)
{
    const char *index = cli_real(c->pool, c->index);
    const char *folder = index ? cli_folder_of(c->pool, index) : NULL;
    struct stat file, above;

    if (!folder || stat(index, &file) || stat(folder, &above)
        || above.st_uid == 0 || file.st_gid == above.st_gid
        || !(above.st_mode & S_IXGRP) || file.st_mode & S_IROTH) {
        return;
    }
    index = cli_shown(c->pool, index);
    cli_error("warning: %s belongs to group %s, its folder to group %s, which "
              "cannot read it; as root, run `chgrp %s \"%s\" && chmod g+s "
              "\"%s\"`",
              index, name_group(c, file.st_gid), name_group(c, above.st_gid),
              name_group(c, above.st_gid), index, cli_shown(c->pool, folder));
}
