/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Evaluate: the last of the content filters. Judges the request's
 * preconditions once, by RFC 9110 13.2.2, against the validators with which
 * the response is about to leave, and turns it into a 304 or a 412 where they
 * say so.  Never makes a validator. */
#include <apr_strings.h>

#include <httpd.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <util_filter.h>

#include "server/access/kept_fields.h"
#include "server/note.h"
#include "server/request/evaluate.h"
#include "server/request/remember.h"
#include "server/request/request.h"
#include "server/request/tag.h"
#include "server/request/want.h"

APLOG_USE_MODULE(validators);

/* After a 304 or 412 we drain up to this much of the backend's body so that its
 * connection can be kept. */
#define DRAIN_MOST (1024 * 1024)

/* --- the response's validators ------------------------------------------- */

static const char *field_of(const request_rec *r, const char *name)
{
    const char *value = apr_table_get(r->headers_out, name);

    return value ? value : apr_table_get(r->err_headers_out, name);
}

static vld_span span_of(const char *text)
{
    vld_span span = { text, text ? strlen(text) : 0 };

    return span;
}

static void validators_of(const request_rec *r, const vld_request *rq,
                          vld_validators *out)
{
    apr_int64_t now = apr_time_sec(r->request_time);

    out->etag.ptr = NULL;
    out->etag.len = 0;
    /* Core strips the tag of a response with this note. */
    if (!apr_table_get(r->notes, "no-etag")) {
        out->etag = span_of(field_of(r, "ETag"));
    }
    out->has_last_modified = vld_date_parse(span_of(
                                                field_of(r, "Last-Modified")),
                                            now, &out->last_modified);
    /* A date that we chose names one content.  Another's does so only when it
     * is well past (8.8.2.2; httpd's minute). */
    out->date_is_strong = out->has_last_modified
                          && (rq->chosen.date_sent
                              || out->last_modified <= now - 60);
}

/* --- what is done with the outcome --------------------------------------- */

static void unset_both(request_rec *r, const char *name)
{
    apr_table_unset(r->headers_out, name);
    apr_table_unset(r->err_headers_out, name);
}

static const char *find_nonce(const apr_table_t *table)
{
    const apr_array_header_t *all = apr_table_elts(table);
    const apr_table_entry_t *e = (const apr_table_entry_t *)all->elts;
    int i;

    for (i = 0; i < all->nelts; i++) {
        if (vld_kept_has_nonce(e[i].key, e[i].val)) {
            return e[i].key;
        }
    }
    return NULL;
}

/* A client puts the fields of a 304 in the place of those that it has stored
 * (RFC 9111 3.2), and then judges the stored content by them.  Its scripts have
 * the nonce of the stored field: leave that as it is.  All lines of a field go,
 * since one of them would take the place of all. */
static void strip_nonces(request_rec *r)
{
    const char *name;

    while ((name = find_nonce(r->headers_out))
           || (name = find_nonce(r->err_headers_out))) {
        unset_both(r, name);
    }
}

/* Unset the fields that describe content: a 304 has those of RFC 9110
 * 15.4.5, and Last-Modified only as the sole validator. */
static void strip_for_304(request_rec *r)
{
    unset_both(r, "Content-Length");
    unset_both(r, "Content-Encoding");
    unset_both(r, "Content-MD5");
    unset_both(r, "Content-Range");
    unset_both(r, "Accept-Ranges");
    unset_both(r, "Repr-Digest");
    unset_both(r, "Content-Digest");
    if (field_of(r, "ETag") && !apr_table_get(r->notes, "no-etag")) {
        unset_both(r, "Last-Modified");
    }
    strip_nonces(r);
    r->content_encoding = NULL;
}

static void strip_for_412(request_rec *r)
{
    unset_both(r, "Content-Length");
    unset_both(r, "Content-Encoding");
    unset_both(r, "Content-MD5");
    unset_both(r, "Repr-Digest");
    unset_both(r, "Content-Digest");
    r->content_encoding = NULL;
}

/* Nothing is written to the client any more, so nobody would notice that it has
 * gone: give up a backend whose response does not end.  Only for proxies that
 * take an error of the filter for that. */
