/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* mod_dav's files have the validators that GET shows. */
#ifndef SERVER_DAV_AS_GET_H
#define SERVER_DAV_AS_GET_H

#include <httpd.h>

#include "validators/content.h"

/* --- as_get.c ------------------------------------------------------------- */

/* What GET shows of a file, where it sends the file's octets as they are. */
typedef struct vld_shown {
    bool exists;                   /* something is at the path */
    bool indexed;                  /* it has a fresh record */
    vld_identity identity;         /* of a regular file that can be read */
    vld_digest digest;             /* where the tag is strong */
    apr_int64_t date;              /* of the record, seconds */
    char etag[VLD_WEAK_ETAG_SIZE]; /* "": none */
} vld_shown;

/* Look at the file now: its record where that is fresh, else the content of a
 * small one, else its settled identity.  verify is the configuration's. */
void vld_shown_now(request_rec *r, const char *path, int verify,
                   vld_shown *out);

/* What a GET of a URL shows to the client of a request. */
typedef struct vld_view {
    apr_pool_t *pool;
    const char *path;
    bool ours;
    bool date_shown;  /* GET says date */
    apr_int64_t date; /* seconds: at least that of any response with this
                       * content */
    vld_shown shown;
} vld_view;

/* Look the URL (not escaped) up as a GET by the client of r would: valid
 * until the next call for r.  NULL: the client may not get it, it is not in
 * scope, or GET sends something else than the octets of the file at path. */
const vld_view *vld_shown_by_get(request_rec *r, const char *uri,
                                 const char *path);

/* --- dav.c ---------------------------------------------------------------- */

/* Before and after the configuration is read, and in each child.  Without
 * mod_dav: nothing. */
void vld_dav_pre_config(apr_pool_t *pconf);
int vld_dav_post_config(apr_pool_t *pconf, server_rec *s);
void vld_dav_child_init(apr_pool_t *pchild, server_rec *s);

#endif /* SERVER_DAV_AS_GET_H */
