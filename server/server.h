/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What the files of server/ promise one another: the configuration, the state
 * of one request on its way through attach, evaluate and replay, and the
 * words in which decisions are told.  Private to server/ and the front door. */
#ifndef SERVER_H
#define SERVER_H

#include <httpd.h>
#include <http_config.h>
#include <util_filter.h>

#include "validators/answers.h"
#include "validators/index.h"
#include "validators/precond.h"
#include "validators/wanted.h"

extern module AP_MODULE_DECLARE_DATA validators_module;

/* Files up to this size are read at once, and hashed where the index does
 * not know them. */
#define VLD_SMALL_FILE 65536

/* Names under which the filters are registered. */
#define VLD_ATTACH_FILTER "VALIDATORS_ATTACH"
#define VLD_EVALUATE_FILTER "VALIDATORS_EVALUATE"
#define VLD_EVALUATE_LATE_FILTER "VALIDATORS_EVALUATE_LATE"

/* --- config.c ------------------------------------------------------------ */

/* UNSET is what no administrator can write. */
enum { VLD_UNSET = -1, VLD_OFF = 0, VLD_ON = 1 };

typedef struct vld_dir_config {
    int engine;  /* VLD_ON, VLD_OFF, VLD_UNSET */
    int quick;
    int verify;  /* vld_verify or VLD_UNSET */
    int auto_index;       /* VLD_OFF: files are not posted to the indexer */
    apr_int64_t auto_max; /* octets; larger files are not; with auto_index */
    int rules;   /* VLD_ON: a directive of another module is in force that may
                  * decide otherwise for another client; never unset again */
    int socache; /* VLD_ON: mod_cache_socache keeps responses */
    apr_array_header_t *rewriters; /* filters.c's own */
} vld_dir_config;

/* What is said once for the whole server. */
typedef struct vld_global_config {
    const char *index_path; /* absolute */
    apr_uint32_t slots;     /* of prepared answers; 0: none */
    apr_int64_t ttl_us;
    int engine_said;        /* some section says ValidatorsEngine On */
    int quick_said;         /* some section says ValidatorsQuickHandler On */
    int auto_said;          /* some section says ValidatorsAutoIndex On */
    int auto_off;           /* the main server says Off */
    int edit_said;          /* mod_headers edits If-None-Match somewhere */
    int socache_said;       /* some section has mod_cache_socache keep
                             * responses */
    apr_array_header_t *vouched; /* of const char *: source files of modules,
                                  * filters */
    const vld_tag_key *tag_key; /* NULL: none */
} vld_global_config;

extern const command_rec vld_commands[];
/* mod_headers edits If-None-Match somewhere. */
void vld_config_say_edit(void);
/* mod_cache keeps responses by mod_cache_socache there. */
void vld_config_say_socache(vld_dir_config *conf);
/* Directives of other modules of which is taken note, in shadows.c; each a
 * RAW_ARGS handler. */
const char *vld_shadow_rule(cmd_parms *cmd, void *conf, const char *args);
const char *vld_shadow_from(cmd_parms *cmd, void *conf, const char *args);
const char *vld_shadow_by_type(cmd_parms *cmd, void *conf, const char *args);
const char *vld_shadow_provider(cmd_parms *cmd, void *conf, const char *args);
const char *vld_shadow_ciphers(cmd_parms *cmd, void *conf, const char *args);
const char *vld_shadow_setenvif(cmd_parms *cmd, void *conf,
                                const char *args);
const char *vld_shadow_expression(cmd_parms *cmd, void *conf,
                                  const char *args);
const char *vld_shadow_cache_enable(cmd_parms *cmd, void *conf,
                                    const char *args);
const char *vld_shadow_request_header(cmd_parms *cmd, void *conf,
                                      const char *args);
const char *vld_shadow_rewrite_cond(cmd_parms *cmd, void *conf,
                                    const char *args);
