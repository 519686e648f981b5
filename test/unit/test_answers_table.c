/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of answers/table.c: what is found, what is replaced, and that no
 * torn, damaged or half-written slot is ever handed out, with threads,
 * processes and killed writers at work. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "answers/layout.h"
#include "validators/slots.h"

#define SPAN(text) ((vld_span){(text), sizeof(text) - 1})
#define SEED 0x1234567890ABCDEFu
#define NOW INT64_C(1790000000000000)
#define SECOND INT64_C(1000000)

/* A table and a buffer for what is found in it. */
typedef struct bed {
    vld_answers table;
    void *memory;
    size_t size;
    uint64_t buf[VLD_ANSWER_SLOT / 8];
} bed;

static void bed_make(bed *b, uint32_t slots)
{
    b->size = vld_answers_size(slots);
    assert_int_not_equal(b->size, 0);
    b->memory = mmap(NULL, b->size, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(b->memory != MAP_FAILED);
    vld_answers_init(&b->table, b->memory, slots, SEED);
}

static void bed_drop(bed *b)
{
    munmap(b->memory, b->size);
}

static unsigned char *slot_at(const bed *b, unsigned n)
{
    return b->table.base + AT_TAGS
           + b->table.slots / WAYS * (TAG_LINE + FLOOR_LINE)
           + (size_t)n * VLD_ANSWER_SLOT;
}

static uint64_t get64(const unsigned char *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof(v));
    return v;
}

static void set64(unsigned char *at, uint64_t v)
{
    memcpy(at, &v, sizeof(v));
}

/* The one slot of the table that has something in it, or the last of them. */
static unsigned the_used_slot(const bed *b)
{
    unsigned i, found = UINT32_MAX;

    for (i = 0; i < b->table.slots; i++) {
        if (get64(slot_at(b, i) + AT_SEQUENCE)) {
            found = i;
        }
    }
    assert_true(found < b->table.slots);
    return found;
}

/* --- answers whose every part follows from a key and a number ------------ */

#define KEY_MAX 32

typedef struct made {
    char key[KEY_MAX];
    char path[64];
    char etag[64];
    char value[1200];
    vld_answer answer;
} made;

static vld_span span_of(const char *text)
{
    vld_span s = {text, strlen(text)};

    return s;
}

static void make(made *m, unsigned key, uint64_t number)
{
    size_t len = number % (sizeof(m->value) - 1);

    memset(&m->answer, 0, sizeof(m->answer));
    snprintf(m->key, sizeof(m->key), "//host/key-%u", key);
    snprintf(m->path, sizeof(m->path), "/srv/%u/%llu", key,
             (unsigned long long)number);
    snprintf(m->etag, sizeof(m->etag), "\"%u-%llu\"", key,
             (unsigned long long)number);
    memset(m->value, 'a' + (int)(number % 26), len);
    m->value[len] = '\0';
    m->answer.born_us = NOW + (int64_t)number;
    m->answer.identity.size = number;
    m->answer.identity.inode = key;
    m->answer.index_txn = number * 3;
    memset(m->answer.digest.bytes, (int)(number & 0xFF), 32);
    m->answer.path = span_of(m->path);
    m->answer.etag = span_of(m->etag);
    m->answer.vary_count = 1;
    m->answer.vary[0].name = SPAN("Accept-Encoding");
    m->answer.vary[0].value = SPAN("gzip");
    m->answer.field_count = 2;
    m->answer.fields[0].name = SPAN("ETag");
    m->answer.fields[0].value = m->answer.etag;
    m->answer.fields[1].name = SPAN("Cache-Control");
    m->answer.fields[1].value = span_of(m->value);
}

static bool span_is(vld_span s, vld_span t)
{
    return s.ptr && s.len == t.len && memcmp(s.ptr, t.ptr, t.len) == 0
           && s.ptr[s.len] == '\0';
}

