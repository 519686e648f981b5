/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of wanted/list.c: what is taken when, what rests for how long, and
 * that the states of slots outlive killed and stopped posters.  That no torn
 * slot is read is tested in test_slots_slots.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include "wanted/layout.h"
#include "slots_test.h"

typedef struct bed {
    vld_wanted list;
    void *memory;
    size_t size;
    vld_wanted_item item;
    int64_t next;
} bed;

static void bed_make(bed *b, uint32_t slots)
{
    b->size = vld_wanted_size(slots);
    b->memory = map_shared(b->size);
    vld_wanted_init(&b->list, b->memory, slots, SEED);
}

static void bed_drop(bed *b)
{
    munmap(b->memory, b->size);
}

static bool post(bed *b, const char *path, int64_t now)
{
    return vld_wanted_post(&b->list, path, strlen(path), 0, NULL, now);
}

static bool take(bed *b, int64_t now)
{
    return vld_wanted_take(&b->list, now, &b->item, &b->next);
}

static void take_this(bed *b, const char *path, int64_t now)
{
    assert_true(take(b, now));
    assert_string_equal(b->item.path, path);
    assert_int_equal(b->item.len, strlen(path));
}

static uint64_t *state_at(const bed *b, unsigned n)
{
    return vld_slots_set(&b->list.slots, 0).words + n;
}

/* --- one at a time ------------------------------------------------------- */

static void test_what_is_posted_is_taken_once(void **state)
{
    bed b;

    (void)state;
    bed_make(&b, 64);
    assert_false(take(&b, NOW));
    assert_int_equal(b.next, INT64_MAX);
    assert_true(post(&b, "/srv/a", NOW));
    take_this(&b, "/srv/a", NOW);
    assert_false(b.item.has_name);
    assert_int_equal(b.item.date, 0);
    assert_false(take(&b, NOW + SECOND));
    bed_drop(&b);
}

static void test_they_are_taken_in_the_order_of_arrival(void **state)
{
    bed b;
    char path[32];
    int i;

    (void)state;
    bed_make(&b, 4096);
    for (i = 0; i < 50; i++) {
        snprintf(path, sizeof(path), "/srv/%d", i * 7919 % 50);
        assert_true(post(&b, path, NOW + i));
    }
    for (i = 0; i < 50; i++) {
        snprintf(path, sizeof(path), "/srv/%d", i * 7919 % 50);
        take_this(&b, path, NOW + 100);
    }
    assert_false(take(&b, NOW + 100));
    bed_drop(&b);
}

static void test_duplicates_are_merged(void **state)
{
    bed b;
    int i;

    (void)state;
    bed_make(&b, 64);
    for (i = 0; i < 100; i++) {
        assert_true(post(&b, "/srv/a", NOW + i));
    }
    assert_int_equal(vld_wanted_posted(&b.list), 1);
    take_this(&b, "/srv/a", NOW + 100);
    assert_true(post(&b, "/srv/a", NOW + 101));
    assert_false(take(&b, NOW + 101));
    find_used_slot(&b.list.slots);
    bed_drop(&b);
}

static void test_the_later_date_that_was_sent_is_kept(void **state)
{
    vld_digest one, two;
    bed b;

    (void)state;
    memset(&one, 1, sizeof(one));
    memset(&two, 2, sizeof(two));
    bed_make(&b, 64);
    vld_wanted_post(&b.list, "/a", 2, 100, &one, NOW);
    vld_wanted_post(&b.list, "/a", 2, 200, &two, NOW + 1);
    vld_wanted_post(&b.list, "/a", 2, 150, &one, NOW + 2);
    vld_wanted_post(&b.list, "/a", 2, 0, NULL, NOW + 3);
    take_this(&b, "/a", NOW + 4);
    assert_int_equal(b.item.date, 200);
    assert_true(b.item.has_name);
    assert_memory_equal(&b.item.name, &two, sizeof(two));
    vld_wanted_give_back(&b.list, &b.item, NOW + 5);
    vld_wanted_post(&b.list, "/a", 2, 300, NULL, NOW + 6);
    take_this(&b, "/a", NOW + 7);
    assert_int_equal(b.item.date, 300);
    assert_false(b.item.has_name);
    assert_int_equal(vld_wanted_posted(&b.list), 1);
    bed_drop(&b);
}

