/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Sets of slots in memory that processes share, and the lock-free protocol by
 * which slots are written and read.  Knows nothing of what is in a slot.  Part
 * of slots/.
 *
 * Any number of processes and threads read and write at once.  No call waits,
 * allocates or calls the system.  A reader takes no lock: it copies a slot out
 * and checks the copy.  A writer that is killed at any instruction leaves a
 * slot that readers refuse and that a later writer takes over.  Times are
 * microseconds since 1970.
 *
 * Integers are in the machine's byte order: the memory never leaves the host
 * and never outlives the server.  There are no pointers in it, so each process
 * may have it at another address.  "The part" is the one that uses the slots.
 *
 * Memory
 *   OFFSET        SIZE      DESCRIPTION
 *   0             8         magic of the part
 *   8             4         version of the part's layout
 *   12            4         slots
 *   16            48        head words: the part's; zero at first
 *   64            192       secret of the hashes, from the seed
 *   256           64*sets   fingerprints: one line of 8 a set, one a way
 *   256+64*sets   64*sets   set words: the part's, one line of 8 a set; zero
 *                           at first
 *   256+128*sets  size*n    slots, the 8 ways of a set side by side
 *
 * A fingerprint is the hash of the key in that way; 0: none.  It is a hint
 * that saves looking at the slot, and no proof of what is in it.
 *
 * Slot
 *   OFFSET  SIZE  DESCRIPTION
 *   0       8     check: xxh3, under the secret, of octets 8 to used
 *   8       8     sequence: odd while the slot is written, even at rest
 *   16      2     used: octets of the slot in use, a multiple of 8
 *   18      ...   the part's data, up to used
 *
 * Writer
 *   1. It loads the sequence S and decides to write to this slot.
 *   2. It replaces S, by compare and swap, with an odd H that is greater:
 *      2 * now + 1, or one of S + 2 and S + 3 where S is past that.  So a held
 *      slot says since when it is held.
 *   3. It stores the fingerprint, the check, and the words from `used` on.
 *   4. It replaces H with H + 1, by compare and swap.
 * One that only forgets what is in a slot at rest replaces S with S + 2: the
 * check does not pass under that.
 * Reader
 *   1. It loads the sequence, and refuses an odd one.
 *   2. It copies the octets in use.
 *   3. It loads the sequence again, and refuses the copy if that has changed.
 *   4. It computes the check of the copy, and refuses one that is not equal.
 *
 * A slot is busy while its sequence is odd and says a time within a second of
 * now (VLD_SLOT_HELD_MAX_US), past or future.  Writers leave a busy slot alone.
 * One that is held for longer, or since a time further in the future because
 * the clock was set back, is a dead writer's: the next writer starts at step 2
 * with its odd sequence.
 *
 * Three things together keep readers from a torn slot:
 * - the sequence: enough by itself while every writer lives;
 * - the check over the octets: for a writer that was stopped, was taken for
 *   dead, and goes on to write over the slot of another;
 * - the sequence under the check, as it will be at rest: no sequence comes
 *   twice in a slot, and only the writer that holds H can set H + 1.  So a
 *   writer that was overtaken cannot leave a slot that passes, even where it
 *   stores all of its octets. */
#ifndef VALIDATORS_SLOTS_H
#define VALIDATORS_SLOTS_H

#include "validators/types.h"

_Static_assert(__atomic_always_lock_free(8, 0),
               "64-bit atomics must work across processes");

/* Slots that one hash can be in. */
#define VLD_SLOT_WAYS 8

/* How long a writer may hold a slot, microseconds; after that it is taken
 * for dead. */
#define VLD_SLOT_HELD_MAX_US 1000000

enum vld_slots_offset {
    VLD_SLOTS_HEAD_WORDS = 16,
    VLD_SLOTS_SECRET = 64,
    VLD_SLOTS_SECRET_SIZE = 192,
    VLD_SLOTS_FINGERPRINTS = VLD_SLOTS_SECRET + VLD_SLOTS_SECRET_SIZE,
    VLD_SLOTS_LINE = VLD_SLOT_WAYS * 8
};

