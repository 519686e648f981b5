/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of scan/prune.c: which records go, and which stay whatever the file
 * system says. */
#include "index_test.h"

#include <sched.h>
#include <sys/mount.h>

static scanned prune_below(vld_store *store, const char *root)
{
    vld_scan_options options = { .jobs = 1, .prune = true };
    scanned out;

    assert_int_equal(scan_with(store, root, options, &out), APR_SUCCESS);
    return out;
}

static bool has(vld_store *store, const char *path)
{
    vld_record r;
    apr_status_t rv = get(store, path, &r);

    assert_true(rv == APR_SUCCESS || APR_STATUS_IS_NOTFOUND(rv));
    return rv == APR_SUCCESS;
}

static void make_tree(place *t)
{
    assert_int_equal(mkdir(below(t->root, "a"), 0755), 0);
    assert_int_equal(mkdir(below(t->root, "a/b"), 0755), 0);
    write_text(below(t->root, "f"), "f");
    write_text(below(t->root, "a/g"), "g");
    write_text(below(t->root, "a/b/h"), "h");
    write_text(below(t->root, "a/b/i"), "i");
}

static void removed(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    scanned s;

    make_tree(t);
    s = prune_below(store, t->root);
    assert_int_equal(s.totals.hashed, 4);
    assert_int_equal(s.totals.pruned, 0);
    unlink(below(t->root, "f"));
    unlink(below(t->root, "a/b/h"));
    s = prune_below(store, t->root);
    assert_int_equal(s.totals.pruned, 2);
    assert_int_equal(s.totals.kept, 0);
    assert_int_equal(s.problems, 0);
    assert_false(has(store, below(t->root, "f")));
    assert_false(has(store, below(t->root, "a/b/h")));
    assert_true(has(store, below(t->root, "a/b/i")));
    assert_true(has(store, below(t->root, "a/g")));
    vld_store_close(store);
}

static void folder_removed(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);

    make_tree(t);
    scan(t, store);
    assert_int_equal(rename(below(t->root, "a"), below(t->dir, "a")), 0);
    assert_int_equal(prune_below(store, t->root).totals.pruned, 3);
    assert_true(has(store, below(t->root, "f")));
    vld_store_close(store);
}

/* A file now stands where the folder was, and a folder where a file was. */
static void other_kinds(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);

    make_tree(t);
    scan(t, store);
    assert_int_equal(rename(below(t->root, "a"), below(t->dir, "a")), 0);
    write_text(below(t->root, "a"), "a");
    assert_int_equal(prune_below(store, t->root).totals.pruned, 3);
    assert_true(has(store, below(t->root, "a")));
    vld_store_close(store);
}

static void elsewhere(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);

    make_tree(t);
    assert_int_equal(put_one(store, below(t->dir, "rooted"), &r), 0);
    assert_int_equal(put_one(store, below(t->dir, "root2/f"), &r), 0);
    assert_int_equal(put_one(store, below(t->root, "gone"), &r), 0);
    assert_int_equal(prune_below(store, below(t->root, "a")).totals.pruned, 0);
    assert_true(has(store, below(t->root, "gone")));
    assert_int_equal(prune_below(store, t->root).totals.pruned, 1);
    assert_true(has(store, below(t->dir, "rooted")));
    assert_true(has(store, below(t->dir, "root2/f")));
    vld_store_close(store);
}

/* A folder that is older than the record: the file was never in it. */
static void not_mounted(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);
    scanned s;

    write_text(below(t->root, "f"), "f");
    assert_int_equal(mkdir(below(t->root, "mnt"), 0755), 0);
    r.indexed_ns = vld_now_ns() + INT64_C(60000000000);
    assert_int_equal(put_one(store, below(t->root, "mnt/x/f"), &r), 0);
    assert_int_equal(put_one(store, below(t->root, "mnt/x/g"), &r), 0);
    s = prune_below(store, t->root);
    assert_int_equal(s.totals.pruned, 0);
    assert_int_equal(s.totals.kept, 2);
    assert_int_equal(s.problems, 1);
    assert_string_equal(s.path, below(t->root, "mnt"));
    assert_true(has(store, below(t->root, "mnt/x/f")));
    vld_store_close(store);
}

