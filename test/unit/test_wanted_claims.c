/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* wanted/claims.c: one reader of a file among many askers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <cmocka.h>

#include "validators/wanted.h"

#define SLOTS 64
#define S INT64_C(1000000)
#define NOW (INT64_C(1700000000) * S)

typedef struct bench {
    void *memory;
    vld_claims claims;
} bench;

static bench table;

static int set_up(void **state)
{
    size_t size = vld_claims_size(SLOTS);

    (void)state;
    table.memory = aligned_alloc(64, size);
    memset(table.memory, 0, size);
    vld_claims_init(&table.claims, table.memory, SLOTS, 4711);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(table.memory);
    return 0;
}

static vld_claim_file file_of(unsigned n)
{
    vld_claim_file f = { 8, { 1000000 + n, 10, 20, n } };

    return f;
}

static vld_claim_read read_of(unsigned n)
{
    vld_claim_read r = { { { 0 } }, 77 + n };

    memset(r.digest.bytes, (int)n, sizeof(r.digest.bytes));
    return r;
}

static vld_claim_verdict ask(const vld_claim_file *f, int64_t now,
                             vld_claim *claim, vld_claim_read *read)
{
    return vld_claims_ask(&table.claims, f, now, now + S, claim, read);
}

static void one_reads_others_wait(void **state)
{
    vld_claim_file f = file_of(1), twin = file_of(2);
    vld_claim mine, other;
    vld_claim_read got, read = read_of(5);

    (void)state;
    assert_int_equal(ask(&f, NOW, &mine, &got), VLD_CLAIM_READ);
    assert_int_equal(ask(&f, NOW + 1, &other, &got), VLD_CLAIM_WAIT);
    assert_false(vld_claims_know(&table.claims, &f, &got));
    assert_int_equal(ask(&twin, NOW + 1, &other, &got), VLD_CLAIM_READ);
    vld_claims_give_up(&table.claims, &mine, &read, NOW + 10);
    assert_int_equal(ask(&f, NOW + 11, &other, &got), VLD_CLAIM_KNOWN);
    assert_memory_equal(&got, &read, sizeof(got));
    memset(&got, 0, sizeof(got));
    assert_true(vld_claims_know(&table.claims, &f, &got));
    assert_memory_equal(&got, &read, sizeof(got));
}

/* Each member of the identity, and the device. */
static void another_identity_is_not_known(void **state)
{
    vld_claim_file f = file_of(1), g;
    vld_claim mine;
    vld_claim_read got, read = read_of(5);
    int i;

    (void)state;
    assert_int_equal(ask(&f, NOW, &mine, &got), VLD_CLAIM_READ);
    vld_claims_give_up(&table.claims, &mine, &read, NOW);
    for (i = 0; i < 5; i++) {
        g = f;
        g.device += i == 0;
        g.identity.size += i == 1;
        g.identity.mtime_ns += i == 2;
        g.identity.ctime_ns += i == 3;
        g.identity.inode += i == 4;
        assert_false(vld_claims_know(&table.claims, &g, &got));
        assert_int_not_equal(ask(&g, NOW, &mine, &got), VLD_CLAIM_KNOWN);
    }
}

static void dead_reader_is_replaced(void **state)
{
    vld_claim_file f = file_of(1);
    vld_claim dead, mine;
    vld_claim_read got, read = read_of(5), late = read_of(6);

    (void)state;
    assert_int_equal(ask(&f, NOW, &dead, &got), VLD_CLAIM_READ);
    assert_int_equal(ask(&f, NOW + S + 1, &mine, &got), VLD_CLAIM_READ);
    /* It was not dead: its result is another's to say now. */
    vld_claims_give_up(&table.claims, &dead, &late, NOW + S + 2);
    assert_int_equal(ask(&f, NOW + S + 3, &dead, &got), VLD_CLAIM_WAIT);
    vld_claims_give_up(&table.claims, &mine, &read, NOW + S + 4);
    assert_true(vld_claims_know(&table.claims, &f, &got));
    assert_memory_equal(&got, &read, sizeof(got));
}

