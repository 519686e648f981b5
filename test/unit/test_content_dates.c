/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of content/dates.c: which date a content is given. */
#include "index_test.h"

#define S INT64_C(1000000000)
#define NOW INT64_C(1790000000)

static int64_t first(int64_t mtime_ns)
{
    vld_identity id = { 1, mtime_ns, 0, 1 };

    return vld_dates_first(&id, NOW);
}

static int64_t next(int64_t mtime_s, int64_t ctime_s, int64_t before_s)
{
    vld_identity id = { 1, mtime_s * S + 5, ctime_s * S + 5, 1 };

    return vld_dates_next(&id, before_s, NOW);
}

static void first_is_mtime(void **state)
{
    (void)state;
    assert_int_equal(first(1700000000 * S), 1700000000);
    assert_int_equal(first(1700000000 * S + 999999999), 1700000000);
    assert_int_equal(first(2 * S), 2);
    assert_int_equal(first(NOW * S + 999999999), NOW);
}

static void first_without_meaning(void **state)
{
    (void)state;
    assert_int_equal(first(0), NOW);
    assert_int_equal(first(1), NOW);
    assert_int_equal(first(S), NOW);
    assert_int_equal(first(2 * S - 1), NOW);
    assert_int_equal(first(-1), NOW);
    assert_int_equal(first(-1000 * S), NOW);
    assert_int_equal(first(INT64_MIN), NOW);
    assert_int_equal(first((NOW + 1) * S), NOW);
    assert_int_equal(first(INT64_MAX), NOW);
}

/* Where the mtime means nothing, the last change counts; where that is a
 * constant of images or in the future, the time. */
static void first_by_change(void **state)
{
    vld_identity id = { .mtime_ns = 0, .ctime_ns = 1650000000 * S + 5 };

    (void)state;
    assert_int_equal(vld_dates_first(&id, NOW), 1650000000);
    id.mtime_ns = (NOW + 1) * S;
    assert_int_equal(vld_dates_first(&id, NOW), 1650000000);
    id.ctime_ns = 315532800 * S;
    assert_int_equal(vld_dates_first(&id, NOW), NOW);
    id.ctime_ns = S;
    assert_int_equal(vld_dates_first(&id, NOW), NOW);
    id.ctime_ns = (NOW + 1) * S;
    assert_int_equal(vld_dates_first(&id, NOW), NOW);
    id.mtime_ns = 1600000000 * S;
    assert_int_equal(vld_dates_first(&id, NOW), 1600000000);
}

/* Constants of archives and builders (ZIP, Gradle, npm), by their day in each
 * time zone. */
static void first_of_builders(void **state)
{
    static const int64_t days[] = { 315576000, 318254400, 499176000 };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        for (int64_t hour = -12; hour <= 12; hour++) {
            assert_int_equal(first((days[i] + hour * 3600) * S), NOW);
        }
        assert_int_equal(first((days[i] - 7 * 86400) * S), days[i] - 7 * 86400);
        assert_int_equal(first((days[i] + 7 * 86400) * S), days[i] + 7 * 86400);
    }
}

static void next_is_latest(void **state)
{
    (void)state;
    assert_int_equal(next(NOW - 50, NOW - 90, NOW - 100), NOW - 50);
    assert_int_equal(next(NOW - 90, NOW - 50, NOW - 100), NOW - 50);
    assert_int_equal(next(0, 0, NOW - 100), NOW - 99);
    assert_int_equal(next(NOW - 200, NOW - 300, NOW - 100), NOW - 99);
}

static void next_never_to_come(void **state)
{
    (void)state;
    assert_int_equal(next(NOW + 50, NOW - 90, NOW - 100), NOW);
    assert_int_equal(next(NOW - 90, NOW + 50, NOW - 100), NOW);
    assert_int_equal(next(0, 0, NOW), NOW);
}

