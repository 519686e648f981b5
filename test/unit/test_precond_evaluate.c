/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of precond/evaluate.c: all rows of the decision table in test/tables
 * for four representations, and each trap by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "validators/precond.h"
#include "guarded.h"

#define OPAQUE "k7Zq-0123_abcdefGHIJKL"
#define LM INT64_C(1700000000) /* Tue, 14 Nov 2023 22:13:20 GMT */
#define LM_TEXT "Tue, 14 Nov 2023 22:13:20 GMT"
#define NOW (LM + 10 * 86400)
#define FACTORS 6
#define CLASSES 4 /* the representations */
#define MAX_VALUES 10
#define MAX_RULES 20
#define LINE 512
#define MAX_COLUMNS 12

enum { METHOD, IF_MATCH, IF_UNMODIFIED, IF_NONE_MATCH, IF_MODIFIED, RANGE };

static const char *const factor_names[FACTORS] = {
    "method",        "if-match",          "if-unmodified-since",
    "if-none-match", "if-modified-since", "range"
};
static const char *const representation_names[CLASSES] = { "strong", "dateless",
                                                           "tagless", "weak" };

typedef struct value {
    char name[32];
    char classes[CLASSES][12];
    vld_preconditions sends; /* the fields of this factor */
} value;

typedef struct rule {
    char wanted[FACTORS][12];
    int status;
    char field[24];
    unsigned used;
} rule;

static value values[FACTORS][MAX_VALUES];
static size_t value_counts[FACTORS];
static rule rules[MAX_RULES];
static size_t rule_count;

static vld_span text(const char *s)
{
    vld_span span = { s, s ? strlen(s) : 0 };

    return span;
}

/* --- reading the tables -------------------------------------------------- */

static FILE *open_table(const char *name)
{
    const char *srcdir = getenv("srcdir");
    char path[1024];
    FILE *file;

    snprintf(path, sizeof path, "%s/test/tables/%s", srcdir ? srcdir : ".",
             name);
    file = fopen(path, "r");
    if (!file) {
        fail_msg("cannot open %s", path);
    }
    return file;
}

/* The columns of the next line that has any; 0 at the end of the file. */
static size_t next_line(FILE *file, char line[LINE], char *columns[MAX_COLUMNS])
{
    size_t count = 0;
    char *p;

    do {
        if (!fgets(line, LINE, file)) {
            return 0;
        }
    } while (line[0] == '#' || line[0] == '\n');
    p = strchr(line, '\n');
    assert_non_null(p);
    *p = '\0';
    for (p = line; p; count++) {
        assert_true(count < MAX_COLUMNS);
        columns[count] = p;
        p = strchr(p, '\t');
        if (p) {
            *p++ = '\0';
        }
        assert_true(columns[count][0] != '\0');
    }
    return count;
}

static void copy(char *to, size_t size, const char *from)
{
    assert_true(strlen(from) < size);
    memcpy(to, from, strlen(from) + 1);
}

static const char *placeholder(const char *name, size_t len)
{
    static const struct {
        const char *name;
        int64_t shift;
    } dates[] = { { "lm", 0 },
                  { "lm-1h", -3600 },
                  { "lm+1h", 3600 },
                  { "lm+1d", 86400 },
                  { "now+1y", NOW - LM + 365 * 86400 } };
    static char buf[64];
    size_t i;

    if (len == 6 && memcmp(name, "opaque", 6) == 0) {
        return OPAQUE;
    }
    for (i = 0; i < sizeof dates / sizeof *dates; i++) {
        time_t t = (time_t)(LM + dates[i].shift);

        if (strlen(dates[i].name) != len || memcmp(name, dates[i].name, len)) {
            continue;
        }
        strftime(buf, sizeof buf, "%a, %d %b %Y %H:%M:%S", gmtime(&t));
        return buf;
    }
    fail_msg("unknown placeholder {%.*s}", (int)len, name);
    return NULL;
}

