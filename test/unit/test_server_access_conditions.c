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
    return vld_condition_asks(text, text) & VLD_ASKS_CLIENT;
}

static bool expr_asks(const char *text)
{
    return vld_expression_asks(text) & VLD_ASKS_CLIENT;
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
    assert_true(asks("%{TIME_HOUR}"));
    assert_true(asks("%{REQUEST_METHOD}"));
    assert_true(asks("%{HTTP_HOST} and then %{REMOTE_USER}"));
    assert_true(asks("- [E=who:%{REMOTE_ADDR}]"));
}

static void fields_that_close_the_quick_path(void **state)
{
    static const char *const names[] = { "Authorization", "Content-Length",
                                         "Transfer-Encoding", "Expect",
                                         "Upgrade" };
    char text[64];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(text, sizeof(text), "%%{HTTP:%s}", names[i]);
        assert_int_equal(vld_condition_asks(text, text), VLD_ASKS_CLOSED);
        snprintf(text, sizeof(text), "%%{req:%s} == 'x'", names[i]);
        assert_int_equal(vld_expression_asks(text), VLD_ASKS_CLOSED);
    }
    assert_int_equal(vld_condition_asks("", "%{http:AUTHORIZATION}"),
                     VLD_ASKS_CLOSED);
    assert_int_equal(vld_condition_asks("", "%{HTTP:Host}"), VLD_ASKS_NOTHING);
    assert_int_equal(vld_condition_asks("", "%{HTTP:Host}%{HTTP:origin}"),
                     VLD_ASKS_ORIGIN);
    assert_int_equal(vld_condition_asks("", "%{HTTP:Accept-Encoding}"),
                     VLD_ASKS_CODING);
    assert_true(asks("%{HTTP:Authorization}%{HTTP:Cookie}"));
    assert_true(asks("%{HTTP:Authorization2}"));
    assert_true(asks("%{HTTP:Proxy-Authorization}"));
    assert_true(asks("%{HTTP:}"));
}

static void variables_of_the_environment(void **state)
{
    const char *at =
        "%{ENV:one}%{HTTP_HOST}-%{md5:%{reqenv:two}}%{env:}%{ENV:three";
    const char *name;
    size_t len;

    (void)state;
    assert_int_equal(vld_condition_asks("", "%{ENV:x}"), VLD_ASKS_VARIABLE);
    assert_int_equal(vld_condition_asks("", "%{ENV:x}%{REMOTE_ADDR}"),
                     VLD_ASKS_VARIABLE | VLD_ASKS_CLIENT);
    assert_true(vld_condition_next_variable(&at, &name, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(name, "one", 3);
    assert_true(vld_condition_next_variable(&at, &name, &len));
    assert_int_equal(len, 3);
    assert_memory_equal(name, "two", 3);
    assert_false(vld_condition_next_variable(&at, &name, &len));
}

static void expressions_that_are_the_same(void **state)
{
    (void)state;
    assert_false(expr_asks(""));
    assert_false(expr_asks("true"));
    assert_false(expr_asks("%{QUERY_STRING} =~ /(^|&)v=/"));
    assert_false(expr_asks("%{REQUEST_URI} =~ m#/login$#"));
    assert_false(expr_asks("%{REQUEST_URI} !~ m|file(a)| && (1 -eq 1)"));
    assert_false(expr_asks("%{HTTPS} == 'on' and (%{SERVER_PORT} -gt 80)"));
    assert_false(expr_asks("%{REQUEST_STATUS} == 200"));
    assert_false(expr_asks("%{CONTENT_TYPE} =~ m#^text/#"));
    assert_false(expr_asks("%{resp:Content-Type} in { 'a', 'b' }"));
    assert_false(expr_asks("tolower(%{HTTP_HOST}) == \"x %{HTTP_HOST}\""));
    assert_false(expr_asks("-f %{REQUEST_FILENAME}"));
    assert_int_equal(vld_text_asks("x=%{base64:%{REQUEST_URI}} f(y)"), 0);
    assert_false(expr_asks("'%{escape:%{REQUEST_URI}}' == 'x'"));
    assert_false(expr_asks("%{REQUEST_URI} == '-R req(x)'"));
}

static void expressions_that_ask_for_the_client(void **state)
{
    (void)state;
    assert_true(expr_asks("%{HTTP_COOKIE} =~ /x/"));
    assert_true(expr_asks("%{REQUEST_URI} =~ m#/a/# && %{REMOTE_ADDR} == 'x'"));
    assert_true(expr_asks("'x%{HTTP_USER_AGENT}' == 'x'"));
    assert_true(expr_asks("\"%{req:X}\" == 'x'"));
    assert_true(expr_asks("-R '10.0.0.0/8'"));
    assert_true(expr_asks("! -R '10.0.0.0/8'"));
    assert_true(expr_asks("-U '/x'"));
    assert_true(expr_asks("-F '/x'"));
    assert_true(expr_asks("-A '/x'"));
    assert_true(expr_asks("req('Cookie') == 'x'"));
    assert_true(expr_asks("%{escape:%{HTTP_COOKIE}} == 'x'"));
    assert_true(expr_asks("%{ldap:x} == 'x'"));
    assert_int_equal(vld_text_asks("a=~ /%{HTTP_COOKIE}/"), VLD_ASKS_CLIENT);
    assert_int_equal(vld_text_asks("'%{reqenv:x}"), VLD_ASKS_VARIABLE);
    assert_true(expr_asks("http (Cookie) == 'x'"));
    assert_true(expr_asks("reqenv('x') == 'x'"));
    assert_true(expr_asks("tolower(req('Cookie')) == 'x'"));
    assert_true(expr_asks("%{TIME_HOUR} -gt 8"));
    assert_true(expr_asks("%{resp:X-Foo} == 'x'"));
    assert_true(expr_asks("%{note:x} == 'x'"));
    assert_true(expr_asks("%{HTTP_HOST"));
    assert_true(
        expr_asks("%{REQUEST_URI} =~ m#a\\#b# || %{HTTP_COOKIE} == 'x'"));
    assert_true(
        expr_asks("%{REQUEST_URI} == 'a\\'b' || %{HTTP_COOKIE} == 'x'"));
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
    assert_int_equal(vld_condition_asks("%{HTTP_HOST} %{REMOTE_ADDR}",
                                        "%{HTTP_HOST}"),
                     VLD_ASKS_NOTHING);
    assert_int_equal(vld_condition_asks("%{HTTP_HOST} ${map:x}",
                                        "%{HTTP_HOST}"),
                     VLD_ASKS_CLIENT);
    assert_int_equal(vld_condition_asks("expr \"%{HTTP_HOST} == 'a'\"", "expr"),
                     VLD_ASKS_CLIENT);
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
        TEST(fields_that_close_the_quick_path,
             "fields that a quick request cannot have are told apart"),
        TEST(variables_of_the_environment,
             "variables of the environment are found"),
        TEST(expressions_that_are_the_same,
             "expressions on the target and the response are the same"),
        TEST(expressions_that_ask_for_the_client,
             "any other expression asks for the client"),
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