/* Whether an answer is whole: all its parts speak of one key and number. */
static bool is_whole(const vld_answer *got, unsigned key)
{
    uint64_t number = got->identity.size;
    made m;

    make(&m, key, number);
    return got->born_us == m.answer.born_us && got->identity.inode == key
           && got->index_txn == number * 3
           && memcmp(got->digest.bytes, m.answer.digest.bytes, 32) == 0
           && span_is(got->path, m.answer.path)
           && span_is(got->etag, m.answer.etag) && got->vary_count == 1
           && span_is(got->vary[0].value, m.answer.vary[0].value)
           && got->field_count == 2
           && span_is(got->fields[0].value, m.answer.etag)
           && span_is(got->fields[1].value, m.answer.fields[1].value);
}

static bool put_at(bed *b, made *m, int64_t now)
{
    uint64_t h = vld_answers_hash(&b->table, m->key, strlen(m->key));

    return vld_answers_put(&b->table, h, m->key, strlen(m->key), &m->answer,
                           now);
}

static bool put(bed *b, unsigned key, uint64_t number)
{
    made m;

    make(&m, key, number);
    return put_at(b, &m, NOW + (int64_t)number);
}

static bool find_text(bed *b, const char *key, vld_answer *out)
{
    uint64_t h = vld_answers_hash(&b->table, key, strlen(key));

    return vld_answers_find(&b->table, h, key, strlen(key), NULL, NULL,
                            b->buf, out);
}

static bool find(bed *b, unsigned key, vld_answer *out)
{
    char text[KEY_MAX];

    snprintf(text, sizeof(text), "//host/key-%u", key);
    return find_text(b, text, out);
}

static unsigned forget(bed *b, unsigned key)
{
    char text[KEY_MAX];

    snprintf(text, sizeof(text), "//host/key-%u", key);
    return vld_answers_forget(&b->table,
                              vld_answers_hash(&b->table, text, strlen(text)),
                              text, strlen(text));
}

/* --- the table ----------------------------------------------------------- */

static void a_table_of_no_or_too_many_slots_has_no_size(void **state)
{
    (void)state;
    assert_int_equal(vld_answers_size(0), 0);
    assert_int_equal(vld_answers_size(TABLE_MAX_SLOTS + 1), 0);
    assert_int_equal(vld_answers_size(UINT32_MAX), 0);
    assert_int_equal(vld_answers_size(1), vld_answers_size(8));
    assert_true(vld_answers_size(9) > vld_answers_size(8));
    assert_true(vld_answers_size(16384) > 16384u * VLD_ANSWER_SLOT);
}

static void slots_are_rounded_up_to_whole_sets(void **state)
{
    bed b;

    (void)state;
    bed_make(&b, 9);
    assert_int_equal(b.table.slots, 16);
    bed_drop(&b);
}

static void an_empty_table_has_nothing(void **state)
{
    vld_answer got;
    bed b;

    (void)state;
    bed_make(&b, 64);
    assert_int_equal(vld_answers_used(&b.table), 0);
    assert_false(find(&b, 1, &got));
    assert_int_equal(forget(&b, 1), 0);
    bed_drop(&b);
}

static void what_was_put_is_found_whole(void **state)
{
    vld_answer got;
    unsigned i;
    bed b;

    (void)state;
    bed_make(&b, 4096);
    for (i = 0; i < 200; i++) {
        assert_true(put(&b, i, i * 17));
    }
    assert_int_equal(vld_answers_used(&b.table), 200);
    for (i = 0; i < 200; i++) {
        assert_true(find(&b, i, &got));
        assert_true(is_whole(&got, i));
        assert_int_equal(got.identity.size, i * 17);
    }
    assert_false(find(&b, 200, &got));
    bed_drop(&b);
}

static void another_seed_gives_another_hash(void **state)
{
    bed a, b;

    (void)state;
    bed_make(&a, 8);
    bed_make(&b, 8);
    vld_answers_init(&b.table, b.memory, 8, SEED + 1);
    assert_true(vld_answers_hash(&a.table, "k", 1)
                != vld_answers_hash(&b.table, "k", 1));
    bed_drop(&a);
    bed_drop(&b);
}

static void the_same_memory_elsewhere_is_the_same_table(void **state)
{
    vld_answer got;
    void *other;
    bed b;

    (void)state;
    bed_make(&b, 64);
    assert_true(put(&b, 3, 4));
    other = malloc(b.size + 64);
    assert_non_null(other);
    b.table.base = (unsigned char *)other
                   + (64 - (uintptr_t)other % 64) % 64;
    memcpy(b.table.base, b.memory, b.size);
    assert_true(find(&b, 3, &got) && is_whole(&got, 3));
    free(other);
    bed_drop(&b);
}

