/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Which requests are in scope, and what each verb gets for them: in fixups,
 * after access control, replay is tried and the filter of attach is added;
 * then the filter of evaluate, and core is kept from evaluating itself. */
#include <httpd.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include "server/config.h"
#include "server/note.h"
#include "server/request/replay.h"
#include "server/request/request.h"
#include "server/request/scope.h"
#include "server/shared.h"

/* Core answers POST to a file as it answers GET.  What another handler does
 * with it is that handler's. */
static bool is_method_in_scope(const request_rec *r)
{
    return r->method_number == M_GET
           || (r->method_number == M_POST && vld_request_is_plain_file(r));
}

/* What a client asked for itself, of a resource of this server: a forward
 * proxy's responses belong to another origin. */
static bool in_scope(const request_rec *r)
{
    return is_method_in_scope(r) && !r->main && !r->assbackwards
           && r->proxyreq != PROXYREQ_PROXY;
}

/* An internal redirect has left the scope: core evaluates this request. */
static void restore_core_evaluation(request_rec *r)
{
    if (r->prev && vld_request_of(r->prev)) {
        r->no_local_copy = 0;
    }
}

/* Errors and redirects may end a request before fixups. */
int vld_scope_log(request_rec *r)
{
    while (r->next) {
        r = r->next; /* mod_log_config asks the last one for its notes */
    }
    if (r->status >= HTTP_MULTIPLE_CHOICES && r->status != HTTP_NOT_MODIFIED
        && in_scope(r) && vld_config_of(r)->engine == VLD_ON
        && !vld_note_is_made(r)) {
        vld_note(r, VLD_WORD_DECLINED_STATUS, NULL);
    }
    return DECLINED;
}

static ap_filter_rec_t *attach, *evaluate, *evaluate_late;

void vld_scope_resolve(void)
{
    attach = ap_get_output_filter_handle(VLD_ATTACH_FILTER);
    evaluate = ap_get_output_filter_handle(VLD_EVALUATE_FILTER);
    evaluate_late = ap_get_output_filter_handle(VLD_EVALUATE_LATE_FILTER);
}

static void attach_to_plain_file(request_rec *r)
{
    if (vld_request_is_plain_file(r)) {
        ap_add_output_filter_handle(attach, NULL, r, r->connection);
    }
}

static bool has_attach(const request_rec *r)
{
    const ap_filter_t *f;

    for (f = r->output_filters; f; f = f->next) {
        if (f->frec == attach) {
            return true;
        }
    }
    return false;
}

static vld_request *make_request(request_rec *r, const vld_dir_config *conf,
                                 vld_fields *fields)
{
    vld_request *rq = apr_pcalloc(r->pool, sizeof(*rq));

    rq->conf = conf;
    vld_fields_read(r, fields);
    rq->conditional = fields->conditional;
    if (vld_shared_answers()) {
        vld_answer_key_of(r, &rq->key);
    }
    return rq;
}

/* What the client sent, where mod_headers has edited it. */
static const vld_fields *find_unedited_fields(request_rec *r)
{
    const vld_fields *kept = NULL;

    if (vld_config_global()->if_none_match_edited
        && !vld_request_is_asked_by_cache(r)) {
        kept = vld_fields_kept(r);
    }
    return kept && vld_fields_differ(r, kept) ? kept : NULL;
}

int vld_scope_fixups(request_rec *r)
{
    const vld_dir_config *conf = vld_config_of(r);
    vld_request *rq;
    vld_fields fields;
    int rv;

    if (!in_scope(r) || conf->engine != VLD_ON) {
        restore_core_evaluation(r);
        return DECLINED;
    }
    if (r->status != HTTP_OK) {
        attach_to_plain_file(r);
        return DECLINED;
    }
    rq = make_request(r, conf, &fields);
    if (r->method_number == M_GET) {
        rv = vld_replay_fixups(r, rq, &fields);
        if (rv != DECLINED) {
            return rv;
        }
        rq->unedited_fields = find_unedited_fields(r);
    }
    ap_set_module_config(r->request_config, &validators_module, rq);
    attach_to_plain_file(r);
    return DECLINED;
}

/* mod_cache_socache loses the body of its copy when it sees a 304.  Where it
 * waits, it gets the whole response, and the client's preconditions are
 * evaluated behind its filter. */
static void evaluate_after_cache(request_rec *r, vld_request *rq)
{
    ap_filter_t *f;

    rq->client_fields = vld_fields_kept(r);
    for (f = r->output_filters; rq->client_fields && f; f = f->next) {
        if (f->frec == evaluate) {
            ap_remove_output_filter(f);
            ap_add_output_filter_handle(evaluate_late, NULL, r, r->connection);
            return;
        }
    }
}

/* The preconditions are evaluated once, where the whole response is known:
 * no_local_copy keeps core, CGI and others from evaluating them before.  Runs
 * after mod_cache's handler, which evaluates them for its own copy. */
int vld_scope_handler(request_rec *r)
{
    vld_request *rq = vld_request_of(r);

    if (!rq) {
        return DECLINED;
    }
    r->no_local_copy = 1;
    if (rq->conf->socache == VLD_ON && vld_request_is_asked_by_cache(r)) {
        evaluate_after_cache(r, rq);
    }
    return DECLINED;
}

void vld_scope_insert_filter(request_rec *r)
{
    if (vld_request_of(r)) {
        ap_add_output_filter_handle(evaluate, NULL, r, r->connection);
    }
}

/* Runs just before core's default handler: no handler has taken the request,
 * whatever the name of the one that the configuration asks for. */
int vld_scope_core_handler(request_rec *r)
{
    if (r->finfo.filetype == APR_REG && in_scope(r)
        && vld_config_of(r)->engine == VLD_ON && !has_attach(r)) {
        ap_add_output_filter_handle(attach, NULL, r, r->connection);
    }
    return DECLINED;
}