static void clock_set_back(void **state)
{
    (void)state;
    assert_int_equal(next(NOW, NOW, NOW + 10), NOW + 11);
}

static void always_forward(void **state)
{
    const int64_t dates[] = { -5, 0, 1, NOW - 100, NOW - 1, NOW, NOW + 100 };

    (void)state;
    for (int m = 0; m < 7; m++) {
        for (int c = 0; c < 7; c++) {
            for (int64_t before = NOW - 200; before < NOW; before++) {
                int64_t date = next(dates[m], dates[c], before);

                assert_true(date > before && date <= NOW);
            }
        }
    }
}

/* --- small rules ---------------------------------------------------------- */

static void change(void **state)
{
    vld_identity id = { 1, (NOW - 9) * S + 5, (NOW - 5) * S + 5, 1 };

    (void)state;
    assert_int_equal(vld_dates_of_change(&id, NOW), NOW - 5);
    id.mtime_ns = (NOW - 2) * S + 5;
    assert_int_equal(vld_dates_of_change(&id, NOW), NOW - 2);
    id.mtime_ns = NOW * S + 5;
    assert_int_equal(vld_dates_of_change(&id, NOW), NOW);
    id.mtime_ns = (NOW + 1) * S;
    assert_int_equal(vld_dates_of_change(&id, NOW), NOW - 5);
    id.mtime_ns = id.ctime_ns = -1;
    assert_int_equal(vld_dates_of_change(&id, NOW), -1);
}

static void second_over(void **state)
{
    const int64_t us = 1000000;

    (void)state;
    assert_false(vld_dates_may_send(NOW, NOW * us));
    assert_false(vld_dates_may_send(NOW, NOW * us + 1019999));
    assert_true(vld_dates_may_send(NOW, NOW * us + 1020000));
    assert_true(vld_dates_may_send(1, NOW * us));
    assert_false(vld_dates_may_send(0, NOW * us));
    assert_false(vld_dates_may_send(-1, NOW * us));
    assert_false(vld_dates_may_send(NOW + 1, NOW * us));
    assert_false(vld_dates_may_send(INT64_MAX, NOW * us));
}

static vld_digest digest_of(unsigned char content)
{
    vld_digest d;

    memset(&d, content, sizeof(d));
    return d;
}

/* Up to three contents, as pairs of content and date; content 0 ends them. */
static vld_past past_of(const int64_t pairs[6], int64_t lost)
{
    vld_past past = { .lost = lost };

    /* What is behind the count does not count. */
    for (int i = 0; i < VLD_PAST_MOST; i++) {
        past.all[i].name = digest_of((unsigned char)(1 + i % 2));
        past.all[i].date = 2 * NOW;
    }
    for (int i = 0; i < 6 && pairs[i]; i += 2) {
        past.all[past.count].name = digest_of((unsigned char)pairs[i]);
        past.all[past.count++].date = pairs[i + 1];
    }
    return past;
}

static void latest_of_past(void **state)
{
    const int64_t none[6] = { 0 }, undated[6] = { 7, 0 };
    const int64_t some[6] = { 7, NOW - 9, 8, NOW - 3, 9, NOW - 5 };
    vld_past past = past_of(none, NOW);
    vld_dated found;
    vld_digest eight = digest_of(8), zero = digest_of(0);

    (void)state;
    vld_dates_latest(&past, &found);
    assert_int_equal(found.date, 0);
    assert_memory_equal(&found.name, &zero, sizeof(zero));
    past = past_of(undated, 0);
    vld_dates_latest(&past, &found);
    assert_int_equal(found.date, 0);
    assert_memory_equal(&found.name, &zero, sizeof(zero));
    past = past_of(some, 0);
    vld_dates_latest(&past, &found);
    assert_int_equal(found.date, NOW - 3);
    assert_memory_equal(&found.name, &eight, sizeof(eight));
}

