/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Reading many files at once: the pool of readers, and the scan of a tree into
 * the index.  Part of scan/. */
#ifndef VALIDATORS_SCAN_H
#define VALIDATORS_SCAN_H

#include <apr_errno.h>

#include "validators/index.h"

/* --- a pool of readers -----------------------------------------------------
 * A source gives items, N threads read them, a sink takes the results in
 * batches.  All lists between them are bounded: a pool needs the same memory
 * for any number of items. */
typedef struct vld_pool vld_pool;

/* The most threads that read at once. */
#define VLD_JOBS_MOST 256
/* The most items that wait for a reader: so many vld_pool_put do not block. */
#define VLD_POOL_WAITING 256

/* The first member of whatever is given to a pool. */
typedef struct vld_item {
    struct vld_item *next; /* the pool's */
    int64_t wait_ns;       /* with VLD_ITEM_WAIT: for how long */
    int64_t ready_ns;      /* the pool's: monotonic */
    unsigned deferred;     /* the pool's: how often it has waited */
} vld_item;

typedef struct vld_item_list {
    vld_item *first;
    vld_item **end;
    size_t count;
} vld_item_list;

/* What a reader wants done with an item. */
typedef enum vld_item_next {
    VLD_ITEM_DONE, /* to the sink */
    VLD_ITEM_DROP, /* freed */
    VLD_ITEM_WAIT  /* not settled yet: read it again in wait_ns */
} vld_item_next;

/* baton is handed to each function.  Signals are blocked in the threads of the
 * pool, except those of faults. */
typedef struct vld_pool_work {
    unsigned jobs;  /* readers; 0: one for each core that this process may
                     * use; at most VLD_JOBS_MOST */
    size_t batch;   /* results that the sink gets at once; 16 times as many
                     * may wait for it */
    int64_t age_ns; /* the sink gets them sooner where one is so old */
    const volatile int *stop; /* not 0: end soon, with APR_EINTR; may be NULL */
    void *baton;
    /* Puts all items, on a thread of its own; a status other than APR_SUCCESS
     * ends the pool.  NULL: the owner of the pool puts them. */
    apr_status_t (*source)(void *baton, vld_pool *pool);
    /* Reads one, on several threads.  Once the pool is ending, an item that
     * was not read to its end is to be dropped. */
    vld_item_next (*read)(void *baton, vld_pool *pool, vld_item *item);
    /* An item that has waited too often, or would wait for more than ten
     * seconds; `why` is a constant.  In place of the wait.  NULL: it never
     * waits. */
    vld_item_next (*give_up)(void *baton, vld_item *item, const char *why);
    /* Takes results, on the thread that runs the pool; they stay the pool's.
     * A status other than APR_SUCCESS ends the pool, and the sink gets no
     * more.  NULL: none. */
    apr_status_t (*sink)(void *baton, const vld_item_list *results);
    /* Ten times a second on the thread that runs the pool; may be NULL. */
    void (*tick)(void *baton);
    void (*free)(vld_item *item);
} vld_pool_work;

/* Start, sink all results, and end.  APR_SUCCESS where each item was dealt
 * with; else the first reason to end: then the results of what had been read
 * went to the sink, too. */
apr_status_t vld_pool_run(const vld_pool_work *work);

/* For those who wait for something else meanwhile: start without a source and
 * a sink, put items, finish.  Results are freed.  Finish waits until all items
 * are read, or the pool is ended, and frees the pool. */
apr_status_t vld_pool_start(vld_pool **out, const vld_pool_work *work);
apr_status_t vld_pool_finish(vld_pool *pool);

/* Hand an item over; blocks while many wait.  False once the pool is ending:
 * put no more. */
bool vld_pool_put(vld_pool *pool, vld_item *item);
/* The same for an item that need not be read: straight to the sink, which
 * there must be. */
bool vld_pool_pass(vld_pool *pool, vld_item *item);
/* End with this status as soon as possible; the first one counts. Any
 * thread. */
void vld_pool_end(vld_pool *pool, apr_status_t rv);
bool vld_pool_is_ending(const vld_pool *pool);
/* The same as an atomic int, for those who wait on something else. */
const int *vld_pool_ending(const vld_pool *pool);

/* Read the file at path as vld_file_try does, once; fills in fd and stop of
 * *a.  VLD_READ_FAILED also where it cannot be opened. */
vld_reading vld_pool_try(vld_pool *pool, const char *path, vld_attempt *a);

/* --- a scan -------------------------------------------------------------- */

typedef struct vld_scan_totals {
    uint64_t seen;         /* regular files met */
    uint64_t unchanged;    /* record fresh, not read */
    uint64_t hashed;       /* read; recorded when the scan returns success */
    uint64_t same_content; /* of hashed: same content as the record before */
    uint64_t unsettled;    /* kept changing while read; left out */
    uint64_t failed;       /* files and folders that could not be read; each
                            * was reported */
    uint64_t bytes;        /* octets hashed */
    uint64_t adopted;      /* as hashed, but taken over without reading */
    uint64_t not_adopted;  /* of hashed: had a record, but size or mtime were
                            * others, or the mtime tells nothing */
    uint64_t pruned;       /* records dropped */
    uint64_t kept;         /* records of vanished files not dropped; each folder
                            * was reported */
} vld_scan_totals;

typedef struct vld_scan_options {
    unsigned jobs;            /* threads that read; as vld_pool_work.jobs */
    unsigned batch_records;   /* records a transaction; 0: default */
    const volatile int *stop; /* not 0: stop soon, keep what is done */
    /* Called on the scanning thread about ten times a second; may be NULL. */
    void (*progress)(void *baton, const vld_scan_totals *so_far);
    /* A path that was left out and why; may be NULL.  One thread at a time,
     * but any of the scan's own. */
    void (*problem)(void *baton, const char *path, const char *why);
    void *baton;
    /* Size and mtime of a record are taken for its content where ctime and
     * inode are others, as after `cp -a`, `rsync -a` or a restore.  Not where
     * vld_identity_time_tells() is false: those files are read. */
    bool adopt;
    /* Afterwards, drop the records at and below the root of files that are
     * gone. */
    bool prune;
} vld_scan_options;

/* Index everything at or below root, a file or folder that exists (its
 * realpath is taken).  Symbolic links below it are not followed.  Anything but
 * a regular file is skipped, and so are /proc and its like, and the index
 * itself.  Other file systems below it are entered.  A file whose identity is
 * its record's is not read.  Records are committed in batches: a failure does
 * not undo the batches before it.
 * APR_EINTR when *stop ended it; a store error ends it too; unreadable files
 * do not.  A file is recorded only when its identity was settled before it
 * was read and the same after: one that was changed this moment is waited
 * for, on file systems of coarse clocks at the end of the scan, for 2 s.
 * Several scans at once are fine.  Opens at most about 400 descriptors.
 *
 * A record is pruned where the file system says that its file is not there
 * (ENOENT, ENOTDIR), and says so again when the record is dropped.  Any other
 * error keeps the record.  So does a nearest existing folder that has not
 * changed since the file was read, and a scan that has met no file at all:
 * then it is likelier that a file system is not mounted, or another is mounted
 * over it.  ESTALE's status: the folder at the root is not the one scanned.
 * VLD_E_REPLACED may end a scan: open the store anew and scan again. */
apr_status_t vld_scan(vld_store *store, const char *root,
                      const vld_scan_options *options, vld_scan_totals *totals);

#endif /* VALIDATORS_SCAN_H */
