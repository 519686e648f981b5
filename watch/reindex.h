/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Pending files read and recorded, in batches.  Private to watch/. */
#ifndef VALIDATORS_WATCH_REINDEX_H
#define VALIDATORS_WATCH_REINDEX_H

#include "watch/state.h"

/* Start to read the files that are due at now_ns, when no batch is being read;
 * records of files that are gone are deleted. */
apr_status_t vld_reindex_start(vld_watch *w, int64_t now_ns);
/* Wait for the end of the batch and record what was read. */
apr_status_t vld_reindex_finish(vld_watch *w);

#endif /* VALIDATORS_WATCH_REINDEX_H */