void *vld_config_create_dir(apr_pool_t *p, char *dir);
void *vld_config_merge_dir(apr_pool_t *p, void *base, void *add);
/* Back to the defaults, before the configuration is read. */
void vld_config_reset(apr_pool_t *pconf);
/* Valid from the reading of the configuration to the end of the process. */
const vld_global_config *vld_config_global(void);
/* Whether files may be wanted somewhere: the engine is on, and
 * ValidatorsAutoIndex not off everywhere. */
bool vld_config_auto(void);
/* The largest file that is posted for this configuration; -1: none is. */
apr_int64_t vld_config_auto_max(const vld_dir_config *conf);
/* The request's; never NULL. */
const vld_dir_config *vld_config_of(const request_rec *r);

/* --- tag.c: every tag that is made of a file ----------------------------- */

/* Read the key of tags from a file, as ValidatorsTagKey asks.  NULL, or what
 * is wrong. */
const char *vld_tag_use_key(cmd_parms *cmd, const char *file,
                            const vld_tag_key **out);
/* The tag of a content; of an identity.  False, and the tag is empty: OpenSSL
 * made none. */
bool vld_tag_of_content(const vld_digest *digest, char out[VLD_ETAG_SIZE]);
bool vld_tag_of_identity(const vld_identity *identity,
                         char out[VLD_WEAK_ETAG_SIZE]);

/* --- shared.c: memory shared by the children of one generation ----------- */

/* Make the shared memory in pconf; OK or a status that stops the start. */
int vld_shared_create(apr_pool_t *pconf, server_rec *s);
/* When the configuration in force was read. */
apr_time_t vld_shared_born(void);
/* The table of prepared answers; NULL when there is none. */
vld_answers *vld_shared_answers(void);
/* The list of wanted files; NULL when no section indexes by itself. */
vld_wanted *vld_shared_wanted(void);

/* What one child logs for all. */
typedef enum vld_report {
    VLD_REPORT_INDEX,     /* the index is of no use */
    VLD_REPORT_READ_ONLY, /* the indexer may not write to it */
    VLD_REPORT_WRITE,     /* a write failed */
    VLD_REPORTS
} vld_report;

/* True for the first caller among all children since the last
 * vld_shared_well() of that kind: who is to log it. */
bool vld_shared_first_report(vld_report what);
void vld_shared_well(vld_report what);
/* True for the first caller with this file's number, which is not 0, until
 * another's: who is to log that there is something wrong inside it.  Children
 * that open the same file well do not make it new. */
bool vld_shared_first_of_file(apr_uint32_t file);

/* --- index_link.c: the index as the children see it ---------------------- */

/* In the parent, as root: let the server's group reach an index that root has
 * made.  The parent itself never opens it: LMDB is not carried over a fork. */
void vld_index_lend(server_rec *s, apr_pool_t *ptemp);
/* In the parent: make the folder in which the children make the index, where
 * there is none (one level), for the server's user. */
void vld_index_make_folder(server_rec *s, apr_pool_t *ptemp);
/* Open it in a child, which says in the error log what is wrong with it (one
 * child for all); an index that cannot be opened is tried again. */
void vld_index_child_init(apr_pool_t *pchild, server_rec *s);
/* The child's store, for the indexer to write to (its thread alone makes
 * batches) until it calls vld_index_written; it is opened anew, or the index
 * made, where need be.  NULL: not now, or the server's user may not write to
 * it: then *read_only. */
vld_store *vld_index_to_write(bool *read_only);
void vld_index_written(void);
/* Log what is wrong with the index as the look-ups do: once for all. */
void vld_index_complain(apr_status_t rv);
/* The number of the index's last transaction; 0 without an index. */
apr_uint64_t vld_index_txn(const request_rec *r);
/* The same, or what it was about a millisecond before. */
apr_uint64_t vld_index_txn_lately(const request_rec *r);

typedef struct vld_found {
    vld_record record;
    apr_uint64_t txn;         /* the index's, read before the look-up */
    apr_int64_t link_mtime_s; /* latest change of a symbolic link in the
                               * path; 0: the path is its own real path */
} vld_found;

