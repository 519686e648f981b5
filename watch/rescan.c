/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Scans of the trees of a watch as a whole: at the start, after events were
 * lost, and from time to time where a tree cannot be watched.  Each sets up
 * the watches before it scans, so that no change falls between. */
#include "watch/rescan.h"

#include <string.h>

#include "validators/content.h"
#include "validators/scan.h"
#include "watch/events.h"
#include "watch/roots.h"

/* Scans of a polled tree take at most this share of the time: a tenth. */
#define POLL_SHARE 10

/* The queue of events must not fill up during a long scan. */
static void on_progress(void *baton, const vld_scan_totals *so_far)
{
    vld_watch *w = baton;

    (void)so_far;
    vld_events_read(w);
    vld_watch_report_alive(w);
}

static void on_problem(void *baton, const char *path, const char *why)
{
    vld_watch_report_problem(baton, path, why);
}

static apr_status_t on_record(void *baton)
{
    vld_watch *w = baton;
    static unsigned n;

    if (++n % 1024 == 0) {
        on_progress(w, NULL);
    }
    return vld_watch_is_stopping(w) ? APR_EINTR : APR_SUCCESS;
}

/* The scan before a poll has reported what cannot be read. */
static apr_status_t scan_tree(vld_watch *w, const vld_root *root, bool poll)
{
    vld_scan_options how = {
        .jobs = w->options->jobs,
        .stop = w->options->stop,
        .progress = on_progress,
        .problem = poll ? NULL : on_problem,
        .baton = w,
    };
    vld_scan_totals t;
    apr_status_t rv;

    memset(&t, 0, sizeof(t));
    rv = vld_scan(w->store, root->path, &how, &t);
    w->totals.indexed += t.hashed;
    w->totals.same_content += t.same_content;
    w->totals.failed += poll ? 0 : t.failed;
    return rv;
}

static apr_status_t drop_gone(vld_watch *w, const char *path)
{
    apr_status_t rv;

    w->gone.between = on_record;
    w->gone.baton = w;
    rv = vld_gone_below(&w->gone, path);
    if (rv == APR_SUCCESS || rv == APR_EINTR) {
        apr_status_t dropped = vld_gone_drop(&w->gone);

        rv = rv == APR_SUCCESS ? dropped : rv;
    }
    else {
        vld_gone_clear(&w->gone);
    }
    w->gone.between = NULL;
    w->totals.dropped = w->gone.dropped;
    return rv;
}

static void set_up_watches(vld_watch *w, vld_root *root)
{
    if (root->lost && vld_root_folder(w, root)) {
        vld_folders_drop(w->folders, vld_root_folder(w, root));
    }
    root->lost = root->stale = false;
    vld_events_fill(w, root);
    root->rescan = root->lost;
}

static void set_poll_time(const vld_watch *w, vld_root *root, int64_t began_ns)
{
    int64_t now_ns = vld_monotonic_ns();
    int64_t pause_ns = POLL_SHARE * (now_ns - began_ns);

    if (pause_ns < w->options->interval_ns) {
        pause_ns = w->options->interval_ns;
    }
    root->poll_ns = now_ns + pause_ns;
}

static apr_status_t scan_and_drop(vld_watch *w, vld_root *root, bool poll)
{
    apr_status_t rv = scan_tree(w, root, poll);

    if (rv == APR_SUCCESS) {
        return drop_gone(w, root->path);
    }
    if (rv != APR_EINTR) {
        vld_root_find(w, root); /* it may have gone during the scan */
        rv = root->gone || root->rescan ? APR_SUCCESS : rv;
    }
    return rv;
}

/* A poll that changes nothing is no news. */
static void report_scan(vld_watch *w, const vld_watch_totals *before, bool poll)
{
    if (!w->ready) {
        return;
    }
    if (!poll) {
        w->totals.rescans++;
        vld_watch_report_news(w, VLD_WATCH_RESCAN);
    }
    else if (w->totals.indexed != before->indexed
             || w->totals.dropped != before->dropped) {
        vld_watch_report_news(w, VLD_WATCH_BATCH);
    }
}

static apr_status_t rescan_root(vld_watch *w, vld_root *root, bool poll)
{
    int64_t began_ns = vld_monotonic_ns();
    vld_watch_totals before = w->totals;
    apr_status_t rv;

    set_up_watches(w, root);
    rv = scan_and_drop(w, root, poll);
    set_poll_time(w, root, began_ns);
    if (rv == APR_SUCCESS) {
        report_scan(w, &before, poll);
    }
    return rv;
}

apr_status_t vld_rescan_due(vld_watch *w)
{
    apr_status_t rv = APR_SUCCESS;

    for (size_t i = 0; i < w->count && rv == APR_SUCCESS; i++) {
        vld_root *root = &w->roots[i];
        bool poll = !root->rescan && (root->polled || root->stale)
                    && root->poll_ns <= vld_monotonic_ns();

        if (!root->gone && !root->covered && (root->rescan || poll)) {
            rv = rescan_root(w, root, poll);
        }
    }
    return rv;
}

int64_t vld_rescan_next_ns(const vld_watch *w)
{
    int64_t next_ns = INT64_MAX;

    for (size_t i = 0; i < w->count; i++) {
        const vld_root *root = &w->roots[i];

        if (root->gone || root->covered) {
            continue;
        }
        if (root->rescan) {
            return 0;
        }
        if ((root->polled || root->stale) && root->poll_ns < next_ns) {
            next_ns = root->poll_ns;
        }
    }
    return next_ns;
}
