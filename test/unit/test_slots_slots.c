/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of slots/slots.c: where sets and slots are, which way is chosen, and
 * that no torn, damaged or half-written slot is ever read, with threads,
 * processes and killed and stopped writers at work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "slots_test.h"

#define SLOT 320
#define MOST (1u << 20)

static const vld_slots_kind kind = { "VLDTESTS", 7, MOST, SLOT };

typedef struct bed {
    vld_slots slots;
    unsigned char *memory;
    size_t size;
} bed;

static void bed_make(bed *b, uint32_t count)
{
    b->size = vld_slots_size(&kind, count);
    b->memory = map_shared(b->size);
    vld_slots_init(&b->slots, &kind, b->memory, count, SEED);
}

static void bed_drop(bed *b)
{
    munmap(b->memory, b->size);
}

/* --- items: slots whose every word follows from a number ----------------- */

#define KEYS 64

/* A serial number, and the key that the item is for. */
static uint64_t number_of(unsigned key, uint64_t serial)
{
    return serial * KEYS + key;
}

static size_t used_of(uint64_t number)
{
    return VLD_SLOT_USED_MIN
           + 8 * (number / KEYS % ((SLOT - VLD_SLOT_USED_MIN) / 8 + 1));
}

static uint64_t word_of(uint64_t number, size_t i)
{
    return (number + 1) * 0x9E3779B97F4A7C15u + i;
}

static void make_image(uint64_t *image, uint64_t number)
{
    size_t i;

    image[VLD_SLOT_USED / 8] = used_of(number) | number << 16;
    for (i = VLD_SLOT_USED_MIN / 8; i < used_of(number) / 8; i++) {
        image[i] = word_of(number, i);
    }
}

#define NOTHING UINT64_MAX
#define TORN (UINT64_MAX - 1)

/* The number of the item in a way, NOTHING or TORN. */
static uint64_t read_way(const vld_slot_set *set, unsigned way)
{
    uint64_t copy[SLOT / 8], number;
    size_t used = vld_slots_read(set, way, copy), i;

    if (!used) {
        return NOTHING;
    }
    number = copy[VLD_SLOT_USED / 8] >> 16;
    if (used != used_of(number)) {
        return TORN;
    }
    for (i = VLD_SLOT_USED_MIN / 8; i < used / 8; i++) {
        if (copy[i] != word_of(number, i)) {
            return TORN;
        }
    }
    return number;
}

static bool write_way(const vld_slot_set *set, unsigned way, uint64_t number,
                      int64_t now)
{
    vld_slot_choice choice = { way, 0, vld_slots_sequence(set, way) };
    uint64_t image[SLOT / 8];

    make_image(image, number);
    return vld_slots_write(set, &choice, image, now);
}

static vld_slot_set set_of_key(const bed *b, unsigned key)
{
    return vld_slots_locate(&b->slots,
                            vld_slots_hash(&b->slots, &key, sizeof(key)));
}

/* What is remembered of a key: NOTHING, or the number; TORN if that cannot
 * be. */
static uint64_t get(const bed *b, unsigned key)
{
    vld_slot_set set = set_of_key(b, key);
    unsigned ways = vld_slots_match(&set), way;
    uint64_t number;

    for (way = 0; way < VLD_SLOT_WAYS; way++) {
        number = ways >> way & 1 ? read_way(&set, way) : NOTHING;
        if (number == TORN || (number != NOTHING && number % KEYS == key)) {
            return number;
        }
    }
    return NOTHING;
}

/* The way with the fingerprint, else one without, else that which was written
 * first. */
static vld_slot_worth judge_by_age(void *baton, unsigned way, uint64_t sequence)
{
    const vld_slot_set *set = baton;
    uint64_t has = vld_word_load(&set->fingerprints[way]);
    vld_slot_worth worth;

    worth.rank = has == set->fingerprint ? 3 : has == 0 ? 2 : 1;
    worth.age = UINT64_MAX - sequence;
    return worth;
}

static bool put(bed *b, uint64_t number, int64_t now)
{
    vld_slot_set set = set_of_key(b, (unsigned)(number % KEYS));
    uint64_t image[SLOT / 8];
    vld_slot_choice choice;

    make_image(image, number);
    return vld_slots_choose(&set, now, judge_by_age, &set, &choice)
           && vld_slots_write(&set, &choice, image, now);
}

static void forget(bed *b, unsigned key)
{
    vld_slot_set set = set_of_key(b, key);
    unsigned ways = vld_slots_match(&set), way;
    uint64_t sequence;

    for (way = 0; way < VLD_SLOT_WAYS; way++) {
        sequence = vld_slots_sequence(&set, way);
        if (!(ways >> way & 1)) {
            continue;
        }
        if (sequence & 1) {
            vld_slots_clear(&set, way);
        }
        else {
            vld_slots_retire(&set, way, sequence);
        }
    }
}

/* --- geometry ------------------------------------------------------------ */

static void no_slots_and_too_many_have_no_size(void **state)
{
    static const vld_slots_kind all = { "VLDTESTS", 1, UINT32_MAX, 65472 };

    (void)state;
    assert_int_equal(vld_slots_size(&kind, 0), 0);
    assert_int_equal(vld_slots_size(&kind, MOST + 1), 0);
    assert_int_equal(vld_slots_size(&kind, UINT32_MAX), 0);
    assert_int_not_equal(vld_slots_size(&kind, MOST), 0);
    assert_true(sizeof(size_t) > 4 || vld_slots_size(&all, UINT32_MAX) == 0);
    assert_true(sizeof(size_t) < 8
                || vld_slots_size(&all, UINT32_MAX) / 65472 >= UINT32_MAX);
}

