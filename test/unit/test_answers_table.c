/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of answers/table.c: what is found, what is replaced, and which dates
 * outlive their answers.  That no torn or half-written slot is read is tested
 * in test_slots_slots.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers/layout.h"
#include "slots_test.h"

#define SPAN(text) ((vld_span){ (text), sizeof(text) - 1 })

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
    b->memory = map_shared(b->size);
    vld_answers_init(&b->table, b->memory, slots, SEED);
}

static void bed_drop(bed *b)
{
    munmap(b->memory, b->size);
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
    vld_span s = { text, strlen(text) };

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
    memset(m->answer.name.bytes, (int)(number & 0xFF), 32);
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
           && memcmp(got->name.bytes, m.answer.name.bytes, 32) == 0
           && span_is(got->path, m.answer.path)
           && span_is(got->etag, m.answer.etag) && got->vary_count == 1
           && span_is(got->vary[0].value, m.answer.vary[0].value)
           && got->field_count == 2
           && span_is(got->fields[0].value, m.answer.etag)
           && span_is(got->fields[1].value, m.answer.fields[1].value);
}

static vld_answer_key key_of(const bed *b, const char *text)
{
    vld_answer_key key = { vld_answers_hash(&b->table, text, strlen(text)),
                           strlen(text), text };

    return key;
}

static bool put_at(bed *b, made *m, int64_t now)
{
    vld_answer_key key = key_of(b, m->key);

    return vld_answers_put(&b->table, &key, &m->answer, now);
}

static bool put(bed *b, unsigned key, uint64_t number)
{
    made m;

    make(&m, key, number);
    return put_at(b, &m, NOW + (int64_t)number);
}

static bool find(bed *b, unsigned key, vld_answer *out)
{
    char text[KEY_MAX];
    vld_answer_key k;

    snprintf(text, sizeof(text), "//host/key-%u", key);
    k = key_of(b, text);
    return vld_answers_find(&b->table, &k, NULL, NULL, b->buf, out);
}

static unsigned forget(bed *b, unsigned key)
{
    char text[KEY_MAX];
    vld_answer_key k;

    snprintf(text, sizeof(text), "//host/key-%u", key);
    k = key_of(b, text);
    return vld_answers_forget(&b->table, &k);
}

/* --- the table ----------------------------------------------------------- */

static void a_table_has_at_most_sixteen_million_slots(void **state)
{
    (void)state;
    assert_int_equal(vld_answers_size(0), 0);
    assert_int_equal(vld_answers_size((1u << 24) + 1), 0);
    assert_true(vld_answers_size(16384) > 16384u * VLD_ANSWER_SLOT);
    assert_true(sizeof(size_t) < 8 || vld_answers_size(1u << 24));
}

static void an_empty_table_has_nothing(void **state)
{
    vld_answer got;
    bed b;

    (void)state;
    bed_make(&b, 64);
    assert_int_equal(count_fingerprints(&b.table.slots), 0);
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
    assert_int_equal(count_fingerprints(&b.table.slots), 200);
    for (i = 0; i < 200; i++) {
        assert_true(find(&b, i, &got));
        assert_true(is_whole(&got, i));
        assert_int_equal(got.identity.size, i * 17);
    }
    assert_false(find(&b, 200, &got));
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
    assert_int_equal(count_fingerprints(&b.table.slots), 1);
    bed_drop(&b);
}

/* --- dates that outlive their answers ------------------------------------ */

static void see_nothing(void *baton, const vld_answer *answer)
{
    (void)baton;
    (void)answer;
}

static int64_t floor_of(bed *b, unsigned key)
{
    vld_answer_key k;
    made m;

    make(&m, key, 0);
    k = key_of(b, m.key);
    return vld_answers_survey(&b->table, &k, see_nothing, NULL);
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
    bed_make(&b, VLD_SLOT_WAYS);
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        assert_true(put_dated(&b, i, 1000 + (int64_t)i));
    }
    assert_int_equal(floor_of(&b, 0), 0);
    assert_true(put_dated(&b, VLD_SLOT_WAYS, 1));
    assert_int_equal(floor_of(&b, 0), 1000);
    assert_true(put_dated(&b, VLD_SLOT_WAYS + 1, 1));
    assert_int_equal(floor_of(&b, 0), 1001);
    bed_drop(&b);
}

static void an_answer_replaced_by_its_successor_leaves_no_date(void **state)
{
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    assert_true(put_dated(&b, 1, 1000));
    assert_true(put_dated(&b, 1, 2000));
    assert_int_equal(floor_of(&b, 1), 0);
    bed_drop(&b);
}