static void expand(const char *from, char *to, size_t size)
{
    char *end = to + size;

    while (*from != '\0') {
        const char *close = *from == '{' ? strchr(from, '}') : NULL;
        const char *part = from;
        size_t len = 1;

        if (close) {
            part = placeholder(from + 1, (size_t)(close - from) - 1);
            len = strlen(part);
            from = close;
        }
        assert_true((size_t)(end - to) > len);
        memcpy(to, part, len);
        to += len;
        from++;
    }
    *to = '\0';
}

static vld_span *field_named(vld_preconditions *sends, const char *name,
                             size_t len)
{
    struct {
        const char *name;
        vld_span *span;
    } fields[] = { { "If-Match", &sends->if_match },
                   { "If-Unmodified-Since", &sends->if_unmodified_since },
                   { "If-None-Match", &sends->if_none_match },
                   { "If-Modified-Since", &sends->if_modified_since },
                   { "Range", &sends->range },
                   { "If-Range", &sends->if_range } };
    size_t i;

    for (i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (strlen(fields[i].name) == len
            && memcmp(fields[i].name, name, len) == 0) {
            return fields[i].span;
        }
    }
    fail_msg("unknown field %.*s", (int)len, name);
    return NULL;
}

/* "Name: value" with placeholders; a second line of a field is joined. */
static void add_field(vld_preconditions *sends, const char *column)
{
    char buf[LINE * 2], part[LINE];
    const char *colon = strstr(column, ": ");
    vld_span *span;
    size_t len = 0;

    assert_non_null(colon);
    span = field_named(sends, column, (size_t)(colon - column));
    expand(colon + 2, part, sizeof part);
    if (span->ptr) {
        memcpy(buf, span->ptr, span->len);
        memcpy(buf + span->len, ", ", 2);
        len = span->len + 2;
    }
    memcpy(buf + len, part, strlen(part));
    *span = guarded_end(buf, len + strlen(part));
}

static bool is_class_of(size_t factor, const char *class)
{
    static const char *const common[] = { "absent", "true", "false",
                                          "ignored" };
    size_t i;

    if (factor == METHOD) {
        return strcmp(class, "GET") == 0 || strcmp(class, "HEAD") == 0;
    }
    if (factor == RANGE && strcmp(class, "range") == 0) {
        return true;
    }
    for (i = 0; i < sizeof common / sizeof *common; i++) {
        if (strcmp(class, common[i]) == 0) {
            return true;
        }
    }
    return false;
}

static size_t factor_named(const char *name)
{
    size_t i;

    for (i = 0; i < FACTORS; i++) {
        if (strcmp(factor_names[i], name) == 0) {
            return i;
        }
    }
    fail_msg("unknown factor %s", name);
    return FACTORS;
}

static void add_value(char *columns[], size_t count)
{
    size_t factor = factor_named(columns[0]), i;
    value *v;

    assert_true(count >= 2 + CLASSES);
    assert_true(value_counts[factor] < MAX_VALUES);
    for (i = 0; i < value_counts[factor]; i++) {
        assert_string_not_equal(values[factor][i].name, columns[1]);
    }
    v = &values[factor][value_counts[factor]++];
    copy(v->name, sizeof v->name, columns[1]);
    for (i = 0; i < CLASSES; i++) {
        if (!is_class_of(factor, columns[2 + i])) {
            fail_msg("unknown class %s", columns[2 + i]);
        }
        copy(v->classes[i], sizeof v->classes[i], columns[2 + i]);
    }
    v->sends.method = strcmp(columns[2], "HEAD") == 0 ? VLD_METHOD_HEAD
                                                      : VLD_METHOD_GET;
    for (i = 2 + CLASSES; i < count; i++) {
        add_field(&v->sends, columns[i]);
    }
}

