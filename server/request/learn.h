/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What is found out about a large file that the index does not know, before
 * its first answer. */
#ifndef SERVER_REQUEST_LEARN_H
#define SERVER_REQUEST_LEARN_H

#include "server/config.h"
#include "server/index/ahead.h"
#include "server/request/choose.h"

/* Room for what the facts then point to. */
typedef struct vld_learned {
    vld_digest content;
    vld_digest promise;
    vld_lookup found;
} vld_learned;

/* Complete the facts of a large file without a fresh record: with its content,
 * with a record that was made meanwhile, or with the name under which its
 * identity may be promised.  Without may_wait the file is not read and nothing
 * is recorded. */
void vld_learn(request_rec *r, const vld_dir_config *conf,
               const vld_ahead *file, bool may_wait, vld_facts *facts,
               vld_learned *learned);

#endif /* SERVER_REQUEST_LEARN_H */
