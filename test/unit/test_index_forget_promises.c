/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/forget_promises.c. */
#include "index_test.h"

enum { PLAIN, PROMISED, UNREAD, KINDS };

static void put_kind(vld_store *store, const char *path, unsigned n, int kind)
{
    vld_record r = record_of(n);

    r.is_promised = kind != PLAIN;
    r.is_unread = kind == UNREAD;
    memset(&r.seed, (int)(r.is_promised ? n % 7 : 0), sizeof(r.seed));
    if (r.is_unread) {
        memset(&r.digest, 0, sizeof(r.digest));
    }
    put_one(store, path, &r);
}

static void of_what_was_read(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    uint64_t count = 0;
    char path[64];

    for (unsigned n = 0; n < 900; n++) {
        sprintf(path, "/srv/%s/%u", n < 600 ? "a" : "ab", n);
        put_kind(store, path, n, (int)(n % KINDS));
    }
    assert_int_equal(vld_store_forget_promises(store, "/srv/a", &count),
                     APR_SUCCESS);
    assert_int_equal(count, 200);
    for (unsigned n = 0; n < 900; n++) {
        vld_record r, was = record_of(n);

        sprintf(path, "/srv/%s/%u", n < 600 ? "a" : "ab", n);
        r = found(store, path);
        assert_int_equal(r.is_unread, n % KINDS == UNREAD);
        assert_int_equal(r.is_promised,
                         n % KINDS == UNREAD
                             || (n % KINDS == PROMISED && n >= 600));
        assert_int_equal(r.last_modified, was.last_modified);
        if (!r.is_unread) {
            assert_memory_equal(&r.digest, &was.digest, sizeof(r.digest));
        }
    }
    assert_int_equal(vld_store_forget_promises(store, "/srv/a", &count),
                     APR_SUCCESS);
    assert_int_equal(count, 200);
    vld_store_close(store);
}

static void read_only(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    uint64_t count = 0;

    put_kind(store, "/a", 1, PROMISED);
    vld_store_close(store);
    store = open_store(t, VLD_STORE_READ);
    assert_int_equal(vld_store_forget_promises(store, "/", &count), APR_EACCES);
    assert_int_equal(count, 0);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_what_was_read, "promises of what was read are dropped"),
        TEST(read_only, "not in an index that is only read"),
    };

    return RUN(tests);
}