enum vld_slot_offset {
    VLD_SLOT_CHECK = 0,
    VLD_SLOT_SEQUENCE = 8,
    VLD_SLOT_USED = 16,
    VLD_SLOT_DATA = 18,
    VLD_SLOT_USED_MIN = 24 /* the word with `used`, whole */
};

_Static_assert(VLD_SLOTS_LINE == 64 && VLD_SLOTS_FINGERPRINTS % 64 == 0,
               "fingerprints of a set share one cache line");

/* --- words --------------------------------------------------------------- */

static inline uint64_t vld_word_load(const void *at)
{
    return __atomic_load_n((const uint64_t *)at, __ATOMIC_ACQUIRE);
}

static inline void vld_word_store(void *at, uint64_t v)
{
    __atomic_store_n((uint64_t *)at, v, __ATOMIC_RELEASE);
}

/* Whether it was `old` and is v now. */
static inline bool vld_word_swap(void *at, uint64_t old, uint64_t v)
{
    return __atomic_compare_exchange_n((uint64_t *)at, &old, v, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* --- the memory ---------------------------------------------------------- */

/* What a part uses slots for. */
typedef struct vld_slots_kind {
    const char *magic; /* 8 octets */
    uint32_t version;  /* of the layout of the part's words and data */
    uint32_t most;     /* slots in one memory */
    uint32_t size;     /* octets of a slot: a multiple of 64, below 65,536 */
} vld_slots_kind;

/* A process's handle on the memory; plain data, may be copied. */
typedef struct vld_slots {
    unsigned char *base;
    uint32_t count; /* slots, in whole sets */
    uint32_t size;  /* octets of a slot */
} vld_slots;

/* Octets of memory for `count` slots, which are rounded up to whole sets; a
 * multiple of 64.  0 when count is 0 or more than the kind's most. */
size_t vld_slots_size(const vld_slots_kind *kind, uint32_t count);

/* Lay out empty slots in zeroed memory of vld_slots_size() octets, aligned to
 * 64.  Before any fork: the handle is copied with the process.  seed: secret,
 * so that clients cannot foresee hashes. */
void vld_slots_init(vld_slots *slots, const vld_slots_kind *kind, void *memory,
                    uint32_t count, uint64_t seed);

/* The 64-bit hash (xxh3) of octets under the secret. */
uint64_t vld_slots_hash(const vld_slots *slots, const void *octets, size_t len);

/* --- sets ---------------------------------------------------------------- */

/* One set in this process's memory, and the fingerprint that is looked for in
 * it. */
typedef struct vld_slot_set {
    const vld_slots *memory;
    uint64_t *fingerprints; /* VLD_SLOT_WAYS of them */
    uint64_t *words;        /* the part's, VLD_SLOT_WAYS of them; those of the
                             * next set follow */
    unsigned char *slots;
    uint64_t fingerprint;
} vld_slot_set;

/* The set with this number (below count / VLD_SLOT_WAYS), and no fingerprint
 * to look for. */
static inline vld_slot_set vld_slots_set(const vld_slots *slots, uint64_t n)
{
    size_t lines = (size_t)slots->count / VLD_SLOT_WAYS * VLD_SLOTS_LINE;
    unsigned char *line = slots->base + VLD_SLOTS_FINGERPRINTS
                          + n * VLD_SLOTS_LINE;
    vld_slot_set set;

    set.memory = slots;
    set.fingerprints = (uint64_t *)(void *)line;
    set.words = (uint64_t *)(void *)(line + lines);
    set.slots = slots->base + VLD_SLOTS_FINGERPRINTS + 2 * lines
                + n * VLD_SLOT_WAYS * slots->size;
    set.fingerprint = 0;
    return set;
}

/* The set of a key with this hash. */
static inline vld_slot_set vld_slots_locate(const vld_slots *slots,
                                            uint64_t hash)
{
    uint64_t sets = slots->count / VLD_SLOT_WAYS;
    vld_slot_set set = vld_slots_set(slots, ((hash >> 32) * sets) >> 32);

    set.fingerprint = hash ? hash : 1; /* 0 says "none" */
    return set;
}

static inline unsigned char *vld_slots_slot(const vld_slot_set *set,
                                            unsigned way)
{
    return set->slots + (size_t)way * set->memory->size;
}

static inline uint64_t vld_slots_sequence(const vld_slot_set *set, unsigned way)
{
    return vld_word_load(vld_slots_slot(set, way) + VLD_SLOT_SEQUENCE);
}

/* The ways, as bits, that have the set's fingerprint. */
static inline unsigned vld_slots_match(const vld_slot_set *set)
{
    unsigned way, ways = 0;

    for (way = 0; way < VLD_SLOT_WAYS; way++) {
        bool same = vld_word_load(&set->fingerprints[way]) == set->fingerprint;

        ways |= (unsigned)same << way;
    }
    return ways;
}

/* --- one slot ------------------------------------------------------------ */

/* How far apart two times are, whichever is first: clocks may be set back. */
static inline uint64_t vld_slots_apart(int64_t a, int64_t b)
{
    return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* Whether a slot with this sequence is being written by a live writer. */
static inline bool vld_slots_busy(uint64_t sequence, int64_t now_us)
{
    return (sequence & 1)
           && vld_slots_apart(now_us, (int64_t)(sequence >> 1))
                  <= VLD_SLOT_HELD_MAX_US;
}

/* Copy a slot at rest to `copy` (room for a whole slot).  Returns the octets
 * in use, which are whole and were there together; 0: there are no such. */
size_t vld_slots_read(const vld_slot_set *set, unsigned way, uint64_t *copy);

/* A way to write to, the sequence under which it was looked at, and the rank
 * that it was given. */
typedef struct vld_slot_choice {
    unsigned way;
    unsigned rank;
    uint64_t sequence;
} vld_slot_choice;

/* Write a slot and set its fingerprint to the set's.  image: the slot as it
 * shall be, `used` included (a multiple of 8, at least VLD_SLOT_USED_MIN);
 * check and sequence are filled in here.  False: another writer was at the
 * slot since it was looked at, or overtook this one. */
bool vld_slots_write(const vld_slot_set *set, const vld_slot_choice *choice,
                     uint64_t *image, int64_t now_us);

/* How good a way is to write to: the highest rank, then the greatest age.
 * Rank 0: not at all. */
typedef struct vld_slot_worth {
    unsigned rank;
    uint64_t age;
} vld_slot_worth;

/* The part's judgement of a way that is not busy. */
typedef vld_slot_worth (*vld_slots_judge)(void *baton, unsigned way,
                                          uint64_t sequence);

/* Choose the way to write to.  False: none is free to be taken, or a live
 * writer is at one with the same fingerprint.  Inline, and so is judge: it is
 * asked for each way of each response. */
static inline bool vld_slots_choose(const vld_slot_set *set, int64_t now_us,
                                    vld_slots_judge judge, void *baton,
                                    vld_slot_choice *best)
{
    uint64_t sequence, best_age = 0;
    vld_slot_worth worth;
    unsigned way;

    best->rank = 0;
    for (way = 0; way < VLD_SLOT_WAYS; way++) {
        sequence = vld_slots_sequence(set, way);
        if (vld_slots_busy(sequence, now_us)) {
            if (vld_word_load(&set->fingerprints[way]) == set->fingerprint) {
                return false;
            }
            continue;
        }
        worth = judge(baton, way, sequence);
        if (worth.rank > best->rank
            || (worth.rank && worth.rank == best->rank
                && worth.age > best_age)) {
            best->way = way;
            best->rank = worth.rank;
            best->sequence = sequence;
            best_age = worth.age;
        }
    }
    return best->rank > 0;
}

/* Make what is in a slot at rest unreadable for ever.  False: another writer
 * was at the slot since this sequence was loaded. */
bool vld_slots_retire(const vld_slot_set *set, unsigned way, uint64_t sequence);

/* Take the fingerprint from a way if it is the set's: what is in the slot, or
 * is being written to it, will not be found by it. */
void vld_slots_clear(const vld_slot_set *set, unsigned way);

#endif /* VALIDATORS_SLOTS_H */
