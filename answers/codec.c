/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The codec of prepared answers: fixed part, lengths, texts.  It believes no
 * length that it has not compared with what is left of the image, and never
 * allocates. */
#include "answers/codec.h"

#include <string.h>

/* A run of octets that is consumed from the front. */
typedef struct cursor {
    unsigned char *at;
    size_t left;
} cursor;

static void set16(unsigned char *at, size_t v)
{
    uint16_t n = (uint16_t)v;

    memcpy(at, &n, sizeof(n));
}

static void set32(unsigned char *at, uint32_t v)
{
    memcpy(at, &v, sizeof(v));
}

static void set64(unsigned char *at, uint64_t v)
{
    memcpy(at, &v, sizeof(v));
}

static uint16_t get16(const unsigned char *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static uint32_t get32(const unsigned char *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static uint64_t get64(const unsigned char *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

/* --- encode -------------------------------------------------------------- */

static bool put_text(cursor *c, unsigned char *len_at, vld_span text)
{
    if (!text.ptr) {
        set16(len_at, ABSENT);
        return true;
    }
    if (text.len >= c->left) { /* >=: the NUL */
        return false;
    }
    set16(len_at, text.len);
    memcpy(c->at, text.ptr, text.len);
    c->at[text.len] = '\0';
    c->at += text.len + 1;
    c->left -= text.len + 1;
    return true;
}

static bool put_pairs(cursor *c, unsigned char *len_at, const vld_field *pairs,
                      unsigned count, bool may_lack_value)
{
    unsigned i;

    for (i = 0; i < count; i++, len_at += 4) {
        if (!pairs[i].name.ptr || (!may_lack_value && !pairs[i].value.ptr)) {
            return false;
        }
        if (!put_text(c, len_at, pairs[i].name)
            || !put_text(c, len_at + 2, pairs[i].value)) {
            return false;
        }
    }
    return true;
}

static void put_fixed(unsigned char *image, const vld_answer *answer)
{
    image[AT_VARY_COUNT] = (unsigned char)answer->vary_count;
    image[AT_FIELD_COUNT] = (unsigned char)answer->field_count;
    image[AT_VERIFY] = (unsigned char)answer->verify;
    image[AT_DATE_SENT] = answer->date_sent ? 1 : 0;
    set32(image + AT_FLAGS, answer->flags);
    set64(image + AT_BORN, (uint64_t)answer->born_us);
    set64(image + AT_INDEX_TXN, answer->index_txn);
    set64(image + AT_SIZE, answer->identity.size);
    set64(image + AT_MTIME, (uint64_t)answer->identity.mtime_ns);
    set64(image + AT_CTIME, (uint64_t)answer->identity.ctime_ns);
    set64(image + AT_INODE, answer->identity.inode);
    set64(image + AT_LAST_MODIFIED, (uint64_t)answer->last_modified);
    memcpy(image + AT_NAME, answer->name.bytes, sizeof(vld_digest));
}

/* Zero up to the next step.  Returns the octets that the image uses. */
static size_t pad_image(unsigned char *image, cursor *c)
{
    while (c->left % STEP) {
        *c->at++ = 0;
        c->left--;
    }
    set16(image + AT_USED, VLD_ANSWER_SLOT - c->left);
    return VLD_ANSWER_SLOT - c->left;
}

size_t vld_codec_encode(vld_span key, const vld_answer *answer,
                        unsigned char *image)
{
    unsigned char *lengths = image + AT_LENGTHS;
    cursor c;
    size_t pairs;

    if (!key.ptr || answer->vary_count > VLD_ANSWER_MAX_VARY
        || answer->field_count > VLD_ANSWER_MAX_FIELDS
        || answer->verify > VLD_COMPARE_NONE) {
        return 0;
    }
    put_fixed(image, answer);
    pairs = answer->vary_count + answer->field_count;
    c.at = lengths + 4 * pairs;
    c.left = VLD_ANSWER_SLOT - AT_LENGTHS - 4 * pairs;
    if (!put_text(&c, image + AT_KEY_LEN, key)
        || !put_text(&c, image + AT_PATH_LEN, answer->path)
        || !put_text(&c, image + AT_ETAG_LEN, answer->etag)
        || !put_pairs(&c, lengths, answer->vary, answer->vary_count, true)
        || !put_pairs(&c, lengths + 4 * answer->vary_count, answer->fields,
                      answer->field_count, false)) {
        return 0;
    }
    return pad_image(image, &c);
}

/* --- decode -------------------------------------------------------------- */

typedef struct reader {
    const unsigned char *at;
    const unsigned char *end;
} reader;

static inline bool get_text(reader *r, const unsigned char *len_at,
                            vld_span *out)
{
    size_t len = get16(len_at);

    if (len == ABSENT) {
        out->ptr = NULL;
        out->len = 0;
        return true;
    }
    if (len >= (size_t)(r->end - r->at) || r->at[len] != '\0') {
        return false;
    }
    out->ptr = (const char *)r->at;
    out->len = len;
    r->at += len + 1;
    return true;
}

static inline bool get_pairs(reader *r, const unsigned char *len_at,
                             vld_field *pairs, unsigned count,
                             bool may_lack_value)
{
    unsigned i;

    for (i = 0; i < count; i++, len_at += 4) {
        if (!get_text(r, len_at, &pairs[i].name)
            || !get_text(r, len_at + 2, &pairs[i].value)) {
            return false;
        }
        if (!pairs[i].name.ptr || (!may_lack_value && !pairs[i].value.ptr)) {
            return false;
        }
    }
    return true;
}

static bool get_fixed(const unsigned char *image, vld_answer *out)
{
    out->vary_count = image[AT_VARY_COUNT];
    out->field_count = image[AT_FIELD_COUNT];
    out->verify = image[AT_VERIFY];
    if (out->vary_count > VLD_ANSWER_MAX_VARY
        || out->field_count > VLD_ANSWER_MAX_FIELDS
        || out->verify > VLD_COMPARE_NONE || image[AT_DATE_SENT] > 1) {
        return false;
    }
    out->date_sent = image[AT_DATE_SENT] == 1;
    out->flags = get32(image + AT_FLAGS);
    out->born_us = (int64_t)get64(image + AT_BORN);
    out->index_txn = get64(image + AT_INDEX_TXN);
    out->identity.size = get64(image + AT_SIZE);
    out->identity.mtime_ns = (int64_t)get64(image + AT_MTIME);
    out->identity.ctime_ns = (int64_t)get64(image + AT_CTIME);
    out->identity.inode = get64(image + AT_INODE);
    out->last_modified = (int64_t)get64(image + AT_LAST_MODIFIED);
    memcpy(out->name.bytes, image + AT_NAME, sizeof(vld_digest));
    return true;
}

/* Whether only the zeros up to a whole step are left. */
static bool is_at_end(const reader *r)
{
    const unsigned char *at = r->at;

    if (r->end - at >= STEP) {
        return false;
    }
    while (at < r->end) {
        if (*at++) {
            return false;
        }
    }
    return true;
}

bool vld_codec_decode(const unsigned char *image, size_t used, vld_span *key,
                      vld_answer *out)
{
    const unsigned char *lengths = image + AT_LENGTHS;
    reader r;
    size_t room;

    if (used < AT_LENGTHS || used > VLD_ANSWER_SLOT || used % STEP
        || get16(image + AT_USED) != used || !get_fixed(image, out)) {
        return false;
    }
    room = 4 * (size_t)(out->vary_count + out->field_count);
    if (used - AT_LENGTHS < room) {
        return false;
    }
    r.at = lengths + room;
    r.end = image + used;
    return get_text(&r, image + AT_KEY_LEN, key) && key->ptr
           && get_text(&r, image + AT_PATH_LEN, &out->path)
           && get_text(&r, image + AT_ETAG_LEN, &out->etag)
           && get_pairs(&r, lengths, out->vary, out->vary_count, true)
           && get_pairs(&r, lengths + 4 * out->vary_count, out->fields,
                        out->field_count, false)
           && is_at_end(&r);
}
