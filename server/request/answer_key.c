/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Keys of prepared answers, and whether one fits the request at hand.  Reads
 * the request; changes nothing. */
#include <httpd.h>
#include <http_protocol.h>

#include "server/request/answer_key.h"
#include "server/shared.h"

/* Longer ones are not remembered. */
#define KEY_MOST 1024

/* server (8), port (2), scheme (1), local address (16), Host, NUL, target: in
 * the memory of one generation the address of its server_rec names the virtual
 * host.  Host is as the client spelled it, since rules may look at that. */
#define KEY_FIXED 27

static void put_fixed(request_rec *r, char *at)
{
    const apr_sockaddr_t *local = r->connection->local_addr;
    apr_uint64_t server = (apr_uintptr_t)r->server;

    memset(at, 0, KEY_FIXED);
    memcpy(at, &server, 8);
    memcpy(at + 8, &local->port, 2);
    at[10] = ap_http_scheme(r)[4]; /* the s of https, or NUL */
    if (local->ipaddr_len <= 16) {
        memcpy(at + 11, local->ipaddr_ptr, (apr_size_t)local->ipaddr_len);
    }
}

/* The target of the client's request, before internal redirects. */
static const char *target_of(const request_rec *r)
{
    while (r->prev) {
        r = r->prev;
    }
    return r->unparsed_uri;
}

bool vld_answer_key_of(request_rec *r, vld_answer_key *out)
{
    const char *target = target_of(r);
    const char *given = apr_table_get(r->headers_in, "Host");
    const char *host = given ? given : r->hostname ? r->hostname : "";
    apr_size_t host_len = strlen(host) + 1;
    apr_size_t target_len = strlen(target);
    char *at;

    out->len = 0;
    if (KEY_FIXED + host_len + target_len > KEY_MOST) {
        return false;
    }
    out->octets = at = apr_palloc(r->pool, KEY_FIXED + host_len + target_len);
    put_fixed(r, at);
    memcpy(at + KEY_FIXED, host, host_len);
    memcpy(at + KEY_FIXED + host_len, target, target_len);
    out->len = KEY_FIXED + host_len + target_len;
    out->hash = vld_answers_hash(vld_shared_answers(), out->octets, out->len);
    return true;
}

static bool does_vary_fit(const request_rec *r, const vld_answer *answer)
{
    apr_uint32_t i;

    for (i = 0; i < answer->vary_count; i++) {
        const vld_field *vary = &answer->vary[i];
        const char *value = apr_table_get(r->headers_in, vary->name.ptr);

        if (!value != !vary->value.ptr
            || (value && strcmp(value, vary->value.ptr))) {
            return false;
        }
    }
    return true;
}

bool vld_answer_fits_request(void *baton, const vld_answer *answer)
{
    return !(answer->flags & VLD_ANSWER_DATE_ONLY)
           && does_vary_fit(baton, answer);
}

typedef struct survey {
    request_rec *r;
    vld_memory *memory;
} survey;

/* Adds the content of an answer to the memory. */
static void note_content(void *baton, const vld_answer *answer)
{
    survey *s = baton;
    vld_memory *m = s->memory;
    vld_past *past = &m->past;
    bool same_path = !strcmp(answer->path.ptr, s->r->filename);
    bool fitting = does_vary_fit(s->r, answer);

    /* The variants of a negotiated resource are files of their own.  But an
     * answer that fits this request is a former state of the resource, whatever
     * its file. */
    if (!same_path && !fitting) {
        return;
    }
    if (!m->has_answer && same_path && fitting) {
        m->has_answer = true;
        m->born_us = answer->born_us;
        m->flags = answer->flags;
        m->txn = answer->index_txn;
        m->date = answer->last_modified;
        m->identity = answer->identity;
        m->name = answer->name;
    }
    if (past->count < VLD_PAST_MOST) {
        past->all[past->count].name = answer->name;
        past->all[past->count++].date = answer->last_modified;
    }
}

void vld_answer_memory(request_rec *r, const vld_answer_key *key,
                       vld_memory *out)
{
    survey s = { r, out };

    out->past.count = 0;
    out->past.lost = 0;
    out->has_answer = false;
    if (key->len) {
        out->past.lost = vld_answers_survey(vld_shared_answers(), key,
                                            note_content, &s);
    }
}
