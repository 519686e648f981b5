/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* One round of reading: a few pending files, read by a thread of their own,
 * so that the watch goes on to hear of changes.  Private to watch/. */
#ifndef VALIDATORS_WATCH_ROUND_H
#define VALIDATORS_WATCH_ROUND_H

#include <pthread.h>

#include "watch/pending.h"

#define VLD_ROUND_FILES 256

typedef struct vld_round_file {
    vld_pending_item *item;
    apr_status_t rv; /* vld_file_read's */
    int64_t again_ns;
    vld_record record;
} vld_round_file;

/* Between start and join the thread has it all but `halt`. */
typedef struct vld_round {
    vld_round_file files[VLD_ROUND_FILES];
    size_t count;
    uint64_t octets; /* to read: for who fills it */
    bool started;
    int halt; /* atomic */
    int fd;   /* an eventfd: readable when the thread has ended */
    pthread_t thread;
} vld_round;

/* Zeroed before. */
apr_status_t vld_round_init(vld_round *r);
void vld_round_destroy(vld_round *r);

/* Read the count files. */
apr_status_t vld_round_start(vld_round *r);
/* Wait for the end: soon where halt was set. */
void vld_round_halt(vld_round *r);
void vld_round_join(vld_round *r);

#endif /* VALIDATORS_WATCH_ROUND_H */
