/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* mod_dav's files have the tags that GET shows, in preconditions and in the
 * `If` field.  Never stores or sends a file itself.
 *
 * mod_dav asks its file system provider for resources, and these for their
 * tags.  So the provider is registered again, with a repository that
 * replaces some functions and calls the original for the rest.  mod_dav
 * evaluates preconditions before it reads the request's content, and would
 * overwrite what another client writes meanwhile.  So they are evaluated
 * again when the file is replaced or removed, by one request at a time.
 *
 * mod_dav may not be loaded: its functions are looked up by name, not
 * linked. */
#include <sys/stat.h>

#include <apr_dso.h>
#include <apr_global_mutex.h>
#include <apr_strings.h>

#include <httpd.h>
#include <ap_provider.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <mod_dav.h>
#include <util_mutex.h>

#include "server/config.h"
#include "server/dav/dav.h"
#include "server/dav/dav_props.h"
#include "server/dav/dav_view.h"
#include "server/note.h"
#include "server/request/fields.h"
#include "validators/precond.h"

APLOG_USE_MODULE(validators);

/* The name for the directive Mutex. */
#define MUTEX "validators-dav"

#define COPY_CHUNK 65536

#define inner vld_dav_inner

static dav_error *(*validate_request)(request_rec *, dav_resource *, int,
                                      dav_locktoken *, dav_response **, int,
                                      dav_lockdb *);
