/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/grow.c: an index that outgrows the map of a process. */
#include "index_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "index/grow.h"
#include "index/map.h"

static bool has_wide_addresses(void)
{
    return is_unsanitized() && sizeof(size_t) > 4;
}

static void shrink_map(vld_store *store)
{
    vld_map *map = calloc(1, sizeof(*map));

    map->size = 1 << 20;
    map->pages = map->size / store->page_size;
    map->octets = mmap(NULL, map->size, PROT_READ, MAP_SHARED, store->fd, 0);
    vld_map_close(store);
    store->map = map;
}

/* A map of 1 MiB, as a process with little address space might have. */
static vld_store *open_small(place *t, vld_store_mode mode)
{
    vld_store *store = open_store(t, mode);

    shrink_map(store);
    if (store->env) {
        assert_int_equal(mdb_env_set_mapsize(store->env, 1 << 20), 0);
    }
    return store;
}

static void put_many_elsewhere(void *data)
{
    place *t = data;
    vld_store *store;
    vld_batch *batch;
    char path[64];

    if (vld_store_open(&store, t->index, VLD_STORE_WRITE)
        || vld_batch_begin(store, &batch)) {
        _exit(1);
    }
    for (unsigned i = 0; i < 100000; i++) {
        vld_record r = record_of(i);

        sprintf(path, "/srv/%08u", i);
        if (vld_batch_put(batch, path, strlen(path), &r)) {
            _exit(2);
        }
    }
    _exit(vld_batch_commit(batch) ? 3 : 42);
}

static void put_many_in_child(place *t)
{
    if (in_child(put_many_elsewhere, t) != 42) {
        _exit(1);
    }
}

static void reader(void **state)
{
    place *t = *state;
    vld_store *store;
    vld_store_info info;
    vld_record r = record_of(1);
    vld_record out;

    store = open_store(t, VLD_STORE_CREATE);
    assert_int_equal(put_one(store, "/a", &r), APR_SUCCESS);
    vld_store_close(store);
    store = open_small(t, VLD_STORE_READ);
    assert_int_equal(get(store, "/a", &out), APR_SUCCESS);
    assert_int_equal(in_child(put_many_elsewhere, t), 42);
    assert_int_equal(get(store, "/srv/00099999", &out), APR_SUCCESS);
    assert_int_equal(get(store, "/a", &out), APR_SUCCESS);
    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    assert_true(info.map_bytes > info.file_bytes);
    vld_store_close(store);
}

static void writer(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);
    vld_record out;

    vld_store_close(store);
    store = open_small(t, VLD_STORE_WRITE);
    assert_int_equal(in_child(put_many_elsewhere, t), 42);
    assert_int_equal(put_one(store, "/a", &r), APR_SUCCESS);
    assert_int_equal(get(store, "/srv/00099999", &out), APR_SUCCESS);
    vld_store_close(store);
}

/* --- while others read --------------------------------------------------- */

typedef struct reading {
    vld_store *store;
    int stop;
    int misses;
    int found;
} reading;

static void *read_on(void *data)
{
    reading *g = data;
    vld_record out;

    while (!__atomic_load_n(&g->stop, __ATOMIC_RELAXED)) {
        apr_status_t rv = get(g->store, "/a", &out);

        __atomic_fetch_add(rv == APR_SUCCESS ? &g->found : &g->misses, 1,
                           __ATOMIC_RELAXED);
        if (rv != APR_SUCCESS && rv != VLD_E_FULL) {
            abort();
        }
    }
    return NULL;
}

static void under_readers(void **state)
{
    place *t = *state;
    pthread_t threads[4];
    reading g = { NULL, 0, 0, 0 };
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);
    vld_record out;

    assert_int_equal(put_one(store, "/a", &r), APR_SUCCESS);
    vld_store_close(store);
    g.store = open_small(t, VLD_STORE_READ);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_on, &g), 0);
    }
    assert_int_equal(in_child(put_many_elsewhere, t), 42);
    nap_ms(300);
    __atomic_store_n(&g.stop, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(g.found > g.misses);
    assert_int_equal(get(g.store, "/srv/00000042", &out), APR_SUCCESS);
    vld_store_close(g.store);
}

