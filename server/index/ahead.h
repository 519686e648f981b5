/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Large files that the index does not know, before their first answer: read
 * ahead, or promised. */
#ifndef SERVER_INDEX_AHEAD_H
#define SERVER_INDEX_AHEAD_H

#include <httpd.h>

#include "server/index/lookup.h"

/* A file that a request has open and has looked at. */
typedef struct vld_ahead {
    int fd; /* its offset is not moved */
    dev_t device;
    const vld_identity *identity; /* settled */
    const char *path;             /* as the request has it */
} vld_ahead;

/* Whether a result can be kept: the indexer runs, and may write. */
bool vld_ahead_can_keep(void);

/* Whether somebody has just read the file with this identity. */
bool vld_ahead_know(const vld_ahead *file, vld_digest *out);

/* Read the file, or wait for another one who is reading it.  False: its size
 * does not fit most_us at the rate measured, or it could not be read in that
 * time, or it rests (it changes, or a reading has failed), or too many of this
 * process's threads read or wait. */
bool vld_ahead_read(const vld_ahead *file, apr_interval_time_t most_us,
                    vld_digest *out);

/* Have the indexer record the promise of the file's tag, under this name, with
 * the date (0: none) that the response would say, and wait until the index has
 * a record of this identity, or the file was read meanwhile (vld_ahead_know),
 * or most_us are over. */
void vld_ahead_promise(const vld_ahead *file, const vld_digest *name,
                       apr_int64_t date, apr_interval_time_t most_us);

#endif /* SERVER_INDEX_AHEAD_H */
