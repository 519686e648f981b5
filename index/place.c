/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The folders on the way to an index, judged for root by what was opened and
 * not by name.  It never changes what exists. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "index/place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_LINKS 40

typedef struct walk {
    int fd;         /* the folder that was reached */
    struct stat st; /* its */
    char here[PATH_MAX];
    char rest[PATH_MAX];
    unsigned links;
    bool foreign; /* place->at is a folder of others on the way */
    vld_index_place *place;
} walk;

/* Only root can put or replace something here. */
static bool is_roots_alone(const struct stat *st)
{
    return st->st_uid == 0 && !(st->st_mode & S_IWOTH)
           && (!(st->st_mode & S_IWGRP) || st->st_gid == 0);
}

/* Others can add to a sticky folder of root's, but replace nothing of
 * root's. */
static bool keeps_what_is_roots(const struct stat *st)
{
    return is_roots_alone(st) || (st->st_uid == 0 && st->st_mode & S_ISVTX);
}

static void blame_folder(const walk *w)
{
    strcpy(w->place->at, w->here[0] ? w->here : "/");
    w->place->at_uid = w->st.st_uid;
    w->place->at_gid = w->st.st_gid;
    w->place->at_mode = w->st.st_mode & 07777;
}

static bool enter_folder(walk *w, int fd, const char *name)
{
    size_t len = strlen(w->here);

    if (w->fd >= 0) {
        if (!w->foreign && !keeps_what_is_roots(&w->st)) {
            blame_folder(w);
            w->foreign = true;
        }
        close(w->fd);
    }
    w->fd = fd;
    return (size_t)snprintf(w->here + len, sizeof(w->here) - len, "%s%s",
                            *name ? "/" : "", name)
               < sizeof(w->here) - len
           && !fstat(fd, &w->st);
}

static bool start_at_root(walk *w)
{
    int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    w->here[0] = '\0';
    return fd >= 0 && enter_folder(w, fd, "");
}

static bool set_rest(walk *w, const char *first, const char *second)
{
    char text[PATH_MAX];
    int n = snprintf(text, sizeof(text), "%s/%s", first, second);

    if (n < 0 || (size_t)n >= sizeof(text)) {
        errno = ENAMETOOLONG;
        return false;
    }
    strcpy(w->rest, text);
    return true;
}

/* False at the end of the path. */
static bool take_name(walk *w, char name[NAME_MAX + 1])
{
    size_t skip = strspn(w->rest, "/");
    size_t len = strcspn(w->rest + skip, "/");

    if (len == 0 || len > NAME_MAX) {
        return false;
    }
    memcpy(name, w->rest + skip, len);
    name[len] = '\0';
    memmove(w->rest, w->rest + skip + len, strlen(w->rest + skip + len) + 1);
    return true;
}

static bool follow_link(walk *w, int link)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);

    if (n < 0 || ++w->links > MOST_LINKS) {
        errno = n < 0 ? errno : ELOOP;
        return false;
    }
    target[n] = '\0';
    return set_rest(w, target, w->rest)
           && (target[0] != '/' || start_at_root(w));
}

/* What is behind name: a folder is entered, a link is followed where only root
 * can have put it; *on is false where the way ends here. */
static bool go_on(walk *w, const char *name, bool *on)
{
    bool last = !w->rest[strspn(w->rest, "/")];
    int fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    bool good = true;

    *on = false;
    if (fd >= 0 && !fstat(fd, &st)) {
        if (S_ISLNK(st.st_mode) && is_roots_alone(&w->st)) {
            *on = true;
            w->place->linked |= last;
            good = follow_link(w, fd);
        }
        else if (S_ISDIR(st.st_mode) && !last) {
            *on = true;
            return enter_folder(w, fd, name);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    if (!*on && last) {
        strcpy(w->place->name, name);
    }
    return good;
}

static bool walk_path(walk *w)
{
    char name[NAME_MAX + 1];
    bool on = true;

    while (on && take_name(w, name)) {
        if (!go_on(w, name, &on)) {
            return false;
        }
    }
    return true;
}

static vld_index_verdict judge_folder(const walk *w)
{
    if (w->st.st_uid != 0) {
        blame_folder(w);
        return VLD_PLACE_OTHERS;
    }
    if (!is_roots_alone(&w->st)) {
        blame_folder(w);
        return VLD_PLACE_OPEN;
    }
    return w->foreign ? VLD_PLACE_LED : VLD_PLACE_ROOTS;
}

static bool start(walk *w, const char *path)
{
    char cwd[PATH_MAX] = "";

    return (path[0] == '/' || getcwd(cwd, sizeof(cwd)))
           && set_rest(w, cwd, path) && start_at_root(w);
}

int vld_index_place_open(const char *path, vld_index_place *place)
{
    walk w = { .fd = -1, .place = place };

    memset(place, 0, sizeof(*place));
    place->verdict = VLD_PLACE_FAILED;
    if (start(&w, path) && walk_path(&w)) {
        place->verdict = judge_folder(&w);
        return w.fd;
    }
    if (w.fd >= 0) {
        int err = errno;

        close(w.fd);
        errno = err;
    }
    return -1;
}

vld_index_verdict vld_index_place_judge(const char *path,
                                        vld_index_place *place)
{
    int fd = vld_index_place_open(path, place);

    if (fd >= 0) {
        close(fd);
    }
    return place->verdict;
}

bool vld_index_place_make_as(int at, const vld_index_place *place, mode_t mode,
                             const vld_index_owner *owner)
{
    gid_t before = getegid();
    bool made;

    if (place->verdict != VLD_PLACE_OTHERS || place->at_uid != owner->uid
        || !place->name[0] || setegid(owner->gid)) {
        return false;
    }
    made = !seteuid(owner->uid) && !mkdirat(at, place->name, mode);
    return !seteuid(0) && !setegid(before) && made;
}