static bool is_endless(const request_rec *r, const vld_request *rq)
{
    return r->proxyreq == PROXYREQ_REVERSE && r->filename
           && (!strncmp(r->filename, "proxy:http", 10)
               || !strncmp(r->filename, "proxy:ajp:", 10))
           && (rq->drained > DRAIN_MOST
               || apr_time_now() - r->request_time > r->server->timeout);
}

/* Read the rest of the response and drop it: a script must not find its pipe
 * closed, nor a cache that stores the response see an error.  Core's own file
 * handler gets an error, so that it does not compress the rest of a large file
 * in vain. */
static apr_status_t drain_content(const request_rec *r, vld_request *rq,
                                  apr_bucket_brigade *bb)
{
    apr_bucket *e;
    const char *data;
    apr_size_t len;
    apr_status_t rv = APR_SUCCESS;
    bool stop = (rq->is_core_file && !rq->client_fields) || is_endless(r, rq);

    while (!stop && rv == APR_SUCCESS && !APR_BRIGADE_EMPTY(bb)) {
        e = APR_BRIGADE_FIRST(bb);
        if (!APR_BUCKET_IS_METADATA(e)) {
            rv = apr_bucket_read(e, &data, &len, APR_BLOCK_READ);
            rq->drained += (apr_off_t)len;
        }
        apr_bucket_delete(e);
    }
    apr_brigade_cleanup(bb);
    return stop ? AP_FILTER_ERROR : APR_SUCCESS;
}

/* Whether the brigade holds all of the response, not a pipe from which the rest
 * comes. */
static bool is_all_there(apr_bucket_brigade *bb)
{
    apr_bucket *e;

    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb);
         e = APR_BUCKET_NEXT(e)) {
        if (e->length == (apr_size_t)-1) {
            return false;
        }
    }
    return APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
}

/* Send the header of a response without content, and nothing after it. */
static apr_status_t send_empty(ap_filter_t *f, vld_request *rq, int status,
                               apr_bucket_brigade *bb)
{
    apr_bucket_brigade *end = apr_brigade_create(f->r->pool,
                                                 f->c->bucket_alloc);
    bool complete = APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(bb));
    apr_status_t rv;

    f->r->status = status;
    APR_BRIGADE_INSERT_TAIL(end, apr_bucket_eos_create(f->c->bucket_alloc));
    rq->is_answered = true;
    rv = ap_pass_brigade(f->next, end);
    apr_brigade_cleanup(end);
    if (rv == APR_SUCCESS && !rq->is_core_file && !is_all_there(bb)) {
        /* The rest may come slowly: flush the header now.  In a brigade of its
         * own, since the header's filter drops what comes with the EOS. */
        APR_BRIGADE_INSERT_TAIL(end,
                                apr_bucket_flush_create(f->c->bucket_alloc));
        rv = ap_pass_brigade(f->next, end);
        apr_brigade_cleanup(end);
    }
    if (rv != APR_SUCCESS) {
        apr_brigade_cleanup(bb);
        return rv;
    }
    rv = drain_content(f->r, rq, bb);
    return complete ? APR_SUCCESS : rv;
}

/* Ignore Range: remove its filter, and leave the request's fields as the client
 * sent them.  f must still be in the chain: httpd does not correct the `next`
 * of a filter that has left it. */
static void ignore_range(ap_filter_t *f)
{
    ap_filter_t *next;

    for (f = f->next; f; f = next) {
        next = f->next;
        if (!strcasecmp(f->frec->name, "byterange")) {
            ap_remove_output_filter(f);
        }
    }
}

/* If-Range has been evaluated.  httpd evaluates it by other rules in the
 * byterange filter, during this one call: unset the field for as long. */
static apr_status_t pass_with_range(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_table_t *in = f->r->headers_in;
    const char *if_range = apr_table_get(in, "If-Range");
    apr_status_t rv;

    if (if_range) {
        apr_table_unset(in, "If-Range");
    }
    rv = ap_pass_brigade(f->next, bb);
    if (if_range) {
        apr_table_setn(in, "If-Range", if_range);
    }
    return rv;
}

/* --- the words for it ---------------------------------------------------- */

