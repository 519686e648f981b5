/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Attach: the first of all output filters.  Sees the file that core's default
 * handler sends, finds its validators and sets them before any other filter
 * looks.  Never evaluates a precondition, never holds back a response. */
#include <sys/stat.h>
#include <unistd.h>

#include <apr_portable.h>
#include <apr_strings.h>

#include <httpd.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <util_filter.h>

#include "server/access/filters.h"
#include "server/config.h"
#include "server/index/lookup.h"
#include "server/request/request.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* How much of a large file's end is sent under guard. */
#define TAIL_SIZE 32768

/* Octets between two looks at a file that is read whole. */
#define READ_CHUNK 65536

/* The file in the brigade. */
typedef struct file {
    apr_bucket *first; /* the first of its buckets */
    apr_file_t *fd;
    int os_fd;
    struct stat st;
    vld_identity identity;
    char *octets; /* of a file that has been read; a bucket's memory */
} file;

/* --- the file ------------------------------------------------------------ */

/* Find the file: buckets of one descriptor from its beginning, then EOS. */
static bool find_file(apr_bucket_brigade *bb, file *out)
{
    apr_bucket *e = APR_BRIGADE_FIRST(bb);
    apr_off_t at = 0;

    if (e == APR_BRIGADE_SENTINEL(bb) || !APR_BUCKET_IS_FILE(e)) {
        return false;
    }
    out->first = e;
    out->fd = ((apr_bucket_file *)e->data)->fd;
    for (; e != APR_BRIGADE_SENTINEL(bb) && APR_BUCKET_IS_FILE(e);
         e = APR_BUCKET_NEXT(e)) {
        if (((apr_bucket_file *)e->data)->fd != out->fd || e->start != at) {
            return false;
        }
        at += e->length;
    }
    return e != APR_BRIGADE_SENTINEL(bb) && APR_BUCKET_IS_EOS(e)
           && apr_os_file_get(&out->os_fd, out->fd) == APR_SUCCESS;
}

static bool look_at(file *of)
{
    if (fstat(of->os_fd, &of->st) != 0 || !S_ISREG(of->st.st_mode)) {
        return false;
    }
    vld_identity_of(&of->st, &of->identity);
    return true;
}

/* Read, do not map: a mapped page could change after it was looked at, and one
 * that is cut off kills the process. */
static void read_not_map(file *of)
{
    apr_bucket *e;

    for (e = of->first; APR_BUCKET_IS_FILE(e); e = APR_BUCKET_NEXT(e)) {
        apr_bucket_file_enable_mmap(e, 0);
        apr_bucket_file_set_buf_size(e, READ_CHUNK);
    }
}

/* Read the whole of a small file. False when it is no longer small. */
static bool read_small(file *of, apr_size_t *len)
{
    apr_size_t room = (apr_size_t)of->st.st_size + 1, have = 0;
    ssize_t n;

    of->octets = apr_bucket_alloc(room, of->first->list);
    while (have < room) {
        n = pread(of->os_fd, of->octets + have, room - have, (off_t)have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            break;
        }
        have += (apr_size_t)n;
    }
    *len = have;
    return n == 0 && have < room;
}

/* Put the octets that were read in the place of the file's buckets. */
static void send_octets(request_rec *r, file *of, apr_size_t len)
{
    apr_bucket *e = of->first, *next;
    apr_bucket *b = apr_bucket_heap_create(of->octets, len, apr_bucket_free,
                                           e->list);

    APR_BUCKET_INSERT_BEFORE(e, b);
    for (; APR_BUCKET_IS_FILE(e); e = next) {
        next = APR_BUCKET_NEXT(e);
        apr_bucket_delete(e);
    }
    if (r->finfo.size != (apr_off_t)len) {
        ap_set_content_length(r, (apr_off_t)len);
    }
}

/* --- validators ---------------------------------------------------------- */

static void set_etag(request_rec *r, const char *etag)
{
    apr_table_setn(r->headers_out, "ETag", etag);
    /* Core's wish to have none (FileETag None) was about its own tag. */
    apr_table_unset(r->notes, "no-etag");
}

