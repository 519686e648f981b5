/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Remember: what of a full response is kept as a prepared answer, and which
 * responses are not.  In doubt, nothing is kept. */
#include <apr_strings.h>
#include <apr_thread_proc.h>

#include <httpd.h>
#include <http_protocol.h>
#include <util_filter.h>

#include "server/access/kept_fields.h"
#include "server/access/providers.h"
#include "server/config.h"
#include "server/request/field_list.h"
#include "server/request/last_modified.h"
#include "server/request/remember.h"
#include "server/shared.h"

/* An answer younger than this is not written again, so that a busy file does
 * not cost a write for each response. */
#define FRESH_US APR_USEC_PER_SEC

/* How often a write that meets another one is tried. */
#define WRITES_MOST 4

/* Whether the value was made for one response: it has a nonce (the stored
 * content goes with the stored one), the response's id, or a time. */
static bool is_of_one_response(const request_rec *r, const char *value)
{
    const char *id = apr_table_get(r->subprocess_env, "UNIQUE_ID");

    return ap_strcasestr(value, "'nonce-") || (id && strstr(value, id))
           || vld_field_has_clock(value);
}

/* --- which responses ----------------------------------------------------- */

/* Remove every line of a field: a 304 with some of them would replace all that
 * are stored (RFC 9111 3.2). */
static void leave_out(vld_answer *answer, const char *name)
{
    apr_uint32_t i, n = 0;

    for (i = 0; i < answer->field_count; i++) {
        if (strcasecmp(answer->fields[i].name.ptr, name)) {
            answer->fields[n++] = answer->fields[i];
        }
    }
    answer->field_count = n;
}

/* Remove fields that were made for one response.  False: a needed field is
 * among them. */
static bool leave_out_of_one_response(const request_rec *r, vld_answer *answer)
{
    apr_uint32_t i = 0;

    while (i < answer->field_count) {
        if (!is_of_one_response(r, answer->fields[i].value.ptr)) {
            i++;
            continue;
        }
        if (vld_kept_is_needed(answer->fields[i].name.ptr)) {
            return false;
        }
        leave_out(answer, answer->fields[i].name.ptr);
        i = 0;
    }
    return true;
}

/* Add the kept fields of one table.  False: the response may not be
 * remembered. */
static bool collect_fields(vld_answer *answer, const apr_table_t *table)
{
    const apr_array_header_t *all = apr_table_elts(table);
    const apr_table_entry_t *e = (const apr_table_entry_t *)all->elts;
    vld_field *field;
    int i;

    for (i = 0; i < all->nelts; i++, e++) {
        if (!strncasecmp(e->key, "Set-Cookie", 10)
            || (!strcasecmp(e->key, "Cache-Control")
                && (vld_field_has_directive(e->val, "private")
                    || vld_field_has_directive(e->val, "no-store")))) {
            return false;
        }
        if (!vld_kept_is_kept(e->key)) {
            continue;
        }
        if (answer->field_count == VLD_ANSWER_MAX_FIELDS) {
            return false;
        }
        field = &answer->fields[answer->field_count++];
        field->name.ptr = e->key;
        field->name.len = strlen(e->key);
        field->value.ptr = e->val;
        field->value.len = strlen(e->val);
    }
    return true;
}

/* --- what they depend on ------------------------------------------------- */

static bool add_vary(const request_rec *r, vld_answer *answer, const char *name)
{
    vld_field *field;
    apr_uint32_t i;

    for (i = 0; i < answer->vary_count; i++) {
        if (!strcasecmp(answer->vary[i].name.ptr, name)) {
            return true;
        }
    }
    if (answer->vary_count == VLD_ANSWER_MAX_VARY) {
        return false;
    }
    field = &answer->vary[answer->vary_count++];
    field->name.ptr = name;
    field->name.len = strlen(name);
    field->value.ptr = apr_table_get(r->headers_in, name);
    field->value.len = field->value.ptr ? strlen(field->value.ptr) : 0;
    return true;
}

/* Add every field that Vary names.  False: `*`, or too many. */
static bool read_vary(request_rec *r, vld_answer *answer, const char *value)
{
    const char *at, *name;
    apr_size_t len;

    while (vld_field_list_next(&value, &at, &len)) {
        name = apr_pstrmemdup(r->pool, at, len);
        if (!strcmp(name, "*") || (*name && !add_vary(r, answer, name))) {
            return false;
        }
    }
    return true;
}

/* The grant to another origin may differ, whether or not Vary names it.  Where
 * there is none and no rule asks, anybody could fill the table with origins. */
static bool depends_on_origin(const vld_answer *answer)
{
    static const char cors[] = "Access-Control-";
    apr_uint32_t i;

    for (i = 0; i < answer->field_count; i++) {
        const char *name = answer->fields[i].name.ptr;

        if (!strncasecmp(name, cors, sizeof(cors) - 1)
            || !strcasecmp(name, "Timing-Allow-Origin")) {
            return true;
        }
    }
    return vld_config_global()->origin_asked;
}

static bool collect_vary(request_rec *r, vld_answer *answer)
{
    apr_uint32_t i;

    for (i = 0; i < answer->field_count; i++) {
        if (!strcasecmp(answer->fields[i].name.ptr, "Vary")
            && !read_vary(r, answer, answer->fields[i].value.ptr)) {
            return false;
        }
    }
    /* A rule may have decided by it. */
    if (vld_config_global()->coding_asked
        && !add_vary(r, answer, "Accept-Encoding")) {
        return false;
    }
    return !depends_on_origin(answer) || add_vary(r, answer, "Origin");
}

