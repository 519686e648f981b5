/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The tag that a client holds, where it is another one of the same content.
 * Never makes a tag for a content that it does not name. */
#include <string.h>

#include <apr_strings.h>

#include <httpd.h>

#include "server/request/held_tag.h"
#include "server/request/tag.h"

/* Whether the field has the tag, or the tag with a content coding's suffix. */
static bool has_tag(request_rec *r, const char *field, const char *etag)
{
    return strstr(field, apr_pstrmemdup(r->pool, etag, strlen(etag) - 1))
           != NULL;
}

/* Another tag of the same content. */
typedef struct other_tag {
    char text[VLD_WEAK_ETAG_SIZE];
    bool is_strong;
} other_tag;

/* The tags under which this content may have been sent: that of its digest, on
 * a host that promised nothing; those of its identity, which an answer has
 * while nothing is recorded. */
static int list_other_tags(const vld_request *rq, int fd,
                           const vld_record *record, other_tag tags[3])
{
    vld_digest name;
    int n = 0;

    if (record->is_promised && !record->is_unread) {
        tags[n].is_strong = true;
        n += vld_tag_of_name(rq->conf, &record->digest, tags[n].text);
    }
    if (vld_promise_name(&rq->identity, fd, &name) == APR_SUCCESS) {
        tags[n].is_strong = true;
        n += vld_tag_of_name(rq->conf, &name, tags[n].text);
    }
    tags[n].is_strong = false;
    n += vld_tag_of_identity(rq->conf, &rq->identity, tags[n].text);
    return n;
}

static bool asks_for(request_rec *r, const other_tag *tag)
{
    static const char *const fields[] = { "If-None-Match", "If-Match",
                                          "If-Range" };
    const char *field;
    int i, n = tag->is_strong ? 3 : 1; /* a weak tag counts in the first */

    for (i = 0; i < n; i++) {
        field = apr_table_get(r->headers_in, fields[i]);
        if (field && has_tag(r, field, tag->text)) {
            return true;
        }
    }
    return false;
}

static bool names_any_tag(request_rec *r)
{
    const char *if_range = apr_table_get(r->headers_in, "If-Range");

    return apr_table_get(r->headers_in, "If-None-Match")
           || apr_table_get(r->headers_in, "If-Match")
           || (if_range && strchr(if_range, '"'));
}

/* A client that holds this content under another of its tags keeps that one, or
 * it would be sent all of it once more. */
void vld_held_tag_keep(request_rec *r, vld_request *rq, int fd,
                       const vld_record *record)
{
    other_tag current = { "", true }, tags[3];
    int i, n;

    if (!names_any_tag(r)) {
        return;
    }
    apr_cpystrn(current.text, apr_table_get(r->headers_out, "ETag"),
                sizeof(current.text));
    if (asks_for(r, &current)) {
        return;
    }
    n = list_other_tags(rq, fd, record, tags);
    for (i = 0; i < n; i++) {
        if (!asks_for(r, &tags[i])) {
            continue;
        }
        rq->keeps_held = true;
        vld_tag_set(r, apr_pstrdup(r->pool, tags[i].text));
        if (!tags[i].is_strong) {
            vld_choose_tag_alone(&rq->chosen);
            apr_table_unset(r->headers_out, "Last-Modified");
        }
        return;
    }
}
