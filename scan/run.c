/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What a scan counts and reports.  Looks at no file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "scan/run.h"

#define TICK_NS INT64_C(100000000)

void vld_run_add(uint64_t *total, uint64_t n)
{
    __atomic_fetch_add(total, n, __ATOMIC_RELAXED);
}

void vld_run_snapshot(const vld_run *run, vld_scan_totals *out)
{
    const vld_scan_totals *t = &run->totals;

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

void vld_run_report_progress(void *baton)
{
    vld_run *run = baton;
    const vld_scan_options *o = run->options;
    vld_scan_totals totals;

    if (o->progress) {
        vld_run_snapshot(run, &totals);
        o->progress(o->baton, &totals);
    }
}

apr_status_t vld_run_tick(vld_run *run)
{
    const vld_scan_options *o = run->options;
    int64_t now = vld_monotonic_ns();

    if (o->stop && __atomic_load_n(o->stop, __ATOMIC_RELAXED)) {
        return APR_EINTR;
    }
    if (now >= run->next_tick_ns) {
        run->next_tick_ns = now + TICK_NS;
        vld_run_report_progress(run);
    }
    return APR_SUCCESS;
}
