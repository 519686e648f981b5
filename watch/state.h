/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The state of a watch, and what its parts share.  Private to watch/.
 *
 *   folders.c     the tree of watched folders
 *   pending.c     the paths to look at, and when
 *   read_batch.c  a thread: pending files -> digests
 *   gone.c        records of files that are gone
 *   state.c       reports; the root of a folder
 *   events.c      inotify's events -> folders, pending; new folders listed
 *   reindex.c     batches of pending files filled and recorded
 *   roots.c       where the trees are
 *   rescan.c      scans of whole trees
 *   watch.c       the loop
 */
#ifndef VALIDATORS_WATCH_STATE_H
#define VALIDATORS_WATCH_STATE_H

#include "validators/watch.h"
#include "watch/folders.h"
#include "watch/gone.h"
#include "watch/pending.h"
#include "watch/read_batch.h"

/* One of the paths that were given. */
typedef struct vld_root {
    const char *given;
    char *path; /* its real path; NULL: not known yet */
    dev_t dev;
    ino_t ino;
    bool gone;            /* is not there; was reported */
    bool covered;         /* lies in another root: nothing is done for it */
    bool rescan;          /* scan it as soon as possible */
    bool lost;            /* events were lost: its watches are to be set up
                           * anew */
    bool polled;          /* not all of its folders can be watched */
    bool polled_reported; /* that was reported */
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
    vld_read_batch *reading;
    vld_gone gone;
    vld_watch_totals totals;
    int64_t tick_ns;             /* the next look at the roots */
    bool ready;                  /* was reported */
    char path[VLD_PATH_MAX + 2]; /* a slash at its end, too */
};

/* --- reports to the caller, and its wishes -------------------------------- */

void vld_watch_report_problem(vld_watch *w, const char *path, const char *why);
/* Count the file or folder as failed, and report the status. */
void vld_watch_report_failure(vld_watch *w, const char *path, apr_status_t rv);
void vld_watch_report_news(vld_watch *w, vld_watch_news news);
void vld_watch_report_alive(vld_watch *w);
bool vld_watch_is_stopping(const vld_watch *w);

/* --- roots ---------------------------------------------------------------- */

/* The name of a root among the watched folders: "" for "/". */
const char *vld_root_name(const vld_root *root);
/* Its folder; NULL: not watched. */
vld_folder *vld_root_folder(const vld_watch *w, const vld_root *root);
/* The root of a watched folder; NULL: none any more. */
vld_root *vld_root_of(const vld_watch *w, const vld_folder *f);

/* A path has changed; with a slash at its end: all files below it may be
 * gone. */
void vld_root_pend(vld_watch *w, vld_root *root, const char *path);

/* Events of all roots were lost. */
void vld_roots_mark_lost(vld_watch *w);
/* A file has changed or is gone.  Where files have more than one name, inotify
 * reports one of them; a scan finds the others. */
void vld_roots_mark_stale(vld_watch *w);

#endif /* VALIDATORS_WATCH_STATE_H */
