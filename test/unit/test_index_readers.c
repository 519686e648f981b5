/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/readers.c: look-ups of many threads and processes. */
#include "index_test.h"

#include <pthread.h>

#define PATH "/srv/www/index.html"

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
        TEST(threads, "threads read whole records while a batch is "
                      "committed"),
        TEST(slots_come_back, "a thread that ends gives its slot back"),
        TEST(closed_under_threads, "threads outlive any number of stores that "
                                   "they read in"),
        TEST(no_snapshot_is_pinned, "a reader between look-ups pins no "
                                    "pages"),
        TEST(readers_die, "the slots of dead readers are cleared"),
    };

    return RUN(tests);
}