static void
test_paths_up_to_the_slot_fit_and_longer_ones_are_refused(void **state)
{
    char path[VLD_WANTED_PATH + 8];
    bed b;
    size_t len;

    (void)state;
    bed_make(&b, 64);
    memset(path, 'p', sizeof(path));
    assert_false(vld_wanted_post(&b.list, path, 0, 0, NULL, NOW));
    assert_false(vld_wanted_post(&b.list, path, VLD_WANTED_PATH, 0, NULL, NOW));
    for (len = 1; len < VLD_WANTED_PATH; len++) {
        assert_true(vld_wanted_post(&b.list, path, len, 0, NULL, NOW));
        assert_true(take(&b, NOW));
        assert_int_equal(b.item.len, len);
        assert_int_equal(strlen(b.item.path), len);
        memset(b.memory, 0, b.size);
        vld_wanted_init(&b.list, b.memory, 64, SEED);
    }
    bed_drop(&b);
}

/* --- resting ------------------------------------------------------------- */

static void test_a_path_that_rests_is_wanted_by_nobody(void **state)
{
    bed b;
    int64_t until;

    (void)state;
    bed_make(&b, 64);
    post(&b, "/a", NOW);
    take_this(&b, "/a", NOW);
    until = vld_wanted_rest(&b.list, &b.item, NOW);
    assert_int_equal(until, NOW + SECOND);
    assert_true(post(&b, "/a", until - 1));
    assert_false(take(&b, until - 1));
    assert_int_equal(vld_wanted_posted(&b.list), 1);
    assert_true(post(&b, "/a", until));
    take_this(&b, "/a", until);
    bed_drop(&b);
}

static void test_a_finished_path_may_be_posted_at_once(void **state)
{
    bed b;
    int i;

    (void)state;
    bed_make(&b, 64);
    for (i = 0; i < 20; i++) {
        assert_true(post(&b, "/a", NOW + i));
        take_this(&b, "/a", NOW + i);
        vld_wanted_finish(&b.list, &b.item, NOW + i);
        assert_false(take(&b, NOW + i));
    }
    assert_int_equal(vld_wanted_posted(&b.list), 20);
    bed_drop(&b);
}

static void test_rests_double_up_to_ten_minutes(void **state)
{
    int64_t now = NOW, until, want = SECOND;
    bed b;
    int i;

    (void)state;
    bed_make(&b, 64);
    for (i = 0; i < 80; i++) {
        assert_true(post(&b, "/a", now));
        take_this(&b, "/a", now);
        until = vld_wanted_rest(&b.list, &b.item, now);
        assert_int_equal(until - now, want);
        want = want * 2 < 600 * SECOND ? want * 2 : 600 * SECOND;
        now = until + SECOND;
    }
    bed_drop(&b);
}

static void test_a_path_that_was_quiet_starts_over(void **state)
{
    int64_t now = NOW;
    bed b;
    int i;

    (void)state;
    bed_make(&b, 64);
    for (i = 0; i < 5; i++) {
        post(&b, "/a", now);
        take_this(&b, "/a", now);
        now = vld_wanted_rest(&b.list, &b.item, now);
    }
    now += 2 * 16 * SECOND + 1; /* the rest was 16 s */
    post(&b, "/a", now);
    take_this(&b, "/a", now);
    assert_int_equal(vld_wanted_rest(&b.list, &b.item, now), now + SECOND);
    /* Ten seconds are quiet after the shortest. */
    post(&b, "/a", now + 11 * SECOND);
    take_this(&b, "/a", now + 11 * SECOND);
    assert_int_equal(vld_wanted_rest(&b.list, &b.item, now + 11 * SECOND),
                     now + 13 * SECOND);
    post(&b, "/a", now + 40 * SECOND);
    take_this(&b, "/a", now + 40 * SECOND);
    assert_int_equal(vld_wanted_rest(&b.list, &b.item, now + 40 * SECOND),
                     now + 41 * SECOND);
    bed_drop(&b);
}