static void add_rule(char *columns[], size_t count)
{
    rule *r = &rules[rule_count++];
    size_t i;

    assert_int_equal(count, FACTORS + 3);
    assert_true(rule_count <= MAX_RULES);
    for (i = 0; i < FACTORS; i++) {
        if (strcmp(columns[i], "*") != 0 && !is_class_of(i, columns[i])) {
            fail_msg("unknown class %s", columns[i]);
        }
        copy(r->wanted[i], sizeof r->wanted[i], columns[i]);
    }
    r->status = atoi(columns[FACTORS]);
    copy(r->field, sizeof r->field, columns[FACTORS + 1]);
}

static int read_tables(void **state)
{
    char line[LINE], *columns[MAX_COLUMNS];
    size_t count;
    FILE *file = open_table("factors.tsv");

    (void)state;
    while ((count = next_line(file, line, columns)) != 0) {
        add_value(columns, count);
    }
    fclose(file);
    file = open_table("rules.tsv");
    while ((count = next_line(file, line, columns)) != 0) {
        add_rule(columns, count);
    }
    fclose(file);
    return 0;
}

/* --- running them -------------------------------------------------------- */

static vld_validators representation(size_t which)
{
    static const struct {
        const char *tag;
        bool has_date, strong_date;
    } kinds[CLASSES] = { { "\"" OPAQUE "\"", true, true },
                         { "\"" OPAQUE "\"", false, false },
                         { NULL, true, false },
                         { "W/\"" OPAQUE "\"", false, false } };
    vld_validators current;

    memset(&current, 0, sizeof current);
    if (kinds[which].tag) {
        current.etag = guarded_end(kinds[which].tag, strlen(kinds[which].tag));
    }
    current.has_last_modified = kinds[which].has_date;
    current.date_is_strong = kinds[which].strong_date;
    current.last_modified = LM;
    return current;
}

static rule *rule_for(const value *const row[FACTORS], size_t which)
{
    size_t i, f;

    for (i = 0; i < rule_count; i++) {
        for (f = 0; f < FACTORS; f++) {
            if (strcmp(rules[i].wanted[f], "*") != 0
                && strcmp(rules[i].wanted[f], row[f]->classes[which]) != 0) {
                break;
            }
        }
        if (f == FACTORS) {
            return &rules[i];
        }
    }
    fail_msg("no rule fits");
    return NULL;
}

static vld_preconditions request_of(const value *const row[FACTORS])
{
    vld_preconditions request = row[RANGE]->sends;

    request.method = row[METHOD]->sends.method;
    request.if_match = row[IF_MATCH]->sends.if_match;
    request.if_unmodified_since = row[IF_UNMODIFIED]->sends.if_unmodified_since;
    request.if_none_match = row[IF_NONE_MATCH]->sends.if_none_match;
    request.if_modified_since = row[IF_MODIFIED]->sends.if_modified_since;
    return request;
}

static int status_of(vld_outcome outcome)
{
    switch (outcome) {
    case VLD_PERFORM: return 200;
    case VLD_PERFORM_RANGE: return 206;
    case VLD_NOT_MODIFIED: return 304;
    case VLD_PRECONDITION_FAILED: return 412;
    }
    return 0;
}

static void report(const value *const row[FACTORS], size_t which,
                   const rule *expected, vld_decision got)
{
    print_error("%s representation, %s", representation_names[which],
                row[METHOD]->name);
    for (size_t f = 1; f < FACTORS; f++) {
        print_error(", %s %s", factor_names[f], row[f]->name);
    }
    print_error(": expected %d (%s), got %d (%s)\n", expected->status,
                expected->field, status_of(got.outcome),
                vld_rule_name(got.rule));
}

static bool is_answer(const rule *expected, vld_decision got)
{
    return status_of(got.outcome) == expected->status
           && (strcmp(expected->field, "-") == 0
               || strcmp(expected->field, vld_rule_name(got.rule)) == 0);
}

/* Evaluate every row; counts[0] gets the rows, the others those of 200, 206,
 * 304 and 412. */
