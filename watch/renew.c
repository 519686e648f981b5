/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Pending paths into rounds of reading, and what was read into the index.  The
 * writer's lock is never held while a file is read. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "validators/content.h"
#include "validators/scan.h"
#include "watch/watch.h"

/* A large file is read in a round of its own: nothing that was read before it
 * waits for its end. */
#define ROUND_OCTETS UINT64_C(67108864)
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
           && vld_identity_equal(&id, &record.identity, VLD_COMPARE_STRICT);
}

static void fail(vld_watch *w, const char *path, apr_status_t rv)
{
    char why[256];

    w->totals.failed++;
    vld_watch_problem(w, path, vld_strerror(rv, why, sizeof(why)));
}

/* Folders that are gone end in a slash. */
static apr_status_t below(vld_watch *w, const vld_pending_item *item)
{
    char prefix[VLD_PATH_MAX + 1];

    memcpy(prefix, item->path, item->len);
    prefix[item->len - 1] = '\0';
    return vld_vanished_below(&w->vanished, prefix);
}

static apr_status_t at(vld_watch *w, vld_pending_item *item, bool *read)
{
    struct stat st;

    if (vld_beneath_stat(item->path, &st)) {
        if (vld_beneath_is_gone(errno)) {
            return vld_vanished_one(&w->vanished, item->path, item->len);
        }
        fail(w, item->path, vld_error_os());
        return APR_SUCCESS;
    }
    if (!S_ISREG(st.st_mode)) {
        return vld_vanished_one(&w->vanished, item->path, item->len);
    }
    if (!vld_store_is_own(w->store, &st) && !is_fresh(w, item, &st)) {
        w->vanished.linked |= st.st_nlink > 1;
        vld_roots_touched(w);
        w->round->octets += (uint64_t)st.st_size;
        *read = true;
    }
    return APR_SUCCESS;
}

static apr_status_t look(vld_watch *w, vld_pending_item *item, int64_t now_ns)
{
    vld_round *r = w->round;
    bool read = false;
    apr_status_t rv = item->path[item->len - 1] == '/' ? below(w, item)
                                                       : at(w, item, &read);

    if (!read) {
        item->changed |= rv != APR_SUCCESS;
        vld_pending_done(w->pending, item, now_ns);
        return rv;
    }
    r->files[r->count++].item = item;
    return APR_SUCCESS;
}

/* --- a round ------------------------------------------------------------- */

static apr_status_t drop(vld_watch *w)
{
    uint64_t before = w->vanished.dropped;
    apr_status_t rv = vld_vanished_drop(&w->vanished);

    w->totals.dropped = w->vanished.dropped;
    if (w->vanished.dropped != before) {
        vld_roots_touched(w);
        vld_watch_tell(w, VLD_WATCH_BATCH);
    }
    return rv;
}

static void give_back(vld_watch *w, int64_t now_ns)
{
    vld_round *r = w->round;

    while (r->count) {
        vld_pending_item *item = r->files[--r->count].item;

        item->changed = true;
        vld_pending_done(w->pending, item, now_ns);
    }
}

apr_status_t vld_renew_start(vld_watch *w, int64_t now_ns)
{
    vld_round *r = w->round;
    vld_pending_item *item;
    apr_status_t rv = APR_SUCCESS;
    unsigned looks = 0;

    r->count = 0;
    r->octets = 0;
    while (rv == APR_SUCCESS && looks++ < LOOKS_MOST
           && r->count < VLD_ROUND_FILES && r->octets < ROUND_OCTETS
           && (item = vld_pending_take(w->pending, now_ns))) {
        rv = look(w, item, now_ns);
    }
    if (rv == APR_SUCCESS) {
        rv = drop(w);
    }
    if (rv == APR_SUCCESS && r->count) {
        rv = vld_round_start(r);
    }
    if (rv != APR_SUCCESS) {
        give_back(w, now_ns);
    }
    return rv;
}

/* --- what was read ------------------------------------------------------- */

static apr_status_t record(vld_watch *w, vld_batch *batch, vld_round_file *f)
{
    bool same;

    f->rv = vld_batch_record(batch, f->item->path, f->item->len, &f->record,
                             NULL, &same);
    if (APR_STATUS_IS_EINVAL(f->rv)) {
        w->totals.failed++;
        vld_watch_problem(w, f->item->path,
                          "it has dates that no record takes");
        return APR_SUCCESS;
    }
    w->totals.same_content += same;
    return f->rv;
}

static apr_status_t record_all(vld_watch *w, uint64_t *recorded)
{
    vld_batch *batch;
    apr_status_t rv = vld_batch_begin(w->store, &batch);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (size_t i = 0; i < w->round->count; i++) {
        vld_round_file *f = &w->round->files[i];

        if (f->rv == APR_SUCCESS) {
            rv = record(w, batch, f);
            *recorded += f->rv == APR_SUCCESS;
        }
        if (rv != APR_SUCCESS) {
            vld_batch_abort(batch);
            return rv;
        }
    }
    return vld_batch_commit(batch);
}

static bool has_read(const vld_round *r)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->files[i].rv == APR_SUCCESS) {
            return true;
        }
    }
    return false;
}

static void settle(vld_watch *w, vld_round_file *f, int64_t now_ns)
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
    /* Something else stands there since it was looked at; or the end came. */
    if (APR_STATUS_IS_EINVAL(f->rv) || f->rv == APR_EINTR
        || vld_beneath_is_gone(APR_TO_OS_ERROR(f->rv))) {
        f->item->changed = true;
    }
    else {
        fail(w, f->item->path, f->rv);
    }
    vld_pending_done(w->pending, f->item, now_ns);
}

apr_status_t vld_renew_finish(vld_watch *w)
{
    vld_round *r = w->round;
    int64_t now_ns = vld_monotonic_ns();
    uint64_t recorded = 0;
    apr_status_t rv = APR_SUCCESS;

    vld_round_join(r);
    if (has_read(r)) {
        rv = record_all(w, &recorded);
    }
    if (rv != APR_SUCCESS) {
        give_back(w, now_ns);
        return rv;
    }
    while (r->count) {
        settle(w, &r->files[--r->count], now_ns);
    }
    w->totals.indexed += recorded;
    if (recorded) {
        vld_watch_tell(w, VLD_WATCH_BATCH);
    }
    return APR_SUCCESS;
}