static void an_answer_that_is_too_large_harms_nothing(void **state)
{
    static char large[VLD_ANSWER_SLOT];
    vld_answer got;
    made m;
    bed b;

    (void)state;
    bed_make(&b, 8);
    assert_true(put(&b, 1, 5));
    make(&m, 1, 6);
    memset(large, 'x', sizeof(large));
    m.answer.fields[1].value.ptr = large;
    m.answer.fields[1].value.len = sizeof(large);
    assert_false(put_at(&b, &m, NOW));
    assert_true(find(&b, 1, &got) && is_whole(&got, 1));
    assert_int_equal(got.identity.size, 5);
    assert_int_equal(vld_answers_used(&b.table), 1);
    bed_drop(&b);
}

/* --- dates that outlive their answers ------------------------------------ */

static int64_t floor_of(bed *b, unsigned key)
{
    made m;

    make(&m, key, 0);
    return vld_answers_floor(&b->table,
                             vld_answers_hash(&b->table, m.key,
                                              strlen(m.key)));
}

static bool put_dated(bed *b, unsigned key, int64_t date)
{
    made m;

    make(&m, key, (uint64_t)key);
    m.answer.last_modified = date;
    return put_at(b, &m, NOW + 1000);
}

static void the_latest_date_of_what_gave_way_is_kept(void **state)
{
    unsigned i;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    for (i = 0; i < WAYS; i++) {
        assert_true(put_dated(&b, i, 1000 + (int64_t)i));
    }
    assert_int_equal(floor_of(&b, 0), 0);
    assert_true(put_dated(&b, WAYS, 1));
    assert_int_equal(floor_of(&b, 0), 1000);
    assert_true(put_dated(&b, WAYS + 1, 1));
    assert_int_equal(floor_of(&b, 0), 1001);
    bed_drop(&b);
}

static void an_answer_replaced_by_its_successor_leaves_no_date(void **state)
{
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    assert_true(put_dated(&b, 1, 1000));
    assert_true(put_dated(&b, 1, 2000));
    assert_int_equal(floor_of(&b, 1), 0);
    bed_drop(&b);
}

static void an_answer_whose_writer_died_leaves_its_date(void **state)
{
    unsigned char *slot;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    assert_true(put_dated(&b, 1, 1000));
    slot = slot_at(&b, the_used_slot(&b));
    set64(slot + AT_SEQUENCE,
          ((uint64_t)(NOW - 2 * VLD_SLOT_HELD_MAX_US) << 1) | 1);
    assert_int_equal(floor_of(&b, 1), 1000);
    assert_int_equal(floor_of(&b, 2), 0);
    assert_true(put_dated(&b, 2, 1));
    assert_true(put_dated(&b, 1, 2000));
    assert_int_equal(floor_of(&b, 2), 1000);
    bed_drop(&b);
}

static void what_was_forgotten_leaves_its_date(void **state)
{
    made m;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    assert_true(put_dated(&b, 1, 1000));
    make(&m, 1, 0);
    assert_int_equal(vld_answers_forget(&b.table,
                                        vld_answers_hash(&b.table, m.key,
                                                         strlen(m.key)),
                                        m.key, strlen(m.key)), 1);
    assert_int_equal(floor_of(&b, 1), 1000);
    bed_drop(&b);
}

/* --- whom an answer replaces --------------------------------------------- */

static void the_same_key_and_vary_are_replaced(void **state)
{
    vld_answer got;
    bed b;

    (void)state;
    bed_make(&b, 64);
    assert_true(put(&b, 1, 10));
    assert_true(put(&b, 1, 11));
    assert_int_equal(vld_answers_used(&b.table), 1);
    assert_true(find(&b, 1, &got));
    assert_int_equal(got.identity.size, 11);
    bed_drop(&b);
}

static bool fits_value(void *baton, const vld_answer *answer)
{
    vld_span *value = baton;
    vld_span has = answer->vary[0].value;

    return (has.ptr == NULL) == (value->ptr == NULL) && has.len == value->len
           && (!has.len || memcmp(has.ptr, value->ptr, has.len) == 0);
}