static void slots_are_rounded_up_to_whole_sets(void **state)
{
    uint32_t count;
    bed b;

    (void)state;
    for (count = 1; count <= 33; count++) {
        bed_make(&b, count);
        assert_int_equal(b.slots.count, (count + 7) / 8 * 8);
        assert_int_equal(b.size, vld_slots_size(&kind, b.slots.count));
        assert_int_equal(b.size % 64, 0);
        assert_true(b.size > b.slots.count * (size_t)SLOT);
        bed_drop(&b);
    }
    assert_true(vld_slots_size(&kind, 9) > vld_slots_size(&kind, 8));
}

static void count_octets(const bed *b, unsigned char *counts, const void *at,
                         size_t len)
{
    size_t from = (size_t)((const unsigned char *)at - b->memory);

    assert_true(from <= b->size && len <= b->size - from);
    while (len--) {
        counts[from++]++;
    }
}

static void every_octet_of_the_memory_has_one_purpose(void **state)
{
    unsigned char *counts;
    unsigned n, way;
    size_t i;
    bed b;

    (void)state;
    bed_make(&b, 40);
    counts = calloc(b.size, 1);
    assert_non_null(counts);
    count_octets(&b, counts, b.memory, VLD_SLOTS_FINGERPRINTS);
    for (n = 0; n < 5; n++) {
        vld_slot_set set = vld_slots_set(&b.slots, n);

        count_octets(&b, counts, set.fingerprints, 64);
        count_octets(&b, counts, set.words, 64);
        assert_int_equal((uintptr_t)set.fingerprints % 64, 0);
        assert_int_equal((uintptr_t)set.words % 64, 0);
        assert_ptr_equal(set.words, vld_slots_set(&b.slots, 0).words + 8 * n);
        for (way = 0; way < VLD_SLOT_WAYS; way++) {
            count_octets(&b, counts, vld_slots_slot(&set, way), SLOT);
            assert_int_equal((uintptr_t)vld_slots_slot(&set, way) % 64, 0);
        }
    }
    for (i = 0; i < b.size; i++) {
        assert_int_equal(counts[i], 1);
    }
    free(counts);
    bed_drop(&b);
}

static void the_head_says_what_the_memory_is(void **state)
{
    uint32_t numbers[2];
    bed b;
    size_t i;

    (void)state;
    bed_make(&b, 20);
    assert_memory_equal(b.memory, "VLDTESTS", 8);
    memcpy(numbers, b.memory + 8, sizeof(numbers));
    assert_int_equal(numbers[0], 7);
    assert_int_equal(numbers[1], 24);
    for (i = VLD_SLOTS_HEAD_WORDS; i < VLD_SLOTS_SECRET; i++) {
        assert_int_equal(b.memory[i], 0);
    }
    for (i = VLD_SLOTS_FINGERPRINTS; i < b.size; i++) {
        assert_int_equal(b.memory[i], 0);
    }
    bed_drop(&b);
}

static void hashes_reach_every_set_and_none_beyond(void **state)
{
    unsigned reached[3] = { 0 }, n;
    uint64_t top;
    bed b;

    (void)state;
    bed_make(&b, 24);
    for (top = 0; top < 4096; top++) {
        uint64_t hash = top << 52 | 0xFFFFFFFFFFFFFu;
        vld_slot_set set = vld_slots_locate(&b.slots, hash);

        assert_int_equal(set.fingerprint, hash);
        for (n = 0; set.slots != vld_slots_set(&b.slots, n).slots; n++) {
            assert_true(n < 2);
        }
        assert_ptr_equal(set.fingerprints,
                         vld_slots_set(&b.slots, n).fingerprints);
        reached[n]++;
    }
    for (n = 0; n < 3; n++) {
        assert_in_range(reached[n], 1365, 1366);
    }
    bed_drop(&b);
}

static void a_hash_of_zero_has_a_fingerprint(void **state)
{
    vld_slot_set set;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 0);
    assert_int_equal(vld_slots_match(&set), 0);
    assert_true(write_way(&set, 5, 1, NOW));
    assert_int_equal(vld_slots_match(&set), 1u << 5);
    bed_drop(&b);
}

static void another_seed_gives_another_hash_and_check(void **state)
{
    vld_slot_set set;
    uint64_t hash;
    bed b;

    (void)state;
    bed_make(&b, 8);
    hash = vld_slots_hash(&b.slots, "k", 1);
    set = set_of_key(&b, 1);
    assert_true(write_way(&set, 0, 1, NOW));
    vld_slots_init(&b.slots, &kind, b.memory, 8, SEED + 1);
    assert_true(vld_slots_hash(&b.slots, "k", 1) != hash);
    assert_true(read_way(&set, 0) == NOTHING);
    bed_drop(&b);
}

