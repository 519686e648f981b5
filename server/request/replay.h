/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Replay: 304 from a prepared answer. */
#ifndef SERVER_REQUEST_REPLAY_H
#define SERVER_REQUEST_REPLAY_H

#include "server/request/request.h"

/* Before the first request: find the server's filters for content. */
void vld_replay_resolve(void);
int vld_replay_quick(request_rec *r, int lookup);
/* In fixups, after access control: DONE when a 304 was sent, else DECLINED. */
int vld_replay_fixups(request_rec *r, const vld_request *rq,
                      const vld_fields *fields);

#endif /* SERVER_REQUEST_REPLAY_H */
