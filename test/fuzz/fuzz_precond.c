/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* libFuzzer entry for precond/: arbitrary fields, and the laws that hold for
 * all of them.
 * Built by clang -fsanitize=fuzzer,address,undefined together with the three
 * sources of precond/.
 * The input is two octets (method and flags; which fields are there), eight
 * of date and now, then lines: the tag and the six fields. */
#include <stdlib.h>
#include <string.h>

#include "validators/precond.h"

#define LAW(holds)                                                             \
    do {                                                                       \
        if (!(holds))                                                          \
            abort();                                                           \
    } while (0)

#define LINES 7
#define FIRST_SECOND INT64_C(-62167219200)
#define LAST_SECOND INT64_C(253402300799)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each line in an allocation of its own size, so that ASan sees its end. */
static void split(const char *p, size_t len, vld_span lines[LINES])
{
    const char *end = p + len;
    size_t i;

    for (i = 0; i < LINES; i++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((stop != NULL ? stop : end) - p);
        char *copy = malloc(n != 0 ? n : 1);

        memcpy(copy, p, n);
        lines[i].ptr = copy;
        lines[i].len = n;
        p = stop != NULL ? stop + 1 : end;
    }
}

static void check_tag(vld_span text)
{
    vld_etag tag, other;
    vld_list_match weak, strong;

    if (!vld_etag_parse(text, &tag)) {
        LAW(vld_etag_list_find(text, NULL, false) != VLD_LIST_MATCH);
        return;
    }
    LAW(tag.opaque.ptr > text.ptr
        && tag.opaque.ptr + tag.opaque.len < text.ptr + text.len);
    LAW(memchr(tag.opaque.ptr, '"', tag.opaque.len) == NULL);
    weak = vld_etag_list_find(text, &tag, false);
    strong = vld_etag_list_find(text, &tag, true);
    LAW(weak == VLD_LIST_MATCH);
    LAW(strong == (tag.weak ? VLD_LIST_NO_MATCH : VLD_LIST_MATCH));
    other = tag;
    other.weak = !tag.weak;
    LAW(vld_etag_equal_weak(&tag, &other));
    LAW(!vld_etag_equal_strong(&tag, &other));
    LAW(vld_etag_equal_strong(&tag, &tag) == !tag.weak);
}

static bool is_blank(vld_span s)
{
    size_t i = 0;

    while (i < s.len && (s.ptr[i] == ' ' || s.ptr[i] == '\t'))
        i++;
    return i == s.len;
}

/* The plain way to read a list, to compare the quick one with. */
static vld_list_match slow_find(vld_span value, const vld_etag *tag,
                                bool strong)
{
    vld_list_match match = VLD_LIST_NO_MATCH;
    size_t i = 0;

    while (i < value.len) {
        size_t from = i;
        bool quoted = false;
        vld_span member;
        vld_etag read;

        for (; i < value.len && (quoted || value.ptr[i] != ','); i++)
            quoted ^= value.ptr[i] == '"';
        member.ptr = value.ptr + from;
        member.len = i - from;
        i++;
        if (is_blank(member))
            continue;
        if (!vld_etag_parse(member, &read))
            return VLD_LIST_MALFORMED;
        if (tag != NULL
            && (strong ? vld_etag_equal_strong(tag, &read)
                       : vld_etag_equal_weak(tag, &read)))
            match = VLD_LIST_MATCH;
    }
    return match;
}

static void check_list(vld_span value, vld_span etag)
{
    vld_etag parsed;
    vld_etag *tag = vld_etag_parse(etag, &parsed) ? &parsed : NULL;
    vld_list_match weak = vld_etag_list_find(value, tag, false);
    vld_list_match strong = vld_etag_list_find(value, tag, true);

    LAW(strong != VLD_LIST_MATCH || weak == VLD_LIST_MATCH);
    LAW((strong == VLD_LIST_ANY) == (weak == VLD_LIST_ANY));
    LAW((strong == VLD_LIST_MALFORMED) == (weak == VLD_LIST_MALFORMED));
    if (weak != VLD_LIST_ANY) {
        LAW(weak == slow_find(value, tag, false));
        LAW(strong == slow_find(value, tag, true));
    }
}