static void the_same_memory_elsewhere_has_the_same_slots(void **state)
{
    void *other;
    bed b;

    (void)state;
    bed_make(&b, 64);
    assert_true(put(&b, number_of(3, 4), NOW));
    other = malloc(b.size + 64);
    assert_non_null(other);
    b.slots.base = (unsigned char *)other + (64 - (uintptr_t)other % 64) % 64;
    memcpy(b.slots.base, b.memory, b.size);
    memset(b.memory, 0, b.size);
    assert_int_equal(get(&b, 3), number_of(3, 4));
    free(other);
    bed_drop(&b);
}

/* --- reading what was written -------------------------------------------- */

static void an_empty_slot_is_not_read(void **state)
{
    vld_slot_set set;
    unsigned way;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_set(&b.slots, 0);
    for (way = 0; way < VLD_SLOT_WAYS; way++) {
        assert_true(read_way(&set, way) == NOTHING);
    }
    bed_drop(&b);
}

static void slots_of_every_length_are_read_and_no_octet_more(void **state)
{
    uint64_t copy[SLOT / 8 + 1];
    vld_slot_set set;
    size_t used, i;
    unsigned n;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 77);
    for (n = 0; n < 2 * SLOT / 8; n++) {
        uint64_t number = number_of(1, n);

        memset(vld_slots_slot(&set, 3), 0xEE, SLOT);
        set64(vld_slots_slot(&set, 3) + VLD_SLOT_SEQUENCE, 8);
        memset(vld_slots_slot(&set, 4), 0xDD, VLD_SLOT_USED_MIN);
        assert_true(write_way(&set, 3, number, NOW + n));
        assert_int_equal(read_way(&set, 3), number);
        memset(copy, 0xAA, sizeof(copy));
        used = vld_slots_read(&set, 3, copy);
        assert_int_equal(used, used_of(number));
        for (i = used; i < sizeof(copy); i++) {
            assert_int_equal(((unsigned char *)copy)[i], 0xAA);
        }
        for (i = used; i < SLOT; i++) {
            assert_int_equal(vld_slots_slot(&set, 3)[i], 0xEE);
        }
        assert_int_equal(vld_slots_slot(&set, 4)[0], 0xDD);
    }
    bed_drop(&b);
}

/* Give a slot this length, and the check that belongs to it. */
static void forge_used(const vld_slots *slots, unsigned char *slot,
                       uint16_t used)
{
    memcpy(slot + VLD_SLOT_USED, &used, sizeof(used));
    if (used >= VLD_SLOT_SEQUENCE) {
        set64(slot + VLD_SLOT_CHECK,
              vld_slots_hash(slots, slot + VLD_SLOT_SEQUENCE,
                             used - (size_t)VLD_SLOT_SEQUENCE));
    }
}

static void a_length_out_of_bounds_is_refused_even_with_its_check(void **state)
{
    uint64_t copy[SLOT / 8];
    vld_slot_set set;
    uint32_t used;
    bed b;

    (void)state;
    bed_make(&b, 2048);
    set = vld_slots_set(&b.slots, 0);
    assert_true(write_way(&set, 0, 1, NOW));
    for (used = 0; used <= UINT16_MAX; used++) {
        forge_used(&b.slots, vld_slots_slot(&set, 0), (uint16_t)used);
        assert_int_equal(vld_slots_read(&set, 0, copy),
                         used >= VLD_SLOT_USED_MIN && used <= SLOT ? used : 0);
    }
    bed_drop(&b);
}

static void a_fingerprint_matches_in_every_way_that_has_it(void **state)
{
    vld_slot_set set, other;
    unsigned ways, way;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 42);
    other = vld_slots_locate(&b.slots, 43);
    for (ways = 0; ways < 1u << VLD_SLOT_WAYS; ways++) {
        for (way = 0; way < VLD_SLOT_WAYS; way++) {
            set.fingerprints[way] = ways >> way & 1 ? 42 : 43;
        }
        assert_int_equal(vld_slots_match(&set), ways);
        assert_int_equal(vld_slots_match(&other), ways ^ 0xFF);
    }
    bed_drop(&b);
}

static void what_is_retired_or_cleared_is_gone(void **state)
{
    vld_slot_set set, other;
    uint64_t sequence;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 42);
    other = vld_slots_locate(&b.slots, 43);
    assert_true(write_way(&set, 2, 1, NOW));
    sequence = vld_slots_sequence(&set, 2);
    assert_true(write_way(&set, 2, 2, NOW + 1));
    assert_false(vld_slots_retire(&set, 2, sequence));
    assert_int_equal(read_way(&set, 2), 2);
    assert_int_equal(vld_slots_match(&set), 1u << 2);
    vld_slots_clear(&other, 2);
    assert_int_equal(vld_slots_match(&set), 1u << 2);
    vld_slots_clear(&set, 2);
    assert_int_equal(set.fingerprints[2], 0);
    assert_int_equal(read_way(&set, 2), 2);
    assert_true(write_way(&set, 2, 3, NOW + 2));
    sequence = vld_slots_sequence(&set, 2);
    assert_true(vld_slots_retire(&set, 2, sequence));
    assert_true(read_way(&set, 2) == NOTHING);
    assert_int_equal(set.fingerprints[2], 0);
    assert_true(vld_slots_sequence(&set, 2) > sequence);
    assert_true(write_way(&set, 2, 4, NOW + 2));
    assert_int_equal(read_way(&set, 2), 4);
    bed_drop(&b);
}

/* --- choosing a way ------------------------------------------------------ */

typedef struct opinion {
    vld_slot_worth worth[VLD_SLOT_WAYS];
    unsigned asked; /* ways, as bits */
} opinion;

