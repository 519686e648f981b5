/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of precond/etag.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "validators/precond.h"
#include "guarded.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static vld_span text(const char *s)
{
    vld_span span = { s, strlen(s) };

    return span;
}

static bool parses(const char *s, vld_etag *out)
{
    vld_etag at_start;
    bool ok = vld_etag_parse(guarded_end(s, strlen(s)), out);

    assert_int_equal(ok,
                     vld_etag_parse(guarded_start(s, strlen(s)), &at_start));
    return ok;
}

/* Look for tag (NULL: none) in value, at both edges of readable memory. */
static vld_list_match find(const char *value, const char *tag, bool strong)
{
    vld_etag etag;
    vld_etag *wanted = NULL;
    vld_list_match match;
    size_t len = strlen(value);

    if (tag) {
        assert_true(parses(tag, &etag));
        wanted = &etag;
    }
    match = vld_etag_list_find(guarded_end(value, len), wanted, strong);
    assert_int_equal(match, vld_etag_list_find(guarded_start(value, len),
                                               wanted, strong));
    return match;
}

static vld_list_match weakly(const char *value, const char *tag)
{
    return find(value, tag, false);
}

static vld_list_match strongly(const char *value, const char *tag)
{
    return find(value, tag, true);
}

static void a_tag_is_the_octets_between_its_quotes(void **state)
{
    static const struct {
        const char *text, *opaque;
        bool weak;
    } rows[] = {
        { "\"a\"", "a", false },
        { "\"\"", "", false },
        { "W/\"\"", "", true },
        { "W/\"xyzzy\"", "xyzzy", true },
        { " \t\"spaced\"\t ", "spaced", false },
        { "\"a,b\"", "a,b", false },
        { "\"back\\\"", "back\\", false },
        { "\"!#~\x80\xff\"", "!#~\x80\xff", false },
        { "\"W/\"", "W/", false },
        { "\"0123456789abcdefghijkl-gzip\"", "0123456789abcdefghijkl-gzip",
          false },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        vld_etag tag;

        assert_true(parses(rows[i].text, &tag));
        assert_int_equal(tag.weak, rows[i].weak);
        assert_int_equal(tag.opaque.len, strlen(rows[i].opaque));
        assert_memory_equal(tag.opaque.ptr, rows[i].opaque, tag.opaque.len);
    }
}

static void what_is_not_one_tag_does_not_parse(void **state)
{
    static const char *const rows[] = {
        "",          " ",          "\"",         "W/",           "W/\"",
        "W",         "a",          "\"a",        "a\"",          "w/\"a\"",
        "W\"a\"",    "W/ \"a\"",   "\"a\"\"b\"", "\"a\", \"b\"", "*",
        "'a'",       "\"a b\"",    "\"a\tb\"",   "\"a\x7f\"",    "\"a\x1f\"",
        "W/W/\"a\"", "\"a\\\"b\"", "\"a\";x",    "W/\"a",        "/\"a\"",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        vld_etag tag = { { "untouched", 9 }, true };

        if (parses(rows[i], &tag)) {
            fail_msg("%s was taken for a tag", rows[i]);
        }
        assert_string_equal(tag.opaque.ptr, "untouched");
        assert_true(tag.weak);
    }
}

static void an_absent_field_is_no_tag(void **state)
{
    vld_span absent = { NULL, 0 };
    vld_etag tag;

    (void)state;
    assert_false(vld_etag_parse(absent, &tag));
    assert_int_equal(vld_etag_list_find(absent, NULL, false),
                     VLD_LIST_NO_MATCH);
}

static bool should_be_etagc(int octet)
{
    return octet == 0x21 || (octet >= 0x23 && octet <= 0x7e) || octet >= 0x80;
}

/* Words of eight octets are checked at once: so each octet at each place,
 * in tags of each length around one, two and three words. */
static void each_octet_at_each_place_is_taken_or_refused(void **state)
{
    char buf[34], *tag;
    size_t len, at;
    int octet;

    (void)state;
    /* one page for all: the last octet of buf is its last octet */
    memset(buf, 'x', sizeof buf);
    tag = (char *)guarded_end(buf, sizeof buf).ptr;
    for (len = 1; len <= 32; len++) {
        char *start = tag + sizeof buf - 2 - len;
        vld_span span = { start, len + 2 };
        vld_etag out;

        for (at = 0; at < len; at++) {
            for (octet = 0; octet < 256; octet++) {
                memset(start, 'x', len + 2);
                start[0] = start[len + 1] = '"';
                start[at + 1] = (char)octet;
                assert_int_equal(vld_etag_parse(span, &out),
                                 should_be_etagc(octet));
                assert_int_equal(vld_etag_list_find(span, NULL, false)
                                     == VLD_LIST_NO_MATCH,
                                 should_be_etagc(octet));
            }
        }
    }
}

