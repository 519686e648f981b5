/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The order of evaluation, RFC 9110 13.2.2, one step after the other.  Never
 * asks whether the response would be 2xx without preconditions: the caller has
 * done so (13.2.1). */
#include "validators/precond.h"

/* The result of one field.  MUTE: it is absent or must be ignored. */
typedef enum truth { MUTE, IS_TRUE, IS_FALSE } truth;

static bool is_present(vld_span field)
{
    return field.ptr != NULL;
}

/* The tag, and then those of the other codings. */
static vld_list_match find_tag(vld_span field, const vld_etag *tag,
                               const vld_span *coded, bool strong)
{
    vld_list_match match = vld_etag_list_find(field, tag, strong);
    vld_etag other;

    for (; match == VLD_LIST_NO_MATCH && coded && coded->ptr; coded++) {
        if (vld_etag_parse(*coded, &other)) {
            match = vld_etag_list_find(field, &other, strong);
        }
    }
    return match;
}

/* 13.1.1.  A malformed field names no tag, so the condition is false. */
static truth if_match(vld_span field, const vld_etag *tag,
                      const vld_span *coded)
{
    vld_list_match match;

    if (!is_present(field)) {
        return MUTE;
    }
    match = find_tag(field, tag, coded, true);
    return match == VLD_LIST_MATCH || match == VLD_LIST_ANY ? IS_TRUE
                                                            : IS_FALSE;
}

/* 13.1.2.  A malformed field names no tag, so the condition is true.  It still
 * silences If-Modified-Since, because the field is present. */
static truth if_none_match(vld_span field, const vld_etag *tag,
                           const vld_span *coded)
{
    vld_list_match match;

    if (!is_present(field)) {
        return MUTE;
    }
    match = find_tag(field, tag, coded, false);
    return match == VLD_LIST_MATCH || match == VLD_LIST_ANY ? IS_FALSE
                                                            : IS_TRUE;
}

/* 13.1.4; its negation is 13.1.3.  A date in the future is compared like any
 * other. */
static truth unmodified_since(vld_span field, const vld_validators *current,
                              int64_t now_s)
{
    int64_t date;

    if (!is_present(field) || !current->has_last_modified
        || !vld_date_parse(field, now_s, &date)) {
        return MUTE;
    }
    return current->last_modified <= date ? IS_TRUE : IS_FALSE;
}

/* 13.1.3 */
static truth modified_since(vld_span field, const vld_validators *current,
                            int64_t now_s)
{
    truth not_modified = unmodified_since(field, current, now_s);

    if (not_modified == MUTE) {
        return MUTE;
    }
    return not_modified == IS_TRUE ? IS_FALSE : IS_TRUE;
}

/* 13.1.5 */
static bool is_if_range_true(vld_span field, const vld_validators *current,
                             const vld_etag *tag, int64_t now_s)
{
    vld_etag wanted;
    int64_t date;

    if (vld_etag_parse(field, &wanted)) {
        return tag && vld_etag_equal_strong(&wanted, tag);
    }
    return current->has_last_modified && current->date_is_strong
           && vld_date_parse(field, now_s, &date)
           && date == current->last_modified;
}

/* Steps 1 and 2: whether the condition on the current state is false. */
static bool is_state_refused(const vld_preconditions *request,
                             const vld_validators *current, const vld_etag *tag,
                             int64_t now_s, vld_rule *rule)
{
    truth result = if_match(request->if_match, tag, current->coded);

    if (result != MUTE) {
        *rule = VLD_RULE_IF_MATCH;
        return result == IS_FALSE;
    }
    result = unmodified_since(request->if_unmodified_since, current, now_s);
    if (result != MUTE) {
        *rule = VLD_RULE_IF_UNMODIFIED_SINCE;
    }
    return result == IS_FALSE;
}

/* Steps 3 and 4: whether the client's copy is still current. */
static bool is_copy_current(const vld_preconditions *request,
                            const vld_validators *current, const vld_etag *tag,
                            int64_t now_s, vld_rule *rule)
{
    truth result = if_none_match(request->if_none_match, tag, current->coded);

    if (result != MUTE) {
        *rule = VLD_RULE_IF_NONE_MATCH;
        return result == IS_FALSE;
    }
    if (request->method == VLD_METHOD_OTHER) {
        return false;
    }
    result = modified_since(request->if_modified_since, current, now_s);
    if (result != MUTE) {
        *rule = VLD_RULE_IF_MODIFIED_SINCE;
    }
    return result == IS_FALSE;
}

/* Step 5.  Range is defined for GET alone (14.2). */
static bool is_range_wanted(const vld_preconditions *request,
                            const vld_validators *current, const vld_etag *tag,
                            int64_t now_s, vld_rule *rule)
{
    if (request->method != VLD_METHOD_GET || !is_present(request->range)) {
        return false;
    }
    if (!is_present(request->if_range)) {
        return true;
    }
    *rule = VLD_RULE_IF_RANGE;
    return is_if_range_true(request->if_range, current, tag, now_s);
}

static vld_decision decide(vld_outcome outcome, vld_rule rule)
{
    vld_decision decision;

    decision.outcome = outcome;
    decision.rule = rule;
    return decision;
}

vld_decision vld_precond_evaluate(const vld_preconditions *request,
                                  const vld_validators *current, int64_t now_s)
{
    vld_rule rule = VLD_RULE_NONE;
    vld_etag parsed;
    const vld_etag *tag = NULL;

    if (request->method == VLD_METHOD_UNCONDITIONAL) {
        return decide(VLD_PERFORM, VLD_RULE_METHOD);
    }
    if ((is_present(request->if_none_match) || is_present(request->if_match)
         || is_present(request->if_range))
        && vld_etag_parse(current->etag, &parsed)) {
        tag = &parsed;
    }

    if (is_state_refused(request, current, tag, now_s, &rule)) {
        return decide(VLD_PRECONDITION_FAILED, rule);
    }
    if (is_copy_current(request, current, tag, now_s, &rule)) {
        return decide(request->method == VLD_METHOD_OTHER
                          ? VLD_PRECONDITION_FAILED
                          : VLD_NOT_MODIFIED,
                      rule);
    }
    if (is_range_wanted(request, current, tag, now_s, &rule)) {
        return decide(VLD_PERFORM_RANGE, rule);
    }
    return decide(VLD_PERFORM, rule);
}

const char *vld_rule_name(vld_rule rule)
{
    switch (rule) {
    case VLD_RULE_NONE: break;
    case VLD_RULE_METHOD: return "method";
    case VLD_RULE_IF_MATCH: return "If-Match";
    case VLD_RULE_IF_UNMODIFIED_SINCE: return "If-Unmodified-Since";
    case VLD_RULE_IF_NONE_MATCH: return "If-None-Match";
    case VLD_RULE_IF_MODIFIED_SINCE: return "If-Modified-Since";
    case VLD_RULE_IF_RANGE: return "If-Range";
    }
    return "none";
}