static vld_slot_worth judge_as_told(void *baton, unsigned way,
                                    uint64_t sequence)
{
    opinion *o = baton;

    assert_int_equal(sequence & 1, o->asked >> 16 >> way & 1);
    o->asked |= 1u << way;
    return o->worth[way];
}

#define NONE VLD_SLOT_WAYS

static const struct preference {
    vld_slot_worth worth[VLD_SLOT_WAYS];
    unsigned way;
} preferences[] = {
    { { { 0, 0 } }, NONE },
    { { { 0, 9 }, { 0, UINT64_MAX } }, NONE },
    { { { 1, 0 } }, 0 },
    { { { 0, 9 }, { 1, 0 }, { 0, 9 } }, 1 },
    { { { 1, 9 }, { 2, 0 }, { 1, 9 } }, 1 },
    { { { 1, 3 }, { 1, 7 }, { 1, 5 } }, 1 },
    { { { 1, 7 }, { 1, 7 }, { 1, 7 } }, 0 },
    { { { 1, 0 }, { 1, UINT64_MAX } }, 1 },
    { { { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 4, 0 } }, 7 },
};

static void the_highest_rank_is_chosen_then_the_greatest_age(void **state)
{
    vld_slot_choice choice;
    vld_slot_set set;
    opinion o;
    size_t i;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 42);
    for (i = 0; i < 7; i++) {
        set64(vld_slots_slot(&set, (unsigned)i) + VLD_SLOT_SEQUENCE,
              100 + 2 * i);
    }
    for (i = 0; i < sizeof(preferences) / sizeof(preferences[0]); i++) {
        const struct preference *p = &preferences[i];

        memcpy(o.worth, p->worth, sizeof(o.worth));
        o.asked = 0;
        assert_int_equal(vld_slots_choose(&set, NOW, judge_as_told, &o,
                                          &choice),
                         p->way != NONE);
        assert_int_equal(o.asked, 0xFF);
        if (p->way != NONE) {
            assert_int_equal(choice.way, p->way);
            assert_int_equal(choice.rank, p->worth[p->way].rank);
            assert_int_equal(choice.sequence, vld_slots_sequence(&set, p->way));
        }
    }
    bed_drop(&b);
}

static void a_busy_way_is_not_judged_and_a_dead_writers_is(void **state)
{
    opinion o = { { { 1, 1 } }, 0 };
    vld_slot_choice choice;
    vld_slot_set set;
    unsigned way;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 42);
    hold_slot(&b.slots, 0, NOW);
    hold_slot(&b.slots, 2, NOW - SECOND - 1);
    o.asked = 1u << 16 << 2; /* whose sequence is odd */
    assert_false(vld_slots_choose(&set, NOW, judge_as_told, &o, &choice));
    assert_int_equal(o.asked & 0xFF, 0xFE);
    o.worth[2].rank = 1;
    assert_true(vld_slots_choose(&set, NOW, judge_as_told, &o, &choice));
    assert_int_equal(choice.way, 2);
    for (way = 0; way < VLD_SLOT_WAYS; way++) {
        hold_slot(&b.slots, way, NOW);
        o.worth[way].rank = 1;
    }
    o.asked = 0;
    assert_false(vld_slots_choose(&set, NOW, judge_as_told, &o, &choice));
    assert_int_equal(o.asked, 0);
    bed_drop(&b);
}

static void nothing_is_chosen_while_the_fingerprint_is_being_written(void **s)
{
    opinion o = { { { 1, 1 } }, 0 };
    vld_slot_choice choice;
    vld_slot_set set;
    bed b;

    (void)s;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 42);
    set.fingerprints[7] = 42;
    assert_true(vld_slots_choose(&set, NOW, judge_as_told, &o, &choice));
    hold_slot(&b.slots, 7, NOW);
    assert_false(vld_slots_choose(&set, NOW, judge_as_told, &o, &choice));
    set.fingerprints[7] = 43;
    assert_true(vld_slots_choose(&set, NOW, judge_as_told, &o, &choice));
    bed_drop(&b);
}

static void a_way_that_changed_since_it_was_chosen_is_left_alone(void **state)
{
    vld_slot_choice choice;
    uint64_t image[SLOT / 8];
    vld_slot_set set, other;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 42);
    other = vld_slots_locate(&b.slots, 43);
    choice.way = 1;
    choice.sequence = vld_slots_sequence(&set, 1);
    assert_true(write_way(&other, 1, 5, NOW));
    make_image(image, 6);
    assert_false(vld_slots_write(&set, &choice, image, NOW));
    assert_int_equal(read_way(&other, 1), 5);
    assert_int_equal(vld_slots_match(&other), 1u << 1);
    bed_drop(&b);
}

static void the_oldest_of_a_full_set_gives_way(void **state)
{
    static const unsigned ages[VLD_SLOT_WAYS] = {
        50, 30, 70, 20, 60, 10, 80, 40
    };
    unsigned i, n;
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        assert_true(put(&b, number_of(i, 1), NOW + ages[i]));
    }
    for (n = 1; n <= 4; n++) { /* 10, 20, 30, 40 leave in this order */
        assert_true(put(&b, number_of(20 + n, 1), NOW + 1000 + n));
        for (i = 0; i < VLD_SLOT_WAYS; i++) {
            assert_int_equal(get(&b, i) != NOTHING, ages[i] > 10 * n);
        }
    }
    bed_drop(&b);
}

