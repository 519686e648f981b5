/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of precond/date.c; the C library's calendar is the oracle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#include "validators/precond.h"
#include "guarded.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define NOW INT64_C(1750000000) /* 2025-06-15 15:06:40 */
#define DAY 86400

static vld_span text(const char *s)
{
    vld_span span = { s, strlen(s) };

    return span;
}

/* Parse s at both edges of readable memory. */
static bool parses(const char *s, int64_t now, int64_t *out)
{
    int64_t again = 0;
    bool ok = vld_date_parse(guarded_end(s, strlen(s)), now, out);

    assert_int_equal(ok,
                     vld_date_parse(guarded_start(s, strlen(s)), now, &again));
    if (ok) {
        assert_true(*out == again);
    }
    return ok;
}

static int64_t seconds(int year, int month, int day, int h, int m, int s)
{
    struct tm tm;

    memset(&tm, 0, sizeof tm);
    tm.tm_year = year - 1900;
    tm.tm_mon = month - 1;
    tm.tm_mday = day;
    tm.tm_hour = h;
    tm.tm_min = m;
    tm.tm_sec = s;
    return (int64_t)timegm(&tm);
}

static void assert_is(const char *s, int64_t expected)
{
    int64_t got = -1;

    if (!parses(s, NOW, &got)) {
        fail_msg("%s was refused", s);
    }
    if (got != expected) {
        fail_msg("%s is %lld and was read as %lld", s, (long long)expected,
                 (long long)got);
    }
}

static void the_three_forms_name_the_same_second(void **state)
{
    int64_t expected = 784111777;

    (void)state;
    assert_is("Sun, 06 Nov 1994 08:49:37 GMT", expected);
    assert_is("Sunday, 06-Nov-94 08:49:37 GMT", expected);
    assert_is("Sun Nov  6 08:49:37 1994", expected);
    assert_is("Sun Nov 06 08:49:37 1994", expected);
    assert_is(" \tSun, 06 Nov 1994 08:49:37 GMT\t ", expected);
    assert_is(" Sun Nov  6 08:49:37 1994 ", expected);
    assert_is("Wednesday, 09-Nov-94 08:49:37 GMT", expected + 3 * DAY);
}

static void a_date_may_be_long_ago_or_far_ahead(void **state)
{
    (void)state;
    assert_is("Thu, 01 Jan 1970 00:00:00 GMT", 0);
    assert_is("Wed, 31 Dec 1969 23:59:59 GMT", -1);
    assert_is("Sat, 01 Jan 0000 00:00:00 GMT", INT64_C(-62167219200));
    assert_is("Fri, 31 Dec 9999 23:59:59 GMT", INT64_C(253402300799));
    assert_is("Tue, 19 Jan 2038 03:14:08 GMT", INT64_C(2147483648));
    assert_is("Fri Dec 31 23:59:59 9999", INT64_C(253402300799));
}

static void the_name_of_the_day_need_not_fit(void **state)
{
    (void)state;
    assert_is("Mon, 06 Nov 1994 08:49:37 GMT", 784111777);
    assert_is("Mon Nov  6 08:49:37 1994", 784111777);
    assert_is("Monday, 06-Nov-94 08:49:37 GMT", 784111777);
}

static void second_60_is_the_first_of_the_next_minute(void **state)
{
    (void)state;
    assert_is("Sat, 31 Dec 2016 23:59:60 GMT", seconds(2017, 1, 1, 0, 0, 0));
    assert_is("Sat Dec 31 23:59:60 2016", seconds(2017, 1, 1, 0, 0, 0));
    assert_is("Saturday, 31-Dec-16 23:59:60 GMT", seconds(2017, 1, 1, 0, 0, 0));
}

