/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The preconditions of a request on a file of mod_dav's, evaluated by the tags
 * that GET shows, and again at the last moment.  Changes no file.
 *
 * mod_dav evaluates preconditions before it reads the request's content, and
 * would overwrite what another client writes meanwhile.  So they are evaluated
 * again when the file is replaced or removed, by one request at a time. */
#include <sys/stat.h>

#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <mod_dav.h>

#include "server/config.h"
#include "server/dav/dav_judge.h"
#include "server/dav/dav_view.h"
#include "server/note.h"
#include "server/request/fields.h"
#include "server/request/tag.h"
#include "validators/precond.h"

#define inner vld_dav_inner

static dav_error *(*validate_request)(request_rec *, dav_resource *, int,
                                      dav_locktoken *, dav_response **, int,
                                      dav_lockdb *);

/* --- the request's preconditions ----------------------------------------- */

/* The preconditions of a request, and the resource when they were evaluated. */
typedef struct verdict {
    vld_preconditions asked;
    bool by_tag;   /* `If` names entity tags */
    bool is_shown; /* GET shows our tag; else mod_dav's is the one */
    bool exists;
    const char *etag; /* "": none */
    vld_identity identity;
} verdict;

#define VERDICT "validators_dav_verdict"

static const verdict *verdict_of(request_rec *r)
{
    void *given = NULL;

    apr_pool_userdata_get(&given, VERDICT, r->pool);
    return given;
}

bool vld_dav_judge_has(request_rec *r)
{
    return verdict_of(r) != NULL;
}

static bool names_tags(const request_rec *r)
{
    const char *field = apr_table_get(r->headers_in, "If");

    return field && strchr(field, '[');
}

static bool has_precondition(const vld_preconditions *asked)
{
    return asked->if_match.ptr || asked->if_none_match.ptr
           || asked->if_unmodified_since.ptr;
}

/* Without a resource only If-Match is false: RFC 9110 13.1.1 to 13.1.4. */
static bool do_preconditions_hold(request_rec *r, const verdict *of,
                                  apr_int64_t date)
{
    vld_validators current = { { NULL, 0 }, true, false, date, NULL };

    if (!of->exists) {
        return !of->asked.if_match.ptr;
    }
    if (of->etag[0]) {
        current.etag.ptr = of->etag;
        current.etag.len = strlen(of->etag);
        /* mod_dav's own tag has no codings: GET does not send the file. */
        current.coded = of->is_shown ? vld_tag_of_codings(r->pool, of->etag)
                                     : NULL;
    }
    return vld_precond_evaluate(&of->asked, &current,
                                apr_time_sec(r->request_time))
               .outcome
           != VLD_PRECONDITION_FAILED;
}

static dav_error *refuse_request(request_rec *r, const char *why)
{
    dav_error *err = apr_pcalloc(r->pool, sizeof(*err));

    err->status = HTTP_PRECONDITION_FAILED;
    vld_note(r, VLD_WORD_FAILED, why);
    return err;
}

/* RFC 9110 13.2.1: a request that fails anyway, as for a locked resource, fails
 * for that reason.  Called when the preconditions are false; r->no_local_copy
 * keeps mod_dav from evaluating them itself. */
static dav_error *find_refusal(request_rec *r, dav_resource *resource)
{
    dav_response *several = NULL;
    dav_error *err = NULL;

    if (r->method_number != M_LOCK && r->method_number != M_UNLOCK) {
        err = validate_request(r, resource, 0, NULL, &several,
                               r->method_number == M_COPY
                                   ? DAV_VALIDATE_RESOURCE
                                         | DAV_VALIDATE_NO_MODIFY
                                   : DAV_VALIDATE_RESOURCE,
                               NULL);
    }
    if (err && !several && err->status != HTTP_PRECONDITION_FAILED) {
        return err;
    }
    return refuse_request(r, NULL);
}

/* Preconditions apply to the target.  mod_dav applies `If-Match: *` to the
 * destination too, which need not exist: unset it. */
static void spare_destination(const dav_resource *destination)
{
    request_rec *r = inner->get_request_rec(destination);

    r->headers_in = apr_table_copy(r->pool, r->headers_in);
    apr_table_unset(r->headers_in, "If-Match");
}

/* Describe the resource: as GET shows it, or else as mod_dav does.  Returns its
 * date. */
static apr_int64_t describe_resource(const dav_resource *resource, verdict *out)
{
    const vld_as_get *v = vld_dav_view(resource);
    struct stat st;

    out->is_shown = v || !resource->exists;
    out->exists = resource->exists;
    out->etag = "";
    if (v) {
        out->etag = apr_pstrdup(resource->pool, v->shown.etag);
        out->identity = v->shown.identity;
        return v->shown.date;
    }
    if (resource->exists && !stat(inner->get_pathname(resource), &st)) {
        out->etag = inner->getetag(resource);
        vld_identity_of(&st, &out->identity);
        return st.st_mtime;
    }
    return 0;
}

/* mod_dav does not evaluate where no_local_copy is set; mod_include sets it
 * without evaluating, so it is not asked here. */
