/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The lists between the threads of a scan.  All are bounded, so that a scan
 * of any tree needs the same memory; no lock is held while anything else is
 * done. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scan/scan.h"

#include <stdlib.h>
#include <time.h>

#define JOBS_MOST 256 /* each may hold a folder open */
#define ASIDE_MOST 16384
#define RESULT_BATCHES_MOST 16 /* the disk may take its time to commit */
#define RESULT_AGE_NS INT64_C(1000000000)

static void wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex,
                       int64_t when_ns)
{
    struct timespec ts;

    ts.tv_sec = (time_t)(when_ns / 1000000000);
    ts.tv_nsec = (long)(when_ns % 1000000000);
    pthread_cond_timedwait(cond, mutex, &ts);
}

/* --- lists --------------------------------------------------------------- */

void vld_job_list_init(vld_job_list *list)
{
    list->first = NULL;
    list->end = &list->first;
    list->count = 0;
}

static void append(vld_job_list *list, vld_job *job)
{
    job->next = NULL;
    *list->end = job;
    list->end = &job->next;
    list->count++;
}

static vld_job *shift(vld_job_list *list)
{
    vld_job *job = list->first;

    list->first = job->next;
    if (!list->first) {
        list->end = &list->first;
    }
    list->count--;
    return job;
}

void vld_job_free(vld_job *job)
{
    vld_dir_release(job->dir);
    free(job);
}

void vld_job_list_free(vld_job_list *list)
{
    while (list->first) {
        vld_job_free(shift(list));
    }
}

static void move(vld_job_list *from, vld_job_list *to)
{
    vld_job_list_init(to);
    if (from->first) {
        *to = *from;
    }
    vld_job_list_init(from);
}

/* --- the whole ----------------------------------------------------------- */

apr_status_t vld_queue_init(vld_run *run)
{
    pthread_condattr_t attr;

    if (pthread_condattr_init(&attr)) {
        return APR_ENOMEM;
    }
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&run->mutex, NULL);
    pthread_mutex_init(&run->problem_mutex, NULL);
    pthread_cond_init(&run->work, &attr);
    pthread_cond_init(&run->room, &attr);
    pthread_cond_init(&run->news, &attr);
    pthread_condattr_destroy(&attr);
    vld_job_list_init(&run->jobs);
    vld_job_list_init(&run->aside);
    vld_job_list_init(&run->results);
    return APR_SUCCESS;
}

void vld_queue_destroy(vld_run *run)
{
    vld_job_list_free(&run->jobs);
    vld_job_list_free(&run->aside);
    vld_job_list_free(&run->results);
    pthread_cond_destroy(&run->work);
    pthread_cond_destroy(&run->room);
    pthread_cond_destroy(&run->news);
    pthread_mutex_destroy(&run->problem_mutex);
    pthread_mutex_destroy(&run->mutex);
}

bool vld_queue_is_ending(vld_run *run)
{
    return __atomic_load_n(&run->ending, __ATOMIC_RELAXED);
}

static void wake_all(vld_run *run)
{
    pthread_cond_broadcast(&run->work);
    pthread_cond_broadcast(&run->room);
    pthread_cond_broadcast(&run->news);
}

void vld_queue_end(vld_run *run, apr_status_t rv)
{
    pthread_mutex_lock(&run->mutex);
    if (!run->ending) {
        run->rv = rv;
        __atomic_store_n(&run->ending, 1, __ATOMIC_RELAXED);
    }
    wake_all(run);
    pthread_mutex_unlock(&run->mutex);
}

/* No hasher has anything to do, nor will have. */
static bool is_hashed(const vld_run *run)
{
    if (run->busy) {
        return false;
    }
    return run->ending
           || (run->walked && !run->jobs.count && !run->aside.count);
}

/* --- the walk's side ----------------------------------------------------- */

