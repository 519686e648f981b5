/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The list of wanted files: a bounded table in shared memory to which requests
 * post the paths of files that the index does not know, and from which one
 * indexer takes them.  Beside it the claims: who reads which file at this
 * moment, and what was read.  Knows nothing of the index, opens no file.  Part
 * of wanted/.
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

/* Lay out an empty list in zeroed memory of vld_wanted_size(slots) octets,
 * aligned to 64.  Before any fork: the handle is copied with the process.
 * seed: secret, so that clients cannot foresee hashes. */
void vld_wanted_init(vld_wanted *list, void *memory, uint32_t slots,
                     uint64_t seed);

/* Post the path of a file.  date, and the content's name where it is known
 * (else NULL): the latest Last-Modified under which a content of the file was
 * sent; 0: none.  A
 * path that is on the list already stays where it is and keeps the later date;
 * one that rests is left alone.  False: the path is not on the list (it is too
 * long, there is no room, or another poster holds its slot): the next request
 * will post it again. */
bool vld_wanted_post(vld_wanted *list, const char *path, size_t len,
                     int64_t date, const vld_digest *name, int64_t now_us);

/* How many times a path came onto the list; wraps.  One load. */
uint64_t vld_wanted_posted(const vld_wanted *list);

/* A path that was taken, and is the indexer's until it is rested, delayed or
 * given back. */
typedef struct vld_wanted_item {
    uint32_t slot; /* this and the next: the list's own */
    uint64_t state;
    int64_t date; /* 0: none */
    bool has_name;
    vld_digest name;
    size_t len;
    char path[VLD_WANTED_PATH]; /* with its NUL */
} vld_wanted_item;

/* Begin as a new indexer: the paths that a killed one had taken are wanted
 * again. */
void vld_wanted_begin(vld_wanted *list);

/* Take the path that has been due longest: in about the order of arrival.
 * False: none is due; *next_us is when the next will be (INT64_MAX: none). */
bool vld_wanted_take(vld_wanted *list, int64_t now_us, vld_wanted_item *out,
                     int64_t *next_us);

/* Let a path rest that has been dealt with.  Posts of it have no effect until
 * the time that is returned: for a second, and twice as long (up to ten
 * minutes) each time that it is posted again soon after.  A path that has been
 * quiet, for ten seconds or for twice its rest, starts over. */
int64_t vld_wanted_rest(vld_wanted *list, const vld_wanted_item *item,
                        int64_t now_us);

/* A path that has been dealt with, and may be posted again at once. */
void vld_wanted_finish(vld_wanted *list, const vld_wanted_item *item,
                       int64_t now_us);

/* Delay a path that cannot be dealt with before due_us: it will be taken again
 * then, without another post.  False: it was delayed too often, and rests
 * instead (as by vld_wanted_rest; *rest_us). */
bool vld_wanted_delay(vld_wanted *list, const vld_wanted_item *item,
                      int64_t now_us, int64_t due_us, int64_t *rest_us);

/* Give back a path that was not dealt with, for a reason that has nothing to do
 * with the path. */
void vld_wanted_give_back(vld_wanted *list, const vld_wanted_item *item,
                          int64_t due_us);

/* --- claims ------------------------------------------------------------------
 * Many may ask for one large file at once, in many processes: one of them reads
 * it, and the others wait for the result.  Every process and thread may call;
 * no call waits.  A claim is a hint that saves work: in a crowded or damaged
 * table two may read the same file. */

typedef struct vld_claims {
    vld_slots slots;
} vld_claims;

/* Octets of memory for this many claims; a multiple of 64. */
size_t vld_claims_size(uint32_t slots);

/* As vld_wanted_init. */
void vld_claims_init(vld_claims *claims, void *memory, uint32_t slots,
                     uint64_t seed);

/* A file, whatever its path is. */
typedef struct vld_claim_file {
    uint64_t device; /* st_dev */
    vld_identity identity;
} vld_claim_file;

/* What the asker does. */
typedef enum vld_claim_verdict {
    VLD_CLAIM_READ,  /* reads the file, and then says what came of it */
    VLD_CLAIM_WAIT,  /* asks again: another one is reading it */
    VLD_CLAIM_KNOWN, /* has what was read with this identity */
    VLD_CLAIM_REST   /* goes on without: a reading failed just now, or the file
                      * changes again and again */
} vld_claim_verdict;

/* A claim to a file: this and what is in it are the table's own. */
typedef struct vld_claim {
    vld_claim_file file;
    uint64_t token;
    unsigned tries;
} vld_claim;

/* What was read. */
typedef struct vld_claim_read {
    vld_digest digest;
    int64_t indexed_ns; /* when, as in vld_record */
} vld_claim_read;

/* Ask for a file, and claim it where the verdict is to read it: nobody else is
 * told to before the claim is given up, or until_us is over.  *read is set
 * where it is known. */
vld_claim_verdict vld_claims_ask(vld_claims *claims, const vld_claim_file *file,
                                 int64_t now_us, int64_t until_us,
                                 vld_claim *claim, vld_claim_read *read);

/* Give a claim up: with what was read; NULL: it could not be, and the file
 * rests.  A file rests for a second, and twice as long (up to ten minutes) each
 * time that it fails soon after; the same where it has changed since it was
 * read, from the fourth time on. */
void vld_claims_give_up(vld_claims *claims, const vld_claim *claim,
                        const vld_claim_read *read, int64_t now_us);

/* Give a claim up as if nobody had asked. */
void vld_claims_drop(vld_claims *claims, const vld_claim *claim);

/* Whether the file was read with this identity, and what. */
bool vld_claims_know(const vld_claims *claims, const vld_claim_file *file,
                     vld_claim_read *read);

#endif /* VALIDATORS_WANTED_H */
