/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The ground of dav.c and dav_props.c: both repositories, a resource as GET
 * shows it, and mod_dav's functions by name.  Judges nothing. */
#include <httpd.h>
#include <mod_dav.h>

#include "server/dav/dav_view.h"

const dav_hooks_repository *vld_dav_inner;
dav_hooks_repository vld_dav_outer;

const vld_as_get *vld_dav_view(const dav_resource *resource)
{
    request_rec *r = vld_dav_inner->get_request_rec(resource);

    if (!resource->exists || resource->collection || !r) {
        return NULL;
    }
    return vld_as_get_of(r->main ? r->main : r, resource->uri,
                         vld_dav_inner->get_pathname(resource));
}

void *vld_dav_function(apr_dso_handle_t *dav, const char *name)
{
    apr_dso_handle_sym_t found = NULL;

    return apr_dso_sym(&found, dav, name) == APR_SUCCESS ? found : NULL;
}
