/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The layout of wanted files in slots of shared memory; private to wanted/ and
 * its tests.  Numbers only, no code.  validators/slots.h has the memory around
 * it, and how a slot is written and read.
 *
 * Words of the head
 *   0     posted: how many times a path came onto the list
 *   1-5   zero
 *
 * Words of a set: one state a way
 *   BITS   DESCRIPTION
 *   0-1    0 free, 1 wanted, 2 taken, 3 resting
 *   2-5    looks: how often it was delayed since it was wanted
 *   6-11   tries: how often it was wanted again soon after a rest
 *   12-63  time, microseconds since 1970: due, taken, or resting until
 *
 * Slot
 *   OFFSET  SIZE   DESCRIPTION
 *   0       16     check and sequence
 *   16      2      used: up to the end of the path's last word
 *   18      2      length of the path
 *   20      1      1: the name is known
 *   21      3      zero
 *   24      8      date, seconds since 1970; 0: none
 *   32      32     name of the content of that date
 *   64      1024   path, with NULs to the end of a word
 *
 * The state is set last: a slot is wanted when its path is whole. */
#ifndef WANTED_LAYOUT_H
#define WANTED_LAYOUT_H

#include "validators/slots.h"
#include "validators/wanted.h"
#include "wanted/rest.h"

#define LIST_MAGIC "VLDWANTD"
#define LIST_VERSION 2u

/* The most slots in one list. */
#define LIST_MAX_SLOTS (1u << 20)

/* The least time after a rest in which a file is wanted again "soon". */
#define SOON_LEAST_US INT64_C(10000000)

/* How often a path is delayed before it has to rest. */
#define MOST_LOOKS 4

enum list_offset { AT_POSTED = VLD_SLOTS_HEAD_WORDS };

enum slot_offset {
    AT_USED = VLD_SLOT_USED,
    AT_PATH_LEN = VLD_SLOT_DATA,
    AT_HAS_NAME = 20,
    AT_DATE = 24,
    AT_NAME = 32,
    AT_PATH = 64,
    WANTED_SLOT = AT_PATH + VLD_WANTED_PATH
};

enum kind { FREE, WANTED, TAKEN, RESTING };

enum state_bits {
    LOOKS_SHIFT = 2,
    LOOKS_MASK = 15,
    TRIES_SHIFT = 6,
    TRIES_MASK = 63,
    TIME_SHIFT = 12
};

_Static_assert(WANTED_SLOT % 64 == 0, "slots begin with a cache line");
_Static_assert(AT_NAME + sizeof(vld_digest) == AT_PATH,
               "the fixed part has no holes");
_Static_assert(MOST_LOOKS <= LOOKS_MASK, "looks fit their bits");

#endif /* WANTED_LAYOUT_H */
