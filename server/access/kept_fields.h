/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Which fields of a response are kept for its 304s.  Pure. */
#ifndef SERVER_ACCESS_KEPT_FIELDS_H
#define SERVER_ACCESS_KEPT_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the field is kept in a prepared answer. */
bool vld_kept_is_kept(const char *name);
/* Whether a 304 must have the field where its 200 has it: RFC 9110 15.4.5 says
 * so, or a browser's script needs it to see the response. */
bool vld_kept_is_needed(const char *name);
/* Whether the field is kept, or decides whether and how a response is kept. */
bool vld_kept_matters(const char *name);
/* Whether the name of such a field may begin with this. */
bool vld_kept_may_begin_with(const char *begin, size_t len);
/* Whether the field names a nonce of the content that it came with: by a source
 * of a policy ('nonce-...'), or by an attribute of Link.  A 304 with it would
 * put it beside the stored content, which has another.  Not for fields that a
 * 304 must have. */
bool vld_kept_has_nonce(const char *name, const char *value);

#endif /* SERVER_ACCESS_KEPT_FIELDS_H */
