/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What GET says of a file: the five sources of docs/design.md.  Dates are left
 * to content/dates.c; nothing is looked at. */
#include <string.h>

#include "server/request/choose.h"

void vld_facts_see(vld_facts *facts, const vld_identity *identity,
                   vld_compare compare)
{
    facts->identity = identity;
    facts->is_fresh = facts->record && !facts->proves_nothing
                      && vld_identity_equal(&facts->record->identity, identity,
                                            compare == VLD_COMPARE_MTIME
                                                ? VLD_COMPARE_MTIME
                                                : VLD_COMPARE_STRICT);
}

static bool is_small(const vld_facts *facts)
{
    return facts->identity->size <= VLD_SMALL_FILE;
}

bool vld_choose_reads(const vld_facts *facts, bool sends_content)
{
    return is_small(facts) && (!facts->is_fresh || sends_content);
}

/* A small file whose content is not known could not be read: nothing is
 * certain of it. */
static vld_source source_of(const vld_facts *facts)
{
    if (facts->is_fresh) {
        return VLD_SOURCE_RECORD;
    }
    if (facts->content) {
        return VLD_SOURCE_CONTENT;
    }
    if (!facts->is_settled || is_small(facts)) {
        return VLD_SOURCE_NONE;
    }
    return facts->promise ? VLD_SOURCE_IDENTITY : VLD_SOURCE_PROVISIONAL;
}

/* A response is remembered only for a settled identity.  mod_dav may ask of
 * any: a date that was sent stays true of its content. */
static vld_recall recall_of(const vld_facts *facts)
{
    if (!facts->may_be_remembered) {
        return VLD_RECALL_NONE;
    }
    if (!facts->is_response) {
        return VLD_RECALL_READ;
    }
    return facts->is_settled ? VLD_RECALL_WRITE : VLD_RECALL_NONE;
}

static void name_content(const vld_facts *facts, vld_source source,
                         vld_digest *name)
{
    if (source == VLD_SOURCE_RECORD) {
        vld_record_name(facts->record, name);
    }
    else if (source == VLD_SOURCE_CONTENT) {
        vld_content_name(facts->content, facts->record, name);
    }
    else {
        *name = *facts->promise;
    }
}

static void choose_content(const vld_facts *facts, vld_choice *out)
{
    vld_dates_facts of_date = { facts->identity,  &out->name,    facts->record,
                                facts->is_fresh,  facts->link_s, facts->past,
                                recall_of(facts), facts->now_us };

    name_content(facts, out->source, &out->name);
    vld_dates_choose(&of_date, &out->date);
    out->date_sent = out->date.may_be_sent && !out->date.is_assumed;
}

/* No date is sent, but those of the contents before are not forgotten. */
static void choose_identity(const vld_facts *facts, vld_choice *out)
{
    vld_dated latest;

    vld_dates_latest(facts->past, &latest);
    memset(&out->date, 0, sizeof(out->date));
    out->date.seconds = latest.date;
    out->name = latest.name;
    out->date_sent = false;
}

void vld_choose_nothing(vld_choice *choice)
{
    choice->source = VLD_SOURCE_NONE;
    memset(&choice->date, 0, sizeof(choice->date));
    choice->date_sent = false;
}

void vld_choose(const vld_facts *facts, vld_choice *out)
{
    out->source = source_of(facts);
    if (vld_choice_is_of_content(out)) {
        choose_content(facts, out);
    }
    else if (out->source == VLD_SOURCE_PROVISIONAL) {
        choose_identity(facts, out);
    }
    else {
        vld_choose_nothing(out);
    }
    if (facts->proves_nothing) {
        /* Nor does the time of the last change. */
        vld_choose_tag_alone(out);
    }
    out->has_stale_record = facts->record && !facts->is_fresh;
    out->is_settled = facts->is_fresh || facts->is_settled;
    out->to_be_indexed = !facts->proves_nothing
                         && (int64_t)facts->identity->size <= facts->auto_max
                         && (!facts->is_fresh || out->date.is_ahead_of_record
                             || facts->record->is_unread);
}

void vld_choose_tag_alone(vld_choice *choice)
{
    choice->date_sent = false;
    choice->date.needs_memory = false;
}

void vld_choose_forgotten(vld_choice *choice, const vld_identity *identity,
                          int64_t now_us)
{
    vld_dates_forgo_memory(&choice->date, identity, now_us);
    choice->date_sent = choice->date.may_be_sent;
}

void vld_choose_rewritten(const vld_identity *identity, int64_t born_us,
                          int64_t now_us, vld_identity *tagged, vld_choice *out)
{
    int64_t changed = vld_dates_of_change(identity, now_us / 1000000);

    *tagged = *identity;
    tagged->inode ^= (uint64_t)born_us;
    vld_choose_nothing(out);
    out->date.seconds = vld_dates_later(changed, born_us / 1000000 + 1);
    out->date.may_be_sent = vld_dates_may_send(out->date.seconds, now_us);
    out->date_sent = out->date.may_be_sent;
}
