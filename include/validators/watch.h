/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* An index that follows its folders: a scan, then the events of inotify.  Linux
 * only. */
#ifndef VALIDATORS_WATCH_H
#define VALIDATORS_WATCH_H

#include <apr_pools.h>

#include "validators/index.h"

typedef struct vld_watch vld_watch;

/* Counted since the start, but the last two. */
typedef struct vld_watch_totals {
    uint64_t indexed;      /* files read and recorded */
    uint64_t same_content; /* of indexed: same content as the record before */
    uint64_t dropped;      /* records of files that are gone */
    uint64_t failed;       /* files and folders that could not be read */
    uint64_t rescans;      /* scans of a whole tree */
    uint64_t pending;      /* paths to be looked at */
    uint64_t folders;      /* watched */
} vld_watch_totals;

typedef enum vld_watch_news {
    VLD_WATCH_READY,  /* everything is scanned and watched */
    VLD_WATCH_BATCH,  /* records were written or dropped */
    VLD_WATCH_RESCAN, /* a tree was scanned anew */
    VLD_WATCH_STOPPING,
    VLD_WATCH_STOPPED /* the last news */
} vld_watch_news;

typedef struct vld_watch_options {
    unsigned jobs;            /* hashing threads of scans; 0: one a core */
    int64_t interval_ns;      /* between scans of trees that cannot be
                               * watched */
    const volatile int *stop; /* non-zero: stop soon; set by a signal, which
                               * must not be blocked */
    volatile int *rescan;     /* non-zero: scan everything; is set back */
    /* All on the thread of vld_watch_run, but problem: as in a scan. */
    void (*problem)(void *baton, const char *path, const char *why);
    void (*news)(void *baton, vld_watch_news news,
                 const vld_watch_totals *totals);
    void (*alive)(void *baton); /* once a second at least, while all is well */
    void *baton;
} vld_watch_options;

/* Folders to be watched, as they are named: a symbolic link at the end or on
 * the way is followed, also when it is changed later.  options and paths must
 * last as long as the watch.  EMFILE's status: fs.inotify.max_user_instances
 * is used up; ENOENT's: /proc is not mounted. */
apr_status_t vld_watch_open(vld_watch **out, const char *const *paths,
                            size_t count, const vld_watch_options *options,
                            apr_pool_t *p);
void vld_watch_close(vld_watch *watch);

/* Scan, then follow.  APR_SUCCESS when *stop ended it, after what was settled
 * has been written; VLD_E_REPLACED: close the store and open it anew, then
 * call again; other errors of the store.  Folders and files that cannot be
 * read or are gone, and limits of the system, are problems and no errors.
 *
 * A file is read when it is settled.  A file that changes all the time is read
 * after a second, then after two, and so on up to a minute.  Needs memory for
 * each folder and for at most 65536 paths that wait; trees are scanned again
 * when there are more, when events were lost, and when the limit of watches
 * is met. */
apr_status_t vld_watch_run(vld_watch *watch, vld_store *store);

#endif /* VALIDATORS_WATCH_H */
