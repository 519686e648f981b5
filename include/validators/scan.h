/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Reading many files at once: a scan of a tree into the index.  Part of
 * scan/. */
#ifndef VALIDATORS_SCAN_H
#define VALIDATORS_SCAN_H

#include <signal.h>
#include <apr_errno.h>
#include <apr_pools.h>

#include "validators/index.h"

/* For threads that are made now: signals go to those that the program knows
 * of, faults stay with the thread that makes them.  *before is for
 * pthread_sigmask. */
void vld_thread_block_signals(sigset_t *before);

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
    unsigned jobs;            /* hashing threads; 0: one a core */
    unsigned batch_records;   /* records a transaction; 0: default */
    const volatile int *stop; /* non-zero: stop soon, keep what is done */
    /* Called on the scanning thread about ten times a second; may be NULL. */
    void (*progress)(void *baton, const vld_scan_totals *so_far);
    /* A path that was left out and why; may be NULL.  One thread at a time,
     * but any of the scan's own. */
    void (*problem)(void *baton, const char *path, const char *why);
    void *baton;
    /* Size and mtime of a record are taken for its content where ctime and
     * inode are others, as after `cp -a`, `rsync -a` or a restore.  Not where
     * vld_identity_mtime_tells() is false: those files are read. */
    bool adopt;
    /* Afterwards, drop the records at and below the root of files that are
     * gone. */
    bool prune;
} vld_scan_options;

/* Index everything at or below root, a file or folder that exists (its
 * realpath is taken; symbolic links below are not followed; other than
 * regular files are passed by; so are /proc and its like, and the index
 * itself).  Other file
 * systems below it are entered.  Incremental: a file whose identity is its
 * record's is not read.  Committed in batches: what was committed stays,
 * whatever happens.
 * APR_EINTR when *stop ended it; a store error ends it too; unreadable files
 * do not.  A file is recorded only when its identity was settled before it
 * was read and the same after: one that was changed this moment is waited
 * for, on file systems of coarse clocks at the end of the scan, for 2 s.
 * Several scans at once are fine. Opens at most about 400 descriptors.
 *
 * Pruned is what the file system says is not there (ENOENT, ENOTDIR), twice:
 * again when the record is dropped.  Not where any other error says that it
 * cannot be told; nor where the nearest folder that is there has not changed
 * since the file was read, or where the scan has met no file at all: then it
 * is likelier that a file system is not mounted, or another is mounted over
 * it.  ESTALE's status: another folder stands at the root than was scanned.
 * VLD_E_REPLACED may end a scan: open the store anew and scan again. */
apr_status_t vld_scan(vld_store *store, const char *root,
                      const vld_scan_options *options, vld_scan_totals *totals,
                      apr_pool_t *p);

#endif /* VALIDATORS_SCAN_H */
