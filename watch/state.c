/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What the parts of a watch share: reports to the caller, its wish to stop,
 * and which root a folder belongs to.  It reads no event, no file and no
 * index. */
#include "watch/state.h"

#include <string.h>

#include "validators/content.h"

/* --- reports ------------------------------------------------------------- */

void vld_watch_report_problem(vld_watch *w, const char *path, const char *why)
{
    if (w->options->problem) {
        w->options->problem(w->options->baton, path, why);
    }
}

void vld_watch_report_failure(vld_watch *w, const char *path, apr_status_t rv)
{
    char why[256];

    w->totals.failed++;
    vld_watch_report_problem(w, path, vld_strerror(rv, why, sizeof(why)));
}

void vld_watch_report_news(vld_watch *w, vld_watch_news news)
{
    w->totals.pending = vld_pending_count(w->pending);
    w->totals.folders = vld_folders_count(w->folders);
    if (w->options->news) {
        w->options->news(w->options->baton, news, &w->totals);
    }
}

void vld_watch_report_alive(vld_watch *w)
{
    if (w->options->alive) {
        w->options->alive(w->options->baton);
    }
}

bool vld_watch_is_stopping(const vld_watch *w)
{
    return w->options->stop && *w->options->stop;
}

/* --- roots --------------------------------------------------------------- */

const char *vld_root_name(const vld_root *root)
{
    return strcmp(root->path, "/") ? root->path : "";
}

vld_folder *vld_root_folder(const vld_watch *w, const vld_root *root)
{
    return root->path ? vld_folders_child(w->folders, NULL, vld_root_name(root))
                      : NULL;
}

vld_root *vld_root_of(const vld_watch *w, const vld_folder *f)
{
    while (f->parent) {
        f = f->parent;
    }
    for (size_t i = 0; i < w->count; i++) {
        vld_root *root = &w->roots[i];

        if (root->path && !root->covered
            && !strcmp(vld_root_name(root), f->name)) {
            return root;
        }
    }
    return NULL;
}

void vld_root_pend(vld_watch *w, vld_root *root, const char *path)
{
    if (!vld_pending_add(w->pending, path, strlen(path), vld_monotonic_ns())) {
        root->rescan = true;
    }
}

void vld_roots_mark_lost(vld_watch *w)
{
    for (size_t i = 0; i < w->count; i++) {
        vld_root *root = &w->roots[i];

        if (!root->lost && !root->covered && !root->gone) {
            root->lost = root->rescan = true;
            vld_watch_report_problem(
                w, root->path,
                "more changes at once than the system tells of "
                "(fs.inotify.max_queued_events); it is scanned again");
        }
    }
}

void vld_roots_mark_stale(vld_watch *w)
{
    for (size_t i = 0; i < w->count; i++) {
        w->roots[i].stale |= w->gone.linked;
    }
}
