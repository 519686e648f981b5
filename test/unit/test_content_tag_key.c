/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The key of tags: which files hold one, and what is made with it. */
#include "index_test.h"

/* --- HMAC ---------------------------------------------------------------- */

/* A key, data and HMAC-SHA-256 of RFC 4231, 4.2 to 4.8 (without 4.6, which
 * is cut to 128 bits).  Keys and data are one octet again and again where
 * `times` is not 0. */
typedef struct vector {
    const char *key;
    size_t key_times;
    const char *data;
    size_t data_times;
    const char *hmac;
} vector;

static const vector vectors[] = {
    { "\x0b", 20, "Hi There", 0,
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { "Jefe", 0, "what do ya want for nothing?", 0,
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { "\xaa", 20, "\xdd", 50,
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
    { "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11"
      "\x12\x13\x14\x15\x16\x17\x18\x19",
      0, "\xcd", 50,
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
    { "\xaa", 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0,
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
    { "\xaa", 131,
      "This is a test using a larger than block-size key and a larger than "
      "block-size data. The key needs to be hashed before being used by the "
      "HMAC algorithm.",
      0, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
};

static size_t repeat(const char *text, size_t times, void *out)
{
    if (!times) {
        memcpy(out, text, strlen(text));
        return strlen(text);
    }
    memset(out, (unsigned char)text[0], times);
    return times;
}

static void rfc_4231(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        const vector *v = &vectors[i];
        char data[256], hex[VLD_HEX_SIZE];
        vld_tag_key key = { 0 };
        vld_digest d;
        size_t len = repeat(v->data, v->data_times, data);

        key.len = repeat(v->key, v->key_times, key.octets);
        assert_int_equal(vld_keyed_digest(&key, data, len, &d), APR_SUCCESS);
        vld_digest_hex(&d, hex);
        assert_string_equal(hex, v->hmac);
    }
}

/* --- tags ---------------------------------------------------------------- */

static vld_tag_key key_of(const char *text)
{
    vld_tag_key key = { 0 };

    key.len = strlen(text);
    memcpy(key.octets, text, key.len);
    return key;
}

static void content_tags(void **state)
{
    vld_tag_key key = key_of("0123456789abcdef");
    vld_tag_key other = key_of("0123456789abcdeF");
    char plain[VLD_ETAG_SIZE], keyed[VLD_ETAG_SIZE], tag[VLD_ETAG_SIZE];
    vld_digest d, hmac;

    (void)state;
    assert_int_equal(vld_digest_bytes("abc", 3, &d), APR_SUCCESS);
    assert_int_equal(vld_content_etag(&d, NULL, plain), APR_SUCCESS);
    assert_string_equal(plain, "\"ungWv48Bz-pBQUDeXa4iIw\"");
    assert_int_equal(vld_content_etag(&d, &key, keyed), APR_SUCCESS);
    assert_int_equal(vld_keyed_digest(&key, d.bytes, 32, &hmac), APR_SUCCESS);
    vld_digest_etag(&hmac, tag);
    assert_string_equal(keyed, tag);
    assert_string_not_equal(keyed, plain);
    assert_int_equal(vld_content_etag(&d, &other, tag), APR_SUCCESS);
    assert_string_not_equal(tag, keyed);
    assert_int_equal(vld_content_etag(&d, &key, tag), APR_SUCCESS);
    assert_string_equal(tag, keyed);
}

/* A salt changes every name, in a way of its own. */
static void salts(void **state)
{
    vld_digest name, a, b, again;

    (void)state;
    memset(&name, 7, sizeof(name));
    assert_int_equal(vld_digest_salted(&name, "a", &a), APR_SUCCESS);
    assert_int_equal(vld_digest_salted(&name, "b", &b), APR_SUCCESS);
    assert_int_equal(vld_digest_salted(&name, "a", &again), APR_SUCCESS);
    assert_memory_equal(&a, &again, sizeof(a));
    assert_memory_not_equal(&a, &b, sizeof(a));
    assert_memory_not_equal(&a, &name, sizeof(a));
    assert_int_equal(vld_digest_salted(&name, "a", &name), APR_SUCCESS);
    assert_memory_equal(&a, &name, sizeof(a));
}

/* --- files --------------------------------------------------------------- */

static const char *file_of(place *t, const void *octets, size_t len,
                           mode_t mode)
{
    const char *path = below(t->dir, "key");

    /* One without permission to write is in the way of all but root. */
    (void)remove(path);
    write_octets(path, octets, len);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static void assert_key(const char *path, const void *octets, size_t len)
{
    vld_tag_key key;
    char why[256] = "";

    memset(&key, 0xee, sizeof(key));
    assert_null(vld_tag_key_read(&key, path, why, sizeof(why)));
    assert_int_equal(key.len, len);
    assert_memory_equal(key.octets, octets, len);
    vld_tag_key_forget(&key);
    assert_int_equal(key.len, 0);
    assert_int_equal(key.octets[0] | key.octets[len - 1], 0);
}

static void assert_refused(const char *path, const char *what)
{
    vld_tag_key key;
    char why[256] = "";

    memset(&key, 0xee, sizeof(key));
    assert_ptr_equal(vld_tag_key_read(&key, path, why, sizeof(why)), why);
    assert_non_null(strstr(why, what));
    assert_non_null(strstr(why, "; "));
    assert_int_equal(key.len, 0);
    assert_int_equal(key.octets[0], 0);
}

static void good_files(void **state)
{
    place *t = *state;
    char most[VLD_TAG_KEY_MOST + 1];
    const char *key = "sixteen octets..";

    assert_key(file_of(t, key, 16, 0600), key, 16);
    assert_key(file_of(t, key, 16, 0440), key, 16);
    assert_key(file_of(t, key, 16, 0640), key, 16);
    assert_key(file_of(t, "sixteen octets..\n", 17, 0600), key, 16);
    assert_key(file_of(t, "sixteen octets..\n\n", 18, 0600),
               "sixteen octets..\n", 17);
    assert_key(file_of(t,
                       "\0\n\0\xff"
                       "0123456789ab",
                       16, 0600),
               "\0\n\0\xff"
               "0123456789ab",
               16);
    memset(most, 'k', sizeof(most));
    assert_key(file_of(t, most, VLD_TAG_KEY_MOST, 0600), most,
               VLD_TAG_KEY_MOST);
    most[VLD_TAG_KEY_MOST] = '\n';
    assert_key(file_of(t, most, sizeof(most), 0600), most, VLD_TAG_KEY_MOST);
    assert_int_equal(symlink("key", below(t->dir, "link")), 0);
    assert_key(below(t->dir, "link"), most, VLD_TAG_KEY_MOST);
}

static void wrong_lengths(void **state)
{
    place *t = *state;
    char long_key[VLD_TAG_KEY_MOST + 2];

    memset(long_key, 'k', sizeof(long_key));
    assert_refused(file_of(t, "", 0, 0600), "less than 16 octets");
    assert_refused(file_of(t, "\n", 1, 0600), "less than 16 octets");
    assert_refused(file_of(t, "fifteen octets.", 15, 0600),
                   "less than 16 octets");
    assert_refused(file_of(t, "fifteen octets.\n", 16, 0600),
                   "less than 16 octets");
    assert_refused(file_of(t, long_key, VLD_TAG_KEY_MOST + 1, 0600),
                   "longer than a key of 4096 octets");
    long_key[VLD_TAG_KEY_MOST + 1] = '\n';
    assert_refused(file_of(t, long_key, sizeof(long_key), 0600),
                   "longer than a key of 4096 octets");
}

static void open_to_others(void **state)
{
    static const mode_t modes[] = { 0604, 0602, 0644, 0660, 0620, 0666 };
    place *t = *state;

    for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
        assert_refused(file_of(t, "sixteen octets..", 16, modes[i]), "chmod");
    }
}

static void other_things(void **state)
{
    place *t = *state;

    assert_refused(below(t->dir, "none"), "openssl rand");
    assert_refused(t->dir, "not a regular file");
    assert_int_equal(mkfifo(below(t->dir, "fifo"), 0600), 0);
    assert_refused(below(t->dir, "fifo"), "not a regular file");
    assert_refused("/dev/zero", "not a regular file");
    assert_int_equal(symlink("nowhere", below(t->dir, "link")), 0);
    assert_refused(below(t->dir, "link"), "No such file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rfc_4231, "keyed digests are those of RFC 4231"),
        TEST(content_tags, "a tag with a key is that of the keyed digest, "
                           "without one that of the digest"),
        TEST(salts, "so are provisional tags"),
        TEST(good_files, "a key is the octets of its file without one newline "
                         "at its end"),
        TEST(wrong_lengths, "a key that is too short or too long is refused"),
        TEST(open_to_others, "a file that others can read or write, or its "
                             "group can write, is refused"),
        TEST(other_things, "what is no regular file is refused, and never "
                           "waited for"),
    };

    return RUN(tests);
}
