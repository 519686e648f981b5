/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of scan/scan.c: what a scan leaves in the index, whatever happens to
 * it. */
#include "index_test.h"

#include <pthread.h>

#define MANY 3000

static int64_t now_s(void)
{
    return vld_now_ns() / 1000000000; /* time() is a tick behind */
}

static void populate(place *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[32];

        sprintf(name, "d%u", i / 100);
        if (i % 100 == 0) {
            assert_int_equal(mkdir(below(t->root, name), 0755), 0);
        }
        sprintf(name, "d%u/f%u", i / 100, i);
        write_text(below(t->root, name), name);
    }
}

static uint64_t files_in(vld_store *store)
{
    vld_store_info info;

    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    return info.files;
}

/* --- what is recorded ---------------------------------------------------- */

static void first_and_second(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    uint64_t txn;
    scanned s;

    populate(t, 500);
    s = scan(t, store);
    assert_int_equal(s.totals.seen, 500);
    assert_int_equal(s.totals.hashed, 500);
    assert_int_equal(s.totals.unchanged, 0);
    assert_int_equal(files_in(store), 500);
    txn = vld_store_txn(store);
    s = scan(t, store);
    assert_int_equal(s.totals.seen, 500);
    assert_int_equal(s.totals.hashed, 0);
    assert_int_equal(s.totals.unchanged, 500);
    assert_int_equal(s.totals.bytes, 0);
    assert_int_equal(vld_store_txn(store), txn);
    vld_store_close(store);
}

static void touched(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    const char *path = below(t->root, "f");
    vld_record before;
    vld_record after;
    scanned s;

    write_text(path, "x");
    set_mtime(path, 1600000000, 5);
    scan(t, store);
    before = found(store, path);
    assert_int_equal(before.last_modified, 1600000000);
    set_mtime(path, 1700000000, 0);
    s = scan(t, store);
    assert_int_equal(s.totals.hashed, 1);
    assert_int_equal(s.totals.same_content, 1);
    after = found(store, path);
    assert_int_equal(after.last_modified, 1600000000);
    assert_memory_equal(&before.digest, &after.digest, sizeof(after.digest));
    assert_int_equal(after.identity.mtime_ns, 1700000000 * INT64_C(1000000000));
    assert_int_equal(scan(t, store).totals.unchanged, 1);
    vld_store_close(store);
}

static void edited(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    const char *path = below(t->root, "f");
    vld_record before;
    vld_record after;

    write_text(path, "x");
    set_mtime(path, 1600000000, 0);
    scan(t, store);
    before = found(store, path);
    write_text(path, "y");
    assert_int_equal(scan(t, store).totals.same_content, 0);
    after = found(store, path);
    assert_true(memcmp(&before.digest, &after.digest, sizeof(after.digest)));
    assert_in_range(after.last_modified, before.last_modified + 1, now_s());
    vld_store_close(store);
}

/* cp -p, rsync -t, reproducible builds. */
static void same_size_and_mtime(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    const char *path = below(t->root, "f");
    vld_record before;
    vld_record after;

    write_text(path, "one");
    set_mtime(path, 1600000000, 0);
    scan(t, store);
    before = found(store, path);
    write_text(path, "two");
    set_mtime(path, 1600000000, 0);
    assert_int_equal(scan(t, store).totals.hashed, 1);
    after = found(store, path);
    assert_true(memcmp(&before.digest, &after.digest, sizeof(after.digest)));
    assert_true(after.last_modified > before.last_modified);
    write_text(below(t->root, "g"), "six");
    set_mtime(below(t->root, "g"), 1600000000, 0);
    assert_int_equal(rename(below(t->root, "g"), path), 0);
    assert_int_equal(scan(t, store).totals.hashed, 1);
    before = found(store, path);
    assert_true(memcmp(&before.digest, &after.digest, sizeof(after.digest)));
    vld_store_close(store);
}

static void meaningless_mtimes(void **state)
{
    static const int64_t dates[] = { 0, 1, -1, -100000 };
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    int64_t before = now_s();

    for (int i = 0; i < 5; i++) {
        char name[32];
        const char *path;

        sprintf(name, "f%d", i);
        path = below(t->root, name);
        write_text(path, name);
        set_mtime(path, i < 4 ? dates[i] : now_s() + 5000, 0);
    }
    scan(t, store);
    for (int i = 0; i < 5; i++) {
        char name[32];

        sprintf(name, "f%d", i);
        assert_in_range(found(store, below(t->root, name)).last_modified,
                        before, now_s());
    }
    vld_store_close(store);
}

static void vanished(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);
    vld_record out;

    write_text(below(t->root, "f"), "x");
    assert_int_equal(put_one(store, below(t->root, "gone"), &r), APR_SUCCESS);
    assert_int_equal(scan(t, store).totals.hashed, 1);
    assert_int_equal(get(store, below(t->root, "gone"), &out), APR_SUCCESS);
    vld_store_close(store);
}