static bool set_content_tag(request_rec *r, const vld_request *rq)
{
    char *etag = apr_palloc(r->pool, VLD_ETAG_SIZE);

    if (!vld_tag_of_content(&rq->digest, etag)) {
        return false;
    }
    set_etag(r, etag);
    return true;
}

static void set_nothing(request_rec *r, vld_request *rq)
{
    apr_table_unset(r->headers_out, "ETag");
    apr_table_unset(r->headers_out, "Last-Modified");
    rq->source = VLD_SOURCE_NONE;
}

/* --- the four sources ---------------------------------------------------- */

/* Replace the file's buckets so that the octets sent are those of the record,
 * or the connection is given up. */
static void guard_whole(request_rec *r, vld_request *rq, file *of)
{
    apr_bucket *e;

    for (e = of->first; APR_BUCKET_IS_FILE(e);) {
        apr_bucket *next = APR_BUCKET_NEXT(e);
        apr_bucket *b = vld_checked_bucket_create(r, of->fd, e->start,
                                                  e->length, &rq->identity,
                                                  &rq->digest, e->list);

        APR_BUCKET_INSERT_BEFORE(e, b);
        apr_bucket_delete(e);
        e = next;
    }
}

/* The same at less cost, for a file that goes out in one piece: only its end
 * is guarded, and so is not sent when anything before it has changed.  What
 * is before it is not sent by sendfile: a page that is only referred to could
 * change after the look. */
static void guard_tail(request_rec *r, vld_request *rq, file *of)
{
    apr_bucket *e = of->first, *b;
    apr_file_t *plain = of->fd, *fd;

    while (APR_BUCKET_IS_FILE(APR_BUCKET_NEXT(e))) {
        e = APR_BUCKET_NEXT(e);
    }
    if (e->length <= VLD_SMALL_FILE
        || (apr_file_flags_get(of->fd) & APR_FOPEN_SENDFILE_ENABLED
            && apr_os_file_put(&plain, &of->os_fd, APR_FOPEN_READ, r->pool)
                   != APR_SUCCESS)
        || apr_file_dup(&fd, of->fd, r->pool) != APR_SUCCESS) {
        guard_whole(r, rq, of);
        return;
    }
    e->length -= TAIL_SIZE;
    b = vld_checked_bucket_create(r, fd, e->start + (apr_off_t)e->length,
                                  TAIL_SIZE, &rq->identity, &rq->digest,
                                  e->list);
    APR_BUCKET_INSERT_AFTER(e, b);
    for (e = of->first; APR_BUCKET_IS_FILE(e); e = APR_BUCKET_NEXT(e)) {
        ((apr_bucket_file *)e->data)->fd = plain;
    }
}

/* ValidatorsVerify none: no file changes between two starts, so it may go out
 * by whatever way httpd has. */
static bool is_never_changed(const vld_request *rq)
{
    return rq->conf->verify == VLD_COMPARE_NONE;
}

static void guard(request_rec *r, vld_request *rq, file *of)
{
    if (r->header_only || is_never_changed(rq)) {
        return;
    }
    /* A range may leave the end out; a secondary connection (HTTP/2) reads
     * descriptors elsewhere and at another time. */
    if (r->connection->master || apr_table_get(r->headers_in, "Range")) {
        guard_whole(r, rq, of);
    }
    else {
        guard_tail(r, rq, of);
    }
}

static bool is_settled(const request_rec *r, const file *of)
{
    /* Seen from when the request came in, which is before any octet was
     * read. */
    return !vld_identity_racy(&of->identity, r->request_time * 1000,
                              vld_identity_margin_ns(of->os_fd, of->st.st_dev));
}

static bool use_record(request_rec *r, vld_request *rq, file *of,
                       const vld_lookup *found)
{
    rq->digest = found->record.digest;
    if (!set_content_tag(r, rq)) {
        return false;
    }
    rq->source = VLD_SOURCE_RECORD;
    rq->settled = true;
    rq->identity = of->identity;
    vld_date_set(r, rq, found, true);
    return true;
}

static bool use_content(request_rec *r, vld_request *rq, file *of,
                        apr_size_t len, const vld_lookup *found)
{
    if (vld_digest_bytes(of->octets, len, &rq->digest) != APR_SUCCESS
        || !set_content_tag(r, rq)) {
        return false;
    }
    rq->source = VLD_SOURCE_CONTENT;
    rq->identity = of->identity;
    rq->settled = is_settled(r, of);
    vld_date_set(r, rq, found, false);
    return true;
}