static void leap_days_exist_in_leap_years_only(void **state)
{
    int64_t out;

    (void)state;
    assert_is("Tue, 29 Feb 2000 00:00:00 GMT", seconds(2000, 2, 29, 0, 0, 0));
    assert_is("Thu, 29 Feb 2024 00:00:00 GMT", seconds(2024, 2, 29, 0, 0, 0));
    assert_is("Thursday, 29-Feb-24 00:00:00 GMT",
              seconds(2024, 2, 29, 0, 0, 0));
    assert_false(parses("Wed, 29 Feb 2023 00:00:00 GMT", NOW, &out));
    assert_false(parses("Thu, 29 Feb 1900 00:00:00 GMT", NOW, &out));
    assert_false(parses("Mon, 29 Feb 2100 00:00:00 GMT", NOW, &out));
    assert_false(parses("Wednesday, 29-Feb-23 00:00:00 GMT", NOW, &out));
}

static void what_is_not_one_date_is_none(void **state)
{
    static const char *const rows[] = {
        "",
        " ",
        "0",
        "784111777",
        "yesterday",
        /* zones */
        "Sun, 06 Nov 1994 08:49:37 +0500",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 GMT+5",
        "Sun Nov  6 08:49:37 1994 GMT",
        "Sun Nov  6 08:49:37 GMT 1994",
        "Sunday, 06-Nov-94 08:49:37 EST",
        "Sunday, 06-Nov-94 08:49:37",
        /* two dates, trailing text */
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT,",
        ",Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=5",
        "Sun Nov  6 08:49:37 1994, Sun Nov  6 08:49:37 1994",
        "\"Sun, 06 Nov 1994 08:49:37 GMT\"",
        /* case */
        "sun, 06 Nov 1994 08:49:37 GMT",
        "SUN, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 NOV 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sunday, 06-Nov-94 08:49:37 GMT",
        /* names */
        "Sux, 06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nox 1994 08:49:37 GMT",
        "Sux Nov  6 08:49:37 1994",
        "Sun Nox  6 08:49:37 1994",
        "Sunda, 06-Nov-94 08:49:37 GMT",
        "Sundays, 06-Nov-94 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nox-94 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        /* ranges */
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 32 Dec 1994 08:49:37 GMT",
        "Sun, 30 Feb 2000 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun Nov  0 08:49:37 1994",
        "Sun Nov 31 08:49:37 1994",
        "Sunday, 31-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-94 24:49:37 GMT",
        /* digits and separators */
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun,  6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994  8:49:37 GMT",
        "Sun, 06 Nov 199x 08:49:37 GMT",
        "Sun, 06 Nov x994 08:49:37 GMT",
        "Sun, 06 Nov 19-4 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08.49.37 GMT",
        "Sun; 06 Nov 1994 08:49:37 GMT",
        "Sun,\t06 Nov 1994 08:49:37 GMT",
        "Sun, 06\tNov 1994 08:49:37 GMT",
        "Sun, 06 Nov\t1994 08:49:37 GMT",
        "Sun, 06 Nov 1994\t08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37\tGMT",
        "Sun, 06 Nov 1994T08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:3x GMT",
        "Sun, 06 Nov 1994 08:4x:37 GMT",
        "Sun, 06 Nov 1994 0x:49:37 GMT",
        "Sun, 0x Nov 1994 08:49:37 GMT",
        "Sun Nov  x 08:49:37 1994",
        "Sun Nov 6  08:49:37 1994",
        "Sun,Nov  6 08:49:37 1994",
        "Sun Nov  6 08:49:37 199x",
        "Sun Nov-06 08:49:37 1994",
        "Sun Nov 06-08:49:37 1994",
        "Sun Nov 06 08:49:37-1994",
        "Sun Nov 06 08:49-37 1994",
        "Sunday; 06-Nov-94 08:49:37 GMT",
        "Sunday,-06-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov-9x 08:49:37 GMT",
        "Sunday, 06-Nov-94-08:49:37 GMT",
        "Sunday, 06-Nov-94 xx:49:37 GMT",
        "Sunday, xx-Nov-94 08:49:37 GMT",
        "Sunday, 06-Nov 94 08:49:37 GMT",
        "Sunday, 06 Nov-94 08:49:37 GMT",
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(rows); i++) {
        int64_t out = -77;

        if (parses(rows[i], NOW, &out)) {
            fail_msg("%s was taken for a date", rows[i]);
        }
        assert_true(out == -77);
    }
}