static void test_a_delayed_path_comes_again_by_itself(void **state)
{
    int64_t rest = 0;
    bed b;

    (void)state;
    bed_make(&b, 64);
    post(&b, "/a", NOW);
    take_this(&b, "/a", NOW);
    assert_true(vld_wanted_delay(&b.list, &b.item, NOW, NOW + 50, &rest));
    assert_false(take(&b, NOW + 49));
    assert_int_equal(b.next, NOW + 50);
    take_this(&b, "/a", NOW + 50);
    assert_int_equal(vld_wanted_rest(&b.list, &b.item, NOW + 50),
                     NOW + 50 + SECOND);
    bed_drop(&b);
}

static void test_a_path_that_is_delayed_for_ever_rests(void **state)
{
    int64_t rest = 0, now = NOW;
    bed b;
    int i;

    (void)state;
    bed_make(&b, 64);
    post(&b, "/a", NOW);
    for (i = 0; i < MOST_LOOKS; i++) {
        take_this(&b, "/a", now);
        now += 1000;
        assert_true(vld_wanted_delay(&b.list, &b.item, now, now, &rest));
    }
    take_this(&b, "/a", now);
    assert_false(vld_wanted_delay(&b.list, &b.item, now, now, &rest));
    assert_int_equal(rest, now + SECOND);
    assert_false(take(&b, rest + SECOND));
    assert_int_equal(b.next, INT64_MAX);
    bed_drop(&b);
}

static void test_a_clock_that_was_set_back_holds_nothing_up(void **state)
{
    const int64_t day = 86400 * SECOND;
    bed b;

    (void)state;
    bed_make(&b, 64);
    post(&b, "/a", NOW + day);
    take_this(&b, "/a", NOW);
    vld_wanted_rest(&b.list, &b.item, NOW + day);
    assert_true(post(&b, "/a", NOW));
    take_this(&b, "/a", NOW);
    bed_drop(&b);
}

/* --- no room ------------------------------------------------------------- */

static void
test_a_full_list_drops_what_comes_and_keeps_what_is_there(void **state)
{
    bool kept[200] = { false };
    unsigned n = 0, taken = 0;
    char path[32];
    bed b;
    int i;

    (void)state;
    bed_make(&b, 16);
    for (i = 0; i < 200; i++) {
        snprintf(path, sizeof(path), "/srv/%d", i);
        kept[i] = post(&b, path, NOW + i);
        n += kept[i];
    }
    assert_int_equal(n, 16);
    while (take(&b, NOW + 1000)) {
        assert_true(kept[atoi(b.item.path + 5)]);
        taken++;
    }
    assert_int_equal(taken, 16);
    bed_drop(&b);
}

/* One set, so that all meet. */
static void test_new_paths_take_the_place_of_those_that_rest(void **state)
{
    char path[32];
    int64_t until;
    bed b;
    int i;

    (void)state;
    bed_make(&b, 8);
    for (i = 0; i < 8; i++) {
        snprintf(path, sizeof(path), "/old/%d", i);
        assert_true(post(&b, path, NOW + i));
    }
    assert_false(post(&b, "/new", NOW + 8));
    assert_true(take(&b, NOW + 9));
    assert_false(post(&b, "/new", NOW + 9));
    until = vld_wanted_rest(&b.list, &b.item, NOW + 9);
    assert_true(until > NOW + 10);
    assert_true(post(&b, "/new", NOW + 10));
    /* One that is wanted all the time keeps its place until its rest is
     * over. */
    for (i = 0; i < 7; i++) {
        assert_true(take(&b, NOW + 11));
        vld_wanted_give_back(&b.list, &b.item, NOW + 12 + i);
    }
    take_this(&b, "/new", NOW + 20);
    vld_wanted_rest(&b.list, &b.item, NOW + 20);
    assert_true(post(&b, "/new", NOW + 2 * SECOND));
    for (i = 0; i < 8; i++) {
        assert_true(take(&b, NOW + 2 * SECOND));
        if (!strcmp(b.item.path, "/new")) {
            until = vld_wanted_rest(&b.list, &b.item, NOW + 2 * SECOND);
            assert_int_equal(until, NOW + 4 * SECOND);
        }
    }
    assert_false(post(&b, "/newer", until - 1));
    assert_true(post(&b, "/newer", until));
    bed_drop(&b);
}

