/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of content/promise.c: names of contents, and promises that records
 * keep. */
#include "index_test.h"

static vld_identity identity_of(int n)
{
    vld_identity id = { 100, 200, 300, 400 };

    id.size += n == 1;
    id.mtime_ns += n == 2;
    id.ctime_ns += n == 3;
    id.inode += n == 4;
    return id;
}

static void name_of_each_field(void **state)
{
    static const unsigned char zeros[16];
    place *t = *state;
    int fd = open(t->root, O_RDONLY);
    vld_digest first, other;

    for (int i = 0; i < 5; i++) {
        vld_identity id = identity_of(i);

        assert_int_equal(vld_promise_name(&id, fd, &other), APR_SUCCESS);
        assert_memory_equal(other.bytes + 16, zeros, 16);
        if (i) {
            assert_memory_not_equal(&first, &other, sizeof(first));
        }
        else {
            first = other;
            assert_int_equal(vld_promise_name(&id, fd, &other), APR_SUCCESS);
            assert_memory_equal(&first, &other, sizeof(first));
        }
    }
    close(fd);
}

/* The name of a promise is that of its record, before and after it was read. */
static void name_stays(void **state)
{
    place *t = *state;
    int fd = open(t->root, O_RDONLY);
    vld_identity id = identity_of(0);
    vld_record p, r = record_of(1);
    vld_digest name, its;

    assert_int_equal(vld_promise_name(&id, fd, &name), APR_SUCCESS);
    vld_promise_record(&id, &name, 77, &p);
    assert_true(p.is_promised && p.is_unread && p.indexed_ns == 77);
    vld_record_name(&p, &its);
    assert_memory_equal(&name, &its, sizeof(name));
    r.identity = id;
    vld_record_keep_promise(&r, &p);
    assert_true(r.is_promised && !r.is_unread);
    vld_record_name(&r, &its);
    assert_memory_equal(&name, &its, sizeof(name));
    vld_content_name(&r.digest, &r, &its);
    assert_memory_equal(&name, &its, sizeof(name));
    vld_content_name(&r.digest, NULL, &its);
    assert_memory_equal(&r.digest, &its, sizeof(its));
    vld_content_name(&name, &r, &its); /* another content's digest */
    assert_memory_equal(&name, &its, sizeof(its));
    close(fd);
}

/* Whether a record keeps the promise of the one before, by what they share. */
static void what_keeps_a_promise(void **state)
{
    (void)state;
    for (int i = 0; i < 32; i++) {
        bool promised = i & 1, unread = i & 2, same_id = i & 4;
        bool same_digest = i & 8, record_unread = i & 16;
        vld_record before = record_of(1), r = record_of(1);

        if (unread && !promised) {
            continue;
        }
        before.is_promised = promised;
        before.is_unread = unread;
        memset(&before.seed, 9, sizeof(before.seed));
        if (unread) {
            memset(&before.digest, 0, sizeof(before.digest));
        }
        r.identity.ctime_ns += !same_id;
        r.digest.bytes[0] ^= !same_digest;
        if (record_unread) {
            r.is_promised = r.is_unread = true;
            memset(&r.digest, 0, sizeof(r.digest));
            memset(&r.seed, 5, sizeof(r.seed));
        }
        vld_record_keep_promise(&r, &before);
        if (record_unread) {
            assert_int_equal(r.is_unread, unread || !same_id);
            assert_int_equal(r.is_promised, promised || !same_id);
            if (r.is_promised) {
                assert_int_equal(r.seed.octets[0], same_id ? 9 : 5);
            }
        }
        else {
            assert_false(r.is_unread);
            assert_int_equal(r.is_promised,
                             promised && (unread ? same_id : same_digest));
            assert_true(!r.is_promised || r.seed.octets[0] == 9);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(name_of_each_field, "each field of an identity is in its name"),
        TEST(name_stays, "a promised name is that of the content read"),
        TEST(what_keeps_a_promise, "a promise is kept for the same identity or "
                                   "digest"),
    };

    return RUN(tests);
}