/* Whether the field has the tag, or what a content coding has made of it. */
static bool has_tag(request_rec *r, const char *field, const char *etag)
{
    return strstr(field, apr_pstrmemdup(r->pool, etag, strlen(etag) - 1))
           != NULL;
}

/* A client that came before the record did holds the provisional tag of this
 * very state.  To it the response goes on under that tag: its copy is the
 * content, and it would be sent the whole of it once more. */
static void keep_provisional(request_rec *r, vld_request *rq)
{
    const char *held = apr_table_get(r->headers_in, "If-None-Match");
    char *etag;

    if (!held || !strstr(held, "W/")
        || has_tag(r, held, apr_table_get(r->headers_out, "ETag"))
        || apr_table_get(r->headers_in, "If-Match")
        || apr_table_get(r->headers_in, "If-Unmodified-Since")) {
        return;
    }
    etag = apr_palloc(r->pool, VLD_WEAK_ETAG_SIZE);
    if (vld_tag_of_identity(&rq->identity, etag) && has_tag(r, held, etag)) {
        rq->keeps_provisional = true;
        rq->date_sent = false;
        rq->date.needs_memory = false;
        set_etag(r, etag);
        apr_table_unset(r->headers_out, "Last-Modified");
    }
}

/* No date is sent, but those of the contents before are not forgotten. */
static void use_identity(request_rec *r, vld_request *rq, file *of)
{
    char *etag = apr_palloc(r->pool, VLD_WEAK_ETAG_SIZE);
    vld_dated latest;

    if (!is_settled(r, of) || !vld_tag_of_identity(&of->identity, etag)) {
        set_nothing(r, rq);
        return;
    }
    rq->source = VLD_SOURCE_PROVISIONAL;
    rq->identity = of->identity;
    rq->settled = true;
    vld_dates_latest(&rq->memory.past, &latest);
    rq->digest = latest.digest;
    rq->date.seconds = latest.date;
    set_etag(r, etag);
    apr_table_unset(r->headers_out, "Last-Modified");
}

/* --- the way of one file ------------------------------------------------- */

static vld_compare verify_of(const vld_request *rq)
{
    return rq->conf->verify == VLD_COMPARE_MTIME ? VLD_COMPARE_MTIME
                                                 : VLD_COMPARE_STRICT;
}

/* A small file is read first and looked at after: if it is then as the record
 * says, so were the octets; if not, they tell their own digest. */
static void attach_small(request_rec *r, vld_request *rq, file *of,
                         const vld_lookup *found)
{
    apr_size_t len;
    bool known = read_small(of, &len) && look_at(of);

    if (known && found && of->identity.size == len
        && vld_identity_equal(&found->record.identity, &of->identity,
                              verify_of(rq))) {
        known = use_record(r, rq, of, found);
    }
    else if (known) {
        known = use_content(r, rq, of, len, found);
    }
    if (known) {
        send_octets(r, of, len);
    }
    else {
        set_nothing(r, rq);
        apr_bucket_free(of->octets);
    }
}

/* A record that was looked up for this URL and this state of the file, in an
 * index that has not changed since, is the same now. */
static bool from_memory(const request_rec *r, const vld_request *rq,
                        const file *of, vld_lookup *out)
{
    const vld_memory *m = &rq->memory;

    if (!m->variant || !(m->flags & VLD_ANSWER_INDEXED) || !m->txn
        || m->txn != vld_index_txn(r->request_time)
        || !vld_identity_equal(&m->identity, &of->identity,
                               VLD_COMPARE_STRICT)) {
        return false;
    }
    out->record.digest = m->digest;
    out->record.identity = m->identity;
    out->record.last_modified = m->date;
    out->txn = m->txn;
    out->link_mtime_s = 0; /* it is in the date */
    return true;
}

