/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of server/access/conditions.c: what counts as a question about the
 * client, and which patterns treat GET and HEAD alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "server/access/conditions.h"

#define TEST(function, name)                                                   \
    {                                                                          \
        name, function, NULL, NULL, NULL                                       \
    }

static bool asks(const char *text)
{
    return vld_condition_asks_for_client(text, text);
}

static bool is_alike(const char *pattern)
{
    return vld_condition_is_same_for_get_and_head(pattern);
}

static void plain_text(void **state)
{
    (void)state;
    assert_false(asks(""));
    assert_false(asks("/a /srv/b"));
    assert_false(asks("^(.*)$ /x/$1?%1 [QSA,L]"));
    assert_false(asks("100% {x}"));
}

static void variables_of_the_target(void **state)
{
    static const char *const names[] = {
        "DOCUMENT_ROOT",   "HTTPS",        "HTTP_HOST",    "PATH_INFO",
        "QUERY_STRING",    "REQUEST_URI",  "SCRIPT_USER",  "REQUEST_FILENAME",
        "REQUEST_SCHEME",  "SCRIPT_GROUP", "SERVER_ADMIN", "SCRIPT_FILENAME",
        "SERVER_SOFTWARE", "SERVER_NAME",  "SERVER_PORT"
    };
    char text[64];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(text, sizeof(text), "^ https://x/%%{%s} [R]", names[i]);
        assert_false(asks(text));
    }
    assert_false(asks("%{HTTP_HOST}%{REQUEST_URI}"));
}

static void variables_of_the_client(void **state)
{
    (void)state;
    assert_true(asks("%{REMOTE_ADDR}"));
    assert_true(asks("%{HTTP_USER_AGENT}"));
    assert_true(asks("%{HTTP:Accept}"));
    assert_true(asks("%{ENV:x}"));
    assert_true(asks("%{TIME_HOUR}"));
    assert_true(asks("%{REQUEST_METHOD}"));
    assert_true(asks("%{HTTP_HOST} and then %{REMOTE_USER}"));
    assert_true(asks("- [E=who:%{REMOTE_ADDR}]"));
}

static void names_that_only_begin_alike(void **state)
{
    (void)state;
    assert_true(asks("%{HTTP_HOSTS}"));
    assert_true(asks("%{HTTP_HOS}"));
    assert_true(asks("%{http_host}"));
    assert_true(asks("%{}"));
    assert_true(asks("%{LA-U:REQUEST_FILENAME}"));
}

static void a_variable_without_an_end(void **state)
{
    (void)state;
    assert_true(asks("%{HTTP_HOST"));
    assert_true(asks("%{"));
}

static void a_variable_in_another(void **state)
{
    (void)state;
    assert_true(asks("%{HTTP_HOST%{REMOTE_ADDR}}"));
}

static void maps_and_expressions(void **state)
{
    (void)state;
    assert_true(asks("${map:x}"));
    assert_true(asks("^ /${map:%{HTTP_HOST}}"));
    assert_true(asks("expr"));
    assert_true(asks("EXPR"));
    assert_false(asks("expression"));
}

static void variables_count_in_the_test_alone(void **state)
{
    (void)state;
    assert_false(vld_condition_asks_for_client("%{HTTP_HOST} %{REMOTE_ADDR}",
                                               "%{HTTP_HOST}"));
    assert_true(
        vld_condition_asks_for_client("%{HTTP_HOST} ${map:x}", "%{HTTP_HOST}"));
    assert_true(
        vld_condition_asks_for_client("expr \"%{HTTP_HOST} == 'a'\"", "expr"));
}

static void both_methods_or_neither(void **state)
{
    (void)state;
    assert_true(is_alike("^(GET|HEAD)$"));
    assert_true(is_alike("!^(HEAD|GET)$"));
    assert_true(is_alike("^(GET|POST|HEAD)"));
    assert_true(is_alike("^POST$"));
    assert_true(is_alike("=POST"));
    assert_true(is_alike("!=PROPFIND"));
    assert_true(is_alike("^(TRACE|TRACK)$"));
    assert_true(is_alike(""));
}

static void one_method_of_the_two(void **state)
{
    (void)state;
    assert_false(is_alike("^GET$"));
    assert_false(is_alike("=HEAD"));
    assert_false(is_alike("!^HEAD$"));
    assert_false(is_alike("^(GET|POST)$"));
}

static void parts_of_names(void **state)
{
    (void)state;
    assert_false(is_alike("^(GETS|HEADS)$"));
    assert_false(is_alike("GE"));
    assert_false(is_alike("GETHEAD"));
    assert_false(is_alike("BREW"));
    assert_false(is_alike("P"));
}

static void other_patterns(void **state)
{
    (void)state;
    assert_false(is_alike(".*"));
    assert_false(is_alike("^(GET|HEAD)."));
    assert_false(is_alike("[GH]"));
    assert_false(is_alike("GET?|HEAD"));
    assert_false(is_alike("get|head"));
    assert_false(is_alike("GET HEAD"));
    assert_false(is_alike("%{REQUEST_METHOD}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain_text, "plain text is the same for every client"),
        TEST(variables_of_the_target,
             "what the key of an answer has, or the server, is the same"),
        TEST(variables_of_the_client, "any other variable asks for the client"),
        TEST(names_that_only_begin_alike, "a name counts as a whole"),
        TEST(a_variable_without_an_end, "a variable without an end asks"),
        TEST(a_variable_in_another, "a variable in a variable's name asks"),
        TEST(maps_and_expressions, "rewrite maps and expressions ask"),
        TEST(variables_count_in_the_test_alone,
             "of a condition, variables count in its test, maps anywhere"),
        TEST(both_methods_or_neither,
             "a pattern with GET and HEAD, or with neither, is the same"),
        TEST(one_method_of_the_two, "a pattern with one of them is not"),
        TEST(parts_of_names, "a pattern with part of a name is not"),
        TEST(other_patterns, "a pattern that is not of whole names is not")
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