static void read_only_store(void **state)
{
    place *t = *state;
    vld_scan_options options = { .jobs = 2 };
    vld_store *store;
    scanned s;

    populate(t, 10);
    vld_store_close(open_store(t, VLD_STORE_CREATE));
    store = open_store(t, VLD_STORE_READ);
    assert_true(APR_STATUS_IS_EACCES(scan_with(store, t->root, options, &s)));
    vld_store_close(store);
}

static void many_jobs(void **state)
{
    place *t = *state;
    static const unsigned jobs[] = { 1, 2, 16, 10000 };

    populate(t, 500);
    for (int i = 0; i < 4; i++) {
        vld_scan_options options = { .jobs = jobs[i],
                                     .batch_records = i == 1 ? 1 : 7 };
        vld_store *store;
        scanned s;

        sprintf(t->index, "%s/index/%d.mdb", t->dir, i);
        store = open_store(t, VLD_STORE_CREATE);
        assert_int_equal(scan_with(store, t->root, options, &s), APR_SUCCESS);
        assert_int_equal(s.totals.hashed, 500);
        assert_int_equal(files_in(store), 500);
        vld_store_close(store);
    }
}

static void descriptors(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    int before;
    int after;

    populate(t, MANY);
    before = dup(0);
    close(before);
    scan(t, store);
    scan(t, store);
    after = dup(0);
    close(after);
    assert_int_equal(before, after);
    vld_store_close(store);
}

/* --- stopped ------------------------------------------------------------- */

static int stop_flag;

static void stop_soon(void *baton, const vld_scan_totals *so_far)
{
    (void)baton;
    (void)so_far;
    __atomic_store_n(&stop_flag, 1, __ATOMIC_RELAXED);
}

static void stopped(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_scan_options options = {
        .jobs = 1,
        .batch_records = 10,
        .stop = &stop_flag,
        .progress = stop_soon,
    };
    vld_scan_totals totals;
    int fd = open(below(t->root, "huge"), O_WRONLY | O_CREAT, 0644);

    populate(t, 100);
    /* A hole of a terabyte keeps the one hasher busy. */
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    stop_flag = 0;
    alarm(60);
    assert_int_equal(vld_scan(store, t->root, &options, &totals), APR_EINTR);
    alarm(0);
    assert_int_equal(files_in(store), totals.hashed);
    stop_flag = 1;
    assert_int_equal(vld_scan(store, t->root, &options, &totals), APR_EINTR);
    assert_int_equal(unlink(below(t->root, "huge")), 0);
    assert_int_equal(scan(t, store).totals.seen, 100);
    assert_int_equal(files_in(store), 100);
    vld_store_close(store);
}

static void progress(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_scan_options options = { .jobs = 1, .stop = &stop_flag };
    scanned s;
    int fd = open(below(t->root, "big"), O_WRONLY | O_CREAT, 0644);

    assert_int_equal(ftruncate(fd, (off_t)1 << 29), 0);
    close(fd);
    stop_flag = 0;
    assert_int_equal(scan_with(store, t->root, options, &s), APR_SUCCESS);
    assert_true(s.ticks > 0);
    assert_int_equal(s.totals.bytes, 1 << 29);
    vld_store_close(store);
}

/* --- beside others ------------------------------------------------------- */

static void scan_it(void *data)
{
    place *t = data;
    vld_scan_options options = { .jobs = 2, .batch_records = 20 };
    vld_store *store;
    vld_scan_totals totals;

    alarm(100);
    if (vld_store_open(&store, t->index, VLD_STORE_CREATE)
        || vld_scan(store, t->root, &options, &totals) || totals.failed
        || totals.unsettled) {
        _exit(1);
    }
    vld_store_close(store);
    _exit(0);
}

static void at_once(void **state)
{
    place *t = *state;
    vld_store *store;

    populate(t, MANY);
    for (int i = 0; i < 3; i++) {
        if (!fork()) {
            scan_it(t);
        }
    }
    for (int i = 0; i < 3; i++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(files_in(store), MANY);
    assert_int_equal(scan(t, store).totals.unchanged, MANY);
    vld_store_close(store);
}

typedef struct part {
    place *t;
    vld_store *store;
    apr_status_t rv;
    vld_scan_totals totals;
} part;

static void *scan_part(void *data)
{
    part *p = data;
    vld_scan_options options = { .jobs = 2, .batch_records = 20 };

    p->rv = vld_scan(p->store, p->t->root, &options, &p->totals);
    return NULL;
}

static void one_store(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    part parts[2];
    pthread_t thread[2];

    populate(t, 600);
    for (int i = 0; i < 2; i++) {
        parts[i].t = t;
        parts[i].store = store;
        assert_int_equal(pthread_create(&thread[i], NULL, scan_part, &parts[i]),
                         0);
    }
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        assert_int_equal(parts[i].rv, APR_SUCCESS);
        assert_int_equal(parts[i].totals.seen, 600);
    }
    assert_int_equal(files_in(store), 600);
    vld_store_close(store);
}

