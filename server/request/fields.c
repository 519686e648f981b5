/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The request's fields that decide, read in one pass: a table look-up for
 * each of them would cost more than the rest of a quick 304.  Changes no
 * field. */
#include <strings.h>

#include <apr_pools.h>

#include <httpd.h>

#include "server/request/fields.h"

static void set_first(vld_span *span, const char *value)
{
    /* As apr_table_get has it: the first of the name. */
    if (!span->ptr) {
        span->ptr = value;
        span->len = strlen(value);
    }
}

static void read_if(vld_fields *out, const char *name, const char *value)
{
    vld_preconditions *asked = &out->asked;

    if (!strcasecmp(name, "If-None-Match")) {
        set_first(&asked->if_none_match, value);
    }
    else if (!strcasecmp(name, "If-Modified-Since")) {
        set_first(&asked->if_modified_since, value);
    }
    else if (!strcasecmp(name, "If-Match")) {
        set_first(&asked->if_match, value);
    }
    else if (!strcasecmp(name, "If-Unmodified-Since")) {
        set_first(&asked->if_unmodified_since, value);
    }
    else if (!strcasecmp(name, "If-Range")) {
        set_first(&asked->if_range, value);
    }
}

/* Compare the first letter before the name: it excludes most fields. */
static void read_field(vld_fields *out, const char *name, const char *value)
{
    switch (name[0] | 0x20) {
    case 'i': read_if(out, name, value); break;
    case 'r':
        if (!strcasecmp(name, "Range")) {
            set_first(&out->asked.range, value);
        }
        break;
    case 'a':
        out->credentials |= (name[1] | 0x20) == 'u'
                            && !strcasecmp(name, "Authorization");
        break;
    case 'c': out->late |= !strcasecmp(name, "Content-Length"); break;
    case 't': out->late |= !strcasecmp(name, "Transfer-Encoding"); break;
    case 'e': out->late |= !strcasecmp(name, "Expect"); break;
    case 'u':
        out->late |= (name[1] | 0x20) == 'p' && !strcasecmp(name, "Upgrade");
        break;
    default: break;
    }
}

void vld_fields_read(const request_rec *r, vld_fields *out)
{
    const apr_array_header_t *all = apr_table_elts(r->headers_in);
    const apr_table_entry_t *e = (const apr_table_entry_t *)all->elts;
    int i;

    memset(out, 0, sizeof(*out));
    out->asked.method = r->method_number != M_GET ? VLD_METHOD_OTHER
                        : r->header_only          ? VLD_METHOD_HEAD
                                                  : VLD_METHOD_GET;
    for (i = 0; i < all->nelts; i++) {
        read_field(out, e[i].key, e[i].val);
    }
    out->conditional = out->asked.if_none_match.ptr
                       || out->asked.if_modified_since.ptr;
    out->any = out->conditional || out->asked.if_match.ptr
               || out->asked.if_unmodified_since.ptr || out->asked.range.ptr;
}

bool vld_preconditions_of(const request_rec *r, vld_preconditions *out)
{
    vld_fields fields;

    vld_fields_read(r, &fields);
    *out = fields.asked;
    return fields.any;
}

/* --- as the client sent them ---------------------------------------------- */

#define KEPT "validators:own-fields"

void vld_fields_keep(request_rec *r)
{
    vld_fields *own = apr_palloc(r->pool, sizeof(*own));

    vld_fields_read(r, own);
    apr_pool_userdata_setn(own, KEPT, NULL, r->pool);
}

const vld_fields *vld_fields_kept(request_rec *r)
{
    void *kept = NULL;

    apr_pool_userdata_get(&kept, KEPT, r->pool);
    return kept;
}

/* Pointers compare: an unchanged field still points at the client's own
 * string. */
bool vld_fields_differ(const request_rec *r, const vld_fields *own)
{
    vld_fields now;

    vld_fields_read(r, &now);
    return now.asked.if_none_match.ptr != own->asked.if_none_match.ptr
           || now.asked.if_modified_since.ptr
                  != own->asked.if_modified_since.ptr;
}
