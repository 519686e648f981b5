/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of scan/walk.c: which files a scan meets. */
#include "index_test.h"

#include <sys/socket.h>
#include <sys/un.h>

#define NOBODY 65534

static void only_regular_files(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    struct sockaddr_un address = { AF_UNIX, "" };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    scanned s;

    write_text(below(t->root, "file"), "x");
    write_text(below(t->dir, "outside"), "x");
    assert_int_equal(mkdir(below(t->root, "folder"), 0755), 0);
    write_text(below(t->root, "folder/file"), "x");
    write_text(below(t->root, "folder/.hidden"), "x");
    write_text(below(t->root, "folder/..."), "x");
    assert_int_equal(symlink("file", below(t->root, "link")), 0);
    assert_int_equal(symlink("../outside", below(t->root, "out")), 0);
    assert_int_equal(symlink("folder", below(t->root, "again")), 0);
    assert_int_equal(symlink("nowhere", below(t->root, "dangling")), 0);
    assert_int_equal(symlink(".", below(t->root, "loop")), 0);
    assert_int_equal(mkfifo(below(t->root, "fifo"), 0600), 0);
    strcpy(address.sun_path, below(t->root, "socket"));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    s = scan(t, store);
    assert_int_equal(s.totals.seen, 4);
    assert_int_equal(s.totals.hashed, 4);
    assert_int_equal(s.problems, 0);
    found(store, below(t->root, "folder/..."));
    close(fd);
    vld_store_close(store);
}

static void root_is_a_link(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_scan_options options = { .jobs = 0 };
    char link[160];
    char through[160];
    scanned s;
    vld_record r;

    sprintf(link, "%s/current", t->dir);
    sprintf(through, "%s/current/file", t->dir);
    write_text(below(t->root, "file"), "x");
    assert_int_equal(symlink("root", link), 0);
    assert_int_equal(scan_with(store, link, options, &s), APR_SUCCESS);
    assert_int_equal(s.totals.hashed, 1);
    found(store, below(t->root, "file"));
    assert_int_equal(get(store, through, &r), APR_NOTFOUND);
    vld_store_close(store);
}

static void root_is_a_file(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_scan_options options = { .jobs = 0 };
    const char *path = below(t->root, "file");
    scanned s;

    write_text(path, "x");
    write_text(below(t->root, "other"), "x");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(scan_with(store, path, options, &s), APR_SUCCESS);
        assert_int_equal(s.totals.seen, 1);
        assert_int_equal(s.totals.hashed, i == 0);
        assert_int_equal(s.totals.unchanged, i == 1);
    }
    found(store, path);
    vld_store_close(store);
}

static void no_root(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_scan_options options = { .jobs = 0 };
    const char *fifo = below(t->dir, "fifo");
    scanned s;

    assert_true(APR_STATUS_IS_ENOENT(
        scan_with(store, below(t->dir, "none"), options, &s)));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(scan_with(store, fifo, options, &s), APR_EINVAL);
    vld_store_close(store);
}

/* Names of 40 octets, so that the deepest path is beyond PATH_MAX. */
static void deep_tree(void **state)
{
    enum { DEPTH = 300 };
    static const char name[] = "0123456789012345678901234567890123456789";
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    int fd = open(t->root, O_RDONLY | O_DIRECTORY);
    char *path = malloc(DEPTH * sizeof(name) + 200);
    scanned s;

    strcpy(path, t->root);
    for (int i = 0; i < DEPTH; i++) {
        int next;
        int file = openat(fd, "f", O_WRONLY | O_CREAT, 0644);

        assert_int_equal(write(file, name, (size_t)i % 40), i % 40);
        close(file);
        assert_int_equal(mkdirat(fd, name, 0755), 0);
        next = openat(fd, name, O_RDONLY | O_DIRECTORY);
        assert_true(next >= 0);
        close(fd);
        fd = next;
        if (i) {
            strcat(strcat(path, "/"), name);
        }
    }
    close(fd);
    s = scan(t, store);
    assert_int_equal(s.problems, 0);
    assert_int_equal(s.totals.seen, DEPTH);
    assert_int_equal(s.totals.hashed, DEPTH);
    assert_int_equal(scan(t, store).totals.unchanged, DEPTH);
    strcat(path, "/f");
    assert_int_equal(found(store, path).identity.size, (DEPTH - 1) % 40);
    free(path);
    vld_store_close(store);
}

