/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Attach: the first of all output filters.  Sets the validators of the file
 * that core's default handler sends, before any other filter sees the
 * response. Never evaluates a precondition, never holds a response back. */
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
#include "server/access/providers.h"
#include "server/config.h"
#include "server/index/lookup.h"
#include "server/request/attach.h"
#include "server/request/checked_bucket.h"
#include "server/request/evaluate.h"
#include "server/request/held_tag.h"
#include "server/request/last_modified.h"
#include "server/request/learn.h"
#include "server/request/request.h"
#include "server/request/tag.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* How much of a large file's end goes out in a checked bucket. */
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

static bool look_at_file(file *of)
{
    if (fstat(of->os_fd, &of->st) != 0 || !S_ISREG(of->st.st_mode)) {
        return false;
    }
    vld_identity_of(&of->st, &of->identity);
    return true;
}

/* Have the buckets read and not mapped: a mapped page can change after the
 * check, and one that is cut off raises SIGBUS. */
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

/* Replace the file's buckets with the octets that were read. */
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

/* Set what was chosen.  False: no tag can be made. */
static bool set_validators(request_rec *r, const vld_request *rq)
{
    char *etag = apr_palloc(r->pool, VLD_WEAK_ETAG_SIZE);

    if (!vld_tag_of_choice(rq->conf, &rq->chosen, &rq->identity, etag)) {
        return false;
    }
    vld_tag_set(r, etag);
    vld_last_modified_set(r, &rq->chosen);
    return true;
}

static void set_nothing(request_rec *r, vld_request *rq)
{
    apr_table_unset(r->headers_out, "ETag");
    apr_table_unset(r->headers_out, "Last-Modified");
    vld_choose_nothing(&rq->chosen);
}

/* --- sending what the tag names ------------------------------------------- */

/* Replace the file's buckets with checked ones: what is sent is the recorded
 * content, or the connection is aborted. */
static void check_whole(request_rec *r, vld_request *rq, file *of,
                        const vld_digest *content)
{
    apr_bucket *e;

    for (e = of->first; APR_BUCKET_IS_FILE(e);) {
        apr_bucket *next = APR_BUCKET_NEXT(e);
        apr_bucket *b = vld_checked_bucket_create(r, of->fd, e->start,
                                                  e->length, &rq->identity,
                                                  content, e->list);

        APR_BUCKET_INSERT_BEFORE(e, b);
        apr_bucket_delete(e);
        e = next;
    }
}

/* The same at less cost, for a file that is sent whole: only its end is
 * checked, and is not sent if anything before it has changed.  The part
 * before it must not go by sendfile: a page that the socket only refers to
 * can change after the check. */
static void check_tail(request_rec *r, vld_request *rq, file *of,
                       const vld_digest *content)
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
        check_whole(r, rq, of, content);
        return;
    }
    e->length -= TAIL_SIZE;
    b = vld_checked_bucket_create(r, fd, e->start + (apr_off_t)e->length,
                                  TAIL_SIZE, &rq->identity, content, e->list);
    APR_BUCKET_INSERT_AFTER(e, b);
    for (e = of->first; APR_BUCKET_IS_FILE(e); e = APR_BUCKET_NEXT(e)) {
        ((apr_bucket_file *)e->data)->fd = plain;
    }
}

/* ValidatorsVerify none: no file changes between two starts, so it may go out
 * by whatever way httpd has. */
static bool is_never_changed(const vld_request *rq)
{
    return vld_config_compare(rq->conf) == VLD_COMPARE_NONE;
}

/* content: its digest; NULL: not known. */
static void check_octets(request_rec *r, vld_request *rq, file *of,
                         const vld_digest *content)
{
    if (r->header_only || is_never_changed(rq)) {
        return;
    }
    /* A range may leave the end out; a secondary connection (HTTP/2) reads
     * descriptors elsewhere and at another time. */
    if (r->connection->master || apr_table_get(r->headers_in, "Range")) {
        check_whole(r, rq, of, content);
    }
    else {
        check_tail(r, rq, of, content);
    }
}

/* Unless the administrator says that times tell, or that nothing changes. */
static bool proves_nothing(const vld_request *rq, const file *of)
{
    return vld_config_compare(rq->conf) == VLD_COMPARE_STRICT
           && !vld_identity_proves(&of->identity, of->os_fd, of->st.st_dev);
}

static bool is_settled(const vld_request *rq, const file *of)
{
    if (proves_nothing(rq, of)) {
        return false;
    }
    /* Compared with a time that is before any octet was read. */
    return !vld_identity_racy(&of->identity, rq->seen_us * 1000,
                              vld_identity_margin_ns(of->os_fd, of->st.st_dev));
}

