/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of watch/pending.c: nothing that has changed is lost, and nothing is
 * looked at too often. */
#include "index_test.h"

#include "watch/pending.h"

#define S INT64_C(1000000000)

static vld_pending *new_set(place *t, size_t most)
{
    vld_pending *set = vld_pending_make(most, t->pool);

    assert_non_null(set);
    return set;
}

static bool add(vld_pending *set, const char *path, int64_t now_ns)
{
    return vld_pending_add(set, path, strlen(path), now_ns);
}

/* Take one that must be due, of this path. */
static vld_pending_item *take(vld_pending *set, const char *path,
                              int64_t now_ns)
{
    vld_pending_item *item = vld_pending_take(set, now_ns);

    assert_non_null(item);
    assert_string_equal(item->path, path);
    return item;
}

static void due(void **state)
{
    vld_pending *set = new_set(*state, 10);

    assert_int_equal(vld_pending_next_ns(set), INT64_MAX);
    assert_true(add(set, "/a", S));
    assert_int_equal(vld_pending_next_ns(set), S + VLD_PENDING_FIRST_NS);
    assert_null(vld_pending_take(set, S));
    vld_pending_done(set, take(set, "/a", 2 * S), 2 * S);
    assert_int_equal(vld_pending_count(set), 0);
    assert_null(vld_pending_take(set, 9 * S));
    vld_pending_free(set);
}

static void merged(void **state)
{
    vld_pending *set = new_set(*state, 10);

    for (int i = 0; i < 100; i++) {
        assert_true(add(set, "/a", i));
    }
    assert_int_equal(vld_pending_count(set), 1);
    assert_int_equal(vld_pending_next_ns(set), VLD_PENDING_FIRST_NS);
    vld_pending_done(set, take(set, "/a", S), S);
    assert_null(vld_pending_take(set, 9 * S));
    vld_pending_free(set);
}

static void in_order(void **state)
{
    vld_pending *set = new_set(*state, 1000);
    int64_t before = 0;
    char path[32];

    for (int64_t i = 0; i < 1000; i++) {
        sprintf(path, "/%d", (int)i);
        assert_true(add(set, path, i * 7919 % 1000 * S));
    }
    for (int i = 0; i < 1000; i++) {
        vld_pending_item *item = vld_pending_take(set, 2000 * S);

        assert_non_null(item);
        assert_true(item->due_ns >= before);
        before = item->due_ns;
        vld_pending_done(set, item, 2000 * S);
    }
    assert_int_equal(vld_pending_count(set), 0);
    vld_pending_free(set);
}

static void bounded(void **state)
{
    vld_pending *set = new_set(*state, 2);

    assert_true(add(set, "/a", 0));
    assert_true(add(set, "/b", 0));
    assert_false(add(set, "/c", 0));
    assert_true(add(set, "/a", 0));
    vld_pending_done(set, vld_pending_take(set, S), S);
    assert_true(add(set, "/c", S));
    vld_pending_free(set);
}

static void changed_while_taken(void **state)
{
    vld_pending *set = new_set(*state, 2);
    vld_pending_item *item;

    add(set, "/a", 0);
    item = take(set, "/a", S);
    assert_true(add(set, "/a", S));
    vld_pending_done(set, item, S);
    assert_int_equal(vld_pending_count(set), 1);
    vld_pending_done(set, take(set, "/a", 2 * S), 2 * S);
    assert_null(vld_pending_take(set, 9 * S));
    vld_pending_free(set);
}

static void backed_off(void **state)
{
    static const int pauses[] = { 1, 2, 4, 8, 16, 32, 60, 60, 60 };
    vld_pending *set = new_set(*state, 2);
    int64_t now = S;

    add(set, "/a", 0);
    for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
        vld_pending_rest(set, take(set, "/a", now), now);
        assert_int_equal(vld_pending_count(set), 0);
        add(set, "/a", now);
        assert_int_equal(vld_pending_count(set), 1);
        now += pauses[i] * S;
        assert_null(vld_pending_take(set, now - 1));
    }
    vld_pending_free(set);
}

static void reset_when_quiet(void **state)
{
    vld_pending *set = new_set(*state, 2);

    add(set, "/a", 0);
    vld_pending_rest(set, take(set, "/a", S), S);
    add(set, "/a", S);
    vld_pending_rest(set, take(set, "/a", 2 * S), 2 * S);
    assert_null(vld_pending_take(set, 4 * S));
    assert_int_equal(vld_pending_next_ns(set), INT64_MAX);
    add(set, "/a", 5 * S);
    vld_pending_rest(set, take(set, "/a", 6 * S), 6 * S);
    assert_int_equal(vld_pending_next_ns(set), 7 * S);
    vld_pending_free(set);
}

static void changed_before_rest(void **state)
{
    vld_pending *set = new_set(*state, 2);
    vld_pending_item *item;

    add(set, "/a", 0);
    item = take(set, "/a", S);
    add(set, "/a", S);
    vld_pending_rest(set, item, S);
    assert_int_equal(vld_pending_count(set), 1);
    vld_pending_done(set, take(set, "/a", 2 * S), 2 * S);
    assert_int_equal(vld_pending_count(set), 0);
    vld_pending_free(set);
}

static void unsettled(void **state)
{
    vld_pending *set = new_set(*state, 2);
    int64_t now = S;

    add(set, "/a", 0);
    vld_pending_again(set, take(set, "/a", now), now + 20, now);
    assert_int_equal(vld_pending_next_ns(set), now + 20);
    now += 20;
    for (int pause = 1; pause <= 32; pause *= 2) {
        vld_pending_again(set, take(set, "/a", now), now + 20, now);
        assert_int_equal(vld_pending_next_ns(set), now + pause * S);
        now += pause * S;
    }
    for (int i = 0; i < 3; i++) {
        vld_pending_again(set, take(set, "/a", now), now + 20, now);
        assert_int_equal(vld_pending_next_ns(set), now + 60 * S);
        now += 60 * S;
    }
    vld_pending_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(due, "a path is due a moment after its change"),
        TEST(merged, "changes of one path are one, and do not put it off"),
        TEST(in_order, "what is due first is taken first"),
        TEST(bounded, "a full set takes known paths only"),
        TEST(changed_while_taken, "a change of what is taken is kept"),
        TEST(backed_off, "a file that keeps changing rests 1 s to a minute"),
        TEST(reset_when_quiet, "a rest without a change ends the backing off"),
        TEST(changed_before_rest,
             "a change while it was read is seen after the rest"),
        TEST(unsettled, "what does not settle is looked at ever later"),
    };

    return RUN(tests);
}