static void each_variant_has_an_answer_of_its_own(void **state)
{
    vld_span values[] = {SPAN("gzip"), SPAN(""), {NULL, 0}, SPAN("br")};
    vld_span unknown = SPAN("zstd");
    vld_answer got;
    uint64_t h;
    unsigned i;
    made m;
    bed b;

    (void)state;
    bed_make(&b, 64);
    for (i = 0; i < 4; i++) {
        make(&m, 1, 100 + i);
        m.answer.vary[0].value = values[i];
        assert_true(put_at(&b, &m, NOW));
    }
    assert_int_equal(vld_answers_used(&b.table), 4);
    h = vld_answers_hash(&b.table, m.key, strlen(m.key));
    for (i = 0; i < 4; i++) {
        assert_true(vld_answers_find(&b.table, h, m.key, strlen(m.key),
                                     fits_value, &values[i], b.buf, &got));
        assert_int_equal(got.identity.size, 100 + i);
    }
    assert_false(vld_answers_find(&b.table, h, m.key, strlen(m.key),
                                  fits_value, &unknown, b.buf, &got));
    assert_int_equal(forget(&b, 1), 4);
    assert_int_equal(vld_answers_used(&b.table), 0);
    bed_drop(&b);
}

static void an_answer_from_before_vary_changed_does_not_hide_the_new(void **s)
{
    unsigned order;
    vld_answer got;
    made m;
    bed b;

    (void)s;
    for (order = 0; order < 2; order++) {
        bed_make(&b, 8);
        make(&m, 1, order ? 20 : 10);
        m.answer.vary_count = 0;
        assert_true(put_at(&b, &m, NOW));
        assert_true(put(&b, 1, order ? 10 : 20));
        assert_int_equal(vld_answers_used(&b.table), 2);
        assert_true(find(&b, 1, &got));
        assert_int_equal(got.identity.size, 20);
        bed_drop(&b);
    }
}

static void unused_slots_are_taken_before_old_ones(void **state)
{
    vld_answer got;
    unsigned i;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    for (i = 0; i < WAYS; i++) {
        assert_true(put(&b, i, 1000 - i));
    }
    for (i = 0; i < WAYS; i++) {
        assert_true(find(&b, i, &got));
    }
    assert_int_equal(forget(&b, 3), 1);
    assert_true(put(&b, 100, 2000));
    for (i = 0; i < WAYS; i++) {
        assert_int_equal(find(&b, i, &got), i != 3);
    }
    assert_true(find(&b, 100, &got));
    bed_drop(&b);
}

static void the_oldest_of_a_full_set_gives_way(void **state)
{
    static const unsigned ages[WAYS] = {50, 30, 70, 20, 60, 10, 80, 40};
    vld_answer got;
    unsigned i, n;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    for (i = 0; i < WAYS; i++) {
        assert_true(put(&b, i, ages[i]));
    }
    for (n = 1; n <= 4; n++) { /* 10, 20, 30, 40 leave in this order */
        assert_true(put(&b, 100 + n, 1000 + n));
        for (i = 0; i < WAYS; i++) {
            assert_int_equal(find(&b, i, &got), ages[i] > 10 * n);
        }
    }
    bed_drop(&b);
}

static void an_answer_born_in_the_future_does_not_stay_for_ever(void **state)
{
    vld_answer got;
    unsigned i;
    made m;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    for (i = 0; i < WAYS; i++) {
        make(&m, i, i + 1);
        m.answer.born_us = i == 4 ? INT64_MAX : NOW;
        assert_true(put_at(&b, &m, NOW));
    }
    assert_true(put(&b, 100, 1));
    assert_false(find(&b, 4, &got));
    assert_true(find(&b, 100, &got));
    bed_drop(&b);
}

/* --- hashes -------------------------------------------------------------- */

