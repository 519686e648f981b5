/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/view.c: what is read counts only if no writer can have
 * overwritten it.  VLD_TEST_SECONDS makes the races last longer. */
#include "index_test.h"

#include <pthread.h>
#include <sys/mman.h>

#include "index/store.h"
#include "index/tree.h"

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

/* --- one look, and commits in the middle of it ---------------------------- */

typedef struct interrupted {
    vld_store *store;
    unsigned commits; /* in the middle of a look */
    unsigned looks;   /* that are interrupted; later ones are not */
    unsigned calls;
    bool faults; /* ... and fault after that */
    apr_status_t leaves;
    unsigned char page[4096]; /* the root, as it was */
    bool changed;
    volatile const char *nowhere; /* NULL */
} interrupted;

/* Commits that leave few pages as they are. */
static void commit_some(vld_store *store, unsigned n)
{
    static unsigned round;

    while (n--) {
        if (write_round(store, ++round)) {
            abort();
        }
    }
}

static const unsigned char *root_of(const vld_view *view)
{
    return view->octets + view->root * view->page_size;
}

static apr_status_t look_slowly(const vld_view *view, void *data)
{
    interrupted *in = data;

    if (in->calls++ >= in->looks) {
        return APR_SUCCESS;
    }
    memcpy(in->page, root_of(view), sizeof(in->page));
    commit_some(in->store, in->commits);
    in->changed = memcmp(in->page, root_of(view), sizeof(in->page)) != 0;
    if (in->faults) {
        (void)*in->nowhere;
    }
    return in->leaves;
}

static apr_status_t look_at(interrupted *in, unsigned commits, unsigned looks)
{
    in->commits = commits;
    in->looks = looks;
    in->calls = 0;
    return vld_view_read(in->store, look_slowly, in);
}

static interrupted *start(place *t)
{
    interrupted *in = calloc(1, sizeof(*in));

    guard_faults();
    in->store = open_store(t, VLD_STORE_CREATE);
    /* Both heads are in use, and there are free pages. */
    commit_some(in->store, 10);
    return in;
}

static void end(interrupted *in)
{
    vld_store_close(in->store);
    free(in);
}

static void bound(void **state)
{
    interrupted *in = start(*state);

    for (unsigned commits = 0; commits < 8; commits++) {
        assert_int_equal(look_at(in, commits, 1), APR_SUCCESS);
        assert_int_equal(in->calls, commits <= 1 ? 1 : 2);
    }
    end(in);
}

/* Two commits leave the pages as they were, three do not: what is begun after
 * two may write to them. */
static void bound_is_tight(void **state)
{
    interrupted *in = start(*state);

    for (unsigned i = 0; i < 20; i++) {
        look_at(in, 1, 1);
        assert_false(in->changed);
        look_at(in, 2, 1);
        assert_false(in->changed);
    }
    for (unsigned i = 0; i < 20 && !in->changed; i++) {
        look_at(in, 3, 1);
    }
    assert_true(in->changed);
    end(in);
}

static void unknown(void **state)
{
    interrupted *in = start(*state);

    assert_int_equal(look_at(in, 2, 15), APR_SUCCESS);
    assert_int_equal(in->calls, 16);
    assert_int_equal(look_at(in, 2, 16), VLD_E_UNKNOWN);
    assert_int_equal(in->calls, 16);
    assert_false(vld_store_is_dead(in->store));
    end(in);
}

static void any_result(void **state)
{
    static const apr_status_t results[] = { APR_SUCCESS, APR_NOTFOUND,
                                            APR_EGENERAL, VLD_E_DAMAGED };
    interrupted *in = start(*state);

    for (int i = 0; i < 4; i++) {
        in->leaves = results[i];
        assert_int_equal(look_at(in, 2, 1), APR_SUCCESS);
        assert_int_equal(look_at(in, 2, 16), VLD_E_UNKNOWN);
        assert_false(vld_store_is_dead(in->store));
        assert_int_equal(look_at(in, 1, 1), results[i]);
    }
    assert_true(vld_store_is_dead(in->store));
    end(in);
}

