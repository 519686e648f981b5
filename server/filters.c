/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether a filter of the response will rewrite the octets of the file.  Looks
 * at the chain; changes nothing.
 *
 * mod_filter puts a harness in the chain, which decides for itself which of
 * its providers runs.  What the harness may run is learnt from the directives
 * that say so, AddOutputFilterByType and FilterProvider. */
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <util_filter.h>

#include "server/server.h"

/* How mod_filter names the harness of AddOutputFilterByType. */
#define BY_TYPE "BYTYPE:"

/* Filters before the protocol's that leave the octets as they are, or change
 * them by a content coding and say so in the entity tag. */
static const char *const harmless[] = {
    "deflate", "brotli_compress", "fixup_headers_out", "mod_expires",
    "mod_session_out", "cache_save", "cache_save_subreq",
    "cache_remove_url", "cache_invalidate", "cache", "cache_out",
    "cache_out_subreq", "rate_limit", "buffer",
    "old_write", VLD_EVALUATE_FILTER, VLD_EVALUATE_LATE_FILTER, NULL
};

static const char *const functions[] = { "substitute", "sed", NULL };

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

/* The same as registered, so that a request compares no names. */
static const ap_filter_rec_t *registered[sizeof(harmless)
                                         / sizeof(*harmless)];

void vld_filters_resolve(void)
{
    int i, n = 0;

    for (i = 0; harmless[i]; i++) {
        registered[n] = ap_get_output_filter_handle(harmless[i]);
        n += registered[n] != NULL;
    }
    registered[n] = NULL;
}

static bool is_registered_harmless(const ap_filter_rec_t *frec)
{
    const ap_filter_rec_t *const *one;

    for (one = registered; *one; one++) {
        if (*one == frec) {
            return true;
        }
    }
    return false;
}

bool vld_filters_is_function(const char *name)
{
    if (!strncasecmp(name, BY_TYPE, sizeof(BY_TYPE) - 1)) {
        name += sizeof(BY_TYPE) - 1;
    }
    return is_among(functions, name);
}

/* --- what the directives say --------------------------------------------- */

typedef struct provider {
    const char *harness;
    const char *const *types; /* media types, to NULL; or NULL: others' rule */
} provider;

static void add_provider(cmd_parms *cmd, vld_dir_config *conf,
                         const char *harness, const char *const *types)
{
    provider *p;

    if (!conf->rewriters) {
        conf->rewriters = apr_array_make(cmd->pool, 2, sizeof(*p));
    }
    p = apr_array_push(conf->rewriters);
    p->harness = harness;
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
            add_provider(cmd, conf,
                         apr_pstrcat(cmd->pool, BY_TYPE, name, NULL),
                         types);
        }
    }
    return NULL;
}

const char *vld_filters_provider(cmd_parms *cmd, void *conf,
                                 const char *args)
{
    const char *harness = ap_getword_conf(cmd->pool, &args);
    const char *name = ap_getword_conf(cmd->pool, &args);

    if (!is_harmless(name)) {
        add_provider(cmd, conf, harness, NULL);
    }
    return NULL;
}

apr_array_header_t *vld_filters_merge(apr_pool_t *p, apr_array_header_t *base,
                                      apr_array_header_t *add)
{
    return !add ? base : !base ? add : apr_array_append(p, base, add);
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

static bool harness_may_rewrite(const request_rec *r, const char *name)
{
    const apr_array_header_t *all = vld_config_of(r)->rewriters;
    const provider *p;
    int i;

    for (i = 0; all && i < all->nelts; i++) {
        p = &APR_ARRAY_IDX(all, i, provider);
        if (!strcasecmp(p->harness, name)
            && (!p->types || has_type(r, p->types))) {
            return true;
        }
    }
    return false;
}

const char *vld_filters_rewriting(const ap_filter_t *f)
{
    for (f = f->next; f && f->frec->ftype < AP_FTYPE_PROTOCOL;
         f = f->next) {
        if (f->frec->providers ? harness_may_rewrite(f->r, f->frec->name)
                               : !is_registered_harmless(f->frec)) {
            return f->frec->name;
        }
    }
    return NULL;
}
