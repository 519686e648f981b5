/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of watch/round.c: what is read is read, and the end comes soon. */
#include "index_test.h"

#include <poll.h>

#include "watch/round.h"

static vld_round *new_round(void)
{
    vld_round *r = calloc(1, sizeof(*r));

    assert_int_equal(vld_round_init(r), APR_SUCCESS);
    return r;
}

static void add(vld_round *r, vld_pending *set, const char *path)
{
    assert_true(vld_pending_add(set, path, strlen(path), 0));
    r->files[r->count].item = vld_pending_take(set, VLD_PENDING_FIRST_NS);
    assert_non_null(r->files[r->count++].item);
}

static bool has_ended(vld_round *r, int ms)
{
    struct pollfd fd = { r->fd, POLLIN, 0 };

    return poll(&fd, 1, ms) == 1;
}

static void give_back(vld_round *r, vld_pending *set)
{
    while (r->count) {
        vld_pending_done(set, r->files[--r->count].item, 0);
    }
    vld_pending_free(set);
    vld_round_destroy(r);
    free(r);
}

static void reads(void **state)
{
    place *t = *state;
    vld_pending *set = vld_pending_make(9, t->pool);
    vld_round *r = new_round();
    vld_digest digest;

    write_text(below(t->root, "a"), "octets");
    nap_ms(100);
    add(r, set, below(t->root, "a"));
    add(r, set, below(t->root, "absent"));
    add(r, set, t->root);
    assert_int_equal(vld_round_start(r), APR_SUCCESS);
    assert_true(r->started);
    assert_true(has_ended(r, 10000));
    vld_round_join(r);
    assert_false(r->started);
    assert_false(has_ended(r, 0));

    vld_digest_bytes("octets", 6, &digest);
    assert_int_equal(r->files[0].rv, APR_SUCCESS);
    assert_memory_equal(&r->files[0].record.digest, &digest, sizeof(digest));
    assert_true(APR_STATUS_IS_ENOENT(r->files[1].rv));
    assert_true(APR_STATUS_IS_EINVAL(r->files[2].rv));
    give_back(r, set);
}

static void halts(void **state)
{
    place *t = *state;
    vld_pending *set = vld_pending_make(9, t->pool);
    vld_round *r = new_round();

    write_text(below(t->root, "large"), "");
    assert_int_equal(truncate(below(t->root, "large"), INT64_C(1) << 36), 0);
    write_text(below(t->root, "small"), "");
    nap_ms(100);
    add(r, set, below(t->root, "large"));
    add(r, set, below(t->root, "small"));
    assert_int_equal(vld_round_start(r), APR_SUCCESS);
    assert_false(has_ended(r, 200));
    vld_round_halt(r);
    assert_true(has_ended(r, 1000));
    vld_round_join(r);
    assert_int_equal(r->files[0].rv, APR_EINTR);
    assert_int_equal(r->files[1].rv, APR_EINTR);

    /* The next round is not halted. */
    vld_pending_done(set, r->files[0].item, 0);
    r->files[0] = r->files[1];
    r->count = 1;
    assert_int_equal(vld_round_start(r), APR_SUCCESS);
    assert_true(has_ended(r, 10000));
    vld_round_join(r);
    assert_int_equal(r->files[0].rv, APR_SUCCESS);
    give_back(r, set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads, "each file has its record or its reason"),
        TEST(halts, "a round is halted in the middle of a large file"),
    };

    return RUN(tests);
}
