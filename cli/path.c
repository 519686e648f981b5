/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Paths as they are given and as they are keys of the index. */
#include "cli/path.h"

#include <stdlib.h>
#include <string.h>

#include <apr_file_info.h>
#include <apr_strings.h>

static char *cut_slashes(char *path)
{
    size_t len = strlen(path);

    while (len > 1 && path[len - 1] == '/') {
        path[--len] = '\0';
    }
    return path;
}

const char *cli_absolute(apr_pool_t *p, const char *path)
{
    char *merged;

    if (apr_filepath_merge(&merged, NULL, path, APR_FILEPATH_NOTRELATIVE, p)
        != APR_SUCCESS) {
        return NULL;
    }
    return cut_slashes(merged);
}

static const char *resolve(apr_pool_t *p, const char *path)
{
    char *real = realpath(path, NULL);
    const char *copy;

    if (!real) {
        return NULL;
    }
    copy = apr_pstrdup(p, real);
    free(real);
    return copy;
}

/* A file that is gone still has its record under its old name: the longest
 * part of the path that exists is resolved, the rest is kept. */
const char *cli_real(apr_pool_t *p, const char *path)
{
    const char *real = resolve(p, path);
    char *head, *slash;

    if (real) {
        return real;
    }
    path = cli_absolute(p, path);
    if (!path) {
        return NULL;
    }
    head = apr_pstrdup(p, path);
    while ((slash = strrchr(head, '/')) && slash != head) {
        *slash = '\0';
        real = resolve(p, head);
        if (real) {
            return apr_pstrcat(p, strcmp(real, "/") == 0 ? "" : real,
                               path + (slash - head), NULL);
        }
    }
    return path;
}

const char *cli_folder_of(apr_pool_t *p, const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash) {
        return ".";
    }
    return slash == path ? "/" : apr_pstrndup(p, path, (size_t)(slash - path));
}

bool cli_is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);

    if (len > 0 && folder[len - 1] == '/') {
        len--;
    }
    return strncmp(path, folder, len) == 0 && (path[len] == '/' || !path[len]);
}