/* Look up r->filename, or its real path. False: no record (or no index). */
bool vld_index_find(request_rec *r, const char *path, vld_found *out);

/* --- fields.c ------------------------------------------------------------ */

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

/* --- state of one request ------------------------------------------------ */

/* Where the validators of the response come from. */
typedef enum vld_source {
    VLD_SOURCE_OTHER,       /* not ours: whoever made the response */
    VLD_SOURCE_RECORD,      /* a fresh record of the index */
    VLD_SOURCE_CONTENT,     /* hashed as it is sent */
    VLD_SOURCE_PROVISIONAL, /* weak, from the identity */
    VLD_SOURCE_NONE         /* nothing could be said */
} vld_source;

/* One content that this URL is remembered to have had. */
typedef struct vld_remembered {
    vld_digest digest;
    apr_int64_t date;
} vld_remembered;

#define VLD_MOST_REMEMBERED 8

/* What the table of prepared answers remembers of this URL. */
typedef struct vld_memory {
    apr_uint32_t count;    /* of the same file's contents */
    vld_remembered all[VLD_MOST_REMEMBERED];
    apr_int64_t lost;      /* latest date of an answer that may have been this
                            * URL's and is remembered no more; 0: none */
    bool variant;          /* an answer that fits this request */
    apr_int64_t born_us;   /* that one's */
    apr_uint32_t flags;
    apr_uint64_t txn;
    apr_int64_t date;
    vld_identity identity;
    vld_digest digest;
} vld_memory;

typedef struct vld_key {
    apr_uint64_t hash;
    apr_size_t len;        /* 0: this request has no key */
    char *octets;
} vld_key;

typedef struct vld_request {
    const vld_dir_config *conf;
    bool conditional;      /* If-None-Match or If-Modified-Since */
    bool declined;         /* a filter rewrites the file's octets */
    bool stale_record;     /* there is a record, of another identity */
    bool file;             /* the response is a file's, sent by core */
    bool wanted;           /* and the index should have it */
    bool ahead;            /* date is later than that of the fresh record */
    bool settled;          /* identity: as long as it is seen, the content is */
    bool date_sent;
    bool keeps_provisional; /* the tag is the weak one that the client holds,
                            * though there is a record */
    bool date_needs_memory; /* date is only safe while it is remembered */
    const vld_fields *own; /* the client's fields, where those of the request
                            * may be mod_cache_socache's; else NULL */
    const vld_fields *given; /* the same where mod_headers has edited them */
    bool swallow;          /* the answer is out: the rest is dropped */
    apr_off_t swallowed;   /* octets of it so far */
    vld_source source;
    vld_identity identity;
    vld_digest digest;     /* RECORD and CONTENT; PROVISIONAL: of the content
                            * that had the date */
    apr_int64_t date;      /* Last-Modified, seconds; 0: none */
    apr_uint64_t txn;
    vld_key key;
    vld_memory memory;     /* taken when the file is looked at */
} vld_request;

/* NULL when the request is not in scope. */
vld_request *vld_request_of(const request_rec *r);

/* --- scope.c ------------------------------------------------------------- */
/* Before the first request: find the module's own filters. */
void vld_scope_resolve(void);
int vld_scope_fixups(request_rec *r);
int vld_scope_handler(request_rec *r);
void vld_scope_insert_filter(request_rec *r);
/* Whether core's default handler will send the file that r->filename names. */
bool vld_scope_is_plain_file(const request_rec *r);

/* --- filters.c ----------------------------------------------------------- */

/* The filters after f that may rewrite the file's octets. */
typedef struct vld_rewriting {
    const char *name; /* one of them; NULL: none */
    bool functions;   /* what they make follows from the octets and the
                       * configuration alone */
} vld_rewriting;

