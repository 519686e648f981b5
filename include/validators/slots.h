/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Words of memory that processes share, and the sequence locks of slots in it:
 * what the table of prepared answers and the list of wanted files have in
 * common.  How a slot is locked stands in answers/layout.h. */
#ifndef VALIDATORS_SLOTS_H
#define VALIDATORS_SLOTS_H

#include "validators/types.h"

_Static_assert(__atomic_always_lock_free(8, 0),
               "64-bit atomics must work across processes");

/* How long a writer may hold a slot, microseconds; after that it is taken
 * for dead. */
#define VLD_SLOT_HELD_MAX_US 1000000

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

/* How far apart, whichever is first: clocks may be set back. */
static inline uint64_t vld_slot_apart(int64_t a, int64_t b)
{
    return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* Whether a slot with this sequence is being written, by one who lives. */
static inline bool vld_slot_is_busy(uint64_t sequence, int64_t now_us)
{
    return (sequence & 1)
           && vld_slot_apart(now_us, (int64_t)(sequence >> 1))
                  <= VLD_SLOT_HELD_MAX_US;
}

/* The odd sequence under which to hold a slot that has this one now. */
static inline uint64_t vld_slot_hold(uint64_t sequence, int64_t now_us)
{
    uint64_t after = sequence + 2, now = (uint64_t)now_us << 1;

    return (after > now ? after : now) | 1;
}

#endif /* VALIDATORS_SLOTS_H */
