/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The properties getetag and getlastmodified of mod_dav's files: what GET says.
 * Replaces the text in mod_dav_fs's own elements; makes no element itself. */
#include <apr_strings.h>

#include <httpd.h>
#include <mod_dav.h>

#include "server/config.h"
#include "server/dav/dav_props.h"
#include "server/dav/dav_view.h"
#include "validators/precond.h"

static int (*run_find)(const dav_resource *, const char *, const char *,
                       const dav_hooks_liveprop **);

/* mod_dav_fs's; NULL until the first property is asked for. */
static const dav_hooks_liveprop *inner_props;

/* --- the two texts ------------------------------------------------------- */

typedef const char *text_fn(const dav_resource *, const vld_as_get *);

/* "": GET shows none. */
static const char *etag_text(const dav_resource *resource, const vld_as_get *v)
{
    (void)resource;
    return v->shown.etag;
}

/* NULL where GET says no date, or one that cannot be known before: mod_dav_fs's
 * own is left, which clients show as the file's time. */
static const char *date_text(const dav_resource *resource, const vld_as_get *v)
{
    char *text;

    if (!v->shown.date_sent) {
        return NULL;
    }
    text = apr_palloc(resource->pool, VLD_DATE_SIZE);
    vld_date_format(v->shown.date, text);
    return text;
}

/* --- elements ------------------------------------------------------------ */

/* The element with another text in it; "" when it is to be left out. */
static const char *replace_text(apr_pool_t *p, const char *element,
                                const char *text)
{
    const char *begin = strchr(element, '>');
    const char *end = strrchr(element, '<');

    if (!*text || !begin || !end || end <= begin) {
        return "";
    }
    return apr_pstrcat(p, apr_pstrmemdup(p, element, begin + 1 - element), text,
                       end, NULL);
}

static dav_prop_insert insert_original(const dav_resource *resource, int propid,
                                       dav_prop_insert what,
                                       apr_text_header *to)
{
    const dav_hooks_liveprop *props = __atomic_load_n(&inner_props,
                                                      __ATOMIC_RELAXED);

    return props->insert_prop(resource, propid, what, to);
}

/* The element as mod_dav_fs makes it. */
static const char *element_of(const dav_resource *resource, int propid)
{
    apr_text_header made = { 0 };

    insert_original(resource, propid, DAV_PROP_INSERT_VALUE, &made);
    return made.first ? made.first->text : NULL;
}

static dav_prop_insert insert_text(const dav_resource *resource, int propid,
                                   dav_prop_insert what, apr_text_header *to,
                                   text_fn *text_of)
{
    const vld_as_get *v = what == DAV_PROP_INSERT_VALUE ? vld_dav_view(resource)
                                                        : NULL;
    const char *text = v ? text_of(resource, v) : NULL;
    const char *element = text ? element_of(resource, propid) : NULL;

    if (!element) {
        return insert_original(resource, propid, what, to);
    }
    if (!*text) {
        return DAV_PROP_INSERT_NOTDEF;
    }
    apr_text_append(resource->pool, to,
                    replace_text(resource->pool, element, text));
    return what;
}

/* --- properties asked for by name ---------------------------------------- */

static dav_prop_insert insert_etag(const dav_resource *resource, int propid,
                                   dav_prop_insert what, apr_text_header *to)
{
    return insert_text(resource, propid, what, to, etag_text);
}

static dav_prop_insert insert_date(const dav_resource *resource, int propid,
                                   dav_prop_insert what, apr_text_header *to)
{
    return insert_text(resource, propid, what, to, date_text);
}

/* RFC 4918 15.6, 15.7: both are protected. */
static int is_writable(const dav_resource *resource, int propid)
{
    (void)resource;
    (void)propid;
    return 0;
}

static const char *const namespaces[] = { "DAV:", NULL };

/* mod_dav calls the other functions only for properties that can be written. */
static const dav_hooks_liveprop etag_props = { .insert_prop = insert_etag,
                                               .is_writable = is_writable,
                                               .namespace_uris = namespaces };
static const dav_hooks_liveprop date_props = { .insert_prop = insert_date,
                                               .is_writable = is_writable,
                                               .namespace_uris = namespaces };

/* Other providers of properties are asked with mod_dav_fs's repository in
 * place: they answer for that one only. */
static int find_property(const dav_resource *resource, const char *ns,
                         const char *name, const dav_hooks_liveprop **props)
{
    dav_resource known = *resource;
    const dav_hooks_liveprop *ours;
    int propid;

    if (resource->hooks != &vld_dav_outer) {
        return 0;
    }
    known.hooks = vld_dav_inner;
    propid = run_find(&known, ns, name, props);
    ours = strcmp(ns, "DAV:")                 ? NULL
           : !strcmp(name, "getetag")         ? &etag_props
           : !strcmp(name, "getlastmodified") ? &date_props
                                              : NULL;
    if (propid && ours) {
        __atomic_store_n(&inner_props, *props, __ATOMIC_RELAXED);
        *props = ours;
    }
    return propid;
}

/* --- all properties ------------------------------------------------------ */

/* mod_dav_fs writes its properties for a resource of its own repository;
 * after it two of them are corrected. */
static void before_all(request_rec *r, const dav_resource *resource,
                       dav_prop_insert what, apr_text_header *to)
{
    (void)r;
    (void)what;
    (void)to;
    if (resource->hooks == &vld_dav_outer) {
        ((dav_resource *)resource)->hooks = vld_dav_inner;
    }
}

static void correct_property(const dav_resource *resource, const vld_as_get *v,
                             const char *name, text_fn *text_of,
                             apr_text_header *in)
{
    const dav_hooks_liveprop *props;
    const char *text = text_of(resource, v), *element;
    int propid = find_property(resource, "DAV:", name, &props);
    apr_text *t;

    if (!text || !propid) {
        return;
    }
    element = element_of(resource, propid);
    for (t = in->first; element && t; t = t->next) {
        if (!strcmp(t->text, element)) {
            t->text = replace_text(resource->pool, element, text);
            return;
        }
    }
}

static void after_all(request_rec *r, const dav_resource *resource,
                      dav_prop_insert what, apr_text_header *to)
{
    const vld_as_get *v;

    (void)r;
    if (resource->hooks != vld_dav_inner
        || !vld_config_global()->any_engine_on) {
        return;
    }
    ((dav_resource *)resource)->hooks = &vld_dav_outer;
    v = what == DAV_PROP_INSERT_VALUE ? vld_dav_view(resource) : NULL;
    if (v) {
        correct_property(resource, v, "getetag", etag_text, to);
        correct_property(resource, v, "getlastmodified", date_text, to);
    }
}

/* --- start-up ------------------------------------------------------------ */

bool vld_dav_props_hook(apr_dso_handle_t *dav)
{
    void (*on_find)(dav_HOOK_find_liveprop_t *, const char *const *,
                    const char *const *, int);
    void (*on_all)(dav_HOOK_insert_all_liveprops_t *, const char *const *,
                   const char *const *, int);

    *(void **)&run_find = vld_dav_function(dav, "dav_run_find_liveprop");
    *(void **)&on_find = vld_dav_function(dav, "dav_hook_find_liveprop");
    *(void **)&on_all = vld_dav_function(dav, "dav_hook_insert_all_liveprops");
    if (!run_find || !on_find || !on_all) {
        return false;
    }
    on_find(find_property, NULL, NULL, APR_HOOK_REALLY_FIRST);
    on_all(before_all, NULL, NULL, APR_HOOK_REALLY_FIRST);
    on_all(after_all, NULL, NULL, APR_HOOK_REALLY_LAST);
    return true;
}