/* Mounts of this process's own, gone with it. */
static bool can_mount(void)
{
    return !unshare(CLONE_NEWNS)
           && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static void unmounted(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    const char *mnt = below(t->root, "mnt");
    scanned s;

    assert_int_equal(mkdir(mnt, 0755), 0);
    nap_ms(2100); /* as far as a coarse clock may lag */
    assert_int_equal(mount("none", mnt, "tmpfs", 0, "size=64k"), 0);
    write_text(below(t->root, "mnt/f"), "f");
    write_text(below(t->root, "mnt/g"), "g");
    s = scan(t, store);
    unlink(below(t->root, "mnt/g"));
    assert_int_equal(prune_below(store, t->root).totals.pruned, 1);
    assert_int_equal(umount(mnt), 0);
    assert_int_equal(s.totals.hashed, 2);
    s = prune_below(store, t->root);
    assert_int_equal(s.totals.pruned, 0);
    assert_int_equal(s.totals.kept, 1);
    assert_true(has(store, below(t->root, "mnt/f")));
    s = prune_below(store, mnt);
    assert_int_equal(s.totals.kept, 1);
    vld_store_close(store);
}

static void nothing_left(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    scanned s;

    write_text(below(t->root, "f"), "f");
    write_text(below(t->root, "g"), "g");
    scan(t, store);
    unlink(below(t->root, "f"));
    unlink(below(t->root, "g"));
    s = prune_below(store, t->root);
    assert_int_equal(s.totals.pruned, 0);
    assert_int_equal(s.totals.kept, 2);
    assert_int_equal(s.problems, 1);
    assert_string_equal(s.path, t->root);
    write_text(below(t->root, "h"), "h");
    assert_int_equal(prune_below(store, t->root).totals.pruned, 2);
    vld_store_close(store);
}

static void root_missing(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_scan_options options = { .jobs = 1, .prune = true };
    scanned s;

    make_tree(t);
    scan(t, store);
    assert_int_equal(rename(t->root, below(t->dir, "away")), 0);
    assert_true(APR_STATUS_IS_ENOENT(scan_with(store, t->root, options, &s)));
    assert_int_equal(s.totals.pruned, 0);
    assert_true(has(store, below(t->root, "f")));
    vld_store_close(store);
}

static void no_permission(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    pid_t pid;
    int status;

    make_tree(t);
    scan(t, store);
    unlink(below(t->root, "a/b/h"));
    vld_store_close(store);
    assert_int_equal(chmod(below(t->root, "a"), 0), 0);
    assert_int_equal(chmod(t->dir, 0755), 0);
    pid = fork();
    if (!pid) {
        scanned s;

        /* The store is open before root's rights are given up. */
        store = open_store(t, VLD_STORE_WRITE);
        if (is_root() && setuid(65534)) {
            _exit(3);
        }
        s = prune_below(store, t->root);
        _exit(s.totals.pruned || s.totals.kept || s.totals.failed != 1
              || !has(store, below(t->root, "a/b/h")));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(below(t->root, "a"), 0755), 0);
}

static void one_file(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);

    make_tree(t);
    scan(t, store);
    unlink(below(t->root, "a/g"));
    assert_int_equal(put_one(store, below(t->root, "f/old"), &r), 0);
    assert_int_equal(prune_below(store, below(t->root, "f")).totals.pruned, 1);
    assert_true(has(store, below(t->root, "f")));
    assert_true(has(store, below(t->root, "a/g")));
    vld_store_close(store);
}

/* Longer than the system takes at once: some are there, some are not. */
static void long_paths(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = record_of(1);
    char name[201];
    char path[8192];
    int fd = open(t->root, O_RDONLY | O_DIRECTORY);
    size_t at = (size_t)sprintf(path, "%s", t->root);

    memset(name, 'n', 200);
    name[200] = '\0';
    for (int i = 0; i < 30; i++) {
        int next;

        assert_int_equal(mkdirat(fd, name, 0755), 0);
        next = openat(fd, name, O_RDONLY | O_DIRECTORY);
        close(fd);
        fd = next;
        at += (size_t)sprintf(path + at, "/%s", name);
    }
    close(openat(fd, "f", O_WRONLY | O_CREAT, 0644));
    close(fd);
    strcpy(path + at, "/g");
    assert_int_equal(put_one(store, path, &r), 0);
    strcpy(path + at, "/g/h/i");
    assert_int_equal(put_one(store, path, &r), 0);
    assert_int_equal(prune_below(store, t->root).totals.pruned, 2);
    strcpy(path + at, "/f");
    assert_true(has(store, path));
    vld_store_close(store);
}

static void many(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_scan_options options = { .jobs = 1,
                                 .batch_records = 100,
                                 .prune = true };
    vld_record r = record_of(1);
    vld_batch *batch;
    scanned s;

    write_text(below(t->root, "00777"), "x");
    assert_int_equal(vld_batch_begin(store, &batch), 0);
    for (int i = 0; i < 2000; i++) {
        char path[256];
        int len = sprintf(path, "%s/%05d", t->root, i);

        assert_int_equal(vld_batch_put(batch, path, (size_t)len, &r), 0);
    }
    assert_int_equal(vld_batch_commit(batch), 0);
    assert_int_equal(scan_with(store, t->root, options, &s), APR_SUCCESS);
    assert_int_equal(s.totals.pruned, 1999);
    assert_true(has(store, below(t->root, "00777")));
    vld_store_close(store);
}

static void linked(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);

    make_tree(t);
    scan(t, store);
    unlink(below(t->root, "f"));
    assert_int_equal(symlink("nowhere", below(t->root, "f")), 0);
    assert_int_equal(prune_below(store, t->root).totals.pruned, 0);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(removed, "records of removed files are dropped, others stay"),
        TEST(folder_removed, "so are those of a folder that was removed"),
        TEST(other_kinds, "and of a folder that is a file now"),
        TEST(linked, "a link to nowhere is something that is there"),
        TEST(elsewhere, "what is not below the root is left alone"),
        TEST(not_mounted, "a folder unchanged since keeps its records"),
        TEST_IF(can_mount, unmounted,
                "records below an unmounted file system "
                "are kept"),
        TEST(nothing_left, "a root without any file keeps its records"),
        TEST(root_missing, "a root that is missing prunes nothing"),
        TEST(no_permission, "a folder that cannot be searched keeps its "
                            "records"),
        TEST(one_file, "a root that is a file has only what is below it "
                       "pruned"),
        TEST(long_paths, "paths longer than the system takes are looked up"),
        TEST(many, "many records are dropped in batches"),
    };

    return RUN(tests);
}
