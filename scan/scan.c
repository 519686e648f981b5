/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A scan as a whole: starts the threads, writes what they find in batches,
 * tells how far it is.  The writer's lock is never held while a file is
 * read. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scan/scan.h"

#define JOBS_MOST 256
#define BATCH_DEFAULT 4096
#define TICK_NS INT64_C(100000000)

/* --- for the threads ----------------------------------------------------- */

void vld_run_add(uint64_t *total, uint64_t n)
{
    __atomic_fetch_add(total, n, __ATOMIC_RELAXED);
}

void vld_run_problem(vld_run *run, const char *path, const char *why)
{
    if (!run->options->problem) {
        return;
    }
    pthread_mutex_lock(&run->problem_mutex);
    run->options->problem(run->options->baton, path, why);
    pthread_mutex_unlock(&run->problem_mutex);
}

void vld_run_problem_status(vld_run *run, const char *path, apr_status_t rv)
{
    char text[256];

    vld_run_problem(run, path, vld_strerror(rv, text, sizeof(text)));
}

/* --- the writer ---------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
    const vld_job *const *x = a;
    const vld_job *const *y = b;

    return strcmp((*x)->path, (*y)->path);
}

/* In the order of keys, so that neighbours share pages.  The jobs stay on
 * the list, which owns them. */
static vld_job **sorted(const vld_job_list *list)
{
    vld_job **jobs = malloc(list->count * sizeof(*jobs));
    size_t n = 0;

    if (!jobs) {
        return NULL;
    }
    for (vld_job *job = list->first; job; job = job->next) {
        jobs[n++] = job;
    }
    qsort(jobs, n, sizeof(*jobs), by_path);
    return jobs;
}

/* What was adopted is as true as the record that it was taken from.  Where
 * another writer has put another content there meanwhile, it knew better. */
static bool is_outdated(vld_batch *batch, const vld_job *job)
{
    vld_record now;

    return job->adopted
           && (vld_batch_get(batch, job->path, job->len, &now)
               || memcmp(&now.digest, &job->record.digest, sizeof(now.digest)));
}

static apr_status_t put(vld_run *run, vld_batch *batch, vld_job *job)
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

static apr_status_t put_all(vld_run *run, vld_job **jobs, size_t n)
{
    vld_batch *batch;
    apr_status_t rv = vld_batch_begin(run->store, &batch);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (size_t i = 0; i < n; i++) {
        rv = put(run, batch, jobs[i]);
        if (rv != APR_SUCCESS) {
            vld_batch_abort(batch);
            return rv;
        }
    }
    return vld_batch_commit(batch);
}

static void write_batch(vld_run *run, vld_job_list *list)
{
    vld_job **jobs = sorted(list);
    apr_status_t rv = jobs ? put_all(run, jobs, list->count) : APR_ENOMEM;

    free(jobs);
    vld_job_list_free(list);
    if (rv != APR_SUCCESS) {
        vld_queue_end(run, rv);
    }
}

static void snapshot(vld_run *run, vld_scan_totals *out)
{
    vld_scan_totals *t = &run->totals;

    out->seen = __atomic_load_n(&t->seen, __ATOMIC_RELAXED);
    out->unchanged = __atomic_load_n(&t->unchanged, __ATOMIC_RELAXED);
    out->hashed = __atomic_load_n(&t->hashed, __ATOMIC_RELAXED);
    out->same_content = __atomic_load_n(&t->same_content, __ATOMIC_RELAXED);
    out->unsettled = __atomic_load_n(&t->unsettled, __ATOMIC_RELAXED);
    out->failed = __atomic_load_n(&t->failed, __ATOMIC_RELAXED);
    out->bytes = __atomic_load_n(&t->bytes, __ATOMIC_RELAXED);
    out->adopted = __atomic_load_n(&t->adopted, __ATOMIC_RELAXED);
    out->not_adopted = __atomic_load_n(&t->not_adopted, __ATOMIC_RELAXED);
    out->pruned = __atomic_load_n(&t->pruned, __ATOMIC_RELAXED);
    out->kept = __atomic_load_n(&t->kept, __ATOMIC_RELAXED);
}