static void faults(void **state)
{
    interrupted *in = start(*state);

    in->faults = true;
    assert_int_equal(look_at(in, 2, 1), APR_SUCCESS);
    assert_int_equal(look_at(in, 5, 16), VLD_E_UNKNOWN);
    assert_false(vld_store_is_dead(in->store));
    assert_int_equal(look_at(in, 1, 1), VLD_E_DAMAGED);
    assert_true(vld_store_is_dead(in->store));
    end(in);
}

/* What a writer does to a head when its last write has failed. */
typedef struct taken_back {
    vld_store *store;
    unsigned calls;
    off_t at;
    int64_t less;
} taken_back;

static apr_status_t take_back(const vld_view *view, void *data)
{
    taken_back *b = data;
    off_t at = b->at + (off_t)(view->txn & 1 ? view->page_size : 0);
    int fd;
    uint64_t n;

    if (b->calls++) {
        return APR_SUCCESS;
    }
    fd = open(b->store->path, O_RDWR);
    if (pread(fd, &n, sizeof(n), at) != sizeof(n)) {
        abort();
    }
    n -= (uint64_t)b->less;
    if (pwrite(fd, &n, sizeof(n), at) != sizeof(n)) {
        abort();
    }
    close(fd);
    return APR_SUCCESS;
}

static void commit_taken_back(void **state)
{
    interrupted *in = start(*state);
    taken_back b = { in->store, 0, VLD_HEAD_TXN, 2 };

    assert_int_equal(vld_view_read(in->store, take_back, &b), APR_SUCCESS);
    assert_int_equal(b.calls, 2);
    end(in);
}

static void other_root(void **state)
{
    interrupted *in = start(*state);
    taken_back b = { in->store, 0, VLD_HEAD_MAIN + VLD_DB_ROOT, 1 };

    assert_int_equal(vld_view_read(in->store, take_back, &b), APR_SUCCESS);
    assert_int_equal(b.calls, 2);
    end(in);
}

/* --- under a writer that commits as fast as it can ------------------------ */

/* Each commit writes the next SOME of the KEYS, which are always there, and
 * MOVING others that the commit before has not; so the tree's shape changes,
 * and every page of it. */
enum { KEYS = 600, SOME = 12, MOVING = 6, PLACES = 5 };

/* In memory that the processes share. */
typedef struct race {
    char index[128];
    uint64_t begun; /* atomic: the commit that may be there */
    uint64_t done;  /* atomic: the one that is */
    uint64_t looks, walks, retries, unknowns; /* atomic */
    int stop;                                 /* atomic */
    int wrong;                                /* atomic: line of the check */
} race;

static uint64_t load(const uint64_t *n)
{
    return __atomic_load_n(n, __ATOMIC_SEQ_CST);
}

static void store(uint64_t *n, uint64_t value)
{
    __atomic_store_n(n, value, __ATOMIC_SEQ_CST);
}

static bool has_stopped(race *g)
{
    return __atomic_load_n(&g->stop, __ATOMIC_RELAXED)
           || __atomic_load_n(&g->wrong, __ATOMIC_RELAXED);
}

#define CHECK(g, holds)                                                        \
    do {                                                                       \
        if (!(holds)) {                                                        \
            __atomic_store_n(&(g)->wrong, __LINE__, __ATOMIC_RELAXED);         \
        }                                                                      \
    } while (0)

static vld_record version(uint64_t n)
{
    vld_record r = record_of((unsigned)n);

    r.indexed_ns = (int64_t)n + 1;
    return r;
}

static uint64_t version_of(const vld_record *r)
{
    return (uint64_t)r->indexed_ns - 1;
}

static int name_key(char name[128], unsigned key)
{
    return sprintf(name, "/srv/www/some/folder/with/a/name/%04u/page.html",
                   key);
}

static int name_moving(char name[128], uint64_t slot, unsigned i)
{
    return sprintf(name, "/srv/www/moving/%u/%u/%0*u", (unsigned)slot, i,
                   (int)(i % 50 + 1), i);
}