/* Asked at the end of each rest: 1, 2, 4 ... 512, 600, 600 s. */
static void failure_rests_longer_each_time(void **state)
{
    vld_claim_file f = file_of(1);
    vld_claim mine;
    vld_claim_read got;
    int64_t now = NOW, rest = S;
    int i;

    (void)state;
    for (i = 0; i < 12; i++) {
        assert_int_equal(ask(&f, now, &mine, &got), VLD_CLAIM_READ);
        vld_claims_give_up(&table.claims, &mine, NULL, now);
        assert_int_equal(ask(&f, now + rest - 1, &mine, &got), VLD_CLAIM_REST);
        now += rest;
        rest = rest * 2 < 600 * S ? rest * 2 : 600 * S;
    }
    /* Quiet for twice its rest: it starts over. */
    now += 1201 * S;
    assert_int_equal(ask(&f, now, &mine, &got), VLD_CLAIM_READ);
    vld_claims_give_up(&table.claims, &mine, NULL, now);
    assert_int_equal(ask(&f, now + S, &mine, &got), VLD_CLAIM_READ);
}

/* A log: each time that it is asked for it has grown. */
static void growing_file_rests(void **state)
{
    vld_claim_file f = file_of(1);
    vld_claim mine;
    vld_claim_read got, read = read_of(5);
    int64_t now = NOW;
    unsigned i, reads = 0;

    (void)state;
    for (i = 0; i < 3600; i++, now += S) {
        f.identity.size += 100;
        f.identity.mtime_ns += S * 1000;
        if (ask(&f, now, &mine, &got) == VLD_CLAIM_READ) {
            reads++;
            vld_claims_give_up(&table.claims, &mine, &read, now);
        }
    }
    assert_in_range(reads, 8, 20);
}

static void dropped_claim_is_anybodys(void **state)
{
    vld_claim_file f = file_of(1);
    vld_claim mine, other;
    vld_claim_read got;

    (void)state;
    assert_int_equal(ask(&f, NOW, &mine, &got), VLD_CLAIM_READ);
    vld_claims_drop(&table.claims, &mine);
    assert_int_equal(ask(&f, NOW, &other, &got), VLD_CLAIM_READ);
    vld_claims_drop(&table.claims, &mine);
    assert_int_equal(ask(&f, NOW, &mine, &got), VLD_CLAIM_WAIT);
}

static void clock_set_back(void **state)
{
    vld_claim_file f = file_of(1);
    vld_claim mine;
    vld_claim_read got;

    (void)state;
    assert_int_equal(ask(&f, NOW, &mine, &got), VLD_CLAIM_READ);
    vld_claims_give_up(&table.claims, &mine, NULL, NOW);
    assert_int_equal(ask(&f, NOW - 3600 * S, &mine, &got), VLD_CLAIM_READ);
}

/* More files than slots: readers keep theirs, results give way. */
static void crowd(void **state)
{
    vld_claim_file f;
    vld_claim mine, readers[8];
    vld_claim_read got, read = read_of(5);
    unsigned i, kept = 0;

    (void)state;
    for (i = 0; i < 8; i++) {
        f = file_of(i);
        assert_int_equal(ask(&f, NOW, &readers[i], &got), VLD_CLAIM_READ);
    }
    for (i = 100; i < 5000; i++) {
        f = file_of(i);
        if (ask(&f, NOW, &mine, &got) == VLD_CLAIM_READ) {
            vld_claims_give_up(&table.claims, &mine, &read, NOW);
            kept++;
        }
    }
    assert_true(kept > 4000);
    for (i = 0; i < 8; i++) {
        f = file_of(i);
        assert_int_equal(ask(&f, NOW, &mine, &got), VLD_CLAIM_WAIT);
    }
}

