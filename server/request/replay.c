/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Replay: 304 from a prepared answer, in the quick handler or after access
 * control.  Repeats only what a full response has said, and only while the file
 * is unchanged; declines everything else. */
#include <sys/stat.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

#include "server/access/providers.h"
#include "server/config.h"
#include "server/index/lookup.h"
#include "server/note.h"
#include "server/request/replay.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* --- is the answer still true? ------------------------------------------- */

static bool is_file_unchanged(const vld_answer *answer)
{
    struct stat st;
    vld_identity now;

    if (answer->verify == VLD_COMPARE_NONE) {
        return true;
    }
    if (stat(answer->path.ptr, &st) != 0 || !S_ISREG(st.st_mode)) {
        return false;
    }
    vld_identity_of(&st, &now);
    return vld_identity_equal(&now, &answer->identity,
                              (vld_compare)answer->verify);
}

/* Whether the index still allows the answer: it has had no transaction since
 * (0: that is not known), or its record gives the content the same name,
 * or it has no record and the answer's name was not the index's. */
static bool index_agrees(const vld_answer *answer, apr_time_t now)
{
    bool indexed = (answer->flags & VLD_ANSWER_INDEXED) != 0;
    vld_lookup found;
    vld_digest name;

    if (vld_index_txn_lately(now) == answer->index_txn
        && (answer->index_txn || !indexed)) {
        return true;
    }
    if (!vld_index_find(now, answer->path.ptr, &found)) {
        return !indexed && !found.is_unknown;
    }
    vld_record_name(&found.record, &name);
    return !(answer->flags & VLD_ANSWER_UNKNOWN)
           && !memcmp(&name, &answer->name, sizeof(name));
}

static bool is_star(vld_span value)
{
    return value.ptr && memchr(value.ptr, '*', value.len)
           && !memchr(value.ptr, '"', value.len);
}

/* Nearly every client sends the tag as it received it: one entity tag, equal by
 * 13.1.2, without If-Match or If-Unmodified-Since, which would be evaluated
 * first (13.2.2).  Then nothing has to be parsed. */
static bool says_just_the_tag(const vld_preconditions *asked,
                              const vld_answer *answer)
{
    return (answer->flags & VLD_ANSWER_TAGGED) && !asked->if_match.ptr
           && !asked->if_unmodified_since.ptr && asked->if_none_match.ptr
           && asked->if_none_match.len == answer->etag.len
           && !memcmp(asked->if_none_match.ptr, answer->etag.ptr,
                      answer->etag.len);
}

static bool says_304(const request_rec *r, const vld_fields *fields,
                     const vld_answer *answer, bool quick)
{
    vld_validators known = { answer->etag, answer->date_sent, answer->date_sent,
                             answer->last_modified, NULL };

    if (says_just_the_tag(&fields->asked, answer)) {
        return true;
    }
    if (quick && is_star(fields->asked.if_none_match)) {
        return false;
    }
    return vld_precond_evaluate(&fields->asked, &known,
                                apr_time_sec(r->request_time))
               .outcome
           == VLD_NOT_MODIFIED;
}

/* Why a prepared answer is not given; NULL: it may be.  The cheap questions
 * come first. */
static const char *find_objection(request_rec *r, const vld_fields *fields,
                                  const vld_answer *answer, bool quick,
                                  apr_time_t now)
{
    if (quick && !(answer->flags & VLD_ANSWER_QUICK)) {
        return "the answer may not be given before access control";
    }
    if (!vld_answer_is_young(answer->born_us, now,
                             vld_config_global()->ttl_us)) {
        return "the answer is older than ValidatorsAnswerTTL";
    }
    if (!says_304(r, fields, answer, quick)) {
        return "the answer would not be 304";
    }
    if (!index_agrees(answer, now)) {
        return "the index has changed its mind about the file";
    }
    if (!is_file_unchanged(answer)) {
        return "the file is not as it was";
    }
    return NULL;
}

/* Find a prepared answer that may be given now.  *out points into buf. */
static bool find_valid_answer(request_rec *r, const vld_fields *fields,
                              const vld_answer_key *key, bool quick, void *buf,
                              vld_answer *out)
{
    const char *why = "nothing is prepared for this request";
    apr_time_t now;

    if (vld_answers_find(vld_shared_answers(), key, vld_answer_fits_request, r,
                         buf, out)) {
        /* Not the time of the request, which is when its line came: a client
         * may take its time for the fields. */
        now = apr_time_now();
        why = find_objection(r, fields, out, quick, now);
        if (out->born_us > now) {
            /* It would be young again when the clock has caught up. */
            vld_answers_forget(vld_shared_answers(), key);
        }
    }
    if (why) {
        ap_log_rerror(APLOG_MARK, APLOG_TRACE2, 0, r, "%s %s: no replay %s: %s",
                      r->method, r->unparsed_uri,
                      quick ? "from the quick handler" : "after access control",
                      why);
    }
    return !why;
}

/* --- giving it ----------------------------------------------------------- */

/* No module has set a field of this response yet. */
static bool is_blank(const request_rec *r)
{
    return apr_is_empty_table(r->headers_out)
           && apr_is_empty_table(r->err_headers_out);
}

/* Copy the texts that outlive the handler out of its buffer.  Only these: a
 * whole slot in the request's pool would make APR allocate another block. */
