/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/stat.c: the figures of an index. */
#include "index_test.h"

#define MANY 3000

static void put_many(vld_store *store, unsigned n, unsigned first)
{
    vld_batch *batch;

    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    for (unsigned i = first; i < first + n; i++) {
        vld_record r = record_of(i);
        char path[700];

        sprintf(path, "/m/%06u%0*u", i, i % 7 ? 1 : 600, 0);
        assert_int_equal(vld_batch_put(batch, path, strlen(path), &r),
                         APR_SUCCESS);
    }
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
}

static void figures(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_store_info info;
    struct stat st;
    uint64_t txn;

    put_many(store, MANY, 0);
    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    assert_int_equal(stat(t->index, &st), 0);
    assert_int_equal(info.files, MANY);
    assert_int_equal(info.file_bytes, st.st_size);
    assert_in_range(info.used_bytes, MANY * 96, info.file_bytes);
    assert_true(info.map_bytes >= (uint64_t)256 << 20);
    txn = info.txn;
    put_many(store, 1, 0);
    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    assert_int_equal(info.txn, txn + 1);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(figures, "the figures are those of the index"),
    };

    return RUN(tests);
}
