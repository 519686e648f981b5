/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Which requests are the module's business, and what is set up for them.  Runs
 * in fixups, after access control, when it is settled what the request is. */
#include <httpd.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>

#include "server/config.h"
#include "server/request/replay.h"
#include "server/request/request.h"
#include "server/request/scope.h"
#include "server/shared.h"

/* GET and HEAD of the client's own request for a resource of this server.  A
 * forward proxy's answers are another origin's. */
static bool in_scope(const request_rec *r)
{
    return r->method_number == M_GET && !r->main && !r->assbackwards
           && r->proxyreq != PROXYREQ_PROXY;
}

/* A request that an internal redirect took out of scope gets core's own
 * evaluation back. */
static void give_back(request_rec *r)
{
    if (r->prev && vld_request_of(r->prev)) {
        r->no_local_copy = 0;
    }
}

static ap_filter_rec_t *attach, *evaluate, *evaluate_late;

void vld_scope_resolve(void)
{
    attach = ap_get_output_filter_handle(VLD_ATTACH_FILTER);
    evaluate = ap_get_output_filter_handle(VLD_EVALUATE_FILTER);
    evaluate_late = ap_get_output_filter_handle(VLD_EVALUATE_LATE_FILTER);
}

int vld_scope_fixups(request_rec *r)
{
    const vld_dir_config *conf = vld_config_of(r);
    vld_request *rq;
    vld_fields fields;
    int rv;

    if (!in_scope(r)) {
        return DECLINED;
    }
    if (conf->engine != VLD_ON) {
        give_back(r);
        return DECLINED;
    }
    if (r->status != HTTP_OK) {
        if (vld_request_is_plain_file(r)) {
            ap_add_output_filter_handle(attach, NULL, r, r->connection);
        }
        return DECLINED;
    }
    rq = apr_pcalloc(r->pool, sizeof(*rq));
    rq->conf = conf;
    vld_fields_read(r, &fields);
    rq->conditional = fields.conditional;
    if (vld_shared_answers()) {
        vld_answer_key_of(r, &rq->key);
    }
    rv = vld_replay_fixups(r, rq, &fields);
    if (rv != DECLINED) {
        return rv;
    }
    if (vld_config_global()->if_none_match_edited
        && !vld_replay_asked_by_cache(r)) {
        rq->unedited_fields = vld_fields_kept(r);
        if (rq->unedited_fields && !vld_fields_differ(r, rq->unedited_fields)) {
            rq->unedited_fields = NULL;
        }
    }
    ap_set_module_config(r->request_config, &validators_module, rq);
    if (vld_request_is_plain_file(r)) {
        ap_add_output_filter_handle(attach, NULL, r, r->connection);
    }
    return DECLINED;
}

/* mod_cache_socache loses the body of what it has when it is told 304: where it
 * listens, it gets the whole response, and the client is judged after it. */
static void judge_late(request_rec *r, vld_request *rq)
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

/* The preconditions are evaluated once, where the whole response is known: this
 * keeps core, CGI and others from doing it before.  Only after mod_cache's
 * handler, which judges what it has itself. */
int vld_scope_handler(request_rec *r)
{
    vld_request *rq = vld_request_of(r);

    if (!rq) {
        return DECLINED;
    }
    r->no_local_copy = 1;
    if (rq->conf->socache == VLD_ON && vld_replay_asked_by_cache(r)) {
        judge_late(r, rq);
    }
    return DECLINED;
}

void vld_scope_insert_filter(request_rec *r)
{
    if (vld_request_of(r)) {
        ap_add_output_filter_handle(evaluate, NULL, r, r->connection);
    }
}
