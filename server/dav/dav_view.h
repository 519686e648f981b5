/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The two repositories, mod_dav_fs's and the one that is put before it, and
 * what GET shows of a resource of theirs. */
#ifndef SERVER_DAV_DAV_VIEW_H
#define SERVER_DAV_DAV_VIEW_H

#include <apr_dso.h>

#include <httpd.h>
#include <mod_dav.h>

#include "server/dav/as_get.h"

/* Written while the configuration is read, by dav.c. */
extern const dav_hooks_repository *vld_dav_inner; /* mod_dav_fs's */
extern dav_hooks_repository vld_dav_outer;

/* What GET shows of the resource; NULL: not a file that it sends as it is. */
const vld_as_get *vld_dav_view(const dav_resource *resource);

/* mod_dav's function of that name; NULL: it has none. */
void *vld_dav_function(apr_dso_handle_t *dav, const char *name);

#endif /* SERVER_DAV_DAV_VIEW_H */
