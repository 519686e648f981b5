/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Paths as they are given and as they are keys of the index. */
#ifndef VALIDATORS_CLI_PATH_H
#define VALIDATORS_CLI_PATH_H

#include <stdbool.h>
#include <apr_pools.h>

/* path made absolute and cleaned of ".", "..", "//" and a slash at its end by
 * its text alone, as httpd does; NULL when it is too long. */
const char *cli_absolute(apr_pool_t *p, const char *path);

/* path without symbolic links.  Names at its end that do not exist stay as
 * they are.  NULL: it cannot be resolved. */
const char *cli_real(apr_pool_t *p, const char *path);

/* The folder that the last name of path is in, by its text; "." where the path
 * has one name only. */
const char *cli_folder_of(apr_pool_t *p, const char *path);

/* Whether `path` is `folder` or lies below it, by their text. */
bool cli_is_below(const char *path, const char *folder);

#endif /* VALIDATORS_CLI_PATH_H */
