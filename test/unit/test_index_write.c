/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/write.c: a batch as one call, whatever goes wrong in it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "index_test.h"

#include <dlfcn.h>
#include <sys/resource.h>
#include <lmdb.h>

/* LMDB's, for all of this program: may fault before it commits, or after. */
static enum { NO_FAULT, FAULT_BEFORE, FAULT_AFTER } fault_of_commit;

/* Not a constant, or the compiler knows better. */
static volatile uintptr_t nowhere = 64;

int mdb_txn_commit(MDB_txn *txn)
{
    int (*commit)(MDB_txn *);
    int rc = 0;

    *(void **)&commit = dlsym(RTLD_NEXT, "mdb_txn_commit");
    if (fault_of_commit != FAULT_BEFORE) {
        rc = commit(txn);
    }
    if (fault_of_commit != NO_FAULT) {
        (void)*(volatile unsigned char *)nowhere;
    }
    return rc;
}

#define PATH "/srv/www/index.html"

typedef struct writing {
    place *t;
    vld_store *store;
    unsigned calls;
    apr_status_t rv; /* what the callback returns */
} writing;

static apr_status_t put_and_return(void *baton, vld_batch *batch)
{
    writing *w = baton;
    vld_record r = record_of(7);
    vld_record out;

    w->calls++;
    assert_int_equal(vld_batch_put(batch, PATH, strlen(PATH), &r), APR_SUCCESS);
    assert_int_equal(vld_batch_get(batch, PATH, strlen(PATH), &out),
                     APR_SUCCESS);
    assert_int_equal(get(w->store, PATH, &out), APR_NOTFOUND);
    return w->rv;
}

static void committed(void **state)
{
    writing w = { *state, open_store(*state, VLD_STORE_CREATE), 0,
                  APR_SUCCESS };
    vld_record r;

    assert_int_equal(vld_store_write(w.store, put_and_return, &w), APR_SUCCESS);
    assert_int_equal(w.calls, 1);
    assert_int_equal(get(w.store, PATH, &r), APR_SUCCESS);
    vld_store_close(w.store);
}

static void aborted(void **state)
{
    static const apr_status_t errors[] = { APR_EGENERAL, APR_EINTR,
                                           VLD_E_REPLACED };
    writing w = { *state, open_store(*state, VLD_STORE_CREATE), 0, 0 };
    uint64_t txn = vld_store_txn(w.store);
    vld_record r;

    for (unsigned i = 0; i < 3; i++) {
        w.rv = errors[i];
        assert_int_equal(vld_store_write(w.store, put_and_return, &w),
                         errors[i]);
        assert_int_equal(w.calls, i + 1);
        assert_int_equal(get(w.store, PATH, &r), APR_NOTFOUND);
        assert_int_equal(vld_store_txn(w.store), txn);
    }
    w.rv = APR_SUCCESS;
    assert_int_equal(vld_store_write(w.store, put_and_return, &w), APR_SUCCESS);
    assert_int_equal(get(w.store, PATH, &r), APR_SUCCESS);
    vld_store_close(w.store);
}

static apr_status_t put_nothing(void *baton, vld_batch *batch)
{
    assert_true(vld_batch_is_well(batch));
    ++*(unsigned *)baton;
    return APR_SUCCESS;
}

static void nothing_put(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    uint64_t txn = vld_store_txn(store);
    unsigned calls = 0;

    assert_int_equal(vld_store_write(store, put_nothing, &calls), APR_SUCCESS);
    assert_int_equal(calls, 1);
    assert_int_equal(vld_store_txn(store), txn);
    vld_store_close(store);
}

static void read_only(void **state)
{
    vld_store *store;
    unsigned calls = 0;

    vld_store_close(open_store(*state, VLD_STORE_CREATE));
    store = open_store(*state, VLD_STORE_READ);
    assert_int_equal(vld_store_write(store, put_nothing, &calls), APR_EACCES);
    assert_int_equal(calls, 0);
    vld_store_close(store);
}

static void replaced(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    unsigned calls = 0;

    assert_int_equal(rename(t->index, below(t->dir, "away")), 0);
    assert_int_equal(vld_store_write(store, put_nothing, &calls),
                     VLD_E_REPLACED);
    assert_int_equal(calls, 0);
    assert_int_equal(rename(below(t->dir, "away"), t->index), 0);
    assert_int_equal(vld_store_write(store, put_nothing, &calls), APR_SUCCESS);
    assert_int_equal(calls, 1);
    vld_store_close(store);
}

/* --- faults -------------------------------------------------------------- */

#define MANY 2000

static const char *path_of(unsigned i)
{
    static char path[64];

    sprintf(path, "/srv/www/%06u", i);
    return path;
}

static apr_status_t put_many(void *baton, vld_batch *batch)
{
    vld_record r = record_of(1);
    apr_status_t rv = APR_SUCCESS;

    (void)baton;
    for (unsigned i = 0; i < MANY && rv == APR_SUCCESS; i++) {
        rv = vld_batch_put(batch, path_of(i), strlen(path_of(i)), &r);
    }
    return rv;
}