static void free_dates(void **state)
{
    const int64_t some[6] = { 7, NOW - 9, 8, NOW - 3 };
    vld_past past = past_of(some, NOW);
    vld_digest seven = digest_of(7), eight = digest_of(8);

    (void)state;
    assert_false(vld_dates_is_free(&past, &seven, NOW - 3));
    assert_true(vld_dates_is_free(&past, &seven, NOW - 2));
    assert_false(vld_dates_is_free(&past, &eight, NOW - 9));
    assert_true(vld_dates_is_free(&past, &eight, NOW - 8));
    past.all[0].date = 0;
    past.count = 1;
    assert_false(vld_dates_is_free(&past, &eight, 0));
    past.count = 0;
    assert_true(vld_dates_is_free(&past, &eight, 0));
}

static void no_memory(void **state)
{
    vld_identity id = { 1, (NOW - 9) * S, (NOW - 5) * S, 1 };
    vld_chosen_date date = { NOW - 1, false, true, false, false };

    (void)state;
    vld_dates_forgo_memory(&date, &id, NOW * 1000000);
    assert_int_equal(date.seconds, NOW - 5);
    assert_true(date.may_be_sent);
    assert_false(date.needs_memory);
    vld_dates_forgo_memory(&date, &id, (NOW - 5) * 1000000);
    assert_int_equal(date.seconds, NOW - 5);
    assert_false(date.may_be_sent);
}

/* --- the date that a response says ---------------------------------------- */

#define NONE VLD_RECALL_NONE
#define READ VLD_RECALL_READ
#define WRITE VLD_RECALL_WRITE

/* The file: content 1, of mtime NOW - 200 and ctime NOW - 100.  A date below is
 * so many seconds before NOW; content 0: there is none. */
#define MTIME 200
#define CTIME 100

typedef struct row {
    const char *name;
    int fresh;         /* the record is of the file's identity */
    int64_t record[2]; /* content and date */
    int64_t link;      /* 0: none */
    int64_t remembered[6];
    int64_t lost;
    vld_recall recall;
    int64_t date;      /* expected, as is the next */
    const char *flags; /* sent, memory, ahead, assumed: by first letter */
} row;

