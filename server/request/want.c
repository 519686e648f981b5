/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Posting a request's file to the indexer, when its final date is known.  Never
 * reads the file. */
#include <string.h>

#include <httpd.h>
#include <http_log.h>

#include "server/config.h"
#include "server/index/indexer.h"
#include "server/request/want.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

void vld_want_file(request_rec *r, const vld_request *rq)
{
    const vld_choice *chosen = &rq->chosen;
    vld_wanted *list = vld_shared_wanted();
    bool has_content = chosen->date.seconds > 0
                       && chosen->source != VLD_SOURCE_OTHER
                       && chosen->source != VLD_SOURCE_NONE;

    if (!chosen->to_be_indexed || !list || !vld_indexer_runs()) {
        return;
    }
    if (!vld_wanted_post(list, r->filename, strlen(r->filename),
                         chosen->date.seconds,
                         has_content ? &chosen->name : NULL, apr_time_now())) {
        ap_log_rerror(APLOG_MARK, APLOG_TRACE2, 0, r,
                      "%s: not put on the list of wanted files, which is full "
                      "there or has no room for a path of this length",
                      r->filename);
    }
}