/* --- remembering --------------------------------------------------------- */

/* Whether the table has this answer, young enough to be left as it is. */
static bool is_remembered_already(const vld_request *rq)
{
    const vld_memory *m = &rq->memory;
    apr_int64_t age = rq->seen_us - m->born_us;

    return m->has_answer && age >= 0 && age < FRESH_US && rq->txn == m->txn
           && rq->chosen.date.seconds == m->date
           && !memcmp(&m->name, &rq->chosen.name, sizeof(rq->chosen.name))
           && vld_identity_equal(&m->identity, &rq->identity,
                                 VLD_COMPARE_STRICT);
}

static bool is_one_tag(const char *etag)
{
    vld_span text = { etag, strlen(etag) };
    vld_etag parsed;

    return vld_etag_parse(text, &parsed);
}

static apr_uint32_t flags_of(request_rec *r, const vld_request *rq,
                             const char *etag)
{
    apr_uint32_t flags = is_one_tag(etag) ? VLD_ANSWER_TAGGED : 0;

    /* An internal redirect does not lead every client of this URL to the same
     * target; and some fields are not the same for every client. */
    if (r->prev || !vld_access_fields_for_all(r)) {
        flags |= VLD_ANSWER_DATE_ONLY;
    }
    else if (rq->conf->quick == VLD_ON && vld_access_public(r)) {
        flags |= VLD_ANSWER_QUICK;
    }
    if (rq->chosen.source == VLD_SOURCE_RECORD) {
        flags |= VLD_ANSWER_INDEXED;
    }
    if (rq->is_promised) {
        flags |= VLD_ANSWER_PROMISED;
    }
    if (rq->chosen.source == VLD_SOURCE_PROVISIONAL) {
        flags |= VLD_ANSWER_UNKNOWN;
    }
    return flags;
}

static void fill_answer(vld_answer *answer, const request_rec *r,
                        const vld_request *rq, const char *etag)
{
    answer->verify = (apr_uint32_t)vld_config_compare(rq->conf);
    /* The rules that the request has passed were read after this. */
    answer->born_us = r->request_time;
    answer->index_txn = rq->txn;
    answer->identity = rq->identity;
    answer->name = rq->chosen.name;
    answer->last_modified = rq->chosen.date.seconds;
    answer->date_sent = rq->chosen.date_sent
                        && vld_last_modified_is(r, rq->chosen.date.seconds);
    answer->path.ptr = r->filename;
    answer->path.len = strlen(r->filename);
    answer->etag.ptr = etag;
    answer->etag.len = strlen(etag);
    answer->vary_count = 0;
    answer->field_count = 0;
}

/* Another child may have remembered another content at the same moment.  Both
 * read after they have written, so at least one of them sees the other's. */
static bool is_latest(request_rec *r, vld_request *rq)
{
    vld_answer_memory(r, &rq->key, &rq->memory);
    return vld_dates_is_free(&rq->memory.past, &rq->chosen.name,
                             rq->chosen.date.seconds);
}

/* Whether the table has the content with this date by now. */
static bool is_remembered_by_another(request_rec *r, vld_request *rq)
{
    const vld_past *past = &rq->memory.past;
    apr_uint32_t i;

    vld_answer_memory(r, &rq->key, &rq->memory);
    for (i = 0; i < past->count; i++) {
        if (past->all[i].date == rq->chosen.date.seconds
            && !memcmp(&past->all[i].name, &rq->chosen.name,
                       sizeof(rq->chosen.name))) {
            return true;
        }
    }
    return false;
}

/* Several children may answer the first requests for a URL at once, and only
 * one of them writes: it remembers for all. */
static bool put_or_find(request_rec *r, vld_request *rq, vld_answers *answers,
                        const vld_answer *answer)
{
    int i;

    for (i = 0; i < WRITES_MOST; i++) {
        if (i) {
            apr_thread_yield();
        }
        if (vld_answers_put(answers, &rq->key, answer, rq->seen_us)
            || is_remembered_by_another(r, rq)) {
            return true;
        }
    }
    return false;
}

static bool try_to_remember(request_rec *r, vld_request *rq)
{
    vld_answers *answers = vld_shared_answers();
    const char *etag;
    vld_answer answer;

    if (!answers || !rq->key.len || !rq->chosen.is_settled || rq->keeps_held
        || rq->chosen.source == VLD_SOURCE_OTHER
        || rq->chosen.source == VLD_SOURCE_NONE) {
        return false;
    }
    if (is_remembered_already(rq)) {
        return true;
    }
    etag = apr_table_get(r->headers_out, "ETag");
    if (!etag || !vld_access_anonymous(r)) {
        return false;
    }
    answer.flags = flags_of(r, rq, etag);
    fill_answer(&answer, r, rq, etag);
    /* In the order in which core sends them. */
    if (!collect_fields(&answer, r->err_headers_out)
        || !collect_fields(&answer, r->headers_out) || !collect_vary(r, &answer)
        || !leave_out_of_one_response(r, &answer)) {
        vld_answers_forget(answers, &rq->key);
        return false;
    }
    return put_or_find(r, rq, answers, &answer) && is_latest(r, rq);
}

void vld_remember(request_rec *r, vld_request *rq)
{
    if (!try_to_remember(r, rq) && rq->chosen.date.needs_memory) {
        vld_choose_forgotten(&rq->chosen, &rq->identity, r->request_time);
        vld_last_modified_set(r, &rq->chosen);
    }
}
