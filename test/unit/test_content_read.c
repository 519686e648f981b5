/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of content/read.c: one file read by itself. */
#include "index_test.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define S INT64_C(1000000000)

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

static const char *rested(place *t, const char *name, const char *text)
{
    const char *path = below(t->root, name);

    write_text(path, text);
    set_mtime(path, 1600000000, 5);
    nap_ms(60);
    return path;
}

/* --- reading ------------------------------------------------------------- */

static void settled(void **state)
{
    place *t = *state;
    const char *path = rested(t, "f", "content");
    int64_t before = vld_now_ns();
    int64_t again = -1;
    vld_record r;
    vld_identity id;
    vld_digest d;
    struct stat st;

    assert_int_equal(vld_file_read(path, NULL, &r, &again), APR_SUCCESS);
    assert_int_equal(vld_digest_bytes("content", 7, &d), APR_SUCCESS);
    assert_memory_equal(&r.digest, &d, sizeof(d));
    assert_int_equal(stat(path, &st), 0);
    vld_identity_of(&st, &id);
    assert_true(vld_identity_equal(&r.identity, &id, VLD_COMPARE_STRICT));
    assert_in_range(r.indexed_ns, before, vld_now_ns());
    assert_int_equal(again, -1);
}

static void empty(void **state)
{
    place *t = *state;
    const char *path = rested(t, "f", "");
    int64_t again;
    vld_record r;
    vld_digest d;

    assert_int_equal(vld_file_read(path, NULL, &r, &again), APR_SUCCESS);
    assert_int_equal(vld_digest_bytes("", 0, &d), APR_SUCCESS);
    assert_memory_equal(&r.digest, &d, sizeof(d));
}

static void racy(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "f");
    int64_t again = 0;
    int64_t now;
    vld_record r;

    write_text(path, "x");
    now = vld_now_ns();
    assert_true(APR_STATUS_IS_EBUSY(vld_file_read(path, NULL, &r, &again)));
    assert_in_range(again, now + 1, now + S / 2);
    while (vld_now_ns() < again) {
        nap_ms(1);
    }
    assert_int_equal(vld_file_read(path, NULL, &r, &again), APR_SUCCESS);
}

static void read_coarsely(void *data)
{
    const char *path = data;
    int64_t again = 0;
    int64_t now = vld_now_ns();
    vld_record r;

    is_coarse = true;
    if (!APR_STATUS_IS_EBUSY(vld_file_read(path, NULL, &r, &again))) {
        _exit(1);
    }
    _exit(again < now + S || again > now + 3 * S ? 2 : 0);
}

/* In a process of its own, and before all others: the answer for a device is
 * kept. */
static void racy_for_long(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "f");

    nap_ms(10);
    write_text(path, "x");
    assert_int_equal(in_child(read_coarsely, (void *)(uintptr_t)path), 0);
}

static void from_the_future(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "f");
    int64_t again = 0;
    vld_record r;

    write_text(path, "x");
    set_mtime(path, time(NULL) + 1000000, 0);
    nap_ms(60);
    assert_int_equal(vld_file_read(path, NULL, &r, &again), APR_SUCCESS);
}

static int end_writing;

static void *keep_writing(void *data)
{
    int fd = open(data, O_WRONLY);

    for (unsigned i = 0; !__atomic_load_n(&end_writing, __ATOMIC_RELAXED);
         i++) {
        if (pwrite(fd, &i, sizeof(i), 0) < 0) {
            break;
        }
        nap_ms(1);
    }
    close(fd);
    return NULL;
}

static void changed_while_read(void **state)
{
    place *t = *state;
    const char *path = rested(t, "f", "");
    int64_t again = 0;
    int64_t now;
    vld_record r;
    pthread_t writer;
    int fd = open(path, O_WRONLY);

    assert_int_equal(ftruncate(fd, (off_t)1 << 29), 0);
    close(fd);
    nap_ms(60);
    end_writing = 0;
    /* The writer begins when the reading has: it takes far longer. */
    assert_int_equal(pthread_create(&writer, NULL, keep_writing,
                                    (void *)(uintptr_t)path),
                     0);
    now = vld_now_ns();
    assert_true(APR_STATUS_IS_EBUSY(vld_file_read(path, NULL, &r, &again)));
    assert_true(again > now);
    assert_true(again < vld_now_ns() + S);
    __atomic_store_n(&end_writing, 1, __ATOMIC_RELAXED);
    pthread_join(writer, NULL);
}

static void *touch_once(void *data)
{
    nap_ms(40);
    set_mtime(data, 1700000000, 0);
    return NULL;
}

