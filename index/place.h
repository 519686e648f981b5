/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The files of an index as files: what they may be, whose they are, how they
 * are made.  Private to index/. */
#ifndef VALIDATORS_INDEX_PLACE_H
#define VALIDATORS_INDEX_PLACE_H

#include <sys/stat.h>
#include <apr_errno.h>

#include "validators/index.h"

/* Make sure that path and its lock file can be opened as an index in this
 * mode: make them (and the folder) in VLD_STORE_CREATE, and refuse what is
 * no regular file, empty, or somebody else's.  *st is the file's. */
apr_status_t vld_place_prepare(const char *path, vld_store_mode mode,
                               struct stat *st);

#endif /* VALIDATORS_INDEX_PLACE_H */