static vld_word word_of(const vld_request *rq, const vld_decision *decision,
                        const vld_validators *current)
{
    if (decision->outcome == VLD_NOT_MODIFIED) {
        return VLD_WORD_NOT_MODIFIED;
    }
    if (decision->outcome == VLD_PRECONDITION_FAILED) {
        return VLD_WORD_FAILED;
    }
    if (rq->chosen.source == VLD_SOURCE_CONTENT
        || rq->chosen.source == VLD_SOURCE_RECORD) {
        if (rq->conditional) {
            return VLD_WORD_CHANGED;
        }
        return rq->chosen.has_stale_record               ? VLD_WORD_STALE
               : rq->chosen.source == VLD_SOURCE_CONTENT ? VLD_WORD_UNINDEXED
                                                         : VLD_WORD_OK;
    }
    if (rq->is_rewritten) {
        return VLD_WORD_DECLINED_FILTER;
    }
    if (rq->is_core_file) {
        return rq->chosen.has_stale_record ? VLD_WORD_STALE
                                           : VLD_WORD_UNINDEXED;
    }
    if (!current->etag.ptr && !current->has_last_modified) {
        return VLD_WORD_DECLINED_HANDLER;
    }
    return rq->conditional ? VLD_WORD_CHANGED : VLD_WORD_OK;
}

/* Of a response that is left as it is. */
static vld_word word_of_others(const request_rec *r)
{
    switch (r->status) {
    case HTTP_OK: /* a part, with a 200 */
    case HTTP_PARTIAL_CONTENT:
    case HTTP_NOT_MODIFIED:
    case HTTP_PRECONDITION_FAILED:
    case HTTP_RANGE_NOT_SATISFIABLE: return VLD_WORD_DECLINED_EVALUATED;
    default: return VLD_WORD_DECLINED_STATUS;
    }
}

static const char *source_text(const vld_request *rq)
{
    static const char *const texts[] = {
        "the handler", "the index", "the content as it is sent",
        "the file's identity", "nowhere: the file is changing or filtered"
    };

    return texts[rq->keeps_held ? VLD_SOURCE_PROVISIONAL : rq->chosen.source];
}

static void note_outcome(request_rec *r, const vld_request *rq,
                         const vld_decision *decision,
                         const vld_validators *current)
{
    static const char *const outcomes[] = { "200", "200 or 206", "304", "412" };
    const char *said, *why = NULL;

    if (APLOGrtrace1(r)) {
        said = current->has_last_modified ? field_of(r, "Last-Modified") : NULL;
        why = apr_psprintf(r->pool,
                           "%s by %s; ETag %s, Last-Modified %s, "
                           "from %s",
                           outcomes[decision->outcome],
                           vld_rule_name(decision->rule),
                           current->etag.ptr ? current->etag.ptr : "none",
                           said ? said : "none", source_text(rq));
    }
    vld_note(r, word_of(rq, decision, current), why);
}

/* --- the filter ---------------------------------------------------------- */

/* Whether the response is something else than a full 200 of the resource: an
 * error, a redirect, a part, or the result of a handler's own evaluation. */
static bool is_not_ours(const request_rec *r, const vld_request *rq,
                        apr_bucket_brigade *bb)
{
    apr_bucket *e;

    if (r->status != HTTP_OK
        || (!rq->is_core_file && field_of(r, "Content-Range"))) {
        return true;
    }
    for (e = APR_BRIGADE_FIRST(bb); e != APR_BRIGADE_SENTINEL(bb);
         e = APR_BUCKET_NEXT(e)) {
        if (AP_BUCKET_IS_ERROR(e) || AP_BUCKET_IS_EOC(e)) {
            return true;
        }
    }
    return false;
}