static void strong_comparison_needs_two_strong_tags(void **state)
{
    static const struct {
        const char *a, *b;
        bool strong, weak;
    } rows[] = {
        /* RFC 9110 8.8.3.2 */
        { "W/\"1\"", "W/\"1\"", false, true },
        { "W/\"1\"", "W/\"2\"", false, false },
        { "W/\"1\"", "\"1\"", false, true },
        { "\"1\"", "W/\"1\"", false, true },
        { "\"1\"", "\"1\"", true, true },
        { "\"1\"", "\"2\"", false, false },
        { "\"1\"", "\"11\"", false, false },
        { "\"a\"", "\"A\"", false, false },
        { "\"\"", "\"\"", true, true },
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        vld_etag a, b;

        assert_true(parses(rows[i].a, &a));
        assert_true(parses(rows[i].b, &b));
        assert_int_equal(vld_etag_equal_strong(&a, &b), rows[i].strong);
        assert_int_equal(vld_etag_equal_weak(&a, &b), rows[i].weak);
    }
}

static void a_list_has_the_tag_wherever_it_stands(void **state)
{
    (void)state;
    assert_int_equal(strongly("\"a\"", "\"a\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"a\", \"b\", \"c\"", "\"a\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"a\", \"b\", \"c\"", "\"b\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"a\",\"b\",\"c\"", "\"c\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"a\" \t,\t \"b\"", "\"b\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"a\", \"b\"", "\"c\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly("\"aa\", \"\"", "\"a\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly("\"a\", \"\"", "\"\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"a\"", NULL), VLD_LIST_NO_MATCH);
}

static void a_weak_member_does_not_end_the_search(void **state)
{
    (void)state;
    assert_int_equal(strongly("W/\"a\", \"b\"", "\"b\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("W/\"b\", \"b\"", "\"b\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"b\", W/\"b\"", "\"b\""), VLD_LIST_MATCH);
    assert_int_equal(weakly("W/\"a\", W/\"b\"", "\"b\""), VLD_LIST_MATCH);
    assert_int_equal(weakly("W/\"a\", \"b\"", "W/\"b\""), VLD_LIST_MATCH);
}

static void a_weak_tag_never_matches_strongly(void **state)
{
    (void)state;
    assert_int_equal(strongly("W/\"a\"", "\"a\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly("\"a\"", "W/\"a\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly("W/\"a\"", "W/\"a\""), VLD_LIST_NO_MATCH);
    assert_int_equal(weakly("W/\"a\"", "W/\"a\""), VLD_LIST_MATCH);
}

static void commas_inside_of_quotes_are_octets_of_the_tag(void **state)
{
    (void)state;
    assert_int_equal(strongly("\"a,b\", \"c\"", "\"a,b\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"a,b\", \"c\"", "\"c\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"a,b\"", "\"a\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly("\"a,b\"", "\"b\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly("\",\",\",,\"", "\",,\""), VLD_LIST_MATCH);
}

static void a_backslash_escapes_nothing(void **state)
{
    (void)state;
    assert_int_equal(strongly("\"a\\\", \"b\"", "\"b\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"a\\\"", "\"a\\\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"\\a\"", "\"a\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly("\"a\\\"b\"", "\"b\""), VLD_LIST_MALFORMED);
}

static void octets_above_ascii_belong_to_tags(void **state)
{
    (void)state;
    assert_int_equal(strongly("\"\xc3\xa9\x80\xff\"", "\"\xc3\xa9\x80\xff\""),
                     VLD_LIST_MATCH);
    assert_int_equal(strongly("\"\xc3\xa9\", \"b\"", "\"b\""), VLD_LIST_MATCH);
    assert_int_equal(strongly("\"\xff\"", "\"\xfe\""), VLD_LIST_NO_MATCH);
}

static void empty_members_count_for_nothing(void **state)
{
    (void)state;
    assert_int_equal(strongly("", "\"a\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly(",", "\"a\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly(" , ,\t,", "\"a\""), VLD_LIST_NO_MATCH);
    assert_int_equal(strongly(",\"a\",", "\"a\""), VLD_LIST_MATCH);
    assert_int_equal(strongly(", ,, \"b\" ,,, \"a\" ,", "\"a\""),
                     VLD_LIST_MATCH);
    assert_int_equal(strongly(",", "\"\""), VLD_LIST_NO_MATCH);
}