static void equal_hashes_of_different_keys_are_told_apart(void **state)
{
    static const uint64_t hashes[] = {0, 1, 42, UINT64_MAX};
    vld_answer got;
    unsigned i, h;
    made m;
    bed b;

    (void)state;
    for (h = 0; h < sizeof(hashes) / sizeof(hashes[0]); h++) {
        bed_make(&b, 64);
        for (i = 0; i < 5; i++) {
            make(&m, i, 10 + i);
            assert_true(vld_answers_put(&b.table, hashes[h], m.key,
                                        strlen(m.key), &m.answer, NOW));
        }
        for (i = 0; i < 5; i++) {
            make(&m, i, 10 + i);
            assert_true(vld_answers_find(&b.table, hashes[h], m.key,
                                         strlen(m.key), NULL, NULL, b.buf,
                                         &got));
            assert_true(is_whole(&got, i));
        }
        assert_false(vld_answers_find(&b.table, hashes[h], m.key,
                                      strlen(m.key) - 1, NULL, NULL, b.buf,
                                      &got));
        assert_int_equal(vld_answers_forget(&b.table, hashes[h], m.key,
                                            strlen(m.key)), 1);
        assert_int_equal(vld_answers_used(&b.table), 4);
        bed_drop(&b);
    }
}

static void all_hashes_stay_inside_the_table(void **state)
{
    uint64_t top;
    vld_answer got;
    made m;
    bed b;

    (void)state;
    bed_make(&b, 24);
    make(&m, 1, 1);
    for (top = 0; top < 4096; top++) {
        uint64_t hash = top << 52 | 0xFFFFFFFFFFFFFu;

        assert_true(vld_answers_put(&b.table, hash, m.key, strlen(m.key),
                                    &m.answer, NOW + (int64_t)top));
        assert_true(vld_answers_find(&b.table, hash, m.key, strlen(m.key),
                                     NULL, NULL, b.buf, &got));
    }
    assert_int_equal(vld_answers_used(&b.table), 24);
    bed_drop(&b);
}

/* --- forget -------------------------------------------------------------- */

static void what_was_forgotten_is_not_found(void **state)
{
    vld_answer got;
    bed b;

    (void)state;
    bed_make(&b, 64);
    assert_true(put(&b, 1, 1));
    assert_true(put(&b, 2, 2));
    assert_int_equal(forget(&b, 1), 1);
    assert_false(find(&b, 1, &got));
    assert_true(find(&b, 2, &got));
    assert_int_equal(forget(&b, 1), 0);
    assert_true(put(&b, 1, 3));
    assert_true(find(&b, 1, &got) && is_whole(&got, 1));
    bed_drop(&b);
}

static void an_answer_half_written_is_forgotten_too(void **state)
{
    unsigned char *slot;
    vld_answer got;
    uint64_t held;
    bed b;

    (void)state;
    bed_make(&b, 8);
    assert_true(put(&b, 1, 1));
    slot = slot_at(&b, the_used_slot(&b));
    held = get64(slot + AT_SEQUENCE) - 1; /* its writer has yet to let go */
    set64(slot + AT_SEQUENCE, held);
    assert_int_equal(forget(&b, 1), 0);
    set64(slot + AT_SEQUENCE, held + 1);
    assert_false(find(&b, 1, &got));
    assert_int_equal(vld_answers_used(&b.table), 0);
    bed_drop(&b);
}

/* --- torn and damaged slots ---------------------------------------------- */

/* What the damage of a slot may lead to: nothing, or the very answer. */
static void assert_refused_or_whole(bed *b, unsigned key, uint64_t number,
                                    unsigned *refused)
{
    vld_answer got;

    if (!find(b, key, &got)) {
        ++*refused;
        return;
    }
    assert_true(is_whole(&got, key));
    assert_int_equal(got.identity.size, number);
}

