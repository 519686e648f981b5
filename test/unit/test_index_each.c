/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/each.c: walks over records. */
#include "index_test.h"

#include <lmdb.h>

typedef struct seen {
    vld_store *store;
    char *text; /* paths, one a line */
    size_t len;
    unsigned count;
    unsigned bad;
    unsigned stop_at;
} seen;

static apr_status_t note(void *baton, const char *path, size_t len,
                         const vld_record *record)
{
    seen *s = baton;

    assert_int_equal(path[len], '\0');
    s->text = realloc(s->text, s->len + len + 2);
    memcpy(s->text + s->len, path, len);
    s->text[s->len + len] = '\n';
    s->len += len + 1;
    s->text[s->len] = '\0';
    s->bad += record == NULL;
    return ++s->count == s->stop_at ? APR_EGENERAL : APR_SUCCESS;
}

static void assert_listed(vld_store *store, const char *prefix,
                          const char *expected)
{
    seen s = { store, strdup(""), 0, 0, 0, 0 };

    assert_int_equal(vld_store_each(store, prefix, note, &s), APR_SUCCESS);
    assert_string_equal(s.text, expected);
    assert_int_equal(s.bad, 0);
    free(s.text);
}

static void put_some(vld_store *store, const char *const *paths)
{
    for (unsigned i = 0; paths[i]; i++) {
        vld_record r = record_of(i);

        assert_int_equal(put_one(store, paths[i], &r), APR_SUCCESS);
    }
}

static void prefixes(void **state)
{
    static const char *const paths[] = { "/srv/ab",  "/srv/a/x",   "/srv/a",
                                         "/srv/a-b", "/srv/a/b/c", "/srv/a0",
                                         "/srv/b",   "/srv/a!",    "/t",
                                         NULL };
    vld_store *store = open_store(*state, VLD_STORE_CREATE);

    assert_listed(store, "", "");
    put_some(store, paths);
    assert_listed(store, "/srv/a", "/srv/a\n/srv/a/b/c\n/srv/a/x\n");
    assert_listed(store, "/srv/a/", "/srv/a\n/srv/a/b/c\n/srv/a/x\n");
    assert_listed(store, "/srv/a/b", "/srv/a/b/c\n");
    assert_listed(store, "/srv/ab", "/srv/ab\n");
    assert_listed(store, "/srv/",
                  "/srv/a\n/srv/a!\n/srv/a-b\n/srv/a/b/c\n"
                  "/srv/a/x\n/srv/a0\n/srv/ab\n/srv/b\n");
    assert_listed(store, "/t", "/t\n");
    assert_listed(store, "/none", "");
    assert_listed(store, "/srv/a/x/y", "");
    for (int i = 0; i < 3; i++) {
        assert_listed(store,
                      i == 0   ? ""
                      : i == 1 ? "/"
                               : "//",
                      "/srv/a\n/srv/a!\n/srv/a-b\n/srv/a/b/c\n/srv/a/x\n"
                      "/srv/a0\n/srv/ab\n/srv/b\n/t\n");
    }
    vld_store_close(store);
}

static unsigned count(vld_store *store, const char *prefix)
{
    seen s = { store, NULL, 0, 0, 0, 0 };

    assert_int_equal(vld_store_each(store, prefix, note, &s), APR_SUCCESS);
    assert_int_equal(s.bad, 0);
    free(s.text);
    return s.count;
}

static void long_ones(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    char *a = long_path(600, 'z');
    char *b = long_path(4000, 'z');
    char *c = long_path(511, 'z');
    const char *const paths[] = { a, b, c, "/short", NULL };

    put_some(store, paths);
    assert_int_equal(count(store, ""), 4);
    /* The 100th octet of each is a slash. */
    a[100] = '\0';
    assert_int_equal(count(store, a), 3);
    a[50] = '\0';
    assert_int_equal(count(store, a), 0);
    b[500] = '\0';
    assert_int_equal(count(store, b), 3);
    b[500] = '/';
    b[600] = '\0';
    assert_int_equal(count(store, b), 1);
    b[600] = '/';
    assert_int_equal(count(store, b), 1);
    assert_int_equal(count(store, c), 1);
    assert_int_equal(count(store, "/short"), 1);
    free(a);
    free(b);
    free(c);
    vld_store_close(store);
}

#define MANY 3000

static void put_many(vld_store *store, unsigned n, unsigned first)
{
    vld_batch *batch;

    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    for (unsigned i = first; i < first + n; i++) {
        vld_record r = record_of(i);
        char path[700];

        sprintf(path, "/m/%06u%0*u", i, i % 7 ? 1 : 600, 0);
        assert_int_equal(vld_batch_put(batch, path, strlen(path), &r),
                         APR_SUCCESS);
    }
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
}

/* More than one chunk, of both kinds of keys. */
static void many(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);

    put_many(store, MANY, 0);
    assert_int_equal(count(store, ""), MANY);
    assert_int_equal(count(store, "/m"), MANY);
    assert_int_equal(count(store, "/m/000001"), 0);
    vld_store_close(store);
}