static const row rows[] = {
    /* a fresh record */
    { "a fresh record's date counts",
      1,
      { 1, 300 },
      0,
      { 0 },
      0,
      NONE,
      300,
      "s" },
    { "by a link, not before the link's latest change",
      1,
      { 1, 300 },
      50,
      { 0 },
      0,
      NONE,
      50,
      "s" },
    { "by a link that is older than the record's date, the record's",
      1,
      { 1, 300 },
      400,
      { 0 },
      0,
      NONE,
      300,
      "s" },
    { "a later date of the same content, that was sent, stays",
      1,
      { 1, 300 },
      0,
      { 1, 80 },
      0,
      NONE,
      80,
      "sa" },
    { "an earlier one does not",
      1,
      { 1, 300 },
      0,
      { 1, 500 },
      0,
      NONE,
      300,
      "s" },
    { "after another content that was sent later, a second after it",
      1,
      { 1, 300 },
      0,
      { 2, 80 },
      0,
      NONE,
      79,
      "sa" },
    { "after another content that was sent before, the record's",
      1,
      { 1, 300 },
      0,
      { 2, 301 },
      0,
      NONE,
      300,
      "s" },
    { "the date of another content is never said again",
      1,
      { 1, 300 },
      0,
      { 2, 300 },
      0,
      NONE,
      299,
      "sa" },
    { "several contents: a second after the latest of the others",
      1,
      { 1, 300 },
      0,
      { 2, 90, 1, 85, 3, 70 },
      0,
      NONE,
      69,
      "sa" },
    { "what was lost does not count beside a fresh record",
      1,
      { 1, 300 },
      0,
      { 0 },
      50,
      NONE,
      300,
      "s" },
    { "a fresh record's date is not sent before its second is over",
      1,
      { 1, 0 },
      0,
      { 0 },
      0,
      NONE,
      0,
      "" },
    { "a record is enough, whatever is remembered",
      1,
      { 1, 300 },
      0,
      { 0 },
      0,
      WRITE,
      300,
      "s" },
    { "nor does a response have to be made",
      1,
      { 1, 300 },
      0,
      { 0 },
      0,
      READ,
      300,
      "s" },

    /* no fresh record, and the response is not remembered */
    { "without memory, the time of the last change",
      0,
      { 0 },
      0,
      { 0 },
      0,
      NONE,
      CTIME,
      "s" },
    { "also beside a record of the same content",
      0,
      { 1, 300 },
      0,
      { 0 },
      0,
      NONE,
      CTIME,
      "s" },
    { "or what was said of the content, if later",
      0,
      { 0 },
      0,
      { 1, 80 },
      0,
      NONE,
      80,
      "s" },
    { "but not if earlier", 0, { 0 }, 0, { 1, 150 }, 0, NONE, CTIME, "s" },
    { "or a second after another content, if later",
      0,
      { 0 },
      0,
      { 2, 80 },
      0,
      NONE,
      79,
      "s" },
    { "what was lost does not count: the last change is later",
      0,
      { 0 },
      0,
      { 0 },
      50,
      NONE,
      CTIME,
      "s" },

    /* no fresh record, and the response is going to be remembered */
    { "a content that is remembered keeps its date",
      0,
      { 0 },
      0,
      { 1, 250 },
      0,
      WRITE,
      250,
      "sm" },
    { "the latest of several",
      0,
      { 0 },
      0,
      { 1, 250, 1, 240, 1, 260 },
      0,
      WRITE,
      240,
      "sm" },
    { "but not behind another content",
      0,
      { 0 },
      0,
      { 1, 250, 2, 90 },
      0,
      WRITE,
      89,
      "sm" },
    { "nor does a stale record move it",
      0,
      { 2, 90 },
      0,
      { 1, 250 },
      0,
      WRITE,
      250,
      "sm" },
    { "a stale record of the same content keeps its date",
      0,
      { 1, 300 },
      0,
      { 0 },
      0,
      WRITE,
      300,
      "sm" },
    { "not where another content was between",
      0,
      { 1, 300 },
      0,
      { 2, 400 },
      0,
      WRITE,
      CTIME,
      "sm" },
    { "nor where one may have been",
      0,
      { 1, 300 },
      0,
      { 0 },
      400,
      WRITE,
      CTIME,
      "sm" },
    { "a stale record of another content: the last change",
      0,
      { 2, 300 },
      0,
      { 0 },
      0,
      WRITE,
      CTIME,
      "sm" },
    { "or a second after the record",
      0,
      { 2, 90 },
      0,
      { 0 },
      0,
      WRITE,
      89,
      "sm" },
    { "a link does not count beside a stale record",
      0,
      { 2, 300 },
      50,
      { 0 },
      0,
      WRITE,
      CTIME,
      "sm" },
    { "after another content that is remembered, the last change",
      0,
      { 0 },
      0,
      { 2, 300 },
      0,
      WRITE,
      CTIME,
      "sm" },
    { "or a second after it", 0, { 0 }, 0, { 2, 90 }, 0, WRITE, 89, "sm" },
    { "after one without a date, the last change",
      0,
      { 0 },
      0,
      { 2, NOW },
      0,
      WRITE,
      CTIME,
      "sm" },
    { "where nothing was before, the mtime is believed",
      0,
      { 0 },
      0,
      { 0 },
      0,
      WRITE,
      MTIME,
      "sm" },
    { "not before what was lost", 0, { 0 }, 0, { 0 }, 150, WRITE, 149, "sm" },
    { "which may be earlier", 0, { 0 }, 0, { 0 }, 250, WRITE, MTIME, "sm" },
    { "a date whose second is not over is not sent",
      0,
      { 2, 1 },
      0,
      { 0 },
      0,
      WRITE,
      0,
      "m" },

    /* no fresh record, and no response is made */
    { "what was said of the content is still its date",
      0,
      { 0 },
      0,
      { 1, 250 },
      0,
      READ,
      250,
      "sm" },
    { "and not behind another content",
      0,
      { 0 },
      0,
      { 1, 250, 2, 90 },
      0,
      READ,
      89,
      "sm" },
    { "of a content that nobody was sent, a bound: the last change",
      0,
      { 0 },
      0,
      { 0 },
      0,
      READ,
      CTIME,
      "sA" },
    { "or what follows another content",
      0,
      { 0 },
      0,
      { 2, 90 },
      0,
      READ,
      89,
      "sA" },
    { "a stale record does not tell",
      0,
      { 1, 300 },
      0,
      { 0 },
      0,
      READ,
      CTIME,
      "sA" },
};