/* False: none will, or only by a content coding. */
bool vld_filters_rewriting(const ap_filter_t *f, vld_rewriting *found);
/* Resolve the names of filters, once all modules have registered theirs. */
void vld_filters_resolve(apr_pool_t *pconf);
/* Of directives of mod_filter; RAW_ARGS handlers behind vld_shadow_filter. */
const char *vld_filters_by_type(cmd_parms *cmd, void *conf, const char *args);
const char *vld_filters_provider(cmd_parms *cmd, void *conf,
                                 const char *args);
apr_array_header_t *vld_filters_merge(apr_pool_t *p, apr_array_header_t *base,
                                      apr_array_header_t *add);

/* --- attach.c, guard.c --------------------------------------------------- */
apr_status_t vld_attach_filter(ap_filter_t *f, apr_bucket_brigade *bb);

/* A bucket of len octets from offset of a file whose content is `digest` while
 * its identity is `identity`.  Reading it copies the octets and then looks at
 * the file again: if it has changed, the connection is aborted rather than
 * let a mixture pass for the content that the entity tag names.  fd is
 * shared, not owned: it must be open for as long as the bucket's pool. */
apr_bucket *vld_guard_bucket_create(request_rec *r, apr_file_t *fd,
                                    apr_off_t offset, apr_size_t len,
                                    const vld_identity *identity,
                                    const vld_digest *digest,
                                    apr_bucket_alloc_t *list);

/* --- indexer.c: files are indexed by themselves -------------------------- */

/* Before the children are made: have mod_watchdog call the indexer in one of
 * them at a time. */
void vld_indexer_post_config(server_rec *s, apr_pool_t *pconf);
/* Whether that is so. */
bool vld_indexer_runs(void);
/* In each child. */
void vld_indexer_child_init(apr_pool_t *pchild);
/* The child is about to end: give up what is being read. */
void vld_indexer_stop(void);
/* Post the request's file, when its final date is known. */
void vld_indexer_want(request_rec *r, const vld_request *rq);

/* --- dates.c ------------------------------------------------------------- */

apr_int64_t vld_date_later(apr_int64_t a, apr_int64_t b);

/* Choose the date of the content rq->digest: the index's where its record is
 * fresh; later in any case than the dates of other contents that this URL is
 * known to have had.  Sends it as vld_date_send does. */
void vld_date_set(request_rec *r, vld_request *rq, const vld_found *found,
                  bool fresh);

/* Set Last-Modified to rq->date where its second is over, else unset it. */
void vld_date_send(request_rec *r, vld_request *rq);

/* The date of the last change to the file: no earlier content of it can have
 * had it, since a change moves ctime and a date is only sent when its second
 * is over. */
apr_int64_t vld_date_of_change(const request_rec *r,
                                      const vld_identity *id);

/* --- evaluate.c ---------------------------------------------------------- */
apr_status_t vld_evaluate_filter(ap_filter_t *f, apr_bucket_brigade *bb);

/* --- answer_key.c -------------------------------------------------------- */

/* The key of the request as the client made it (server, address, port, scheme,
 * host, target); false when it has none: too long. Same in every phase, and
 * after internal redirects. */
bool vld_answer_key(request_rec *r, vld_key *out);
/* vld_answer_fits for a request_rec as baton: an answer that may be given. */
bool vld_answer_fits_request(void *baton, const vld_answer *answer);
/* Fill rq->memory: what is remembered under rq->key. */
void vld_answer_memory(request_rec *r, vld_request *rq);
/* The date with which the content is remembered; 0: it is not. */
apr_int64_t vld_memory_date(const vld_memory *memory,
                            const vld_digest *digest);
/* The latest date that any has, and whose it is; 0: none is remembered, and the
 * digest stays. */
void vld_memory_latest(const vld_memory *memory, vld_digest *digest,
                       apr_int64_t *date);
/* The first date that no other remembered content has had; 0: none is
 * remembered. */
apr_int64_t vld_memory_floor(const vld_memory *memory,
                             const vld_digest *digest);

/* --- remember.c ---------------------------------------------------------- */

/* Remember what this response says, if it may be remembered; forget what
 * was remembered under its key if it may not.  Called with the final fields,
 * before they are judged: a date that is only safe while it is remembered is
 * taken back where it could not be. */
