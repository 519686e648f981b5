/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The child's open index: threads acquire a store and release it. */
#ifndef SERVER_INDEX_HANDLE_H
#define SERVER_INDEX_HANDLE_H

#include <stdbool.h>

#include <apr_time.h>

#include "validators/index.h"

/* A store, and how many threads use it.  A thread that acquires it counts
 * itself first and then looks whether it is closed; a thread that closes it
 * marks it first and then looks whether it is used.  The memory of a closed
 * store serves for the next one, so a thread that slept in between finds one or
 * the other. */
typedef struct vld_open_store {
    vld_store *store; /* NULL: free */
    bool writable;
    int users;  /* atomic */
    int closed; /* atomic: nobody acquires it */
} vld_open_store;

/* Open the index in a child.  A fault is logged, and opening is tried again
 * later.  indexes: whether the children index files, and so may make the index
 * and write to it. */
void vld_index_child_init(bool indexes);

/* A connection has come.  Where a process is going to be forked for it: look at
 * the index for that process, which cannot. */
void vld_index_before_fork(void);

/* The current store; it stays open until it is released.  Once a second (of
 * now) the store is compared with the file and opened anew if it was replaced.
 * NULL: no usable index. */
vld_open_store *vld_index_acquire(apr_time_t now);
void vld_index_release(vld_open_store *open);

/* The same, to write to, for the indexer: its thread alone makes batches.  The
 * index is opened anew, or made, if need be.  NULL: not now, or the server's
 * user may not write to it: then *read_only. */
vld_open_store *vld_index_acquire_to_write(bool *read_only);

/* Whether the server's user may write to the index, or make it where there is
 * none.  Some calls of the system. */
bool vld_index_may_write(void);

#endif /* SERVER_INDEX_HANDLE_H */