static void run_table(size_t which, unsigned counts[5])
{
    vld_validators current = representation(which);
    const value *row[FACTORS];
    size_t total = 1, n, f;
    unsigned wrong = 0;

    memset(counts, 0, 5 * sizeof *counts);
    for (f = 0; f < FACTORS; f++) {
        total *= value_counts[f];
    }
    for (n = 0; n < total; n++) {
        vld_preconditions request;
        vld_decision got;
        rule *expected;
        size_t rest = n;

        for (f = 0; f < FACTORS; f++) {
            row[f] = &values[f][rest % value_counts[f]];
            rest /= value_counts[f];
        }
        request = request_of(row);
        got = vld_precond_evaluate(&request, &current, NOW);
        expected = rule_for(row, which);
        expected->used++;
        counts[0]++;
        counts[expected->status == 200   ? 1
               : expected->status == 206 ? 2
               : expected->status == 304 ? 3
                                         : 4]++;
        if (!is_answer(expected, got) && wrong++ < 10) {
            report(row, which, expected, got);
        }
    }
    if (wrong != 0) {
        fail_msg("%u of %u rows answered wrongly", wrong, counts[0]);
    }
    assert_int_equal(counts[0], 23520);
}

static void the_table_has_as_many_values_as_it_says(void **state)
{
    (void)state;
    assert_int_equal(value_counts[METHOD], 2);
    assert_int_equal(value_counts[IF_MATCH], 6);
    assert_int_equal(value_counts[IF_UNMODIFIED], 5);
    assert_int_equal(value_counts[IF_NONE_MATCH], 7);
    assert_int_equal(value_counts[IF_MODIFIED], 8);
    assert_int_equal(value_counts[RANGE], 7);
}

/* The sums were made by hand from 13.2.2: a third of the If-Match values
 * fails; one in six times one in five is an If-Unmodified-Since that does;
 * four sevenths of the rest are known by tag, and so on.  They hold the
 * tables fast, so that no edit can make them say less. */
static void all_23520_rows_are_answered_as_rfc_9110_says(void **state)
{
    unsigned counts[5];
    size_t i;

    (void)state;
    run_table(0, counts);
    assert_int_equal(counts[1], 4389);
    assert_int_equal(counts[2], 1197);
    assert_int_equal(counts[3], 9310);
    assert_int_equal(counts[4], 8624);
    for (i = 0; i < rule_count; i++) {
        assert_true(rules[i].used > 0);
    }
}

static void all_rows_without_a_date_are_answered_so(void **state)
{
    unsigned counts[5];

    (void)state;
    run_table(1, counts);
}

static void all_rows_without_a_tag_are_answered_so(void **state)
{
    unsigned counts[5];

    (void)state;
    run_table(2, counts);
}

static void all_rows_with_a_weak_tag_are_answered_so(void **state)
{
    unsigned counts[5];

    (void)state;
    run_table(3, counts);
}

/* --- each trap by itself ------------------------------------------------- */

static vld_validators ours(void)
{
    return representation(0);
}

static vld_preconditions request_by(vld_method method)
{
    vld_preconditions request;

    memset(&request, 0, sizeof request);
    request.method = method;
    return request;
}

static void assert_decision(const vld_preconditions *request,
                            const vld_validators *current, vld_outcome outcome,
                            vld_rule rule_)
{
    vld_decision got = vld_precond_evaluate(request, current, NOW);

    assert_int_equal(got.outcome, outcome);
    assert_string_equal(vld_rule_name(got.rule), vld_rule_name(rule_));
}

static void no_fields_mean_no_preconditions(void **state)
{
    vld_method methods[] = { VLD_METHOD_GET, VLD_METHOD_HEAD,
                             VLD_METHOD_OTHER };
    vld_validators current = ours(), nothing;
    size_t i;

    (void)state;
    memset(&nothing, 0, sizeof nothing);
    for (i = 0; i < 3; i++) {
        vld_preconditions request = request_by(methods[i]);

        assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_NONE);
        assert_decision(&request, &nothing, VLD_PERFORM, VLD_RULE_NONE);
    }
}

