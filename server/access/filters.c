/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether a filter of the response rewrites the bytes of the file.  It looks at
 * the chain and changes nothing.
 *
 * mod_filter puts a harness into the chain, which decides at its first brigade
 * which of its providers runs.  The directives say which it may run:
 * foreign_directives.c records AddOutputFilterByType and FilterProvider. */
#include <apr_atomic.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <util_filter.h>

#include "server/access/filters.h"
#include "server/config.h"

APLOG_USE_MODULE(validators);

/* Filters before the protocol's that leave the bytes as they are, or change
 * them by a content coding and say so in the entity tag. */
static const char *const harmless[] = {
    "deflate",
    "brotli_compress",
    "fixup_headers_out",
    "mod_expires",
    "mod_session_out",
    "cache_save",
    "cache_save_subreq",
    "cache_remove_url",
    "cache_invalidate",
    "cache",
    "cache_out",
    "cache_out_subreq",
    "rate_limit",
    "buffer",
    "logio_ttfb_out",
    "proxy-html", /* removes itself unless the request is proxied */
    "qos-out-filter",
    "qos-out-filter-min",
    "qos-out-filter-delay",
    "qos-out-filter-body",
    "qos-out-filter-brokencon",
    "qos-out-err-filter",
    "old_write",
    VLD_EVALUATE_FILTER,
    VLD_EVALUATE_LATE_FILTER,
    NULL
};

/* Filters whose output follows from the bytes and the configuration alone; for
 * mod_include its own directives (SSILastModified, SSIETag, XBitHack) say where
 * that holds. */
static const char *const deterministic[] = { "substitute", "sed", "includes",
                                             NULL };

/* Filters of other modules that leave the bytes as they are, unless a directive
 * says otherwise.  ModSecurity adds to a content by SecContentInjection, and
 * then removes what validators it finds; with SecStreamOutBodyInspection it
 * edits the content too, by rules that may ask for the client, and leaves them.
 * mod_xsendfile looks for a field, which of a file only mod_headers can set. */
enum { SECURITY_FILTER, SENDFILE_FILTER };
static const char *const usually_harmless[] = { "modsecurity_out", "xsendfile",
                                                NULL };

static bool is_among(const char *const *names, const char *name)
{
    for (; *names; names++) {
        if (!strcasecmp(name, *names)) {
            return true;
        }
    }
    return false;
}

bool vld_filters_is_harmless(const char *name)
{
    return is_among(harmless, name);
}

/* The harmless and vouched-for filters, resolved to their records at start:
 * requests compare pointers, not names. */
static apr_array_header_t *resolved;

static void resolve_name(const char *name)
{
    ap_filter_rec_t *frec = ap_get_output_filter_handle(name);

    if (frec) {
        *(ap_filter_rec_t **)apr_array_push(resolved) = frec;
    }
}

static bool follows_from_file(const char *name)
{
    return is_among(deterministic, name)
           || (!strcasecmp(name, usually_harmless[SECURITY_FILTER])
               && !vld_config_global()->security_streams);
}

void vld_filters_resolve(apr_pool_t *pconf)
{
    const vld_global_config *global = vld_config_global();
    const apr_array_header_t *vouched = global->vouched;
    int i;

    resolved = apr_array_make(pconf, 16, sizeof(ap_filter_rec_t *));
    for (i = 0; harmless[i]; i++) {
        resolve_name(harmless[i]);
    }
    if (!global->security_injects) {
        resolve_name(usually_harmless[SECURITY_FILTER]);
    }
    if (!global->sendfile_named) {
        resolve_name(usually_harmless[SENDFILE_FILTER]);
    }
    for (i = 0; vouched && i < vouched->nelts; i++) {
        resolve_name(APR_ARRAY_IDX(vouched, i, const char *));
    }
}

static bool is_resolved(const ap_filter_rec_t *frec)
{
    int i;

    for (i = 0; i < resolved->nelts; i++) {
        if (APR_ARRAY_IDX(resolved, i, ap_filter_rec_t *) == frec) {
            return true;
        }
    }
    return false;
}

static bool is_vouched(const char *name)
{
    const apr_array_header_t *vouched = vld_config_global()->vouched;
    int i;

    for (i = 0; vouched && i < vouched->nelts; i++) {
        if (!strcasecmp(APR_ARRAY_IDX(vouched, i, const char *), name)) {
            return true;
        }
    }
    return false;
}

/* --- the chain of a response --------------------------------------------- */

static bool has_type(const request_rec *r, const char *const *types)
{
    apr_size_t len;

    if (!r->content_type) {
        return false;
    }
    len = strcspn(r->content_type, "; \t");
    for (; *types; types++) {
        if (!strncmp(*types, r->content_type, len) && !(*types)[len]) {
            return true;
        }
    }
    return false;
}

/* Of several, name one that is not deterministic, if there is one. */
static void add_rewriting(vld_rewriting *found, const char *name)
{
    bool follows = follows_from_file(name);

    if (!found->name || !follows) {
        found->name = name;
    }
    found->deterministic &= follows;
}

static void add_providers_of(const request_rec *r, const char *harness,
                             vld_rewriting *found)
{
    const apr_array_header_t *all = vld_config_of(r)->rewriters;
    const vld_filter_provider *p;
    int i;

    for (i = 0; all && i < all->nelts; i++) {
        p = &APR_ARRAY_IDX(all, i, vld_filter_provider);
        if (!strcasecmp(p->harness, harness)
            && (!p->types || has_type(r, p->types)) && !is_vouched(p->filter)) {
            add_rewriting(found, p->filter);
        }
    }
}

/* Once in a process: one line is enough to tell the administrator why a whole
 * server has no tags. */
static void log_unknown_once(const request_rec *r, const char *name)
{
    static apr_uint32_t is_logged;

    if (!apr_atomic_cas32(&is_logged, 1, 0)) {
        ap_log_rerror(APLOG_MARK, APLOG_NOTICE, 0, r,
                      "the filter %s is not known to leave octets as they are: "
                      "what it is applied to has no validators, unless "
                      "\"ValidatorsVouchFor %s\" says that it does",
                      name, name);
    }
}

bool vld_filters_rewriting(const ap_filter_t *f, vld_rewriting *found)
{
    const request_rec *r = f->r;

    found->name = NULL;
    found->deterministic = true;
    for (f = f->next; f && f->frec->ftype < AP_FTYPE_PROTOCOL; f = f->next) {
        if (f->frec->providers) {
            add_providers_of(r, f->frec->name, found);
        }
        else if (!is_resolved(f->frec)) {
            add_rewriting(found, f->frec->name);
        }
    }
    if (!found->deterministic) {
        log_unknown_once(r, found->name);
    }
    return found->name != NULL;
}
