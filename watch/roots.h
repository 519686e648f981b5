/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Where the trees of a watch are.  Private to watch/. */
#ifndef VALIDATORS_WATCH_ROOTS_H
#define VALIDATORS_WATCH_ROOTS_H

#include "watch/state.h"

/* Look where the roots are now. */
void vld_roots_check(vld_watch *w);
/* Look where one of them is now. */
void vld_root_find(vld_watch *w, vld_root *root);

#endif /* VALIDATORS_WATCH_ROOTS_H */