static void methods_without_a_representation_have_no_preconditions(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_UNCONDITIONAL);
    vld_validators current = ours();

    (void)state;
    request.if_match = text("\"other\"");
    request.if_unmodified_since = text("Sun, 06 Nov 1994 08:49:37 GMT");
    request.if_none_match = text("*");
    request.if_modified_since = text(LM_TEXT);
    request.range = text("bytes=0-9");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_METHOD);
}

static void other_methods_fail_where_get_is_not_modified(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_OTHER);
    vld_validators current = ours();

    (void)state;
    request.if_none_match = text("*");
    assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                    VLD_RULE_IF_NONE_MATCH);
    request.if_none_match = text("W/\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                    VLD_RULE_IF_NONE_MATCH);
    request.if_none_match = text("\"other\"");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_IF_NONE_MATCH);
}

static void other_methods_ignore_if_modified_since_and_range(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_OTHER);
    vld_validators current = ours();

    (void)state;
    request.if_modified_since = text(LM_TEXT);
    request.range = text("bytes=0-9");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_NONE);
    request.if_range = text("\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_NONE);
}

static void other_methods_heed_if_match_and_if_unmodified_since(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_OTHER);
    vld_validators current = ours();

    (void)state;
    request.if_unmodified_since = text("Sun, 06 Nov 1994 08:49:37 GMT");
    assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                    VLD_RULE_IF_UNMODIFIED_SINCE);
    request.if_match = text("\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_IF_MATCH);
    request.if_match = text("\"other\"");
    assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                    VLD_RULE_IF_MATCH);
}

static void if_modified_since_is_silent_beside_any_if_none_match(void **state)
{
    static const char *const fields[] = { "\"other\"",  "",
                                          ",",          "*foo",
                                          "\"unclosed", "\"other\", *" };
    vld_validators current = ours();
    size_t i;

    (void)state;
    for (i = 0; i < sizeof fields / sizeof *fields; i++) {
        vld_preconditions request = request_by(VLD_METHOD_GET);

        request.if_none_match = text(fields[i]);
        request.if_modified_since = text(LM_TEXT);
        assert_decision(&request, &current, VLD_PERFORM,
                        VLD_RULE_IF_NONE_MATCH);
    }
}

static void
a_malformed_if_none_match_is_not_saved_by_a_good_member(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_GET);
    vld_validators current = ours();

    (void)state;
    request.if_none_match = text("\"" OPAQUE "\", foo");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_IF_NONE_MATCH);
}

static void if_match_fails_where_it_names_nothing_of_ours(void **state)
{
    static const char *const fields[] = { "",
                                          ",",
                                          "\"other\"",
                                          "W/\"" OPAQUE "\"",
                                          "*foo",
                                          "\"" OPAQUE "\" x",
                                          "\"" OPAQUE,
                                          OPAQUE,
                                          "\"" OPAQUE "\", foo" };
    vld_validators current = ours();
    size_t i;

    (void)state;
    for (i = 0; i < sizeof fields / sizeof *fields; i++) {
        vld_preconditions request = request_by(VLD_METHOD_GET);

        request.if_match = text(fields[i]);
        /* a failed step 1 is not undone by a later one */
        request.if_none_match = text("*");
        assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                        VLD_RULE_IF_MATCH);
    }
}