static void an_answer_whose_writer_died_leaves_its_date(void **state)
{
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    assert_true(put_dated(&b, 1, 1000));
    hold_slot(&b.table.slots, find_used_slot(&b.table.slots),
              NOW - 2 * VLD_SLOT_HELD_MAX_US);
    assert_int_equal(floor_of(&b, 1), 1000);
    assert_int_equal(floor_of(&b, 2), 0);
    assert_true(put_dated(&b, 2, 1));
    assert_true(put_dated(&b, 1, 2000));
    assert_int_equal(floor_of(&b, 2), 1000);
    bed_drop(&b);
}

static void what_was_forgotten_leaves_its_date(void **state)
{
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    assert_true(put_dated(&b, 1, 1000));
    assert_int_equal(forget(&b, 1), 1);
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
    assert_int_equal(count_fingerprints(&b.table.slots), 1);
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
    vld_span values[] = { SPAN("gzip"), SPAN(""), { NULL, 0 }, SPAN("br") };
    vld_span unknown = SPAN("zstd");
    vld_answer_key key;
    vld_answer got;
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
    assert_int_equal(count_fingerprints(&b.table.slots), 4);
    key = key_of(&b, m.key);
    for (i = 0; i < 4; i++) {
        assert_true(vld_answers_find(&b.table, &key, fits_value, &values[i],
                                     b.buf, &got));
        assert_int_equal(got.identity.size, 100 + i);
    }
    assert_false(
        vld_answers_find(&b.table, &key, fits_value, &unknown, b.buf, &got));
    assert_int_equal(forget(&b, 1), 4);
    assert_int_equal(count_fingerprints(&b.table.slots), 0);
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
        assert_int_equal(count_fingerprints(&b.table.slots), 2);
        assert_true(find(&b, 1, &got));
        assert_int_equal(got.identity.size, 20);
        bed_drop(&b);
    }
}

/* Two writers that were at two ways of one set at once leave this. */
static void of_two_answers_to_one_key_and_vary_one_is_replaced(void **state)
{
    vld_slot_set set;
    vld_answer got;
    unsigned n;
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    assert_true(put(&b, 1, 10));
    n = find_used_slot(&b.table.slots);
    set = vld_slots_set(&b.table.slots, 0);
    memcpy(vld_slots_slot(&set, 7 - n), vld_slots_slot(&set, n),
           VLD_ANSWER_SLOT);
    set.fingerprints[7 - n] = set.fingerprints[n];
    assert_true(put(&b, 1, 11));
    assert_int_equal(count_fingerprints(&b.table.slots), 1);
    assert_true(find(&b, 1, &got));
    assert_int_equal(got.identity.size, 11);
    assert_int_equal(forget(&b, 1), 1);
    assert_false(find(&b, 1, &got));
    bed_drop(&b);
}

static void nothing_is_put_into_a_set_of_busy_ways(void **state)
{
    vld_answer got;
    unsigned i;
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        hold_slot(&b.table.slots, i, NOW);
    }
    assert_false(put(&b, 1, 1));
    assert_false(find(&b, 1, &got));
    assert_true(put(&b, 1, 2 * VLD_SLOT_HELD_MAX_US));
    assert_true(find(&b, 1, &got));
    bed_drop(&b);
}

static void unused_slots_are_taken_before_old_ones(void **state)
{
    vld_answer got;
    unsigned i;
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        assert_true(put(&b, i, 1000 - i));
    }
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        assert_true(find(&b, i, &got));
    }
    assert_int_equal(forget(&b, 3), 1);
    assert_true(put(&b, 100, 2000));
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        assert_int_equal(find(&b, i, &got), i != 3);
    }
    assert_true(find(&b, 100, &got));
    bed_drop(&b);
}

