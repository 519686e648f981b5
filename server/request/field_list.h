/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What the values of Vary, Cache-Control and other fields of a response say.
 * Pure: text in, verdict out; knows neither httpd nor a response. */
#ifndef SERVER_REQUEST_FIELD_LIST_H
#define SERVER_REQUEST_FIELD_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* Find the next name in the list *at: its octets, which may be none, and *at
 * behind it.  A name ends at white space, a comma or a semicolon; what follows
 * it up to the comma is no part of it.  False: the list is over. */
bool vld_field_list_next(const char **at, const char **name, size_t *len);

/* Whether a Cache-Control value has a directive, with or without an argument.
 * A name inside a quoted string counts too: in doubt, the directive is
 * there. */
bool vld_field_has_directive(const char *value, const char *name);

/* Whether a value has a time of the request in it, as mod_headers' %t and %D
 * write it: in microseconds since 1970, and what the request took. */
bool vld_field_has_clock(const char *value);

#endif /* SERVER_REQUEST_FIELD_LIST_H */