static void the_tag_of_another_coding_names_the_same_state(void **state)
{
    static const char *const hits[] = { "\"" OPAQUE "\"", "\"" OPAQUE "-gzip\"",
                                        "\"x\", \"" OPAQUE "-br\"" };
    static const char *const misses[] = { "\"" OPAQUE "-zip\"", "\"x-gzip\"",
                                          "\"" OPAQUE "-gzip\", foo",
                                          "\"-gzip\"" };
    const vld_span coded[] = { text("\"" OPAQUE "-gzip\""),
                               text("\"" OPAQUE "-br\""),
                               { NULL, 0 } };
    vld_validators current = ours();
    vld_preconditions request = request_by(VLD_METHOD_OTHER);
    size_t i;

    (void)state;
    current.coded = coded;
    for (i = 0; i < sizeof hits / sizeof *hits; i++) {
        request.if_match = text(hits[i]);
        request.if_none_match = text("\"other\"");
        assert_decision(&request, &current, VLD_PERFORM,
                        VLD_RULE_IF_NONE_MATCH);
        request.if_none_match = text(hits[i]);
        assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                        VLD_RULE_IF_NONE_MATCH);
    }
    /* One tag in one field, another in the other: both name the state. */
    request.if_match = text(hits[1]);
    request.if_none_match = text(hits[0]);
    assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                    VLD_RULE_IF_NONE_MATCH);
    request = request_by(VLD_METHOD_OTHER);
    for (i = 0; i < sizeof misses / sizeof *misses; i++) {
        request.if_match = text(misses[i]);
        assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                        VLD_RULE_IF_MATCH);
    }
    request.if_match = text("W/\"" OPAQUE "-gzip\"");
    assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                    VLD_RULE_IF_MATCH);
}

static void a_representation_without_tag_still_satisfies_a_star(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_GET);
    vld_validators current = representation(2);

    (void)state;
    request.if_match = text("*");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_IF_MATCH);
    request.if_match = text("\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_PRECONDITION_FAILED,
                    VLD_RULE_IF_MATCH);
    request = request_by(VLD_METHOD_GET);
    request.if_none_match = text("*");
    assert_decision(&request, &current, VLD_NOT_MODIFIED,
                    VLD_RULE_IF_NONE_MATCH);
}

static void a_malformed_tag_of_our_own_counts_as_none(void **state)
{
    static const char *const tags[] = { "\"" OPAQUE, OPAQUE, "", "\"a b\"",
                                        "\"x\"\"" OPAQUE "\"" };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof tags / sizeof *tags; i++) {
        vld_preconditions request = request_by(VLD_METHOD_GET);
        vld_validators current = ours();

        current.etag = guarded_end(tags[i], strlen(tags[i]));
        request.if_none_match = text(tags[i]);
        assert_decision(&request, &current, VLD_PERFORM,
                        VLD_RULE_IF_NONE_MATCH);
        request.range = text("bytes=0-9");
        request.if_range = text(tags[i]);
        assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_IF_RANGE);
    }
}

static void without_a_date_dates_are_ignored_whatever_they_say(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_GET);
    vld_validators current = representation(1);

    (void)state;
    current.last_modified = 0;
    request.if_modified_since = text("Fri, 31 Dec 9999 23:59:59 GMT");
    request.if_unmodified_since = text("Wed, 31 Dec 1969 23:59:59 GMT");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_NONE);
    request.if_none_match = text("\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_NOT_MODIFIED,
                    VLD_RULE_IF_NONE_MATCH);
}

static void dates_are_compared_to_the_second(void **state)
{
    static const struct {
        const char *date;
        vld_outcome modified, unmodified;
    } rows[] = {
        { "Tue, 14 Nov 2023 22:13:19 GMT", VLD_PERFORM,
          VLD_PRECONDITION_FAILED },
        { LM_TEXT, VLD_NOT_MODIFIED, VLD_PERFORM },
        { "Tue, 14 Nov 2023 22:13:21 GMT", VLD_NOT_MODIFIED, VLD_PERFORM },
        { "Tuesday, 14-Nov-23 22:13:20 GMT", VLD_NOT_MODIFIED, VLD_PERFORM },
        { "Tue Nov 14 22:13:20 2023", VLD_NOT_MODIFIED, VLD_PERFORM },
        { "Tue Nov 14 22:13:19 2023", VLD_PERFORM, VLD_PRECONDITION_FAILED },
        { "Thu, 01 Jan 1970 00:00:00 GMT", VLD_PERFORM,
          VLD_PRECONDITION_FAILED },
    };
    vld_validators current = ours();
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        vld_preconditions request = request_by(VLD_METHOD_HEAD);

        request.if_modified_since = text(rows[i].date);
        assert_decision(&request, &current, rows[i].modified,
                        VLD_RULE_IF_MODIFIED_SINCE);
        request = request_by(VLD_METHOD_GET);
        request.if_unmodified_since = text(rows[i].date);
        assert_decision(&request, &current, rows[i].unmodified,
                        VLD_RULE_IF_UNMODIFIED_SINCE);
    }
}