void vld_queue_put(vld_run *run, vld_job *job)
{
    pthread_mutex_lock(&run->mutex);
    while (run->jobs.count >= JOBS_MOST && !run->ending) {
        pthread_cond_wait(&run->room, &run->mutex);
    }
    append(&run->jobs, job);
    pthread_cond_signal(&run->work);
    pthread_mutex_unlock(&run->mutex);
}

void vld_queue_walked(vld_run *run)
{
    pthread_mutex_lock(&run->mutex);
    run->walked = true;
    wake_all(run);
    pthread_mutex_unlock(&run->mutex);
}

/* --- the hashers' side --------------------------------------------------- */

static vld_job *next_job(vld_run *run)
{
    if (run->aside.count && run->aside.first->ready_ns <= vld_monotonic_ns()) {
        return shift(&run->aside);
    }
    if (!run->jobs.count) {
        return NULL;
    }
    /* Half empty, not one less: the walk then wakes seldom and works long. */
    if (run->jobs.count == JOBS_MOST / 2) {
        pthread_cond_broadcast(&run->room);
    }
    return shift(&run->jobs);
}

static void wait_for_job(vld_run *run)
{
    if (run->aside.count) {
        wait_until(&run->work, &run->mutex, run->aside.first->ready_ns);
    }
    else {
        pthread_cond_wait(&run->work, &run->mutex);
    }
}

vld_job *vld_queue_take(vld_run *run)
{
    vld_job *job = NULL;

    pthread_mutex_lock(&run->mutex);
    while (!run->ending && !(job = next_job(run)) && !is_hashed(run)) {
        wait_for_job(run);
    }
    if (job) {
        run->busy++;
    }
    pthread_mutex_unlock(&run->mutex);
    return job;
}

static void give_back(vld_run *run)
{
    run->busy--;
    if (is_hashed(run)) {
        wake_all(run);
    }
}

void vld_queue_done(vld_run *run, vld_job *job)
{
    size_t most = RESULT_BATCHES_MOST * run->batch;

    pthread_mutex_lock(&run->mutex);
    while (run->results.count >= most && !run->ending) {
        pthread_cond_wait(&run->room, &run->mutex);
    }
    if (!run->results.count) {
        run->first_result_ns = vld_monotonic_ns();
    }
    append(&run->results, job);
    if (run->results.count == run->batch) {
        pthread_cond_signal(&run->news);
    }
    give_back(run);
    pthread_mutex_unlock(&run->mutex);
}

void vld_queue_drop(vld_run *run, vld_job *job)
{
    vld_job_free(job);
    pthread_mutex_lock(&run->mutex);
    give_back(run);
    pthread_mutex_unlock(&run->mutex);
}

bool vld_queue_aside(vld_run *run, vld_job *job)
{
    bool taken;

    pthread_mutex_lock(&run->mutex);
    taken = run->aside.count < ASIDE_MOST;
    if (taken) {
        append(&run->aside, job);
        run->busy--;
        pthread_cond_signal(&run->work);
    }
    pthread_mutex_unlock(&run->mutex);
    return taken;
}

/* --- the writer's side --------------------------------------------------- */

static bool is_due(const vld_run *run)
{
    if (!run->results.count) {
        return false;
    }
    return run->results.count >= run->batch || is_hashed(run)
           || vld_monotonic_ns() - run->first_result_ns >= RESULT_AGE_NS;
}

bool vld_queue_collect(vld_run *run, int64_t wait_ns, vld_job_list *out)
{
    int64_t until = vld_monotonic_ns() + wait_ns;
    bool more;

    vld_job_list_init(out);
    pthread_mutex_lock(&run->mutex);
    while (!is_due(run) && !is_hashed(run) && vld_monotonic_ns() < until) {
        wait_until(&run->news, &run->mutex, until);
    }
    if (is_due(run)) {
        move(&run->results, out);
        pthread_cond_broadcast(&run->room);
    }
    more = out->count || !is_hashed(run);
    pthread_mutex_unlock(&run->mutex);
    return more;
}
