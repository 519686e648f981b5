/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What dav.c and dav_props.c share: the two repositories, mod_dav_fs's and
 * the one that stands before it. */
#ifndef DAV_H
#define DAV_H

#include <apr_dso.h>

#include <httpd.h>
#include <mod_dav.h>

#include "server/dav/as_get.h"

extern const dav_hooks_repository *vld_dav_inner; /* mod_dav_fs's */
extern dav_hooks_repository vld_dav_outer;

/* What GET shows of the resource; NULL: not a file that it sends as it is. */
const vld_view *vld_dav_view(const dav_resource *resource);

/* mod_dav's function of that name; NULL: it has none. */
void *vld_dav_function(apr_dso_handle_t *dav, const char *name);

/* Hook into mod_dav's properties; false: it lacks a function. */
bool vld_dav_props_hook(apr_dso_handle_t *dav);

#endif /* DAV_H */