static apr_status_t act_on_decision(ap_filter_t *f, vld_request *rq,
                                    const vld_decision *decision,
                                    apr_bucket_brigade *bb)
{
    request_rec *r = f->r;

    switch (decision->outcome) {
    case VLD_NOT_MODIFIED:
        strip_for_304(r);
        return send_empty(f, rq, HTTP_NOT_MODIFIED, bb);
    case VLD_PRECONDITION_FAILED:
        strip_for_412(r);
        return send_empty(f, rq, HTTP_PRECONDITION_FAILED, bb);
    case VLD_PERFORM_RANGE:
        ap_remove_output_filter(f);
        return pass_with_range(f, bb);
    case VLD_PERFORM: break;
    }
    if (apr_table_get(r->headers_in, "Range")) {
        ignore_range(f);
    }
    ap_remove_output_filter(f);
    return ap_pass_brigade(f->next, bb);
}

/* Where mod_headers has edited If-None-Match, the client's own field counts as
 * well: it may name the current tag, and the edit may have removed it. */
static vld_decision decide_outcome(const request_rec *r, const vld_request *rq,
                                   const vld_fields *fields,
                                   const vld_validators *current)
{
    apr_int64_t now = apr_time_sec(r->request_time);
    vld_decision decision = vld_precond_evaluate(&fields->asked, current, now);

    if (rq->unedited_fields && fields->asked.if_none_match.ptr
        && decision.outcome < VLD_NOT_MODIFIED) {
        vld_decision given = vld_precond_evaluate(&rq->unedited_fields->asked,
                                                  current, now);

        return given.outcome == VLD_NOT_MODIFIED ? given : decision;
    }
    return decision;
}

/* The date that counts for a condition on the state, also where no response has
 * said it: so it is not ignored. */
static void take_unsaid_date(const vld_request *rq, vld_validators *current)
{
    if (!current->has_last_modified && vld_choice_is_of_content(&rq->chosen)) {
        current->has_last_modified = true;
        current->last_modified = rq->chosen.date.seconds;
    }
}

bool vld_evaluate_refuses(request_rec *r, vld_request *rq)
{
    vld_validators current = { { NULL, 0 }, false, false, 0, NULL };
    vld_fields fields;
    vld_decision decision;

    rq->is_judged = true;
    vld_fields_read(r, &fields);
    validators_of(r, rq, &current);
    take_unsaid_date(rq, &current);
    if (current.etag.ptr) {
        current.coded = vld_tag_of_codings(r->pool, current.etag.ptr);
    }
    decision = vld_precond_evaluate(&fields.asked, &current,
                                    apr_time_sec(r->request_time));
    if (decision.outcome != VLD_PRECONDITION_FAILED) {
        return false;
    }
    note_outcome(r, rq, &decision, &current);
    strip_for_412(r);
    r->status = HTTP_PRECONDITION_FAILED;
    return true;
}

/* What the response says is final: remember it, and judge the request by it. */
static vld_decision judge_response(request_rec *r, vld_request *rq)
{
    vld_fields fields;
    vld_validators current = { { NULL, 0 }, false, false, 0, NULL };
    vld_decision decision = { VLD_PERFORM, VLD_RULE_NONE };

    if (r->method_number == M_GET) {
        vld_remember(r, rq);
    }
    vld_want_file(r, rq);
    vld_fields_read(r, &fields);
    if (rq->client_fields) {
        fields = *rq->client_fields;
    }
    if (fields.any || !rq->is_core_file || APLOGrtrace1(r)) {
        validators_of(r, rq, &current);
        if (!rq->is_judged) {
            decision = decide_outcome(r, rq, &fields, &current);
        }
    }
    note_outcome(r, rq, &decision, &current);
    return decision;
}

apr_status_t vld_evaluate_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    vld_request *rq = vld_request_of(r);
    vld_decision decision;

    if (APR_BRIGADE_EMPTY(bb)) {
        return APR_SUCCESS;
    }
    if (rq && rq->is_answered) {
        return drain_content(r, rq, bb);
    }
    if (!rq || is_not_ours(r, rq, bb)) {
        if (rq) {
            if (!rq->is_judged) {
                vld_note(r, word_of_others(r), NULL);
            }
            r->no_local_copy = 0;
        }
        ap_remove_output_filter(f);
        return ap_pass_brigade(f->next, bb);
    }
    decision = judge_response(r, rq);
    /* If mod_cache asked on its own behalf, it still has to evaluate its
     * client's preconditions. */
    r->no_local_copy = 0;
    return act_on_decision(f, rq, &decision, bb);
}
