/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A scan as a whole: opens the root, and writes records in batches.  The
 * writer's lock is never held while a file is read. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/run.h"

#define BATCH_DEFAULT 4096
#define RESULT_AGE_NS INT64_C(1000000000)

/* --- the sink ------------------------------------------------------------ */

static int compare_paths(const void *a, const void *b)
{
    const vld_job *const *x = a;
    const vld_job *const *y = b;

    return strcmp((*x)->path, (*y)->path);
}

/* In the order of keys, so that neighbours share pages. */
static vld_job **sort_jobs(const vld_item_list *results)
{
    vld_job **jobs = malloc(results->count * sizeof(*jobs));
    size_t n = 0;

    if (!jobs) {
        return NULL;
    }
    for (vld_item *item = results->first; item; item = item->next) {
        jobs[n++] = (vld_job *)item;
    }
    qsort(jobs, n, sizeof(*jobs), compare_paths);
    return jobs;
}

/* An adopted digest is as true as the record that it was taken from.  Another
 * content that another writer has put there meanwhile is newer. */
static bool is_outdated(vld_batch *batch, const vld_job *job)
{
    vld_record now;

    return job->adopted
           && (vld_batch_get(batch, job->path, job->len, &now)
               || memcmp(&now.digest, &job->record.digest, sizeof(now.digest)));
}

static apr_status_t put_record(vld_run *run, vld_batch *batch, vld_job *job)
{
    bool same = false;
    apr_status_t rv = is_outdated(batch, job)
                          ? APR_SUCCESS
                          : vld_batch_record(batch, job->path, job->len,
                                             &job->record, NULL, &same);

    if (same && !job->adopted) {
        vld_run_add(&run->totals.same_content, 1);
    }
    if (APR_STATUS_IS_EINVAL(rv)) {
        vld_run_add(&run->totals.failed, 1);
        vld_run_problem(run, job->path, "it has dates that no record takes");
        rv = APR_SUCCESS;
    }
    return rv;
}

/* One batch. */
typedef struct writing {
    vld_run *run;
    vld_job **jobs;
    size_t count;
} writing;

static apr_status_t put_records(void *baton, vld_batch *batch)
{
    writing *w = baton;
    apr_status_t rv = APR_SUCCESS;

    for (size_t i = 0; i < w->count && rv == APR_SUCCESS; i++) {
        rv = put_record(w->run, batch, w->jobs[i]);
    }
    return rv;
}

static apr_status_t write_results(void *baton, const vld_item_list *results)
{
    vld_run *run = baton;
    writing w = { run, sort_jobs(results), results->count };
    apr_status_t rv = w.jobs ? vld_store_write(run->store, put_records, &w)
                             : APR_ENOMEM;

    free(w.jobs);
    return rv;
}

/* --- the whole ----------------------------------------------------------- */

/* The root as its real path, and the folder to open files from. */
static apr_status_t open_root(vld_run *run, const char *root)
{
    struct stat st;
    char *slash;

    run->root = realpath(root, NULL);
    if (!run->root || stat(run->root, &st)) {
        return vld_error_os();
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        return APR_EINVAL;
    }
    run->root_is_file = S_ISREG(st.st_mode);
    slash = strrchr(run->root, '/');
    if (run->root_is_file) {
        run->root_len = (size_t)(slash - run->root);
        *slash = '\0';
    }
    else {
        run->root_len = slash[1] ? strlen(run->root) : 0;
    }
    run->root_fd = open(run->root_len ? run->root : "/",
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (run->root_is_file) {
        *slash = '/';
    }
    return run->root_fd < 0 ? vld_error_os() : APR_SUCCESS;
}

static void free_job(vld_item *item)
{
    vld_job *job = (vld_job *)item;

    vld_dir_release(job->dir);
    free(job);
}

static apr_status_t scan_root(vld_run *run)
{
    const vld_pool_work work = {
        .jobs = run->options->jobs,
        .batch = run->batch,
        .age_ns = RESULT_AGE_NS,
        .stop = run->options->stop,
        .baton = run,
        .source = vld_walk,
        .read = vld_hash_read,
        .give_up = vld_hash_give_up,
        .sink = write_results,
        .tick = vld_run_report_progress,
        .free = free_job,
    };
    apr_status_t rv = vld_pool_run(&work);

    return rv == APR_SUCCESS && run->options->prune ? vld_prune(run) : rv;
}

apr_status_t vld_scan(vld_store *store, const char *root,
                      const vld_scan_options *options, vld_scan_totals *totals)
{
    vld_run run = { .store = store,
                    .options = options,
                    .batch = options->batch_records ? options->batch_records
                                                    : BATCH_DEFAULT,
                    .root_fd = -1,
                    .problem_mutex = PTHREAD_MUTEX_INITIALIZER };
    apr_status_t rv = open_root(&run, root);

    if (rv == APR_SUCCESS) {
        rv = scan_root(&run);
    }
    vld_run_snapshot(&run, totals);
    pthread_mutex_destroy(&run.problem_mutex);
    if (run.root_fd >= 0) {
        close(run.root_fd);
    }
    free(run.root);
    return rv;
}
