/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Scans of whole trees.  Private to watch/. */
#ifndef VALIDATORS_WATCH_RESCAN_H
#define VALIDATORS_WATCH_RESCAN_H

#include "watch/state.h"

/* Scan the roots that are to be scanned now. */
apr_status_t vld_rescan_due(vld_watch *w);
/* When one is to be scanned next; INT64_MAX: never. */
int64_t vld_rescan_next_ns(const vld_watch *w);

#endif /* VALIDATORS_WATCH_RESCAN_H */