/* What the callback makes of a file that is cut short while it writes. */
static apr_status_t put_into_cut(void *baton, vld_batch *batch)
{
    writing *w = baton;
    vld_record r;

    w->calls++;
    assert_int_equal(truncate(w->t->index, 8192), 0);
    assert_int_equal(vld_batch_get(batch, path_of(1), strlen(path_of(1)), &r),
                     VLD_E_DAMAGED);
    assert_false(vld_batch_is_well(batch));
    return w->rv;
}

static void dead_in_between(void *data)
{
    writing *w = data;

    guard_faults();
    w->store = open_store(w->t, VLD_STORE_WRITE);
    if (vld_store_write(w->store, put_into_cut, w)
            != (w->rv ? w->rv : VLD_E_DAMAGED)
        || w->calls != 1 || !vld_store_is_dead(w->store)) {
        _exit(1);
    }
    /* Not even begun any more. */
    if (vld_store_write(w->store, put_into_cut, w) != VLD_E_DAMAGED
        || w->calls != 1) {
        _exit(2);
    }
    vld_store_close(w->store);
}

static void died(void **state, apr_status_t rv)
{
    writing w = { *state, open_store(*state, VLD_STORE_CREATE), 0, rv };

    assert_int_equal(vld_store_write(w.store, put_many, NULL), APR_SUCCESS);
    vld_store_close(w.store);
    assert_int_equal(in_child(dead_in_between, &w), 0);
}

static void died_and_said(void **state)
{
    died(state, APR_EGENERAL);
}

static void died_and_not_said(void **state)
{
    died(state, APR_SUCCESS);
}

/* A fault while LMDB commits: whether it holds the writer's lock still or has
 * freed the transaction already, nobody knows.  Others must be able to
 * write. */
static void fault_in_commit(place *t, int when)
{
    vld_record r;
    vld_store *dead, *store;

    guard_faults();
    alarm(20);
    dead = open_store(t, VLD_STORE_WRITE);
    fault_of_commit = when;
    if (vld_store_write(dead, put_many, NULL) != VLD_E_DAMAGED
        || !vld_store_is_dead(dead)) {
        _exit(1);
    }
    fault_of_commit = NO_FAULT;
    if (vld_store_write(dead, put_many, NULL) != VLD_E_DAMAGED) {
        _exit(2);
    }
    vld_store_close(dead);
    store = open_store(t, VLD_STORE_WRITE);
    if (vld_store_write(store, put_many, NULL) != APR_SUCCESS
        || get(store, path_of(1), &r) != APR_SUCCESS) {
        _exit(3);
    }
    vld_store_close(store);
}

static void before_commit(void *data)
{
    fault_in_commit(data, FAULT_BEFORE);
}

static void after_commit(void *data)
{
    fault_in_commit(data, FAULT_AFTER);
}

static void fault_before_commit(void **state)
{
    vld_store_close(open_store(*state, VLD_STORE_CREATE));
    assert_int_equal(in_child(before_commit, *state), 0);
}

static void fault_after_commit(void **state)
{
    vld_store_close(open_store(*state, VLD_STORE_CREATE));
    assert_int_equal(in_child(after_commit, *state), 0);
}

/* --- commits that fail --------------------------------------------------- */

static void limit_file(void *data)
{
    place *t = data;
    vld_store *store = open_store(t, VLD_STORE_WRITE);
    struct rlimit limit = { 65536, 65536 };
    vld_record r;

    signal(SIGXFSZ, SIG_IGN);
    if (setrlimit(RLIMIT_FSIZE, &limit)
        || vld_store_write(store, put_many, NULL) == APR_SUCCESS) {
        _exit(1);
    }
    if (get(store, path_of(1), &r) != APR_NOTFOUND
        || get(store, "/kept", &r) != APR_SUCCESS) {
        _exit(2);
    }
    vld_store_close(store);
}

static void not_committed(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);

    assert_int_equal(put_one(store, "/kept", &r), APR_SUCCESS);
    vld_store_close(store);
    assert_int_equal(in_child(limit_file, t), 0);
    store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(get(store, "/kept", &r), APR_SUCCESS);
    assert_int_equal(get(store, path_of(1), &r), APR_NOTFOUND);
    assert_int_equal(vld_store_write(store, put_many, NULL), APR_SUCCESS);
    assert_int_equal(get(store, path_of(1), &r), APR_SUCCESS);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(committed, "what the callback puts is there after success"),
        TEST(aborted, "an error of the callback is returned, and nothing that "
                      "it put is there"),
        TEST(nothing_put, "an empty batch is no transaction"),
        TEST(read_only, "a store that is read is not written to"),
        TEST(replaced, "the callback is not called where the file was "
                       "replaced"),
        TEST(died_and_said,
             "a store that dies in the callback is dead afterwards"),
        TEST(died_and_not_said,
             "so it is where the callback says that all is well"),
        TEST_IF(is_unsanitized, fault_before_commit,
                "a fault before a commit keeps nobody from writing"),
        TEST_IF(is_unsanitized, fault_after_commit,
                "a fault after it frees nothing twice"),
        TEST(not_committed, "a commit that fails is returned, and leaves the "
                            "index as it was"),
    };

    return RUN(tests);
}
