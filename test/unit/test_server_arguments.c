/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of server/arguments.c: which numbers and sizes a directive takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/arguments.h"

#define TEST(function, name)                                                   \
    {                                                                          \
        name, function, NULL, NULL, NULL                                       \
    }

#define UNTOUCHED INT64_C(-77)

static int64_t number_of(const char *text, int64_t most)
{
    int64_t n = UNTOUCHED;

    assert_true(vld_argument_number(text, most, &n) == (n != UNTOUCHED));
    return n;
}

static int64_t size_of(const char *text)
{
    int64_t n = UNTOUCHED;

    assert_true(vld_argument_size(text, &n) == (n != UNTOUCHED));
    return n;
}

static void numbers_up_to_the_most(void **state)
{
    (void)state;
    assert_int_equal(number_of("0", 86400), 0);
    assert_int_equal(number_of("5", 86400), 5);
    assert_int_equal(number_of("86400", 86400), 86400);
    assert_int_equal(number_of("007", 86400), 7);
    assert_int_equal(number_of("0", 0), 0);
    assert_int_equal(number_of("9223372036854775807", INT64_MAX), INT64_MAX);
}

static void numbers_out_of_range(void **state)
{
    (void)state;
    assert_int_equal(number_of("86401", 86400), UNTOUCHED);
    assert_int_equal(number_of("1", 0), UNTOUCHED);
    assert_int_equal(number_of("-1", 86400), UNTOUCHED);
    assert_int_equal(number_of("9223372036854775808", INT64_MAX), UNTOUCHED);
    assert_int_equal(number_of("-99999999999999999999", 86400), UNTOUCHED);
}

static void texts_that_are_no_number(void **state)
{
    (void)state;
    assert_int_equal(number_of("", 86400), UNTOUCHED);
    assert_int_equal(number_of("five", 86400), UNTOUCHED);
    assert_int_equal(number_of("5s", 86400), UNTOUCHED);
    assert_int_equal(number_of("5 ", 86400), UNTOUCHED);
    assert_int_equal(number_of("0x10", 86400), UNTOUCHED);
    assert_int_equal(number_of("1.5", 86400), UNTOUCHED);
}

static void sizes_in_bytes(void **state)
{
    (void)state;
    assert_int_equal(size_of("0"), 0);
    assert_int_equal(size_of("1000000"), 1000000);
    assert_int_equal(size_of("9223372036854775807"), INT64_MAX);
}

static void sizes_with_a_suffix(void **state)
{
    (void)state;
    assert_int_equal(size_of("512K"), 512 * 1024);
    assert_int_equal(size_of("512k"), 512 * 1024);
    assert_int_equal(size_of("256M"), INT64_C(256) << 20);
    assert_int_equal(size_of("256m"), INT64_C(256) << 20);
    assert_int_equal(size_of("4G"), INT64_C(4) << 30);
    assert_int_equal(size_of("4g"), INT64_C(4) << 30);
    assert_int_equal(size_of("0G"), 0);
}

static void sizes_that_do_not_fit(void **state)
{
    (void)state;
    assert_int_equal(size_of("9007199254740991K"), INT64_MAX - 1023);
    assert_int_equal(size_of("9007199254740992K"), UNTOUCHED);
    assert_int_equal(size_of("8589934591G"), INT64_C(8589934591) << 30);
    assert_int_equal(size_of("8589934592G"), UNTOUCHED);
    assert_int_equal(size_of("9223372036854775808"), UNTOUCHED);
}

static void texts_that_are_no_size(void **state)
{
    (void)state;
    assert_int_equal(size_of(""), UNTOUCHED);
    assert_int_equal(size_of("K"), UNTOUCHED);
    assert_int_equal(size_of("-1"), UNTOUCHED);
    assert_int_equal(size_of("+1"), UNTOUCHED);
    assert_int_equal(size_of(" 1"), UNTOUCHED);
    assert_int_equal(size_of("1T"), UNTOUCHED);
    assert_int_equal(size_of("1KB"), UNTOUCHED);
    assert_int_equal(size_of("1 K"), UNTOUCHED);
    assert_int_equal(size_of("1.5M"), UNTOUCHED);
    assert_int_equal(size_of("many"), UNTOUCHED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(numbers_up_to_the_most, "a number from 0 to the most is taken"),
        TEST(numbers_out_of_range, "a number out of range is not"),
        TEST(texts_that_are_no_number, "a text with anything else is not"),
        TEST(sizes_in_bytes, "a size without a suffix is in bytes"),
        TEST(sizes_with_a_suffix, "K, M and G are powers of 1024"),
        TEST(sizes_that_do_not_fit, "a size that does not fit is not taken"),
        TEST(texts_that_are_no_size, "a text that is no size is not")
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
