/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Indexing the wanted files, a slice of time at a turn.  For the indexer's
 * thread alone. */
#ifndef SERVER_INDEX_WANTED_FILES_H
#define SERVER_INDEX_WANTED_FILES_H

#include <httpd.h>

#include "validators/index.h"

/* The list is gone through at least so often: a child that was killed while it
 * posted may not have counted its post. */
#define VLD_INDEXING_LOOK_US INT64_C(10000000)

/* The indexer's turns. */
typedef struct vld_indexing {
    const int *stop;      /* atomic: the child is about to end */
    vld_store *store;     /* open to be written to, during a turn */
    apr_uint64_t seen;    /* count of posts when the list was last read */
    apr_int64_t next_us;  /* next look at the list without a post */
    apr_int64_t pause_us; /* end of the pause */
} vld_indexing;

/* Begin in this child: what a killed one had taken is wanted again. */
void vld_wanted_files_begin(server_rec *s);
/* Whether a file or a promise may be due. */
bool vld_wanted_files_are_due(const vld_indexing *x, apr_time_t now);
/* Record promises, and the files that are read within a slice of time.  False:
 * no more are due, or a write has failed. */
bool vld_wanted_files_record(vld_indexing *x);
/* Whether the child or the server is about to end. */
bool vld_indexing_is_stopped(const vld_indexing *x);

#endif /* SERVER_INDEX_WANTED_FILES_H */
