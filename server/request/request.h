/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The state of one request, and what kind of a request it is. */
#ifndef SERVER_REQUEST_REQUEST_H
#define SERVER_REQUEST_REQUEST_H

#include <httpd.h>

#include "server/config.h"
#include "server/request/answer_key.h"
#include "server/request/choose.h"
#include "server/request/fields.h"

/* Every file of this part may read it.  Unless it says otherwise, a member is
 * written only by the file named above it. */
typedef struct vld_request {
    /* scope.c, before the handler */
    const vld_dir_config *conf;
    bool conditional; /* If-None-Match or If-Modified-Since */
    vld_answer_key key;
    /* What the client sent, when mod_cache_socache may have replaced the
     * conditional fields; else NULL. */
    const vld_fields *client_fields;
    /* The same, when mod_headers has edited them. */
    const vld_fields *unedited_fields;

    /* attach.c, before the other filters */
    bool is_core_file; /* the response is a file's, sent by core */
    bool is_rewritten; /* a filter rewrites the file's octets */
    bool is_promised;  /* the tag is that of a promise in the index */
    bool keeps_held; /* the tag is another one of this content, which the client
                      * holds */
    apr_time_t
        seen_us; /* before the file was looked at: the time of the request
                         * is that of its line, which may be long ago */
    vld_identity identity;
    apr_uint64_t txn;  /* of the index, when the file was looked up */
    vld_choice chosen; /* remember.c too: its date, where the response could not
                        * be remembered */
    vld_memory memory; /* remember.c too: once more, when it has written */

    /* evaluate.c */
    bool is_judged;    /* before the content went to the other filters */
    bool is_answered;  /* the 304 or 412 is out: the rest is dropped */
    apr_off_t drained; /* octets of it so far */
} vld_request;

/* NULL when the request is not in scope. */
vld_request *vld_request_of(const request_rec *r);

/* Whether core's default handler will send the file that r->filename names: no
 * other handler is asked for. */
bool vld_request_is_plain_file(const request_rec *r);
/* Whether the URL goes on behind the file's name. */
bool vld_request_has_path_info(const request_rec *r);
/* Whether mod_cache waits for the response through its filter: the
 * preconditions may be its own, about its copy. */
bool vld_request_is_asked_by_cache(const request_rec *r);

#endif /* SERVER_REQUEST_REQUEST_H */
