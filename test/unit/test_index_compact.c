/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/compact.c: nothing is lost, whatever happens meanwhile. */
#include "index_test.h"

#include <signal.h>

#define MANY 20000

static void fill(vld_store *store, unsigned from, unsigned to)
{
    vld_batch *batch;
    char path[64];

    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    for (unsigned i = from; i < to; i++) {
        vld_record r = record_of(i);

        sprintf(path, "/srv/%08u", i);
        assert_int_equal(vld_batch_put(batch, path, strlen(path), &r),
                         APR_SUCCESS);
    }
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
}

static void thin_out(vld_store *store)
{
    vld_batch *batch;
    char path[64];

    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    for (unsigned i = 100; i < MANY; i++) {
        sprintf(path, "/srv/%08u", i);
        assert_int_equal(vld_batch_delete(batch, path, strlen(path)),
                         APR_SUCCESS);
    }
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
}

static off_t size_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void assert_has(place *t, unsigned n)
{
    vld_store *store = open_store(t, VLD_STORE_READ);
    vld_store_info info;
    vld_record expected;
    vld_record out;
    char path[64];

    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    assert_int_equal(info.files, n);
    for (unsigned i = 0; i < n; i++) {
        sprintf(path, "/srv/%08u", i);
        expected = record_of(i);
        assert_int_equal(get(store, path, &out), APR_SUCCESS);
        assert_memory_equal(&out, &expected, sizeof(out));
    }
    vld_store_close(store);
}

static void smaller(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    struct stat before;
    struct stat after;

    fill(store, 0, MANY);
    thin_out(store);
    assert_int_equal(chmod(t->index, 0600), 0);
    assert_int_equal(stat(t->index, &before), 0);
    assert_int_equal(vld_store_compact(store), APR_SUCCESS);
    assert_false(vld_store_is_current(store));
    vld_store_close(store);
    assert_int_equal(stat(t->index, &after), 0);
    assert_true(after.st_size < before.st_size / 10);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_uid, before.st_uid);
    assert_int_equal(after.st_gid, before.st_gid);
    assert_int_equal(access(below(t->dir, "index/v.mdb-compact"), F_OK), -1);
    assert_has(t, 100);
}

static void readers(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);
    vld_record out;
    int status;
    pid_t pid;

    fill(store, 0, 100);
    pid = fork();
    if (!pid) {
        vld_store *other;

        _exit(vld_store_open(&other, t->index, VLD_STORE_WRITE)
                      || vld_store_compact(other)
                  ? 1
                  : 42);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_int_equal(get(store, "/srv/00000042", &out), APR_SUCCESS);
    assert_false(vld_store_is_current(store));
    assert_int_equal(put_one(store, "/lost", &r), VLD_E_REPLACED);
    vld_store_close(store);
    assert_has(t, 100);
}

static void reader_mode(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);

    fill(store, 0, 10);
    vld_store_close(store);
    store = open_store(t, VLD_STORE_READ);
    assert_true(APR_STATUS_IS_EACCES(vld_store_compact(store)));
    vld_store_close(store);
    assert_has(t, 10);
}

static void left_over(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);

    fill(store, 0, 10);
    write_text(below(t->dir, "index/v.mdb-compact"), "of a killed run");
    assert_int_equal(vld_store_compact(store), APR_SUCCESS);
    vld_store_close(store);
    assert_has(t, 10);
}

static void compact_on(place *t)
{
    vld_store *store;

    for (;;) {
        if (vld_store_open(&store, t->index, VLD_STORE_WRITE)) {
            _exit(1);
        }
        if (vld_store_compact(store)) {
            _exit(2);
        }
        vld_store_close(store);
    }
}

static void killed(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    int status;

    fill(store, 0, 2000);
    vld_store_close(store);
    srand(4711);
    for (int i = 0; i < 100; i++) {
        struct timespec ts = { 0, rand() % 8000000 };
        pid_t pid = fork();

        if (!pid) {
            compact_on(t);
        }
        nanosleep(&ts, NULL);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        if (i % 10 == 0) {
            assert_has(t, 2000);
        }
    }
    assert_has(t, 2000);
}

/* A reader cannot make one. */
static void always_a_lock(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    const char *lock = below(t->dir, "index/v.mdb-lock");
    unsigned renewed = 0;
    struct stat before;
    struct stat st;
    int status;
    pid_t pid;

    fill(store, 0, 10);
    vld_store_close(store);
    assert_int_equal(stat(lock, &before), 0);
    pid = fork();
    if (!pid) {
        compact_on(t);
    }
    for (unsigned i = 0; i < 300000 || renewed < 20; i++) {
        assert_int_equal(stat(lock, &st), 0);
        renewed += st.st_ino != before.st_ino;
        before = st;
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_has(t, 10);
}

/* Writers that are told that the file was replaced open it anew; each of their
 * records is there in the end. */
static void write_on(place *t, unsigned who, unsigned n)
{
    vld_store *store = NULL;

    for (unsigned i = 0; i < n; i++) {
        vld_record r = record_of(who * n + i);
        apr_status_t rv;
        char path[64];

        sprintf(path, "/srv/%08u", who * n + i);
        do {
            if (!store && vld_store_open(&store, t->index, VLD_STORE_WRITE)) {
                _exit(1);
            }
            rv = put_one(store, path, &r);
            if (rv == VLD_E_REPLACED) {
                vld_store_close(store);
                store = NULL;
            }
        } while (rv == VLD_E_REPLACED);
        if (rv != APR_SUCCESS) {
            _exit(2);
        }
    }
    _exit(0);
}

#define WRITERS 3
#define EACH 200

static void writers(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    pid_t pids[WRITERS + 1];
    int status;

    vld_store_close(store);
    for (unsigned i = 0; i <= WRITERS; i++) {
        pids[i] = fork();
        if (!pids[i]) {
            if (i == WRITERS) {
                compact_on(t);
            }
            write_on(t, i, EACH);
        }
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(kill(pids[WRITERS], SIGKILL), 0);
    assert_int_equal(waitpid(pids[WRITERS], &status, 0), pids[WRITERS]);
    assert_true(WIFSIGNALED(status));
    assert_has(t, WRITERS * EACH);
    assert_true(size_of(t->index) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(smaller, "what is not in use goes, owner and mode stay"),
        TEST(readers, "readers go on in the old file, writers are told"),
        TEST(reader_mode, "a reader cannot"),
        TEST(left_over, "what a killed run has left is no hindrance"),
        TEST(killed, "killed at any moment it loses nothing"),
        TEST(always_a_lock, "there is a lock file at every moment"),
        TEST(writers, "nothing that others write meanwhile is lost"),
    };

    return RUN(tests);
}
