/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/check.c: what passes is what LMDB has written, and what passes
 * can be written to. */
#include "index_test.h"

#include "index/check.h"

#define RECORDS 1500
#define TRIALS 300

static const char *path_of(unsigned i)
{
    static char path[700];
    int n = sprintf(path, "/srv/www/%08u/page.html", i * 7919 % RECORDS);

    /* Some have keys of their digests, and more in their values. */
    if (i % 50 == 0) {
        memset(path + n, 'x', 600);
        path[n + 600] = '\0';
    }
    return path;
}

static apr_status_t put_all(vld_store *store, unsigned from, unsigned step)
{
    vld_batch *batch;
    apr_status_t rv = vld_batch_begin(store, &batch);

    for (unsigned i = from; i < RECORDS && rv == APR_SUCCESS; i += step) {
        vld_record r = record_of(i);

        rv = vld_batch_put(batch, path_of(i), strlen(path_of(i)), &r);
    }
    return rv == APR_SUCCESS ? vld_batch_commit(batch) : rv;
}

static void delete_some(vld_store *store, unsigned step)
{
    vld_batch *batch;

    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    for (unsigned i = 0; i < RECORDS; i += step) {
        vld_batch_delete(batch, path_of(i), strlen(path_of(i)));
    }
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
}

static void good_pages(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);

    assert_int_equal(vld_store_check(store), APR_SUCCESS);
    for (unsigned step = 1; step < 20; step++) {
        assert_int_equal(put_all(store, step % 3, step), APR_SUCCESS);
        assert_int_equal(vld_store_check(store), APR_SUCCESS);
        delete_some(store, step + 1);
        assert_int_equal(vld_store_check(store), APR_SUCCESS);
    }
    delete_some(store, 1);
    assert_int_equal(vld_store_check(store), APR_SUCCESS);
    vld_store_close(store);
}

typedef struct trial {
    place *t;
    unsigned seed;
} trial;

static void flip(const char *path, unsigned count)
{
    struct stat st;
    int fd = open(path, O_RDWR);

    if (fstat(fd, &st)) {
        _exit(97);
    }
    while (count--) {
        off_t at = 8192 + rand() % (st.st_size - 8192);
        unsigned char octet;

        if (pread(fd, &octet, 1, at) != 1) {
            _exit(98);
        }
        octet ^= (unsigned char)(1 << rand() % 8);
        if (pwrite(fd, &octet, 1, at) != 1) {
            _exit(98);
        }
    }
    close(fd);
}

/* 0: refused; 42: it passed, and was written to; 43: it passed, and a write
 * was refused. */
static void write_flipped(void *data)
{
    const trial *d = data;
    vld_store *store;

    guard_faults();
    alarm(30);
    srand(d->seed);
    flip(d->t->index, 1 + d->seed % 100 * (d->seed % 2));
    if (vld_store_open(&store, d->t->index, VLD_STORE_WRITE)
        || vld_store_check(store)) {
        _exit(0);
    }
    for (unsigned step = 1; step < 6; step++) {
        if (put_all(store, 0, step) || vld_store_check(store)) {
            _exit(43);
        }
    }
    vld_store_close(store);
    _exit(42);
}

static void flipped_bits(void **state)
{
    place *t = *state;
    const char *whole = below(t->dir, "whole");
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    unsigned written = 0;
    unsigned refused = 0;
    char command[256];
    trial d = { t, 1 };

    assert_int_equal(put_all(store, 0, 1), APR_SUCCESS);
    delete_some(store, 7);
    vld_store_close(store);
    assert_int_equal(rename(t->index, whole), 0);
    sprintf(command, "cp '%s' '%s'", whole, t->index);
    for (; d.seed <= TRIALS; d.seed++) {
        int rv;

        assert_int_equal(system(command), 0);
        rv = in_child(write_flipped, &d);
        if (rv != 0 && rv != 42 && rv != 43) {
            print_message("# seed %u: %d\n", d.seed, rv);
        }
        assert_true(rv == 0 || rv == 42 || rv == 43);
        written += rv == 42;
        refused += rv == 43;
    }
    /* Bits of records and of free pages do no harm. */
    assert_in_range(written, TRIALS / 20, TRIALS - TRIALS / 20);
    assert_true(refused <= TRIALS / 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(good_pages, "whatever has been put and deleted, its pages pass"),
        TEST_IF(is_unsanitized, flipped_bits,
                "where bits are flipped, what passes can be written to"),
    };

    return RUN(tests);
}
