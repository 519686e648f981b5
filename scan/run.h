/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* One scan, as its threads share it.  Private to scan/.
 *
 *   walk.c   the source: folders, stat, look-up -> jobs
 *   hash.c   the readers: jobs -> records
 *   scan.c   the sink: records -> index; and the scan as a whole
 *   prune.c  after all that: records without a file, out of the index
 */
#ifndef VALIDATORS_SCAN_RUN_H
#define VALIDATORS_SCAN_RUN_H

#include <pthread.h>

#include "scan/dir.h"
#include "validators/scan.h"

/* One file that has to be read; then its result. */
typedef struct vld_job {
    vld_item item;
    vld_dir *dir; /* NULL: opened from the scan's root */
    bool has_known;
    bool adopted;      /* the digest is known's */
    vld_record known;  /* the record before */
    vld_record record; /* the result: digest, identity, indexed_ns */
    size_t len;
    size_t name_at; /* the last name in path */
    char path[];
} vld_job;

typedef struct vld_run {
    vld_store *store;
    const vld_scan_options *options;
    size_t batch;
    char *root;      /* the real path */
    size_t root_len; /* of it, 0 for "/" */
    bool root_is_file;
    int root_fd; /* the root, or the folder of a root that is a file */
    vld_scan_totals totals; /* atomic members */
    pthread_mutex_t problem_mutex;
    int64_t next_tick_ns; /* monotonic; of the caller's thread */
} vld_run;

/* --- run.c --------------------------------------------------------------- */

/* Add n to a member of run->totals. */
void vld_run_add(uint64_t *total, uint64_t n);
/* The totals as they are now. */
void vld_run_snapshot(const vld_run *run, vld_scan_totals *out);

/* Report a path that is left out. */
void vld_run_problem(vld_run *run, const char *path, const char *why);
void vld_run_problem_status(vld_run *run, const char *path, apr_status_t rv);

/* Report how far the scan is: the tick of a pool. */
void vld_run_report_progress(void *run);
/* The same, about ten times a second, on the caller's thread; APR_EINTR when
 * the scan is to stop. */
apr_status_t vld_run_tick(vld_run *run);

/* --- walk.c, hash.c: functions of a pool --------------------------------- */

apr_status_t vld_walk(void *run, vld_pool *pool);
vld_item_next vld_hash_read(void *run, vld_pool *pool, vld_item *item);
vld_item_next vld_hash_give_up(void *run, vld_item *item, const char *why);

/* --- prune.c ------------------------------------------------------------- */

/* Drop the records below the root whose files are gone; on the caller's
 * thread, when all others have ended. */
apr_status_t vld_prune(vld_run *run);

#endif /* VALIDATORS_SCAN_RUN_H */