static void touched_while_read(void **state)
{
    place *t = *state;
    const char *path = rested(t, "f", "");
    int64_t again = 0;
    vld_record r;
    pthread_t other;
    int fd = open(path, O_WRONLY);

    assert_int_equal(ftruncate(fd, (off_t)1 << 31), 0);
    close(fd);
    nap_ms(60);
    assert_int_equal(pthread_create(&other, NULL, touch_once,
                                    (void *)(uintptr_t)path),
                     0);
    assert_true(APR_STATUS_IS_EBUSY(vld_file_read(path, NULL, &r, &again)));
    pthread_join(other, NULL);
    nap_ms(60);
    assert_int_equal(vld_file_read(path, NULL, &r, &again), APR_SUCCESS);
    assert_int_equal(r.identity.mtime_ns, 1700000000 * S);
}

static void no_files(void **state)
{
    place *t = *state;
    int64_t again;
    vld_record r;
    const char *link = below(t->root, "link");
    const char *fifo = below(t->root, "fifo");

    assert_int_equal(symlink(rested(t, "f", "x"), link), 0);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    alarm(20);
    assert_int_equal(vld_file_read(link, NULL, &r, &again),
                     APR_FROM_OS_ERROR(ELOOP));
    assert_true(APR_STATUS_IS_EINVAL(vld_file_read(fifo, NULL, &r, &again)));
    assert_true(APR_STATUS_IS_EINVAL(vld_file_read(t->root, NULL, &r, &again)));
    assert_true(
        APR_STATUS_IS_EINVAL(vld_file_read("/dev/zero", NULL, &r, &again)));
    assert_true(APR_STATUS_IS_ENOENT(
        vld_file_read(below(t->root, "none"), NULL, &r, &again)));
    assert_true(APR_STATUS_IS_ENOTDIR(
        vld_file_read(below(t->root, "f/x"), NULL, &r, &again)));
    alarm(0);
}

static void no_permission_in_child(void *data)
{
    int64_t again;
    vld_record r;

    if (is_root() && setuid(65534)) {
        _exit(2);
    }
    _exit(!APR_STATUS_IS_EACCES(vld_file_read(data, NULL, &r, &again)));
}

static void no_permission(void **state)
{
    place *t = *state;
    const char *path = rested(t, "f", "x");

    assert_int_equal(chmod(t->dir, 0755), 0);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(in_child(no_permission_in_child, (void *)(uintptr_t)path),
                     0);
}

static int stop_flag;

static void *stop_soon(void *data)
{
    (void)data;
    nap_ms(50);
    __atomic_store_n(&stop_flag, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void stopped(void **state)
{
    place *t = *state;
    const char *path = rested(t, "f", "");
    int64_t again;
    vld_record r;
    vld_attempt how = { .stop = &stop_flag };
    pthread_t other;
    int fd = open(path, O_WRONLY);

    /* A hole of a terabyte is read for minutes. */
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    nap_ms(60);
    stop_flag = 0;
    assert_int_equal(pthread_create(&other, NULL, stop_soon, NULL), 0);
    alarm(60);
    assert_true(APR_STATUS_IS_EINTR(vld_file_read(path, &how, &r, &again)));
    alarm(0);
    pthread_join(other, NULL);
}

static int next_descriptor(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}

static void descriptors(void **state)
{
    place *t = *state;
    const char *path = rested(t, "f", "x");
    int before = next_descriptor();
    int64_t again;
    vld_record r;

    vld_file_read(path, NULL, &r, &again);
    vld_file_read(t->root, NULL, &r, &again);
    write_text(path, "y");
    vld_file_read(path, NULL, &r, &again);
    assert_int_equal(next_descriptor(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(racy_for_long, "where clocks are coarse, a file changed this "
                            "moment is busy for 2 s"),
        TEST(settled, "a settled file is read: digest, identity, time"),
        TEST(empty, "an empty file is a file"),
        TEST(racy, "a busy file can be read when it was said"),
        TEST(from_the_future, "an mtime far in the future does not matter"),
        TEST(changed_while_read, "a file that is written while it is read is "
                                 "busy"),
        TEST(touched_while_read, "so is one that is touched meanwhile"),
        TEST(no_files, "links, pipes, folders, devices and nothing are no "
                       "files"),
        TEST(no_permission, "a file without permission says so"),
        TEST(stopped, "reading ends soon when it is told to stop"),
        TEST(descriptors, "no descriptor is left open"),
    };

    return RUN(tests);
}
