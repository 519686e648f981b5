/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/store.c: look-ups and batches, of many threads and
 * processes. */
#include "index_test.h"

#include <lmdb.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>

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

/* --- threads ------------------------------------------------------------- */

#define PATHS 500
#define ROUNDS 40

typedef struct crowd {
    vld_store *store;
    int stop;
    int wrong;
    unsigned gets;
} crowd;

static void path_of(char path[64], unsigned i)
{
    sprintf(path, "/srv/www/%u/index.html", i);
}

/* The record of a path in a round; its members must belong together. */
static vld_record record_in(unsigned i, unsigned round)
{
    vld_record r = record_of(i);

    r.last_modified = 1700000000 + round;
    r.identity.size = r.identity.inode + round;
    return r;
}

static void *read_all(void *data)
{
    crowd *c = data;
    unsigned n = 0;

    while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED) || n < PATHS) {
        unsigned i = n++ % PATHS;
        char path[64];
        vld_record r;
        apr_status_t rv;

        path_of(path, i);
        rv = vld_store_get(c->store, path, strlen(path), &r);
        if (rv == APR_NOTFOUND) {
            continue;
        }
        if (rv || r.identity.inode != 4711 + i
            || r.identity.size - r.identity.inode
                   != (uint64_t)(r.last_modified - 1700000000)) {
            __atomic_store_n(&c->wrong, 1, __ATOMIC_RELAXED);
        }
        __atomic_fetch_add(&c->gets, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static apr_status_t write_round(vld_store *store, unsigned round)
{
    vld_batch *batch;
    apr_status_t rv = vld_batch_begin(store, &batch);

    if (rv) {
        return rv;
    }
    for (unsigned i = 0; i < PATHS && !rv; i++) {
        vld_record r = record_in(i, round);
        char path[64];

        path_of(path, i);
        rv = vld_batch_put(batch, path, strlen(path), &r);
    }
    if (rv) {
        vld_batch_abort(batch);
        return rv;
    }
    return vld_batch_commit(batch);
}

static void threads(void **state)
{
    crowd c = { open_store(*state, VLD_STORE_CREATE), 0, 0, 0 };
    pthread_t thread[4];

    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&thread[i], NULL, read_all, &c), 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        assert_int_equal(write_round(c.store, round), APR_SUCCESS);
    }
    __atomic_store_n(&c.stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], NULL);
    }
    assert_false(c.wrong);
    assert_true(c.gets > PATHS);
    vld_store_close(c.store);
}

static void *get_one(void *data)
{
    vld_record r;

    vld_store_get(data, PATH, strlen(PATH), &r);
    return NULL;
}

static uint32_t readers_of(vld_store *store)
{
    vld_store_info info;

    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    return info.readers;
}

static void slots_come_back(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    uint32_t before = readers_of(store);

    for (int i = 0; i < 50; i++) {
        pthread_t thread;

        assert_int_equal(pthread_create(&thread, NULL, get_one, store), 0);
        pthread_join(thread, NULL);
    }
    assert_int_equal(readers_of(store), before);
    vld_store_close(store);
}

/* A thread that outlives the stores that it reads in. */
typedef struct stage {
    pthread_mutex_t mutex;
    pthread_cond_t turn;
    vld_store *store; /* to be read in; NULL: that was done */
    bool end;
    int found;
} stage;

static void *read_when_told(void *data)
{
    stage *g = data;
    vld_record r;

    pthread_mutex_lock(&g->mutex);
    while (!g->end) {
        if (g->store) {
            g->found += get(g->store, "/a", &r) == APR_SUCCESS;
            g->store = NULL;
            pthread_cond_broadcast(&g->turn);
        }
        else {
            pthread_cond_wait(&g->turn, &g->mutex);
        }
    }
    pthread_mutex_unlock(&g->mutex);
    return NULL;
}

static void let_read(stage *g, vld_store *store)
{
    pthread_mutex_lock(&g->mutex);
    g->store = store;
    pthread_cond_broadcast(&g->turn);
    while (g->store) {
        pthread_cond_wait(&g->turn, &g->mutex);
    }
    pthread_mutex_unlock(&g->mutex);
}

static void closed_under_threads(void **state)
{
    enum { TIMES = 1200, THREADS = 3 };
    place *t = *state;
    pthread_t threads[THREADS];
    stage g[THREADS];
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);

    assert_int_equal(put_one(store, "/a", &r), APR_SUCCESS);
    vld_store_close(store);
    for (int i = 0; i < THREADS; i++) {
        pthread_mutex_init(&g[i].mutex, NULL);
        pthread_cond_init(&g[i].turn, NULL);
        g[i].store = NULL;
        g[i].end = false;
        g[i].found = 0;
        assert_int_equal(pthread_create(&threads[i], NULL, read_when_told,
                                        &g[i]),
                         0);
    }
    for (int n = 0; n < TIMES; n++) {
        store = open_store(t, VLD_STORE_READ);
        for (int i = 0; i < THREADS; i++) {
            let_read(&g[i], store);
        }
        assert_int_equal(get(store, "/a", &r), APR_SUCCESS);
        vld_store_close(store);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_mutex_lock(&g[i].mutex);
        g[i].end = true;
        pthread_cond_broadcast(&g[i].turn);
        pthread_mutex_unlock(&g[i].mutex);
        pthread_join(threads[i], NULL);
        assert_int_equal(g[i].found, TIMES);
    }
}

/* Each round frees a snapshot's pages; were one pinned, the file would grow
 * with every round. */
static void no_snapshot_is_pinned(void **state)
{
    vld_store *store = open_store(*state, VLD_STORE_CREATE);
    vld_store_info info;
    uint64_t before;
    vld_record r;

    for (unsigned round = 0; round < 10; round++) {
        assert_int_equal(write_round(store, round), APR_SUCCESS);
        assert_int_equal(get(store, "/none", &r), APR_NOTFOUND);
    }
    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    before = info.file_bytes;
    for (unsigned round = 0; round < 200; round++) {
        assert_int_equal(write_round(store, round), APR_SUCCESS);
    }
    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    assert_true(info.file_bytes <= before + before / 2);
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

static void die_reading(void *data)
{
    place *t = data;
    vld_store *store;
    vld_record r;

    _exit(vld_store_open(&store, t->index, VLD_STORE_READ)
                  || get(store, "/none", &r) != APR_NOTFOUND
              ? 1
              : 42);
}

static void readers_die(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    uint32_t before;

    vld_store_close(store);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(in_child(die_reading, t), 42);
    }
    store = open_store(t, VLD_STORE_READ);
    before = readers_of(store);
    assert_int_equal(before, 1);
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
        TEST(deleted, "what is deleted is gone"),
        TEST(all_or_nothing, "nothing of a batch is seen before its commit"),
        TEST(one_damaged, "a record that does not check is refused alone"),
        TEST(threads, "threads read whole records while a batch is "
                      "committed"),
        TEST(slots_come_back, "a thread that ends gives its slot back"),
        TEST(closed_under_threads, "threads outlive any number of stores that "
                                   "they read in"),
        TEST(no_snapshot_is_pinned, "a reader between look-ups pins no "
                                    "pages"),
        TEST(commits_are_seen, "a reader in another process sees a commit"),
        TEST(writer_dies, "a writer that dies leaves what was committed, and "
                          "no lock"),
        TEST_IF(can_mount, full_disk,
                "a full disk is told, and what was committed stays"),
        TEST(readers_die, "the slots of dead readers are cleared"),
    };

    return RUN(tests);
}