static dav_error *judge_request(request_rec *r, dav_resource *resource,
                                const dav_resource *destination)
{
    verdict *given = apr_pcalloc(r->pool, sizeof(*given));
    apr_int64_t date;

    vld_preconditions_of(r, &given->asked);
    given->by_tag = names_tags(r);
    if (!has_precondition(&given->asked) && !given->by_tag) {
        return NULL;
    }
    date = describe_resource(resource, given);
    apr_pool_userdata_setn(given, VERDICT, NULL, r->pool);
    r->no_local_copy = 1;
    if (destination) {
        spare_destination(destination);
    }
    return do_preconditions_hold(r, given, date) ? NULL
                                                 : find_refusal(r, resource);
}

/* Whether the preconditions are evaluated here.  mod_dav keeps the requests
 * that it refuses in any case, and collections, of which GET shows another
 * resource. */
static bool is_judged(const request_rec *r, const dav_resource *resource,
                      const dav_resource *destination)
{
    switch (r->method_number) {
    case M_PUT:
    case M_LOCK: return !resource->collection;
    case M_MKCOL: return !resource->exists;
    case M_DELETE:
    case M_PROPPATCH:
    case M_UNLOCK: return resource->exists && !resource->collection;
    case M_COPY:
    case M_MOVE:
        /* mod_dav calls twice; the second time it knows the destination. */
        return resource->exists && !resource->collection && destination;
    }
    return false;
}

static int check_precondition(request_rec *r, dav_resource *resource,
                              const dav_resource *destination,
                              const apr_xml_doc *doc, dav_error **err)
{
    (void)doc;
    *err = NULL;
    if (resource && resource->hooks == &vld_dav_outer
        && vld_config_of(r)->engine == VLD_ON
        && is_judged(r, resource, destination)) {
        *err = judge_request(r, resource, destination);
    }
    return *err ? (*err)->status : DECLINED;
}

/* --- the same at the last moment ----------------------------------------- */

static void look_at_path_again(request_rec *r, const char *path, verdict *now)
{
    vld_representation shown;
    struct stat st;

    if (now->is_shown) {
        vld_representation_now(r, path, vld_config_of(r), NULL, &shown);
        now->exists = shown.exists;
        now->identity = shown.identity;
        now->etag = apr_pstrdup(r->pool, shown.etag);
        return;
    }
    now->etag = "";
    now->exists = !stat(path, &st);
    if (now->exists) {
        vld_identity_of(&st, &now->identity);
    }
}

static bool is_same_state(const verdict *a, const verdict *b)
{
    if (a->exists != b->exists) {
        return false;
    }
    return !a->exists
           || (a->is_shown && a->etag[0]
                   ? !strcmp(a->etag, b->etag)
                   : vld_identity_equal(&a->identity, &b->identity,
                                        VLD_COMPARE_STRICT));
}

/* The file has changed since: treat its date as later than any date in the
 * request. */
dav_error *vld_dav_judge_again(const dav_resource *resource)
{
    request_rec *r = inner->get_request_rec(resource);
    const verdict *given = verdict_of(r);
    verdict now;

    if (!given) {
        return NULL;
    }
    now = *given;
    look_at_path_again(r, inner->get_pathname(resource), &now);
    if (is_same_state(given, &now)
        || (!given->by_tag && do_preconditions_hold(r, &now, APR_INT64_MAX))) {
        return NULL;
    }
    return refuse_request(r, "the file was changed while the request came in");
}

/* --- the If field -------------------------------------------------------- */

static bool is_named(request_rec *r, const char *etag)
{
    return ap_strstr_c(apr_table_get(r->headers_in, "If"),
                       apr_pstrcat(r->pool, "[", etag, "]", NULL))
           != NULL;
}

/* mod_dav compares octets: it gets the tag in that of its forms which the
 * client has been given. */
const char *vld_dav_judge_tag(const dav_resource *resource)
{
    request_rec *r = inner->get_request_rec(resource);
    const vld_as_get *v = r && names_tags(r) ? vld_dav_view(resource) : NULL;
    const vld_span *coded;

    if (!v) {
        return NULL;
    }
    if (v->shown.etag[0] && !is_named(r, v->shown.etag)) {
        for (coded = vld_tag_of_codings(resource->pool, v->shown.etag);
             coded->ptr; coded++) {
            if (is_named(r, coded->ptr)) {
                return coded->ptr;
            }
        }
    }
    return apr_pstrdup(resource->pool, v->shown.etag);
}

/* --- start-up ------------------------------------------------------------ */

bool vld_dav_judge_hook(apr_dso_handle_t *dav)
{
    void (*on_method)(dav_HOOK_method_precondition_t *, const char *const *,
                      const char *const *, int);

    *(void **)&validate_request = vld_dav_function(dav, "dav_validate_request");
    *(void **)&on_method = vld_dav_function(dav,
                                            "dav_hook_method_precondition");
    if (!validate_request || !on_method) {
        return false;
    }
    on_method(check_precondition, NULL, NULL, APR_HOOK_MIDDLE);
    return true;
}
