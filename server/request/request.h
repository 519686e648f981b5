/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* One request on its way through attach, evaluate and replay. */
#ifndef SERVER_REQUEST_REQUEST_H
#define SERVER_REQUEST_REQUEST_H

#include <httpd.h>
#include <util_filter.h>

#include "server/config.h"
#include "server/index/lookup.h"
#include "validators/answers.h"
#include "validators/precond.h"

/* --- fields.c ------------------------------------------------------------- */

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
/* Whether the preconditions are others now. */
bool vld_fields_differ(const request_rec *r, const vld_fields *own);

/* --- the state of one request --------------------------------------------- */

/* Where the validators of the response come from. */
typedef enum vld_source {
    VLD_SOURCE_OTHER,       /* not ours: whoever made the response */
    VLD_SOURCE_RECORD,      /* a fresh record of the index */
    VLD_SOURCE_CONTENT,     /* hashed as it is sent */
    VLD_SOURCE_PROVISIONAL, /* weak, from the identity */
    VLD_SOURCE_NONE         /* nothing could be said */
} vld_source;

/* What the table of prepared answers remembers of this URL. */
typedef struct vld_memory {
    vld_past past;
    bool variant;        /* an answer that fits this request */
    apr_int64_t born_us; /* that one's */
    apr_uint32_t flags;
    apr_uint64_t txn;
    apr_int64_t date;
    vld_identity identity;
    vld_digest digest;
} vld_memory;

typedef struct vld_request {
    const vld_dir_config *conf;
    bool conditional;   /* If-None-Match or If-Modified-Since */
    bool rewritten;     /* a filter rewrites the file's octets */
    bool stale_record;  /* there is a record, of another identity */
    bool is_core_file;  /* the response is a file's, sent by core */
    bool to_be_indexed; /* and the index should have it */
    bool settled;       /* identity: as long as it is seen, the content is */
    bool date_sent;     /* Last-Modified says date, and it names one content */
    bool keeps_provisional; /* the tag is the weak one that the client holds,
                             * though there is a record */
    /* What the client sent, when mod_cache_socache may have replaced the
     * conditional fields; else NULL. */
    const vld_fields *client_fields;
    /* The same, when mod_headers has edited them. */
    const vld_fields *unedited_fields;
    bool swallow;        /* the answer is out: the rest is dropped */
    apr_off_t swallowed; /* octets of it so far */
    vld_source source;
    vld_identity identity;
    vld_digest digest;    /* RECORD and CONTENT; PROVISIONAL: of the content
                        * that had the date */
    vld_chosen_date date; /* of the content; 0: none */
    apr_uint64_t txn;
    vld_answer_key key; /* len 0: it has none */
    vld_memory memory;  /* taken when the file is looked at */
} vld_request;

/* NULL when the request is not in scope. */
vld_request *vld_request_of(const request_rec *r);

/* --- scope.c -------------------------------------------------------------- */

/* Before the first request: find the module's own filters. */
void vld_scope_resolve(void);
int vld_scope_fixups(request_rec *r);
int vld_scope_handler(request_rec *r);
void vld_scope_insert_filter(request_rec *r);
/* Whether core's default handler will send the file that r->filename names. */
bool vld_scope_is_plain_file(const request_rec *r);

/* --- tag.c: every tag that is made of a file ------------------------------ */

/* The tag of a content; of an identity.  False, and the tag is empty: OpenSSL
 * made none. */
bool vld_tag_of_content(const vld_digest *digest, char out[VLD_ETAG_SIZE]);
bool vld_tag_of_identity(const vld_identity *identity,
                         char out[VLD_WEAK_ETAG_SIZE]);

/* --- attach.c, checked_bucket.c ------------------------------------------- */

/* Files up to this size are read at once, and hashed where the index does
 * not know them. */
#define VLD_SMALL_FILE 65536

apr_status_t vld_attach_filter(ap_filter_t *f, apr_bucket_brigade *bb);

/* A bucket of len octets from offset of a file whose content is `digest` while
 * its identity is `identity`.  Reading it copies the octets and then looks at
 * the file again: if it has changed, the connection is aborted rather than
 * let a mixture pass for the content that the entity tag names.  fd is
 * shared, not owned: it must be open for as long as the bucket's pool. */
apr_bucket *vld_checked_bucket_create(request_rec *r, apr_file_t *fd,
                                      apr_off_t offset, apr_size_t len,
                                      const vld_identity *identity,
                                      const vld_digest *digest,
                                      apr_bucket_alloc_t *list);

/* --- dates.c -------------------------------------------------------------- */

/* Choose the date of the content rq->digest: the index's where its record is
 * fresh; later in any case than the dates of other contents that this URL is
 * known to have had.  Sends it as vld_date_send does. */
void vld_date_set(request_rec *r, vld_request *rq, const vld_lookup *found,
                  bool fresh);

/* Set Last-Modified to rq->date where it may be sent, else unset it. */
void vld_date_send(request_rec *r, vld_request *rq);

/* --- evaluate.c ----------------------------------------------------------- */

apr_status_t vld_evaluate_filter(ap_filter_t *f, apr_bucket_brigade *bb);

/* --- answer_key.c --------------------------------------------------------- */

/* The key of the request as the client made it (server, address, port, scheme,
 * host, target); false when it has none: too long. Same in every phase, and
 * after internal redirects. */
bool vld_answer_key_of(request_rec *r, vld_answer_key *out);
/* vld_answer_fits for a request_rec as baton: an answer that may be given. */
bool vld_answer_fits_request(void *baton, const vld_answer *answer);
/* What is remembered under the key, of the contents of the file that r
 * names. */
void vld_answer_memory(request_rec *r, const vld_answer_key *key,
                       vld_memory *out);

/* --- remember.c ----------------------------------------------------------- */

/* Remember what this response says, if it may be remembered; forget what
 * was remembered under its key if it may not.  Called with the final fields,
 * before they are judged: a date that is only safe while it is remembered is
 * taken back where it could not be. */
void vld_remember(request_rec *r, vld_request *rq);

/* --- want.c --------------------------------------------------------------- */

/* Post the request's file, when its final date is known. */
void vld_want_file(request_rec *r, const vld_request *rq);

/* --- replay.c ------------------------------------------------------------- */

/* Before the first request: find the server's filters for content. */
void vld_replay_resolve(void);
int vld_replay_quick(request_rec *r, int lookup);
/* Whether mod_cache waits for the response, so that the preconditions may be
 * about its own copy. */
bool vld_replay_asked_by_cache(const request_rec *r);
/* In fixups, after access control: DONE when a 304 was sent, else DECLINED. */
int vld_replay_fixups(request_rec *r, vld_request *rq,
                      const vld_fields *fields);

#endif /* SERVER_REQUEST_REQUEST_H */
