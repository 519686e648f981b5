/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/sweep.c: the records that a rule chooses go, the others
 * stay, whatever goes wrong. */
#include "index_test.h"

#include <lmdb.h>
#include <sys/resource.h>

typedef struct sweeping {
    place *t;
    vld_store *store;
    uint64_t deleted;
    unsigned chosen;
    unsigned confirmed;
    unsigned stop_at; /* choose fails there; 0: never */
    unsigned refuse;  /* so many are not confirmed */
    uint64_t seen;    /* deleted, when choose was called last */
} sweeping;

static void path_of(char path[600], unsigned i)
{
    sprintf(path, "/srv/%c/%05u", i % 2 ? 'a' : 'b', i);
}

typedef struct range {
    unsigned count;
    unsigned pad; /* octets at the end of each path */
} range;

static apr_status_t put_range(void *baton, vld_batch *batch)
{
    const range *some = baton;

    for (unsigned i = 0; i < some->count; i++) {
        vld_record r = record_of(i);
        char path[8192];
        size_t len;

        path_of(path, i);
        len = strlen(path);
        memset(path + len, 'x', some->pad);
        assert_int_equal(vld_batch_put(batch, path, len + some->pad, &r),
                         APR_SUCCESS);
    }
    return APR_SUCCESS;
}

static sweeping begin(place *t, unsigned count, unsigned pad)
{
    sweeping s = { t, open_store(t, VLD_STORE_CREATE), 0, 0, 0, 0, 0, 0 };
    range some = { count, pad };

    assert_int_equal(vld_store_write(s.store, put_range, &some), APR_SUCCESS);
    return s;
}

static uint64_t records_of(vld_store *store)
{
    vld_store_info info;

    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    return info.files;
}

static apr_status_t choose_any(void *baton, const char *path, size_t len,
                               const vld_record *record, bool *drop)
{
    sweeping *s = baton;
    vld_record r;

    assert_false(*drop);
    assert_int_equal(path[len], '\0');
    if (record) {
        assert_int_equal(vld_store_get(s->store, path, len, &r), APR_SUCCESS);
    }
    s->seen = s->deleted;
    if (++s->chosen == s->stop_at) {
        *drop = true;
        return APR_EINTR;
    }
    *drop = true;
    return APR_SUCCESS;
}

static apr_status_t choose_even(void *baton, const char *path, size_t len,
                                const vld_record *record, bool *drop)
{
    sweeping *s = baton;

    (void)len;
    assert_non_null(record);
    s->chosen++;
    *drop = atoi(path + 7) % 4 < 2;
    return APR_SUCCESS;
}

static bool confirm_some(void *baton, const char *path, size_t len)
{
    sweeping *s = baton;
    vld_record r;

    assert_int_equal(path[len], '\0');
    assert_int_equal(vld_store_get(s->store, path, len, &r), APR_SUCCESS);
    return ++s->confirmed > s->refuse;
}

static apr_status_t sweep_with(sweeping *s, const char *prefix,
                               size_t batch_records)
{
    const vld_sweep_rule rule = { .choose = choose_any,
                                  .confirm = confirm_some,
                                  .baton = s,
                                  .batch_records = batch_records };

    return vld_store_delete_each(s->store, prefix, &rule, &s->deleted);
}

/* --- choosing ------------------------------------------------------------ */

static void all_below(void **state)
{
    sweeping s = begin(*state, 100, 0);

    assert_int_equal(sweep_with(&s, "/srv/a", 0), APR_SUCCESS);
    assert_int_equal(s.chosen, 50);
    assert_int_equal(s.confirmed, 50);
    assert_int_equal(s.deleted, 50);
    assert_int_equal(records_of(s.store), 50);
    assert_int_equal(sweep_with(&s, "/srv/a", 0), APR_SUCCESS);
    assert_int_equal(s.chosen, 50);
    assert_int_equal(s.deleted, 50);
    vld_store_close(s.store);
}

static void some_of_them(void **state)
{
    sweeping s = begin(*state, 100, 0);
    const vld_sweep_rule rule = { .choose = choose_even, .baton = &s };
    vld_record r;

    assert_int_equal(vld_store_delete_each(s.store, "", &rule, &s.deleted),
                     APR_SUCCESS);
    assert_int_equal(s.chosen, 100);
    assert_int_equal(s.deleted, 50);
    assert_int_equal(get(s.store, "/srv/b/00000", &r), APR_NOTFOUND);
    assert_int_equal(get(s.store, "/srv/a/00001", &r), APR_NOTFOUND);
    assert_int_equal(get(s.store, "/srv/b/00002", &r), APR_SUCCESS);
    assert_int_equal(get(s.store, "/srv/a/00003", &r), APR_SUCCESS);
    vld_store_close(s.store);
}

