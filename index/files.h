/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The files of an index as files: what they may be, whose they are, how they
 * are made.  Private to index/. */
#ifndef VALIDATORS_INDEX_FILES_H
#define VALIDATORS_INDEX_FILES_H

#include <limits.h>
#include <sys/stat.h>
#include <apr_errno.h>

#include "validators/index.h"

/* Make sure that path and its lock file can be opened as an index in this
 * mode: make them (and the folder) in VLD_STORE_CREATE, and refuse what is
 * no regular file, empty, or somebody else's.  *st is the file's. */
apr_status_t vld_index_files_prepare(const char *path, vld_store_mode mode,
                                     struct stat *st);

/* Make the index's folder, where there is none. */
apr_status_t vld_index_files_make_folder(const char *path);

/* Make the folders above the index's folder, where there are none. */
void vld_index_files_make_parents(const char *path);

/* Hold the index's folder while its files are opened (with others), or while
 * one of them is made, replaced or removed (alone): a file that is opened then
 * is opened with its own lock file.  Waits for wait_ms at most, then
 * APR_EAGAIN.  Where folders cannot be held APR_SUCCESS with *held -1. */
apr_status_t vld_index_files_hold(const char *path, bool alone, long wait_ms,
                                  int *held);
void vld_index_files_release(int held);

/* Put a new lock file in the place of one that belongs to another index. Only
 * while the folder is held alone. */
apr_status_t vld_index_files_renew_lock(const char *path);

/* path and what LMDB adds to the name of its lock file. */
apr_status_t vld_index_files_lock_path(const char *path, char lock[PATH_MAX]);

#endif /* VALIDATORS_INDEX_FILES_H */
