/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/heads.c: what the two heads of an index may say before LMDB is
 * let near it, and what a writer must not believe of them. */
#include "index_test.h"

#include "index/heads.h"

enum { PAGE_SIZE = 40, FREE_FLAGS = 44, MAIN_FLAGS = 92, TXN = 144 };

static uint64_t number_in(const char *path, off_t at, size_t size)
{
    uint64_t n = 0;
    int fd = open(path, O_RDONLY);

    assert_int_equal(pread(fd, &n, size, at), (ssize_t)size);
    close(fd);
    return n;
}

static void set_number(const char *path, off_t at, uint64_t n, size_t size)
{
    int fd = open(path, O_WRONLY);

    assert_int_equal(pwrite(fd, &n, size, at), (ssize_t)size);
    close(fd);
}

/* Some commits, so that both heads are in use. */
static off_t make_index(place *t)
{
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);

    assert_int_equal(put_one(store, "/srv/a", &r), APR_SUCCESS);
    assert_int_equal(put_one(store, "/srv/b", &r), APR_SUCCESS);
    assert_int_equal(put_one(store, "/srv/c", &r), APR_SUCCESS);
    vld_store_close(store);
    return (off_t)number_in(t->index, PAGE_SIZE, 4);
}

static void good_heads(void **state)
{
    place *t = *state;

    make_index(t);
    assert_int_equal(vld_heads_check(t->index), APR_SUCCESS);
}

static void not_ours_to_judge(void **state)
{
    place *t = *state;
    const char *path = below(t->dir, "file");

    assert_int_equal(vld_heads_check(path), APR_SUCCESS);
    write_text(path, "");
    assert_int_equal(vld_heads_check(path), APR_SUCCESS);
    write_octets(path, below("", "text"), 8192);
    assert_int_equal(vld_heads_check(path), APR_SUCCESS);
}

static apr_status_t open_status(place *t, vld_store_mode mode)
{
    vld_store *store;
    apr_status_t rv = vld_store_open(&store, t->index, mode);

    if (rv == APR_SUCCESS) {
        vld_store_close(store);
    }
    return rv;
}

static void page_sizes(void **state)
{
    static const uint32_t bad[] = { 0,     1,         256,       511,
                                    4095,  4097,      12288,     131072,
                                    65537, 0x8000000, UINT32_MAX };
    place *t = *state;
    off_t size = make_index(t);

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_number(t->index, PAGE_SIZE, bad[i], 4);
        assert_int_equal(vld_heads_check(t->index), VLD_E_DAMAGED);
        assert_int_equal(open_status(t, VLD_STORE_READ), VLD_E_DAMAGED);
        assert_int_equal(open_status(t, VLD_STORE_WRITE), VLD_E_DAMAGED);
    }
    set_number(t->index, PAGE_SIZE, (uint64_t)size, 4);
    assert_int_equal(open_status(t, VLD_STORE_READ), APR_SUCCESS);
    set_number(t->index, size + PAGE_SIZE, 0, 4);
    assert_int_equal(open_status(t, VLD_STORE_READ), VLD_E_DAMAGED);
    assert_int_equal(open_status(t, VLD_STORE_CREATE), VLD_E_DAMAGED);
}

static void transactions(void **state)
{
    place *t = *state;
    off_t size = make_index(t);
    uint64_t first = number_in(t->index, TXN, 8);
    uint64_t second = number_in(t->index, size + TXN, 8);

    assert_true(first % 2 == 0 && second % 2 == 1);
    set_number(t->index, TXN, second + 2, 8);
    assert_int_equal(open_status(t, VLD_STORE_READ), VLD_E_DAMAGED);
    set_number(t->index, TXN, second, 8);
    assert_int_equal(open_status(t, VLD_STORE_READ), VLD_E_DAMAGED);
    set_number(t->index, TXN, first, 8);
    set_number(t->index, size + TXN, first + 4, 8);
    assert_int_equal(open_status(t, VLD_STORE_READ), VLD_E_DAMAGED);
    set_number(t->index, size + TXN, second, 8);
    assert_int_equal(open_status(t, VLD_STORE_READ), APR_SUCCESS);
}

/* LMDB orders keys as these flags say, in memory of its own. */
static void orders_of_keys(void **state)
{
    place *t = *state;
    off_t size = make_index(t);
    vld_record r = record_of(1);

    for (unsigned bit = 1; bit < 7; bit++) {
        for (unsigned db = 0; db < 2; db++) {
            off_t at = db ? MAIN_FLAGS : FREE_FLAGS;
            uint64_t a = number_in(t->index, at, 2);
            uint64_t b = number_in(t->index, size + at, 2);
            vld_store *store;

            set_number(t->index, at, a ^ 1U << bit, 2);
            set_number(t->index, size + at, b ^ 1U << bit, 2);
            if (vld_store_open(&store, t->index, VLD_STORE_WRITE)
                == APR_SUCCESS) {
                assert_int_equal(put_one(store, "/srv/d", &r), VLD_E_DAMAGED);
                vld_store_close(store);
            }
            set_number(t->index, at, a, 2);
            set_number(t->index, size + at, b, 2);
        }
    }
    assert_int_equal(open_status(t, VLD_STORE_WRITE), APR_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_heads, "the heads of an index are good"),
        TEST(not_ours_to_judge, "what is no index is left to LMDB"),
        TEST(page_sizes, "a page size that none can have is damage, in every "
                         "mode"),
        TEST(transactions, "the last transaction stands in the head of its "
                           "parity"),
        TEST(orders_of_keys, "nothing is written where keys are said to be in "
                             "another order"),
    };

    return RUN(tests);
}