/* The latest commit up to n that has written the key. */
static uint64_t last_write(unsigned key, uint64_t n)
{
    uint64_t rounds = KEYS / SOME;
    uint64_t of_key = key / SOME;

    return n < rounds ? 0 : n - (n % rounds + rounds - of_key) % rounds;
}

static apr_status_t write_keys(vld_batch *batch, uint64_t n)
{
    vld_record r = version(n);
    apr_status_t rv = APR_SUCCESS;
    char name[128];

    for (unsigned i = 0; i < KEYS && !rv; i++) {
        if (!n || i / SOME == n % (KEYS / SOME)) {
            int len = name_key(name, i);

            rv = vld_batch_put(batch, name, (size_t)len, &r);
        }
    }
    for (unsigned i = 0; i < MOVING && !rv; i++) {
        int len = name_moving(name, n % PLACES, i);

        rv = vld_batch_put(batch, name, (size_t)len, &r);
        if (!rv && n) {
            len = name_moving(name, (n - 1) % PLACES, i);
            rv = vld_batch_delete(batch, name, (size_t)len);
        }
    }
    return rv ? rv : vld_batch_put(batch, "/n", 2, &r);
}

static apr_status_t commit_version(vld_store *index, race *g, uint64_t n)
{
    vld_batch *batch;
    apr_status_t rv = vld_batch_begin(index, &batch);

    if (rv) {
        return rv;
    }
    rv = write_keys(batch, n);
    if (rv) {
        vld_batch_abort(batch);
        return rv;
    }
    store(&g->begun, n);
    rv = vld_batch_commit(batch);
    if (!rv) {
        store(&g->done, n);
    }
    return rv;
}

/* After a writer that was killed: how far it had come. */
static uint64_t read_version(vld_store *index)
{
    vld_batch *batch;
    vld_record r;
    uint64_t n;

    if (vld_batch_begin(index, &batch)) {
        abort();
    }
    n = vld_batch_get(batch, "/n", 2, &r) ? UINT64_MAX : version_of(&r);
    vld_batch_abort(batch);
    return n;
}

/* Without fsync: it is the number of commits that counts here. */
static vld_store *open_fast(race *g)
{
    vld_store *index;

    if (vld_store_open(&index, g->index, VLD_STORE_CREATE)
        || mdb_env_set_flags(index->env, MDB_NOSYNC, 1)) {
        abort();
    }
    return index;
}

static void write_on(race *g)
{
    vld_store *index = open_fast(g);
    uint64_t n = read_version(index);

    store(&g->done, n);
    while (!has_stopped(g)) {
        if (commit_version(index, g, ++n)) {
            abort();
        }
    }
    vld_store_close(index);
}

/* --- readers of it -------------------------------------------------------- */

static void check_key(race *g, vld_store *index, unsigned key)
{
    uint64_t done = load(&g->done);
    char name[128];
    vld_record r;
    vld_record expected;
    int len = name_key(name, key);
    apr_status_t rv = vld_store_get(index, name, (size_t)len, &r);
    uint64_t begun = load(&g->begun);

    if (rv == VLD_E_UNKNOWN) {
        __atomic_fetch_add(&g->unknowns, 1, __ATOMIC_RELAXED);
        return;
    }
    CHECK(g, rv == APR_SUCCESS);
    if (rv != APR_SUCCESS) {
        return;
    }
    expected = version(version_of(&r));
    CHECK(g, !memcmp(&r, &expected, sizeof(r)));
    CHECK(g, !version_of(&r) || key / SOME == version_of(&r) % (KEYS / SOME));
    CHECK(g, version_of(&r) >= last_write(key, done));
    CHECK(g, version_of(&r) <= begun);
}

static void check_moving(race *g, vld_store *index, unsigned i)
{
    uint64_t done = load(&g->done);
    uint64_t slot = (done + i) % PLACES;
    char name[128];
    vld_record r;
    int len = name_moving(name, slot, i % MOVING);
    apr_status_t rv = vld_store_get(index, name, (size_t)len, &r);
    uint64_t begun = load(&g->begun);

    if (rv == APR_SUCCESS) {
        CHECK(g, version_of(&r) % PLACES == slot);
        CHECK(g, version_of(&r) >= done && version_of(&r) <= begun);
    }
    else if (rv != VLD_E_UNKNOWN) {
        CHECK(g, rv == APR_NOTFOUND);
        CHECK(g, begun > done || done % PLACES != slot);
    }
}

