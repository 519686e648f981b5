/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The inside of a watch.  Private to watch/.
 *
 *   folders.c  the tree of watched folders
 *   events.c   inotify's events -> folders, pending; new folders listed
 *   pending.c  the paths to look at, and when
 *   round.c    a thread: pending files -> digests
 *   renew.c    rounds filled and written
 *   vanished.c records of what is gone
 *   roots.c    the trees: are they there, scans of them
 *   watch.c    the loop
 */
#ifndef VALIDATORS_WATCH_WATCH_H
#define VALIDATORS_WATCH_WATCH_H

#include "validators/watch.h"
#include "watch/folders.h"
#include "watch/pending.h"
#include "watch/round.h"
#include "watch/vanished.h"

/* One of the paths that were given. */
typedef struct vld_root {
    const char *given;
    char *path; /* its real path; NULL: not known yet */
    dev_t dev;
    ino_t ino;
    bool missing;    /* is not there; was reported */
    bool covered;    /* lies in another root: nothing is done for it */
    bool rescan;     /* scan it as soon as possible */
    bool lost;       /* events were lost: what is watched must be set up anew */
    bool polled;     /* not all of its folders can be watched */
    bool told;       /* that was reported */
    bool stale;      /* files may have changed under other names of theirs */
    int64_t poll_ns; /* when it is scanned next, if polled or stale */
} vld_root;

struct vld_watch {
    const vld_watch_options *options;
    vld_store *store;
    vld_root *roots;
    size_t count;
    vld_folders *folders;
    vld_pending *pending;
    vld_round *round;
    vld_vanished vanished;
    vld_watch_totals totals;
    int64_t tick_ns;             /* the next look at the roots */
    bool ready;                  /* was reported */
    char path[VLD_PATH_MAX + 2]; /* a slash at its end, too */
};

void vld_watch_problem(vld_watch *w, const char *path, const char *why);
void vld_watch_tell(vld_watch *w, vld_watch_news news);
bool vld_watch_is_stopping(const vld_watch *w);

/* --- events.c ------------------------------------------------------------ */

/* Take in all events that are there. */
void vld_events_read(vld_watch *w);
/* Watch a root's folders that are not watched yet. */
void vld_events_fill(vld_watch *w, vld_root *root);
/* A path has changed; one that ends in a slash: all below it may be gone. */
void vld_events_pend(vld_watch *w, vld_root *root, const char *path);

/* --- renew.c ------------------------------------------------------------- */

/* Start to read what is due at now_ns, where nothing is being read; what is
 * gone is dropped. */
apr_status_t vld_renew_start(vld_watch *w, int64_t now_ns);
/* Write what the round, which has ended, has read. */
apr_status_t vld_renew_finish(vld_watch *w);

/* --- roots.c ------------------------------------------------------------- */

/* Look where the roots are. */
void vld_roots_check(vld_watch *w);
/* Scan those that wait for it. */
apr_status_t vld_roots_scan(vld_watch *w);
/* The root of a watched folder; NULL: none any more. */
vld_root *vld_roots_of(vld_watch *w, const vld_folder *f);
void vld_roots_lost(vld_watch *w);
/* A file was changed or went.  Where files have more than one name, inotify
 * tells of one: the others are found by a scan. */
void vld_roots_touched(vld_watch *w);
/* When one is to be scanned next. */
int64_t vld_roots_next_ns(const vld_watch *w);

#endif /* VALIDATORS_WATCH_WATCH_H */
