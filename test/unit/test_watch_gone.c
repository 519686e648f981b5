/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of watch/gone.c: records go when their files are gone, and only
 * then. */
#include "index_test.h"

#include "watch/gone.h"

static void put(vld_store *store, const char *path)
{
    vld_record record = record_of(1);

    assert_int_equal(put_one(store, path, &record), APR_SUCCESS);
}

static bool has(vld_store *store, const char *path)
{
    vld_record record;

    return get(store, path, &record) == APR_SUCCESS;
}

static apr_status_t one(vld_gone *g, const char *path)
{
    return vld_gone_one(g, path, strlen(path));
}

static void below_a_folder(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_gone g = { .store = store };

    write_text(below(t->root, "there"), "");
    assert_int_equal(mkdir(below(t->root, "folder"), 0755), 0);
    assert_int_equal(symlink("there", below(t->root, "link")), 0);
    put(store, below(t->root, "there"));
    put(store, below(t->root, "gone"));
    put(store, below(t->root, "no/where"));
    put(store, below(t->root, "there/not"));
    put(store, below(t->root, "folder"));
    put(store, below(t->root, "link"));
    put(store, below(t->dir, "root2/gone"));
    assert_int_equal(vld_gone_below(&g, t->root), APR_SUCCESS);
    assert_int_equal(g.dropped, 0);
    assert_int_equal(vld_gone_drop(&g), APR_SUCCESS);
    assert_int_equal(g.dropped, 5);
    assert_true(has(store, below(t->root, "there")));
    assert_false(has(store, below(t->root, "gone")));
    assert_false(has(store, below(t->root, "link")));
    assert_true(has(store, below(t->dir, "root2/gone")));
    vld_gone_clear(&g);
    vld_store_close(store);
}

static void came_back(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_gone g = { .store = store };
    uint64_t txn;

    put(store, below(t->root, "back"));
    put(store, below(t->root, "gone"));
    assert_int_equal(one(&g, below(t->root, "back")), APR_SUCCESS);
    assert_int_equal(one(&g, below(t->root, "gone")), APR_SUCCESS);
    write_text(below(t->root, "back"), "");
    assert_int_equal(vld_gone_drop(&g), APR_SUCCESS);
    assert_int_equal(g.dropped, 1);
    assert_true(has(store, below(t->root, "back")));
    assert_false(has(store, below(t->root, "gone")));

    /* Nothing found, nothing written. */
    txn = vld_store_txn(store);
    assert_int_equal(one(&g, below(t->root, "never")), APR_SUCCESS);
    assert_int_equal(vld_gone_drop(&g), APR_SUCCESS);
    assert_int_equal(vld_store_txn(store), txn);
    vld_gone_clear(&g);
    vld_store_close(store);
}

static void many(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_gone g = { .store = store };
    vld_record record = record_of(1);
    vld_batch *batch;
    uint64_t txn;
    char path[256];

    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    for (int i = 0; i < 10000; i++) {
        sprintf(path, "%s/%d", t->root, i);
        assert_int_equal(vld_batch_put(batch, path, strlen(path), &record),
                         APR_SUCCESS);
    }
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
    assert_int_equal(vld_gone_below(&g, t->root), APR_SUCCESS);
    assert_int_equal(vld_gone_drop(&g), APR_SUCCESS);
    assert_int_equal(g.dropped, 10000);
    txn = vld_store_txn(store);
    assert_int_equal(vld_gone_drop(&g), APR_SUCCESS);
    assert_int_equal(vld_store_txn(store), txn);
    vld_gone_clear(&g);
    vld_store_close(store);
}

static apr_status_t refuse(void *baton)
{
    return --*(int *)baton < 0 ? APR_EINTR : APR_SUCCESS;
}

static void ended(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    int left = 1;
    vld_gone g = { .store = store, .between = refuse, .baton = &left };

    put(store, below(t->root, "a"));
    put(store, below(t->root, "b"));
    assert_int_equal(vld_gone_below(&g, t->root), APR_EINTR);
    vld_gone_clear(&g);
    assert_int_equal(vld_gone_drop(&g), APR_SUCCESS);
    assert_int_equal(g.dropped, 0);
    assert_true(has(store, below(t->root, "a")));

    /* What was found before the end may also be dropped. */
    left = 1;
    assert_int_equal(vld_gone_below(&g, t->root), APR_EINTR);
    assert_int_equal(vld_gone_drop(&g), APR_SUCCESS);
    assert_int_equal(g.dropped, 1);
    assert_false(has(store, below(t->root, "a")));
    assert_true(has(store, below(t->root, "b")));
    vld_gone_clear(&g);
    vld_store_close(store);
}

static void replaced(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_gone g = { .store = store };

    put(store, below(t->root, "a"));
    assert_int_equal(one(&g, below(t->root, "a")), APR_SUCCESS);
    assert_int_equal(unlink(t->index), 0);
    assert_int_equal(vld_gone_drop(&g), VLD_E_REPLACED);
    assert_int_equal(g.dropped, 0);
    assert_int_equal(vld_gone_drop(&g), APR_SUCCESS);
    assert_int_equal(g.dropped, 0);
    vld_gone_clear(&g);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(below_a_folder, "what is gone or no file any more is dropped"),
        TEST(came_back, "a file that came back keeps its record"),
        TEST(many, "more than one transaction's worth is dropped"),
        TEST(ended, "a search can be ended, and forgotten"),
        TEST(replaced, "an index that was replaced is not written to"),
    };

    return RUN(tests);
}
