/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of content/writers.c: who can be writing to a file. */
#include "index_test.h"

#include <sys/mman.h>

static const char *make_file(place *t)
{
    const char *path = below(t->root, "f");

    write_text(path, "some text that is longer than nothing");
    nap_ms(60);
    return path;
}

/* Whether this process gets leases here. */
static bool has_leases(int fd)
{
    bool has = !fcntl(fd, F_SETLEASE, F_RDLCK);

    (void)fcntl(fd, F_SETLEASE, F_UNLCK);
    return has;
}

static void nobody_writes(void **state)
{
    place *t = *state;
    int fd = open(make_file(t), O_RDONLY);

    assert_false(vld_file_has_writer(fd));
    assert_int_equal(fcntl(fd, F_GETLEASE), F_UNLCK); /* it is given back */
    assert_false(vld_file_has_writer(-1));
    close(fd);
}

static void open_or_mapped_to_be_written(void **state)
{
    place *t = *state;
    const char *path = make_file(t);
    int fd = open(path, O_RDONLY), writer;
    char *octets;

    if (!has_leases(fd)) {
        close(fd);
        skip();
    }
    writer = open(path, O_RDWR);
    assert_true(vld_file_has_writer(fd));
    octets = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
    close(writer);
    assert_true(octets != MAP_FAILED);
    assert_true(vld_file_has_writer(fd));
    munmap(octets, 4096);
    assert_false(vld_file_has_writer(fd));
    writer = open(path, O_WRONLY | O_APPEND);
    assert_true(vld_file_has_writer(fd));
    close(writer);
    assert_false(vld_file_has_writer(fd));
    close(fd);
}

/* Another process opens the file to write to it, at every moment: it is not
 * held up, and the signal of a broken lease does not end this one. */
static void writers_come_and_go(void **state)
{
    place *t = *state;
    const char *path = make_file(t);
    int fd = open(path, O_RDONLY), status;
    pid_t writer = fork();
    int64_t end = vld_monotonic_ns() + INT64_C(500000000);

    if (!writer) {
        for (int i = 0; i < 20000; i++) {
            close(open(path, O_WRONLY));
        }
        _exit(0);
    }
    while (vld_monotonic_ns() < end) {
        (void)vld_file_has_writer(fd);
    }
    assert_int_equal(waitpid(writer, &status, 0), writer);
    assert_int_equal(status, 0);
    close(fd);
}

/* A reading that shuns writers waits for them. */
static void reading_waits(void **state)
{
    place *t = *state;
    const char *path = make_file(t);
    vld_attempt how = { .shuns_writers = true };
    int fd = open(path, O_RDONLY), writer;
    int64_t again;
    vld_record r;

    if (!has_leases(fd)) {
        close(fd);
        skip();
    }
    close(fd);
    writer = open(path, O_RDWR);
    assert_true(APR_STATUS_IS_EBUSY(vld_file_read(path, &how, &r, &again)));
    assert_true(again > vld_now_ns());
    assert_int_equal(vld_file_read(path, NULL, &r, &again), APR_SUCCESS);
    close(writer);
    assert_int_equal(vld_file_read(path, &how, &r, &again), APR_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nobody_writes, "a file without a writer has none"),
        TEST(open_or_mapped_to_be_written, "one that is open or mapped has"),
        TEST(writers_come_and_go, "writers that come and go hold nobody up"),
        TEST(reading_waits, "a reading that shuns writers waits"),
    };

    return RUN(tests);
}
