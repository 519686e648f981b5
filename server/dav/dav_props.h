/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The properties getetag and getlastmodified of mod_dav's files. */
#ifndef SERVER_DAV_DAV_PROPS_H
#define SERVER_DAV_DAV_PROPS_H

#include <stdbool.h>

#include <apr_dso.h>

/* Hook into mod_dav's properties; false: it lacks a function. */
bool vld_dav_props_hook(apr_dso_handle_t *dav);

#endif /* SERVER_DAV_DAV_PROPS_H */
