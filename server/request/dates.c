/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Last-Modified of a response: asks the rules of content/dates.c, and sets the
 * field.  Has no rule of its own. */
#include <httpd.h>
#include <http_protocol.h>

#include "server/access/providers.h"
#include "server/index/lookup.h"
#include "server/request/request.h"

void vld_date_send(request_rec *r, vld_request *rq)
{
    rq->date_sent = rq->date.may_be_sent;
    if (rq->date_sent && rq->date.seconds == apr_time_sec(r->mtime)
        && apr_table_get(r->headers_out, "Last-Modified")) {
        return; /* core has said just that */
    }
    if (rq->date_sent) {
        char *text = apr_palloc(r->pool, VLD_DATE_SIZE);

        vld_date_format(rq->date.seconds, text);
        apr_table_setn(r->headers_out, "Last-Modified", text);
    }
    else {
        apr_table_unset(r->headers_out, "Last-Modified");
    }
}

/* Whether the response is going to be remembered, as far as can be known before
 * it is. */
static vld_recall recall_of(request_rec *r, const vld_request *rq)
{
    return rq->key.len && rq->settled && vld_access_anonymous(r)
               ? VLD_RECALL_WRITE
               : VLD_RECALL_NONE;
}

void vld_date_set(request_rec *r, vld_request *rq, const vld_lookup *found,
                  bool fresh)
{
    vld_dates_facts facts = { &rq->identity,
                              &rq->digest,
                              found ? &found->record : NULL,
                              fresh,
                              fresh ? found->link_mtime_s : 0,
                              &rq->memory.past,
                              VLD_RECALL_NONE,
                              r->request_time };

    if (!fresh) {
        facts.recall = recall_of(r, rq);
    }
    vld_dates_choose(&facts, &rq->date);
    vld_date_send(r, rq);
}
