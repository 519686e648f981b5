/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/record.c: what goes in comes out, and nothing else does. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "index_test.h"

#include "index/record.h"
#include "validators/bytes.h"

#define PATH "/srv/www/index.html"
#define PATH_LEN (sizeof(PATH) - 1)

static unsigned char value[VLD_PROMISED_SIZE + VLD_PATH_MAX];

static apr_status_t encode(const char *path, const vld_record *r)
{
    return vld_record_encode(r, path, strlen(path), value);
}

static apr_status_t decode(const char *path, size_t size, vld_record *out)
{
    /* A copy of the exact size: reads beyond it are seen by sanitizers. */
    unsigned char *copy = malloc(size ? size : 1);
    apr_status_t rv;

    memcpy(copy, value, size);
    rv = vld_record_decode(copy, size, path, strlen(path), out);
    free(copy);
    return rv;
}

static void assert_same(const vld_record *a, const vld_record *b)
{
    assert_memory_equal(&a->digest, &b->digest, sizeof(a->digest));
    assert_true(
        vld_identity_equal(&a->identity, &b->identity, VLD_COMPARE_STRICT));
    assert_int_equal(a->last_modified, b->last_modified);
    assert_int_equal(a->indexed_ns, b->indexed_ns);
    assert_int_equal(a->is_promised, b->is_promised);
    assert_int_equal(a->is_unread, b->is_unread);
    assert_memory_equal(&a->seed, &b->seed, sizeof(a->seed));
}

static vld_record promised(unsigned n)
{
    vld_record r = record_of(n);

    r.is_promised = true;
    memset(&r.seed, (int)(n + 5), sizeof(r.seed));
    return r;
}

static vld_record unread(unsigned n)
{
    vld_record r = promised(n);

    r.is_unread = true;
    memset(&r.digest, 0, sizeof(r.digest));
    return r;
}

static void round_trip(void **state)
{
    vld_record r = record_of(3);
    vld_record out;

    (void)state;
    r.identity.mtime_ns = -1;
    r.identity.inode = UINT64_MAX;
    assert_int_equal(encode(PATH, &r), APR_SUCCESS);
    assert_int_equal(decode(PATH, VLD_RECORD_SIZE, &out), APR_SUCCESS);
    assert_same(&r, &out);
    r = promised(3);
    assert_int_equal(encode(PATH, &r), APR_SUCCESS);
    assert_int_equal(decode(PATH, VLD_PROMISED_SIZE, &out), APR_SUCCESS);
    assert_same(&r, &out);
    r = unread(3);
    assert_int_equal(encode(PATH, &r), APR_SUCCESS);
    assert_int_equal(decode(PATH, VLD_PROMISED_SIZE, &out), APR_SUCCESS);
    assert_same(&r, &out);
}

/* What a program that knows version 1 alone can read stays so. */
static void versions(void **state)
{
    vld_record r = record_of(3);

    (void)state;
    assert_int_equal(vld_value_size(&r, PATH_LEN), VLD_RECORD_SIZE);
    assert_int_equal(encode(PATH, &r), APR_SUCCESS);
    assert_memory_equal(value, "\1\0\0\0", 4);
    r = promised(3);
    assert_int_equal(vld_value_size(&r, PATH_LEN), VLD_PROMISED_SIZE);
    assert_int_equal(encode(PATH, &r), APR_SUCCESS);
    assert_memory_equal(value, "\2\0\0\0", 4);
    r = unread(3);
    assert_int_equal(encode(PATH, &r), APR_SUCCESS);
    assert_memory_equal(value, "\2\0\1\0", 4);
}

/* The layout is for ever: docs/index-format.md has the same octets. */
static void layout(void **state)
{
    static const unsigned char head[8] = { 1, 0, 0, 0, 0, 0, 0, 0 };
    vld_record r = record_of(0);

    (void)state;
    for (int i = 0; i < 32; i++) {
        r.digest.bytes[i] = (unsigned char)i;
    }
    r.identity.size = 0x0102030405060708;
    r.identity.mtime_ns = -2;
    r.identity.ctime_ns = 0x1112131415161718;
    r.identity.inode = 0x2122232425262728;
    r.last_modified = 0x3132333435;
    r.indexed_ns = 0x4142434445464748;
    assert_int_equal(encode("/a", &r), APR_SUCCESS);
    assert_memory_equal(value, head, 8);
    assert_memory_equal(value + 8, r.digest.bytes, 32);
    assert_memory_equal(value + 40,
                        "\x08\x07\x06\x05\x04\x03\x02\x01"
                        "\xfe\xff\xff\xff\xff\xff\xff\xff"
                        "\x18\x17\x16\x15\x14\x13\x12\x11"
                        "\x28\x27\x26\x25\x24\x23\x22\x21"
                        "\x35\x34\x33\x32\x31\x00\x00\x00"
                        "\x48\x47\x46\x45\x44\x43\x42\x41",
                        48);
    /* Made by a program of its own. */
    assert_memory_equal(value + 88, "\x3b\x04\xa4\xe8\x56\xf7\xf0\xf3", 8);
}

