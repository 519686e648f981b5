/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What the arguments of a directive ask of a request, and so whether a response
 * can depend on the client.  Pure: text in, verdict out; knows neither httpd
 * nor a request.  Private to server/access/. */
#ifndef SERVER_ACCESS_CONDITIONS_H
#define SERVER_ACCESS_CONDITIONS_H

#include <stdbool.h>
#include <stddef.h>

/* What a text asks for, besides what is the same for all clients that send the
 * same request target to the same host.  Any of these together. */
typedef enum vld_asks {
    VLD_ASKS_NOTHING = 0,
    /* What may differ between two of them.  Whatever is not recognised counts
     * as this. */
    VLD_ASKS_CLIENT = 1,
    /* A field that no request has to which the quick handler answers, and that
     * no prepared answer was made for: see vld_condition_closing_fields. */
    VLD_ASKS_CLOSED = 2,
    /* Accept-Encoding. */
    VLD_ASKS_CODING = 4,
    /* A variable of the environment, which other directives set. */
    VLD_ASKS_VARIABLE = 8,
    /* Origin. */
    VLD_ASKS_ORIGIN = 16,
    /* What does not differ between requests to which one answer is given. */
    VLD_ASKS_SAME = VLD_ASKS_CLOSED | VLD_ASKS_CODING | VLD_ASKS_ORIGIN
} vld_asks;

/* A field without which no request closes the quick path, NULL at the end:
 * Authorization, and those of content and of another protocol. */
extern const char *const vld_condition_closing_fields[];

/* What the variables (%{...}) of `test` ask for.  `test` is text, or that word
 * of it in which variables count; a rewrite map counts anywhere in text. */
unsigned vld_condition_asks(const char *text, const char *test);

/* What an expression of httpd's (ap_expr) asks for, one that is a condition:
 * its variables, its functions and its operators. */
unsigned vld_expression_asks(const char *text);

/* The same of one that is a text with variables and functions in it. */
unsigned vld_text_asks(const char *text);

/* What a question for the request's field of this name asks for. */
unsigned vld_field_asks(const char *name, size_t len);

/* Find the next variable of the environment in *at: its name, its length, and
 * *at behind it.  False: there is none. */
bool vld_condition_next_variable(const char **at, const char **name,
                                 size_t *len);

/* Whether a pattern for the request method treats GET and HEAD alike: it
 * consists of whole names of methods, and has both of the two or neither.  Errs
 * towards false. */
bool vld_condition_is_same_for_get_and_head(const char *pattern);

#endif /* SERVER_ACCESS_CONDITIONS_H */
