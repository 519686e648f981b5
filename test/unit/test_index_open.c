/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/open.c: what is opened as an index, and what is refused. */
#include "index_test.h"

#include <lmdb.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "index/check.h"

#define RECORDS 2000

static apr_status_t try_open(place *t, vld_store_mode mode)
{
    vld_store *store = NULL;
    apr_status_t rv = vld_store_open(&store, t->index, mode);

    if (rv == APR_SUCCESS) {
        vld_store_close(store);
    }
    else {
        assert_null(store);
    }
    return rv;
}

static apr_status_t fill(vld_store *store, unsigned n)
{
    vld_batch *batch;
    apr_status_t rv = vld_batch_begin(store, &batch);

    for (unsigned i = 0; i < n && rv == APR_SUCCESS; i++) {
        char path[64];
        vld_record r = record_of(i);

        sprintf(path, "/srv/www/%08u/page.html", i * 7919 % n);
        rv = vld_batch_put(batch, path, strlen(path), &r);
    }
    assert_int_equal(rv, APR_SUCCESS);
    return vld_batch_commit(batch);
}

static void make(place *t, unsigned n)
{
    vld_store *store = open_store(t, VLD_STORE_CREATE);

    assert_int_equal(fill(store, n), APR_SUCCESS);
    vld_store_close(store);
}

static void made_and_opened(void **state)
{
    place *t = *state;
    vld_store_info info;
    vld_store *store;

    make(t, 5);
    store = open_store(t, VLD_STORE_READ);
    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    assert_int_equal(info.files, 5);
    assert_int_equal(info.format, 1);
    assert_in_range(info.created_ns, vld_now_ns() - 60000 * MS, vld_now_ns());
    assert_non_null(strstr(info.tool, "mod_validators "));
    vld_store_close(store);
    assert_int_equal(try_open(t, VLD_STORE_CREATE), APR_SUCCESS);
    assert_int_equal(try_open(t, VLD_STORE_WRITE), APR_SUCCESS);
}

static void absent(void **state)
{
    place *t = *state;

    assert_true(APR_STATUS_IS_ENOENT(try_open(t, VLD_STORE_READ)));
    assert_true(APR_STATUS_IS_ENOENT(try_open(t, VLD_STORE_WRITE)));
}

static void readers_write_nothing(void **state)
{
    place *t = *state;
    vld_store *store;
    vld_batch *batch;
    struct stat before;
    struct stat after;

    make(t, 5);
    assert_int_equal(stat(t->index, &before), 0);
    store = open_store(t, VLD_STORE_READ);
    assert_true(APR_STATUS_IS_EACCES(vld_batch_begin(store, &batch)));
    vld_store_close(store);
    assert_int_equal(stat(t->index, &after), 0);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
    assert_int_equal(before.st_ctim.tv_nsec, after.st_ctim.tv_nsec);
}

static void killed_while_made(void **state)
{
    place *t = *state;

    assert_int_equal(mkdir(below(t->dir, "index"), 0755), 0);
    write_text(t->index, "");
    assert_int_equal(try_open(t, VLD_STORE_READ), VLD_E_NOT_INDEX);
    assert_int_equal(try_open(t, VLD_STORE_CREATE), APR_SUCCESS);
    assert_int_equal(try_open(t, VLD_STORE_READ), APR_SUCCESS);
}

static void garbage(void **state)
{
    place *t = *state;
    unsigned char octets[20000];

    assert_int_equal(mkdir(below(t->dir, "index"), 0755), 0);
    for (unsigned kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < sizeof(octets); i++) {
            octets[i] = (unsigned char)(kind == 0   ? 0
                                        : kind == 1 ? 0xff
                                                    : rand());
        }
        write_octets(t->index, octets, kind == 3 ? 10 : sizeof(octets));
        for (int mode = VLD_STORE_READ; mode <= VLD_STORE_CREATE; mode++) {
            write_text(below(t->dir, "index/v.mdb-lock"), "");
            assert_int_equal(try_open(t, (vld_store_mode)mode),
                             VLD_E_NOT_INDEX);
        }
    }
}

static void odd_files(void **state)
{
    place *t = *state;
    vld_store *store;

    assert_int_equal(vld_store_open(&store, t->root, VLD_STORE_CREATE),
                     VLD_E_NOT_INDEX);
    assert_int_equal(mkdir(below(t->dir, "index"), 0755), 0);
    assert_int_equal(mkfifo(t->index, 0600), 0);
    assert_int_equal(try_open(t, VLD_STORE_READ), VLD_E_NOT_INDEX);
    assert_int_equal(try_open(t, VLD_STORE_CREATE), VLD_E_NOT_INDEX);
}

