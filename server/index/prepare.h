/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index's files and folder, prepared for the children. */
#ifndef SERVER_INDEX_PREPARE_H
#define SERVER_INDEX_PREPARE_H

#include <stdbool.h>

#include <httpd.h>

/* In the parent, as root: let the server's group reach an index that root has
 * made.  The parent itself never opens it. */
void vld_index_grant_to_group(server_rec *s);

/* In the parent: make the folder in which the children make the index, if it is
 * absent (one level), for the server's user.  indexes: whether the children
 * index files. */
void vld_index_make_folder(server_rec *s, apr_pool_t *ptemp, bool indexes);

#endif /* SERVER_INDEX_PREPARE_H */
