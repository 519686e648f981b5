/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The protocol of slots (include/validators/slots.h), but for the parts of it
 * that are inline there.  It never waits, never allocates, never calls the
 * system, and never hands out octets that it has not copied and checked.
 *
 * Words are stored with release, in place of fences: the same instructions on
 * x86, and visible to ThreadSanitizer. */
#include "validators/slots.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#ifdef __SANITIZE_THREAD__
#define WORD_BY_WORD
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WORD_BY_WORD
#endif
#endif

enum head_offset { AT_MAGIC = 0, AT_VERSION = 8, AT_COUNT = 12 };

_Static_assert(VLD_SLOTS_SECRET_SIZE >= XXH3_SECRET_SIZE_MIN,
               "xxh3 wants more secret");
_Static_assert(VLD_SLOT_CHECK == 0 && VLD_SLOT_SEQUENCE == 8,
               "the check is of everything after it");

/* --- the memory ---------------------------------------------------------- */

static uint32_t count_sets(uint32_t count)
{
    return count / VLD_SLOT_WAYS + (count % VLD_SLOT_WAYS != 0);
}

size_t vld_slots_size(const vld_slots_kind *kind, uint32_t count)
{
    uint64_t set = 2 * VLD_SLOTS_LINE + VLD_SLOT_WAYS * (uint64_t)kind->size;
    uint64_t size;

    if (count == 0 || count > kind->most) {
        return 0;
    }
    size = VLD_SLOTS_FINGERPRINTS + count_sets(count) * set;
    return size > SIZE_MAX / 2 ? 0 : (size_t)size;
}

static void make_secret(unsigned char *secret, uint64_t seed)
{
    uint64_t i, word;

    for (i = 0; i < VLD_SLOTS_SECRET_SIZE / 8; i++) {
        word = XXH3_64bits_withSeed(&i, sizeof(i), seed);
        memcpy(secret + 8 * i, &word, sizeof(word));
    }
}

void vld_slots_init(vld_slots *slots, const vld_slots_kind *kind, void *memory,
                    uint32_t count, uint64_t seed)
{
    slots->base = memory;
    slots->count = count_sets(count) * VLD_SLOT_WAYS;
    slots->size = kind->size;
    memcpy(slots->base + AT_VERSION, &kind->version, sizeof(kind->version));
    memcpy(slots->base + AT_COUNT, &slots->count, sizeof(slots->count));
    make_secret(slots->base + VLD_SLOTS_SECRET, seed);
    memcpy(slots->base + AT_MAGIC, kind->magic, 8);
}

uint64_t vld_slots_hash(const vld_slots *slots, const void *octets, size_t len)
{
    return XXH3_64bits_withSecret(octets, len, slots->base + VLD_SLOTS_SECRET,
                                  VLD_SLOTS_SECRET_SIZE);
}

/* --- read ---------------------------------------------------------------- */

static uint64_t compute_check(const vld_slot_set *set, const uint64_t *copy,
                              size_t used)
{
    return vld_slots_hash(set->memory, &copy[VLD_SLOT_SEQUENCE / 8],
                          used - VLD_SLOT_SEQUENCE);
}

/* Copy octets that others may be writing at this moment: nobody looks at the
 * copy before the sequence shows that no writer was there.  ThreadSanitizer
 * knows words, but no fences. */
static inline void copy_octets(uint64_t *copy, const unsigned char *slot,
                               size_t used)
{
#ifdef WORD_BY_WORD
    size_t i;

    for (i = 0; i < (used + 7) / 8; i++) {
        copy[i] = vld_word_load(slot + 8 * i);
    }
#else
    memcpy(copy, slot, used);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

/* Copy the octets in use of a slot at rest; 0: it is held, or empty. */
static inline size_t copy_slot(const vld_slot_set *set, unsigned way,
                               uint64_t *copy)
{
    const unsigned char *slot = vld_slots_slot(set, way);
    uint64_t sequence = vld_word_load(slot + VLD_SLOT_SEQUENCE);
    uint64_t word = vld_word_load(slot + VLD_SLOT_USED);
    uint16_t used;

    memcpy(&used, &word, sizeof(used));
    if ((sequence & 1) || used < VLD_SLOT_USED_MIN
        || used > set->memory->size) {
        return 0;
    }
    copy_octets(copy, slot, used);
    return vld_word_load(slot + VLD_SLOT_SEQUENCE) == sequence ? used : 0;
}

size_t vld_slots_read(const vld_slot_set *set, unsigned way, uint64_t *copy)
{
    size_t used = copy_slot(set, way, copy);

    return used && compute_check(set, copy, used) == copy[VLD_SLOT_CHECK / 8]
               ? used
               : 0;
}

/* --- write --------------------------------------------------------------- */

/* The odd sequence under which to hold a slot that has this one now. */
static uint64_t hold_after(uint64_t sequence, int64_t now_us)
{
    uint64_t after = sequence + 2, now = (uint64_t)now_us << 1;

    return (after > now ? after : now) | 1;
}

bool vld_slots_write(const vld_slot_set *set, const vld_slot_choice *choice,
                     uint64_t *image, int64_t now_us)
{
    unsigned char *slot = vld_slots_slot(set, choice->way);
    uint64_t held = hold_after(choice->sequence, now_us);
    uint16_t used;
    size_t i;

    memcpy(&used, &image[VLD_SLOT_USED / 8], sizeof(used));
    image[VLD_SLOT_SEQUENCE / 8] = held + 1;
    image[VLD_SLOT_CHECK / 8] = compute_check(set, image, used);
    if (!vld_word_swap(slot + VLD_SLOT_SEQUENCE, choice->sequence, held)) {
        return false;
    }
    vld_word_store(&set->fingerprints[choice->way], set->fingerprint);
    vld_word_store(slot + VLD_SLOT_CHECK, image[VLD_SLOT_CHECK / 8]);
    for (i = VLD_SLOT_USED / 8; i < used / 8u; i++) {
        vld_word_store(slot + 8 * i, image[i]);
    }
    return vld_word_swap(slot + VLD_SLOT_SEQUENCE, held, held + 1);
}

void vld_slots_clear(const vld_slot_set *set, unsigned way)
{
    vld_word_swap(&set->fingerprints[way], set->fingerprint, 0);
}

bool vld_slots_retire(const vld_slot_set *set, unsigned way, uint64_t sequence)
{
    if (!vld_word_swap(vld_slots_slot(set, way) + VLD_SLOT_SEQUENCE, sequence,
                       sequence + 2)) {
        return false;
    }
    vld_slots_clear(set, way);
    return true;
}
