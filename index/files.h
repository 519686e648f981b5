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
 * mode: make them (and the folder) in VLD_STORE_CREATE; refuse a file that is
 * not regular, empty, or not trusted because of its owner.  *st is the
 * file's. */
apr_status_t vld_index_files_prepare(const char *path, vld_store_mode mode,
                                     struct stat *st);

/* Make the index's folder where it is missing. */
apr_status_t vld_index_files_make_folder(const char *path);

/* Make the folders above the index's folder where they are missing. */
void vld_index_files_make_parents(const char *path);

/* Hold the index's folder: shared while its files are opened, alone while one
 * of them is made, replaced or removed.  So an index is always opened with its
 * own lock file.  Waits for wait_ms at most, then APR_EAGAIN.  APR_SUCCESS with
 * *held -1 where folders cannot be held. */
apr_status_t vld_index_files_hold(const char *path, bool alone, long wait_ms,
                                  int *held);
void vld_index_files_release(int held);

/* Replace the lock file, which belongs to another index, by a new one.  Only
 * while the folder is held alone. */
apr_status_t vld_index_files_renew_lock(const char *path);

/* The name that LMDB gives to the lock file of the index at path. */
apr_status_t vld_index_files_lock_path(const char *path, char lock[PATH_MAX]);

#endif /* VALIDATORS_INDEX_FILES_H */
