/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The loop of a watch: waits for events, for what is due, for the thread that
 * reads, and for the wish to stop.  Its parts do all the rest. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "validators/content.h"
#include "watch/events.h"
#include "watch/reindex.h"
#include "watch/rescan.h"
#include "watch/roots.h"
#include "watch/state.h"

#define PENDING_MOST 65536
#define TICK_NS INT64_C(1000000000)
#define END_NS INT64_C(300000000) /* for files that are settled, at the end */

/* --- open, close --------------------------------------------------------- */

static apr_status_t make_parts(vld_watch *w, size_t count, apr_pool_t *p)
{
    apr_status_t rv;

    w->roots = calloc(count, sizeof(*w->roots));
    w->pending = vld_pending_make(PENDING_MOST, p);
    w->reading = calloc(1, sizeof(*w->reading));
    if (!w->roots || !w->pending || !w->reading) {
        return APR_ENOMEM;
    }
    rv = vld_read_batch_init(w->reading);
    return rv == APR_SUCCESS ? vld_folders_make(&w->folders, p) : rv;
}

apr_status_t vld_watch_open(vld_watch **out, const char *const *paths,
                            size_t count, const vld_watch_options *options,
                            apr_pool_t *p)
{
    vld_watch *w = calloc(1, sizeof(*w));
    apr_status_t rv = w ? make_parts(w, count, p) : APR_ENOMEM;

    if (rv != APR_SUCCESS) {
        vld_watch_close(w);
        return rv;
    }
    w->options = options;
    for (w->count = 0; w->count < count; w->count++) {
        w->roots[w->count].given = paths[w->count];
    }
    *out = w;
    return APR_SUCCESS;
}

void vld_watch_close(vld_watch *w)
{
    if (!w) {
        return;
    }
    for (size_t i = 0; i < w->count; i++) {
        free(w->roots[i].path);
    }
    if (w->folders) {
        vld_folders_free(w->folders);
    }
    if (w->pending) {
        vld_pending_free(w->pending);
    }
    if (w->reading) {
        vld_read_batch_destroy(w->reading);
    }
    vld_gone_clear(&w->gone);
    free(w->reading);
    free(w->roots);
    free(w);
}

/* --- waiting ------------------------------------------------------------- */

static int64_t next_ns(const vld_watch *w)
{
    int64_t next = w->tick_ns;
    int64_t scan = vld_rescan_next_ns(w);
    int64_t due = w->reading->started ? INT64_MAX
                                      : vld_pending_next_ns(w->pending);

    next = scan < next ? scan : next;
    return due < next ? due : next;
}

/* Signals are blocked from the look at the flags until ppoll() waits. */
static void wait_until(vld_watch *w, int64_t when_ns)
{
    struct pollfd fds[2] = {
        { vld_folders_fd(w->folders), POLLIN, 0 },
        { w->reading->fd, POLLIN, 0 },
    };
    int64_t ns = when_ns - vld_monotonic_ns();
    struct timespec ts = { 0, 0 };
    sigset_t all, before;

    if (ns > 0) {
        ts.tv_sec = (time_t)(ns / 1000000000);
        ts.tv_nsec = (long)(ns % 1000000000);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (!vld_watch_is_stopping(w)
        && !(w->options->rescan && *w->options->rescan)) {
        (void)ppoll(fds, 2, &ts, &before);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static bool has_ended(const vld_read_batch *b, int64_t wait_ns)
{
    struct pollfd fd = { b->fd, POLLIN, 0 };

    return poll(&fd, 1, (int)(wait_ns / 1000000)) > 0;
}

/* --- the loop ------------------------------------------------------------ */

static apr_status_t check_roots(vld_watch *w)
{
    int64_t now_ns = vld_monotonic_ns();

    if (now_ns < w->tick_ns) {
        return APR_SUCCESS;
    }
    w->tick_ns = now_ns + TICK_NS;
    vld_roots_check(w);
    vld_watch_report_alive(w);
    return vld_store_is_current(w->store) ? APR_SUCCESS : VLD_E_REPLACED;
}

static void mark_all_for_rescan(vld_watch *w)
{
    for (size_t i = 0; i < w->count; i++) {
        w->roots[i].rescan = true;
    }
}

static void take_rescan_wish(vld_watch *w)
{
    if (w->options->rescan && *w->options->rescan) {
        *w->options->rescan = 0;
        mark_all_for_rescan(w);
    }
}

static apr_status_t reindex_due(vld_watch *w)
{
    apr_status_t rv = APR_SUCCESS;

    if (w->reading->started && has_ended(w->reading, 0)) {
        rv = vld_reindex_finish(w);
    }
    if (rv == APR_SUCCESS && !w->reading->started) {
        rv = vld_reindex_start(w, vld_monotonic_ns());
    }
    return rv;
}

static apr_status_t run_step(vld_watch *w)
{
    apr_status_t rv;

    vld_events_read(w);
    take_rescan_wish(w);
    rv = check_roots(w);
    if (rv == APR_SUCCESS) {
        rv = vld_rescan_due(w);
    }
    if (rv == APR_SUCCESS && !w->ready) {
        w->ready = true;
        vld_watch_report_news(w, VLD_WATCH_READY);
    }
    return rv == APR_SUCCESS ? reindex_due(w) : rv;
}

static apr_status_t finish_reading(vld_watch *w, int64_t wait_ns)
{
    if (!w->reading->started) {
        return APR_SUCCESS;
    }
    if (!has_ended(w->reading, wait_ns)) {
        vld_read_batch_halt(w->reading);
    }
    return vld_reindex_finish(w);
}

/* Records the files that are settled by now, due or not. */
static apr_status_t end_watch(vld_watch *w)
{
    apr_status_t rv;

    vld_watch_report_news(w, VLD_WATCH_STOPPING);
    rv = finish_reading(w, END_NS);
    vld_events_read(w);
    if (rv == APR_SUCCESS) {
        rv = vld_reindex_start(w, INT64_MAX);
    }
    if (rv == APR_SUCCESS) {
        rv = finish_reading(w, END_NS);
    }
    vld_watch_report_news(w, VLD_WATCH_STOPPED);
    return rv;
}

apr_status_t vld_watch_run(vld_watch *w, vld_store *store)
{
    apr_status_t rv = APR_SUCCESS;

    vld_gone_clear(&w->gone);
    w->store = store;
    w->gone.store = store;
    w->tick_ns = 0;
    mark_all_for_rescan(w);
    while (rv == APR_SUCCESS && !vld_watch_is_stopping(w)) {
        rv = run_step(w);
        if (rv == APR_SUCCESS) {
            wait_until(w, next_ns(w));
        }
    }
    if (rv == APR_SUCCESS || rv == APR_EINTR) {
        return end_watch(w);
    }
    if (w->reading->started) {
        vld_read_batch_halt(w->reading);
        (void)vld_reindex_finish(w);
    }
    return rv;
}