/* Any octets in the memory: no crash, and a claim is still a claim. */
static void damaged_memory(void **state)
{
    vld_claim_file f;
    vld_claim mine;
    vld_claim_read got, read = read_of(5);
    unsigned char *at = table.memory;
    size_t size = vld_claims_size(SLOTS), n;
    unsigned i;

    (void)state;
    srand(1);
    for (i = 0; i < 20000; i++) {
        f = file_of(i % 97);
        if (ask(&f, NOW + i, &mine, &got) == VLD_CLAIM_READ) {
            vld_claims_give_up(&table.claims, &mine, i % 3 ? &read : NULL,
                               NOW + i);
        }
        else if (vld_claims_know(&table.claims, &f, &got)) {
            assert_memory_equal(&got, &read, sizeof(got));
        }
        n = (size_t)rand() % (size - 256);
        at[256 + n] = (unsigned char)rand(); /* past the secret */
    }
}

/* --- many at once -------------------------------------------------------- */

#define ASKERS 4
#define FILES 50

static unsigned reads_of[FILES]; /* atomic */
static unsigned wrong;           /* atomic */

/* Nothing of the kind is ever written: the sum with a rest would not fit. */
static void impossible_time(void **state)
{
    static const int64_t times[] = { INT64_MAX, INT64_MAX / 2 + 1, -1,
                                     INT64_MIN };
    vld_claim_file f = file_of(1);
    vld_claim_read r = read_of(1), known;
    uint64_t copy[16];
    vld_slot_choice at = { 0, 0, 0 };
    vld_claim claim;
    size_t i, n;

    (void)state;
    assert_int_equal(ask(&f, NOW, &claim, &known), VLD_CLAIM_READ);
    vld_claims_give_up(&table.claims, &claim, &r, NOW);
    assert_true(vld_claims_know(&table.claims, &f, &known));
    for (i = 0; i < sizeof(times) / sizeof(*times); i++) {
        for (n = 0; n < SLOTS; n++) {
            vld_slot_set set = vld_slots_set(&table.claims.slots, n / 8);

            at.way = n % 8;
            at.sequence = vld_slots_sequence(&set, at.way);
            if (vld_slots_read(&set, at.way, copy)) {
                set.fingerprint = set.fingerprints[at.way];
                memcpy(&copy[8], &times[i], sizeof(times[i]));
                assert_true(vld_slots_write(&set, &at, copy, NOW));
            }
        }
        assert_false(vld_claims_know(&table.claims, &f, &known));
        assert_int_equal(ask(&f, NOW, &claim, &known), VLD_CLAIM_READ);
        vld_claims_give_up(&table.claims, &claim, &r, NOW);
    }
}

static void *ask_for_all(void *nothing)
{
    vld_claim_read got, read;
    vld_claim mine;
    unsigned i;
    vld_claim_verdict verdict;

    for (i = 0; i < FILES; i++) {
        vld_claim_file f = file_of(i);

        do {
            verdict = vld_claims_ask(&table.claims, &f, NOW, NOW + 60 * S,
                                     &mine, &got);
            if (verdict == VLD_CLAIM_READ) {
                __atomic_fetch_add(&reads_of[i], 1, __ATOMIC_RELAXED);
                read = read_of(i);
                vld_claims_give_up(&table.claims, &mine, &read, NOW);
            }
        } while (verdict == VLD_CLAIM_WAIT);
        if (verdict == VLD_CLAIM_KNOWN && got.digest.bytes[3] != i) {
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        }
    }
    return nothing;
}

static void many_askers(void **state)
{
    pthread_t askers[ASKERS];
    unsigned i, reads = 0;

    (void)state;
    for (i = 0; i < ASKERS; i++) {
        assert_int_equal(pthread_create(&askers[i], NULL, ask_for_all, NULL),
                         0);
    }
    for (i = 0; i < ASKERS; i++) {
        pthread_join(askers[i], NULL);
    }
    for (i = 0; i < FILES; i++) {
        reads += reads_of[i];
    }
    assert_int_equal(wrong, 0);
    assert_in_range(reads, FILES * 3 / 4, FILES * ASKERS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_reads_others_wait, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_identity_is_not_known, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(dead_reader_is_replaced, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(failure_rests_longer_each_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(growing_file_rests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(dropped_claim_is_anybodys, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(clock_set_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(crowd, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(impossible_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_askers, set_up, tear_down),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("claims", tests, NULL, NULL);
}
