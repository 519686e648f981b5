/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of content/lastmod.c: which date a content is given. */
#include "index_test.h"

#define S INT64_C(1000000000)
#define NOW INT64_C(1790000000)

static int64_t first(int64_t mtime_ns)
{
    vld_identity id = { 1, mtime_ns, 0, 1 };

    return vld_lastmod_first(&id, NOW);
}

static int64_t next(int64_t mtime_s, int64_t ctime_s, int64_t before_s)
{
    vld_identity id = { 1, mtime_s * S + 5, ctime_s * S + 5, 1 };

    return vld_lastmod_next(&id, before_s, NOW);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_is_mtime, "the first date is the mtime in whole seconds"),
        TEST(first_without_meaning, "0, 1, negative and future mtimes mean "
                                    "nothing: the date is now"),
        TEST(next_is_latest, "another content gets the latest of mtime, "
                             "ctime and a second after the date before"),
        TEST(next_never_to_come, "no date lies in the future"),
        TEST(clock_set_back, "after the clock was set back dates still move "
                             "forward"),
        TEST(always_forward, "dates move forward whatever the file's times"),
    };

    return RUN(tests);
}