/* --- writers that died --------------------------------------------------- */

static void hold_all(const bed *b, int64_t when)
{
    unsigned i;

    for (i = 0; i < b->slots.count; i++) {
        hold_slot(&b->slots, i, when);
    }
}

static void a_held_slot_is_refused_and_left_alone_for_a_second(void **state)
{
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    assert_true(put(&b, number_of(1, 0), NOW));
    hold_all(&b, NOW);
    assert_true(get(&b, 1) == NOTHING);
    assert_false(put(&b, number_of(1, 1), NOW));
    assert_false(put(&b, number_of(1, 1), NOW + SECOND));
    assert_false(put(&b, number_of(1, 1), NOW - SECOND));
    assert_false(put(&b, number_of(2, 1), NOW + SECOND));
    bed_drop(&b);
}

static void a_slot_held_for_longer_is_taken_over(void **state)
{
    unsigned i;
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    hold_all(&b, NOW);
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        assert_true(put(&b, number_of(i, i), NOW + SECOND + 1));
    }
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        assert_int_equal(get(&b, i), number_of(i, i));
    }
    bed_drop(&b);
}

static void a_clock_set_back_does_not_keep_a_dead_writers_slot(void **state)
{
    const int64_t day = 86400 * SECOND;
    const uint64_t held = (uint64_t)(NOW + day) << 1 | 1;
    unsigned i, taken = 0;
    uint64_t after;
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    hold_all(&b, NOW + day);
    assert_false(put(&b, number_of(1, 1), NOW + day - SECOND));
    assert_true(put(&b, number_of(1, 1), NOW));
    assert_int_equal(get(&b, 1), number_of(1, 1));
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        after = sequence_at(&b.slots, i);
        taken += after > held + 1; /* what the dead one would have set */
        assert_true(after == held || after > held + 1);
    }
    assert_int_equal(taken, 1);
    bed_drop(&b);
}

static void a_sequence_is_never_used_twice(void **state)
{
    static const int64_t nows[] = {
        NOW, NOW, NOW - 5, 0, -7, NOW + 1, INT64_MIN
    };
    uint64_t before = 0, after;
    vld_slot_set set;
    unsigned i;
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    set = vld_slots_locate(&b.slots, 42);
    for (i = 0; i < sizeof(nows) / sizeof(nows[0]); i++) {
        assert_true(write_way(&set, 1, i, nows[i]));
        after = vld_slots_sequence(&set, 1);
        assert_true(after > before || nows[i] < 0);
        assert_int_equal(after & 1, 0);
        assert_true(after != before);
        before = after;
    }
    bed_drop(&b);
}

static void nap(long us)
{
    struct timespec t = { 0, us * 1000 };

    nanosleep(&t, NULL);
}

static void write_until_killed(bed *b, int64_t now)
{
    uint64_t n;

    for (n = 0;; n++) {
        put(b, number_of((unsigned)(n % 12), n % 1000), now);
    }
}

static void writers_killed_at_any_instruction_leave_usable_slots(void **s)
{
    unsigned round, i, n, held = 0, found = 0;
    int64_t now = NOW;
    bed b;

    (void)s;
    bed_make(&b, VLD_SLOT_WAYS);
    /* Until enough was tried: a process may take long to get to its first. */
    for (round = 0; round < 2000 && (held < 10 || found <= 100 || round < 100);
         round++) {
        int status;
        pid_t pid;

        now += 10 * SECOND;
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            write_until_killed(&b, now);
        }
        nap(200 + (long)(round % 37) * 31);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        for (n = 0; n < b.slots.count; n++) {
            held += sequence_at(&b.slots, n) & 1;
        }
        for (i = 0; i < 12; i++) {
            assert_true(get(&b, i) != TORN);
            found += get(&b, i) != NOTHING;
        }
    }
    assert_true(held >= 10); /* else nothing was tried */
    assert_true(found > 100);
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        assert_true(put(&b, number_of(20 + i, i), now + 10 * SECOND));
        assert_int_equal(get(&b, 20 + i), number_of(20 + i, i));
    }
    bed_drop(&b);
}

/* --- writers stopped at each instruction --------------------------------- */

/* A child that writes a slot under the eyes of this process.  It stops before
 * and after; between the two it goes on by single instructions, so that the
 * memory is seen as it is after each. */
typedef struct traced {
    pid_t pid;
    bed *b;
    unsigned char *seen; /* the memory after the last instruction */
    unsigned changes;    /* how often it changed */
} traced;

#define TRACED_KEY 9
#define TRACED_WAY 3

static void write_traced(bed *b, uint64_t number)
{
    vld_slot_set set = set_of_key(b, TRACED_KEY);
    bool done;

    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
        _exit(77);
    }
    raise(SIGSTOP);
    done = write_way(&set, TRACED_WAY, number, NOW);
    raise(SIGSTOP);
    _exit(done ? 0 : 1);
}

/* Start the child; false: processes may not be traced here. */
static bool start_traced(traced *t, bed *b, uint64_t number)
{
    int status;

    t->b = b;
    t->changes = 0;
    t->pid = fork();
    assert_true(t->pid >= 0);
    if (t->pid == 0) {
        write_traced(b, number);
    }
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        return false;
    }
    assert_true(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    /* A test that fails leaves no stopped process. */
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, t->pid, NULL, PTRACE_O_EXITKILL),
                     0);
    t->seen = malloc(b->size);
    assert_non_null(t->seen);
    memcpy(t->seen, b->memory, b->size);
    return true;
}

