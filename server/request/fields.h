/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The request's fields that decide. */
#ifndef SERVER_REQUEST_FIELDS_H
#define SERVER_REQUEST_FIELDS_H

#include <httpd.h>

#include "validators/precond.h"

typedef struct vld_fields {
    vld_preconditions asked;
    bool conditional; /* If-None-Match or If-Modified-Since */
    bool any;         /* one of the preconditions, or Range */
    bool credentials; /* Authorization */
    bool late;        /* content, Expect or Upgrade: not before the rest of the
                       * server has seen it */
} vld_fields;

void vld_fields_read(const request_rec *r, vld_fields *out);
/* Only the preconditions; false when there is none, and no Range. */
bool vld_preconditions_of(const request_rec *r, vld_preconditions *out);
/* Before mod_cache's quick handler: keep what the client asked. */
void vld_fields_keep(request_rec *r);
/* After it: what was kept, or NULL. */
const vld_fields *vld_fields_kept(request_rec *r);
/* Whether the preconditions are others now than the client's. */
bool vld_fields_differ(const request_rec *r, const vld_fields *kept);

#endif /* SERVER_REQUEST_FIELDS_H */
