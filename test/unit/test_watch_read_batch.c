/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of watch/read_batch.c: files are read, and a halt comes soon. */
#include "index_test.h"

#include <poll.h>

#include "watch/read_batch.h"

static vld_read_batch *new_batch(void)
{
    vld_read_batch *b = calloc(1, sizeof(*b));

    assert_int_equal(vld_read_batch_init(b), APR_SUCCESS);
    return b;
}

static void add(vld_read_batch *b, vld_pending *set, const char *path)
{
    assert_true(vld_pending_add(set, path, strlen(path), 0));
    b->files[b->count].item = vld_pending_take(set, VLD_PENDING_FIRST_NS);
    assert_non_null(b->files[b->count++].item);
}

static bool has_ended(vld_read_batch *b, int ms)
{
    struct pollfd fd = { b->fd, POLLIN, 0 };

    return poll(&fd, 1, ms) == 1;
}

static void give_back(vld_read_batch *b, vld_pending *set)
{
    while (b->count) {
        vld_pending_done(set, b->files[--b->count].item, 0);
    }
    vld_pending_free(set);
    vld_read_batch_destroy(b);
    free(b);
}

static void reads(void **state)
{
    place *t = *state;
    vld_pending *set = vld_pending_make(9, t->pool);
    vld_read_batch *b = new_batch();
    vld_digest digest;

    write_text(below(t->root, "a"), "octets");
    nap_ms(100);
    add(b, set, below(t->root, "a"));
    add(b, set, below(t->root, "absent"));
    add(b, set, t->root);
    assert_int_equal(vld_read_batch_start(b), APR_SUCCESS);
    assert_true(b->started);
    assert_true(has_ended(b, 10000));
    vld_read_batch_join(b);
    assert_false(b->started);
    assert_false(has_ended(b, 0));

    vld_digest_bytes("octets", 6, &digest);
    assert_int_equal(b->files[0].rv, APR_SUCCESS);
    assert_memory_equal(&b->files[0].record.digest, &digest, sizeof(digest));
    assert_true(APR_STATUS_IS_ENOENT(b->files[1].rv));
    assert_true(APR_STATUS_IS_EINVAL(b->files[2].rv));
    give_back(b, set);
}

static void halts(void **state)
{
    place *t = *state;
    vld_pending *set = vld_pending_make(9, t->pool);
    vld_read_batch *b = new_batch();
    int64_t halted_ns;

    write_text(below(t->root, "large"), "");
    assert_int_equal(truncate(below(t->root, "large"), INT64_C(1) << 36), 0);
    write_text(below(t->root, "small"), "");
    nap_ms(100);
    add(b, set, below(t->root, "large"));
    add(b, set, below(t->root, "small"));
    assert_int_equal(vld_read_batch_start(b), APR_SUCCESS);
    assert_false(has_ended(b, 200));
    halted_ns = vld_monotonic_ns();
    vld_read_batch_halt(b);
    vld_read_batch_join(b);
    assert_true(vld_monotonic_ns() - halted_ns < INT64_C(1000000000));
    assert_false(has_ended(b, 0));
    assert_int_equal(b->files[0].rv, APR_EINTR);
    assert_int_equal(b->files[1].rv, APR_EINTR);

    /* The next batch is not halted. */
    vld_pending_done(set, b->files[0].item, 0);
    b->files[0] = b->files[1];
    b->count = 1;
    assert_int_equal(vld_read_batch_start(b), APR_SUCCESS);
    assert_true(has_ended(b, 10000));
    vld_read_batch_join(b);
    assert_int_equal(b->files[0].rv, APR_SUCCESS);
    give_back(b, set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reads, "each file has its record or its reason"),
        TEST(halts, "a batch is halted in the middle of a large file"),
    };

    return RUN(tests);
}
