/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The key under which a request's answers are remembered, and what is
 * remembered under it. */
#ifndef SERVER_REQUEST_ANSWER_KEY_H
#define SERVER_REQUEST_ANSWER_KEY_H

#include <httpd.h>

#include "validators/answers.h"
#include "validators/content.h"

/* What the table of prepared answers remembers of a URL. */
typedef struct vld_memory {
    vld_past past;       /* contents of the file that the request names */
    bool has_answer;     /* one fits this request, file and fields */
    apr_int64_t born_us; /* that one's */
    apr_uint32_t flags;
    apr_uint64_t txn;
    apr_int64_t date;
    vld_identity identity;
    vld_digest name;
} vld_memory;

/* The key of the request as the client made it (server, address, port, scheme,
 * host, target); false when it has none: too long. Same in every phase, and
 * after internal redirects. */
bool vld_answer_key_of(request_rec *r, vld_answer_key *out);
/* vld_answer_fits for a request_rec as baton: an answer that may be given. */
bool vld_answer_fits_request(void *baton, const vld_answer *answer);
/* What is remembered under the key. */
void vld_answer_memory(request_rec *r, const vld_answer_key *key,
                       vld_memory *out);

#endif /* SERVER_REQUEST_ANSWER_KEY_H */
