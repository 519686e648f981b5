/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/lookup.c: what is found, under which path. */
#include "index_test.h"

#include <lmdb.h>

#define PATH "/srv/www/index.html"

static void assert_same(const vld_record *a, const vld_record *b)
{
    assert_memory_equal(&a->digest, &b->digest, sizeof(a->digest));
    assert_true(
        vld_identity_equal(&a->identity, &b->identity, VLD_COMPARE_STRICT));
    assert_int_equal(a->last_modified, b->last_modified);
    assert_int_equal(a->indexed_ns, b->indexed_ns);
}

static void put_and_get(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    vld_record r = record_of(7);
    vld_record out;

    assert_int_equal(get(store, PATH, &out), APR_NOTFOUND);
    assert_int_equal(put_one(store, PATH, &r), APR_SUCCESS);
    assert_int_equal(get(store, PATH, &out), APR_SUCCESS);
    assert_same(&r, &out);
    r = record_of(8);
    assert_int_equal(put_one(store, PATH, &r), APR_SUCCESS);
    assert_int_equal(get(store, PATH, &out), APR_SUCCESS);
    assert_same(&r, &out);
    assert_int_equal(get(store, "/srv/www/index.htm", &out), APR_NOTFOUND);
    assert_int_equal(get(store, "/srv/www/index.html/", &out), APR_NOTFOUND);
    vld_store_close(store);
}

static void no_paths(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    char *path = long_path(70000, 'z');
    vld_record r = record_of(7);
    vld_batch *batch;

    assert_int_equal(get(store, "", &r), APR_EINVAL);
    assert_int_equal(get(store, "srv", &r), APR_EINVAL);
    assert_int_equal(get(store, path, &r), APR_EINVAL);
    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    assert_int_equal(vld_batch_put(batch, "", 0, &r), APR_EINVAL);
    assert_int_equal(vld_batch_put(batch, "/a\0b", 4, &r), APR_EINVAL);
    assert_int_equal(vld_batch_put(batch, path, 70000, &r), APR_EINVAL);
    assert_int_equal(vld_batch_put(batch, PATH, strlen(PATH), &r), APR_SUCCESS);
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
    assert_int_equal(get(store, PATH, &r), APR_SUCCESS);
    free(path);
    vld_store_close(store);
}

static void any_octets(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    char path[257] = "/";
    vld_record r = record_of(7);
    vld_record out;

    for (int i = 1; i < 256; i++) {
        path[i] = (char)i;
    }
    path[256] = '\0';
    assert_int_equal(put_one(store, path, &r), APR_SUCCESS);
    assert_int_equal(get(store, path, &out), APR_SUCCESS);
    assert_same(&r, &out);
    vld_store_close(store);
}

static void long_paths(void **state)
{
    static const size_t sizes[] = { 510, 511, 512, 513, 4096, 65535 };
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    vld_record out;

    for (unsigned i = 0; i < 6; i++) {
        char *path = long_path(sizes[i], 'z');
        char *other = long_path(sizes[i], 'y');
        vld_record r = record_of(i);

        assert_int_equal(put_one(store, path, &r), APR_SUCCESS);
        assert_int_equal(get(store, path, &out), APR_SUCCESS);
        assert_same(&r, &out);
        assert_int_equal(get(store, other, &out), APR_NOTFOUND);
        free(path);
        free(other);
    }
    vld_store_close(store);
}

/* --- records that do not check ------------------------------------------- */

static void spoil(place *t, const char *path)
{
    MDB_val key = { strlen(path), (void *)(uintptr_t)path };
    MDB_val val;
    unsigned char copy[96];
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, t->index, MDB_NOSUBDIR, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "files", 0, &dbi), 0);
    assert_int_equal(mdb_get(txn, dbi, &key, &val), 0);
    assert_int_equal(val.mv_size, sizeof(copy));
    memcpy(copy, val.mv_data, sizeof(copy));
    copy[40] ^= 1;
    val.mv_data = copy;
    assert_int_equal(mdb_put(txn, dbi, &key, &val, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void one_damaged(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(7);
    vld_record out;

    assert_int_equal(put_one(store, PATH, &r), APR_SUCCESS);
    assert_int_equal(put_one(store, "/other", &r), APR_SUCCESS);
    vld_store_close(store);
    spoil(t, PATH);
    store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(get(store, PATH, &out), VLD_E_DAMAGED);
    assert_int_equal(get(store, "/other", &out), APR_SUCCESS);
    assert_true(vld_store_is_current(store));
    assert_int_equal(put_one(store, PATH, &r), APR_SUCCESS);
    assert_int_equal(get(store, PATH, &out), APR_SUCCESS);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(put_and_get, "what is put is got, under its path only"),
        TEST(no_paths, "what is no absolute path is refused and the batch "
                       "goes on"),
        TEST(any_octets, "a path may have any octet but NUL"),
        TEST(long_paths, "paths longer than a key are found"),
        TEST(one_damaged, "a record that does not check is refused alone"),
    };

    return RUN(tests);
}