static void the_oldest_of_a_full_set_gives_way(void **state)
{
    static const unsigned ages[VLD_SLOT_WAYS] = {
        50, 30, 70, 20, 60, 10, 80, 40
    };
    vld_answer got;
    unsigned i, n;
    bed b;

    (void)state;
    bed_make(&b, VLD_SLOT_WAYS);
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
        assert_true(put(&b, i, ages[i]));
    }
    for (n = 1; n <= 4; n++) { /* 10, 20, 30, 40 leave in this order */
        assert_true(put(&b, 100 + n, 1000 + n));
        for (i = 0; i < VLD_SLOT_WAYS; i++) {
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
    bed_make(&b, VLD_SLOT_WAYS);
    for (i = 0; i < VLD_SLOT_WAYS; i++) {
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
    static const uint64_t hashes[] = { 0, 1, 42, UINT64_MAX };
    vld_answer_key key;
    vld_answer got;
    unsigned i, h;
    made m;
    bed b;

    (void)state;
    for (h = 0; h < sizeof(hashes) / sizeof(hashes[0]); h++) {
        bed_make(&b, 64);
        for (i = 0; i < 5; i++) {
            make(&m, i, 10 + i);
            key = key_of(&b, m.key);
            key.hash = hashes[h];
            assert_true(vld_answers_put(&b.table, &key, &m.answer, NOW));
        }
        for (i = 0; i < 5; i++) {
            make(&m, i, 10 + i);
            key = key_of(&b, m.key);
            key.hash = hashes[h];
            assert_true(
                vld_answers_find(&b.table, &key, NULL, NULL, b.buf, &got));
            assert_true(is_whole(&got, i));
        }
        key.len--;
        assert_false(vld_answers_find(&b.table, &key, NULL, NULL, b.buf, &got));
        key.len++;
        assert_int_equal(vld_answers_forget(&b.table, &key), 1);
        assert_int_equal(count_fingerprints(&b.table.slots), 4);
        bed_drop(&b);
    }
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
    slot = slot_at(&b.table.slots, find_used_slot(&b.table.slots));
    /* As it was before its writer let go. */
    held = get64(slot + VLD_SLOT_SEQUENCE) - 1;
    set64(slot + VLD_SLOT_SEQUENCE, held);
    assert_int_equal(forget(&b, 1), 0);
    set64(slot + VLD_SLOT_SEQUENCE, held + 1);
    assert_false(find(&b, 1, &got));
    assert_int_equal(count_fingerprints(&b.table.slots), 0);
    bed_drop(&b);
}

/* --- damaged memory ------------------------------------------------------ */

static void every_flipped_bit_of_the_fingerprints_is_harmless(void **state)
{
    vld_answer got;
    unsigned bit;
    bed b;

    (void)state;
    bed_make(&b, 8);
    assert_true(put(&b, 7, 333));
    for (bit = 0; bit < VLD_SLOTS_LINE * 8; bit++) {
        unsigned char *at = b.table.slots.base + VLD_SLOTS_FINGERPRINTS
                            + bit / 8;

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
    n = find_used_slot(&b.table.slots);
    slot_at(&b.table.slots, n)[AT_BORN] ^= 1;
    assert_false(find(&b, 7, &got));
    assert_true(put(&b, 7, 334));
    assert_int_equal(find_used_slot(&b.table.slots), n);
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
    for (i = VLD_SLOTS_FINGERPRINTS; i < b.size; i += 8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        set64(b.table.slots.base + i, x);
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

/* --- all at once --------------------------------------------------------- */

#define STRESS_KEYS 24
#define STRESS_THREADS 4

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

static void answers_are_young_for_as_long_as_is_said(void **state)
{
    (void)state;
    assert_true(vld_answer_is_young(1000, 1000, 5));
    assert_true(vld_answer_is_young(1000, 1004, 5));
    assert_false(vld_answer_is_young(1000, 1005, 5));
    assert_false(vld_answer_is_young(1000, 1000, 0));
    assert_false(vld_answer_is_young(0, INT64_C(1800000000000000), 5000000));
}

static void answers_from_the_future_are_not_young(void **state)
{
    (void)state;
    assert_false(vld_answer_is_young(1001, 1000, 5));
    assert_false(vld_answer_is_young(INT64_MAX, 1000, 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_young_for_as_long_as_is_said),
        cmocka_unit_test(answers_from_the_future_are_not_young),
        cmocka_unit_test(a_table_has_at_most_sixteen_million_slots),
        cmocka_unit_test(an_empty_table_has_nothing),
        cmocka_unit_test(what_was_put_is_found_whole),
        cmocka_unit_test(an_answer_that_is_too_large_harms_nothing),
        cmocka_unit_test(the_latest_date_of_what_gave_way_is_kept),
        cmocka_unit_test(an_answer_replaced_by_its_successor_leaves_no_date),
        cmocka_unit_test(an_answer_whose_writer_died_leaves_its_date),
        cmocka_unit_test(what_was_forgotten_leaves_its_date),
        cmocka_unit_test(the_same_key_and_vary_are_replaced),
        cmocka_unit_test(each_variant_has_an_answer_of_its_own),
        cmocka_unit_test(
            an_answer_from_before_vary_changed_does_not_hide_the_new),
        cmocka_unit_test(of_two_answers_to_one_key_and_vary_one_is_replaced),
        cmocka_unit_test(nothing_is_put_into_a_set_of_busy_ways),
        cmocka_unit_test(unused_slots_are_taken_before_old_ones),
        cmocka_unit_test(the_oldest_of_a_full_set_gives_way),
        cmocka_unit_test(an_answer_born_in_the_future_does_not_stay_for_ever),
        cmocka_unit_test(equal_hashes_of_different_keys_are_told_apart),
        cmocka_unit_test(what_was_forgotten_is_not_found),
        cmocka_unit_test(an_answer_half_written_is_forgotten_too),
        cmocka_unit_test(every_flipped_bit_of_the_fingerprints_is_harmless),
        cmocka_unit_test(a_damaged_slot_is_used_again),
        cmocka_unit_test(a_table_of_noise_gives_nothing_and_takes_everything),
        cmocka_unit_test(threads_that_read_and_write_see_whole_answers_only),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
