/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of content/beneath.c: paths lead where their names say, or nowhere. */
#include "index_test.h"

#include "validators/content.h"

static void plain(void **state)
{
    place *t = *state;
    struct stat st, same;
    int fd;

    write_text(below(t->root, "file"), "octets");
    fd = vld_beneath_open(below(t->root, "file"), O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    close(fd);
    assert_int_equal(vld_beneath_stat(below(t->root, "file"), &same), 0);
    assert_int_equal(st.st_ino, same.st_ino);
    assert_int_equal(vld_beneath_stat("/", &st), 0);
    assert_true(S_ISDIR(st.st_mode));
}

static void no_link_at_the_end(void **state)
{
    place *t = *state;
    struct stat st;

    assert_int_equal(symlink("/etc/passwd", below(t->root, "link")), 0);
    assert_int_equal(vld_beneath_open(below(t->root, "link"), O_RDONLY), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(vld_beneath_stat(below(t->root, "link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

static void no_link_on_the_way(void **state)
{
    place *t = *state;
    vld_record record;
    struct stat st;
    int64_t again_ns;

    assert_int_equal(symlink("/etc", below(t->root, "etc")), 0);
    assert_int_equal(access(below(t->root, "etc/passwd"), R_OK), 0);
    assert_int_equal(vld_beneath_stat(below(t->root, "etc/passwd"), &st), -1);
    assert_true(vld_beneath_is_gone(errno));
    assert_int_not_equal(vld_file_read(below(t->root, "etc/passwd"), NULL,
                                       &record, &again_ns),
                         APR_SUCCESS);
}

static void absent(void **state)
{
    place *t = *state;
    struct stat st;

    assert_int_equal(vld_beneath_stat(below(t->root, "no/where"), &st), -1);
    assert_int_equal(errno, ENOENT);
    write_text(below(t->root, "file"), "");
    assert_int_equal(vld_beneath_stat(below(t->root, "file/x"), &st), -1);
    assert_true(vld_beneath_is_gone(errno));
    assert_false(vld_beneath_is_gone(EACCES));
}

/* Longer than the system's calls take. */
static void long_paths(void **state)
{
    place *t = *state;
    char path[8192], name[201];
    struct stat st;
    int fd = open(t->root, O_PATH | O_DIRECTORY);

    memset(name, 'n', 200);
    name[200] = '\0';
    strcpy(path, t->root);
    for (int i = 0; i < 30; i++) {
        int next;

        assert_int_equal(mkdirat(fd, name, 0755), 0);
        next = openat(fd, name, O_PATH | O_DIRECTORY);
        assert_true(next >= 0);
        close(fd);
        fd = next;
        strcat(strcat(path, "/"), name);
    }
    close(fd);
    assert_true(strlen(path) > 4096);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(vld_beneath_stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    memset(path, 'x', 300);
    path[0] = '/';
    path[300] = '\0';
    assert_int_equal(vld_beneath_stat(path, &st), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

static int descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

static void nothing_stays_open(void **state)
{
    place *t = *state;
    struct stat st;
    int before = descriptors();

    vld_beneath_stat(below(t->root, "no/where/at/all"), &st);
    vld_beneath_stat(t->root, &st);
    vld_beneath_open(below(t->root, "x"), O_RDONLY);
    assert_int_equal(descriptors(), before);
}

static void from_a_folder(void **state)
{
    place *t = *state;
    int folder = open(t->root, O_PATH | O_DIRECTORY);
    int before = descriptors();
    struct stat st, same;
    int fd;

    assert_int_equal(mkdir(below(t->root, "a"), 0755), 0);
    assert_int_equal(mkdir(below(t->root, "a/b"), 0755), 0);
    write_text(below(t->root, "a/b/file"), "octets");
    assert_int_equal(symlink("a", below(t->root, "link")), 0);
    assert_int_equal(stat(below(t->root, "a/b/file"), &st), 0);
    for (int slash = 0; slash < 2; slash++) {
        fd = vld_beneath_openat(folder, &"/a/b/file"[1 - slash], O_RDONLY);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(fstat(fd, &same), 0);
        assert_int_equal(st.st_ino, same.st_ino);
        close(fd);
        fd = vld_beneath_openat(folder, &"/"[1 - slash], O_PATH);
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(vld_beneath_openat(folder, "link/b/file", O_RDONLY), -1);
    assert_true(vld_beneath_is_gone(errno));
    assert_int_equal(vld_beneath_openat(folder, "link", O_RDONLY), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(vld_beneath_openat(folder, "a/c/file", O_RDONLY), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(descriptors(), before);
    assert_int_equal(fstat(folder, &st), 0);
    close(folder);
}

/* Only its owner and root may leave a file's atime alone. */
static void read_others_file(void *data)
{
    int fd;

    if (is_root() && setuid(65534)) {
        _exit(2);
    }
    if (open(data, VLD_OPEN_TO_READ) >= 0 || errno != EPERM) {
        _exit(3);
    }
    fd = vld_beneath_open(data, VLD_OPEN_TO_READ);
    _exit(fd < 0 || fcntl(fd, F_GETFL) & O_NOATIME);
}

static void atime(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "file");
    int fd;

    write_text(path, "octets");
    assert_int_equal(chmod(t->dir, 0755), 0);
    fd = vld_beneath_open(path, VLD_OPEN_TO_READ);
    assert_true(fcntl(fd, F_GETFL) & O_NOATIME);
    close(fd);
    assert_int_equal(in_child(read_others_file, (void *)(uintptr_t)path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain, "a path is opened and looked at"),
        TEST(no_link_at_the_end, "a link at the end is not followed"),
        TEST(no_link_on_the_way, "a link on the way leads nowhere"),
        TEST(absent, "what is not there is gone, what is closed is not"),
        TEST(long_paths, "paths longer than PATH_MAX are reached"),
        TEST(nothing_stays_open, "no descriptor is left behind"),
        TEST(from_a_folder, "the way may begin at an open folder"),
        TEST_IF(is_root, atime,
                "the atime is left alone where that is "
                "allowed, else the file is read all the same"),
    };

    return RUN(tests);
}
