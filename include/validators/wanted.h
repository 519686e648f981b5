/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The list of wanted files: a bounded table in shared memory to which requests
 * post the paths of files that the index does not know, and from which one
 * indexer takes them.  Knows nothing of files or of the index.  Part of
 * wanted/.
 *
 * Every process and thread may post.  One thread of all takes, rests and gives
 * back: the indexer.  The slots are those of validators/slots.h: no call waits,
 * and a killed process leaves a slot that is refused and later reused.  Times
 * are microseconds since 1970. */
#ifndef VALIDATORS_WANTED_H
#define VALIDATORS_WANTED_H

#include "validators/slots.h"
#include "validators/types.h"

/* The longest path that fits, with its NUL.  Others are never on the list. */
#define VLD_WANTED_PATH 1024

/* A process's handle on the list; plain data, may be copied. */
typedef struct vld_wanted {
    vld_slots slots;
} vld_wanted;

/* Octets of memory for a list of this many slots, which are rounded up to
 * whole sets; a multiple of 64. */
size_t vld_wanted_size(uint32_t slots);

/* Make a list of zeroed memory, aligned to 64 octets.  Before any fork: the
 * vld_wanted is copied with the process.  seed: of the hash, secret. */
void vld_wanted_init(vld_wanted *list, void *memory, uint32_t slots,
                     uint64_t seed);

/* Want a file.  date, and digest where it is known (else NULL): the latest
 * Last-Modified under which a content of it was sent; 0: none.  A path that
 * is on the list already stays where it is and keeps the later date; one that
 * rests is left alone.  False: it is not on the list (too long, no room,
 * somebody is at its slot): the next request will want it again. */
bool vld_wanted_post(vld_wanted *list, const char *path, size_t len,
                     int64_t date, const vld_digest *digest, int64_t now_us);

/* How many times a path came onto the list; wraps.  One load. */
uint64_t vld_wanted_posted(const vld_wanted *list);

/* A path that was taken, and is the indexer's until it is rested, delayed or
 * given back. */
typedef struct vld_wanted_item {
    uint32_t slot; /* this and the next: the list's own */
    uint64_t state;
    int64_t date; /* 0: none */
    bool has_digest;
    vld_digest digest;
    size_t len;
    char path[VLD_WANTED_PATH]; /* with its NUL */
} vld_wanted_item;

/* A new indexer begins: what one that was killed had taken is wanted again. */
void vld_wanted_begin(vld_wanted *list);

/* Take the path that has been due longest: in about the order of arrival.
 * False: none is due; *next_us is when the next will be (INT64_MAX: none). */
bool vld_wanted_take(vld_wanted *list, int64_t now_us, vld_wanted_item *out,
                     int64_t *next_us);

/* It has been dealt with.  Until the time that is returned, posts of it come
 * to nothing: for a second, and twice as long (up to ten minutes) each time
 * that it is wanted again soon after.  One that has been quiet, for ten seconds
 * or for twice its rest, starts over. */
int64_t vld_wanted_rest(vld_wanted *list, const vld_wanted_item *item,
                        int64_t now_us);

/* It cannot be dealt with before due_us: it will be taken again then, without
 * another post.  False: that was so several times, and it rests instead (as
 * vld_wanted_rest; *rest_us). */
bool vld_wanted_delay(vld_wanted *list, const vld_wanted_item *item,
                      int64_t now_us, int64_t due_us, int64_t *rest_us);

/* It was not dealt with, for a reason that is not its own. */
void vld_wanted_give_back(vld_wanted *list, const vld_wanted_item *item,
                          int64_t due_us);

#endif /* VALIDATORS_WANTED_H */
