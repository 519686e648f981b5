/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in the index, by a request's path and time. */
#ifndef SERVER_INDEX_LOOKUP_H
#define SERVER_INDEX_LOOKUP_H

#include <stdbool.h>

#include <apr_time.h>

#include "validators/index.h"

typedef struct vld_lookup {
    vld_record record;
    apr_uint64_t txn; /* the index's, read before the look-up */
    bool is_unknown;  /* the index was written to too fast: nobody knows whether
                      * there is a record */
    apr_int64_t link_mtime_s; /* latest change of a symbolic link in the
                               * path; 0: the path is its own real path */
} vld_lookup;

/* In each of the following now is the time of the request: once a second the
 * open store is compared with the file. */

/* Look up path, or its real path.  False: no record (or no index), or
 * is_unknown, of which nothing follows. */
bool vld_index_find(apr_time_t now, const char *path, vld_lookup *out);
/* The number of the index's last transaction; 0 without an index. */
apr_uint64_t vld_index_txn(apr_time_t now);
/* The same, or what it was about a millisecond before. */
apr_uint64_t vld_index_txn_lately(apr_time_t now);

#endif /* SERVER_INDEX_LOOKUP_H */