static void wide_tree(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);

    for (int i = 0; i < 500; i++) {
        char name[32];

        sprintf(name, "d%d", i);
        assert_int_equal(mkdir(below(t->root, name), 0755), 0);
        for (int k = 0; k < 4; k++) {
            sprintf(name, "d%d/f%d", i, k);
            write_text(below(t->root, name), name);
        }
    }
    assert_int_equal(scan(t, store).totals.hashed, 2000);
    assert_int_equal(scan(t, store).totals.unchanged, 2000);
    vld_store_close(store);
}

static void odd_names(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    char name[256];

    write_text(below(t->root, "new\nline"), "x");
    write_text(below(t->root, "\xff\xfe\x01"), "x");
    memset(name, 'n', 255);
    name[255] = '\0';
    write_text(below(t->root, name), "x");
    assert_int_equal(scan(t, store).totals.hashed, 3);
    found(store, below(t->root, "new\nline"));
    found(store, below(t->root, "\xff\xfe\x01"));
    found(store, below(t->root, name));
    vld_store_close(store);
}

/* --- what cannot be read, as somebody who is not root -------------------- */

static void as_nobody(place *t)
{
    if (geteuid() == 0
        && (chown(t->dir, NOBODY, NOBODY) || setresgid(NOBODY, NOBODY, NOBODY)
            || setresuid(NOBODY, NOBODY, NOBODY))) {
        _exit(99);
    }
}

static void scan_unreadable(void *data)
{
    place *t = data;
    vld_store *store = NULL;
    vld_scan_options options = { .jobs = 2 };
    scanned s;

    as_nobody(t);
    if (vld_store_open(&store, t->index, VLD_STORE_CREATE)
        || scan_with(store, t->root, options, &s)) {
        _exit(98);
    }
    vld_store_close(store);
    _exit((int)(s.totals.hashed * 10 + s.totals.failed * 3 + s.problems));
}

/* The files are another user's: where this runs as somebody, its own. */
static void unreadable(void **state)
{
    place *t = *state;

    write_text(below(t->root, "good"), "x");
    write_text(below(t->root, "secret"), "x");
    assert_int_equal(chmod(below(t->root, "secret"), 0), 0);
    assert_int_equal(mkdir(below(t->root, "closed"), 0755), 0);
    write_text(below(t->root, "closed/file"), "x");
    assert_int_equal(chmod(below(t->root, "closed"), 0), 0);
    assert_int_equal(in_child(scan_unreadable, t), 10 + 2 * 3 + 2);
    assert_int_equal(chmod(below(t->root, "closed"), 0755), 0);
}

static void index_itself(void **state)
{
    place *t = *state;
    vld_scan_options options = { .batch_records = 1 };
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    scanned s;

    for (int i = 0; i < 20; i++) {
        char name[32];

        sprintf(name, "f%d", i);
        write_text(below(t->root, name), name);
    }
    assert_int_equal(scan_with(store, t->dir, options, &s), APR_SUCCESS);
    assert_int_equal(s.totals.seen, 20);
    assert_int_equal(s.totals.hashed, 20);
    assert_int_equal(s.problems, 0);
    vld_store_close(store);
}

static void virtual_files(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_scan_options options = { .jobs = 0 };
    scanned s;

    assert_int_equal(access("/proc/self/status", F_OK), 0);
    assert_int_equal(scan_with(store, "/proc", options, &s), APR_SUCCESS);
    assert_int_equal(s.totals.seen, 0);
    assert_int_equal(s.problems, 1);
    assert_string_equal(s.path, "/proc");
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(only_regular_files, "regular files are met, links not followed, "
                                 "all else passed by"),
        TEST(root_is_a_link, "the root is taken by its real path"),
        TEST(root_is_a_file, "the root may be a file"),
        TEST(no_root, "a root that is absent or odd is an error"),
        TEST(deep_tree, "a tree deeper than any path may be is scanned"),
        TEST(wide_tree, "a tree of many folders is scanned"),
        TEST(odd_names, "names may have any octets"),
        TEST(unreadable, "what cannot be read is reported, the rest is "
                         "indexed"),
        TEST(index_itself, "the index itself is passed by"),
        TEST(virtual_files, "/proc is passed by and reported"),
    };

    return RUN(tests);
}