/* --- the way of one file ------------------------------------------------- */

/* The facts that count without a fresh record. */
static void complete_facts(request_rec *r, const vld_request *rq,
                           const file *of, vld_facts *facts)
{
    if (!facts->is_fresh) {
        facts->is_settled = is_settled(rq, of);
        facts->may_be_remembered = rq->key.len && vld_access_anonymous(r);
    }
}

static void attach_chosen(request_rec *r, vld_request *rq, const file *of,
                          const vld_facts *facts)
{
    rq->identity = of->identity;
    vld_choose(facts, &rq->chosen);
    /* The response's Date is the time of the request: Last-Modified is never
     * later (RFC 9110 8.8.2.1). */
    rq->chosen.date_sent &= vld_dates_may_send(rq->chosen.date.seconds,
                                               r->request_time);
    if (!set_validators(r, rq)) {
        set_nothing(r, rq);
    }
}

/* A small file is read before it is stat'ed.  If the stat matches the record,
 * the bytes are the recorded content; if not, they are hashed. */
static void attach_small(request_rec *r, vld_request *rq, file *of,
                         vld_facts *facts)
{
    apr_size_t len;
    vld_digest digest;
    bool known = read_small(of, &len) && look_at_file(of);

    vld_facts_see(facts, &of->identity, vld_config_compare(rq->conf));
    facts->is_fresh = known && facts->is_fresh && of->identity.size == len;
    if (known && !facts->is_fresh
        && vld_digest_bytes(of->octets, len, &digest) == APR_SUCCESS) {
        facts->content = &digest;
    }
    complete_facts(r, rq, of, facts);
    attach_chosen(r, rq, of, facts);
    if (vld_choice_is_of_content(&rq->chosen)) {
        send_octets(r, of, len);
    }
    else {
        apr_bucket_free(of->octets);
    }
}

/* The digest of a content that has a name; NULL: it was not read. */
static const vld_digest *digest_of(const vld_facts *facts,
                                   const vld_choice *chosen)
{
    if (chosen->source == VLD_SOURCE_RECORD) {
        return facts->record->is_unread ? NULL : &facts->record->digest;
    }
    return chosen->source == VLD_SOURCE_CONTENT ? facts->content : NULL;
}

/* An answer that was given while nothing was recorded is of this content, too,
 * where it was of this identity. */
static void recall_promise(vld_request *rq, const file *of,
                           const vld_record *record)
{
    vld_past *past = &rq->memory.past;
    vld_digest recorded, promised;
    apr_uint32_t i;

    vld_record_name(record, &recorded);
    for (i = 0; i < past->count; i++) {
        if (memcmp(&past->all[i].name, &recorded, sizeof(recorded))
            && vld_promise_name(&of->identity, of->os_fd, &promised)
                   == APR_SUCCESS
            && !memcmp(&past->all[i].name, &promised, sizeof(promised))) {
            past->all[i].name = recorded;
        }
    }
}

static void attach_large(request_rec *r, vld_request *rq, file *of,
                         vld_facts *facts)
{
    vld_ahead ahead = { of->os_fd, of->st.st_dev, &of->identity, r->filename };
    vld_learned learned;

    learned.found.txn = rq->txn;
    complete_facts(r, rq, of, facts);
    vld_learn(r, rq->conf, &ahead, true, facts, &learned);
    rq->txn = learned.found.txn;
    if (facts->is_fresh) {
        recall_promise(rq, of, facts->record);
    }
    attach_chosen(r, rq, of, facts);
    if (rq->chosen.source == VLD_SOURCE_RECORD) {
        rq->is_promised = facts->record->is_promised;
        vld_held_tag_keep(r, rq, of->os_fd, facts->record);
    }
    if (vld_choice_is_of_content(&rq->chosen)) {
        check_octets(r, rq, of, digest_of(facts, &rq->chosen));
    }
}

/* The record as the URL's prepared answer has it: the same as a look-up
 * would give, where the file's identity is that of the answer and the index
 * has had no transaction since. */
static bool recall_record(const vld_request *rq, const file *of,
                          vld_lookup *out)
{
    const vld_memory *m = &rq->memory;

    if (!m->has_answer || !(m->flags & VLD_ANSWER_INDEXED)
        || m->flags & VLD_ANSWER_PROMISED || !m->txn
        || m->txn != vld_index_txn(rq->seen_us)
        || !vld_identity_equal(&m->identity, &of->identity,
                               VLD_COMPARE_STRICT)) {
        return false;
    }
    memset(&out->record, 0, sizeof(out->record));
    out->record.digest = m->name;
    out->record.identity = m->identity;
    out->record.last_modified = m->date;
    out->txn = m->txn;
    out->is_unknown = false;
    out->link_mtime_s = 0; /* the date has it */
    return true;
}

