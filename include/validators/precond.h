/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Preconditions of RFC 9110: entity tags (8.8.3), HTTP dates (5.6.7) and the
 * order of evaluation (13.2.2).  Pure functions: no APR, no allocation, no
 * clock, no state; every thread may call them.  Malformed input is an answer
 * ("no match", "not a date"), never an error. */
#ifndef VALIDATORS_PRECOND_H
#define VALIDATORS_PRECOND_H

#include "validators/types.h"

/* --- entity tags, RFC 9110 8.8.3 ----------------------------------------- */

/* One entity tag.  opaque spans the octets between the quotes and points
 * into the parsed text. */
typedef struct vld_etag {
    vld_span opaque;
    bool weak;
} vld_etag;

/* Parse text as exactly one entity tag, optional white space around it
 * allowed.  `W/` is case-sensitive; no backslash escapes; the octets are
 * %x21 / %x23-7E / %x80-FF.  False (and *out untouched) when it is not. */
bool vld_etag_parse(vld_span text, vld_etag *out);

/* RFC 9110 8.8.3.2.  Strong: both strong and equal octets.  Weak: equal
 * octets. */
bool vld_etag_equal_strong(const vld_etag *a, const vld_etag *b);
bool vld_etag_equal_weak(const vld_etag *a, const vld_etag *b);

/* The result of looking for one tag in an If-Match or If-None-Match value. */
typedef enum vld_list_match {
    VLD_LIST_NO_MATCH, /* well-formed, the tag is not in it (or *, no tag) */
    VLD_LIST_MATCH,    /* well-formed list that has the tag */
    VLD_LIST_ANY,      /* exactly "*" */
    VLD_LIST_MALFORMED /* neither "*" nor a list of entity tags */
} vld_list_match;

/* Look for `tag` (NULL: the representation has none) in a field value that
 * is `*` or #entity-tag.  Field lines are joined by "," as 5.3 says; empty
 * members are ignored (5.6.1); the whole value is checked, so that
 * `"a", foo` is malformed even where "a" would match. */
vld_list_match vld_etag_list_find(vld_span value, const vld_etag *tag,
                                  bool strong);

/* --- dates, RFC 9110 5.6.7 ----------------------------------------------- */

/* Parse exactly one HTTP-date (IMF-fixdate, RFC 850, asctime; white space
 * around it allowed) into seconds since 1970.  now_s places the two-digit
 * years of RFC 850.  False for anything else: zones other than GMT, two
 * dates, trailing text, days that the month does not have.  Second 60 counts
 * as the first of the next minute.  Names are case-sensitive; that of the day
 * need not fit the date. */
bool vld_date_parse(vld_span text, int64_t now_s, int64_t *out_s);

/* Octets of an IMF-fixdate with its NUL. */
#define VLD_DATE_SIZE 30

/* Write seconds since 1970 as IMF-fixdate.  A time outside of the years 0
 * to 9999 is written as the nearest second inside. */
void vld_date_format(int64_t s, char out[VLD_DATE_SIZE]);

/* --- the decision, RFC 9110 13.2.2 --------------------------------------- */

typedef enum vld_method {
    VLD_METHOD_GET,
    VLD_METHOD_HEAD,
    VLD_METHOD_OTHER,        /* PUT, POST, DELETE, ... */
    VLD_METHOD_UNCONDITIONAL /* CONNECT, OPTIONS, TRACE: 13.2.1 */
} vld_method;

/* The request's side.  The caller joins the lines of one field by ", ". */
typedef struct vld_preconditions {
    vld_method method;
    vld_span if_match;
    vld_span if_unmodified_since;
    vld_span if_none_match;
    vld_span if_modified_since;
    vld_span range;
    vld_span if_range;
} vld_preconditions;

/* The selected representation's side.  etag is the field value as sent
 * (with quotes); one that does not parse counts as none. */
typedef struct vld_validators {
    vld_span etag; /* ptr == NULL: none */
    bool has_last_modified;
    bool date_is_strong;   /* 8.8.2.2: known not to have changed twice in
                            * the second that last_modified names */
    int64_t last_modified; /* seconds since 1970 */
    /* Further entity tags that name this state: those of its other codings,
     * where the condition is on the state and not on a copy.  Field values, the
     * last has ptr NULL; NULL: none. */
    const vld_span *coded;
} vld_validators;

typedef enum vld_outcome {
    VLD_PERFORM,            /* 200: Range, if any, is to be ignored */
    VLD_PERFORM_RANGE,      /* as Range asks: 206, 416, or 200 where the server
                             * does not do this range */
    VLD_NOT_MODIFIED,       /* 304 */
    VLD_PRECONDITION_FAILED /* 412 */
} vld_outcome;

/* The step of 13.2.2 that decided, for the log: the last one that applied.
 * A field that must be ignored does not apply; Range without If-Range is no
 * precondition. */
typedef enum vld_rule {
    VLD_RULE_NONE,   /* no precondition applied */
    VLD_RULE_METHOD, /* 13.2.1: the method has none */
    VLD_RULE_IF_MATCH,
    VLD_RULE_IF_UNMODIFIED_SINCE,
    VLD_RULE_IF_NONE_MATCH,
    VLD_RULE_IF_MODIFIED_SINCE,
    VLD_RULE_IF_RANGE
} vld_rule;

typedef struct vld_decision {
    vld_outcome outcome;
    vld_rule rule;
} vld_decision;

/* Evaluate the preconditions of a request whose response without them would
 * be 2xx, for a representation that exists.  now_s as for vld_date_parse.
 * RFC 9110 13.1.1 to 13.1.5, 13.2.2, 14.2.
 * test/tables/ holds the rows that prove it. */
vld_decision vld_precond_evaluate(const vld_preconditions *request,
                                  const vld_validators *current, int64_t now_s);

/* The field's name as in the RFC ("If-None-Match"), else "method" or "none":
 * a constant. */
const char *vld_rule_name(vld_rule rule);

#endif /* VALIDATORS_PRECOND_H */
