/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The events of inotify, and the folders that are watched for them.  Private to
 * watch/. */
#ifndef VALIDATORS_WATCH_EVENTS_H
#define VALIDATORS_WATCH_EVENTS_H

#include "watch/state.h"

/* Take in all events that are there. */
void vld_events_read(vld_watch *w);
/* Watch a root's folders that are not watched yet. */
void vld_events_fill(vld_watch *w, vld_root *root);

#endif /* VALIDATORS_WATCH_EVENTS_H */