/* --- other environments of LMDB ------------------------------------------ */

typedef struct foreign {
    MDB_env *env;
    MDB_txn *txn;
} foreign;

static void open_foreign(place *t, foreign *f)
{
    assert_int_equal(mdb_env_create(&f->env), 0);
    assert_int_equal(mdb_env_set_maxdbs(f->env, 8), 0);
    assert_int_equal(mdb_env_open(f->env, t->index, MDB_NOSUBDIR, 0600), 0);
    assert_int_equal(mdb_txn_begin(f->env, NULL, 0, &f->txn), 0);
}

static void put_foreign(foreign *f, const char *name, const char *key,
                        const void *data, size_t size)
{
    MDB_val k = { strlen(key), (void *)(uintptr_t)key };
    MDB_val v = { size, (void *)(uintptr_t)data };
    MDB_dbi dbi;

    assert_int_equal(mdb_dbi_open(f->txn, name, name ? MDB_CREATE : 0, &dbi),
                     0);
    assert_int_equal(mdb_put(f->txn, dbi, &k, &v, 0), 0);
}

static void close_foreign(foreign *f)
{
    assert_int_equal(mdb_txn_commit(f->txn), 0);
    mdb_env_close(f->env);
}

static void somebody_elses(void **state)
{
    place *t = *state;
    foreign f;

    assert_int_equal(mkdir(below(t->dir, "index"), 0755), 0);
    open_foreign(t, &f);
    put_foreign(&f, NULL, "key", "value", 5);
    close_foreign(&f);
    assert_int_equal(try_open(t, VLD_STORE_READ), VLD_E_NOT_INDEX);
    assert_int_equal(try_open(t, VLD_STORE_WRITE), VLD_E_NOT_INDEX);
    assert_int_equal(try_open(t, VLD_STORE_CREATE), VLD_E_NOT_INDEX);
}

static void no_databases(void **state)
{
    place *t = *state;
    foreign f;

    assert_int_equal(mkdir(below(t->dir, "index"), 0755), 0);
    open_foreign(t, &f);
    close_foreign(&f);
    assert_int_equal(try_open(t, VLD_STORE_READ), VLD_E_NOT_INDEX);
    assert_int_equal(try_open(t, VLD_STORE_CREATE), APR_SUCCESS);
    assert_int_equal(try_open(t, VLD_STORE_READ), APR_SUCCESS);
}

static void set_format(place *t, const void *data, size_t size)
{
    foreign f;

    open_foreign(t, &f);
    put_foreign(&f, "meta", "format", data, size);
    close_foreign(&f);
}

static void other_version(void **state)
{
    place *t = *state;

    make(t, 5);
    set_format(t, "\3\0\0\0", 4);
    for (int mode = VLD_STORE_READ; mode <= VLD_STORE_CREATE; mode++) {
        assert_int_equal(try_open(t, (vld_store_mode)mode), VLD_E_VERSION);
    }
    set_format(t, "\0\0\0\0", 4);
    assert_int_equal(try_open(t, VLD_STORE_READ), VLD_E_VERSION);
    set_format(t, "\1", 1);
    assert_int_equal(try_open(t, VLD_STORE_READ), VLD_E_NOT_INDEX);
    set_format(t, "\1\0\0\0", 4);
    assert_int_equal(try_open(t, VLD_STORE_READ), APR_SUCCESS);
    set_format(t, "\2\0\0\0", 4);
    assert_int_equal(try_open(t, VLD_STORE_READ), APR_SUCCESS);
}

/* --- damage -------------------------------------------------------------- */

static apr_status_t ignore(void *baton, const char *path, size_t len,
                           const vld_record *record)
{
    (void)path;
    (void)len;
    *(unsigned *)baton += record != NULL;
    return APR_SUCCESS;
}

static void cut_short(void **state)
{
    place *t = *state;
    struct stat st;
    unsigned refused = 0;

    guard_faults();
    make(t, RECORDS);
    assert_int_equal(stat(t->index, &st), 0);
    for (off_t size = st.st_size - 1; size > 0; size -= 4096 * 3 + 1000) {
        apr_status_t rv;

        assert_int_equal(truncate(t->index, size), 0);
        rv = try_open(t, VLD_STORE_READ);
        /* Less than LMDB's two heads is no index at all. */
        if (size >= 8192) {
            assert_int_equal(rv, VLD_E_DAMAGED);
        }
        else {
            assert_true(rv == VLD_E_DAMAGED || rv == VLD_E_NOT_INDEX);
        }
        refused++;
    }
    assert_true(refused > 10);
}