static void check_date(vld_span text, int64_t now)
{
    char out[VLD_DATE_SIZE];
    vld_span written = { out, VLD_DATE_SIZE - 1 };
    int64_t s, back;

    if (!vld_date_parse(text, now, &s))
        return;
    LAW(text.len >= 24);
    LAW(s >= FIRST_SECOND && s <= LAST_SECOND + 1); /* 23:59:60 */
    vld_date_format(s, out);
    LAW(strlen(out) == VLD_DATE_SIZE - 1);
    LAW(vld_date_parse(written, now, &back));
    LAW(back == (s > LAST_SECOND ? LAST_SECOND : s));
}

static void check_format(int64_t s)
{
    char out[VLD_DATE_SIZE];
    vld_span written = { out, VLD_DATE_SIZE - 1 };
    int64_t back;

    vld_date_format(s, out);
    LAW(vld_date_parse(written, 0, &back));
    LAW(back
        == (s < FIRST_SECOND  ? FIRST_SECOND
            : s > LAST_SECOND ? LAST_SECOND
                              : s));
}

static void check_decision(const vld_preconditions *request,
                           const vld_validators *current, int64_t now)
{
    vld_decision got = vld_precond_evaluate(request, current, now);
    vld_preconditions less = *request;
    vld_decision again;

    LAW(vld_rule_name(got.rule) != NULL);
    LAW((got.rule == VLD_RULE_METHOD)
        == (request->method == VLD_METHOD_UNCONDITIONAL));
    LAW(got.outcome != VLD_PERFORM_RANGE
        || (request->method == VLD_METHOD_GET && request->range.ptr != NULL));
    LAW(got.outcome != VLD_NOT_MODIFIED || request->method == VLD_METHOD_GET
        || request->method == VLD_METHOD_HEAD);
    LAW(got.outcome != VLD_PRECONDITION_FAILED || request->if_match.ptr != NULL
        || request->if_unmodified_since.ptr != NULL
        || request->method == VLD_METHOD_OTHER);

    /* what stands beside its better is as good as absent */
    if (request->if_match.ptr != NULL)
        less.if_unmodified_since.ptr = NULL;
    if (request->if_none_match.ptr != NULL)
        less.if_modified_since.ptr = NULL;
    if (request->method == VLD_METHOD_HEAD)
        less.range.ptr = NULL;
    if (less.range.ptr == NULL)
        less.if_range.ptr = NULL;
    again = vld_precond_evaluate(&less, current, now);
    LAW(again.outcome == got.outcome && again.rule == got.rule);
}

static void check_evaluate(const uint8_t *head, vld_span lines[LINES],
                           int64_t date, int64_t now)
{
    vld_preconditions request;
    vld_validators current;
    vld_span fields[LINES], coded[2] = { lines[6], { NULL, 0 } };
    size_t i;

    for (i = 0; i < LINES; i++) {
        fields[i] = lines[i];
        if (head[1] >> i & 1)
            fields[i].ptr = NULL;
    }
    request.method = (vld_method)(head[0] & 3);
    request.if_match = fields[1];
    request.if_unmodified_since = fields[2];
    request.if_none_match = fields[3];
    request.if_modified_since = fields[4];
    request.range = fields[5];
    request.if_range = fields[6];
    current.etag = fields[0];
    current.has_last_modified = (head[0] & 4) != 0;
    current.date_is_strong = (head[0] & 8) != 0;
    current.last_modified = date;
    current.coded = head[0] & 16 ? coded : NULL;
    check_decision(&request, &current, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vld_span lines[LINES];
    int64_t s;
    size_t i;

    if (size < 10)
        return 0;
    memcpy(&s, data + 2, sizeof s);
    split((const char *)data + 10, size - 10, lines);
    check_format(s);
    check_format(s >> 24);
    for (i = 0; i < LINES; i++) {
        check_tag(lines[i]);
        check_list(lines[i], lines[0]);
        check_date(lines[i], s);
        check_date(lines[i], s >> 28);
    }
    check_evaluate(data, lines, s >> 28, s >> 28);
    for (i = 0; i < LINES; i++)
        free((char *)lines[i].ptr);
    return 0;
}