/* --- killed -------------------------------------------------------------- */

static void test_a_new_indexer_gets_what_the_old_one_had_taken(void **state)
{
    bed b;

    (void)state;
    bed_make(&b, 64);
    post(&b, "/a", NOW);
    post(&b, "/b", NOW + 1);
    take_this(&b, "/a", NOW + 2);
    vld_wanted_begin(&b.list);
    take_this(&b, "/b", NOW + 3);
    take_this(&b, "/a", NOW + 3);
    /* What it left does not touch what the new one does. */
    assert_false(take(&b, NOW + 3));
    bed_drop(&b);
}

static void
test_a_slot_that_does_not_check_is_refused_and_used_again(void **state)
{
    size_t at;
    bed b;

    (void)state;
    for (at = 0; at < AT_PATH + 16; at++) {
        bed_make(&b, 64);
        assert_true(vld_wanted_post(&b.list, "/srv/a/file", 11, 77, NULL, NOW));
        slot_at(&b.list.slots, find_used_slot(&b.list.slots))[at] ^= 0x5A;
        if (take(&b, NOW + 2 * SECOND)) {
            fail_msg("octet %zu was changed and not missed", at);
        }
        if (take(&b, NOW + 4 * SECOND)) {
            fail_msg("octet %zu was changed and not missed later", at);
        }
        assert_true(post(&b, "/srv/a/file", NOW + 5 * SECOND));
        take_this(&b, "/srv/a/file", NOW + 5 * SECOND);
        bed_drop(&b);
    }
}

static void test_a_slot_whose_poster_was_killed_is_used_again(void **state)
{
    unsigned slot;
    bed b;

    (void)state;
    bed_make(&b, 8);
    post(&b, "/a", NOW);
    slot = find_used_slot(&b.list.slots);
    /* As if it had been killed while it wrote: held, and not wanted yet. */
    hold_slot(&b.list.slots, slot, NOW);
    *state_at(&b, slot) = 0;
    assert_false(post(&b, "/a", NOW + VLD_SLOT_HELD_MAX_US));
    assert_false(take(&b, NOW + VLD_SLOT_HELD_MAX_US));
    assert_true(post(&b, "/a", NOW + VLD_SLOT_HELD_MAX_US + 1));
    take_this(&b, "/a", NOW + VLD_SLOT_HELD_MAX_US + 1);
    assert_int_equal(find_used_slot(&b.list.slots), slot);
    bed_drop(&b);
}

static void
test_a_wanted_slot_that_is_being_written_is_taken_later(void **state)
{
    uint64_t sequence;
    unsigned slot;
    bed b;

    (void)state;
    bed_make(&b, 8);
    post(&b, "/a", NOW);
    slot = find_used_slot(&b.list.slots);
    sequence = sequence_at(&b.list.slots, slot);
    hold_slot(&b.list.slots, slot, NOW);
    assert_false(take(&b, NOW));
    assert_in_range(b.next, NOW + 1, NOW + SECOND);
    set64(slot_at(&b.list.slots, slot) + VLD_SLOT_SEQUENCE, sequence);
    take_this(&b, "/a", b.next);
    bed_drop(&b);
}

/* --- many at once -------------------------------------------------------- */