static void attach_file(request_rec *r, vld_request *rq, file *of)
{
    vld_lookup found_;
    const vld_lookup *found = NULL;
    bool fresh;

    vld_answer_memory(r, &rq->key, &rq->memory);
    if (from_memory(r, rq, of, &found_)
        || vld_index_find(r->request_time, r->filename, &found_)) {
        found = &found_;
    }
    rq->txn = found_.txn;
    fresh = found
            && vld_identity_equal(&found->record.identity, &of->identity,
                                  verify_of(rq));
    rq->stale_record = found && !fresh;
    rq->to_be_indexed = !fresh
                        && of->st.st_size <= vld_config_auto_max(rq->conf);
    if (of->st.st_size <= VLD_SMALL_FILE && (!fresh || !rq->conditional)
        && (!fresh || !r->header_only)) {
        attach_small(r, rq, of, found);
    }
    else if (fresh && use_record(r, rq, of, found)) {
        keep_provisional(r, rq);
        guard(r, rq, of);
    }
    else {
        use_identity(r, rq, of);
    }
}

/* The octets sent will not be those of the file, so no strong tag is.  Of what
 * follows from the file and the configuration alone, these two can still be
 * said: a weak tag of the file's identity and of the time when the
 * configuration was read, and the later of the file's last change and that
 * time.  Of other filters nothing is known; what they say themselves, as
 * mod_include may, comes after. */
static void decline_filter(request_rec *r, vld_request *rq, file *of,
                           const vld_rewriting *by)
{
    char *etag = apr_palloc(r->pool, VLD_WEAK_ETAG_SIZE);

    ap_log_rerror(APLOG_MARK, APLOG_TRACE2, 0, r,
                  "the filter %s rewrites the octets of %s", by->name,
                  r->filename);
    rq->rewritten = true;
    set_nothing(r, rq);
    if (by->deterministic && is_settled(r, of)) {
        vld_identity salted = of->identity;
        apr_time_t born = vld_shared_born();

        salted.inode ^= (apr_uint64_t)born;
        if (vld_tag_of_identity(&salted, etag)) {
            apr_table_setn(r->headers_out, "ETag", etag);
        }
        rq->date.seconds = vld_dates_later(
            vld_dates_of_change(&of->identity, apr_time_sec(r->request_time)),
            apr_time_sec(born) + 1);
        rq->date.may_be_sent = vld_dates_may_send(rq->date.seconds,
                                                  r->request_time);
        vld_date_send(r, rq);
        rq->date_sent = false;
    }
}

/* The octets do not come as a file's do: another filter or module has been
 * here before.  What core has said of the file goes all the same; what a
 * handler has said of its own stays, and is told by its date. */
static void disown(request_rec *r)
{
    const char *text = apr_table_get(r->headers_out, "Last-Modified");
    vld_span span = { text, text ? strlen(text) : 0 };
    int64_t date;

    if (text && vld_date_parse(span, apr_time_sec(r->request_time), &date)
        && date == apr_time_sec(r->finfo.mtime)) {
        apr_table_unset(r->headers_out, "ETag");
        apr_table_unset(r->headers_out, "Last-Modified");
    }
}

apr_status_t vld_attach_filter(ap_filter_t *f, apr_bucket_brigade *bb)
{
    request_rec *r = f->r;
    vld_request *rq = vld_request_of(r);
    ap_filter_t *next = f->next;
    vld_rewriting rewriting;
    file of = { 0 };

    ap_remove_output_filter(f);
    if (r->status != HTTP_OK && find_file(bb, &of)) {
        /* An error's document has none: they would be taken for those of the
         * resource that was asked for. */
        apr_table_unset(r->headers_out, "ETag");
        apr_table_unset(r->headers_out, "Last-Modified");
        return ap_pass_brigade(next, bb);
    }
    if (!rq || !find_file(bb, &of) || !look_at(&of)) {
        disown(r);
        return ap_pass_brigade(next, bb);
    }
    rq->is_core_file = true;
    if (!is_never_changed(rq)) {
        read_not_map(&of);
    }
    /* Core asks the first filter's type before it makes a Content-MD5, and
     * that was this one's. */
    if (next->frec->ftype == AP_FTYPE_RESOURCE) {
        apr_table_unset(r->headers_out, "Content-MD5");
    }
    if (vld_filters_rewriting(f, &rewriting)) {
        decline_filter(r, rq, &of, &rewriting);
    }
    else {
        attach_file(r, rq, &of);
    }
    return ap_pass_brigade(next, bb);
}
