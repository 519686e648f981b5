/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Dates: which Last-Modified a content gets, so that no two contents of a URL
 * ever have one.  The rules are in docs/design.md. */
#include <httpd.h>
#include <http_protocol.h>

#include "server/access/providers.h"
#include "server/index/index.h"
#include "server/request/request.h"

/* A date is sent when its second is over by this much: a change may still be
 * given a time that is two ticks of the clock old. */
#define DATE_SETTLES_US (APR_USEC_PER_SEC + 20000)

apr_int64_t vld_date_later(apr_int64_t a, apr_int64_t b)
{
    return a > b ? a : b;
}

apr_int64_t vld_date_of_change(const request_rec *r, const vld_identity *id)
{
    apr_int64_t mtime = id->mtime_ns / 1000000000;
    apr_int64_t ctime = id->ctime_ns / 1000000000;

    return mtime <= apr_time_sec(r->request_time) ? vld_date_later(mtime, ctime)
                                                  : ctime;
}

/* The date of a content that the index does not know, or knew in another file,
 * or of which it knew another before: what is remembered of the URL decides.
 * Only where nothing is known to have been there before, the file's mtime may
 * be believed, as mirrors do. */
static apr_int64_t date_of_content(request_rec *r, vld_request *rq,
                                   const vld_lookup *found)
{
    const vld_memory *memory = &rq->memory;
    apr_int64_t same = vld_memory_date(memory, &rq->digest);
    bool known = found
                 && !memcmp(&found->record.digest, &rq->digest,
                            sizeof(rq->digest));
    apr_int64_t now = apr_time_sec(r->request_time);

    if (!rq->key.len || !rq->settled || !vld_access_anonymous(r)) {
        return vld_date_of_change(r, &rq->identity);
    }
    rq->date_needs_memory = true;
    if (same) {
        return same;
    }
    if (known && !memory->count && !memory->lost) {
        return found->record.last_modified;
    }
    if (found) {
        return vld_lastmod_next(&rq->identity, found->record.last_modified,
                                now);
    }
    if (memory->count) {
        return vld_lastmod_next(&rq->identity,
                                vld_memory_floor(memory, &rq->digest) - 1, now);
    }
    return vld_date_later(vld_lastmod_first(&rq->identity, now),
                          memory->lost ? memory->lost + 1 : 0);
}

void vld_date_send(request_rec *r, vld_request *rq)
{
    rq->date_sent = rq->date > 0
                    && r->request_time - apr_time_from_sec(rq->date)
                           >= DATE_SETTLES_US;
    if (rq->date_sent && rq->date == apr_time_sec(r->mtime)
        && apr_table_get(r->headers_out, "Last-Modified")) {
        return; /* core has said just that */
    }
    if (rq->date_sent) {
        char *text = apr_palloc(r->pool, VLD_DATE_SIZE);

        vld_date_format(rq->date, text);
        apr_table_setn(r->headers_out, "Last-Modified", text);
    }
    else {
        apr_table_unset(r->headers_out, "Last-Modified");
    }
}

void vld_date_set(request_rec *r, vld_request *rq, const vld_lookup *found,
                  bool fresh)
{
    apr_int64_t of_record = fresh ? vld_date_later(found->record.last_modified,
                                                   found->link_mtime_s)
                                  : 0;
    apr_int64_t date = fresh ? of_record : date_of_content(r, rq, found);

    /* The index keeps the date of a content that comes back, and may not have
     * seen what was there meanwhile; clients may have. */
    date = vld_date_later(date, vld_memory_date(&rq->memory, &rq->digest));
    rq->date = vld_date_later(date, vld_memory_floor(&rq->memory, &rq->digest));
    rq->date_ahead_of_record = fresh && rq->date > of_record;
    vld_date_send(r, rq);
}
