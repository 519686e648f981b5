/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Where everything stands in the list of wanted files; private to wanted/ and
 * its tests.  Numbers only, no code.
 *
 * Integers are in the machine's order: the memory never leaves the host and
 * never outlives the server.  There are no pointers in it.
 *
 * List
 *   OFFSET        SIZE      DESCRIPTION
 *   0             8         magic, "VLDWANTD"
 *   8             4         version of this layout
 *   12            4         slots
 *   16            48        zero
 *   64            8         posted: how many times a path came onto the list
 *   72            56        zero
 *   128           64*sets   tags: one line of 8 a set, one tag a way
 *   128+64*sets   64*sets   states: one line of 8 a set, one word a way
 *   128+128*sets  1088*n    slots, the 8 ways of a set side by side
 *
 * A tag is the hash of the path in that way; 0: none.
 *
 * State
 *   BITS   DESCRIPTION
 *   0-1    0 free, 1 wanted, 2 taken, 3 resting
 *   2-5    looks: how often it was delayed since it was wanted
 *   6-11   tries: how often it was wanted again soon after a rest
 *   12-63  time, microseconds since 1970: due, taken, or resting until
 *
 * Slot
 *   OFFSET  SIZE   DESCRIPTION
 *   0       8      check: xxh3, under the list's seed, of octets 8 to the end
 *                  of the path's last word
 *   8       8      sequence: odd while written, even at rest
 *   16      2      length of the path
 *   18      1      1: the digest is known
 *   19      5      zero
 *   24      8      date, seconds since 1970; 0: none
 *   32      32     digest of the content of that date
 *   64      1024   path, with NULs to the end of a word
 *
 * Sequence.  As in the table of prepared answers (answers/layout.h): a writer
 * takes a slot by replacing the sequence with a greater odd one that says since
 * when it is held, and lets go by adding one.  The check covers the sequence
 * at rest: what a writer leaves after another has taken over never passes.
 *
 * The state is set last: a slot is wanted when its path is whole. */
#ifndef WANTED_LAYOUT_H
#define WANTED_LAYOUT_H

#include "validators/wanted.h"

#define LIST_MAGIC "VLDWANTD"
#define LIST_VERSION 1u

/* The most slots in one list. */
#define LIST_MAX_SLOTS (1u << 20)

/* Slots that one path can stand in. */
#define WAYS 8

/* Rest: the first, the longest, and the least time after one in which a file
 * is wanted again "soon". */
#define REST_FIRST_US INT64_C(1000000)
#define REST_MOST_US INT64_C(600000000)
#define SOON_LEAST_US INT64_C(10000000)

/* How often a path is delayed before it has to rest. */
#define MOST_LOOKS 4

/* A time further in the future than any that is set here is of a clock that
 * was set back since. */
#define FUTURE_MOST_US (2 * REST_MOST_US)

enum list_offset {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_SLOTS = 12,
    AT_POSTED = 64,
    AT_TAGS = 128,
    SET_LINE = WAYS * 8
};

enum slot_offset {
    AT_CHECK = 0,
    AT_SEQUENCE = 8,
    AT_PATH_LEN = 16,
    AT_HAS_DIGEST = 18,
    AT_DATE = 24,
    AT_DIGEST = 32,
    AT_PATH = 64,
    WANTED_SLOT = AT_PATH + VLD_WANTED_PATH
};

enum kind {
    FREE,
    WANTED,
    TAKEN,
    RESTING
};

enum state_bits {
    LOOKS_SHIFT = 2,
    LOOKS_MASK = 15,
    TRIES_SHIFT = 6,
    TRIES_MASK = 63,
    TIME_SHIFT = 12
};

_Static_assert(SET_LINE == 64, "tags and states of a set have one line each");
_Static_assert(WANTED_SLOT % 64 == 0, "slots begin with a cache line");
_Static_assert(AT_DIGEST + sizeof(vld_digest) == AT_PATH,
               "the fixed part has no holes");
_Static_assert(MOST_LOOKS <= LOOKS_MASK, "looks fit their bits");

#endif /* WANTED_LAYOUT_H */
