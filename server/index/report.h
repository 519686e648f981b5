/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Faults of the index in the error log.  One child logs for all: each fault is
 * logged once until vld_shared_well() says that it is over. */
#ifndef SERVER_INDEX_REPORT_H
#define SERVER_INDEX_REPORT_H

#include "validators/index.h"

/* The index cannot be used: warning, with what to do about it. */
void vld_index_log_error(apr_status_t rv);
/* The look-up of path failed with rv, in a store that was opened well: warning,
 * about one record while the store is still that of the file. */
void vld_index_log_lookup_error(vld_store *store, const char *path,
                                apr_status_t rv);
/* The indexer cannot write to the index: warning. */
void vld_index_log_write_error(apr_status_t rv);
/* The server's user may not write to the index: info. */
void vld_index_log_read_only(void);

#endif /* SERVER_INDEX_REPORT_H */