/* LMDB leaves pages away that a transaction took at the end and gave back. */
static void shorter_but_whole(void **state)
{
    place *t = *state;
    vld_store *store;
    MDB_envinfo info;
    MDB_env *env;
    struct stat st;
    unsigned n = 0;

    guard_faults();
    make(t, RECORDS);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_mapsize(env, 1 << 30), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, t->index, MDB_NOSUBDIR, 0600), 0);
    for (int round = 0; round < 20; round++) {
        static char big[200000];
        MDB_val key = { 4, (char[]){ "/big" } };
        MDB_val val = { sizeof(big) + (size_t)round * 9000, NULL };
        MDB_txn *txn;
        MDB_dbi dbi;

        assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
        assert_int_equal(mdb_dbi_open(txn, "others", MDB_CREATE, &dbi), 0);
        assert_int_equal(mdb_put(txn, dbi, &key, &val, MDB_RESERVE), 0);
        memset(val.mv_data, 'x', val.mv_size);
        assert_int_equal(mdb_del(txn, dbi, &key, NULL), 0);
        key = (MDB_val){ 1, (char[]){ "k" } };
        val = (MDB_val){ 1, (char[]){ "v" } };
        assert_int_equal(mdb_put(txn, dbi, &key, &val, 0), 0);
        assert_int_equal(mdb_txn_commit(txn), 0);
        assert_int_equal(mdb_env_info(env, &info), 0);
        assert_int_equal(stat(t->index, &st), 0);
        if ((uint64_t)st.st_size < (info.me_last_pgno + 1) * 4096) {
            break;
        }
    }
    mdb_env_close(env);
    /* Else there is nothing to test. */
    assert_true((uint64_t)st.st_size < (info.me_last_pgno + 1) * 4096);
    store = open_store(t, VLD_STORE_READ);
    assert_int_equal(vld_store_each(store, "", ignore, &n), APR_SUCCESS);
    assert_int_equal(n, RECORDS);
    vld_store_close(store);
}

/* Version 1 had an empty database of this name. */
static void add_database(place *t, const char *name, unsigned records)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, t->index, MDB_NOSUBDIR, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, name, MDB_CREATE, &dbi), 0);
    for (unsigned i = 0; i < records; i++) {
        MDB_val key = { sizeof(i), &i };
        MDB_val val = { 100, NULL };

        assert_int_equal(mdb_put(txn, dbi, &key, &val, MDB_RESERVE), 0);
        memset(val.mv_data, 'x', val.mv_size);
    }
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void assert_usable(place *t, vld_store_mode mode, unsigned records)
{
    vld_store *store = open_store(t, mode);
    vld_store_info info;
    unsigned n = 0;

    if (mode != VLD_STORE_READ) {
        assert_int_equal(vld_store_check(store), APR_SUCCESS);
    }
    assert_int_equal(vld_store_each(store, "", ignore, &n), APR_SUCCESS);
    assert_int_equal(n, records);
    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    assert_int_equal(info.files, records);
    assert_int_equal(info.format, 1);
    vld_store_close(store);
}

static void other_databases(void **state)
{
    place *t = *state;
    vld_record r = record_of(1);
    vld_store *store;

    make(t, RECORDS);
    add_database(t, "declared", 0);
    add_database(t, "others", 2000);
    assert_usable(t, VLD_STORE_READ, RECORDS);
    assert_usable(t, VLD_STORE_WRITE, RECORDS);
    assert_usable(t, VLD_STORE_CREATE, RECORDS);
    store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(put_one(store, "/one/more", &r), APR_SUCCESS);
    assert_int_equal(vld_store_compact(store), APR_SUCCESS);
    vld_store_close(store);
    assert_usable(t, VLD_STORE_WRITE, RECORDS + 1);
}

static void cut_while_open(void **state)
{
    place *t = *state;
    vld_store *store;
    vld_store_info info;
    vld_record r;
    unsigned n = 0;

    guard_faults();
    make(t, RECORDS);
    store = open_store(t, VLD_STORE_READ);
    assert_true(vld_store_is_current(store));
    assert_int_equal(truncate(t->index, 8192), 0);
    assert_int_equal(get(store, "/srv/www/00000001/page.html", &r),
                     VLD_E_DAMAGED);
    assert_int_equal(vld_store_each(store, "", ignore, &n), VLD_E_DAMAGED);
    assert_int_equal(vld_store_stat(store, &info), VLD_E_DAMAGED);
    assert_int_equal(get(store, "/none", &r), VLD_E_DAMAGED);
    assert_false(vld_store_is_current(store));
    vld_store_close(store);
}