static void every_flipped_bit_is_refused_or_without_effect(void **state)
{
    unsigned char *slot;
    unsigned bit, refused = 0;
    uint16_t used;
    bed b;

    (void)state;
    bed_make(&b, 8);
    assert_true(put(&b, 7, 333));
    slot = slot_at(&b, the_used_slot(&b));
    memcpy(&used, slot + AT_USED, sizeof(used));
    for (bit = 0; bit < VLD_ANSWER_SLOT * 8; bit++) {
        slot[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_refused_or_whole(&b, 7, 333, &refused);
        slot[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    assert_int_equal(refused, used * 8u);
    bed_drop(&b);
}

static void every_flipped_bit_of_the_tags_is_harmless(void **state)
{
    vld_answer got;
    unsigned bit;
    bed b;

    (void)state;
    bed_make(&b, 8);
    assert_true(put(&b, 7, 333));
    for (bit = 0; bit < TAG_LINE * 8; bit++) {
        unsigned char *at = b.table.base + AT_TAGS + bit / 8;

        *at ^= (unsigned char)(1u << bit % 8);
        if (find(&b, 7, &got)) {
            assert_true(is_whole(&got, 7));
        }
        *at ^= (unsigned char)(1u << bit % 8);
    }
    assert_true(find(&b, 7, &got));
    bed_drop(&b);
}

static void a_damaged_slot_is_used_again(void **state)
{
    vld_answer got;
    unsigned n;
    bed b;

    (void)state;
    bed_make(&b, 8);
    assert_true(put(&b, 7, 333));
    n = the_used_slot(&b);
    slot_at(&b, n)[AT_BORN] ^= 1;
    assert_false(find(&b, 7, &got));
    assert_true(put(&b, 7, 334));
    assert_int_equal(the_used_slot(&b), n);
    assert_true(find(&b, 7, &got) && is_whole(&got, 7));
    bed_drop(&b);
}

static void a_table_of_noise_gives_nothing_and_takes_everything(void **state)
{
    uint64_t x = 88172645463325252u;
    vld_answer got;
    size_t i;
    bed b;

    (void)state;
    bed_make(&b, 64);
    for (i = AT_TAGS; i < b.size; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        set64(b.table.base + i, x);
    }
    for (i = 0; i < 1000; i++) {
        assert_false(find(&b, (unsigned)i, &got));
    }
    for (i = 0; i < 20; i++) {
        assert_true(put(&b, (unsigned)i, i));
        assert_true(find(&b, (unsigned)i, &got));
        assert_true(is_whole(&got, (unsigned)i));
    }
    bed_drop(&b);
}

/* A writer was stopped inside put; a second, more than a second later, takes
 * the slot over and finishes; then the first goes on.  All of its stores but
 * the sequence (which it can only let go by comparing) land at last, from any
 * word on, up to any word. */
static void a_stopped_writer_that_goes_on_leaves_nothing_that_passes(void **s)
{
    unsigned char first[VLD_ANSWER_SLOT], second[VLD_ANSWER_SLOT], *slot;
    unsigned from, to, refused = 0, tried = 0;
    bed b;

    (void)s;
    bed_make(&b, 8);
    assert_true(put(&b, 7, 300));
    slot = slot_at(&b, the_used_slot(&b));
    memcpy(first, slot, sizeof(first));
    assert_true(put(&b, 7, 2 * SECOND + 301));
    assert_int_equal(vld_answers_used(&b.table), 1);
    memcpy(second, slot, sizeof(second));
    assert_true(get64(second + AT_SEQUENCE) > get64(first + AT_SEQUENCE));
    for (from = 0; from < VLD_ANSWER_SLOT / 8; from += 3) {
        for (to = from + 1; to <= VLD_ANSWER_SLOT / 8; to++, tried++) {
            memcpy(slot, second, VLD_ANSWER_SLOT);
            memcpy(slot + 8 * from, first + 8 * from, 8 * (to - from));
            memcpy(slot + AT_SEQUENCE, second + AT_SEQUENCE, 8);
            assert_refused_or_whole(&b, 7, 2 * SECOND + 301, &refused);
        }
    }
    /* The whole of the first one's answer, too. */
    memcpy(slot, first, VLD_ANSWER_SLOT);
    memcpy(slot + AT_SEQUENCE, second + AT_SEQUENCE, 8);
    from = refused;
    assert_refused_or_whole(&b, 7, 2 * SECOND + 301, &refused);
    assert_int_equal(refused, from + 1);
    assert_true(refused > tried / 8);
    bed_drop(&b);
}

/* --- writers that died --------------------------------------------------- */

/* Leave every slot of the table as a writer leaves it that died at `when`. */
static void die_everywhere(bed *b, int64_t when)
{
    unsigned i;

    for (i = 0; i < b->table.slots; i++) {
        set64(slot_at(b, i) + AT_SEQUENCE, ((uint64_t)when << 1) | 1);
    }
}

static void a_held_slot_is_refused_and_left_alone_for_a_second(void **state)
{
    vld_answer got;
    made m;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    assert_true(put(&b, 1, 0));
    die_everywhere(&b, NOW);
    assert_false(find(&b, 1, &got));
    make(&m, 1, 1);
    assert_false(put_at(&b, &m, NOW));
    assert_false(put_at(&b, &m, NOW + SECOND));
    assert_false(put_at(&b, &m, NOW - SECOND));
    make(&m, 2, 1);
    assert_false(put_at(&b, &m, NOW + SECOND));
    bed_drop(&b);
}

static void a_slot_held_for_longer_is_taken_over(void **state)
{
    vld_answer got;
    unsigned i;
    made m;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    die_everywhere(&b, NOW);
    for (i = 0; i < WAYS; i++) {
        make(&m, i, i);
        assert_true(put_at(&b, &m, NOW + SECOND + 1));
    }
    for (i = 0; i < WAYS; i++) {
        assert_true(find(&b, i, &got) && is_whole(&got, i));
    }
    bed_drop(&b);
}

static void a_clock_set_back_does_not_keep_a_dead_writers_slot(void **state)
{
    const uint64_t held = ((uint64_t)(NOW + 86400 * SECOND) << 1) | 1;
    unsigned i, taken = 0;
    uint64_t after;
    vld_answer got;
    made m;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    die_everywhere(&b, NOW + 86400 * SECOND);
    make(&m, 1, 1);
    assert_true(put_at(&b, &m, NOW));
    assert_true(find(&b, 1, &got) && is_whole(&got, 1));
    for (i = 0; i < WAYS; i++) {
        after = get64(slot_at(&b, i) + AT_SEQUENCE);
        taken += after > held + 1; /* what the dead one would have set */
        assert_true(after == held || after > held + 1);
    }
    assert_int_equal(taken, 1);
    bed_drop(&b);
}

static void a_sequence_is_never_used_twice(void **state)
{
    static const int64_t nows[] = {NOW, NOW, NOW - 5, 0,
                                   -7,  NOW + 1, INT64_MIN};
    uint64_t before = 0, after;
    unsigned i, n = 0;
    made m;
    bed b;

    (void)state;
    bed_make(&b, WAYS);
    for (i = 0; i < sizeof(nows) / sizeof(nows[0]); i++) {
        make(&m, 1, i);
        assert_true(put_at(&b, &m, nows[i]));
        n = i ? n : the_used_slot(&b);
        after = get64(slot_at(&b, n) + AT_SEQUENCE);
        assert_true(after > before || nows[i] < 0);
        assert_int_equal(after & 1, 0);
        assert_true(after != before);
        before = after;
    }
    bed_drop(&b);
}

static void nap(long us)
{
    struct timespec t = {0, us * 1000};

    nanosleep(&t, NULL);
}

/* Write for ever, with numbers that make long answers. */
static void write_until_killed(bed *b, int64_t now)
{
    uint64_t number;

    for (number = 1100;; number = number < 1190 ? number + 1 : 1100) {
        made m;

        make(&m, (unsigned)number % 12, number);
        put_at(b, &m, now);
    }
}

static void writers_killed_at_any_instruction_leave_a_usable_table(void **s)
{
    unsigned round, i, n, held = 0, found = 0;
    vld_answer got;
    int64_t now = NOW;
    bed b;

    (void)s;
    bed_make(&b, WAYS);
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
        for (n = 0; n < b.table.slots; n++) {
            held += get64(slot_at(&b, n) + AT_SEQUENCE) & 1;
        }
        for (i = 0; i < 12; i++) {
            if (find(&b, i, &got)) {
                assert_true(is_whole(&got, i));
                found++;
            }
        }
    }
    assert_true(held >= 10); /* else nothing was tried */
    assert_true(found > 100);
    for (i = 0; i < WAYS; i++) {
        made m;

        make(&m, 50 + i, 1100 + i);
        assert_true(put_at(&b, &m, now + 10 * SECOND));
        assert_true(find(&b, 50 + i, &got) && is_whole(&got, 50 + i));
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
    bed own = *w->b;
    vld_answer got;
    unsigned i, key;
    uint64_t r;

    for (i = 0; i < w->rounds; i++) {
        r = next_random(w);
        key = (unsigned)(r >> 20) % STRESS_KEYS;
        if (r % 16 == 1) {
            forget(&own, key);
        }
        else if (r % 4 == 0) {
            w->stored += put(&own, key, (r >> 30) % 100000);
        }
        else if (find(&own, key, &got)) {
            w->found++;
            w->torn += !is_whole(&got, key);
        }
    }
    return NULL;
}

static void stress_with_threads(bed *b, uint64_t seed, unsigned rounds,
                                worker *sum)
{
    worker workers[STRESS_THREADS];
    pthread_t threads[STRESS_THREADS];
    unsigned i;

    memset(sum, 0, sizeof(*sum));
    for (i = 0; i < STRESS_THREADS; i++) {
        memset(&workers[i], 0, sizeof(workers[i]));
        workers[i].b = b;
        workers[i].rounds = rounds;
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

static void threads_that_read_and_write_see_whole_answers_only(void **state)
{
    worker sum;
    bed b;

    (void)state;
    bed_make(&b, 16);
    stress_with_threads(&b, 1, 40000, &sum);
    assert_int_equal(sum.torn, 0);
    assert_true(sum.found > 1000 && sum.stored > 1000);
    bed_drop(&b);
}

static void processes_that_read_and_write_see_whole_answers_only(void **state)
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
            stress_with_threads(&b, 10 + i, 30000, &sum);
            _exit(sum.torn == 0 && sum.found > 1000 && sum.stored > 1000
                  ? 0 : 1);
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
        cmocka_unit_test(a_table_of_no_or_too_many_slots_has_no_size),
        cmocka_unit_test(slots_are_rounded_up_to_whole_sets),
        cmocka_unit_test(an_empty_table_has_nothing),
        cmocka_unit_test(what_was_put_is_found_whole),
        cmocka_unit_test(another_seed_gives_another_hash),
        cmocka_unit_test(the_same_memory_elsewhere_is_the_same_table),
        cmocka_unit_test(an_answer_that_is_too_large_harms_nothing),
        cmocka_unit_test(the_latest_date_of_what_gave_way_is_kept),
        cmocka_unit_test(an_answer_replaced_by_its_successor_leaves_no_date),
        cmocka_unit_test(an_answer_whose_writer_died_leaves_its_date),
        cmocka_unit_test(what_was_forgotten_leaves_its_date),
        cmocka_unit_test(the_same_key_and_vary_are_replaced),
        cmocka_unit_test(each_variant_has_an_answer_of_its_own),
        cmocka_unit_test(
            an_answer_from_before_vary_changed_does_not_hide_the_new),
        cmocka_unit_test(unused_slots_are_taken_before_old_ones),
        cmocka_unit_test(the_oldest_of_a_full_set_gives_way),
        cmocka_unit_test(an_answer_born_in_the_future_does_not_stay_for_ever),
        cmocka_unit_test(equal_hashes_of_different_keys_are_told_apart),
        cmocka_unit_test(all_hashes_stay_inside_the_table),
        cmocka_unit_test(what_was_forgotten_is_not_found),
        cmocka_unit_test(an_answer_half_written_is_forgotten_too),
        cmocka_unit_test(every_flipped_bit_is_refused_or_without_effect),
        cmocka_unit_test(every_flipped_bit_of_the_tags_is_harmless),
        cmocka_unit_test(a_damaged_slot_is_used_again),
        cmocka_unit_test(a_table_of_noise_gives_nothing_and_takes_everything),
        cmocka_unit_test(
            a_stopped_writer_that_goes_on_leaves_nothing_that_passes),
        cmocka_unit_test(a_held_slot_is_refused_and_left_alone_for_a_second),
        cmocka_unit_test(a_slot_held_for_longer_is_taken_over),
        cmocka_unit_test(a_clock_set_back_does_not_keep_a_dead_writers_slot),
        cmocka_unit_test(a_sequence_is_never_used_twice),
        cmocka_unit_test(
            writers_killed_at_any_instruction_leave_a_usable_table),
        cmocka_unit_test(threads_that_read_and_write_see_whole_answers_only),
        cmocka_unit_test(
            processes_that_read_and_write_see_whole_answers_only),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
