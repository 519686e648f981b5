/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What an import writes: reports of lines that are not recorded, and the
 * records of the others.  Never looks at a file. */
#include <stdlib.h>
#include <string.h>

#include "cli/import.h"
#include "cli/index.h"
#include "cli/message.h"

static bool is_same(const vld_digest *a, const vld_digest *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* --- reports ------------------------------------------------------------- */

static void report_line(importing *im, const import_item *it)
{
    cli_progress_clear(im->progress);
    cli_error("%s: line %lu: %s", im->file_shown, it->entry.line, it->why);
}

static void report_file(importing *im, const import_item *it, const char *why)
{
    apr_pool_t *p;

    cli_progress_clear(im->progress);
    apr_pool_create(&p, im->c->pool);
    cli_error("%s: %s (line %lu of the manifest)", cli_shown(p, it->path), why,
              it->entry.line);
    apr_pool_destroy(p);
}

/* Of one that is not recorded: the figure that counts it. */
static uint64_t *count_of(import_totals *t, import_outcome outcome)
{
    switch (outcome) {
    case IMPORT_MALFORMED: return &t->malformed;
    case IMPORT_DIFFERENT: return &t->different;
    case IMPORT_MISSING: return &t->missing;
    case IMPORT_LINK:
    case IMPORT_NO_FILE: return &t->skipped;
    case IMPORT_UNSETTLED: return &t->unsettled;
    default: return &t->failed;
    }
}

static void report_item(importing *im, const import_item *it)
{
    char why[256];

    ++*count_of(&im->totals, it->outcome);
    switch (it->outcome) {
    case IMPORT_MALFORMED: report_line(im, it); break;
    case IMPORT_DIFFERENT:
        report_file(im, it,
                    "its content is not that of the manifest; it was not "
                    "recorded");
        break;
    case IMPORT_MISSING: report_file(im, it, "it is not there"); break;
    case IMPORT_LINK:
        report_file(im, it,
                    "it is a symbolic link, which is not followed; name the "
                    "file itself");
        break;
    case IMPORT_NO_FILE: report_file(im, it, "it is no regular file"); break;
    case IMPORT_UNSETTLED: report_file(im, it, it->why); break;
    default: report_file(im, it, vld_strerror(it->rv, why, sizeof(why))); break;
    }
}

/* --- records ------------------------------------------------------------- */

/* One batch. */
typedef struct writing {
    importing *im;
    import_item **items;
    size_t count;
    import_totals written;
} writing;

/* A content that is known under a promise is the same one. */
static vld_last_sent heard_of(const import_item *it, const vld_record *known)
{
    vld_last_sent heard = { true, it->entry.digest, 0 };
    vld_record record = it->record;

    if (known) {
        vld_record_keep_promise(&record, known);
    }
    if (it->entry.has_facts) {
        heard.date = vld_dates_declared(it->entry.last_modified, &record, known,
                                        vld_now_ns() / 1000000000);
    }
    return heard;
}

static apr_status_t put_new_record(writing *w, vld_batch *batch,
                                   import_item *it, const vld_last_sent *heard)
{
    bool same;
    apr_status_t rv;

    /* It counts where the index knows no record of this content. */
    if (it->entry.has_seed) {
        it->record.is_promised = true;
        it->record.seed = it->entry.seed;
    }
    rv = vld_batch_record(batch, it->path, strlen(it->path), &it->record, heard,
                          &same);

    if (APR_STATUS_IS_EINVAL(rv)) {
        w->written.failed++;
        report_file(w->im, it, "it has dates that no record takes");
        return APR_SUCCESS;
    }
    w->written.trusted += rv == APR_SUCCESS && it->is_trusted;
    w->written.hashed += rv == APR_SUCCESS && !it->is_trusted;
    return rv;
}

/* In the batch, where nobody else writes, the record is looked up again. */
static apr_status_t put_record(writing *w, vld_batch *batch, import_item *it)
{
    vld_record known;
    bool has = vld_batch_get(batch, it->path, strlen(it->path), &known)
               == APR_SUCCESS;
    bool fresh = has && !known.is_unread
                 && vld_identity_equal(&known.identity, &it->record.identity,
                                       VLD_COMPARE_STRICT);
    vld_last_sent heard = heard_of(it, has ? &known : NULL);

    if (fresh && !is_same(&known.digest, &it->entry.digest) && it->is_trusted) {
        /* Somebody has read it since. */
        it->outcome = IMPORT_DIFFERENT;
        report_item(w->im, it);
        return APR_SUCCESS;
    }
    if (fresh && is_same(&known.digest, &it->entry.digest)
        && known.last_modified >= heard.date) {
        w->written.unchanged++;
        return APR_SUCCESS;
    }
    return put_new_record(w, batch, it, &heard);
}

static apr_status_t put_records(void *baton, vld_batch *batch)
{
    writing *w = baton;
    apr_status_t rv = APR_SUCCESS;
    size_t i;

    for (i = 0; i < w->count && rv == APR_SUCCESS; i++) {
        rv = put_record(w, batch, w->items[i]);
    }
    return rv;
}

static apr_status_t write_batch(void *baton)
{
    writing *w = baton;

    memset(&w->written, 0, sizeof(w->written));
    return vld_store_write(w->im->c->store, put_records, w);
}

/* The source must not look records up while the index is opened anew. */
static apr_status_t write_to_index(writing *w)
{
    cli *c = w->im->c;
    apr_status_t rv = write_batch(w);

    if (rv == VLD_E_REPLACED) {
        pthread_mutex_lock(&w->im->store_mutex);
        rv = cli_retry_replaced(c, CLI_RETRIES, write_batch, w);
        pthread_mutex_unlock(&w->im->store_mutex);
    }
    return rv;
}

static void add_written(import_totals *sum, const import_totals *written)
{
    sum->trusted += written->trusted;
    sum->hashed += written->hashed;
    sum->unchanged += written->unchanged;
    sum->failed += written->failed;
}

/* In the order of keys, so that neighbours share pages; lines of one file in
 * theirs. */
static int compare_items(const void *a, const void *b)
{
    const import_item *x = *(import_item *const *)a;
    const import_item *y = *(import_item *const *)b;
    int order = strcmp(x->path, y->path);

    return order ? order
                 : (x->entry.line > y->entry.line)
                       - (x->entry.line < y->entry.line);
}

static apr_status_t write_items(writing *w)
{
    apr_status_t rv;

    if (!w->count) {
        return APR_SUCCESS;
    }
    qsort(w->items, w->count, sizeof(import_item *), compare_items);
    rv = write_to_index(w);
    if (rv == APR_SUCCESS) {
        add_written(&w->im->totals, &w->written);
    }
    return rv;
}

apr_status_t cli_import_take(void *baton, const vld_item_list *results)
{
    importing *im = baton;
    writing w = { .im = im };
    vld_item *item;

    w.items = malloc(results->count * sizeof(import_item *));
    if (!w.items) {
        im->write_rv = APR_ENOMEM;
        return APR_ENOMEM;
    }
    for (item = results->first; item; item = item->next) {
        import_item *it = (import_item *)item;

        im->totals.entries += it->outcome != IMPORT_MALFORMED;
        im->totals.bytes += it->is_read ? it->record.identity.size : 0;
        if (it->outcome == IMPORT_RECORD) {
            w.items[w.count++] = it;
        }
        else {
            report_item(im, it);
        }
    }
    im->write_rv = write_items(&w);
    free(w.items);
    return im->write_rv;
}