static void not_confirmed(void **state)
{
    sweeping s = begin(*state, 100, 0);
    uint64_t txn = vld_store_txn(s.store);

    s.refuse = 100;
    assert_int_equal(sweep_with(&s, "", 0), APR_SUCCESS);
    assert_int_equal(s.deleted, 0);
    assert_int_equal(records_of(s.store), 100);
    assert_int_equal(vld_store_txn(s.store), txn);
    s.refuse = 130;
    assert_int_equal(sweep_with(&s, "", 0), APR_SUCCESS);
    assert_int_equal(s.deleted, 70);
    assert_int_equal(records_of(s.store), 30);
    vld_store_close(s.store);
}

static bool confirm_any(void *baton, const char *path, size_t len)
{
    sweeping *s = baton;

    (void)path;
    (void)len;
    s->confirmed++;
    return true;
}

static apr_status_t choose_and_delete(void *baton, const char *path, size_t len,
                                      const vld_record *record, bool *drop)
{
    sweeping *s = baton;
    vld_batch *batch;

    (void)record;
    *drop = true;
    if (s->chosen++ % 10) {
        return APR_SUCCESS;
    }
    assert_int_equal(vld_batch_begin(s->store, &batch), APR_SUCCESS);
    assert_int_equal(vld_batch_delete(batch, path, len), APR_SUCCESS);
    return vld_batch_commit(batch);
}

static void gone_already(void **state)
{
    sweeping s = begin(*state, 100, 0);
    const vld_sweep_rule rule = { .choose = choose_and_delete,
                                  .confirm = confirm_any,
                                  .baton = &s };

    assert_int_equal(vld_store_delete_each(s.store, "", &rule, &s.deleted),
                     APR_SUCCESS);
    assert_int_equal(s.chosen, 100);
    assert_int_equal(s.confirmed, 100);
    assert_int_equal(s.deleted, 90);
    assert_int_equal(records_of(s.store), 0);
    vld_store_close(s.store);
}

/* --- records that do not check ------------------------------------------- */

