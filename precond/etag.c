/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Entity tags and lists of them, RFC 9110 8.8.3, 13.1.1 and 13.1.2.  Never
 * copies, and never looks at an octet twice. */
#include "validators/precond.h"

#include <string.h>

/* Every octet of a word set to c. */
#define EACH(c) (UINT64_C(0x0101010101010101) * (c))

static bool is_ows(char c)
{
    return c == ' ' || c == '\t';
}

/* etagc = %x21 / %x23-7E / obs-text */
static bool is_etagc(char c)
{
    unsigned char octet = (unsigned char)c;

    return octet >= 0x23 ? octet != 0x7f : octet == 0x21;
}

/* Whether the eight octets of x are all etagc.  The usual "does a word have an
 * octet less than n" test, three times: a borrow can only be wrong above an
 * octet that is less than n, so the answer for the whole word is exact. */
static bool is_etagc_word(uint64_t x)
{
    uint64_t low = x - EACH(0x21);
    uint64_t quote = (x ^ EACH(0x22)) - EACH(1);
    uint64_t del = (x ^ EACH(0x7f)) - EACH(1);

    return ((low | quote | del) & ~x & EACH(0x80)) == 0;
}

static uint64_t load_word(const char *p)
{
    uint64_t x;

    memcpy(&x, p, sizeof x);
    return x;
}

/* Word by word, because this runs for every conditional request.  The last
 * word overlaps the one before it: cheaper than a loop over the rest. */
static bool only_etagc(const char *p, size_t len)
{
    const char *end = p + len;

    if (len < 8) {
        while (p < end && is_etagc(*p)) {
            p++;
        }
        return p == end;
    }
    for (; end - p > 8; p += 8) {
        if (!is_etagc_word(load_word(p))) {
            return false;
        }
    }
    return is_etagc_word(load_word(end - 8));
}

static bool is_weak_prefix(const char *p, const char *end)
{
    return end - p >= 2 && p[0] == 'W' && p[1] == '/';
}

bool vld_etag_parse(vld_span text, vld_etag *out)
{
    const char *p = text.ptr;
    const char *end;
    bool weak;

    if (!p) {
        return false;
    }
    end = p + text.len;
    while (p < end && is_ows(*p)) {
        p++;
    }
    while (p < end && is_ows(end[-1])) {
        end--;
    }
    weak = is_weak_prefix(p, end);
    if (weak) {
        p += 2;
    }
    if (end - p < 2 || p[0] != '"' || end[-1] != '"') {
        return false;
    }
    p++;
    end--;
    if (!only_etagc(p, (size_t)(end - p))) {
        return false;
    }
    out->opaque.ptr = p;
    out->opaque.len = (size_t)(end - p);
    out->weak = weak;
    return true;
}

bool vld_etag_equal_weak(const vld_etag *a, const vld_etag *b)
{
    return a->opaque.len == b->opaque.len
           && memcmp(a->opaque.ptr, b->opaque.ptr, a->opaque.len) == 0;
}

bool vld_etag_equal_strong(const vld_etag *a, const vld_etag *b)
{
    return !a->weak && !b->weak && vld_etag_equal_weak(a, b);
}

/* Whether the tag's octets and the closing quote stand at p.  A tag contains
 * no quote, so they cannot be part of a longer member. */
static bool is_tag_at(const char *p, const char *end, const vld_span *opaque)
{
    return opaque->len < (size_t)(end - p) && p[opaque->len] == '"'
           && memcmp(p, opaque->ptr, opaque->len) == 0;
}

/* Read the member at p and return the place behind it; NULL when it is not an
 * entity tag.  A member that equals the tag is not checked octet by octet: the
 * tag was. */
static const char *read_member(const char *p, const char *end,
                               const vld_etag *tag, bool strong, bool *found)
{
    bool weak = is_weak_prefix(p, end);

    if (weak) {
        p += 2;
    }
    if (p == end || *p != '"') {
        return NULL;
    }
    p++;
    if (tag && is_tag_at(p, end, &tag->opaque)) {
        *found = *found || !weak || !strong;
        return p + tag->opaque.len + 1;
    }
    while (p < end && is_etagc(*p)) {
        p++;
    }
    return p < end && *p == '"' ? p + 1 : NULL;
}

static const char *skip_ows(const char *p, const char *end)
{
    while (p < end && is_ows(*p)) {
        p++;
    }
    return p;
}

/* A match does not end the search: a later member may make the whole value
 * malformed.  A weak member does not end a strong search either. */
static vld_list_match find_in_list(const char *p, const char *end,
                                   const vld_etag *tag, bool strong)
{
    bool found = false;

    while (p < end) {
        if (*p == ',' || is_ows(*p)) {
            p++;
            continue;
        }
        p = read_member(p, end, tag, strong, &found);
        if (!p) {
            return VLD_LIST_MALFORMED;
        }
        p = skip_ows(p, end);
        if (p < end && *p != ',') {
            return VLD_LIST_MALFORMED;
        }
    }
    return found ? VLD_LIST_MATCH : VLD_LIST_NO_MATCH;
}

/* Most clients send exactly the tag that they received. */
static bool is_just(const vld_span *value, const vld_etag *tag)
{
    const char *p = value->ptr;
    size_t len = tag->opaque.len;

    return !tag->weak && value->len == len + 2 && p[0] == '"'
           && p[len + 1] == '"' && memcmp(p + 1, tag->opaque.ptr, len) == 0;
}

vld_list_match vld_etag_list_find(vld_span value, const vld_etag *tag,
                                  bool strong)
{
    const char *p = value.ptr;
    const char *end;

    if (!p) {
        return VLD_LIST_NO_MATCH;
    }
    if (tag && is_just(&value, tag)) {
        return VLD_LIST_MATCH;
    }
    end = p + value.len;
    p = skip_ows(p, end);
    if (p < end && *p == '*') {
        return skip_ows(p + 1, end) == end ? VLD_LIST_ANY : VLD_LIST_MALFORMED;
    }
    if (strong && tag && tag->weak) {
        tag = NULL;
    }
    return find_in_list(p, end, tag, strong);
}
