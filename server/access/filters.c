/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether a filter of the response will rewrite the octets of the file.  Looks
 * at the chain; changes nothing.
 *
 * mod_filter puts a harness in the chain, which decides for itself which of
 * its providers runs.  What the harness may run is learnt from the directives
 * that say so, AddOutputFilterByType and FilterProvider. */
#include <apr_atomic.h>
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <util_filter.h>

#include "server/access/access.h"
#include "server/config.h"

APLOG_USE_MODULE(validators);

/* How mod_filter names the harness of AddOutputFilterByType. */
#define BY_TYPE "BYTYPE:"

/* Filters before the protocol's that leave the octets as they are, or change
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
    "proxy-html", /* steps aside for what is no proxy's */
    "old_write",
    VLD_EVALUATE_FILTER,
    VLD_EVALUATE_LATE_FILTER,
    NULL
};

/* Filters whose output follows from the octets and the configuration alone;
 * mod_include says itself, by its directives, where that is so. */
static const char *const deterministic[] = { "substitute", "sed", "includes",
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

static bool is_harmless(const char *name)
{
    return is_among(harmless, name);
}

/* The same as registered, and those that are vouched for, so that a request
 * compares no names. */
static apr_array_header_t *registered;

static void resolve(const char *name)
{
    ap_filter_rec_t *frec = ap_get_output_filter_handle(name);

    if (frec) {
        *(ap_filter_rec_t **)apr_array_push(registered) = frec;
    }
}

void vld_filters_resolve(apr_pool_t *pconf)
{
    const apr_array_header_t *vouched = vld_config_global()->vouched;
    int i;

    registered = apr_array_make(pconf, 16, sizeof(ap_filter_rec_t *));
    for (i = 0; harmless[i]; i++) {
        resolve(harmless[i]);
    }
    for (i = 0; vouched && i < vouched->nelts; i++) {
        resolve(APR_ARRAY_IDX(vouched, i, const char *));
    }
}

static bool is_registered(const ap_filter_rec_t *frec)
{
    int i;

    for (i = 0; i < registered->nelts; i++) {
        if (APR_ARRAY_IDX(registered, i, ap_filter_rec_t *) == frec) {
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

/* --- what the directives say --------------------------------------------- */

typedef struct provider {
    const char *harness;
    const char *filter;
    const char *const *types; /* media types, to NULL; or NULL: others' rule */
} provider;

static void add_provider(cmd_parms *cmd, vld_dir_config *conf,
                         const char *harness, const char *filter,
                         const char *const *types)
{
    provider *p;

    if (!conf->rewriters) {
        conf->rewriters = apr_array_make(cmd->pool, 2, sizeof(*p));
    }
    p = apr_array_push(conf->rewriters);
    p->harness = harness;
    p->filter = filter;
    p->types = types;
}

static const char *const *words_of(cmd_parms *cmd, const char *args)
{
    apr_array_header_t *words = apr_array_make(cmd->pool, 4,
                                               sizeof(const char *));

    while (*args) {
        *(const char **)apr_array_push(words) = ap_getword_conf(cmd->pool,
                                                                &args);
    }
    *(const char **)apr_array_push(words) = NULL;
    return (const char *const *)words->elts;
}

const char *vld_filters_by_type(cmd_parms *cmd, void *conf, const char *args)
{
    char *names = ap_getword_conf(cmd->pool, &args), *state = NULL, *name;
    const char *const *types = words_of(cmd, args);

    for (name = apr_strtok(names, ";", &state); name;
         name = apr_strtok(NULL, ";", &state)) {
        if (!is_harmless(name)) {
            add_provider(cmd, conf, apr_pstrcat(cmd->pool, BY_TYPE, name, NULL),
                         name, types);
        }
    }
    return NULL;
}

const char *vld_filters_provider(cmd_parms *cmd, void *conf, const char *args)
{
    const char *harness = ap_getword_conf(cmd->pool, &args);
    const char *name = ap_getword_conf(cmd->pool, &args);

    if (!is_harmless(name)) {
        add_provider(cmd, conf, harness, name, NULL);
    }
    return NULL;
}

/* --- what the chain holds ------------------------------------------------ */

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

/* One filter more that rewrites. */
static void note(vld_rewriting *found, const char *name)
{
    bool function = is_among(deterministic, name);

    if (!found->name || !function) {
        found->name = name;
    }
    found->deterministic &= function;
}

static void look_behind(const request_rec *r, const char *harness,
                        vld_rewriting *found)
{
    const apr_array_header_t *all = vld_config_of(r)->rewriters;
    const provider *p;
    int i;

    for (i = 0; all && i < all->nelts; i++) {
        p = &APR_ARRAY_IDX(all, i, provider);
        if (!strcasecmp(p->harness, harness)
            && (!p->types || has_type(r, p->types)) && !is_vouched(p->filter)) {
            note(found, p->filter);
        }
    }
}

/* One line a process is enough: an administrator sees why a whole server has
 * no tags any more. */
static void tell_once(const request_rec *r, const char *name)
{
    static apr_uint32_t told;

    if (!apr_atomic_cas32(&told, 1, 0)) {
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
            look_behind(r, f->frec->name, found);
        }
        else if (!is_registered(f->frec)) {
            note(found, f->frec->name);
        }
    }
    if (!found->deterministic) {
        tell_once(r, found->name);
    }
    return found->name != NULL;
}
