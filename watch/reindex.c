/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Fills batches with the pending files that are due, and records what was read
 * of them.  No batch of the index is open while a file is read. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/reindex.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "validators/content.h"

/* A large file is read in a batch of its own: no file that was read before it
 * waits for its end. */
#define BATCH_OCTETS UINT64_C(67108864)
#define LOOKS_MOST 4096

/* --- what to do with a path ---------------------------------------------- */

static bool is_fresh(vld_watch *w, const vld_pending_item *item,
                     const struct stat *st)
{
    vld_record record;
    vld_identity id;

    vld_identity_of(st, &id);
    return vld_store_get(w->store, item->path, item->len, &record)
               == APR_SUCCESS
           && !record.is_unread
           && vld_identity_equal(&id, &record.identity, VLD_COMPARE_STRICT);
}

/* The path of a folder that is gone ends in a slash. */
static apr_status_t look_below(vld_watch *w, const vld_pending_item *item)
{
    char prefix[VLD_PATH_MAX + 1];

    memcpy(prefix, item->path, item->len);
    prefix[item->len - 1] = '\0';
    return vld_gone_below(&w->gone, prefix);
}

static apr_status_t look_at_file(vld_watch *w, vld_pending_item *item,
                                 bool *read)
{
    struct stat st;

    if (vld_beneath_stat(item->path, &st)) {
        if (vld_beneath_is_gone(errno)) {
            return vld_gone_one(&w->gone, item->path, item->len);
        }
        vld_watch_report_failure(w, item->path, vld_error_os());
        return APR_SUCCESS;
    }
    if (!S_ISREG(st.st_mode)) {
        return vld_gone_one(&w->gone, item->path, item->len);
    }
    if (!vld_store_is_own(w->store, &st) && !is_fresh(w, item, &st)) {
        w->gone.linked |= st.st_nlink > 1;
        vld_roots_mark_stale(w);
        w->reading->octets += (uint64_t)st.st_size;
        *read = true;
    }
    return APR_SUCCESS;
}

static apr_status_t look_at_item(vld_watch *w, vld_pending_item *item,
                                 int64_t now_ns)
{
    vld_read_batch *b = w->reading;
    bool read = false;
    apr_status_t rv = item->path[item->len - 1] == '/'
                          ? look_below(w, item)
                          : look_at_file(w, item, &read);

    if (!read) {
        item->changed |= rv != APR_SUCCESS;
        vld_pending_done(w->pending, item, now_ns);
        return rv;
    }
    b->files[b->count++].item = item;
    return APR_SUCCESS;
}

/* --- a batch ------------------------------------------------------------- */

static apr_status_t drop_gone(vld_watch *w)
{
    uint64_t before = w->gone.dropped;
    apr_status_t rv = vld_gone_drop(&w->gone);

    w->totals.dropped = w->gone.dropped;
    if (w->gone.dropped != before) {
        vld_roots_mark_stale(w);
        vld_watch_report_news(w, VLD_WATCH_BATCH);
    }
    return rv;
}

static void give_items_back(vld_watch *w, int64_t now_ns)
{
    vld_read_batch *b = w->reading;

    while (b->count) {
        vld_pending_item *item = b->files[--b->count].item;

        item->changed = true;
        vld_pending_done(w->pending, item, now_ns);
    }
}

apr_status_t vld_reindex_start(vld_watch *w, int64_t now_ns)
{
    vld_read_batch *b = w->reading;
    vld_pending_item *item;
    apr_status_t rv = APR_SUCCESS;
    unsigned looks = 0;

    b->count = 0;
    b->octets = 0;
    while (rv == APR_SUCCESS && looks++ < LOOKS_MOST
           && b->count < VLD_READ_BATCH_FILES && b->octets < BATCH_OCTETS
           && (item = vld_pending_take(w->pending, now_ns))) {
        rv = look_at_item(w, item, now_ns);
    }
    if (rv == APR_SUCCESS) {
        rv = drop_gone(w);
    }
    if (rv == APR_SUCCESS && b->count) {
        rv = vld_read_batch_start(b);
    }
    if (rv != APR_SUCCESS) {
        give_items_back(w, now_ns);
    }
    return rv;
}

/* --- what was read ------------------------------------------------------- */

typedef struct recording {
    vld_watch *w;
    uint64_t recorded;
} recording;

static apr_status_t record_file(recording *r, vld_batch *batch,
                                vld_read_file *f)
{
    bool same;

    f->rv = vld_batch_record(batch, f->item->path, f->item->len, &f->record,
                             NULL, &same);
    if (APR_STATUS_IS_EINVAL(f->rv)) {
        r->w->totals.failed++;
        vld_watch_report_problem(r->w, f->item->path,
                                 "it has dates that no record takes");
        return APR_SUCCESS;
    }
    r->w->totals.same_content += same;
    r->recorded += f->rv == APR_SUCCESS;
    return f->rv;
}

static apr_status_t record_all(void *baton, vld_batch *batch)
{
    recording *r = baton;
    vld_read_batch *b = r->w->reading;
    apr_status_t rv = APR_SUCCESS;

    for (size_t i = 0; i < b->count && rv == APR_SUCCESS; i++) {
        if (b->files[i].rv == APR_SUCCESS) {
            rv = record_file(r, batch, &b->files[i]);
        }
    }
    return rv;
}

static bool has_read(const vld_read_batch *b)
{
    for (size_t i = 0; i < b->count; i++) {
        if (b->files[i].rv == APR_SUCCESS) {
            return true;
        }
    }
    return false;
}

static void settle_file(vld_watch *w, vld_read_file *f, int64_t now_ns)
{
    if (f->rv == APR_SUCCESS) {
        vld_pending_rest(w->pending, f->item, now_ns);
        return;
    }
    if (f->rv == APR_EBUSY) {
        int64_t wait_ns = f->again_ns - vld_now_ns();

        vld_pending_again(w->pending, f->item, now_ns + wait_ns, now_ns);
        return;
    }
    /* It was replaced by something else since it was looked at, or the batch
     * was halted. */
    if (APR_STATUS_IS_EINVAL(f->rv) || f->rv == APR_EINTR
        || vld_beneath_is_gone(APR_TO_OS_ERROR(f->rv))) {
        f->item->changed = true;
    }
    else {
        vld_watch_report_failure(w, f->item->path, f->rv);
    }
    vld_pending_done(w->pending, f->item, now_ns);
}

apr_status_t vld_reindex_finish(vld_watch *w)
{
    vld_read_batch *b = w->reading;
    int64_t now_ns = vld_monotonic_ns();
    recording r = { w, 0 };
    apr_status_t rv = APR_SUCCESS;

    vld_read_batch_join(b);
    if (has_read(b)) {
        rv = vld_store_write(w->store, record_all, &r);
    }
    if (rv != APR_SUCCESS) {
        give_items_back(w, now_ns);
        return rv;
    }
    while (b->count) {
        settle_file(w, &b->files[--b->count], now_ns);
    }
    w->totals.indexed += r.recorded;
    if (r.recorded) {
        vld_watch_report_news(w, VLD_WATCH_BATCH);
    }
    return APR_SUCCESS;
}