static void stopped(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    seen s = { store, NULL, 0, 0, 0, 700 };

    put_many(store, MANY, 0);
    assert_int_equal(vld_store_each(store, "", note, &s), APR_EGENERAL);
    assert_int_equal(s.count, 700);
    free(s.text);
    vld_store_close(store);
}

static apr_status_t delete_it(void *baton, const char *path, size_t len,
                              const vld_record *record)
{
    seen *s = baton;
    vld_batch *batch;
    vld_record r;

    assert_non_null(record);
    assert_int_equal(vld_store_get(s->store, path, len, &r), APR_SUCCESS);
    assert_int_equal(vld_batch_begin(s->store, &batch), APR_SUCCESS);
    assert_int_equal(vld_batch_delete(batch, path, len), APR_SUCCESS);
    s->count++;
    return vld_batch_commit(batch);
}

static void changed_while_walked(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    seen s = { store, NULL, 0, 0, 0, 0 };

    put_many(store, 600, 0);
    assert_int_equal(vld_store_each(store, "", delete_it, &s), APR_SUCCESS);
    assert_int_equal(s.count, 600);
    assert_int_equal(count(store, ""), 0);
    vld_store_close(store);
}

/* --- records that do not check ------------------------------------------- */

static void put_raw(place *t, const void *key, size_t key_size,
                    const void *value, size_t size)
{
    MDB_val k = { key_size, (void *)(uintptr_t)key };
    MDB_val v = { size, (void *)(uintptr_t)value };
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, t->index, MDB_NOSUBDIR, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "files", 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &k, &v, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static apr_status_t delete_bad(void *baton, const char *path, size_t len,
                               const vld_record *record)
{
    seen *s = baton;
    vld_batch *batch;

    s->count++;
    if (record) {
        return APR_SUCCESS;
    }
    s->bad++;
    assert_int_equal(vld_batch_begin(s->store, &batch), APR_SUCCESS);
    assert_int_equal(vld_batch_delete(batch, path, len), APR_SUCCESS);
    return vld_batch_commit(batch);
}

static void damaged(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    seen s = { store, NULL, 0, 0, 0, 0 };
    vld_record r = record_of(1);
    char lost[33] = { 0 };

    assert_int_equal(put_one(store, "/good", &r), APR_SUCCESS);
    vld_store_close(store);
    put_raw(t, "/bad", 4, "x", 1);
    put_raw(t, "/empty", 6, "", 0);
    put_raw(t, lost, sizeof(lost), "x", 1);
    store = s.store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(vld_store_each(store, "", delete_bad, &s), APR_SUCCESS);
    assert_int_equal(s.count, 4);
    assert_int_equal(s.bad, 3);
    assert_int_equal(count(store, ""), 1);
    vld_store_close(store);
}

/* Change the octets of the key that stands in a page. */
static void spoil_key(place *t, const char *key, int at, const char *octets,
                      size_t len)
{
    static char file[1 << 20];
    int fd = open(t->index, O_RDWR);
    ssize_t size = read(fd, file, sizeof(file));
    unsigned met = 0;

    assert_true(size > 0 && size < (ssize_t)sizeof(file));
    for (ssize_t i = 0; i + (ssize_t)strlen(key) < size; i++) {
        if (!memcmp(file + i, key, strlen(key))) {
            assert_int_equal(pwrite(fd, octets, len, i + at), (ssize_t)len);
            met++;
        }
    }
    close(fd);
    assert_true(met > 0);
}

static void keys_that_cannot_be(place *t, int at, const char *octets,
                                size_t len)
{
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    static const char *const paths[] = { "/file-a", "/file-b", "/file-c" };
    seen s = { NULL, NULL, 0, 0, 0, 0 };
    vld_record r = record_of(1);

    for (int i = 0; i < 3; i++) {
        assert_int_equal(put_one(store, paths[i], &r), APR_SUCCESS);
    }
    vld_store_close(store);
    spoil_key(t, "/file-b", at, octets, len);
    s.store = store = open_store(t, VLD_STORE_READ);
    alarm(20);
    assert_int_equal(vld_store_each(store, "", note, &s), VLD_E_DAMAGED);
    alarm(0);
    vld_store_close(store);
}

static void out_of_order(void **state)
{
    keys_that_cannot_be(*state, 6, "x", 1);
}

/* The length stands before the key. */
static void too_long_a_key(void **state)
{
    keys_that_cannot_be(*state, -2, "\xff\x0f", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(prefixes, "a prefix means itself and what is below"),
        TEST(long_ones, "paths longer than a key are below their prefixes "
                        "too"),
        TEST(many, "each of many records is met once"),
        TEST(stopped, "the callback ends the walk"),
        TEST(changed_while_walked, "the callback may delete what it is "
                                   "given"),
        TEST(damaged, "records that do not check are shown as such and can "
                      "be deleted"),
        TEST(out_of_order, "keys that are out of order are damage, not a walk "
                           "without end"),
        TEST(too_long_a_key, "so is a key that is longer than keys can be"),
    };

    return RUN(tests);
}