/* Go on until the memory has changed.  False: the write is over. */
static bool step_to_change(traced *t)
{
    unsigned steps;
    int status;

    for (steps = 0; steps < 10000000; steps++) {
        assert_int_equal(ptrace(PTRACE_SINGLESTEP, t->pid, NULL, NULL), 0);
        assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
        assert_true(WIFSTOPPED(status));
        if (WSTOPSIG(status) == SIGSTOP) {
            return false;
        }
        if (memcmp(t->seen, t->b->memory, t->b->size)) {
            memcpy(t->seen, t->b->memory, t->b->size);
            t->changes++;
            return true;
        }
    }
    fail_msg("the write did not end in %u instructions", steps);
    return false;
}

static void end_traced(traced *t)
{
    int status;

    kill(t->pid, SIGKILL);
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    free(t->seen);
}

/* Let the child run to its end; whether it says that it has written. */
static bool finish_traced(traced *t)
{
    int status;

    assert_int_equal(ptrace(PTRACE_CONT, t->pid, NULL, NULL), 0);
    assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    if (WIFSTOPPED(status)) {
        assert_int_equal(ptrace(PTRACE_CONT, t->pid, NULL, NULL), 0);
        assert_int_equal(waitpid(t->pid, &status, 0), t->pid);
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    free(t->seen);
    return WEXITSTATUS(status) == 0;
}

/* A set with an item in each way; `old` is in TRACED_WAY. */
static void make_traced(bed *b, uint64_t old)
{
    vld_slot_set set;
    uint64_t number;
    unsigned way;

    bed_make(b, VLD_SLOT_WAYS);
    for (way = 0; way < VLD_SLOT_WAYS; way++) {
        number = way == TRACED_WAY ? old : number_of(way, way);
        set = set_of_key(b, (unsigned)(number % KEYS));
        assert_true(write_way(&set, way, number, NOW - 10 * SECOND));
    }
}

/* The memory as it is now, to try what a killed writer leaves. */
static void copy_bed(bed *to, const bed *from)
{
    *to = *from;
    to->memory = map_shared(from->size);
    memcpy(to->memory, from->memory, from->size);
    to->slots.base = to->memory;
}

/* What a writer leaves that is killed now, while it replaces old by new. */
static void assert_left_usable(const bed *from, uint64_t old, uint64_t new)
{
    uint64_t next = number_of(TRACED_KEY, 30);
    vld_slot_set set = set_of_key(from, TRACED_KEY);
    bool held = vld_slots_sequence(&set, TRACED_WAY) & 1;
    uint64_t has = read_way(&set, TRACED_WAY);
    unsigned way;
    bed b;

    assert_true(held ? has == NOTHING : has == old || has == new);
    copy_bed(&b, from);
    for (way = 0; way < VLD_SLOT_WAYS; way++) {
        assert_true(way == TRACED_WAY || get(&b, way) == number_of(way, way));
    }
    if (held && set.fingerprints[TRACED_WAY] == set.fingerprint) {
        assert_false(put(&b, next, NOW + SECOND));
    }
    assert_true(put(&b, next, held ? NOW + SECOND + 1 : NOW));
    assert_int_equal(get(&b, TRACED_KEY), next);
    set = set_of_key(&b, TRACED_KEY);
    assert_true(write_way(&set, TRACED_WAY, next, NOW + SECOND + 1));
    assert_int_equal(read_way(&set, TRACED_WAY), next);
    bed_drop(&b);
}

#ifdef __x86_64__
#define MAY_STEP true
#else
/* Where a swap is a loop of load and store, a step in it starts it anew. */
#define MAY_STEP false
#endif

static void a_writer_killed_at_each_instruction_leaves_a_usable_slot(void **s)
{
    /* A slot of the same key, and one of another. */
    const uint64_t old[2] = { number_of(TRACED_KEY, 5), number_of(50, 5) };
    const uint64_t new = number_of(TRACED_KEY, 21);
    unsigned i;
    traced t;
    bed b;

    (void)s;
    for (i = 0; i < 2; i++) {
        make_traced(&b, old[i]);
        if (!MAY_STEP || !start_traced(&t, &b, new)) {
            skip();
        }
        assert_left_usable(&b, old[i], new);
        while (step_to_change(&t)) {
            assert_left_usable(&b, old[i], new);
        }
        /* Sequence, check, the words from `used` on, sequence, and in the slot
         * of another the fingerprint. */
        assert_int_equal(t.changes, 3 + i + (used_of(new) - VLD_SLOT_USED) / 8);
        assert_int_equal(get(&b, TRACED_KEY), new);
        end_traced(&t);
        bed_drop(&b);
    }
}

/* Stop a writer after `changes` of the memory, let another overtake it, and
 * let it go on.  Returns what is read then. */
static uint64_t overtake(unsigned changes, uint64_t first, uint64_t second,
                         bool *over)
{
    uint64_t has, next = number_of(TRACED_KEY, 30);
    vld_slot_set set;
    bool held, written;
    traced t;
    bed b;

    make_traced(&b, number_of(TRACED_KEY, 5));
    set = set_of_key(&b, TRACED_KEY);
    assert_true(start_traced(&t, &b, first));
    *over = false;
    while (t.changes < changes && !*over) {
        *over = !step_to_change(&t);
    }
    held = vld_slots_sequence(&set, TRACED_WAY) & 1;
    assert_true(write_way(&set, TRACED_WAY, second, NOW + 2 * SECOND));
    assert_int_equal(read_way(&set, TRACED_WAY), second);
    written = finish_traced(&t);
    assert_false(written && held);
    has = read_way(&set, TRACED_WAY);
    assert_true(write_way(&set, TRACED_WAY, next, NOW + 2 * SECOND));
    assert_int_equal(read_way(&set, TRACED_WAY), next);
    bed_drop(&b);
    return has;
}

static void a_writer_that_was_overtaken_leaves_nothing_that_passes(void **s)
{
    /* Few words: under ThreadSanitizer each takes long, and all are stepped
     * through once for each. */
    const uint64_t first = number_of(TRACED_KEY, 6);
    const uint64_t second = number_of(TRACED_KEY, 7);
    unsigned changes, refused = 0, stood = 0;
    uint64_t has;
    bool over = false;
    traced t;
    bed b;

    (void)s;
    bed_make(&b, VLD_SLOT_WAYS);
    if (!MAY_STEP || !start_traced(&t, &b, first)) {
        skip();
    }
    end_traced(&t);
    bed_drop(&b);
    for (changes = 1; !over; changes++) {
        has = overtake(changes, first, second, &over);
        assert_true(has == second || has == NOTHING);
        refused += has == NOTHING;
        stood += has == second;
    }
    /* Refused where the check or a word was still to come. */
    assert_int_equal(refused, 1 + (used_of(first) - VLD_SLOT_USED) / 8);
    assert_int_equal(stood, 3);
}

/* --- torn and damaged slots ---------------------------------------------- */

/* What the damage of a way may lead to: nothing, or the very item. */
static unsigned count_refused(const vld_slot_set *set, uint64_t number)
{
    uint64_t has = read_way(set, 2);

    assert_true(has == number || has == NOTHING);
    return has == NOTHING;
}

static void every_flipped_bit_is_refused_or_without_effect(void **state)
{
    const uint64_t number = number_of(7, 20);
    unsigned bit, refused = 0;
    unsigned char *slot;
    vld_slot_set set;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 42);
    assert_true(write_way(&set, 2, number, NOW));
    slot = vld_slots_slot(&set, 2);
    for (bit = 0; bit < SLOT * 8; bit++) {
        slot[bit / 8] ^= (unsigned char)(1u << bit % 8);
        refused += count_refused(&set, number);
        slot[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_int_equal(refused, used_of(number) * 8);
    bed_drop(&b);
}

/* A writer was stopped; a second took the slot over and finished; then the
 * first goes on.  All of its stores but the sequence (which it can only let go
 * by comparing) land at last, from any word on, up to any word. */
static void any_words_of_an_overtaken_writer_are_refused(void **state)
{
    const uint64_t numbers[2] = { number_of(7, 33), number_of(7, 34) };
    unsigned char first[SLOT], second[SLOT], *slot;
    unsigned from, to, refused = 0, tried = 0;
    vld_slot_set set;
    bed b;

    (void)state;
    bed_make(&b, 8);
    set = vld_slots_locate(&b.slots, 42);
    slot = vld_slots_slot(&set, 2);
    assert_true(write_way(&set, 2, numbers[0], NOW));
    memcpy(first, slot, SLOT);
    assert_true(write_way(&set, 2, numbers[1], NOW + 2 * SECOND));
    memcpy(second, slot, SLOT);
    assert_true(get64(second + VLD_SLOT_SEQUENCE)
                > get64(first + VLD_SLOT_SEQUENCE));
    for (from = 0; from < SLOT / 8; from++) {
        for (to = from + 1; to <= SLOT / 8; to++, tried++) {
            memcpy(slot, second, SLOT);
            memcpy(slot + 8 * from, first + 8 * from, 8 * (to - from));
            memcpy(slot + VLD_SLOT_SEQUENCE, second + VLD_SLOT_SEQUENCE, 8);
            refused += count_refused(&set, numbers[1]);
        }
    }
    /* The whole of the first one's item, too. */
    memcpy(slot, first, SLOT);
    memcpy(slot + VLD_SLOT_SEQUENCE, second + VLD_SLOT_SEQUENCE, 8);
    assert_int_equal(count_refused(&set, numbers[1]), 1);
    assert_true(refused > tried / 2);
    bed_drop(&b);
}

static void memory_of_noise_gives_nothing_and_takes_everything(void **state)
{
    uint64_t x = 88172645463325252u, copy[SLOT / 8];
    vld_slot_set set;
    size_t i;
    bed b;

    (void)state;
    bed_make(&b, 64);
    for (i = VLD_SLOTS_FINGERPRINTS; i < b.size; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        set64(b.slots.base + i, x);
    }
    for (i = 0; i < 64; i++) {
        set = vld_slots_set(&b.slots, i / VLD_SLOT_WAYS);
        assert_int_equal(vld_slots_read(&set, i % VLD_SLOT_WAYS, copy), 0);
    }
    for (i = 0; i < 20; i++) {
        assert_true(put(&b, number_of((unsigned)i, i), NOW));
        assert_int_equal(get(&b, (unsigned)i), number_of((unsigned)i, i));
    }
    bed_drop(&b);
}

/* --- all at once --------------------------------------------------------- */

#define STRESS_KEYS 24
#define STRESS_THREADS 4
#define STRESS_PROCESSES 2

typedef struct worker {
    bed *b;
    uint64_t random;
    unsigned rounds;
    unsigned found, stored, torn;
} worker;

static uint64_t next_random(worker *w)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return w->random;
}

/* Read mostly, write often, forget at times; count what is not whole. */
static void *stress(void *data)
{
    worker *w = data;
    unsigned i, key;
    uint64_t r, has;

    for (i = 0; i < w->rounds; i++) {
        r = next_random(w);
        key = (unsigned)(r >> 20) % STRESS_KEYS;
        if (r % 16 == 1) {
            forget(w->b, key);
        }
        else if (r % 4 == 0) {
            w->stored += put(w->b, number_of(key, (r >> 30) % 100000), NOW + i);
        }
        else {
            has = get(w->b, key);
            w->torn += has == TORN;
            w->found += has != NOTHING;
        }
    }
    return NULL;
}

static void stress_with_threads(bed *b, uint64_t seed, worker *sum)
{
    worker workers[STRESS_THREADS];
    pthread_t threads[STRESS_THREADS];
    unsigned i;

    memset(sum, 0, sizeof(*sum));
    for (i = 0; i < STRESS_THREADS; i++) {
        memset(&workers[i], 0, sizeof(workers[i]));
        workers[i].b = b;
        workers[i].rounds = 60000;
        workers[i].random = seed * 1000003 + i + 1;
        if (pthread_create(&threads[i], NULL, stress, &workers[i])) {
            abort();
        }
    }
    for (i = 0; i < STRESS_THREADS; i++) {
        pthread_join(threads[i], NULL);
        sum->found += workers[i].found;
        sum->stored += workers[i].stored;
        sum->torn += workers[i].torn;
    }
}

static void threads_that_read_and_write_see_whole_slots_only(void **state)
{
    worker sum;
    bed b;

    (void)state;
    bed_make(&b, 16);
    stress_with_threads(&b, 1, &sum);
    assert_int_equal(sum.torn, 0);
    assert_true(sum.found > 1000 && sum.stored > 1000);
    bed_drop(&b);
}

static void processes_that_read_and_write_see_whole_slots_only(void **state)
{
    pid_t pids[STRESS_PROCESSES];
    unsigned i;
    worker sum;
    int status;
    bed b;

    (void)state;
    bed_make(&b, 16);
    for (i = 0; i < STRESS_PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            stress_with_threads(&b, 10 + i, &sum);
            _exit(sum.torn == 0 && sum.found > 1000 && sum.stored > 1000 ? 0
                                                                         : 1);
        }
    }
    for (i = 0; i < STRESS_PROCESSES; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    bed_drop(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_slots_and_too_many_have_no_size),
        cmocka_unit_test(slots_are_rounded_up_to_whole_sets),
        cmocka_unit_test(every_octet_of_the_memory_has_one_purpose),
        cmocka_unit_test(the_head_says_what_the_memory_is),
        cmocka_unit_test(hashes_reach_every_set_and_none_beyond),
        cmocka_unit_test(a_hash_of_zero_has_a_fingerprint),
        cmocka_unit_test(another_seed_gives_another_hash_and_check),
        cmocka_unit_test(the_same_memory_elsewhere_has_the_same_slots),
        cmocka_unit_test(an_empty_slot_is_not_read),
        cmocka_unit_test(slots_of_every_length_are_read_and_no_octet_more),
        cmocka_unit_test(a_length_out_of_bounds_is_refused_even_with_its_check),
        cmocka_unit_test(a_fingerprint_matches_in_every_way_that_has_it),
        cmocka_unit_test(what_is_retired_or_cleared_is_gone),
        cmocka_unit_test(the_highest_rank_is_chosen_then_the_greatest_age),
        cmocka_unit_test(a_busy_way_is_not_judged_and_a_dead_writers_is),
        cmocka_unit_test(
            nothing_is_chosen_while_the_fingerprint_is_being_written),
        cmocka_unit_test(a_way_that_changed_since_it_was_chosen_is_left_alone),
        cmocka_unit_test(the_oldest_of_a_full_set_gives_way),
        cmocka_unit_test(a_held_slot_is_refused_and_left_alone_for_a_second),
        cmocka_unit_test(a_slot_held_for_longer_is_taken_over),
        cmocka_unit_test(a_clock_set_back_does_not_keep_a_dead_writers_slot),
        cmocka_unit_test(a_sequence_is_never_used_twice),
        cmocka_unit_test(writers_killed_at_any_instruction_leave_usable_slots),
        cmocka_unit_test(
            a_writer_killed_at_each_instruction_leaves_a_usable_slot),
        cmocka_unit_test(
            a_writer_that_was_overtaken_leaves_nothing_that_passes),
        cmocka_unit_test(every_flipped_bit_is_refused_or_without_effect),
        cmocka_unit_test(any_words_of_an_overtaken_writer_are_refused),
        cmocka_unit_test(memory_of_noise_gives_nothing_and_takes_everything),
        cmocka_unit_test(threads_that_read_and_write_see_whole_slots_only),
        cmocka_unit_test(processes_that_read_and_write_see_whole_slots_only),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
