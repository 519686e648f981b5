/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The inside of a scan.  Private to scan/.
 *
 *   walk.c   one thread: folders, stat, look-up  -> jobs
 *   hash.c   N threads: jobs -> results (or aside, until they are settled)
 *   queue.c  the lists between them, bounded
 *   scan.c   the caller's thread: results -> index; progress; the end
 *   prune.c  after all that: records without a file, out of the index
 */
#ifndef VALIDATORS_SCAN_SCAN_H
#define VALIDATORS_SCAN_SCAN_H

#include <dirent.h>
#include <pthread.h>
#include <signal.h>

#include "validators/scan.h"

/* A folder that is open: by the walk while it reads it, by jobs until they
 * have opened their file. */
typedef struct vld_dir {
    DIR *stream;
    int fd;   /* the stream's */
    int refs; /* atomic */
} vld_dir;

vld_dir *vld_dir_open(int fd); /* takes fd, also when it fails: NULL */
vld_dir *vld_dir_hold(vld_dir *dir);
void vld_dir_release(vld_dir *dir); /* NULL: nothing */

/* One file that has to be read; then its result. */
typedef struct vld_job {
    struct vld_job *next;
    vld_dir *dir;     /* NULL: opened from the scan's root */
    unsigned asides;  /* times put aside */
    int64_t ready_ns; /* monotonic: when to look again */
    bool has_known;
    bool adopted;      /* the digest is known's */
    vld_record known;  /* the record before */
    vld_record record; /* the result: digest, identity, indexed_ns */
    size_t len;
    size_t name_at; /* the last name in path */
    char path[];
} vld_job;

typedef struct vld_job_list {
    vld_job *first;
    vld_job **end;
    size_t count;
} vld_job_list;

void vld_job_list_init(vld_job_list *list);
void vld_job_free(vld_job *job);
void vld_job_list_free(vld_job_list *list);

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

    int ending;      /* atomic: leave as soon as possible */
    apr_status_t rv; /* why; under mutex */

    pthread_mutex_t mutex; /* over all that follows */
    pthread_cond_t work;   /* for hashers: jobs, or the end */
    pthread_cond_t room;   /* for the walk and hashers: lists got shorter */
    pthread_cond_t news;   /* for the writer: a batch, or the end */
    vld_job_list jobs;
    vld_job_list aside;
    vld_job_list results;
    int64_t first_result_ns; /* monotonic: of the oldest in results */
    size_t busy;             /* jobs at hashers */
    bool walked;             /* no more jobs will come from the walk */
} vld_run;

/* --- queue.c ------------------------------------------------------------- */

apr_status_t vld_queue_init(vld_run *run);
void vld_queue_destroy(vld_run *run);
/* The walk: blocks while the list is full; takes the job. */
void vld_queue_put(vld_run *run, vld_job *job);
void vld_queue_walked(vld_run *run);
/* A hasher: the next job, or NULL at the end. Each is given back by one of
 * the three below it. */
vld_job *vld_queue_take(vld_run *run);
void vld_queue_done(vld_run *run, vld_job *job); /* with its result */
void vld_queue_drop(vld_run *run, vld_job *job); /* without */
/* Look again at ready_ns.  False where too many wait: then it is the
 * caller's still. */
bool vld_queue_aside(vld_run *run, vld_job *job);
/* The writer: wait for a batch for at most wait_ns.  *out gets what is due,
 * which may be nothing.  False when nothing will come any more. */
bool vld_queue_collect(vld_run *run, int64_t wait_ns, vld_job_list *out);
/* Anybody: end the scan with this status; the first one counts. */
void vld_queue_end(vld_run *run, apr_status_t rv);
bool vld_queue_is_ending(vld_run *run);

/* --- the threads --------------------------------------------------------- */

void *vld_walk_thread(void *run);
void *vld_hash_thread(void *run);

/* Open what is at `path` (root_len octets longer than the root's own path)
 * name by name, so that no link is followed on the way; errno. */
int vld_walk_open(const vld_run *run, const char *path, int flags);

/* Drop the records below the root whose files are gone; on the caller's
 * thread, when all others have ended. */
apr_status_t vld_prune(vld_run *run);

/* Tell how far the scan is, about ten times a second; APR_EINTR when it is
 * to stop. */
apr_status_t vld_run_tick(vld_run *run);

/* Add n to a member of run->totals. */
void vld_run_add(uint64_t *total, uint64_t n);
/* Report a path that is left out. */
void vld_run_problem(vld_run *run, const char *path, const char *why);
void vld_run_problem_status(vld_run *run, const char *path, apr_status_t rv);

#endif /* VALIDATORS_SCAN_SCAN_H */