void vld_remember(request_rec *r, vld_request *rq);

/* --- replay.c ------------------------------------------------------------ */
/* Before the first request: find the server's filters for content. */
void vld_replay_resolve(void);
int vld_replay_quick(request_rec *r, int lookup);
/* Whether mod_cache waits for the response, so that the preconditions may be
 * about its own copy. */
bool vld_replay_asked_by_cache(const request_rec *r);
/* In fixups, after access control: DONE when a 304 was sent, else DECLINED. */
int vld_replay_fixups(request_rec *r, vld_request *rq,
                      const vld_fields *fields);

/* --- access.c ------------------------------------------------------------ */

/* The client has shown a certificate. */
bool vld_access_has_certificate(request_rec *r);
/* No credentials and no authentication took part in this request. */
bool vld_access_anonymous(request_rec *r);
/* No rule was consulted that could decide otherwise for another client. */
bool vld_access_public(request_rec *r);
/* Wrap the authorization providers, before any Require is read. */
void vld_access_pre_config(apr_pool_t *pconf);
void vld_access_optional_fns(void);

/* --- hooks.c ------------------------------------------------------------- */

/* Look for access hooks of modules that are not known, and say so. */
void vld_hooks_check(server_rec *s, apr_pool_t *ptemp);
bool vld_hooks_all_known(void);

/* --- shown.c ------------------------------------------------------------- */

/* What GET shows of a file, where it sends the file's octets as they are. */
typedef struct vld_shown {
    bool exists;             /* something is at the path */
    bool indexed;            /* it has a fresh record */
    vld_identity identity;   /* of a regular file that can be read */
    vld_digest digest;       /* where the tag is strong */
    apr_int64_t date;        /* of the record, seconds */
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
    bool date_shown;   /* GET has said date, or would */
    apr_int64_t date;  /* seconds: at least that of any response with this
                        * content */
    vld_shown shown;
} vld_view;

/* Look the URL (not escaped) up as a GET by the client of r would: valid
 * until the next call for r.  NULL: the client may not get it, it is not in
 * scope, or GET sends something else than the octets of the file at path. */
const vld_view *vld_shown_by_get(request_rec *r, const char *uri,
                                 const char *path);

/* --- dav.c: mod_dav's files have the tags that GET shows ----------------- */

/* Before and after the configuration is read, and in each child.  Without
 * mod_dav: nothing. */
void vld_dav_pre_config(apr_pool_t *pconf);
int vld_dav_post_config(apr_pool_t *pconf, server_rec *s);
void vld_dav_child_init(apr_pool_t *pchild, server_rec *s);

/* --- words.c ------------------------------------------------------------- */

/* Every word that the note can hold; docs/directives.md lists them. */
#define VLD_WORDS(X)                                                        \
    X(QUICK, "quick", "304 from the quick handler")                         \
    X(REPLAY, "replay", "304 from a prepared answer, after access control") \
    X(NOT_MODIFIED, "304", "304 by evaluating the full response")           \
    X(FAILED, "412", "a precondition failed")                               \
    X(OK, "200", "no precondition to answer")                               \
    X(CHANGED, "200-changed", "the client's validators are out of date")    \
    X(UNINDEXED, "200-unindexed", "the file has no record in the index")    \
    X(STALE, "200-stale", "the file is not as its record says")             \
    X(DECLINED_HANDLER, "declined-handler",                                 \
      "the response is not a file's and has no validators")                 \
    X(DECLINED_FILTER, "declined-filter",                                   \
      "a filter rewrites the file's octets")                                \
    X(DECLINED_STATUS, "declined-status", "the response is not a 200")

typedef enum vld_word {
#define X(name, word, meaning) VLD_WORD_##name,
    VLD_WORDS(X)
#undef X
} vld_word;

/* Note the decision for the access log.  `why` explains it in the error log
 * at trace1 (NULL: the word's own meaning). */
void vld_note(request_rec *r, vld_word word, const char *why);

#endif /* SERVER_H */
