/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The one place where LMDB's codes become statuses.  Private to index/. */
#ifndef VALIDATORS_INDEX_ERROR_H
#define VALIDATORS_INDEX_ERROR_H

#include <apr_errno.h>

/* What an LMDB function returned (0, MDB_* or an errno) as a status. */
apr_status_t vld_error_mdb(int rc);

/* errno as it stands, never APR_SUCCESS. */
apr_status_t vld_error_os(void);

#endif /* VALIDATORS_INDEX_ERROR_H */