static void attach_file(request_rec *r, vld_request *rq, file *of)
{
    vld_lookup found;
    vld_facts facts = { 0 };

    vld_answer_memory(r, &rq->key, &rq->memory);
    if (recall_record(rq, of, &found)
        || vld_index_find(rq->seen_us, r->filename, &found)) {
        facts.record = &found.record;
        facts.link_s = found.link_mtime_s;
    }
    rq->txn = found.txn;
    if (found.is_unknown) {
        set_nothing(r, rq);
        return;
    }
    facts.auto_max = vld_config_auto_max(rq->conf);
    facts.past = &rq->memory.past;
    facts.now_us = rq->seen_us;
    facts.is_response = r->method_number == M_GET;
    facts.proves_nothing = proves_nothing(rq, of);
    vld_facts_see(&facts, &of->identity, vld_config_compare(rq->conf));
    if (vld_choose_reads(&facts, !rq->conditional && !r->header_only)) {
        attach_small(r, rq, of, &facts);
    }
    else {
        attach_large(r, rq, of, &facts);
    }
}

/* The octets sent are not those of the file, so no strong tag names them.
 * Where they follow from the file and the configuration alone, a weak tag
 * and a date are made of these.  Of other filters nothing is known; what
 * they say themselves, as mod_include may, comes after. */
static void attach_rewritten(request_rec *r, vld_request *rq, file *of,
                             const vld_rewriting *by)
{
    char *etag = apr_palloc(r->pool, VLD_WEAK_ETAG_SIZE);
    vld_identity tagged;

    ap_log_rerror(APLOG_MARK, APLOG_TRACE2, 0, r,
                  "the filter %s rewrites the octets of %s", by->name,
                  r->filename);
    rq->is_rewritten = true;
    set_nothing(r, rq);
    if (by->deterministic && is_settled(rq, of)) {
        vld_choose_rewritten(&of->identity, vld_shared_born(), r->request_time,
                             &tagged, &rq->chosen);
        if (vld_tag_of_identity(rq->conf, &tagged, etag)) {
            apr_table_setn(r->headers_out, "ETag", etag);
        }
        vld_last_modified_set(r, &rq->chosen);
        rq->chosen.date_sent = false; /* it names no content */
    }
}

/* The brigade is not a plain file: another filter or module made it.  Remove
 * the validators that core set for the file (recognised by Last-Modified
 * equal to its mtime); keep those that a handler set itself. */
static void drop_core_validators(request_rec *r)
{
    if (vld_last_modified_is(r, apr_time_sec(r->finfo.mtime))) {
        apr_table_unset(r->headers_out, "ETag");
        apr_table_unset(r->headers_out, "Last-Modified");
    }
}

/* A 412 has no content. */
static void drop_content(apr_bucket_brigade *bb)
{
    while (!APR_BUCKET_IS_EOS(APR_BRIGADE_FIRST(bb))) {
        apr_bucket_delete(APR_BRIGADE_FIRST(bb));
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
        /* An error document has no validators: clients would take them for
         * those of the resource. */
        apr_table_unset(r->headers_out, "ETag");
        apr_table_unset(r->headers_out, "Last-Modified");
        return ap_pass_brigade(next, bb);
    }
    if (rq) {
        rq->seen_us = apr_time_now();
    }
    if (!rq || !find_file(bb, &of) || !look_at_file(&of)) {
        drop_core_validators(r);
        return ap_pass_brigade(next, bb);
    }
    rq->is_core_file = true;
    if (!is_never_changed(rq)) {
        read_not_map(&of);
    }
    /* Core makes no Content-MD5 where the first filter is of this type.  It
     * looked at the type of attach, and means that of the next. */
    if (next->frec->ftype == AP_FTYPE_RESOURCE) {
        apr_table_unset(r->headers_out, "Content-MD5");
    }
    if (vld_filters_rewriting(f, &rewriting)) {
        attach_rewritten(r, rq, &of, &rewriting);
    }
    else {
        attach_file(r, rq, &of);
    }
    if (r->method_number != M_GET && vld_evaluate_refuses(r, rq)) {
        drop_content(bb);
    }
    return ap_pass_brigade(next, bb);
}
