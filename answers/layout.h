/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The layout of prepared answers in slots of shared memory; private to
 * answers/ and its tests.  Numbers only, no code.  validators/slots.h has the
 * memory around it, and how a slot is written and read.
 *
 * Words of a set
 *   0     floor: the latest date, seconds since 1970, of the answers that the
 *         set has lost: replaced by others for want of room, or forgotten
 *   1-7   zero
 *
 * Slot
 *   OFFSET  SIZE   DESCRIPTION
 *   0       16     check and sequence
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
 *   88      32     name of the content
 *   120     4*n    lengths of name and value, 2 octets each: first of the
 *                  request fields, then of the fields of the 304
 *   ...            texts, each with a NUL after it: key, path, entity tag,
 *                  then names and values in the order of their lengths
 *   ...     0-31   zero, up to used
 * A length of 65535 says that the text is absent: it takes no octets then. */
#ifndef ANSWERS_LAYOUT_H
#define ANSWERS_LAYOUT_H

#include "validators/answers.h"
#include "validators/slots.h"

#define TABLE_MAGIC "VLDANSWR"
#define TABLE_VERSION 1u

/* The most slots in one table: 32 GB. */
#define TABLE_MAX_SLOTS (1u << 24)

/* Octets of a slot are copied in steps of this many. */
#define STEP 32

/* The length that says "absent". */
#define ABSENT 0xFFFFu

/* The word of a set that has its floor. */
#define FLOOR_WORD 0

enum slot_offset {
    AT_USED = VLD_SLOT_USED,
    AT_KEY_LEN = VLD_SLOT_DATA,
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
    AT_NAME = 88,
    AT_LENGTHS = 120
};

_Static_assert(AT_NAME + sizeof(vld_digest) == AT_LENGTHS,
               "the fixed part has no holes");
_Static_assert(AT_LENGTHS % 8 == 0 && AT_BORN % 8 == 0,
               "words of the slot are aligned");
_Static_assert(VLD_ANSWER_SLOT % STEP == 0, "steps end with the slot");
_Static_assert(VLD_ANSWER_SLOT % 64 == 0 && VLD_ANSWER_SLOT < ABSENT,
               "lengths inside a slot fit 16 bits");
_Static_assert(sizeof(vld_digest) == 32, "the layout has SHA-256");

#endif /* ANSWERS_LAYOUT_H */