/* The map of look-ups is not the writer's. */
static void under_a_batch(void **state)
{
    place *t = *state;
    vld_store *store;
    vld_record r = record_of(1);
    vld_batch *batch;

    vld_store_close(open_store(t, VLD_STORE_CREATE));
    assert_int_equal(in_child(put_many_elsewhere, t), 42);
    store = open_store(t, VLD_STORE_WRITE);
    shrink_map(store);
    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    assert_int_equal(vld_batch_put(batch, "/a", 2, &r), APR_SUCCESS);
    assert_int_equal(get(store, "/srv/00099999", &r), APR_SUCCESS);
    assert_int_equal(get(store, "/a", &r), APR_NOTFOUND);
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
    assert_int_equal(get(store, "/a", &r), APR_SUCCESS);
    vld_store_close(store);
}

static void pretend(place *t, uint64_t last)
{
    int fd = open(t->index, O_RDWR);

    assert_true(fd >= 0);
    for (off_t meta = 0; meta < 2; meta++) {
        assert_int_equal(pwrite(fd, &last, sizeof(last), meta * 4096 + 136),
                         sizeof(last));
    }
    close(fd);
}

/* Without an end of its own, an enlargement to such a size would never have
 * one. */
static void last_page_beyond_the_file(void **state)
{
    static const uint64_t lasts[] = { UINT64_MAX,        UINT64_MAX - 1,
                                      (uint64_t)1 << 63, (uint64_t)3 << 60,
                                      (uint64_t)1 << 52, (uint64_t)1 << 51,
                                      (uint64_t)1 << 40, (uint64_t)1 << 23 };
    place *t = *state;
    vld_record r = record_of(1);

    for (size_t i = 0; i < sizeof(lasts) / sizeof(lasts[0]); i++) {
        vld_store *store = open_store(t, VLD_STORE_CREATE);

        assert_int_equal(put_one(store, "/a", &r), APR_SUCCESS);
        assert_int_equal(get(store, "/a", &r), APR_SUCCESS);
        pretend(t, lasts[i]);
        alarm(20);
        assert_int_not_equal(get(store, "/a", &r), APR_SUCCESS);
        assert_int_equal(get(store, "/a", &r), VLD_E_DAMAGED);
        alarm(0);
        vld_store_close(store);
        assert_int_equal(unlink(t->index), 0);
    }
}

static void limit(void *data)
{
    const struct rlimit none = { 0, RLIM_INFINITY };
    const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
    vld_store *store = open_small(data, VLD_STORE_READ);
    vld_record out;

    put_many_in_child(data);
    /* More than there is room for: never a wrong answer, never a crash. */
    if (setrlimit(RLIMIT_AS, &none) || get(store, "/none", &out) != VLD_E_FULL
        || get(store, "/srv/00099999", &out) != VLD_E_FULL) {
        _exit(2);
    }
    _exit(setrlimit(RLIMIT_AS, &all) == 0
                  && get(store, "/srv/00099999", &out) == APR_SUCCESS
                  && get(store, "/none", &out) == APR_NOTFOUND
              ? 42
              : 3);
}

static void no_room(void **state)
{
    place *t = *state;

    vld_store_close(open_store(t, VLD_STORE_CREATE));
    assert_int_equal(in_child(limit, t), 42);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(reader, "a reader whose map was outgrown enlarges it"),
        TEST(writer, "so does a writer"),
        TEST(under_readers, "readers go on while the map is enlarged"),
        TEST(under_a_batch, "under an open batch, too"),
        TEST(last_page_beyond_the_file,
             "a head whose last page the file cannot have is damaged"),
        TEST_IF(has_wide_addresses, no_room,
                "where there is no room that is told, until there is"),
    };

    return RUN(tests);
}
