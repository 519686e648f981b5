/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Large files before their first answer (docs/design.md, "The tag is a
 * promise").  Reads a file only where what is read will be kept; waits no
 * longer than ValidatorsAutoIndex says. */
#include <httpd.h>
#include <http_log.h>

#include "server/request/learn.h"

APLOG_USE_MODULE(validators);

/* A file that was written to in so many seconds may be growing: nothing is
 * promised of it. */
#define GROWS_FOR_NS (60 * INT64_C(1000000000))

/* One that changes again so soon after it was recorded is not promised. */
#define CHANGES_AGAIN_NS (2 * INT64_C(1000000000))

/* A promise is recorded in less than this, beside what others are reading. */
#define PROMISE_US apr_time_from_msec(200)

typedef struct learning {
    request_rec *r;
    const vld_dir_config *conf;
    const vld_ahead *file;
    vld_facts *facts;
    vld_learned *learned;
    bool keeps;    /* what is found out is recorded */
    bool may_wait; /* the file may be read for it, or its tag promised */
} learning;

/* By its mtime, which every write moves: what was put there with the mtime of a
 * copy, or got another name, does not grow. */
static bool is_recent(const vld_facts *facts)
{
    apr_int64_t age_ns = facts->now_us * 1000 - facts->identity->mtime_ns;

    return age_ns >= 0 && age_ns < GROWS_FOR_NS;
}

/* The promise would not hold for long, and each is a transaction. */
static bool changes_again(const vld_facts *facts)
{
    apr_int64_t age_ns = facts->now_us * 1000
                         - (facts->record ? facts->record->indexed_ns : 0);

    return age_ns >= 0 && age_ns < CHANGES_AGAIN_NS;
}

/* A log: it was shorter when it was recorded, and has changed just now.  The
 * guard would cut each download of it. */
static bool is_growing(const vld_facts *facts)
{
    return facts->record && facts->record->identity.size < facts->identity->size
           && facts->record->identity.inode == facts->identity->inode
           && is_recent(facts);
}

/* Take the record that was made since the file was looked up. */
static bool take_new_record(const learning *l)
{
    vld_facts *facts = l->facts;

    if (vld_index_find(apr_time_now(), l->file->path, &l->learned->found)) {
        facts->record = &l->learned->found.record;
        facts->link_s = l->learned->found.link_mtime_s;
        vld_facts_see(facts, facts->identity, vld_config_compare(l->conf));
    }
    return facts->is_fresh;
}

/* What was read names the content, unless a promise was recorded meanwhile, or
 * nobody knows. */
static void take_content(const learning *l)
{
    if (!take_new_record(l) && !l->learned->found.is_unknown) {
        l->facts->content = &l->learned->content;
    }
}

/* The date that the response would say under the promised tag. */
static apr_int64_t date_of_promise(const learning *l)
{
    vld_facts facts = *l->facts;
    vld_choice choice;

    facts.promise = &l->learned->promise;
    vld_choose(&facts, &choice);
    return choice.date.seconds;
}

/* Without a record of it, a promise holds as long as the whole identity.  Who
 * records one of the same identity later, in a moment or after a restart,
 * records the same tag. */
static void promise_unrecorded(const learning *l)
{
    if (vld_config_compare(l->conf) == VLD_COMPARE_STRICT) {
        l->facts->promise = &l->learned->promise;
    }
}

/* Where nobody knows what is recorded, nothing is promised. */
static void record_promise(const learning *l)
{
    vld_facts *facts = l->facts;
    apr_interval_time_t most = vld_config_auto_wait(l->conf) + PROMISE_US;

    vld_ahead_promise(l->file, &l->learned->promise, date_of_promise(l), most);
    if (!take_new_record(l) && !l->learned->found.is_unknown) {
        if (vld_ahead_know(l->file, &l->learned->content)) {
            facts->content = &l->learned->content;
        }
        else {
            promise_unrecorded(l);
        }
    }
    ap_log_rerror(APLOG_MARK, APLOG_TRACE2, 0, l->r, "%s: %s", l->file->path,
                  facts->is_fresh  ? "its tag is promised"
                  : facts->content ? "was read meanwhile"
                                   : "no promise could be recorded in time");
}

static void promise(const learning *l)
{
    if (is_recent(l->facts) || changes_again(l->facts)
        || vld_file_has_writer(l->file->fd)
        || vld_promise_name(l->facts->identity, l->file->fd,
                            &l->learned->promise)
               != APR_SUCCESS) {
        return;
    }
    if (!l->keeps) {
        promise_unrecorded(l);
    }
    else if (l->may_wait) {
        record_promise(l);
    }
}

static bool read_content(const learning *l)
{
    if ((apr_int64_t)l->facts->identity->size > vld_config_auto_max(l->conf)
        || is_growing(l->facts)) {
        return false;
    }
    return l->may_wait && l->keeps
               ? vld_ahead_read(l->file, vld_config_auto_wait(l->conf),
                                &l->learned->content)
               : vld_ahead_know(l->file, &l->learned->content);
}

void vld_learn(request_rec *r, const vld_dir_config *conf,
               const vld_ahead *file, bool may_wait, vld_facts *facts,
               vld_learned *learned)
{
    learning l = { r, conf, file, facts, learned, false, may_wait };

    if (facts->is_fresh || !facts->is_settled) {
        return;
    }
    l.keeps = conf->auto_index != VLD_OFF && vld_ahead_can_keep();
    if (read_content(&l)) {
        take_content(&l);
    }
    else {
        promise(&l);
    }
}
