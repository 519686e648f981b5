/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The tag that a client holds. */
#ifndef SERVER_REQUEST_HELD_TAG_H
#define SERVER_REQUEST_HELD_TAG_H

#include "server/request/request.h"

/* The response has the tag of a fresh record.  A client that holds the same
 * content under another of its tags keeps that one, or it would be sent all of
 * it once more.  fd is open on the file. */
void vld_held_tag_keep(request_rec *r, vld_request *rq, int fd,
                       const vld_record *record);

#endif /* SERVER_REQUEST_HELD_TAG_H */