typedef struct rival {
    vld_store *store;
    const char *path;
    bool done;
} rival;

static void put_rival(void *baton, const vld_scan_totals *so_far)
{
    rival *v = baton;
    vld_record r = record_of(1);

    if (v->done || so_far->hashed != 1) {
        return;
    }
    r.indexed_ns = vld_now_ns();
    assert_int_equal(put_one(v->store, v->path, &r), APR_SUCCESS);
    v->done = true;
}

/* While a big file is read, the result of a small one waits to be written;
 * meanwhile another writer reads that file again. */
static void newer_record(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    rival v = { store, below(t->root, "small"), false };
    vld_scan_options options = {
        .jobs = 2,
        .progress = put_rival,
        .baton = &v,
    };
    vld_scan_totals totals;
    int fd = open(below(t->root, "big"), O_WRONLY | O_CREAT, 0644);

    assert_int_equal(ftruncate(fd, (off_t)1 << 29), 0);
    close(fd);
    write_text(v.path, "x");
    assert_int_equal(vld_scan(store, t->root, &options, &totals), APR_SUCCESS);
    assert_int_equal(totals.hashed, 2);
    assert_true(v.done);
    assert_int_equal(found(store, v.path).identity.inode, 4712);
    /* It is not that file's, so the next scan reads it. */
    assert_int_equal(scan(t, store).totals.hashed, 1);
    assert_int_equal(found(store, v.path).identity.size, 1);
    vld_store_close(store);
}

/* --- adopted ------------------------------------------------------------- */

static scanned adopt(place *t, vld_store *store)
{
    vld_scan_options options = { .jobs = 2, .adopt = true };
    scanned out;

    assert_int_equal(scan_with(store, t->root, options, &out), APR_SUCCESS);
    return out;
}

/* Another inode and ctime with the same size and mtime; its content is
 * another one, so that reading shows. */
static void copy_over(place *t, const char *path, const char *text,
                      int64_t mtime_s)
{
    write_text(below(t->dir, "copy"), text);
    set_mtime(below(t->dir, "copy"), mtime_s, 0);
    assert_int_equal(rename(below(t->dir, "copy"), path), 0);
}

static void adopted(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    const char *path = below(t->root, "f");
    vld_record before;
    vld_record after;
    struct stat st;
    scanned s;

    write_text(path, "one");
    set_mtime(path, 1600000000, 0);
    scan(t, store);
    before = found(store, path);
    copy_over(t, path, "two", 1600000000);
    s = adopt(t, store);
    assert_int_equal(s.totals.adopted, 1);
    assert_int_equal(s.totals.not_adopted, 0);
    assert_int_equal(s.totals.hashed, 0);
    assert_int_equal(s.totals.bytes, 0);
    after = found(store, path);
    assert_memory_equal(&before.digest, &after.digest, sizeof(after.digest));
    assert_int_equal(after.last_modified, 1600000000);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(after.identity.inode, st.st_ino);
    assert_false(vld_identity_racy(&after.identity, after.indexed_ns, 20 * MS));
    assert_int_equal(adopt(t, store).totals.unchanged, 1);
    vld_store_close(store);
}

static void not_asked_to_adopt(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    const char *path = below(t->root, "f");

    write_text(path, "one");
    set_mtime(path, 1600000000, 0);
    scan(t, store);
    copy_over(t, path, "two", 1600000000);
    assert_int_equal(scan(t, store).totals.hashed, 1);
    vld_store_close(store);
}

static void not_to_be_adopted(void **state)
{
    static const int64_t dates[] = {
        0, 1, -5, 315532800, 318211200, 499162500
    };
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    scanned s;

    for (unsigned i = 0; i < 6; i++) {
        char name[16];

        sprintf(name, "f%u", i);
        write_text(below(t->root, name), "one");
        set_mtime(below(t->root, name), dates[i], 0);
    }
    write_text(below(t->root, "moved"), "one");
    set_mtime(below(t->root, "moved"), 1600000000, 0);
    write_text(below(t->root, "grown"), "one");
    set_mtime(below(t->root, "grown"), 1600000000, 0);
    scan(t, store);
    for (unsigned i = 0; i < 6; i++) {
        char name[16];

        sprintf(name, "f%u", i);
        copy_over(t, below(t->root, name), "two", dates[i]);
    }
    copy_over(t, below(t->root, "moved"), "two", 1600000001);
    copy_over(t, below(t->root, "grown"), "three", 1600000000);
    write_text(below(t->root, "new"), "new");
    s = adopt(t, store);
    assert_int_equal(s.totals.adopted, 0);
    assert_int_equal(s.totals.hashed, 9);
    assert_int_equal(s.totals.not_adopted, 8);
    vld_store_close(store);
}