static void every_length(void **state)
{
    char *path = long_path(600, 'z');
    vld_record r = record_of(1);
    vld_record out;

    (void)state;
    assert_int_equal(encode(PATH, &r), APR_SUCCESS);
    for (size_t size = 0; size < VLD_RECORD_SIZE + 20; size++) {
        assert_int_equal(decode(PATH, size, &out),
                         size == VLD_RECORD_SIZE ? APR_SUCCESS : VLD_E_DAMAGED);
    }
    assert_int_equal(encode(path, &r), APR_SUCCESS);
    for (size_t size = 0; size < VLD_RECORD_SIZE + 620; size++) {
        assert_int_equal(decode(path, size, &out), size == VLD_RECORD_SIZE + 600
                                                       ? APR_SUCCESS
                                                       : VLD_E_DAMAGED);
    }
    free(path);
}

static void refuse_every_bit(const char *path, const vld_record *r)
{
    size_t size = vld_value_size(r, strlen(path));
    vld_record out = record_of(9);
    vld_record kept = out;

    assert_int_equal(encode(path, r), APR_SUCCESS);
    for (size_t bit = 0; bit < size * 8; bit++) {
        value[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_equal(decode(path, size, &out), VLD_E_DAMAGED);
        assert_same(&out, &kept);
        value[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    assert_int_equal(decode(path, size, &out), APR_SUCCESS);
}

static void every_bit(void **state)
{
    char *path = long_path(600, 'z');
    vld_record all[] = { record_of(2), promised(2), unread(2) };

    (void)state;
    for (int i = 0; i < 3; i++) {
        refuse_every_bit(PATH, &all[i]);
        refuse_every_bit(path, &all[i]);
    }
    free(path);
}

/* The checksum of what was changed, where the record of this size has it. */
static void seal(size_t size)
{
    vld_put64(value + size - 8,
              XXH3_64bits_withSeed(value, size - 8,
                                   XXH3_64bits(PATH, PATH_LEN)));
}

static apr_status_t sealed(const vld_record *r, size_t at, unsigned char octet)
{
    size_t size = vld_value_size(r, PATH_LEN);
    vld_record out;

    assert_int_equal(encode(PATH, r), APR_SUCCESS);
    value[at] = octet;
    seal(size);
    return decode(PATH, size, &out);
}

/* With a checksum that is right. */
static void rules_of_versions(void **state)
{
    vld_record plain = record_of(2), kept = promised(2), new = unread(2);

    (void)state;
    assert_int_equal(sealed(&plain, 0, 1), APR_SUCCESS);
    assert_int_equal(sealed(&kept, 0, 2), APR_SUCCESS);
    assert_int_equal(sealed(&new, 0, 2), APR_SUCCESS);
    for (unsigned octet = 1; octet < 256; octet++) {
        assert_int_equal(sealed(&plain, 2, (unsigned char)octet),
                         VLD_E_DAMAGED);
        assert_int_equal(sealed(&plain, 3, (unsigned char)octet),
                         VLD_E_DAMAGED);
        /* Flag 1 means that there is no digest. */
        assert_int_equal(sealed(&kept, 2, (unsigned char)octet), VLD_E_DAMAGED);
        assert_int_equal(sealed(&kept, 3, (unsigned char)octet), VLD_E_DAMAGED);
        assert_int_equal(sealed(&new, 3, (unsigned char)octet), VLD_E_DAMAGED);
        if (octet != 1) {
            assert_int_equal(sealed(&plain, 0, (unsigned char)octet),
                             VLD_E_DAMAGED);
            assert_int_equal(sealed(&new, 2, (unsigned char)octet),
                             VLD_E_DAMAGED);
        }
        if (octet != 2) {
            assert_int_equal(sealed(&kept, 0, (unsigned char)octet),
                             VLD_E_DAMAGED);
        }
        for (size_t at = 8; at < 40; at++) {
            assert_int_equal(sealed(&new, at, (unsigned char)octet),
                             VLD_E_DAMAGED);
        }
    }
}

static void wrong_path(void **state)
{
    char *path = long_path(600, 'z');
    char *other = long_path(600, 'y');
    vld_record r = record_of(2);
    vld_record out;

    (void)state;
    assert_int_equal(encode(PATH, &r), APR_SUCCESS);
    assert_int_equal(decode("/srv/www/index.htm", VLD_RECORD_SIZE, &out),
                     VLD_E_DAMAGED);
    assert_int_equal(decode("/srv/www/index.htmm", VLD_RECORD_SIZE, &out),
                     VLD_E_DAMAGED);
    assert_int_equal(encode(path, &r), APR_SUCCESS);
    assert_int_equal(decode(other, VLD_RECORD_SIZE + 600, &out), VLD_E_DAMAGED);
    free(path);
    free(other);
}

static void insane(void **state)
{
    vld_record r[6], odd = unread(1);

    (void)state;
    odd.digest.bytes[31] = 1;
    assert_int_equal(encode(PATH, &odd), APR_EINVAL);
    odd = record_of(1);
    memset(&odd.digest, 0, sizeof(odd.digest));
    odd.is_unread = true; /* and not promised */
    assert_int_equal(encode(PATH, &odd), APR_EINVAL);
    for (int i = 0; i < 6; i++) {
        r[i] = record_of(1);
    }
    r[0].identity.size = UINT64_C(1) << 63;
    r[1].last_modified = -1;
    r[2].last_modified = INT64_C(253402300800);
    r[3].indexed_ns = 0;
    r[4].indexed_ns = -1;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(encode(PATH, &r[i]), APR_EINVAL);
    }
    r[5].last_modified = INT64_C(253402300799);
    assert_int_equal(encode(PATH, &r[5]), APR_SUCCESS);
}

static void paths(void **state)
{
    char *most = long_path(VLD_PATH_MAX, 'z');
    char *more = long_path(VLD_PATH_MAX + 1, 'z');
    vld_record r = record_of(1);
    vld_record out;

    (void)state;
    assert_int_equal(encode("", &r), APR_EINVAL);
    assert_int_equal(encode("srv", &r), APR_EINVAL);
    assert_int_equal(vld_record_encode(&r, "/a\0b", 4, value), APR_EINVAL);
    assert_int_equal(encode(more, &r), APR_EINVAL);
    assert_int_equal(encode(most, &r), APR_SUCCESS);
    assert_int_equal(decode(most, vld_value_size(&r, VLD_PATH_MAX), &out),
                     APR_SUCCESS);
    assert_int_equal(encode("/\x01\xff\n", &r), APR_SUCCESS);
    free(most);
    free(more);
}

static void keys(void **state)
{
    char *path = long_path(512, 'z');
    vld_digest digest;
    vld_store_key key;
    vld_store_key same;

    (void)state;
    assert_int_equal(vld_store_key_of(PATH, PATH_LEN, &key), APR_SUCCESS);
    assert_int_equal(key.size, PATH_LEN);
    assert_memory_equal(key.data, PATH, PATH_LEN);
    assert_int_equal(vld_store_key_of(path, 511, &key), APR_SUCCESS);
    assert_int_equal(key.size, 511);
    assert_int_equal(vld_store_key_of(path, 512, &key), APR_SUCCESS);
    assert_int_equal(key.size, 33);
    vld_digest_bytes(path, 512, &digest);
    assert_int_equal(((const char *)key.data)[0], 0);
    assert_memory_equal((const char *)key.data + 1, digest.bytes, 32);
    assert_int_equal(vld_store_key_of(key.data, key.size, &same), APR_SUCCESS);
    assert_int_equal(same.size, 33);
    assert_memory_equal(same.data, key.data, 33);
    assert_int_equal(vld_store_key_of("", 0, &key), APR_EINVAL);
    assert_int_equal(vld_store_key_of("a", 1, &key), APR_EINVAL);
    assert_int_equal(vld_store_key_of("\0a", 2, &key), APR_EINVAL);
    free(path);
}

static void path_of_record(void **state)
{
    char *path = long_path(512, 'z');
    vld_record r = record_of(1);
    const char *found;
    size_t len;
    vld_store_key key;

    (void)state;
    assert_int_equal(encode(path, &r), APR_SUCCESS);
    assert_int_equal(vld_store_key_of(path, 512, &key), APR_SUCCESS);
    assert_true(vld_record_path(key.data, key.size, value,
                                VLD_RECORD_SIZE + 512, &found, &len));
    assert_int_equal(len, 512);
    assert_memory_equal(found, path, 512);
    assert_false(vld_record_path(key.data, key.size, value, VLD_RECORD_SIZE,
                                 &found, &len));
    assert_true(vld_record_path(PATH, PATH_LEN, value, 0, &found, &len));
    assert_memory_equal(found, PATH, PATH_LEN);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(round_trip, "what is encoded is decoded"),
        TEST(versions, "a record without a promise is of version 1"),
        TEST(layout, "each field has its place and is little-endian"),
        TEST(every_length, "a record of any other length is refused"),
        TEST(every_bit, "a record with any one bit flipped is refused"),
        TEST(rules_of_versions, "version 1 has no flags, what was not read no "
                                "digest"),
        TEST(wrong_path, "a record under another path is refused"),
        TEST(insane, "sizes and dates that cannot be are not encoded"),
        TEST(paths, "paths are absolute, without NUL, and not too long"),
        TEST(keys, "paths beyond 511 octets have their digest for a key"),
        TEST(path_of_record, "the path of a hashed key is in its record"),
    };

    return RUN(tests);
}
