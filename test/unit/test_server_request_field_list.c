/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of server/request/field_list.c: the names in a list, the directives of
 * Cache-Control, and times in values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "server/request/field_list.h"

/* The names, each in brackets. */
static const char *names_of(const char *value)
{
    static char out[256];
    const char *name;
    size_t len, used = 0;

    *out = '\0';
    while (vld_field_list_next(&value, &name, &len)) {
        used += (size_t)snprintf(out + used, sizeof(out) - used, "[%.*s]",
                                 (int)len, name);
    }
    return out;
}

static void names_in_a_list(void **state)
{
    (void)state;
    assert_string_equal(names_of(""), "");
    assert_string_equal(names_of("*"), "[*]");
    assert_string_equal(names_of("Accept-Encoding"), "[Accept-Encoding]");
    assert_string_equal(names_of("a,b"), "[a][b]");
    assert_string_equal(names_of(" a ,\t b , "), "[a][b]");
    assert_string_equal(names_of("a,,,b"), "[a][b]");
    assert_string_equal(names_of(", *"), "[][*]");
}

static void what_is_no_name(void **state)
{
    (void)state;
    assert_string_equal(names_of("a b, c"), "[a][c]");
    assert_string_equal(names_of("a;q=1, b"), "[a][b]");
    assert_string_equal(names_of("\"a,b\", c"), "[\"a,b\"][c]");
    assert_string_equal(names_of("\"a, b"), "[\"a, b]");
    assert_string_equal(names_of("  "), "[]");
}

static void directives_of_cache_control(void **state)
{
    (void)state;
    assert_true(vld_field_has_directive("private", "private"));
    assert_true(vld_field_has_directive("max-age=1, PRIVATE", "private"));
    assert_true(vld_field_has_directive("private=\"Set-Cookie\"", "private"));
    assert_true(vld_field_has_directive("x=\"private\"", "private"));
    assert_false(vld_field_has_directive("", "private"));
    assert_false(vld_field_has_directive("privat", "private"));
    assert_false(vld_field_has_directive("privates", "private"));
    assert_false(vld_field_has_directive("private-not", "private"));
    assert_false(vld_field_has_directive("no-store-x, public", "no-store"));
}

static void times_in_values(void **state)
{
    (void)state;
    assert_true(vld_field_has_clock("t=1790000000000000"));
    assert_true(vld_field_has_clock("x t=1790000000000000 y"));
    assert_true(vld_field_has_clock("D=1"));
    assert_true(vld_field_has_clock("it took D=77"));
    assert_false(vld_field_has_clock(""));
    assert_false(vld_field_has_clock("t=179000000000000"));
    assert_false(vld_field_has_clock("t=D="));
    assert_false(vld_field_has_clock("ID=1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_in_a_list),
        cmocka_unit_test(what_is_no_name),
        cmocka_unit_test(directives_of_cache_control),
        cmocka_unit_test(times_in_values),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("field lists", tests, NULL, NULL);
}