static void an_absent_field_is_no_date(void **state)
{
    vld_span absent = { NULL, 0 };
    int64_t out;

    (void)state;
    assert_false(vld_date_parse(absent, NOW, &out));
}

static void assert_year(const char *s, int64_t now, int64_t expected)
{
    int64_t got = -1;

    assert_true(parses(s, now, &got));
    if (got != expected) {
        fail_msg("%s, read at %lld, is %lld and was read as %lld", s,
                 (long long)now, (long long)expected, (long long)got);
    }
}

static void two_digits_name_no_date_beyond_50_years_ahead(void **state)
{
    int64_t june_2025 = seconds(2025, 6, 15, 12, 0, 0);

    (void)state;
    assert_year("Sunday, 15-Jun-75 12:00:00 GMT", june_2025,
                seconds(2075, 6, 15, 12, 0, 0));
    assert_year("Sunday, 15-Jun-75 12:00:01 GMT", june_2025,
                seconds(1975, 6, 15, 12, 0, 1));
    assert_year("Sunday, 16-Jun-75 00:00:00 GMT", june_2025,
                seconds(1975, 6, 16, 0, 0, 0));
    assert_year("Sunday, 01-Jan-76 00:00:00 GMT", june_2025,
                seconds(1976, 1, 1, 0, 0, 0));
    assert_year("Sunday, 31-Dec-74 23:59:59 GMT", june_2025,
                seconds(2074, 12, 31, 23, 59, 59));
    assert_year("Sunday, 01-Jan-00 00:00:00 GMT", june_2025,
                seconds(2000, 1, 1, 0, 0, 0));
    assert_year("Sunday, 01-Jan-99 00:00:00 GMT", june_2025,
                seconds(1999, 1, 1, 0, 0, 0));
    assert_year("Sunday, 01-Jan-05 00:00:00 GMT", seconds(1999, 1, 1, 0, 0, 0),
                seconds(2005, 1, 1, 0, 0, 0));
    assert_year("Sunday, 01-Jan-05 00:00:00 GMT", seconds(2090, 1, 1, 0, 0, 0),
                seconds(2105, 1, 1, 0, 0, 0));
}

/* At each New Year and its neighbours, for every pair of digits: the latest
 * year that is not more than 50 years ahead, found the slow way. */
static void two_digits_mean_the_latest_year_within_50_ahead(void **state)
{
    int year, yy, shift;
    char buf[40];

    (void)state;
    for (year = 1970; year <= 2400; year += 3) {
        for (shift = -1; shift <= 1; shift++) {
            int64_t now = seconds(year, 1, 1, 0, 0, 0) + shift;

            for (yy = 0; now >= 0 && yy < 100; yy++) {
                int y = year / 100 * 100 + 200 + yy;
                int64_t got = -1;

                while (seconds(y - 50, 1, 1, 0, 0, 0) > now) {
                    y -= 100;
                }
                snprintf(buf, sizeof buf, "Monday, 01-Jan-%02d 00:00:00 GMT",
                         yy);
                assert_true(vld_date_parse(text(buf), now, &got));
                assert_true(got == seconds(y, 1, 1, 0, 0, 0));
            }
        }
    }
}

static void any_now_is_borne(void **state)
{
    int64_t out;

    (void)state;
    assert_year("Sunday, 01-Jan-10 00:00:00 GMT", INT64_MIN,
                seconds(2010, 1, 1, 0, 0, 0));
    assert_false(parses("Sunday, 01-Jan-40 00:00:00 GMT", INT64_MAX, &out));
    assert_true(parses("Sunday, 01-Jan-60 00:00:00 GMT", INT64_MAX, &out));
}

