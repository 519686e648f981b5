/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The dates that contents are given: the rules of docs/design.md, "Dates".
 * Pure arithmetic: no clock, no file. */
#include <string.h>

#include "validators/content.h"

/* A date is sent when its second has been over for this long: a change may
 * still be given a time that is two ticks of the clock old. */
#define SETTLES_US 1020000

#define US_PER_S 1000000
#define NS_PER_S 1000000000

int64_t vld_dates_later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Whole seconds, rounded towards the past for dates before 1970 too. */
static int64_t whole_seconds(int64_t ns)
{
    int64_t s = ns / NS_PER_S;

    return ns % NS_PER_S < 0 ? s - 1 : s;
}

static bool is_same(const vld_digest *a, const vld_digest *b)
{
    return !memcmp(a, b, sizeof(*a));
}

static bool is_named(const vld_record *record, const vld_digest *name)
{
    vld_digest its;

    vld_record_name(record, &its);
    return is_same(&its, name);
}

/* --- the date of one content ---------------------------------------------- */

int64_t vld_dates_first(const vld_identity *id, int64_t now_s)
{
    int64_t mtime_s = whole_seconds(id->mtime_ns);
    int64_t ctime_s = whole_seconds(id->ctime_ns);

    if (vld_identity_time_tells(id->mtime_ns) && mtime_s <= now_s) {
        return mtime_s;
    }
    /* Images give every file the same time of change, too. */
    return vld_identity_time_tells(id->ctime_ns) && ctime_s <= now_s ? ctime_s
                                                                     : now_s;
}

int64_t vld_dates_next(const vld_identity *id, int64_t before_s, int64_t now_s)
{
    int64_t date = before_s + 1;

    if (before_s > now_s) {
        return date;
    }
    date = vld_dates_later(date, whole_seconds(id->mtime_ns));
    date = vld_dates_later(date, whole_seconds(id->ctime_ns));
    return date > now_s ? now_s : date;
}

int64_t vld_dates_of_change(const vld_identity *id, int64_t now_s)
{
    int64_t mtime_s = whole_seconds(id->mtime_ns);
    int64_t ctime_s = whole_seconds(id->ctime_ns);

    return mtime_s <= now_s ? vld_dates_later(mtime_s, ctime_s) : ctime_s;
}

bool vld_dates_may_send(int64_t date_s, int64_t now_us)
{
    return date_s > 0 && date_s <= (now_us - SETTLES_US) / US_PER_S;
}

/* --- the contents before -------------------------------------------------- */

/* The date with which the content is remembered; 0: it is not. */
static int64_t remembered_date(const vld_past *past, const vld_digest *name)
{
    int64_t date = 0;
    uint32_t i;

    for (i = 0; i < past->count; i++) {
        if (is_same(&past->all[i].name, name)) {
            date = vld_dates_later(date, past->all[i].date);
        }
    }
    return date;
}

/* The first date that no other remembered content has had; 0: none is
 * remembered. */
static int64_t floor_of(const vld_past *past, const vld_digest *name)
{
    int64_t floor = 0;
    uint32_t i;

    for (i = 0; i < past->count; i++) {
        if (!is_same(&past->all[i].name, name) && past->all[i].date >= floor) {
            floor = past->all[i].date + 1;
        }
    }
    return floor;
}

bool vld_dates_is_free(const vld_past *past, const vld_digest *name,
                       int64_t date_s)
{
    return floor_of(past, name) <= date_s;
}

void vld_dates_latest(const vld_past *past, vld_dated *out)
{
    uint32_t i;

    memset(out, 0, sizeof(*out));
    for (i = 0; i < past->count; i++) {
        if (past->all[i].date > out->date) {
            *out = past->all[i];
        }
    }
}

/* --- the date that a response says ---------------------------------------- */

/* The content is not remembered, and the answer is going to be: it follows what
 * is known to have been there before.  Only where nothing is, the file's mtime
 * may be believed, as mirrors do. */
static int64_t new_date(const vld_dates_facts *f)
{
    const vld_past *past = f->past;
    int64_t now_s = f->now_us / US_PER_S;

    if (f->record && !past->count && !past->lost
        && is_named(f->record, f->name)) {
        return f->record->last_modified;
    }
    if (f->record) {
        return vld_dates_next(f->identity, f->record->last_modified, now_s);
    }
    if (past->count) {
        return vld_dates_next(f->identity, floor_of(past, f->name) - 1, now_s);
    }
    return vld_dates_later(vld_dates_first(f->identity, now_s),
                           past->lost ? past->lost + 1 : 0);
}

/* Without a fresh record, what is remembered of the URL decides. */
static int64_t unrecorded_date(const vld_dates_facts *f, int64_t remembered,
                               vld_chosen_date *out)
{
    bool is_assumed = f->recall == VLD_RECALL_READ && !remembered;

    out->is_assumed = is_assumed;
    if (f->recall == VLD_RECALL_NONE || is_assumed) {
        return vld_dates_of_change(f->identity, f->now_us / US_PER_S);
    }
    out->needs_memory = true;
    return remembered ? remembered : new_date(f);
}

void vld_dates_choose(const vld_dates_facts *f, vld_chosen_date *out)
{
    int64_t remembered = remembered_date(f->past, f->name);
    int64_t recorded = 0, date;

    out->needs_memory = false;
    out->is_assumed = false;
    if (f->is_fresh) {
        date = recorded = vld_dates_later(f->record->last_modified, f->link_s);
    }
    else {
        date = unrecorded_date(f, remembered, out);
    }
    /* The index keeps the date of a content that comes back, and may not have
     * seen what was there meanwhile; clients may have. */
    date = vld_dates_later(date, remembered);
    date = vld_dates_later(date, floor_of(f->past, f->name));
    out->seconds = date;
    out->is_ahead_of_record = f->is_fresh && date > recorded;
    out->may_be_sent = vld_dates_may_send(date, f->now_us);
}

void vld_dates_forgo_memory(vld_chosen_date *date, const vld_identity *id,
                            int64_t now_us)
{
    date->seconds = vld_dates_of_change(id, now_us / US_PER_S);
    date->needs_memory = false;
    date->may_be_sent = vld_dates_may_send(date->seconds, now_us);
}

/* --- the date that a record gets ------------------------------------------ */

/* The content that the record follows: the index's, or a later one that was
 * sent. False: neither is known. */
static bool find_before(const vld_record *known, const vld_last_sent *sent,
                        vld_last_sent *out)
{
    if (known) {
        out->has_name = true;
        vld_record_name(known, &out->name);
        out->date = known->last_modified;
    }
    if (sent && sent->date && (!known || sent->date > out->date)) {
        *out = *sent;
        return true;
    }
    return known != NULL;
}

int64_t vld_dates_of_record(const vld_record *read, const vld_record *known,
                            const vld_last_sent *sent, int64_t now_s)
{
    vld_last_sent before;

    if (!find_before(known, sent, &before)) {
        return vld_dates_first(&read->identity, now_s);
    }
    if (before.has_name && is_named(read, &before.name)) {
        return before.date;
    }
    return vld_dates_next(&read->identity, before.date, now_s);
}

int64_t vld_dates_declared(int64_t date_s, const vld_record *read,
                           const vld_record *known, int64_t now_s)
{
    if (date_s <= 1 || date_s > now_s) {
        return 0;
    }
    if (!known || vld_record_is_same(known, read)
        || date_s
               > vld_dates_next(&read->identity, known->last_modified, now_s)) {
        return date_s;
    }
    return 0;
}