static int64_t before_now(int64_t seconds)
{
    return NOW - seconds;
}

static vld_chosen_date choose(const row *t)
{
    static const vld_identity id = { 1, (NOW - MTIME) * S, (NOW - CTIME) * S,
                                     1 };
    vld_record record = { .last_modified = before_now(t->record[1]) };
    vld_digest one = digest_of(1);
    int64_t pairs[6];
    vld_past past;
    vld_dates_facts facts = { &id,
                              &one,
                              t->record[0] ? &record : NULL,
                              t->fresh != 0,
                              t->link ? before_now(t->link) : 0,
                              &past,
                              t->recall,
                              NOW * 1000000 };
    vld_chosen_date out;

    record.digest = digest_of((unsigned char)t->record[0]);
    for (int i = 0; i < 6; i += 2) {
        pairs[i] = t->remembered[i];
        pairs[i + 1] = before_now(t->remembered[i + 1]);
    }
    past = past_of(pairs, t->lost ? before_now(t->lost) : 0);
    memset(&out, 0xff, sizeof(out));
    vld_dates_choose(&facts, &out);
    return out;
}

static void by_rows(void **state)
{
    const size_t count = sizeof(rows) / sizeof(rows[0]);
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const row *t = &rows[i];
        vld_chosen_date got = choose(t);
        char flags[5] = "", *at = flags;

        if (got.may_be_sent) {
            *at++ = 's';
        }
        if (got.needs_memory) {
            *at++ = 'm';
        }
        if (got.is_ahead_of_record) {
            *at++ = 'a';
        }
        if (got.is_assumed) {
            *at++ = 'A';
        }
        if (got.seconds != before_now(t->date) || strcmp(flags, t->flags)) {
            wrong++;
            print_message("# %s: %lld s before now, \"%s\"\n", t->name,
                          (long long)(NOW - got.seconds), flags);
        }
    }
    assert_int_equal(wrong, 0);
}

/* --- the date that a record gets ------------------------------------------ */

static int64_t of_record(int64_t known_content, int64_t known_date,
                         const vld_last_sent *sent)
{
    vld_record read = { .identity = { 1, (NOW - MTIME) * S, (NOW - CTIME) * S,
                                      1 } };
    vld_record known = { .last_modified = before_now(known_date) };

    read.digest = digest_of(1);
    known.digest = digest_of((unsigned char)known_content);
    return NOW
           - vld_dates_of_record(&read, known_content ? &known : NULL, sent,
                                 NOW);
}

static vld_last_sent sent_of(int64_t content, int64_t seconds)
{
    vld_last_sent sent = { content != 0, digest_of((unsigned char)content),
                           before_now(seconds) };

    return sent;
}

static void record_alone(void **state)
{
    (void)state;
    assert_int_equal(of_record(0, 0, NULL), MTIME);
    assert_int_equal(of_record(1, 300, NULL), 300);
    assert_int_equal(of_record(2, 300, NULL), CTIME);
    assert_int_equal(of_record(2, 90, NULL), 89);
}