static void cut_to_nothing(void **state)
{
    place *t = *state;
    vld_store *store;

    guard_faults();
    make(t, RECORDS);
    store = open_store(t, VLD_STORE_READ);
    assert_int_not_equal(vld_store_txn(store), 0);
    assert_int_equal(truncate(t->index, 0), 0);
    assert_false(vld_store_is_current(store));
    assert_int_equal(vld_store_txn(store), 0);
    vld_store_close(store);
}

static void cut_under_a_writer(void **state)
{
    place *t = *state;
    vld_store *store;
    vld_record r = record_of(1);

    guard_faults();
    make(t, RECORDS);
    store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(truncate(t->index, 8192), 0);
    assert_int_equal(put_one(store, "/srv/www/00000001/page.html", &r),
                     VLD_E_DAMAGED);
    assert_int_equal(put_one(store, "/a", &r), VLD_E_DAMAGED);
    vld_store_close(store);
}

typedef struct trial {
    place *t;
    unsigned seed;
} trial;

/* Numbers in the two pages of the head: any, and such as are near a limit. */
static void damage_head(int fd)
{
    for (int i = 0; i < 4; i++) {
        uint64_t number = (uint64_t)1 << rand() % 64;
        off_t at = (off_t)rand() % 2 * 4096 + 16 + rand() % 18 * 8;

        if (rand() % 2) {
            number -= (uint64_t)(rand() % 3);
        }
        else if (rand() % 2) {
            number = (uint64_t)rand() << 32 ^ (uint64_t)rand();
        }
        if (pwrite(fd, &number, sizeof(number), at) != sizeof(number)) {
            _exit(98);
        }
    }
}

static void damage(const trial *d, off_t size)
{
    int fd = open(d->t->index, O_RDWR);

    if (d->seed % 2) {
        damage_head(fd);
    }
    for (int i = 0; i < 40; i++) {
        unsigned char octets[64];
        off_t at = 8192 + rand() % (size - 8192 - 64);

        for (size_t k = 0; k < sizeof(octets); k++) {
            octets[k] = (unsigned char)rand();
        }
        if (pwrite(fd, octets, sizeof(octets), at) != sizeof(octets)) {
            _exit(98);
        }
    }
    close(fd);
}

/* In a process of its own: whatever comes, no signal, and no record that
 * does not check. */
static void read_damaged(void *data)
{
    const trial *d = data;
    vld_store *store;
    struct stat st;

    guard_faults();
    alarm(30);
    srand(d->seed);
    if (stat(d->t->index, &st)) {
        _exit(97);
    }
    if (vld_store_open(&store, d->t->index, VLD_STORE_READ)) {
        _exit(0);
    }
    damage(d, st.st_size);
    for (unsigned i = 0; i < RECORDS; i++) {
        char path[64];
        vld_record r;
        vld_record expected = record_of(i);

        sprintf(path, "/srv/www/%08u/page.html", i * 7919 % RECORDS);
        vld_store_txn(store);
        if (!get(store, path, &r)
            && memcmp(&r.digest, &expected.digest, sizeof(r.digest))) {
            _exit(1);
        }
    }
    _exit(0);
}

static void overwritten(void **state)
{
    place *t = *state;
    trial d = { t, 1 };

    for (; d.seed <= 60; d.seed++) {
        make(t, RECORDS);
        assert_int_equal(in_child(read_damaged, &d), 0);
        assert_int_equal(unlink(t->index), 0);
        assert_int_equal(unlink(below(t->dir, "index/v.mdb-lock")), 0);
    }
}

/* Every page a leaf of keys of no length, so many that the sum of two numbers
 * of keys does not fit: LMDB's search in it goes round for ever. */
static void make_endless(void *data)
{
    static const uint16_t head[] = { 0, 0x22, 2, 4096 };
    const trial *d = data;
    vld_store *store;
    struct stat st;
    vld_record r;
    int fd;

    guard_faults();
    alarm(30);
    fd = open(d->t->index, O_RDWR);
    if (fd < 0 || fstat(fd, &st)
        || vld_store_open(&store, d->t->index, VLD_STORE_READ)
        || get(store, "/srv/www/00000001/page.html", &r)) {
        _exit(1);
    }
    for (off_t at = 2 * 4096; at < st.st_size; at += 4096) {
        if (pwrite(fd, head, sizeof(head), at + 8) != sizeof(head)) {
            _exit(2);
        }
    }
    _exit(get(store, "/srv/www/00000001/page.html", &r) == VLD_E_DAMAGED ? 0
                                                                         : 3);
}

