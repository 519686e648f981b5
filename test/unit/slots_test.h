/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What the tests of slots and of the parts that use them share: memory as
 * processes share it, and a look at the words of slots.  Include cmocka
 * first. */
#ifndef TEST_SLOTS_TEST_H
#define TEST_SLOTS_TEST_H

#include <string.h>
#include <time.h>
#include <sys/mman.h>

#include "validators/slots.h"

#define SEED 0x1234567890ABCDEFu
#define NOW INT64_C(1790000000000000)
#define SECOND INT64_C(1000000)

/* Zeroed memory that forked processes share. */
static inline void *map_shared(size_t size)
{
    void *memory;

    assert_int_not_equal(size, 0);
    memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static inline unsigned char *slot_at(const vld_slots *slots, unsigned n)
{
    vld_slot_set set = vld_slots_set(slots, n / VLD_SLOT_WAYS);

    return vld_slots_slot(&set, n % VLD_SLOT_WAYS);
}

static inline uint64_t get64(const unsigned char *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static inline void set64(unsigned char *at, uint64_t v)
{
    memcpy(at, &v, sizeof(v));
}

static inline uint64_t sequence_at(const vld_slots *slots, unsigned n)
{
    return get64(slot_at(slots, n) + VLD_SLOT_SEQUENCE);
}

/* Leave a slot as a writer leaves it that takes it at `when` and dies. */
static inline void hold_slot(const vld_slots *slots, unsigned n, int64_t when)
{
    set64(slot_at(slots, n) + VLD_SLOT_SEQUENCE, (uint64_t)when << 1 | 1);
}

/* The one slot that was ever written. */
static inline unsigned find_used_slot(const vld_slots *slots)
{
    unsigned i, found = UINT32_MAX;

    for (i = 0; i < slots->count; i++) {
        if (sequence_at(slots, i)) {
            assert_int_equal(found, UINT32_MAX);
            found = i;
        }
    }
    assert_true(found < slots->count);
    return found;
}

/* How many ways have a fingerprint. */
static inline unsigned count_fingerprints(const vld_slots *slots)
{
    const uint64_t *at = vld_slots_set(slots, 0).fingerprints;
    unsigned i, n = 0;

    for (i = 0; i < slots->count; i++) {
        n += vld_word_load(&at[i]) != 0;
    }
    return n;
}

#endif /* TEST_SLOTS_TEST_H */