static void oracle(int64_t s, char out[VLD_DATE_SIZE])
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed",
                                        "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr",
                                          "May", "Jun", "Jul", "Aug",
                                          "Sep", "Oct", "Nov", "Dec" };
    time_t t = (time_t)s;
    struct tm tm;
    char buf[64];

    assert_non_null(gmtime_r(&t, &tm));
    snprintf(buf, sizeof buf, "%s, %02d %s %04d %02d:%02d:%02d GMT",
             days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
             tm.tm_hour, tm.tm_min, tm.tm_sec);
    assert_int_equal(strlen(buf), VLD_DATE_SIZE - 1);
    memcpy(out, buf, VLD_DATE_SIZE);
}

static void assert_round_trip(int64_t s)
{
    char expected[VLD_DATE_SIZE], got[VLD_DATE_SIZE];
    int64_t back = -1;

    oracle(s, expected);
    vld_date_format(s, got);
    if (memcmp(expected, got, VLD_DATE_SIZE) != 0) {
        fail_msg("%s was written as %.29s", expected, got);
    }
    if (!vld_date_parse(text(got), NOW, &back) || back != s) {
        fail_msg("%s was read as %lld", got, (long long)back);
    }
}

static void
every_day_is_written_as_the_c_library_does_and_read_back(void **state)
{
    int64_t day, days = 0;

    (void)state;
    for (day = -719528; day <= 2932896; day++) {
        /* all days of eight centuries, a fifth of the others */
        if ((day > -135140 && day < 157055) || day % 5 == 0) {
            assert_round_trip(day * DAY + (day & 1 ? DAY - 1 : 0));
            days++;
        }
    }
    assert_true(days > 900000);
}

static void every_second_of_a_day_is_written_and_read_back(void **state)
{
    int64_t s;

    (void)state;
    for (s = 0; s < DAY; s++) {
        assert_round_trip(INT64_C(19000) * DAY + s);
    }
}

static void years_without_four_digits_become_the_nearest_second(void **state)
{
    char out[VLD_DATE_SIZE];

    (void)state;
    vld_date_format(INT64_MIN, out);
    assert_string_equal(out, "Sat, 01 Jan 0000 00:00:00 GMT");
    vld_date_format(INT64_C(-62167219201), out);
    assert_string_equal(out, "Sat, 01 Jan 0000 00:00:00 GMT");
    vld_date_format(INT64_C(253402300800), out);
    assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
    vld_date_format(INT64_MAX, out);
    assert_string_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT");
}

static void a_date_cut_anywhere_is_refused_within_its_bounds(void **state)
{
    static const char *const dates[] = {
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Wednesday, 09-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    };
    size_t i, len;
    int64_t out;

    (void)state;
    for (i = 0; i < COUNT(dates); i++) {
        for (len = 0; len < strlen(dates[i]); len++) {
            assert_false(vld_date_parse(guarded_end(dates[i], len), NOW, &out));
            assert_false(
                vld_date_parse(guarded_start(dates[i], len), NOW, &out));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_three_forms_name_the_same_second),
        cmocka_unit_test(a_date_may_be_long_ago_or_far_ahead),
        cmocka_unit_test(the_name_of_the_day_need_not_fit),
        cmocka_unit_test(second_60_is_the_first_of_the_next_minute),
        cmocka_unit_test(leap_days_exist_in_leap_years_only),
        cmocka_unit_test(what_is_not_one_date_is_none),
        cmocka_unit_test(an_absent_field_is_no_date),
        cmocka_unit_test(two_digits_name_no_date_beyond_50_years_ahead),
        cmocka_unit_test(two_digits_mean_the_latest_year_within_50_ahead),
        cmocka_unit_test(any_now_is_borne),
        cmocka_unit_test(
            every_day_is_written_as_the_c_library_does_and_read_back),
        cmocka_unit_test(every_second_of_a_day_is_written_and_read_back),
        cmocka_unit_test(years_without_four_digits_become_the_nearest_second),
        cmocka_unit_test(a_date_cut_anywhere_is_refused_within_its_bounds),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
