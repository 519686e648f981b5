/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Where everything stands in the table of prepared answers; private to
 * answers/ and its tests.  Numbers only, no code.
 *
 * Integers are in the machine's order: the memory never leaves the host and
 * never outlives the server.  There are no pointers in it, so each process
 * may have it at another address.
 *
 * Table
 *   OFFSET        SIZE      DESCRIPTION
 *   0             8         magic, "VLDANSWR"
 *   8             4         version of this layout
 *   12            4         slots
 *   16            48        zero
 *   64            192       secret of the hashes, from the table's seed
 *   256           64*sets   tags: one line of 8 a set, one tag a way
 *   256+64*sets   64*sets   floors: one a set, the first word of a line
 *   256+128*sets  2048*n    slots, the 8 ways of a set side by side
 *
 * A tag is the hash of the key in that way; 0: none.  It is a hint that
 * saves looking at the slot: nothing is believed for its sake.
 *
 * A floor is the latest date, seconds since 1970, of the answers that the set
 * has lost: replaced by others for want of room, or forgotten.
 *
 * Slot
 *   OFFSET  SIZE   DESCRIPTION
 *   0       8      check: xxh3, under the table's secret, of octets 8 to used
 *   8       8      sequence: odd while written, even at rest; see below
 *   16      2      used: octets of the slot in use, a multiple of 32
 *   18      2      length of the key
 *   20      1      number of request fields (vary), 0 to 8
 *   21      1      number of fields of the 304, 0 to 16
 *   22      1      verify, a vld_compare
 *   23      1      1: the response carried the date; 0: it did not
 *   24      4      flags, VLD_ANSWER_*
 *   28      2      length of the path
 *   30      2      length of the entity tag
 *   32      8      born: microseconds since 1970
 *   40      8      the index's transaction
 *   48      8      identity: size
 *   56      8      identity: mtime
 *   64      8      identity: ctime
 *   72      8      identity: inode
 *   80      8      date of the content, seconds since 1970
 *   88      32     digest of the content
 *   120     4*n    lengths of name and value, 2 octets each: first of the
 *                  request fields, then of the fields of the 304
 *   ...            texts, each with a NUL after it: key, path, entity tag,
 *                  then names and values in the order of their lengths
 *   ...     0-31   zero, up to used
 * A length of 65535 says that the text is absent: it takes no octets then.
 *
 * Sequence.  A writer takes a slot by replacing the sequence S with an odd
 * one that is greater, 2 * now + 1 in microseconds unless S is past that,
 * so the lock itself says since when it is held.  It lets go by adding one.
 * No value comes twice in a slot.  The check covers the sequence at rest:
 * what a writer leaves can only pass under the sequence which that writer
 * itself set, and once another has taken over it cannot set it any more. */
#ifndef ANSWERS_LAYOUT_H
#define ANSWERS_LAYOUT_H

#include "validators/answers.h"

#define TABLE_MAGIC "VLDANSWR"
#define TABLE_VERSION 1u

/* The most slots in one table: 32 GB. */
#define TABLE_MAX_SLOTS (1u << 24)

/* Slots that one hash can stand in. */
#define WAYS 8

/* Octets of a slot are copied in steps of this many. */
#define STEP 32

/* The length that says "absent". */
#define ABSENT 0xFFFFu

enum table_offset {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_SLOTS = 12,
    AT_SECRET = 64,
    SECRET_SIZE = 192,
    AT_TAGS = AT_SECRET + SECRET_SIZE,
    TAG_LINE = WAYS * 8,
    FLOOR_LINE = 64
};

enum slot_offset {
    AT_CHECK = 0,
    AT_SEQUENCE = 8,
    AT_USED = 16,
    AT_KEY_LEN = 18,
    AT_VARY_COUNT = 20,
    AT_FIELD_COUNT = 21,
    AT_VERIFY = 22,
    AT_DATE_SENT = 23,
    AT_FLAGS = 24,
    AT_PATH_LEN = 28,
    AT_ETAG_LEN = 30,
    AT_BORN = 32,
    AT_INDEX_TXN = 40,
    AT_SIZE = 48,
    AT_MTIME = 56,
    AT_CTIME = 64,
    AT_INODE = 72,
    AT_LAST_MODIFIED = 80,
    AT_DIGEST = 88,
    AT_LENGTHS = 120
};

_Static_assert(AT_TAGS % 64 == 0, "tags of a set share one cache line");
_Static_assert(AT_DIGEST + sizeof(vld_digest) == AT_LENGTHS,
               "the fixed part has no holes");
_Static_assert(AT_LENGTHS % 8 == 0 && AT_BORN % 8 == 0,
               "words of the slot are aligned");
_Static_assert(VLD_ANSWER_SLOT % STEP == 0, "steps end with the slot");
_Static_assert(VLD_ANSWER_SLOT % 64 == 0 && VLD_ANSWER_SLOT < ABSENT,
               "lengths inside a slot fit 16 bits");
_Static_assert(sizeof(vld_digest) == 32, "the layout has SHA-256");

#endif /* ANSWERS_LAYOUT_H */
