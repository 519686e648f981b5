/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether a filter of a response rewrites the bytes of the file. */
#ifndef SERVER_ACCESS_FILTERS_H
#define SERVER_ACCESS_FILTERS_H

#include <stdbool.h>

#include <httpd.h>
#include <util_filter.h>

/* The filters after f that may rewrite the file's bytes. */
typedef struct vld_rewriting {
    const char *name;   /* one of them; NULL: none */
    bool deterministic; /* their output follows from the bytes and the
                         * configuration alone */
} vld_rewriting;

/* False: none does, or only by a content coding. */
bool vld_filters_rewriting(const ap_filter_t *f, vld_rewriting *found);

/* Resolve the names of harmless filters, once all modules have registered
 * theirs and before the first request. */
void vld_filters_resolve(apr_pool_t *pconf);

/* --- for foreign_directives.c --------------------------------------------- */

/* mod_filter's name for the harness that AddOutputFilterByType makes: this, and
 * the name of the filter. */
#define VLD_HARNESS_BY_TYPE "BYTYPE:"

/* One element of vld_dir_config's rewriters: a harness of mod_filter, and a
 * filter that may rewrite and that the harness may run. */
typedef struct vld_filter_provider {
    const char *harness;
    const char *filter;
    const char *const *types; /* media types, NULL at the end; or NULL: another
                               * rule decides, so any type may be meant */
} vld_filter_provider;

/* Whether the filter of this name is known to leave the bytes as they are, or
 * to change them by a content coding only and to say so in the entity tag. */
bool vld_filters_is_harmless(const char *name);

#endif /* SERVER_ACCESS_FILTERS_H */
