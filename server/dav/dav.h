/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* mod_dav's files have the validators that GET shows.  Without mod_dav:
 * nothing. */
#ifndef SERVER_DAV_DAV_H
#define SERVER_DAV_DAV_H

#include <httpd.h>

/* Before and after the configuration is read, and in each child. */
void vld_dav_pre_config(apr_pool_t *pconf);
int vld_dav_post_config(apr_pool_t *pconf, server_rec *s);
void vld_dav_child_init(apr_pool_t *pchild, server_rec *s);

#endif /* SERVER_DAV_DAV_H */