static void copy_texts(request_rec *r, vld_answer *answer)
{
    vld_field *fields = answer->fields, *last;
    apr_size_t path_len = answer->path.len + 1;
    apr_size_t etag_len = answer->etag.len + 1, fields_len = 0;
    apr_uint32_t i;
    char *at;

    if (answer->field_count) {
        last = &fields[answer->field_count - 1];
        fields_len = (apr_size_t)(last->value.ptr - fields[0].name.ptr)
                     + last->value.len + 1;
    }
    at = apr_palloc(r->pool, path_len + etag_len + fields_len);
    answer->path.ptr = memcpy(at, answer->path.ptr, path_len);
    at += path_len;
    answer->etag.ptr = memcpy(at, answer->etag.ptr, etag_len);
    at += etag_len;
    if (fields_len) {
        memcpy(at, fields[0].name.ptr, fields_len);
    }
    for (i = 0; i < answer->field_count; i++) {
        fields[i].name.ptr = at;
        at += fields[i].name.len + 1;
        fields[i].value.ptr = at;
        at += fields[i].value.len + 1;
    }
}

static void unset_fields(request_rec *r, const vld_answer *answer)
{
    apr_uint32_t i;

    for (i = 0; i < answer->field_count; i++) {
        apr_table_unset(r->err_headers_out, answer->fields[i].name.ptr);
        apr_table_unset(r->headers_out, answer->fields[i].name.ptr);
    }
    apr_table_unset(r->headers_out, "ETag");
}

static void set_fields(request_rec *r, const vld_answer *answer)
{
    apr_uint32_t i;

    if (!is_blank(r)) {
        unset_fields(r, answer);
    }
    for (i = 0; i < answer->field_count; i++) {
        apr_table_addn(r->headers_out, answer->fields[i].name.ptr,
                       answer->fields[i].value.ptr);
    }
    apr_table_addn(r->headers_out, "ETag", answer->etag.ptr);
    r->status = HTTP_NOT_MODIFIED;
}

/* Protocol filters that handle content alone. */
static ap_filter_rec_t *byterange, *content_length;

void vld_replay_resolve(void)
{
    byterange = ap_get_output_filter_handle("BYTERANGE");
    content_length = ap_get_output_filter_handle("CONTENT_LENGTH");
}

/* Send the header by the filters from f on, past those that look for content:
 * there is none, and the filter that writes the header unsets its length. */
static void send_304(request_rec *r, ap_filter_t *f)
{
    conn_rec *c = r->connection;
    apr_bucket_brigade *bb = apr_brigade_create(r->pool, c->bucket_alloc);

    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(c->bucket_alloc));
    while (f->frec == byterange || f->frec == content_length) {
        f = f->next;
    }
    r->output_filters = f;
    ap_pass_brigade(f, bb);
    apr_brigade_cleanup(bb);
}

/* --- the quick handler --------------------------------------------------- */

/* The client's own GET or HEAD, with a condition, without credentials and
 * without content of its own. */
static bool is_quick_request(request_rec *r, vld_fields *fields)
{
    if (r->method_number != M_GET || r->main || r->prev || r->status != HTTP_OK
        || r->proxyreq || r->assbackwards) {
        return false;
    }
    vld_fields_read(r, fields);
    return fields->conditional && !fields->credentials && !fields->late
           && !vld_access_has_certificate(r);
}

int vld_replay_quick(request_rec *r, int lookup)
{
    apr_uint64_t buf[VLD_ANSWER_SLOT / 8];
    vld_answer answer;
    vld_fields fields;
    vld_answer_key key;

    if (!lookup
        && (vld_config_global()->uses_socache
            || vld_config_global()->if_none_match_edited)) {
        vld_fields_keep(r);
    }
    if (lookup || !vld_config_global()->any_quick_on || !vld_shared_answers()
        || !is_quick_request(r, &fields) || !vld_answer_key_of(r, &key)) {
        return DECLINED;
    }
    if (!find_valid_answer(r, &fields, &key, true, buf, &answer)) {
        return DECLINED;
    }
    copy_texts(r, &answer);
    set_fields(r, &answer);
    r->filename = (char *)answer.path.ptr;
    vld_note(r, VLD_WORD_QUICK, NULL);
    send_304(r, r->output_filters);
    return OK;
}

/* --- after access control ------------------------------------------------ */

static bool has_field(const request_rec *r, const char *name)
{
    return apr_table_get(r->headers_out, name)
           || apr_table_get(r->err_headers_out, name);
}

/* Whether an answer may be this request's: core will send the file, the fields
 * do not depend on this client, and no other module has set Set-Cookie or
 * Cache-Control yet. */
static bool may_replay_in_fixups(const request_rec *r)
{
    return !r->prev && vld_request_is_plain_file(r)
           && vld_access_fields_for_all(r) && !vld_request_is_asked_by_cache(r)
           && !has_field(r, "Set-Cookie") && !has_field(r, "Cache-Control");
}

int vld_replay_fixups(request_rec *r, const vld_request *rq,
                      const vld_fields *fields)
{
    apr_uint64_t buf[VLD_ANSWER_SLOT / 8];
    vld_answer answer;

    if (!rq->conditional || fields->late || !rq->key.len
        || !may_replay_in_fixups(r) || !vld_access_anonymous(r)) {
        return DECLINED;
    }
    if (!find_valid_answer(r, fields, &rq->key, false, buf, &answer)
        || strcmp(answer.path.ptr, r->filename)) {
        return DECLINED;
    }
    copy_texts(r, &answer);
    set_fields(r, &answer);
    vld_note(r, VLD_WORD_REPLAY, NULL);
    /* Past the content filters: these fields have been through them in the full
     * response. */
    send_304(r, r->proto_output_filters);
    return DONE;
}