static void a_date_in_the_future_is_a_date(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_GET);
    vld_validators current = ours();

    (void)state;
    request.if_modified_since = text("Fri, 31 Dec 9999 23:59:59 GMT");
    assert_decision(&request, &current, VLD_NOT_MODIFIED,
                    VLD_RULE_IF_MODIFIED_SINCE);
    current.last_modified = NOW + 3600;
    request.if_modified_since = text(LM_TEXT);
    assert_decision(&request, &current, VLD_PERFORM,
                    VLD_RULE_IF_MODIFIED_SINCE);
}

static void the_two_digit_year_is_placed_by_now(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_GET);
    vld_validators current = ours();
    vld_decision got;

    (void)state;
    /* 2074 would be 51 years ahead: it was 1974, before the last change */
    request.if_modified_since = text("Friday, 14-Dec-73 22:13:20 GMT");
    assert_decision(&request, &current, VLD_PERFORM,
                    VLD_RULE_IF_MODIFIED_SINCE);
    got = vld_precond_evaluate(&request, &current, NOW + 86400 * 60);
    assert_int_equal(got.outcome, VLD_NOT_MODIFIED);
}

static void range_without_if_range_is_no_precondition(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_GET);
    vld_validators current = ours();

    (void)state;
    request.range = text("bytes=0-9");
    assert_decision(&request, &current, VLD_PERFORM_RANGE, VLD_RULE_NONE);
    request.if_none_match = text("\"other\"");
    assert_decision(&request, &current, VLD_PERFORM_RANGE,
                    VLD_RULE_IF_NONE_MATCH);
}

static void if_range_without_range_is_ignored(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_GET);
    vld_validators current = ours();

    (void)state;
    request.if_range = text("\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_NONE);
    request.if_range = text("\"other\"");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_NONE);
}

static void range_means_nothing_for_head(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_HEAD);
    vld_validators current = ours();

    (void)state;
    request.range = text("bytes=0-9");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_NONE);
    request.if_range = text("\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_NONE);
}

static void not_modified_beats_a_range(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_GET);
    vld_validators current = ours();

    (void)state;
    request.range = text("bytes=0-9");
    request.if_none_match = text("\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_NOT_MODIFIED,
                    VLD_RULE_IF_NONE_MATCH);
    request.if_range = text("\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_NOT_MODIFIED,
                    VLD_RULE_IF_NONE_MATCH);
}

static void if_range_is_exactly_our_strong_tag_or_strong_date(void **state)
{
    static const struct {
        const char *if_range;
        bool holds;
    } rows[] = {
        { "\"" OPAQUE "\"", true },
        { " \"" OPAQUE "\" ", true },
        { "W/\"" OPAQUE "\"", false },
        { "\"" OPAQUE "\", \"other\"", false },
        { "\"other\"", false },
        { "*", false },
        { "", false },
        { OPAQUE, false },
        { LM_TEXT, true },
        { "Tuesday, 14-Nov-23 22:13:20 GMT", true },
        { "Tue, 14 Nov 2023 22:13:19 GMT", false },
        { "Tue, 14 Nov 2023 22:13:21 GMT", false },
        { LM_TEXT ", " LM_TEXT, false },
        { "Tue, 14 Nov 2023 22:13:20 +0000", false },
    };
    vld_validators current = ours();
    size_t i;

    (void)state;
    for (i = 0; i < sizeof rows / sizeof *rows; i++) {
        vld_preconditions request = request_by(VLD_METHOD_GET);

        request.range = text("bytes=0-9");
        request.if_range = guarded_end(rows[i].if_range,
                                       strlen(rows[i].if_range));
        assert_decision(&request, &current,
                        rows[i].holds ? VLD_PERFORM_RANGE : VLD_PERFORM,
                        VLD_RULE_IF_RANGE);
    }
}