static void record_after_sent(void **state)
{
    vld_last_sent undated = sent_of(1, NOW), same = sent_of(1, 80);
    vld_last_sent other = sent_of(2, 80), unknown = sent_of(0, 80);
    vld_last_sent old = sent_of(2, 400), equal = sent_of(2, 300);

    (void)state;
    assert_int_equal(of_record(0, 0, &undated), MTIME);
    assert_int_equal(of_record(0, 0, &same), 80);
    assert_int_equal(of_record(0, 0, &other), 79);
    assert_int_equal(of_record(0, 0, &unknown), 79);
    assert_int_equal(of_record(0, 0, &old), CTIME);
    assert_int_equal(of_record(1, 300, &undated), 300);
    assert_int_equal(of_record(1, 300, &old), 300);
    assert_int_equal(of_record(1, 300, &equal), 300);
    assert_int_equal(of_record(1, 300, &same), 80);
    assert_int_equal(of_record(1, 300, &other), 79);
    assert_int_equal(of_record(2, 300, &same), 80);
    assert_int_equal(of_record(2, 300, &unknown), 79);
}

static int64_t declared(int64_t date_s, int64_t known_content,
                        int64_t known_date)
{
    vld_record read = { .identity = { 1, (NOW - MTIME) * S, (NOW - CTIME) * S,
                                      1 } };
    vld_record known = { .last_modified = before_now(known_date) };

    read.digest = digest_of(1);
    known.digest = digest_of((unsigned char)known_content);
    return vld_dates_declared(date_s, &read, known_content ? &known : NULL,
                              NOW);
}

static void of_manifest(void **state)
{
    (void)state;
    assert_int_equal(declared(NOW - 400, 0, 0), NOW - 400);
    assert_int_equal(declared(2, 0, 0), 2);
    assert_int_equal(declared(NOW, 0, 0), NOW);
    assert_int_equal(declared(1, 0, 0), 0);
    assert_int_equal(declared(0, 0, 0), 0);
    assert_int_equal(declared(-5, 0, 0), 0);
    assert_int_equal(declared(NOW + 1, 0, 0), 0);
    assert_int_equal(declared(NOW - 400, 1, 300), NOW - 400);
    assert_int_equal(declared(NOW - CTIME, 2, 300), 0);
    assert_int_equal(declared(NOW - CTIME + 1, 2, 300), NOW - CTIME + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_is_mtime, "the first date is the mtime in whole seconds"),
        TEST(first_by_change, "then the time of the last change counts, "
                              "where that means anything"),
        TEST(first_of_builders, "days that builders give to every file mean "
                                "nothing"),
        TEST(first_without_meaning, "0, 1, negative and future mtimes mean "
                                    "nothing: the date is now"),
        TEST(next_is_latest, "another content gets the latest of mtime, "
                             "ctime and a second after the date before"),
        TEST(next_never_to_come, "no date lies in the future"),
        TEST(clock_set_back, "after the clock was set back dates still move "
                             "forward"),
        TEST(always_forward, "dates move forward whatever the file's times"),
        TEST(change, "the last change is the later of mtime and ctime, unless "
                     "mtime is in the future"),
        TEST(second_over, "a date may be sent when its second has been over "
                          "for 20 ms"),
        TEST(latest_of_past, "the latest of the remembered contents is found"),
        TEST(free_dates, "a date is free when it is later than those of other "
                         "contents"),
        TEST(no_memory, "a response that is not remembered has the date of the "
                        "last change"),
        TEST(by_rows, "the date of a response is that of each row of the "
                      "rules"),
        TEST(record_alone, "a record follows the record before it"),
        TEST(record_after_sent, "and what was sent, where that is later"),
        TEST(of_manifest, "a manifest's date is believed where it means "
                          "something and moves no date back"),
    };

    return RUN(tests);
}
