/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The one place where LMDB's codes become statuses.  Private to index/. */
#ifndef VALIDATORS_INDEX_ERROR_H
#define VALIDATORS_INDEX_ERROR_H

#include <apr_errno.h>
#include <lmdb.h>

/* The status for what an LMDB function returned (0, MDB_* or an errno). */
apr_status_t vld_error_mdb(int rc);

/* The same of a function that may write to the disk on which the environment
 * is: LMDB says EIO where the disk was full in the middle of a write. */
apr_status_t vld_error_mdb_write(int rc, MDB_env *env);

#endif /* VALIDATORS_INDEX_ERROR_H */
