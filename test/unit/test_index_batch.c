/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/batch.c: transactions of writing, and how they end. */
#include "index_test.h"

#include <sched.h>
#include <sys/mount.h>

#define PATH "/srv/www/index.html"

static void deleted(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    char *path = long_path(600, 'z');
    vld_record r = record_of(7);
    vld_batch *batch;

    assert_int_equal(put_one(store, PATH, &r), APR_SUCCESS);
    assert_int_equal(put_one(store, path, &r), APR_SUCCESS);
    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    assert_int_equal(vld_batch_delete(batch, PATH, strlen(PATH)), APR_SUCCESS);
    assert_int_equal(vld_batch_delete(batch, PATH, strlen(PATH)), APR_NOTFOUND);
    assert_int_equal(vld_batch_delete(batch, path, 600), APR_SUCCESS);
    assert_int_equal(vld_batch_delete(batch, "none", 4), APR_EINVAL);
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
    assert_int_equal(get(store, PATH, &r), APR_NOTFOUND);
    assert_int_equal(get(store, path, &r), APR_NOTFOUND);
    free(path);
    vld_store_close(store);
}

static void all_or_nothing(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    uint64_t txn = vld_store_txn(store);
    vld_record r = record_of(7);
    vld_record out;
    vld_batch *batch;

    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    assert_int_equal(vld_batch_put(batch, PATH, strlen(PATH), &r), APR_SUCCESS);
    assert_int_equal(vld_batch_get(batch, PATH, strlen(PATH), &out),
                     APR_SUCCESS);
    assert_int_equal(get(store, PATH, &out), APR_NOTFOUND);
    vld_batch_abort(batch);
    assert_int_equal(get(store, PATH, &out), APR_NOTFOUND);
    assert_int_equal(vld_store_txn(store), txn);
    assert_int_equal(put_one(store, PATH, &r), APR_SUCCESS);
    assert_int_equal(get(store, PATH, &out), APR_SUCCESS);
    assert_true(vld_store_txn(store) > txn);
    vld_store_close(store);
}

/* --- processes ----------------------------------------------------------- */

static void wait_for_round(void *data)
{
    place *t = data;
    vld_store *store;
    vld_record r;
    uint64_t txn;

    alarm(30);
    if (vld_store_open(&store, t->index, VLD_STORE_READ)
        || get(store, "/ready", &r) != APR_NOTFOUND) {
        _exit(1);
    }
    txn = vld_store_txn(store);
    write_text(below(t->dir, "reader-is-there"), "");
    while (vld_store_txn(store) == txn) {
        nap_ms(1);
    }
    _exit(get(store, "/ready", &r) == APR_SUCCESS ? 42 : 2);
}

static void commits_are_seen(void **state)
{
    place *t = *state;
    vld_record r = record_of(1);
    vld_store *store;
    int status;
    pid_t pid;

    vld_store_close(open_store(t, VLD_STORE_CREATE));
    pid = fork();
    if (!pid) {
        wait_for_round(t);
    }
    while (access(below(t->dir, "reader-is-there"), F_OK)) {
        nap_ms(1);
        if (waitpid(pid, &status, WNOHANG)) {
            fail();
        }
    }
    store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(put_one(store, "/ready", &r), APR_SUCCESS);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 42 << 8);
    vld_store_close(store);
}

static void die_writing(void *data)
{
    place *t = data;
    vld_record r = record_of(1);
    vld_store *store;
    vld_batch *batch;

    if (vld_store_open(&store, t->index, VLD_STORE_WRITE)
        || vld_batch_begin(store, &batch)
        || vld_batch_put(batch, "/lost", 5, &r)) {
        _exit(1);
    }
    _exit(42);
}

static void writer_dies(void **state)
{
    place *t = *state;
    vld_record r = record_of(1);
    vld_store *store;

    vld_store_close(open_store(t, VLD_STORE_CREATE));
    assert_int_equal(in_child(die_writing, t), 42);
    store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(put_one(store, "/kept", &r), APR_SUCCESS);
    assert_int_equal(get(store, "/lost", &r), APR_NOTFOUND);
    assert_int_equal(get(store, "/kept", &r), APR_SUCCESS);
    vld_store_close(store);
}

/* --- a full disk, in a mount namespace of its own ------------------------- */

static void unshare_mounts(void *data)
{
    (void)data;
    _exit(unshare(CLONE_NEWNS)
                  || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)
              ? 1
              : 0);
}

static bool can_mount(void)
{
    int status;
    pid_t pid = fork();

    if (!pid) {
        unshare_mounts(NULL);
    }
    return waitpid(pid, &status, 0) == pid && !status;
}

static void fill_disk(void *data)
{
    place *t = data;
    vld_store_info info;
    vld_store *store;
    apr_status_t rv = APR_SUCCESS;
    unsigned round = 0;
    char path[64];

    if (unshare(CLONE_NEWNS)
        || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)
        || mount("none", t->root, "tmpfs", 0, "size=2m,mode=755")) {
        _exit(99);
    }
    strcat(strcpy(t->index, t->root), "/v.mdb");
    store = open_store(t, VLD_STORE_CREATE);
    for (; rv == APR_SUCCESS && round < 10000; round++) {
        vld_batch *batch;

        if (vld_batch_begin(store, &batch)) {
            _exit(1);
        }
        for (unsigned i = 0; i < 100 && rv == APR_SUCCESS; i++) {
            vld_record r = record_of(i);

            sprintf(path, "/%u/%u", round, i);
            rv = vld_batch_put(batch, path, strlen(path), &r);
        }
        rv = vld_batch_commit(batch);
    }
    if (!APR_STATUS_IS_ENOSPC(rv) || vld_store_stat(store, &info)
        || info.files != (round - 1) * 100) {
        _exit(2);
    }
    vld_store_close(store);
    _exit(vld_store_open(&store, t->index, VLD_STORE_READ) ? 3 : 42);
}

static void full_disk(void **state)
{
    assert_int_equal(in_child(fill_disk, *state), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(deleted, "what is deleted is gone"),
        TEST(all_or_nothing, "nothing of a batch is seen before its commit"),
        TEST(commits_are_seen, "a reader in another process sees a commit"),
        TEST(writer_dies, "a writer that dies leaves what was committed, and "
                          "no lock"),
        TEST_IF(can_mount, full_disk,
                "a full disk is told, and what was committed stays"),
    };

    return RUN(tests);
}