static void only_a_lone_star_is_any(void **state)
{
    static const char *const malformed[] = {
        "*foo",     "**",       "*, *",   "*,",  ",*",
        "*, \"a\"", "\"a\", *", "*\"a\"", "W/*", "* *",
    };
    size_t i;

    (void)state;
    assert_int_equal(strongly("*", "\"a\""), VLD_LIST_ANY);
    assert_int_equal(strongly(" * ", "W/\"a\""), VLD_LIST_ANY);
    assert_int_equal(weakly("*", NULL), VLD_LIST_ANY);
    assert_int_equal(weakly("\"*\"", "\"a\""), VLD_LIST_NO_MATCH);
    for (i = 0; i < COUNT(malformed); i++) {
        assert_int_equal(weakly(malformed[i], "\"a\""), VLD_LIST_MALFORMED);
    }
}

static void a_malformed_member_spoils_the_whole_list(void **state)
{
    static const char *const rows[] = {
        "a",          "\"a\", foo", "foo, \"a\"",      "\"a\" \"b\"",
        "\"a\"\"b\"", "\"a\", \"",  "\"a\", W/",       "\"a\", W",
        "\"a\", W/b", "\"a\"x",     "\"a\", \"b",      "\"a\", w/\"b\"",
        "\"a\";q=1",  "\"a b\"",    "\"a\", \"\x7f\"", "W /\"a\"",
        "W/ \"a\"",   "\"a\n\"",    "\"a\"\n",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        if (weakly(rows[i], "\"a\"") != VLD_LIST_MALFORMED) {
            fail_msg("%s was taken for a list", rows[i]);
        }
        assert_int_equal(weakly(rows[i], NULL), VLD_LIST_MALFORMED);
        assert_int_equal(strongly(rows[i], "W/\"a\""), VLD_LIST_MALFORMED);
    }
}

static void nul_is_an_octet_like_others_and_no_etagc(void **state)
{
    static const char value[] = "\"a\0b\", \"a\"";
    vld_span span = { value, sizeof value - 1 };
    vld_etag tag;

    (void)state;
    assert_true(vld_etag_parse(text("\"a\""), &tag));
    assert_int_equal(vld_etag_list_find(span, &tag, false), VLD_LIST_MALFORMED);
}

static void a_value_cut_anywhere_is_read_within_its_bounds(void **state)
{
    static const char value[] =
        "W/\"first\", ,\"a,b\\\", W/\"0123456789abcdefghijkl\" ,\"z\"";
    vld_etag tag;
    size_t len;

    (void)state;
    assert_true(vld_etag_parse(text("\"0123456789abcdefghijkl\""), &tag));
    for (len = 0; len < sizeof value; len++) {
        vld_span at_end = guarded_end(value, len);
        vld_span at_start = guarded_start(value, len);
        vld_etag out;

        assert_int_equal(vld_etag_list_find(at_end, &tag, false),
                         vld_etag_list_find(at_start, &tag, false));
        assert_int_equal(vld_etag_list_find(at_end, NULL, true),
                         vld_etag_list_find(at_start, NULL, true));
        assert_int_equal(vld_etag_parse(at_end, &out),
                         vld_etag_parse(at_start, &out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tag_is_the_octets_between_its_quotes),
        cmocka_unit_test(what_is_not_one_tag_does_not_parse),
        cmocka_unit_test(an_absent_field_is_no_tag),
        cmocka_unit_test(each_octet_at_each_place_is_taken_or_refused),
        cmocka_unit_test(strong_comparison_needs_two_strong_tags),
        cmocka_unit_test(a_list_has_the_tag_wherever_it_stands),
        cmocka_unit_test(a_weak_member_does_not_end_the_search),
        cmocka_unit_test(a_weak_tag_never_matches_strongly),
        cmocka_unit_test(commas_inside_of_quotes_are_octets_of_the_tag),
        cmocka_unit_test(a_backslash_escapes_nothing),
        cmocka_unit_test(octets_above_ascii_belong_to_tags),
        cmocka_unit_test(empty_members_count_for_nothing),
        cmocka_unit_test(only_a_lone_star_is_any),
        cmocka_unit_test(a_malformed_member_spoils_the_whole_list),
        cmocka_unit_test(nul_is_an_octet_like_others_and_no_etagc),
        cmocka_unit_test(a_value_cut_anywhere_is_read_within_its_bounds),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