static void a_weak_validator_never_allows_a_range(void **state)
{
    vld_preconditions request = request_by(VLD_METHOD_GET);
    vld_validators current = ours();

    (void)state;
    request.range = text("bytes=0-9");
    request.if_range = text(LM_TEXT);
    current.date_is_strong = false;
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_IF_RANGE);
    current.date_is_strong = true;
    current.has_last_modified = false;
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_IF_RANGE);
    current.etag = text("W/\"" OPAQUE "\"");
    request.if_range = text("W/\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_IF_RANGE);
    request.if_range = text("\"" OPAQUE "\"");
    assert_decision(&request, &current, VLD_PERFORM, VLD_RULE_IF_RANGE);
}

static void every_rule_has_the_name_of_its_field(void **state)
{
    (void)state;
    assert_string_equal(vld_rule_name(VLD_RULE_NONE), "none");
    assert_string_equal(vld_rule_name(VLD_RULE_METHOD), "method");
    assert_string_equal(vld_rule_name(VLD_RULE_IF_MATCH), "If-Match");
    assert_string_equal(vld_rule_name(VLD_RULE_IF_UNMODIFIED_SINCE),
                        "If-Unmodified-Since");
    assert_string_equal(vld_rule_name(VLD_RULE_IF_NONE_MATCH), "If-None-Match");
    assert_string_equal(vld_rule_name(VLD_RULE_IF_MODIFIED_SINCE),
                        "If-Modified-Since");
    assert_string_equal(vld_rule_name(VLD_RULE_IF_RANGE), "If-Range");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_has_as_many_values_as_it_says),
        cmocka_unit_test(all_23520_rows_are_answered_as_rfc_9110_says),
        cmocka_unit_test(all_rows_without_a_date_are_answered_so),
        cmocka_unit_test(all_rows_without_a_tag_are_answered_so),
        cmocka_unit_test(all_rows_with_a_weak_tag_are_answered_so),
        cmocka_unit_test(no_fields_mean_no_preconditions),
        cmocka_unit_test(
            methods_without_a_representation_have_no_preconditions),
        cmocka_unit_test(other_methods_fail_where_get_is_not_modified),
        cmocka_unit_test(other_methods_ignore_if_modified_since_and_range),
        cmocka_unit_test(other_methods_heed_if_match_and_if_unmodified_since),
        cmocka_unit_test(if_modified_since_is_silent_beside_any_if_none_match),
        cmocka_unit_test(
            a_malformed_if_none_match_is_not_saved_by_a_good_member),
        cmocka_unit_test(if_match_fails_where_it_names_nothing_of_ours),
        cmocka_unit_test(the_tag_of_another_coding_names_the_same_state),
        cmocka_unit_test(a_representation_without_tag_still_satisfies_a_star),
        cmocka_unit_test(a_malformed_tag_of_our_own_counts_as_none),
        cmocka_unit_test(without_a_date_dates_are_ignored_whatever_they_say),
        cmocka_unit_test(dates_are_compared_to_the_second),
        cmocka_unit_test(a_date_in_the_future_is_a_date),
        cmocka_unit_test(the_two_digit_year_is_placed_by_now),
        cmocka_unit_test(range_without_if_range_is_no_precondition),
        cmocka_unit_test(if_range_without_range_is_ignored),
        cmocka_unit_test(range_means_nothing_for_head),
        cmocka_unit_test(not_modified_beats_a_range),
        cmocka_unit_test(if_range_is_exactly_our_strong_tag_or_strong_date),
        cmocka_unit_test(a_weak_validator_never_allows_a_range),
        cmocka_unit_test(every_rule_has_the_name_of_its_field),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, read_tables, NULL);
}