static void endless_search(void **state)
{
    place *t = *state;
    trial d = { t, 0 };

    make(t, RECORDS);
    assert_int_equal(in_child(make_endless, &d), 0);
}

/* --- hostile states ------------------------------------------------------ */

static off_t size_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* Every mode refuses it with one of the two statuses, and leaves it. */
static void assert_refused(place *t, apr_status_t one, apr_status_t other)
{
    struct stat before;
    struct stat after;

    assert_int_equal(lstat(t->index, &before), 0);
    for (int mode = VLD_STORE_READ; mode <= VLD_STORE_CREATE; mode++) {
        apr_status_t rv = try_open(t, (vld_store_mode)mode);

        if (rv != one && rv != other) {
            print_message("# mode %d: %d\n", mode, rv - VLD_E_FIRST);
        }
        assert_true(rv == one || rv == other);
    }
    assert_int_equal(lstat(t->index, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

static void cut_at_every_page(void **state)
{
    static const off_t beside[] = { 1, 0, -1 };
    place *t = *state;
    off_t size;

    guard_faults();
    make(t, RECORDS);
    size = size_of(t->index);
    assert_true(size > 200000);
    for (off_t at = size - 4096; at > 0; at -= 4096) {
        for (int i = 0; i < 3; i++) {
            assert_int_equal(truncate(t->index, at + beside[i]), 0);
            assert_refused(t, VLD_E_DAMAGED,
                           at + beside[i] < 8192 ? VLD_E_NOT_INDEX
                                                 : VLD_E_DAMAGED);
        }
    }
}

/* Trials of one process each: bits of an index are flipped before it is
 * opened. */
static void read_flipped(void *data)
{
    const trial *d = data;
    off_t size = size_of(d->t->index);
    int fd = open(d->t->index, O_RDWR);
    vld_store *store;
    unsigned n = 0;

    guard_faults();
    alarm(30);
    srand(d->seed);
    for (unsigned i = 0; i <= d->seed % 100; i++) {
        off_t at = rand() % size;
        unsigned char octet;

        if (pread(fd, &octet, 1, at) != 1) {
            _exit(98);
        }
        octet ^= (unsigned char)(1 << rand() % 8);
        if (pwrite(fd, &octet, 1, at) != 1) {
            _exit(98);
        }
    }
    close(fd);
    if (vld_store_open(&store, d->t->index, VLD_STORE_READ)) {
        _exit(0);
    }
    for (unsigned i = 0; i < RECORDS; i++) {
        char path[64];
        vld_record r;
        vld_record expected = record_of(i);

        sprintf(path, "/srv/www/%08u/page.html", i * 7919 % RECORDS);
        vld_store_txn(store);
        if (!get(store, path, &r) && memcmp(&r, &expected, sizeof(r))) {
            _exit(1);
        }
    }
    vld_store_each(store, "", ignore, &n);
    _exit(n > RECORDS);
}

#define FLIPPED_TRIALS 300

static void bits_flipped(void **state)
{
    place *t = *state;
    const char *whole = below(t->dir, "whole");
    char command[256];
    trial d = { t, 1 };

    make(t, RECORDS);
    assert_int_equal(rename(t->index, whole), 0);
    sprintf(command, "cp '%s' '%s'", whole, t->index);
    for (; d.seed <= FLIPPED_TRIALS; d.seed++) {
        int rv;

        assert_int_equal(system(command), 0);
        rv = in_child(read_flipped, &d);
        if (rv) {
            print_message("# seed %u: %d\n", d.seed, rv);
        }
        assert_int_equal(rv, 0);
    }
}

static void spoil(place *t, off_t at, const void *octets, size_t len)
{
    int fd = open(t->index, O_RDWR);

    assert_int_equal(pwrite(fd, octets, len, at), (ssize_t)len);
    close(fd);
}

/* LMDB's mark and version stand behind the head of each of the first two
 * pages. */
static void other_machines(void **state)
{
    static const unsigned char swapped[] = { 0xbe, 0xef, 0xc0, 0xde };
    static const unsigned char mark[] = { 0xde, 0xc0, 0xef, 0xbe, 1, 0, 0, 0 };
    place *t = *state;
    off_t here = sizeof(size_t) > 4 ? 16 : 12;
    off_t there = sizeof(size_t) > 4 ? 12 : 16;
    uint32_t native;

    memcpy(&native, mark, sizeof(native));
    make(t, 5);
    spoil(t, here, native == 0xBEEFC0DEu ? swapped : mark, 4);
    spoil(t, 4096 + here, native == 0xBEEFC0DEu ? swapped : mark, 4);
    assert_refused(t, VLD_E_NOT_INDEX, VLD_E_NOT_INDEX);
    assert_int_equal(unlink(t->index), 0);
    make(t, 5);
    spoil(t, there, native == 0xBEEFC0DEu ? mark : swapped, 4);
    spoil(t, 4096 + there, native == 0xBEEFC0DEu ? mark : swapped, 4);
    spoil(t, here, mark + 4, 4);
    spoil(t, 4096 + here, mark + 4, 4);
    assert_refused(t, VLD_E_NOT_INDEX, VLD_E_NOT_INDEX);
}

static void other_version_of_lmdb(void **state)
{
    place *t = *state;
    off_t at = sizeof(size_t) > 4 ? 20 : 16;

    make(t, 5);
    spoil(t, at, "\x63", 1);
    spoil(t, 4096 + at, "\x63", 1);
    assert_refused(t, VLD_E_VERSION, VLD_E_VERSION);
}

/* --- replaced ------------------------------------------------------------ */

static void replaced(void **state)
{
    place *t = *state;
    vld_store *store;

    make(t, 5);
    store = open_store(t, VLD_STORE_READ);
    assert_true(vld_store_is_current(store));
    assert_int_equal(rename(t->index, below(t->dir, "other")), 0);
    assert_false(vld_store_is_current(store));
    write_text(t->index, "something else");
    assert_false(vld_store_is_current(store));
    assert_int_equal(rename(below(t->dir, "other"), t->index), 0);
    assert_true(vld_store_is_current(store));
    vld_store_close(store);
}

static void linked(void **state)
{
    place *t = *state;
    const char *link = below(t->dir, "link.mdb");
    vld_store *store;
    vld_record r;

    make(t, 5);
    assert_int_equal(symlink(t->index, link), 0);
    assert_int_equal(vld_store_open(&store, link, VLD_STORE_WRITE),
                     APR_SUCCESS);
    assert_int_equal(access(below(t->dir, "link.mdb-lock"), F_OK), -1);
    r = record_of(1);
    assert_int_equal(put_one(store, "/linked", &r), APR_SUCCESS);
    assert_true(vld_store_is_current(store));
    assert_int_equal(unlink(link), 0);
    assert_false(vld_store_is_current(store));
    vld_store_close(store);
}

/* --- lock files ---------------------------------------------------------- */

/* Keep a store open in another process until told. */
typedef struct holder {
    pid_t pid;
    int ready[2];
    int end[2];
} holder;

static void hold_open(place *t, holder *h)
{
    vld_store *store;
    char c;

    assert_int_equal(pipe(h->ready), 0);
    assert_int_equal(pipe(h->end), 0);
    h->pid = fork();
    if (h->pid) {
        /* Else a child that fails would be waited for for ever. */
        close(h->ready[1]);
        close(h->end[0]);
        assert_int_equal(read(h->ready[0], &c, 1), 1);
        return;
    }
    if (vld_store_open(&store, t->index, VLD_STORE_WRITE)
        || write(h->ready[1], "x", 1) != 1 || read(h->end[0], &c, 1) != 1) {
        _exit(1);
    }
    _exit(0);
}

static void let_go(holder *h)
{
    int status;

    assert_int_equal(write(h->end[1], "x", 1), 1);
    assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
    assert_int_equal(status, 0);
    close(h->ready[0]);
    close(h->end[1]);
}

/* Another index, of another number of commits, is moved over one that is open
 * somewhere: its lock file stays, and knows another transaction. */
static void replaced_under_its_lock(void **state)
{
    place *t = *state;
    const char *lock = below(t->dir, "index/v.mdb-lock");
    struct stat before;
    struct stat after;
    vld_store *store;
    vld_record r;
    holder h;

    for (int more = 0; more < 2; more++) {
        make(t, 5);
        assert_int_equal(rename(t->index, below(t->dir, "other")), 0);
        assert_int_equal(unlink(lock), 0);
        make(t, 6);
        store = open_store(t, VLD_STORE_WRITE);
        r = record_of(1);
        for (int i = 0; i < 8; i++) {
            assert_int_equal(put_one(store, "/more", &r), APR_SUCCESS);
        }
        vld_store_close(store);
        if (more) {
            assert_int_equal(rename(t->index, below(t->dir, "third")), 0);
            assert_int_equal(rename(below(t->dir, "other"), t->index), 0);
            assert_int_equal(rename(below(t->dir, "third"),
                                    below(t->dir, "other")),
                             0);
            assert_int_equal(unlink(lock), 0);
            vld_store_close(open_store(t, VLD_STORE_WRITE));
        }
        hold_open(t, &h);
        assert_int_equal(stat(lock, &before), 0);
        assert_int_equal(rename(below(t->dir, "other"), t->index), 0);
        store = open_store(t, VLD_STORE_READ);
        assert_int_equal(get(store, "/srv/www/00000003/page.html", &r),
                         APR_SUCCESS);
        vld_store_close(store);
        assert_int_equal(stat(lock, &after), 0);
        assert_int_equal(before.st_ino, after.st_ino);
        store = open_store(t, VLD_STORE_WRITE);
        assert_int_equal(stat(lock, &after), 0);
        assert_int_not_equal(before.st_ino, after.st_ino);
        assert_int_equal(get(store, "/srv/www/00000003/page.html", &r),
                         APR_SUCCESS);
        assert_int_equal(get(store, "/more", &r),
                         more ? APR_SUCCESS : APR_NOTFOUND);
        vld_store_close(store);
        let_go(&h);
        assert_int_equal(unlink(t->index), 0);
        assert_int_equal(unlink(lock), 0);
    }
}

/* A writer whose file was replaced must not write into the one that nobody
 * reads any more. */
static void writer_of_a_replaced_file(void **state)
{
    place *t = *state;
    vld_store *store;
    vld_record r = record_of(1);

    make(t, 5);
    store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(rename(t->index, below(t->dir, "other")), 0);
    assert_int_equal(put_one(store, "/a", &r), VLD_E_REPLACED);
    assert_int_equal(rename(below(t->dir, "other"), t->index), 0);
    assert_int_equal(put_one(store, "/a", &r), APR_SUCCESS);
    assert_int_equal(rename(below(t->dir, "index/v.mdb-lock"),
                            below(t->dir, "lock")),
                     0);
    assert_int_equal(put_one(store, "/a", &r), VLD_E_REPLACED);
    vld_store_close(store);
}

static void numbers_of_files(void **state)
{
    place *t = *state;
    uint64_t before;
    vld_store *store;

    make(t, 5);
    store = open_store(t, VLD_STORE_READ);
    before = vld_store_txn(store);
    assert_int_equal(vld_store_txn(store), before);
    vld_store_close(store);
    assert_int_equal(rename(t->index, below(t->dir, "other")), 0);
    assert_int_equal(unlink(below(t->dir, "index/v.mdb-lock")), 0);
    make(t, 5);
    store = open_store(t, VLD_STORE_READ);
    assert_int_not_equal(vld_store_txn(store), before);
    vld_store_close(store);
    /* The next one is likely to be given the same inode. */
    for (int i = 0; i < 3; i++) {
        before = vld_store_file_number(store = open_store(t, VLD_STORE_READ));
        vld_store_close(store);
        assert_int_equal(unlink(t->index), 0);
        assert_int_equal(unlink(below(t->dir, "index/v.mdb-lock")), 0);
        make(t, 5);
        store = open_store(t, VLD_STORE_READ);
        assert_int_not_equal(vld_store_file_number(store), before);
        vld_store_close(store);
    }
}

/* By a link, too: the lock file is then the one beside the index. */
static void in_place(void **state)
{
    place *t = *state;
    const char *link = below(t->dir, "link");
    vld_store *store;

    make(t, 5);
    assert_int_equal(symlink(t->index, link), 0);
    store = open_store(t, VLD_STORE_READ);
    assert_false(vld_store_is_in_place(store));
    vld_store_close(store);
    assert_int_equal(vld_store_open(&store, link, VLD_STORE_WRITE),
                     APR_SUCCESS);
    assert_true(vld_store_is_in_place(store));
    assert_int_equal(rename(t->index, below(t->dir, "other")), 0);
    assert_true(vld_store_is_in_place(store));
    assert_int_equal(unlink(below(t->dir, "index/v.mdb-lock")), 0);
    assert_false(vld_store_is_in_place(store));
    make(t, 5);
    assert_false(vld_store_is_in_place(store));
    vld_store_close(store);
}

static void held_folder(void **state)
{
    place *t = *state;
    vld_store *store;
    int held;

    make(t, 5);
    held = open(below(t->dir, "index"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(held, LOCK_EX), 0);
    assert_true(APR_STATUS_IS_EAGAIN(
        vld_store_open(&store, t->index, VLD_STORE_WRITE)));
    store = open_store(t, VLD_STORE_READ);
    vld_store_close(store);
    close(held);
    vld_store_close(open_store(t, VLD_STORE_WRITE));
}

static void relative_path(void **state)
{
    place *t = *state;
    vld_store *store;
    char *here = getcwd(NULL, 0);

    assert_int_equal(chdir(t->dir), 0);
    assert_int_equal(vld_store_open(&store, "v.mdb", VLD_STORE_CREATE),
                     APR_SUCCESS);
    vld_store_close(store);
    assert_int_equal(access(below(t->dir, "v.mdb"), F_OK), 0);
    assert_int_equal(chdir(here), 0);
    free(here);
}

static uint64_t limit_of(const place *t, rlim_t most)
{
    struct rlimit limit = { most, most };
    MDB_envinfo info;
    vld_store *store;

    if (setrlimit(RLIMIT_AS, &limit)
        || vld_store_open(&store, t->index, VLD_STORE_CREATE)
        || mdb_env_info(store->env, &info)) {
        return 0;
    }
    vld_store_close(store);
    return info.me_mapsize;
}

static void open_limited(void *data)
{
    _exit(limit_of(data, (rlim_t)6 << 30) == (uint64_t)4 << 30 ? 42 : 1);
}

static void open_too_limited(void *data)
{
    _exit(limit_of(data, (rlim_t)500 << 20) == 0 ? 42 : 1);
}

static void little_memory(void **state)
{
    assert_int_equal(in_child(open_limited, *state), 42);
    assert_int_equal(in_child(open_too_limited, *state), 42);
}

static bool has_wide_addresses(void)
{
    return is_unsanitized() && sizeof(size_t) > 4;
}

static void create_it(void *data)
{
    place *t = data;
    vld_store *store;
    vld_record r = record_of(1);
    char path[32];

    sprintf(path, "/%d", (int)getpid());
    if (vld_store_open(&store, t->index, VLD_STORE_CREATE)
        || put_one(store, path, &r)) {
        _exit(1);
    }
    vld_store_close(store);
}

static void made_at_once(void **state)
{
    place *t = *state;
    vld_store_info info;
    vld_store *store;

    for (int i = 0; i < 8; i++) {
        if (!fork()) {
            create_it(t);
            _exit(0);
        }
    }
    for (int i = 0; i < 8; i++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    store = open_store(t, VLD_STORE_READ);
    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    assert_int_equal(info.files, 8);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(made_and_opened, "a new index says what made it, and is opened "
                              "in every mode"),
        TEST(absent, "an index that is absent is not found"),
        TEST(readers_write_nothing, "a reader changes nothing and cannot "
                                    "write"),
        TEST(killed_while_made, "an index whose making was killed is made"),
        TEST(garbage, "garbage is no index"),
        TEST(odd_files, "a folder or a fifo is no index"),
        TEST(somebody_elses, "an LMDB file of another program is no index "
                             "and is left alone"),
        TEST(no_databases, "an LMDB file that holds nothing can become one"),
        TEST(other_version, "an index of another format is told"),
        TEST(cut_short, "an index that is cut short is damaged, wherever it "
                        "was cut"),
        TEST(shorter_but_whole, "an index that only lacks pages nobody uses "
                                "is whole"),
        TEST(other_databases, "databases of other names do no harm"),
        TEST(cut_while_open, "an index cut short while it is open is damaged "
                             "from then on"),
        TEST(cut_to_nothing, "so is one that is emptied"),
        TEST(cut_under_a_writer, "so is one under a writer"),
        TEST_IF(is_unsanitized, endless_search,
                "a page in which a search would have no end is damaged"),
        TEST_IF(is_unsanitized, overwritten,
                "overwritten pages give no signal and no wrong "
                "record"),
        TEST(cut_at_every_page, "an index cut at or beside any page is refused "
                                "in every mode and left as it is"),
        TEST_IF(is_unsanitized, bits_flipped,
                "flipped bits anywhere give no signal, no walk without end and "
                "no wrong record"),
        TEST(other_machines, "an index of another byte order or word size is "
                             "none here"),
        TEST(other_version_of_lmdb, "one of another version of LMDB is told"),
        TEST(replaced, "a store tells when another file is in its place"),
        TEST(linked, "the lock file of a link is that of the index"),
        TEST(replaced_under_its_lock, "a lock file of another index is "
                                      "replaced, by writers"),
        TEST(writer_of_a_replaced_file, "nothing is written to an index that "
                                        "was replaced"),
        TEST(numbers_of_files, "the numbers of two files are never equal"),
        TEST(in_place, "a store tells whether its file or its lock file is in "
                       "place"),
        TEST(held_folder, "a folder that is held for ever keeps writers "
                          "out, not readers"),
        TEST(relative_path, "a relative path is opened"),
        TEST_IF(has_wide_addresses, little_memory,
                "where address space is limited the map is smaller"),
        TEST(made_at_once, "many processes make one index at once"),
    };

    return RUN(tests);
}
