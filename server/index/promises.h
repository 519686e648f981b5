/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Recording promises of tags, which requests wait for.  For the indexer's
 * thread alone. */
#ifndef SERVER_INDEX_PROMISES_H
#define SERVER_INDEX_PROMISES_H

#include <httpd.h>

#include "validators/index.h"

/* Begin in this child. */
void vld_promises_begin(server_rec *s);
/* Whether some may wait for it.  One load. */
bool vld_promises_are_due(apr_time_t now);
/* Record those that are due, each batch in one transaction. */
void vld_promises_record(vld_store *store);
/* They cannot be recorded now. */
void vld_promises_refuse(void);

#endif /* SERVER_INDEX_PROMISES_H */
