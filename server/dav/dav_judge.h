/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The preconditions of requests on mod_dav's files. */
#ifndef SERVER_DAV_DAV_JUDGE_H
#define SERVER_DAV_DAV_JUDGE_H

#include <stdbool.h>

#include <apr_dso.h>

#include <httpd.h>
#include <mod_dav.h>

/* Whether the request has preconditions that are judged here. */
bool vld_dav_judge_has(request_rec *r);

/* Judge them again, for the file as it is now; the caller lets in one request
 * at a time.  NULL: they hold, or there are none. */
dav_error *vld_dav_judge_again(const dav_resource *resource);

/* The tag with which the field `If` is compared, in the resource's pool: GET's,
 * or that of one of its codings where the field names it.  NULL: mod_dav's own
 * counts. */
const char *vld_dav_judge_tag(const dav_resource *resource);

/* Hook into mod_dav's preconditions; false: it lacks a function. */
bool vld_dav_judge_hook(apr_dso_handle_t *dav);

#endif /* SERVER_DAV_DAV_JUDGE_H */