typedef struct round_trip {
    race *g;
    uint64_t done;
    unsigned next;
} round_trip;

static apr_status_t check_met(void *baton, const char *path, size_t len,
                              const vld_record *record)
{
    round_trip *w = baton;
    char name[128];

    CHECK(w->g, record);
    CHECK(w->g, w->next < KEYS);
    CHECK(w->g, (int)len == name_key(name, w->next) && !strcmp(path, name));
    CHECK(w->g, !record || version_of(record) >= last_write(w->next, w->done));
    w->next++;
    return has_stopped(w->g) ? APR_EINTR : APR_SUCCESS;
}

/* Each chunk is of one snapshot; the keys that are always there are met. */
static void check_walk(race *g, vld_store *index, uint64_t done)
{
    round_trip w = { g, done, 0 };
    apr_status_t rv = vld_store_each(index, "/srv/www/some", check_met, &w);

    if (rv == APR_SUCCESS) {
        CHECK(g, w.next == KEYS);
        __atomic_fetch_add(&g->walks, 1, __ATOMIC_RELAXED);
    }
    else {
        CHECK(g, rv == APR_EINTR || rv == VLD_E_UNKNOWN);
    }
}

static void check_stat(race *g, vld_store *index)
{
    vld_store_info info;
    apr_status_t rv = vld_store_stat(index, &info);

    CHECK(g, rv == VLD_E_UNKNOWN
                 || (rv == APR_SUCCESS && info.files == KEYS + MOVING + 1
                     && info.format == 1 && info.created_ns > 0));
}

static void *read_race(void *data)
{
    race *g = ((void **)data)[0];
    vld_store *index = ((void **)data)[1];
    unsigned n = (unsigned)getpid();

    while (!has_stopped(g)) {
        for (unsigned i = 0; i < 200; i++, n++) {
            check_key(g, index, n * 7919 % KEYS);
            check_moving(g, index, n);
        }
        __atomic_fetch_add(&g->looks, 400, __ATOMIC_RELAXED);
        check_walk(g, index, load(&g->done));
        check_stat(g, index);
    }
    return NULL;
}

/* A process of two threads that read. */
static void read_on(race *g, vld_store *index)
{
    void *both[2] = { g, index };
    pthread_t thread;

    if (pthread_create(&thread, NULL, read_race, both)) {
        abort();
    }
    read_race(both);
    pthread_join(thread, NULL);
    __atomic_fetch_add(&g->retries, index->retries, __ATOMIC_RELAXED);
    CHECK(g, !vld_store_is_dead(index));
}

static void read_opened(race *g)
{
    vld_store *index;
    apr_status_t rv = vld_store_open(&index, g->index, VLD_STORE_READ);

    CHECK(g, rv == APR_SUCCESS);
    if (rv == APR_SUCCESS) {
        read_on(g, index);
        vld_store_close(index);
    }
}

/* --- the races ------------------------------------------------------------ */

static race *start_race(place *t)
{
    race *g = mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    vld_store *index;

    assert_ptr_not_equal(g, MAP_FAILED);
    memset(g, 0, sizeof(*g));
    strcpy(g->index, t->index);
    guard_faults();
    index = open_fast(g);
    for (uint64_t n = 0; n < 60; n++) {
        assert_int_equal(commit_version(index, g, n), APR_SUCCESS);
    }
    vld_store_close(index);
    return g;
}

static pid_t start_process(race *g, void (*run)(race *))
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        alarm(600);
        run(g);
        _exit(0);
    }
    return pid;
}

static bool has_ended_well(pid_t pid)
{
    int status;

    return waitpid(pid, &status, 0) == pid && status == 0;
}

