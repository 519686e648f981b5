/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The field Last-Modified of a response.  Chooses no date. */
#include <httpd.h>
#include <http_protocol.h>

#include "server/request/last_modified.h"
#include "validators/precond.h"

void vld_last_modified_set(request_rec *r, const vld_choice *choice)
{
    apr_int64_t date = choice->date.seconds;
    char *text;

    if (!choice->date_sent) {
        apr_table_unset(r->headers_out, "Last-Modified");
        return;
    }
    if (date == apr_time_sec(r->mtime)
        && apr_table_get(r->headers_out, "Last-Modified")) {
        return; /* core has said just that */
    }
    text = apr_palloc(r->pool, VLD_DATE_SIZE);
    vld_date_format(date, text);
    apr_table_setn(r->headers_out, "Last-Modified", text);
}

bool vld_last_modified_is(const request_rec *r, apr_int64_t date)
{
    const char *text = apr_table_get(r->headers_out, "Last-Modified");
    vld_span span = { text, text ? strlen(text) : 0 };
    int64_t said;

    return text && vld_date_parse(span, apr_time_sec(r->request_time), &said)
           && said == date;
}
