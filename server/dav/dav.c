/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* mod_dav's files have the tags that GET shows, in preconditions and in the
 * `If` field.  Never stores or sends a file itself.
 *
 * mod_dav asks its file system provider for resources, and these for their
 * tags.  So the provider is registered again, with a repository that
 * replaces some functions and calls the original for the rest.
 *
 * mod_dav may not be loaded: its functions are looked up by name, not
 * linked. */
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
#include "server/dav/dav_judge.h"
#include "server/dav/dav_props.h"
#include "server/dav/dav_view.h"

APLOG_USE_MODULE(validators);

/* The name for the directive Mutex. */
#define MUTEX "validators-dav"

#define COPY_CHUNK 65536

#define inner vld_dav_inner

static apr_global_mutex_t *mutex;

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
    const char *etag = vld_dav_judge_tag(resource);

    return etag ? etag : inner->getetag(resource);
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
    err = vld_dav_judge_again(resource);
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
                   && vld_dav_judge_has(inner->get_request_rec(resource));
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
    changed = vld_dav_judge_again(stream->resource);
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
    if (!vld_dav_judge_hook(handle) || !vld_dav_props_hook(handle)) {
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
