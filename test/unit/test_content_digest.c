/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of content/digest.c: SHA-256 of octets and files, and its texts. */
#include "index_test.h"

#include <pthread.h>

#include "content/digest.h"

static const char abc[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char empty[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void assert_digest(const vld_digest *digest, const char *hex)
{
    char text[VLD_HEX_SIZE];

    vld_digest_hex(digest, text);
    assert_string_equal(text, hex);
}

static void known_digests(void **state)
{
    vld_digest d;

    (void)state;
    assert_int_equal(vld_digest_bytes("abc", 3, &d), APR_SUCCESS);
    assert_digest(&d, abc);
    assert_int_equal(vld_digest_bytes("", 0, &d), APR_SUCCESS);
    assert_digest(&d, empty);
}

static void file_as_octets(void **state)
{
    static const size_t sizes[] = { 0,      1,      4096,   131071,
                                    131072, 131073, 262144, 1000003 };
    place *t = *state;
    const char *path = below(t->root, "f");
    unsigned char *data = malloc(1000003);
    vld_digest expected;
    vld_digest d;

    for (size_t i = 0; i < 1000003; i++) {
        data[i] = (unsigned char)(i * 31 + i / 255);
    }
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint64_t size = 99;
        uint64_t progress = 0;
        vld_attempt how = { .progress = &progress };
        int fd;

        write_octets(path, data, sizes[i]);
        fd = open(path, O_RDONLY);
        assert_int_equal(vld_digest_bytes(data, sizes[i], &expected),
                         APR_SUCCESS);
        assert_int_equal(lseek(fd, 1, SEEK_SET), 1);
        assert_int_equal(vld_digest_fd(fd, &d, &size), APR_SUCCESS);
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(&d, &expected, sizeof(d));
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 1);
        assert_int_equal(vld_digest_file(fd, sizes[i], &how, &d, &size),
                         APR_SUCCESS);
        assert_memory_equal(&d, &expected, sizeof(d));
        assert_int_equal(size, sizes[i]);
        assert_int_equal(progress, sizes[i]);
        close(fd);
    }
    free(data);
}

static void other_size_shows(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "f");
    uint64_t size;
    vld_digest d;
    int fd;

    write_text(path, "0123456789");
    assert_int_equal(truncate(path, 10000000), 0);
    fd = open(path, O_RDONLY);
    assert_int_equal(vld_digest_file(fd, 10, NULL, &d, &size), APR_SUCCESS);
    assert_true(size > 10 && size < 1000000);
    assert_int_equal(vld_digest_file(fd, 20000000, NULL, &d, &size),
                     APR_SUCCESS);
    assert_int_equal(size, 10000000);
    close(fd);
}

static void stops(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "f");
    int stop = 1;
    vld_attempt how = { .stop = &stop };
    uint64_t size;
    vld_digest d;
    int fd;

    write_text(path, "x");
    fd = open(path, O_RDONLY);
    assert_int_equal(vld_digest_file(fd, 1, &how, &d, &size), APR_EINTR);
    close(fd);
}

/* The first octets are hashed as if there were no others. */
static void start_of_file(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "start");
    static char text[300000];
    vld_digest whole, start;
    uint64_t size;
    int fd;

    memset(text, 'x', sizeof(text) - 1);
    write_text(path, text);
    fd = open(path, O_RDONLY);
    for (size_t len = 0; len < sizeof(text); len += 99999) {
        assert_int_equal(vld_digest_bytes(text, len, &whole), APR_SUCCESS);
        assert_int_equal(vld_digest_start(fd, len, &start), APR_SUCCESS);
        assert_memory_equal(&whole, &start, sizeof(whole));
    }
    assert_int_equal(vld_digest_fd(fd, &whole, &size), APR_SUCCESS);
    assert_int_equal(vld_digest_start(fd, size, &start), APR_SUCCESS);
    assert_memory_equal(&whole, &start, sizeof(whole));
    assert_int_equal(vld_digest_start(fd, size + 1, &start), APR_EOF);
    close(fd);
    assert_int_equal(vld_digest_start(-1, 1, &start), APR_FROM_OS_ERROR(EBADF));
}

/* As the indexer does, for whom promises are hashed meanwhile. */
static bool hash_meanwhile(void *count)
{
    vld_digest d;

    ++*(int *)count;
    return vld_digest_bytes("meanwhile", 9, &d) == APR_SUCCESS
           && vld_digest_salted(&d, "salt", &d) == APR_SUCCESS;
}

