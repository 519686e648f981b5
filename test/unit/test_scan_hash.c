/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of scan/hash.c: only what is settled is recorded. */
#include "index_test.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* The C library's, for all of this program: may say NFS. */
static bool is_coarse;

int fstatfs(int fd, struct statfs *out)
{
    int rv = (int)syscall(SYS_fstatfs, fd, out);

    if (is_coarse) {
        out->f_type = 0x6969;
    }
    return rv;
}

static void assert_content(vld_store *store, const char *path)
{
    vld_record r = found(store, path);
    vld_identity id;
    vld_digest d;
    struct stat st;
    uint64_t size;
    int fd = open(path, O_RDONLY);

    assert_int_equal(fstat(fd, &st), 0);
    vld_identity_of(&st, &id);
    assert_int_equal(vld_digest_fd(fd, &d, &size), APR_SUCCESS);
    assert_memory_equal(&r.digest, &d, sizeof(d));
    assert_true(vld_identity_equal(&r.identity, &id, VLD_COMPARE_STRICT));
    assert_false(vld_identity_racy(&r.identity, r.indexed_ns,
                                   vld_identity_margin_ns(fd, st.st_dev)));
    close(fd);
}

static void this_moment(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    const char *path = below(t->root, "f");

    for (int i = 0; i < 10; i++) {
        char text[32];

        sprintf(text, "text %d", i);
        write_text(path, text);
        assert_int_equal(scan(t, store).totals.hashed, 1);
        assert_content(store, path);
    }
    vld_store_close(store);
}

static void future_mtimes(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    const char *path = below(t->root, "f");
    scanned s;

    write_text(path, "x");
    set_mtime(path, time(NULL) + 1000000, 0);
    s = scan(t, store);
    assert_int_equal(s.totals.hashed, 1);
    assert_content(store, path);
    /* One that comes to pass while the scan runs is waited for. */
    set_mtime(path, time(NULL) + 1, 0);
    s = scan(t, store);
    assert_int_equal(s.totals.hashed + s.totals.unsettled, 1);
    if (s.totals.hashed) {
        assert_content(store, path);
    }
    vld_store_close(store);
}

static void many_of_this_moment(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    scanned s;

    for (int i = 0; i < 500; i++) {
        char name[32];

        sprintf(name, "f%d", i);
        write_text(below(t->root, name), name);
    }
    s = scan(t, store);
    assert_int_equal(s.totals.hashed, 500);
    for (int i = 0; i < 500; i++) {
        char name[32];

        sprintf(name, "f%d", i);
        assert_content(store, below(t->root, name));
    }
    vld_store_close(store);
}

/* In a process of its own: the margin of a device is kept for some time. */
static void scan_coarse(void *data)
{
    place *t = data;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    int64_t before = vld_now_ns();
    int64_t took;
    scanned s;

    is_coarse = true;
    for (int i = 0; i < 300; i++) {
        char name[32];

        sprintf(name, "f%d", i);
        write_text(below(t->root, name), name);
        if (i % 2) {
            set_mtime(below(t->root, name), 1600000000, 0);
        }
    }
    s = scan(t, store);
    took = vld_now_ns() - before;
    vld_store_close(store);
    _exit(s.totals.hashed == 300 && !s.problems && took >= 2000 * MS
                  && took < 8000 * MS
              ? 42
              : 1);
}

static void coarse_clock(void **state)
{
    assert_int_equal(in_child(scan_coarse, *state), 42);
}

typedef struct writer {
    const char *path;
    int stop;
    int64_t wrote_ns;   /* last */
    int64_t longest_ns; /* between two writes */
} writer;

static void *keep_writing(void *data)
{
    writer *w = data;
    int fd = open(w->path, O_WRONLY);
    unsigned i = 0;

    for (;;) {
        int64_t now_ns = vld_monotonic_ns();

        if (now_ns - w->wrote_ns > w->longest_ns) {
            w->longest_ns = now_ns - w->wrote_ns;
        }
        w->wrote_ns = now_ns;
        if (__atomic_load_n(&w->stop, __ATOMIC_RELAXED)
            || pwrite(fd, &i, sizeof(i), 0) != sizeof(i)) {
            break;
        }
        i++;
        nap_ms(1);
    }
    close(fd);
    return NULL;
}