static int64_t race_ns(void)
{
    const char *seconds = getenv("VLD_TEST_SECONDS");

    return (seconds ? atol(seconds) : 2) * INT64_C(1000000000);
}

static void end_race(race *g, const char *what)
{
    print_message("# %s: %llu commits, %llu looks, %llu walks, %llu again, "
                  "%llu unknown\n",
                  what, (unsigned long long)g->done,
                  (unsigned long long)g->looks, (unsigned long long)g->walks,
                  (unsigned long long)g->retries,
                  (unsigned long long)g->unknowns);
    assert_int_equal(g->wrong, 0);
    assert_true(g->looks > 1000);
    munmap(g, sizeof(*g));
}

/* One process writes and two read until the time is over. */
static void run_race(void **state, void (*write)(race *), void (*read)(race *),
                     int64_t ns, const char *what)
{
    race *g = start_race(*state);
    pid_t writer = start_process(g, write);
    pid_t readers[2] = { start_process(g, read), start_process(g, read) };
    int64_t until = vld_now_ns() + ns;

    while (vld_now_ns() < until && !has_stopped(g)) {
        nap_ms(10);
    }
    g->stop = 1;
    assert_true(has_ended_well(writer));
    assert_true(has_ended_well(readers[0]));
    assert_true(has_ended_well(readers[1]));
    end_race(g, what);
}

static void fast_writer(void **state)
{
    run_race(state, write_on, read_opened, race_ns(), "fast writer");
}

/* Stopped anywhere: some in the middle of a descent, some just before the end
 * test. */
static void stopped_readers(void **state)
{
    race *g = start_race(*state);
    pid_t writer = start_process(g, write_on);
    pid_t readers[2] = { start_process(g, read_opened),
                         start_process(g, read_opened) };
    int64_t until = vld_now_ns() + race_ns();
    uint64_t stops = 0;

    for (; vld_now_ns() < until && !has_stopped(g); stops++) {
        const struct timespec nap = { 0, (long)(stops * 7919 % 900) * 1000 };

        kill(readers[stops % 2], SIGSTOP);
        nanosleep(&nap, NULL);
        kill(readers[stops % 2], SIGCONT);
    }
    g->stop = 1;
    assert_true(has_ended_well(writer));
    assert_true(has_ended_well(readers[0]));
    assert_true(has_ended_well(readers[1]));
    print_message("# %llu stops\n", (unsigned long long)stops);
    end_race(g, "stopped readers");
}