/* A path whose every octet follows from its number. */
static size_t path_of(unsigned n, char path[VLD_WANTED_PATH])
{
    size_t len = 8 + n % 900;

    snprintf(path, 9, "/%07u", n);
    memset(path + 8, 'a' + (int)(n % 26), len - 8);
    path[len] = '\0';
    return len;
}

static bool is_whole(const vld_wanted_item *item)
{
    char path[VLD_WANTED_PATH];
    unsigned n = (unsigned)strtoul(item->path + 1, NULL, 10);
    size_t i;

    if (item->len < 8) {
        return false;
    }
    n = 0;
    for (i = 1; i < 8; i++) {
        n = n * 10 + (unsigned)(item->path[i] - '0');
    }
    return path_of(n, path) == item->len && !strcmp(path, item->path)
           && (!item->date
               || (item->has_name && item->name.bytes[0] == item->date % 256
                   && item->name.bytes[31] == item->date % 256));
}

static int64_t clock_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec / 1000;
}

static void post_any(vld_wanted *list, unsigned *seed, unsigned paths)
{
    char path[VLD_WANTED_PATH];
    unsigned n = (unsigned)rand_r(seed) % paths;
    int64_t date = rand_r(seed) % 1000;
    size_t len = path_of(n, path);
    vld_digest digest;

    memset(&digest, (int)(date % 256), sizeof(digest));
    vld_wanted_post(list, path, len, date, date ? &digest : NULL, clock_us());
}

typedef struct crowd {
    bed b;
    int stop;
} crowd;

static void *poster(void *data)
{
    crowd *c = data;
    unsigned seed = (unsigned)clock_us();

    while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
        post_any(&c->b.list, &seed, 60);
    }
    return NULL;
}

#define PATIENCE_US (20 * SECOND) /* on a machine with other things to do */

/* Take for a while, and until so many were taken; how many were, or -1: a torn
 * one. */
static long take_for(bed *b, int64_t us, long least)
{
    int64_t end = clock_us() + us, last = end + PATIENCE_US, now;
    long n = 0;
    int64_t rest;

    while ((now = clock_us()) < end || (n < least && now < last)) {
        if (!take(b, now)) {
            sched_yield();
            continue;
        }
        if (!is_whole(&b->item)) {
            return -1;
        }
        if (++n % 3 == 0) {
            vld_wanted_give_back(&b->list, &b->item, now);
        }
        else if (n % 3 == 1) {
            vld_wanted_delay(&b->list, &b->item, now, now + 10, &rest);
        }
        else {
            /* At once wanted again: as if the rest were over. */
            vld_wanted_rest(&b->list, &b->item, now - 700 * SECOND);
        }
    }
    return n;
}

static void test_threads_post_and_one_takes_and_no_path_is_torn(void **state)
{
    pthread_t threads[4];
    crowd c;
    long n;
    int i;

    (void)state;
    bed_make(&c.b, 32);
    c.stop = 0;
    for (i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, poster, &c), 0);
    }
    n = take_for(&c.b, SECOND, 1001);
    __atomic_store_n(&c.stop, 1, __ATOMIC_RELAXED);
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(n > 1000);
    bed_drop(&c.b);
}

static pid_t start_poster(bed *b, unsigned seed)
{
    pid_t pid = fork();

    if (pid == 0) {
        for (;;) {
            post_any(&b->list, &seed, 60);
        }
    }
    return pid;
}

