/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Files by real paths: opened and looked at name by name, so that no symbolic
 * link leads elsewhere, and paths may be longer than the system's calls take.
 * Private to index/. */
#ifndef VALIDATORS_INDEX_BENEATH_H
#define VALIDATORS_INDEX_BENEATH_H

#include <sys/stat.h>

/* Open what is at an absolute path without following a link anywhere; -1 and
 * errno (ELOOP or ENOTDIR where a link stands in the way).  Search permission
 * is enough for the folders above. O_CLOEXEC is set. */
int vld_beneath_open(const char *path, int flags);

/* lstat in the same way: 0, or -1 and errno. */
int vld_beneath_stat(const char *path, struct stat *st);

/* Whether errno means that nothing is at the path under its own name. */
int vld_beneath_is_gone(int error);

#endif /* VALIDATORS_INDEX_BENEATH_H */
