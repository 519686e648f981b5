/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What GET shows of a file, without a GET: mod_dav's files have the same
 * validators. */
#ifndef SERVER_DAV_AS_GET_H
#define SERVER_DAV_AS_GET_H

#include <httpd.h>

#include "server/config.h"
#include "server/request/answer_key.h"
#include "validators/content.h"

/* The file at a path, as GET represents it where it sends its octets as they
 * are. */
typedef struct vld_representation {
    bool exists;                   /* something is at the path */
    vld_identity identity;         /* of a regular file that can be read */
    char etag[VLD_WEAK_ETAG_SIZE]; /* "": none */
    apr_int64_t date; /* seconds: at least that of any response with this
                       * content */
    bool date_sent;   /* GET says it */
} vld_representation;

/* Look at the file now: its record where that is fresh, else the content of a
 * small one, else its settled identity.  A large one is not read for it.  key
 * is the URL's, whose memory decides the date; NULL: no date is asked for. */
void vld_representation_now(request_rec *r, const char *path,
                            const vld_dir_config *conf,
                            const vld_answer_key *key, vld_representation *out);

/* What a GET of a URL shows to the client of a request. */
typedef struct vld_as_get {
    apr_pool_t *pool;
    const char *path;
    bool
        is_shown; /* the octets of the file at path, in scope, to this client */
    vld_representation shown;
} vld_as_get;

/* Look the URL (not escaped) up as a GET by the client of r would: valid
 * until the next call for r.  NULL: the client may not get it, it is not in
 * scope, or GET sends something else than the octets of the file at path. */
const vld_as_get *vld_as_get_of(request_rec *r, const char *uri,
                                const char *path);

#endif /* SERVER_DAV_AS_GET_H */