static void put_lost(place *t)
{
    static char lost[33];
    MDB_val k = { sizeof(lost), lost };
    MDB_val v = { 1, "x" };
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

static void lost_path(void **state)
{
    sweeping s = begin(*state, 4, 600);
    const vld_sweep_rule rule = { .choose = choose_any, .baton = &s };

    vld_store_close(s.store);
    put_lost(s.t);
    s.store = open_store(s.t, VLD_STORE_WRITE);
    assert_int_equal(records_of(s.store), 5);
    assert_int_equal(vld_store_delete_each(s.store, "/", &rule, &s.deleted),
                     APR_SUCCESS);
    assert_int_equal(s.deleted, 5);
    assert_int_equal(records_of(s.store), 0);
    vld_store_close(s.store);
}

/* --- batches ------------------------------------------------------------- */

static void many_batches(void **state)
{
    sweeping s = begin(*state, 100, 0);
    uint64_t txn = vld_store_txn(s.store);

    assert_int_equal(sweep_with(&s, "", 7), APR_SUCCESS);
    assert_int_equal(s.deleted, 100);
    assert_int_equal(vld_store_txn(s.store), txn + 15);
    /* It grows by and by. */
    assert_int_equal(s.seen, 98);
    assert_int_equal(records_of(s.store), 0);
    vld_store_close(s.store);
}

static void default_batch(void **state)
{
    sweeping s = begin(*state, 5000, 0);
    uint64_t txn = vld_store_txn(s.store);

    assert_int_equal(sweep_with(&s, "", 0), APR_SUCCESS);
    assert_int_equal(s.deleted, 5000);
    assert_int_equal(vld_store_txn(s.store), txn + 2);
    assert_int_equal(s.seen, 4096);
    vld_store_close(s.store);
}

/* Four mebioctets of names, however few. */
static void long_names(void **state)
{
    enum { COUNT = 1500, LEN = 12 + 6000, MOST = 4 << 20 };
    sweeping s = begin(*state, COUNT, 6000);
    uint64_t txn = vld_store_txn(s.store);

    assert_int_equal(sweep_with(&s, "", COUNT), APR_SUCCESS);
    assert_int_equal(s.deleted, COUNT);
    assert_int_equal(vld_store_txn(s.store), txn + 3);
    assert_in_range(s.seen, 2 * (MOST / (LEN + 16)), 2 * (MOST / LEN + 1));
    vld_store_close(s.store);
}

/* --- errors -------------------------------------------------------------- */

static void stopped(void **state)
{
    sweeping s = begin(*state, 100, 0);

    s.stop_at = 25;
    assert_int_equal(sweep_with(&s, "", 10), APR_EINTR);
    assert_int_equal(s.chosen, 25);
    assert_int_equal(s.deleted, 20);
    assert_int_equal(records_of(s.store), 80);
    vld_store_close(s.store);
}

static void read_only(void **state)
{
    sweeping s = begin(*state, 100, 0);

    vld_store_close(s.store);
    s.store = open_store(s.t, VLD_STORE_READ);
    assert_int_equal(sweep_with(&s, "", 10), APR_EACCES);
    assert_int_equal(s.chosen, 10);
    assert_int_equal(s.deleted, 0);
    assert_int_equal(records_of(s.store), 100);
    s.chosen = 0;
    assert_int_equal(sweep_with(&s, "", 0), APR_EACCES);
    assert_int_equal(s.chosen, 100);
    assert_int_equal(s.deleted, 0);
    vld_store_close(s.store);
}

/* After the second batch another file stands at the path. */
static bool move_away(void *baton, const char *path, size_t len)
{
    sweeping *s = baton;

    (void)path;
    (void)len;
    if (++s->confirmed == 20) {
        assert_int_equal(rename(s->t->index, below(s->t->dir, "away")), 0);
    }
    return true;
}

static void replaced(void **state)
{
    sweeping s = begin(*state, 100, 0);
    const vld_sweep_rule rule = { .choose = choose_any,
                                  .confirm = move_away,
                                  .baton = &s,
                                  .batch_records = 10 };

    assert_int_equal(vld_store_delete_each(s.store, "", &rule, &s.deleted),
                     VLD_E_REPLACED);
    assert_int_equal(s.chosen, 30);
    assert_int_equal(s.confirmed, 20);
    assert_int_equal(s.deleted, 20);
    assert_int_equal(rename(below(s.t->dir, "away"), s.t->index), 0);
    assert_int_equal(records_of(s.store), 80);
    vld_store_close(s.store);
}

static bool cut_short(void *baton, const char *path, size_t len)
{
    sweeping *s = baton;

    (void)path;
    (void)len;
    return ++s->confirmed < 15 || !truncate(s->t->index, 8192);
}

static void die_sweeping(void *data)
{
    sweeping *s = data;
    const vld_sweep_rule rule = { .choose = choose_any,
                                  .confirm = cut_short,
                                  .baton = s,
                                  .batch_records = 10 };

    guard_faults();
    s->store = open_store(s->t, VLD_STORE_WRITE);
    if (vld_store_delete_each(s->store, "", &rule, &s->deleted) != VLD_E_DAMAGED
        || s->deleted != 10 || !vld_store_is_dead(s->store)) {
        _exit(1);
    }
    if (vld_store_delete_each(s->store, "", &rule, &s->deleted) != VLD_E_DAMAGED
        || s->deleted != 10) {
        _exit(2);
    }
    vld_store_close(s->store);
}

static void died(void **state)
{
    sweeping s = begin(*state, 5000, 0);

    vld_store_close(s.store);
    assert_int_equal(in_child(die_sweeping, &s), 0);
}

/* A write beyond the limit is an error of the commit. */
static bool limit_files(void *baton, const char *path, size_t len)
{
    sweeping *s = baton;
    struct rlimit limit = { 8192, 8192 };

    (void)path;
    (void)len;
    return ++s->confirmed != 15 || !setrlimit(RLIMIT_FSIZE, &limit);
}

static void fail_to_commit(void *data)
{
    sweeping *s = data;
    const vld_sweep_rule rule = { .choose = choose_any,
                                  .confirm = limit_files,
                                  .baton = s,
                                  .batch_records = 10 };
    apr_status_t rv;

    signal(SIGXFSZ, SIG_IGN);
    s->store = open_store(s->t, VLD_STORE_WRITE);
    rv = vld_store_delete_each(s->store, "", &rule, &s->deleted);
    if (rv != APR_FROM_OS_ERROR(EFBIG) || s->confirmed != 20
        || s->deleted != 10) {
        _exit(1);
    }
    vld_store_close(s->store);
}

static void not_committed(void **state)
{
    sweeping s = begin(*state, 100, 0);

    vld_store_close(s.store);
    assert_int_equal(in_child(fail_to_commit, &s), 0);
    s.store = open_store(s.t, VLD_STORE_READ);
    assert_int_equal(records_of(s.store), 90);
    vld_store_close(s.store);
}

/* --- in steps ------------------------------------------------------------ */

static vld_sweep *open_sweep(sweeping *s, size_t batch_records)
{
    const vld_sweep_rule rule = { .choose = choose_any,
                                  .confirm = confirm_some,
                                  .baton = s,
                                  .batch_records = batch_records };
    vld_sweep *sweep;

    assert_int_equal(vld_sweep_open(&sweep, s->store, &rule, &s->deleted),
                     APR_SUCCESS);
    return sweep;
}

static apr_status_t add(vld_sweep *sweep, const char *path)
{
    return vld_sweep_add(sweep, path, strlen(path));
}

static void steps(void **state)
{
    sweeping s = begin(*state, 100, 0);
    vld_sweep *sweep = open_sweep(&s, 0);

    assert_int_equal(vld_sweep_flush(sweep), APR_SUCCESS);
    assert_int_equal(add(sweep, "/srv/a/00001"), APR_SUCCESS);
    assert_int_equal(add(sweep, "/srv/a/none"), APR_SUCCESS);
    assert_int_equal(add(sweep, "no path"), APR_SUCCESS);
    assert_int_equal(vld_sweep_below(sweep, "/srv/b"), APR_SUCCESS);
    assert_int_equal(s.chosen, 50);
    assert_int_equal(records_of(s.store), 100);
    assert_int_equal(vld_sweep_flush(sweep), APR_SUCCESS);
    assert_int_equal(s.confirmed, 51);
    assert_int_equal(s.deleted, 51);
    assert_int_equal(vld_sweep_flush(sweep), APR_SUCCESS);
    assert_int_equal(s.confirmed, 51);
    assert_int_equal(add(sweep, "/srv/a/00003"), APR_SUCCESS);
    assert_int_equal(vld_sweep_flush(sweep), APR_SUCCESS);
    assert_int_equal(s.deleted, 52);
    assert_int_equal(records_of(s.store), 48);
    vld_sweep_close(sweep);
    vld_store_close(s.store);
}

static void full_of_added(void **state)
{
    sweeping s = begin(*state, 100, 0);
    vld_sweep *sweep = open_sweep(&s, 2);

    assert_int_equal(add(sweep, "/srv/a/00001"), APR_SUCCESS);
    assert_int_equal(s.deleted, 0);
    assert_int_equal(add(sweep, "/srv/a/00003"), APR_SUCCESS);
    assert_int_equal(s.deleted, 2);
    vld_sweep_close(sweep);
    vld_store_close(s.store);
}

static void kept_when_closed(void **state)
{
    sweeping s = begin(*state, 100, 0);
    vld_sweep *sweep = open_sweep(&s, 0);

    assert_int_equal(vld_sweep_below(sweep, "/srv"), APR_SUCCESS);
    vld_sweep_close(sweep);
    vld_sweep_close(NULL);
    assert_int_equal(s.deleted, 0);
    assert_int_equal(records_of(s.store), 100);
    vld_store_close(s.store);
}

static void kept_after_a_failure(void **state)
{
    sweeping s = begin(*state, 100, 0);
    vld_sweep *sweep = open_sweep(&s, 0);

    assert_int_equal(add(sweep, "/srv/a/00001"), APR_SUCCESS);
    assert_int_equal(rename(s.t->index, below(s.t->dir, "away")), 0);
    assert_int_equal(vld_sweep_flush(sweep), VLD_E_REPLACED);
    assert_int_equal(rename(below(s.t->dir, "away"), s.t->index), 0);
    assert_int_equal(add(sweep, "/srv/a/00003"), APR_SUCCESS);
    assert_int_equal(vld_sweep_flush(sweep), APR_SUCCESS);
    assert_int_equal(s.deleted, 1);
    assert_int_equal(records_of(s.store), 99);
    vld_sweep_close(sweep);
    vld_store_close(s.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_below, "all records below a prefix can be deleted"),
        TEST(some_of_them, "those that are not chosen stay"),
        TEST(not_confirmed, "so do those that are chosen but not confirmed"),
        TEST(gone_already, "a record that another writer has deleted is not "
                           "counted"),
        TEST(lost_path, "long paths are deleted, and records whose path is "
                        "lost"),
        TEST(many_batches, "each batch is a transaction, and counted after "
                           "it"),
        TEST(default_batch, "a batch has 4096 records where the rule has no "
                            "number"),
        TEST(long_names, "a batch of long names is bounded in memory"),
        TEST(stopped, "the rule ends the walk: batches that were full are "
                      "deleted, the rest is kept"),
        TEST(read_only, "a store that is read loses nothing"),
        TEST(replaced, "nothing more is deleted where the file was replaced"),
        TEST(died, "a store that dies in a batch has deleted those before"),
        TEST(not_committed, "a commit that fails is returned, and nothing of "
                            "its batch is deleted or counted"),
        TEST(steps, "paths and prefixes can be chosen one after the other"),
        TEST(full_of_added, "single paths fill a batch too"),
        TEST(kept_when_closed, "what is chosen but not deleted is kept at the "
                               "end"),
        TEST(kept_after_a_failure, "what could not be deleted is not chosen "
                                   "any more"),
    };

    return RUN(tests);
}