static void
test_posters_are_killed_at_any_instruction_and_the_list_lives(void **state)
{
    unsigned round, i, usable = 0, killed = 0;
    char path[VLD_WANTED_PATH];
    long n, total = 0;
    int64_t now;
    bed b;

    (void)state;
    bed_make(&b, 32);
    for (round = 0; round < 300; round++) {
        pid_t pid = start_poster(&b, round);

        assert_true(pid > 0);
        n = take_for(&b, 2000 + round % 7 * 100, 0);
        kill(pid, SIGKILL);
        killed += waitpid(pid, NULL, 0) == pid;
        assert_true(n >= 0);
        total += n;
    }
    assert_int_equal(killed, 300);
    assert_true(total > 1000);
    /* Afterwards every slot can be used: the list takes as many as it has. */
    now = clock_us() + 3 * VLD_SLOT_HELD_MAX_US;
    while (take(&b, now)) {
        vld_wanted_rest(&b.list, &b.item, now - 700 * SECOND);
    }
    for (i = 1000; i < 1400; i++) {
        usable += vld_wanted_post(&b.list, path, path_of(i, path), 0, NULL,
                                  now + SECOND);
    }
    assert_int_equal(usable, b.list.slots.count);
    bed_drop(&b);
}

static void
test_a_poster_that_was_stopped_and_overtaken_spoils_nothing(void **state)
{
    unsigned round, stopped = 0;
    bed b;
    long n = 0;

    (void)state;
    bed_make(&b, 8);
    for (round = 0; round < 5; round++) {
        pid_t slow = start_poster(&b, round), other;

        assert_true(slow > 0);
        usleep(3000 + round * 137);
        kill(slow, SIGSTOP);
        usleep(VLD_SLOT_HELD_MAX_US + 50000);
        other = start_poster(&b, round + 100);
        assert_true(other > 0);
        n = take_for(&b, 20000, 1);
        kill(slow, SIGCONT);
        n = n < 0 ? n : take_for(&b, 20000, 1);
        kill(slow, SIGKILL);
        kill(other, SIGKILL);
        stopped += waitpid(slow, NULL, 0) == slow;
        waitpid(other, NULL, 0);
        assert_true(n > 0);
    }
    assert_int_equal(stopped, 5);
    bed_drop(&b);
}

static void test_a_list_has_at_most_a_million_slots(void **state)
{
    (void)state;
    assert_int_equal(vld_wanted_size(0), 0);
    assert_int_equal(vld_wanted_size((1u << 20) + 1), 0);
    assert_true(vld_wanted_size(1u << 20) > (1u << 20) * WANTED_SLOT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_posted_is_taken_once),
        cmocka_unit_test(test_they_are_taken_in_the_order_of_arrival),
        cmocka_unit_test(test_duplicates_are_merged),
        cmocka_unit_test(test_the_later_date_that_was_sent_is_kept),
        cmocka_unit_test(
            test_paths_up_to_the_slot_fit_and_longer_ones_are_refused),
        cmocka_unit_test(test_a_path_that_rests_is_wanted_by_nobody),
        cmocka_unit_test(test_rests_double_up_to_ten_minutes),
        cmocka_unit_test(test_a_path_that_was_quiet_starts_over),
        cmocka_unit_test(test_a_delayed_path_comes_again_by_itself),
        cmocka_unit_test(test_a_path_that_is_delayed_for_ever_rests),
        cmocka_unit_test(test_a_clock_that_was_set_back_holds_nothing_up),
        cmocka_unit_test(
            test_a_full_list_drops_what_comes_and_keeps_what_is_there),
        cmocka_unit_test(test_new_paths_take_the_place_of_those_that_rest),
        cmocka_unit_test(test_a_finished_path_may_be_posted_at_once),
        cmocka_unit_test(test_a_new_indexer_gets_what_the_old_one_had_taken),
        cmocka_unit_test(
            test_a_slot_that_does_not_check_is_refused_and_used_again),
        cmocka_unit_test(test_a_slot_whose_poster_was_killed_is_used_again),
        cmocka_unit_test(
            test_a_wanted_slot_that_is_being_written_is_taken_later),
        cmocka_unit_test(test_threads_post_and_one_takes_and_no_path_is_torn),
        cmocka_unit_test(
            test_posters_are_killed_at_any_instruction_and_the_list_lives),
        cmocka_unit_test(
            test_a_poster_that_was_stopped_and_overtaken_spoils_nothing),
        cmocka_unit_test(test_a_list_has_at_most_a_million_slots),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
