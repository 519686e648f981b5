/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Posting a request's file to the indexer, when its final date is known.  Never
 * reads the file. */
#include <string.h>

#include <httpd.h>
#include <http_log.h>

#include "server/config.h"
#include "server/index/indexer.h"
#include "server/request/request.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* It has no fresh record, or one with an earlier date than was sent. */
static bool is_wanted(const vld_request *rq)
{
    return rq->to_be_indexed
           || (rq->date.is_ahead_of_record
               && (apr_int64_t)rq->identity.size
                      <= vld_config_auto_max(rq->conf));
}

void vld_want_file(request_rec *r, const vld_request *rq)
{
    vld_wanted *list = vld_shared_wanted();
    bool content = rq->date.seconds > 0 && rq->source != VLD_SOURCE_OTHER
                   && rq->source != VLD_SOURCE_NONE;

    if (!is_wanted(rq) || !list || !vld_indexer_runs()) {
        return;
    }
    if (!vld_wanted_post(list, r->filename, strlen(r->filename),
                         rq->date.seconds, content ? &rq->digest : NULL,
                         apr_time_now())) {
        ap_log_rerror(APLOG_MARK, APLOG_TRACE2, 0, r,
                      "%s: not put on the list of wanted files, which is full "
                      "there or has no room for a path of this length",
                      r->filename);
    }
}