static void others_are_hashed_meanwhile(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "f");
    unsigned char *data = calloc(1, 400000);
    int count = 0;
    vld_attempt how = { .goes_on = hash_meanwhile, .baton = &count };
    vld_digest expected, d;
    uint64_t size;
    int fd;

    write_octets(path, data, 400000);
    fd = open(path, O_RDONLY);
    assert_int_equal(vld_digest_bytes(data, 400000, &expected), APR_SUCCESS);
    assert_int_equal(vld_digest_file(fd, 400000, &how, &d, &size), APR_SUCCESS);
    assert_memory_equal(&d, &expected, sizeof(d));
    assert_true(count >= 3);
    close(fd);
    free(data);
}

static void read_error(void **state)
{
    place *t = *state;
    uint64_t size;
    vld_digest d;
    int fd = open(t->root, O_RDONLY | O_DIRECTORY);

    assert_int_equal(vld_digest_fd(fd, &d, &size), APR_FROM_OS_ERROR(EISDIR));
    close(fd);
    assert_int_equal(vld_digest_fd(-1, &d, &size), APR_FROM_OS_ERROR(EBADF));
}

static void *hash_often(void *data)
{
    vld_digest d;
    char text[VLD_HEX_SIZE];

    (void)data;
    for (int i = 0; i < 2000; i++) {
        if (vld_digest_bytes("abc", 3, &d)) {
            return (void *)"failed";
        }
        vld_digest_hex(&d, text);
        if (strcmp(text, abc)) {
            return (void *)"wrong";
        }
    }
    return NULL;
}

static void many_threads(void **state)
{
    pthread_t threads[8];
    void *result;

    (void)state;
    for (int i = 0; i < 8; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hash_often, NULL),
                         0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], &result);
        assert_null(result);
    }
}

static void tag(void **state)
{
    vld_digest d;
    char text[VLD_ETAG_SIZE];

    (void)state;
    assert_int_equal(vld_digest_bytes("abc", 3, &d), APR_SUCCESS);
    vld_digest_etag(&d, text);
    assert_string_equal(text, "\"ungWv48Bz-pBQUDeXa4iIw\"");
    memset(&d, 0xff, sizeof(d));
    vld_digest_etag(&d, text);
    assert_string_equal(text, "\"_____________________w\"");
    memset(&d, 0, sizeof(d));
    vld_digest_etag(&d, text);
    assert_string_equal(text, "\"AAAAAAAAAAAAAAAAAAAAAA\"");
}

/* Each of the 128 bits shows in the tag, and no other does. */
static void bits_of_tag(void **state)
{
    vld_digest zero;
    vld_digest d;
    char none[VLD_ETAG_SIZE];
    char text[VLD_ETAG_SIZE];

    (void)state;
    memset(&zero, 0, sizeof(zero));
    vld_digest_etag(&zero, none);
    for (int bit = 0; bit < 256; bit++) {
        d = zero;
        d.bytes[bit / 8] = (unsigned char)(1 << bit % 8);
        vld_digest_etag(&d, text);
        assert_int_equal(strcmp(text, none) != 0, bit < 128);
    }
}

static void hex_and_back(void **state)
{
    vld_digest d;
    vld_digest back;
    char text[VLD_HEX_SIZE + 1];

    (void)state;
    assert_int_equal(vld_digest_bytes("abc", 3, &d), APR_SUCCESS);
    assert_true(vld_digest_unhex(abc, &back));
    assert_memory_equal(&d, &back, sizeof(d));
    strcpy(text, abc);
    text[0] = 'B';
    assert_true(vld_digest_unhex(text, &back));
    assert_memory_equal(&d, &back, sizeof(d));
    for (int i = 0; i < 64; i++) {
        static const char wrong[] = { '\0', 'g', '/', ':', '@', 'G', '`', ' ' };

        for (size_t w = 0; w < sizeof(wrong); w++) {
            strcpy(text, abc);
            text[i] = wrong[w];
            assert_false(vld_digest_unhex(text, &back));
        }
    }
    strcpy(text, abc);
    strcat(text, "0");
    assert_false(vld_digest_unhex(text, &back));
    assert_memory_equal(&d, &back, sizeof(d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(known_digests, "digests are those of FIPS 180-4"),
        TEST(file_as_octets, "a file of any size has the digest of its "
                             "octets, read from its beginning"),
        TEST(other_size_shows, "a file that has grown is not read to its "
                               "end"),
        TEST(others_are_hashed_meanwhile, "others may be hashed meanwhile"),
        TEST(stops, "hashing stops when it is told"),
        TEST(start_of_file, "the first octets of a file, or too few"),
        TEST(read_error, "a read error is errno's status"),
        TEST(many_threads, "threads hash at the same time"),
        TEST(tag, "a tag is base64url in quotes"),
        TEST(bits_of_tag, "a tag has the first 128 bits, each of them"),
        TEST(hex_and_back, "hex is read back, and nothing else is"),
    };

    return RUN(tests);
}
