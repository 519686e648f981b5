/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A folder made by root in a place that was judged.  Private to index/. */
#ifndef VALIDATORS_INDEX_PLACE_H
#define VALIDATORS_INDEX_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "validators/index.h"

/* As root, make the folder place->name in the folder at, which is the owner's
 * own, with the owner's rights for the time of the call.  For a process of one
 * thread.  False: at is somebody else's, or the folder cannot be made. */
bool vld_index_place_make_as(int at, const vld_index_place *place, mode_t mode,
                             const vld_index_owner *owner);

#endif /* VALIDATORS_INDEX_PLACE_H */