/* A scan of a folder with a file that is written to all the time. */
static scanned scan_busy(vld_store *store, const char *folder, writer *w)
{
    vld_scan_options options = { .jobs = 2 };
    pthread_t thread;
    scanned s;

    assert_int_equal(mkdir(folder, 0755), 0);
    w->path = below(folder, "busy");
    w->stop = 0;
    w->longest_ns = 0;
    w->wrote_ns = vld_monotonic_ns();
    write_text(w->path, "12345678");
    write_text(below(folder, "calm"), "x");
    assert_int_equal(pthread_create(&thread, NULL, keep_writing, w), 0);
    assert_int_equal(scan_with(store, folder, options, &s), APR_SUCCESS);
    __atomic_store_n(&w->stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    return s;
}

/* On a machine that is busy itself the writer may pause for so long that the
 * file does settle: then once more, with another file.  (20 ms by a clock that
 * may be 10 ms behind.) */
static void never_settled(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_scan_options options = { .jobs = 2 };
    char folder[160];
    int tries = 0;
    writer w;
    vld_record r;
    scanned s;

    do {
        sprintf(folder, "%s/%d", t->root, tries);
        s = scan_busy(store, folder, &w);
    } while (!s.totals.unsettled && w.longest_ns >= 10 * MS && ++tries < 100);
    assert_int_equal(s.totals.unsettled, 1);
    assert_int_equal(s.totals.hashed, 1);
    assert_int_equal(s.problems, 1);
    assert_string_equal(s.path, w.path);
    assert_int_equal(get(store, w.path, &r), APR_NOTFOUND);
    assert_content(store, below(folder, "calm"));
    assert_int_equal(scan_with(store, folder, options, &s), APR_SUCCESS);
    assert_int_equal(s.totals.hashed, 1);
    assert_content(store, w.path);
    vld_store_close(store);
}

/* Writers that leave size and mtime alone, against scan after scan: a record
 * may be out of date, but whoever has its identity has its content. */
static void *deceive(void *data)
{
    writer *w = data;
    unsigned i = 0;

    while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
        char text[32];
        int fd = open(w->path, O_WRONLY);
        struct timespec times[2] = { { 0, UTIME_OMIT }, { 1000000000, 0 } };

        sprintf(text, "%08u", i++ % 100000000);
        if (pwrite(fd, text, 8, 0) != 8 || futimens(fd, times)) {
            close(fd);
            break;
        }
        close(fd);
        nap_ms(i % 7 * 9);
    }
    return NULL;
}

static void deceived(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    writer w = { .path = below(t->root, "f") };
    unsigned checked = 0;
    pthread_t thread;

    write_text(w.path, "........");
    assert_int_equal(pthread_create(&thread, NULL, deceive, &w), 0);
    for (int i = 0; i < 60; i++) {
        char text[8];
        vld_identity before;
        vld_identity after;
        vld_digest d;
        vld_record r;
        struct stat st;
        int fd;

        scan(t, store);
        fd = open(w.path, O_RDONLY);
        assert_int_equal(fstat(fd, &st), 0);
        vld_identity_of(&st, &before);
        assert_int_equal(pread(fd, text, 8, 0), 8);
        assert_int_equal(fstat(fd, &st), 0);
        vld_identity_of(&st, &after);
        close(fd);
        if (get(store, w.path, &r)
            || !vld_identity_equal(&r.identity, &before, VLD_COMPARE_STRICT)
            || !vld_identity_equal(&r.identity, &after, VLD_COMPARE_STRICT)) {
            continue;
        }
        assert_int_equal(vld_digest_bytes(text, 8, &d), APR_SUCCESS);
        assert_memory_equal(&d, &r.digest, sizeof(d));
        checked++;
    }
    __atomic_store_n(&w.stop, 1, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_true(checked > 0);
    vld_store_close(store);
}

static void sizes(void **state)
{
    static const size_t all[] = { 0, 1, 131071, 131072, 131073, 3000000 };
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    char *data = calloc(1, 3000000);
    uint64_t sum = 0;
    scanned s;

    for (unsigned i = 0; i < 6; i++) {
        char name[32];

        sprintf(name, "f%u", i);
        memset(data, 'a' + (int)i, all[i]);
        write_octets(below(t->root, name), data, all[i]);
        sum += all[i];
    }
    s = scan(t, store);
    assert_int_equal(s.totals.hashed, 6);
    assert_int_equal(s.totals.bytes, sum);
    for (unsigned i = 0; i < 6; i++) {
        char name[32];

        sprintf(name, "f%u", i);
        assert_content(store, below(t->root, name));
    }
    free(data);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(coarse_clock, "where clocks are coarse, what is new is waited "
                           "for 2 s, all at once"),
        TEST(this_moment, "a file written this moment is waited for and "
                          "recorded settled"),
        TEST(many_of_this_moment, "so are many"),
        TEST(future_mtimes, "an mtime in the future does not keep a file "
                            "out"),
        TEST(never_settled, "a file that keeps changing is left out, "
                            "reported, and recorded when it rests"),
        TEST(deceived, "a record's identity never stands for another "
                       "content"),
        TEST(sizes, "files of all sizes are recorded whole"),
    };

    return RUN(tests);
}
