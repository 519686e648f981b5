/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A batch of pending files, read by a thread of its own, while the watch goes
 * on to take in events.  Private to watch/. */
#ifndef VALIDATORS_WATCH_READ_BATCH_H
#define VALIDATORS_WATCH_READ_BATCH_H

#include "validators/scan.h"
#include "watch/pending.h"

#define VLD_READ_BATCH_FILES VLD_POOL_WAITING

typedef struct vld_read_file {
    vld_item in_pool; /* the first member */
    vld_pending_item *item;
    apr_status_t rv; /* vld_file_read's; APR_EINTR: halted before */
    int64_t again_ns;
    vld_record record;
} vld_read_file;

/* Between start and join all members but `started` and `fd` are the
 * thread's. */
typedef struct vld_read_batch {
    vld_read_file files[VLD_READ_BATCH_FILES];
    size_t count;
    size_t left;     /* to be read; the thread's */
    uint64_t octets; /* to be read; counted by the caller */
    bool started;
    int fd; /* an eventfd: readable when all files are read */
    vld_pool *pool;
} vld_read_batch;

/* Zeroed before. */
apr_status_t vld_read_batch_init(vld_read_batch *b);
void vld_read_batch_destroy(vld_read_batch *b);

/* Start a thread that reads the count files. */
apr_status_t vld_read_batch_start(vld_read_batch *b);
/* Let the thread end soon: join does not wait for files to be read. */
void vld_read_batch_halt(vld_read_batch *b);
/* Wait for the end of the thread. */
void vld_read_batch_join(vld_read_batch *b);

#endif /* VALIDATORS_WATCH_READ_BATCH_H */