apr_status_t vld_run_tick(vld_run *run)
{
    const vld_scan_options *o = run->options;
    int64_t now = vld_monotonic_ns();
    vld_scan_totals totals;

    if (o->stop && __atomic_load_n(o->stop, __ATOMIC_RELAXED)) {
        return APR_EINTR;
    }
    if (now < run->next_tick_ns) {
        return APR_SUCCESS;
    }
    run->next_tick_ns = now + TICK_NS;
    if (o->progress) {
        snapshot(run, &totals);
        o->progress(o->baton, &totals);
    }
    return APR_SUCCESS;
}

static void write_all(vld_run *run)
{
    vld_job_list list;

    run->next_tick_ns = vld_monotonic_ns() + TICK_NS;
    while (vld_queue_collect(run, TICK_NS, &list)) {
        if (list.count) {
            write_batch(run, &list);
        }
        if (vld_run_tick(run) != APR_SUCCESS) {
            vld_queue_end(run, APR_EINTR);
        }
    }
}

/* --- the threads --------------------------------------------------------- */

static size_t job_count(const vld_scan_options *options)
{
    cpu_set_t set;
    size_t n = options->jobs;

    if (!n) {
        n = sched_getaffinity(0, sizeof(set), &set)
                ? (size_t)sysconf(_SC_NPROCESSORS_ONLN)
                : (size_t)CPU_COUNT(&set);
    }
    return n < 1 ? 1 : n > JOBS_MOST ? JOBS_MOST : n;
}

void vld_thread_block_signals(sigset_t *before)
{
    sigset_t set;

    sigfillset(&set);
    sigdelset(&set, SIGBUS);
    sigdelset(&set, SIGSEGV);
    sigdelset(&set, SIGFPE);
    sigdelset(&set, SIGILL);
    pthread_sigmask(SIG_BLOCK, &set, before);
}

static size_t start_hashers(vld_run *run, pthread_t *threads, size_t n)
{
    size_t started = 0;

    while (started < n
           && !pthread_create(&threads[started], NULL, vld_hash_thread, run)) {
        started++;
    }
    return started;
}

static void run_threads(vld_run *run)
{
    pthread_t walker;
    pthread_t hashers[JOBS_MOST];
    sigset_t before;
    size_t n;
    bool walks;

    vld_thread_block_signals(&before);
    n = start_hashers(run, hashers, job_count(run->options));
    walks = n && !pthread_create(&walker, NULL, vld_walk_thread, run);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!walks) {
        vld_queue_end(run, APR_EAGAIN);
    }
    write_all(run);
    if (walks) {
        pthread_join(walker, NULL);
    }
    while (n) {
        pthread_join(hashers[--n], NULL);
    }
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

apr_status_t vld_scan(vld_store *store, const char *root,
                      const vld_scan_options *options, vld_scan_totals *totals,
                      apr_pool_t *p)
{
    vld_run run;
    apr_status_t rv;

    (void)p;
    memset(&run, 0, sizeof(run));
    memset(totals, 0, sizeof(*totals));
    run.store = store;
    run.options = options;
    run.batch = options->batch_records ? options->batch_records : BATCH_DEFAULT;
    run.root_fd = -1;
    rv = open_root(&run, root);
    if (rv == APR_SUCCESS) {
        rv = vld_queue_init(&run);
        if (rv == APR_SUCCESS) {
            run_threads(&run);
            rv = run.rv;
            if (rv == APR_SUCCESS && options->prune) {
                rv = vld_prune(&run);
            }
            snapshot(&run, totals);
            vld_queue_destroy(&run);
        }
    }
    if (run.root_fd >= 0) {
        close(run.root_fd);
    }
    free(run.root);
    return rv;
}