static void killed(void **state)
{
    race *g = start_race(*state);
    pid_t reader = start_process(g, read_opened);
    int64_t until = vld_now_ns() + 2 * race_ns();
    uint64_t kills = 0;

    for (; vld_now_ns() < until && !has_stopped(g); kills++) {
        const struct timespec nap = { 0, (long)(kills * 7919 % 9000) * 1000 };
        pid_t pid = start_process(g, kills % 4 ? write_on : read_opened);
        int status;

        nanosleep(&nap, NULL);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    g->stop = 1;
    assert_true(has_ended_well(reader));
    print_message("# %llu kills\n", (unsigned long long)kills);
    end_race(g, "killed writers and readers");
}

static vld_store *inherited;

static void read_inherited(race *g)
{
    pid_t pid = fork();

    read_on(g, inherited);
    if (!pid) {
        _exit(0);
    }
    CHECK(g, has_ended_well(pid));
}

/* The store is the writer's own. */
static void over_fork(void **state)
{
    race *g = start_race(*state);
    pid_t readers[2];
    int64_t until;
    uint64_t n;

    inherited = open_fast(g);
    n = read_version(inherited);
    readers[0] = start_process(g, read_inherited);
    readers[1] = start_process(g, read_inherited);
    until = vld_now_ns() + race_ns();
    while (vld_now_ns() < until && !has_stopped(g)) {
        assert_int_equal(commit_version(inherited, g, ++n), APR_SUCCESS);
    }
    g->stop = 1;
    assert_true(has_ended_well(readers[0]));
    assert_true(has_ended_well(readers[1]));
    vld_store_close(inherited);
    end_race(g, "inherited over fork");
}

/* --- under one that grows, compacts and replaces the file ----------------- */

static void grow_it(vld_store *index, unsigned n)
{
    vld_batch *batch;
    vld_record r = record_of(n);
    char name[128];

    if (vld_batch_begin(index, &batch)) {
        abort();
    }
    for (unsigned i = 0; i < 20000; i++) {
        int len = sprintf(name, "/srv/www/more/%u/%08u", n % 3, i);

        if (n % 2
                ? vld_batch_put(batch, name, (size_t)len, &r)
                : vld_batch_delete(batch, name, (size_t)len) == APR_EGENERAL) {
            abort();
        }
    }
    if (vld_batch_commit(batch)) {
        abort();
    }
}

/* As an administrator does: a copy is moved over it, and the lock file is
 * removed. */
static void replace_it(race *g)
{
    char command[1024];

    sprintf(command,
            "cp -p '%s' '%s-copy' && mv '%s-copy' '%s' && rm '%s-lock'",
            g->index, g->index, g->index, g->index, g->index);
    if (system(command)) {
        abort();
    }
}

static void change_it(race *g)
{
    vld_store *index = open_fast(g);
    uint64_t n = read_version(index);

    for (unsigned round = 0; !has_stopped(g); round++) {
        grow_it(index, round);
        for (int i = 0; i < 20; i++) {
            if (commit_version(index, g, ++n)) {
                abort();
            }
        }
        if (round % 3 == 1 && vld_store_compact(index)) {
            abort();
        }
        if (round % 3) {
            vld_store_close(index);
            if (round % 3 == 2) {
                replace_it(g);
            }
            index = open_fast(g);
        }
    }
    vld_store_close(index);
}

/* For a moment the file that it has open may be an older one. */
static void read_changing(race *g)
{
    vld_store *index = NULL;
    unsigned opened = 0;

    while (!has_stopped(g)) {
        if (index && !vld_store_is_current(index)) {
            vld_store_close(index);
            index = NULL;
        }
        if (!index) {
            apr_status_t rv = vld_store_open(&index, g->index, VLD_STORE_READ);

            CHECK(g, rv == APR_SUCCESS);
            opened++;
            continue;
        }
        for (unsigned i = 0; i < 100; i++) {
            char name[128];
            vld_record r;
            int len = name_key(name, i * 7919 % KEYS);
            apr_status_t rv = vld_store_get(index, name, (size_t)len, &r);

            CHECK(g, rv == APR_SUCCESS || rv == VLD_E_UNKNOWN);
        }
        __atomic_fetch_add(&g->looks, 100, __ATOMIC_RELAXED);
        check_walk(g, index, 0);
    }
    CHECK(g, opened > 2);
}

static void changing_file(void **state)
{
    run_race(state, change_it, read_changing, 2 * race_ns(),
             "a file that is enlarged, compacted and replaced");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bound, "a look counts where one commit at most came in between"),
        TEST(bound_is_tight, "pages are as they were after two commits, and "
                             "not after three"),
        TEST(unknown, "after 16 looks the result is unknown"),
        TEST(any_result, "no result counts without the end test, and damage "
                         "that counts makes the store dead"),
        TEST_IF(is_unsanitized, faults, "nor does a fault"),
        TEST(commit_taken_back, "nor one of a commit that was taken back"),
        TEST(other_root, "nor one of another root"),
        TEST(threads, "threads read whole records while a batch is "
                      "committed"),
        TEST(closed_under_threads, "threads outlive any number of stores that "
                                   "they read in"),
        TEST(no_snapshot_is_pinned, "a reader keeps no writer from a page"),
        TEST(fast_writer, "under a fast writer nothing is missed, wrong or "
                          "called damaged"),
        TEST(stopped_readers, "nor by readers that are stopped in the middle"),
        TEST(killed, "nor where writers and readers are killed"),
        TEST(over_fork, "nor in children that have inherited the writer's "
                        "store"),
        TEST(changing_file, "nor in a file that is enlarged, compacted and "
                            "replaced"),
    };

    return RUN(tests);
}
