/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether the arguments of a directive can make a response depend on the
 * client.  Pure: text in, verdict out; knows neither httpd nor a request.
 * Private to server/access/. */
#ifndef SERVER_ACCESS_CONDITIONS_H
#define SERVER_ACCESS_CONDITIONS_H

#include <stdbool.h>

/* Whether text asks for anything that may differ between two clients that send
 * the same request target to the same host: a variable that is not on the list
 * of those that cannot, a rewrite map, an expression.  `test` is text, or that
 * word of it in which variables count; a rewrite map counts anywhere in text.
 * Errs towards true. */
bool vld_condition_asks_for_client(const char *text, const char *test);

/* Whether a pattern for the request method treats GET and HEAD alike: it
 * consists of whole names of methods, and has both of the two or neither.  Errs
 * towards false. */
bool vld_condition_is_same_for_get_and_head(const char *pattern);

#endif /* SERVER_ACCESS_CONDITIONS_H */
