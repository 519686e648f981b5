/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The loop of a watch: waits for events, for what is due, for the round that
 * reads, and for the wish to stop.  Everything else is its parts'. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/watch.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "validators/scan.h"

#define PENDING_MOST 65536
#define TICK_NS INT64_C(1000000000)
#define END_NS INT64_C(300000000) /* for what is settled, at the end */

void vld_watch_problem(vld_watch *w, const char *path, const char *why)
{
    if (w->options->problem) {
        w->options->problem(w->options->baton, path, why);
    }
}

void vld_watch_tell(vld_watch *w, vld_watch_news news)
{
    w->totals.pending = vld_pending_count(w->pending);
    w->totals.folders = vld_folders_count(w->folders);
    if (w->options->news) {
        w->options->news(w->options->baton, news, &w->totals);
    }
}

bool vld_watch_is_stopping(const vld_watch *w)
{
    return w->options->stop && *w->options->stop;
}

/* --- open, close --------------------------------------------------------- */

static apr_status_t make_parts(vld_watch *w, size_t count, apr_pool_t *p)
{
    apr_status_t rv;

    w->roots = calloc(count, sizeof(*w->roots));
    w->pending = vld_pending_make(PENDING_MOST, p);
    w->round = calloc(1, sizeof(*w->round));
    if (!w->roots || !w->pending || !w->round) {
        return APR_ENOMEM;
    }
    rv = vld_round_init(w->round);
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
    if (w->round) {
        vld_round_destroy(w->round);
    }
    free(w->round);
    free(w->roots);
    free(w);
}

/* --- waiting ------------------------------------------------------------- */

static int64_t next_ns(const vld_watch *w)
{
    int64_t next = w->tick_ns;
    int64_t roots = vld_roots_next_ns(w);
    int64_t due = w->round->started ? INT64_MAX
                                    : vld_pending_next_ns(w->pending);

    next = roots < next ? roots : next;
    return due < next ? due : next;
}

/* Signals are let in while it waits, and not between the last look at the
 * flags and that. */
static void wait_until(vld_watch *w, int64_t when_ns)
{
    struct pollfd fds[2] = {
        { vld_folders_fd(w->folders), POLLIN, 0 },
        { w->round->fd, POLLIN, 0 },
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

static bool has_ended(const vld_round *r, int64_t wait_ns)
{
    struct pollfd fd = { r->fd, POLLIN, 0 };

    return poll(&fd, 1, (int)(wait_ns / 1000000)) > 0;
}

/* --- the loop ------------------------------------------------------------ */

static apr_status_t tick(vld_watch *w)
{
    int64_t now_ns = vld_monotonic_ns();

    if (now_ns < w->tick_ns) {
        return APR_SUCCESS;
    }
    w->tick_ns = now_ns + TICK_NS;
    vld_roots_check(w);
    if (w->options->alive) {
        w->options->alive(w->options->baton);
    }
    return vld_store_is_current(w->store) ? APR_SUCCESS : VLD_E_REPLACED;
}

static void scan_all_again(vld_watch *w)
{
    for (size_t i = 0; i < w->count; i++) {
        w->roots[i].rescan = true;
    }
}

static void heed_wish(vld_watch *w)
{
    if (w->options->rescan && *w->options->rescan) {
        *w->options->rescan = 0;
        scan_all_again(w);
    }
}

static apr_status_t renew(vld_watch *w)
{
    apr_status_t rv = APR_SUCCESS;

    if (w->round->started && has_ended(w->round, 0)) {
        rv = vld_renew_finish(w);
    }
    if (rv == APR_SUCCESS && !w->round->started) {
        rv = vld_renew_start(w, vld_monotonic_ns());
    }
    return rv;
}

static apr_status_t step(vld_watch *w)
{
    apr_status_t rv;

    vld_events_read(w);
    heed_wish(w);
    rv = tick(w);
    if (rv == APR_SUCCESS) {
        rv = vld_roots_scan(w);
    }
    if (rv == APR_SUCCESS && !w->ready) {
        w->ready = true;
        vld_watch_tell(w, VLD_WATCH_READY);
    }
    return rv == APR_SUCCESS ? renew(w) : rv;
}

static apr_status_t finish_round(vld_watch *w, int64_t wait_ns)
{
    if (!w->round->started) {
        return APR_SUCCESS;
    }
    if (!has_ended(w->round, wait_ns)) {
        vld_round_halt(w->round);
    }
    return vld_renew_finish(w);
}

/* What is settled by now is written, due or not. */
static apr_status_t end(vld_watch *w)
{
    apr_status_t rv;

    vld_watch_tell(w, VLD_WATCH_STOPPING);
    rv = finish_round(w, END_NS);
    vld_events_read(w);
    if (rv == APR_SUCCESS) {
        rv = vld_renew_start(w, INT64_MAX);
    }
    if (rv == APR_SUCCESS) {
        rv = finish_round(w, END_NS);
    }
    vld_watch_tell(w, VLD_WATCH_STOPPED);
    return rv;
}

apr_status_t vld_watch_run(vld_watch *w, vld_store *store)
{
    apr_status_t rv = APR_SUCCESS;

    w->store = store;
    w->vanished.store = store;
    w->tick_ns = 0;
    scan_all_again(w);
    while (rv == APR_SUCCESS && !vld_watch_is_stopping(w)) {
        rv = step(w);
        if (rv == APR_SUCCESS) {
            wait_until(w, next_ns(w));
        }
    }
    if (rv == APR_SUCCESS || rv == APR_EINTR) {
        return end(w);
    }
    if (w->round->started) {
        vld_round_halt(w->round);
        (void)vld_renew_finish(w);
    }
    return rv;
}
