/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether LMDB can be let near a file.  Private to index/. */
#ifndef VALIDATORS_INDEX_HEADS_H
#define VALIDATORS_INDEX_HEADS_H

#include <stddef.h>
#include <apr_errno.h>

/* VLD_E_DAMAGED: the two heads of the file at path name a page size that none
 * can have or two of them, or the last transaction in the wrong one.
 * APR_SUCCESS for all else, also for what is no index: LMDB says so itself. */
apr_status_t vld_heads_check(const char *path);

/* The same of an open file, and VLD_E_NOT_INDEX or VLD_E_VERSION for what is no
 * index of LMDB 0.9.  *page_size is set on success. */
apr_status_t vld_heads_read(int fd, size_t *page_size);

#endif /* VALIDATORS_INDEX_HEADS_H */