typedef struct better {
    vld_store *store;
    const char *path;
    bool done;
} better;

static void put_better(void *baton, const vld_scan_totals *so_far)
{
    better *v = baton;
    vld_record r;

    if (v->done || so_far->adopted != 1) {
        return;
    }
    /* Read before it was adopted, committed after. */
    r = found(v->store, v->path);
    memset(&r.digest, 7, sizeof(r.digest));
    assert_int_equal(put_one(v->store, v->path, &r), APR_SUCCESS);
    v->done = true;
}

static void known_better(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    better v = { store, below(t->root, "small"), false };
    vld_scan_options options = {
        .jobs = 2,
        .progress = put_better,
        .baton = &v,
        .adopt = true,
    };
    vld_scan_totals totals;
    int fd;

    write_text(v.path, "one");
    set_mtime(v.path, 1600000000, 0);
    scan(t, store);
    copy_over(t, v.path, "two", 1600000000);
    fd = open(below(t->root, "big"), O_WRONLY | O_CREAT, 0644);
    assert_int_equal(ftruncate(fd, (off_t)1 << 29), 0);
    close(fd);
    assert_int_equal(vld_scan(store, t->root, &options, &totals), APR_SUCCESS);
    assert_true(v.done);
    assert_int_equal(found(store, v.path).digest.bytes[0], 7);
    vld_store_close(store);
}

/* --- killed -------------------------------------------------------------- */

/* Longer where nothing had been committed yet, shorter where it was all over:
 * then from the beginning. */
static long next_delay(place *t, long ms, uint64_t *before, uint64_t files)
{
    if (files < MANY) {
        ms += files > *before ? 0 : 3;
        *before = files;
        return ms;
    }
    assert_int_equal(unlink(t->index), 0);
    assert_int_equal(unlink(below(t->dir, "index/v.mdb-lock")), 0);
    *before = 0;
    return ms / 2 + 1;
}

static void killed(void **state)
{
    place *t = *state;
    vld_store *store;
    uint64_t before = 0;
    unsigned in_the_middle = 0;
    long ms = 20;

    populate(t, MANY);
    for (int i = 0; i < 200 && in_the_middle < 5; i++) {
        uint64_t files;
        int status;
        pid_t pid = fork();

        if (!pid) {
            scan_it(t);
        }
        nap_ms(ms);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        store = open_store(t, VLD_STORE_CREATE);
        files = files_in(store);
        assert_true(files >= before && files <= MANY);
        in_the_middle += files > before && files < MANY;
        vld_store_close(store);
        ms = next_delay(t, ms, &before, files);
    }
    vld_store_close(open_store(t, VLD_STORE_CREATE));
    assert_int_equal(in_the_middle, 5);
    store = open_store(t, VLD_STORE_WRITE);
    assert_int_equal(scan(t, store).totals.unchanged, before);
    assert_int_equal(files_in(store), MANY);
    assert_int_equal(scan(t, store).totals.unchanged, MANY);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_and_second, "a first scan reads everything, a second "
                               "nothing"),
        TEST(touched, "a file that is touched keeps its date"),
        TEST(edited, "a file that is edited gets a later date"),
        TEST(same_size_and_mtime, "another content of the same size and "
                                  "mtime is noticed"),
        TEST(meaningless_mtimes, "an mtime without meaning gives the date of "
                                 "the scan"),
        TEST(vanished, "records of vanished files stay"),
        TEST(read_only_store, "a store open for reading is not scanned into"),
        TEST(many_jobs, "one thread or many give the same index"),
        TEST(descriptors, "no descriptor is left open"),
        TEST(stopped, "a scan that is told to stop does, and keeps what it "
                      "has"),
        TEST(progress, "progress is told while a big file is read"),
        TEST(at_once, "processes scan at once and lose nothing"),
        TEST(one_store, "threads scan into one store at once"),
        TEST(newer_record, "a record is not replaced by one read earlier"),
        TEST(adopted, "size and mtime are taken for the content, if asked to"),
        TEST(not_asked_to_adopt, "and only then"),
        TEST(not_to_be_adopted, "an mtime that tells nothing, and another size "
                                "or mtime, make it be read"),
        TEST(known_better, "what another writer has read is not replaced by "
                           "what was taken over"),
        TEST(killed, "a scan that is killed keeps what it had committed"),
    };

    return RUN(tests);
}