static apr_global_mutex_t *mutex;

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
    vld_validators current = { { NULL, 0 }, true, false, date };

    if (!of->exists) {
        return !of->asked.if_match.ptr;
    }
    if (of->etag[0]) {
        current.etag.ptr = of->etag;
        current.etag.len = strlen(of->etag);
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
static dav_error *judge_again(const dav_resource *resource)
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

static void lock_files(void)
{
    if (mutex) {
        apr_global_mutex_lock(mutex);
    }
}

static void unlock_files(void)
{
    if (mutex) {
        apr_global_mutex_unlock(mutex);
    }
}

/* --- the repository ------------------------------------------------------ */

/* Every resource gets the outer repository, also where the engine is off:
 * mod_dav does not move or copy between two repositories. */
static dav_error *get_resource(request_rec *r, const char *root,
                               const char *label, int checked_in,
                               dav_resource **out)
{
    dav_error *err = inner->get_resource(r, root, label, checked_in, out);

    if (!err && *out && vld_config_global()->any_engine_on) {
        (*out)->hooks = &vld_dav_outer;
    }
    return err;
}

/* mod_dav always asks for the tag; it is needed only where `If` names one. */
static const char *getetag(const dav_resource *resource)
{
    request_rec *r = inner->get_request_rec(resource);
    const vld_as_get *v = r && names_tags(r) ? vld_dav_view(resource) : NULL;

    return v ? apr_pstrdup(resource->pool, v->shown.etag)
             : inner->getetag(resource);
}

static dav_error *remove_resource(dav_resource *resource,
                                  dav_response **response)
{
    dav_error *err;

    if (resource->collection) {
        return inner->remove_resource(resource, response);
    }
    *response = NULL;
    lock_files();
    err = judge_again(resource);
    if (!err) {
        err = inner->remove_resource(resource, response);
    }
    unlock_files();
    return err;
}

/* --- its streams --------------------------------------------------------- */

/* The stream that mod_dav gets: the provider's own, and its resource. */
struct dav_stream {
    dav_stream *own;
    const dav_resource *resource;
};

/* Copy the present content, of which a part is going to be replaced. */
static dav_error *copy_content(const dav_resource *resource, dav_stream *to)
{
    apr_pool_t *p = resource->pool;
    char *buf = apr_palloc(p, COPY_CHUNK);
    apr_size_t len = COPY_CHUNK;
    dav_error *err = NULL;
    apr_file_t *from;

    if (apr_file_open(&from, inner->get_pathname(resource),
                      APR_FOPEN_READ | APR_FOPEN_BINARY, APR_OS_DEFAULT, p)
        != APR_SUCCESS) {
        return NULL;
    }
    while (!err && apr_file_read(from, buf, &len) == APR_SUCCESS) {
        err = inner->write_stream(to, buf, len);
        len = COPY_CHUNK;
    }
    apr_file_close(from);
    return err;
}

/* mod_dav_fs writes a part (Content-Range) into the file itself, which a second
 * evaluation could not undo.  With preconditions the part goes into a new file,
 * as a whole content does. */
static dav_error *open_stream(const dav_resource *resource,
                              dav_stream_mode mode, dav_stream **out)
{
    dav_stream *stream = apr_pcalloc(resource->pool, sizeof(*stream));
    bool in_part = mode == DAV_MODE_WRITE_SEEKABLE
                   && verdict_of(inner->get_request_rec(resource));
    dav_error *err = inner->open_stream(resource,
                                        in_part ? DAV_MODE_WRITE_TRUNC : mode,
                                        &stream->own);

    stream->resource = resource;
    *out = stream;
    return err || !in_part ? err : copy_content(resource, stream->own);
}

static dav_error *close_stream(dav_stream *stream, int commit)
{
    dav_error *changed, *err;

    if (!commit) {
        return inner->close_stream(stream->own, 0);
    }
    lock_files();
    changed = judge_again(stream->resource);
    err = inner->close_stream(stream->own, !changed);
    unlock_files();
    return changed ? changed : err;
}

static dav_error *write_stream(dav_stream *stream, const void *octets,
                               apr_size_t len)
{
    return inner->write_stream(stream->own, octets, len);
}

static dav_error *seek_stream(dav_stream *stream, apr_off_t to)
{
    return inner->seek_stream(stream->own, to);
}

/* --- start-up ------------------------------------------------------------ */

static bool hook_into_dav(apr_dso_handle_t *dav)
{
    void (*on_method)(dav_HOOK_method_precondition_t *, const char *const *,
                      const char *const *, int);

    *(void **)&validate_request = vld_dav_function(dav, "dav_validate_request");
    *(void **)&on_method = vld_dav_function(dav,
                                            "dav_hook_method_precondition");
    if (!validate_request || !on_method || !vld_dav_props_hook(dav)) {
        return false;
    }
    on_method(check_precondition, NULL, NULL, APR_HOOK_MIDDLE);
    return true;
}

static void wrap_provider(apr_pool_t *pconf, const dav_provider *original)
{
    static dav_provider provider;

    inner = original->repos;
    vld_dav_outer = *inner;
    vld_dav_outer.get_resource = get_resource;
    vld_dav_outer.open_stream = open_stream;
    vld_dav_outer.close_stream = close_stream;
    vld_dav_outer.write_stream = write_stream;
    vld_dav_outer.seek_stream = seek_stream;
    vld_dav_outer.remove_resource = remove_resource;
    vld_dav_outer.getetag = getetag;
    provider = *original;
    provider.repos = &vld_dav_outer;
    ap_register_provider(pconf, "dav", "filesystem", "0", &provider);
}

void vld_dav_pre_config(apr_pool_t *pconf)
{
    const dav_provider *original = ap_lookup_provider("dav", "filesystem", "0");
    module *dav = ap_find_linked_module("mod_dav.c");
    apr_dso_handle_t *handle;

    inner = NULL;
    mutex = NULL;
    if (!original || !dav || !original->repos->get_request_rec
        || !original->repos->get_pathname) {
        return;
    }
    handle = dav->dynamic_load_handle;
    if (!handle && apr_dso_load(&handle, NULL, pconf) != APR_SUCCESS) {
        return;
    }
    if (!hook_into_dav(handle)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, NULL,
                     "mod_dav lacks a function that httpd 2.4.49 has: "
                     "PROPFIND and preconditions of PUT go by httpd's entity "
                     "tags, not by those that GET shows");
        return;
    }
    wrap_provider(pconf, original);
    ap_mutex_register(pconf, MUTEX, NULL, APR_LOCK_DEFAULT, 0);
}

int vld_dav_post_config(apr_pool_t *pconf, server_rec *s)
{
    if (inner
        && ap_global_mutex_create(&mutex, NULL, MUTEX, NULL, s, pconf, 0)
               != APR_SUCCESS) {
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    return OK;
}

void vld_dav_child_init(apr_pool_t *pchild, server_rec *s)
{
    apr_status_t rv;

    if (!mutex) {
        return;
    }
    rv = apr_global_mutex_child_init(&mutex, apr_global_mutex_lockfile(mutex),
                                     pchild);
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, rv, s,
                     "the mutex " MUTEX " is of no use to this child: two "
                     "conditional PUTs at once may both succeed; name "
                     "another mechanism with Mutex");
        mutex = NULL;
    }
}
