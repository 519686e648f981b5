/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/files.c: which files are taken for an index, and how new
 * ones look. */
#include "index_test.h"

#include <grp.h>

#include "index/files.h"

#define NOBODY 65534

static bool can_give(void)
{
    return is_root() && getgrnam(VLD_SERVER_GROUP);
}

static apr_status_t prepare(const char *path, vld_store_mode mode)
{
    struct stat st;

    return vld_index_files_prepare(path, mode, &st);
}

/* What passes for an index as long as nobody looks inside. */
static void write_marked(const char *path)
{
    unsigned char page[64] = { 0 };
    uint32_t mark = 0xBEEFC0DEu;

    memcpy(page + (sizeof(size_t) > 4 ? 16 : 12), &mark, sizeof(mark));
    write_octets(path, page, sizeof(page));
}

static void make(place *t)
{
    assert_int_equal(prepare(t->index, VLD_STORE_CREATE), APR_SUCCESS);
}

static const char *lock_of(const place *t)
{
    static char lock[160];

    sprintf(lock, "%s-lock", t->index);
    return lock;
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static gid_t group_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_gid;
}

static void absent(void **state)
{
    place *t = *state;

    assert_true(APR_STATUS_IS_ENOENT(prepare(t->index, VLD_STORE_READ)));
    assert_true(APR_STATUS_IS_ENOENT(prepare(t->index, VLD_STORE_WRITE)));
    assert_int_equal(access(below(t->dir, "index"), F_OK), -1);
}

static void made(void **state)
{
    place *t = *state;
    mode_t before = umask(077);

    make(t);
    umask(before);
    assert_int_equal(mode_of(below(t->dir, "index")), 0750);
    assert_int_equal(mode_of(t->index), 0640);
    assert_int_equal(mode_of(lock_of(t)), 0600);
    make(t);
}

static void one_level(void **state)
{
    place *t = *state;
    const char *path = below(t->dir, "a/b/v.mdb");

    assert_true(APR_STATUS_IS_ENOENT(prepare(path, VLD_STORE_CREATE)));
}

static void servers_group(void **state)
{
    place *t = *state;
    gid_t expected = getgrnam(VLD_SERVER_GROUP)->gr_gid;

    make(t);
    assert_int_equal(group_of(below(t->dir, "index")), expected);
    assert_int_equal(group_of(t->index), expected);
}

static void roots_folder(void **state)
{
    place *t = *state;
    gid_t expected = getgrnam(VLD_SERVER_GROUP)->gr_gid;

    assert_int_equal(mkdir(below(t->dir, "index"), 0755), 0);
    make(t);
    assert_int_equal(group_of(t->index), expected);
    assert_int_equal(group_of(below(t->dir, "index")), 0);
    assert_int_equal(mode_of(below(t->dir, "index")), 0755);
}

static void folders_group(void **state)
{
    place *t = *state;
    const char *folder = below(t->dir, "index");

    assert_int_equal(mkdir(folder, 0755), 0);
    assert_int_equal(chown(folder, 0, 1234), 0);
    make(t);
    assert_int_equal(group_of(t->index), 1234);
}

static void no_regular_file(void **state)
{
    place *t = *state;
    const vld_store_mode modes[] = { VLD_STORE_READ, VLD_STORE_WRITE,
                                     VLD_STORE_CREATE };
    const char *fifo = below(t->dir, "fifo");
    const char *nowhere = below(t->dir, "nowhere");
    const char *to_folder = below(t->dir, "to_folder");

    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(symlink("there-is-none", nowhere), 0);
    assert_int_equal(symlink("root", to_folder), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(prepare(t->root, modes[i]), VLD_E_NOT_INDEX);
        assert_int_equal(prepare(fifo, modes[i]), VLD_E_NOT_INDEX);
        assert_int_equal(prepare(nowhere, modes[i]), VLD_E_NOT_INDEX);
        assert_int_equal(prepare(to_folder, modes[i]), VLD_E_NOT_INDEX);
        assert_int_equal(prepare("/dev/null", modes[i]), VLD_E_NOT_INDEX);
    }
    assert_int_equal(access(below(t->dir, "there-is-none"), F_OK), -1);
}

static void empty_file(void **state)
{
    place *t = *state;

    make(t);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), VLD_E_NOT_INDEX);
    assert_int_equal(prepare(t->index, VLD_STORE_WRITE), VLD_E_NOT_INDEX);
}

static void linked(void **state)
{
    place *t = *state;
    const char *link = below(t->dir, "link");

    make(t);
    write_marked(t->index);
    assert_int_equal(rename(lock_of(t), link), 0);
    assert_int_equal(symlink(link, lock_of(t)), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), APR_SUCCESS);
    assert_int_equal(prepare(t->index, VLD_STORE_WRITE), VLD_E_LOCKED);
    assert_int_equal(mode_of(link), 0600);
}

static void other_file_without_lock(void **state)
{
    place *t = *state;

    make(t);
    write_text(t->index, "something else, long enough to have a mark");
    assert_int_equal(unlink(lock_of(t)), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), VLD_E_NOT_INDEX);
    assert_int_equal(prepare(t->index, VLD_STORE_WRITE), VLD_E_NOT_INDEX);
    assert_int_equal(access(lock_of(t), F_OK), -1);
}

static void no_lock(void **state)
{
    place *t = *state;

    make(t);
    write_marked(t->index);
    assert_int_equal(unlink(lock_of(t)), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), APR_SUCCESS);
    assert_int_equal(access(lock_of(t), F_OK), -1);
    assert_int_equal(prepare(t->index, VLD_STORE_WRITE), APR_SUCCESS);
    assert_int_equal(mode_of(lock_of(t)), 0600);
}

static void odd_lock(void **state)
{
    place *t = *state;

    make(t);
    write_marked(t->index);
    assert_int_equal(unlink(lock_of(t)), 0);
    assert_int_equal(mkfifo(lock_of(t), 0666), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), APR_SUCCESS);
    assert_int_equal(prepare(t->index, VLD_STORE_WRITE), VLD_E_LOCKED);
}

static void as_nobody(place *t)
{
    if (geteuid()) {
        return;
    }
    if (setresgid(NOBODY, NOBODY, NOBODY) || setresuid(NOBODY, NOBODY, NOBODY)
        || chdir(t->dir)) {
        _exit(99);
    }
}

static void use_as_nobody(void *data)
{
    place *t = data;

    as_nobody(t);
    _exit(prepare(t->index, VLD_STORE_READ) != APR_SUCCESS     ? 8
          : prepare(t->index, VLD_STORE_WRITE) != VLD_E_LOCKED ? 9
                                                               : 7);
}

static void locked_lock(void **state)
{
    static const mode_t modes[] = { 0600, 0444, 0000, 0666 };
    place *t = *state;

    make(t);
    write_marked(t->index);
    assert_int_equal(chmod(t->dir, 0755), 0);
    assert_int_equal(chmod(below(t->dir, "index"), 0755), 0);
    assert_int_equal(chmod(t->index, 0644), 0);
    if (geteuid()) {
        return;
    }
    assert_int_equal(chown(t->index, NOBODY, NOBODY), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(chmod(lock_of(t), modes[i]), 0);
        assert_int_equal(in_child(use_as_nobody, t), 7);
        assert_int_equal(mode_of(lock_of(t)), modes[i]);
    }
}

static void ask_for_lock(void *data)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    int fd = open(data, O_RDWR);

    _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK ? 7 : 8);
}

/* The lock file of an older version; this process holds a lock on it, as LMDB
 * does. */
static void tightened(void **state)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    char name[256];
    place *t = *state;
    int fd;

    make(t);
    write_marked(t->index);
    strcpy(name, lock_of(t));
    assert_int_equal(chmod(name, 0660), 0);
    fd = open(name, O_RDWR);
    assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), APR_SUCCESS);
    assert_int_equal(mode_of(name), 0660);
    assert_int_equal(prepare(t->index, VLD_STORE_WRITE), APR_SUCCESS);
    assert_int_equal(mode_of(name), 0600);
    assert_int_equal(in_child(ask_for_lock, name), 7);
    close(fd);
    if (geteuid() == 0) {
        assert_int_equal(chown(name, NOBODY, NOBODY), 0);
        assert_int_equal(prepare(t->index, VLD_STORE_WRITE), VLD_E_LOCKED);
    }
}

static void owners(void **state)
{
    place *t = *state;

    make(t);
    write_marked(t->index);
    assert_int_equal(chmod(t->index, 0646), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), VLD_E_OWNER);
    assert_int_equal(chmod(t->index, 0640), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), APR_SUCCESS);
    if (geteuid()) {
        return;
    }
    assert_int_equal(chown(t->index, NOBODY, NOBODY), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), VLD_E_OWNER);
    assert_int_equal(chown(below(t->dir, "index"), NOBODY, NOBODY), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), APR_SUCCESS);
}

static void folder_of_everybody(void **state)
{
    place *t = *state;
    const char *folder = below(t->dir, "index");

    make(t);
    write_marked(t->index);
    assert_int_equal(chmod(folder, 01777), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_READ), VLD_E_OWNER);
    assert_int_equal(prepare(t->index, VLD_STORE_CREATE), VLD_E_OWNER);
    assert_int_equal(unlink(t->index), 0);
    assert_int_equal(prepare(t->index, VLD_STORE_CREATE), VLD_E_OWNER);
    assert_int_equal(access(t->index, F_OK), -1);
}

static void long_names(void **state)
{
    char *path = long_path(5000, 'z');

    (void)state;
    assert_int_not_equal(prepare(path, VLD_STORE_CREATE), APR_SUCCESS);
    path[4090] = '\0';
    assert_int_not_equal(prepare(path, VLD_STORE_CREATE), APR_SUCCESS);
    free(path);
    assert_int_not_equal(prepare("", VLD_STORE_CREATE), APR_SUCCESS);
}

/* --- the server's -------------------------------------------------------- */

static const vld_index_owner nobody = { NOBODY, NOBODY };

static uid_t user_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_uid;
}

static void folder_for_server(void **state)
{
    place *t = *state;
    const char *folder = below(t->dir, "index");
    mode_t before = umask(077);

    assert_true(vld_index_files_make_folder_for(t->index, &nobody));
    assert_int_equal(mode_of(folder), 0750);
    assert_int_equal(user_of(folder), is_root() ? NOBODY : geteuid());
    assert_int_equal(chmod(folder, 0700), 0);
    assert_false(vld_index_files_make_folder_for(t->index, &nobody));
    assert_int_equal(mode_of(folder), 0700);
    umask(before);
}

static void no_folder_for_server(void **state)
{
    place *t = *state;
    char *path = long_path(PATH_MAX + 600, 'z');

    assert_false(
        vld_index_files_make_folder_for(below(t->dir, "a/b/v.mdb"), &nobody));
    assert_int_equal(access(below(t->dir, "a"), F_OK), -1);
    assert_false(vld_index_files_make_folder_for("/v.mdb", &nobody));
    assert_false(vld_index_files_make_folder_for("v.mdb", &nobody));
    assert_false(vld_index_files_make_folder_for(path, &nobody));
    vld_index_files_make_parents(path);
    free(path);
}

/* Between mkdir and open another folder of root's could be put there. */
static void no_folder_below_others(void **state)
{
    place *t = *state;
    const char *above = below(t->dir, "above");
    const char *path = below(t->dir, "above/index/v.mdb");
    const char *folder = below(t->dir, "above/index");

    assert_int_equal(mkdir(above, 0755), 0);
    assert_int_equal(chown(above, NOBODY, NOBODY), 0);
    assert_int_equal(chmod(t->dir, 0755), 0);
    assert_true(vld_index_files_make_folder_for(path, &nobody));
    assert_int_equal(user_of(folder), NOBODY);
    assert_int_equal(geteuid(), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(chown(above, 1, 1), 0);
    assert_false(vld_index_files_make_folder_for(path, &nobody));
    assert_int_equal(access(folder, F_OK), -1);
    assert_int_equal(chown(above, 0, NOBODY), 0);
    assert_int_equal(chmod(above, 0775), 0);
    assert_false(vld_index_files_make_folder_for(path, &nobody));
    assert_int_equal(access(folder, F_OK), -1);
    assert_int_equal(chmod(above, 01777), 0);
    assert_false(vld_index_files_make_folder_for(path, &nobody));
    assert_int_equal(access(folder, F_OK), -1);
    assert_int_equal(chmod(above, 0755), 0);
    assert_int_equal(symlink(t->dir, folder), 0);
    assert_false(vld_index_files_make_folder_for(path, &nobody));
    assert_int_equal(user_of(t->dir), 0);
    assert_int_equal(unlink(folder), 0);
    assert_true(vld_index_files_make_folder_for(path, &nobody));
    assert_int_equal(user_of(folder), NOBODY);
}

static void parents(void **state)
{
    place *t = *state;
    mode_t before = umask(022);

    vld_index_files_make_above(below(t->dir, "a/b/v.mdb"));
    assert_int_equal(access(below(t->dir, "a"), F_OK), -1);
    vld_index_files_make_parents(below(t->dir, "a/b/c/v.mdb"));
    assert_int_equal(mode_of(below(t->dir, "a/b")), 0755);
    assert_int_equal(access(below(t->dir, "a/b/c"), F_OK), -1);
    vld_index_files_make_parents(below(t->dir, "a/b/c/v.mdb"));
    assert_int_equal(access(below(t->dir, "a/b/c"), F_OK), -1);
    umask(before);
}

/* An index of root's that the server's user cannot reach. */
static void make_roots(place *t)
{
    make(t);
    assert_int_equal(chown(t->index, 0, 0), 0);
    assert_int_equal(chown(lock_of(t), 0, 0), 0);
    assert_int_equal(chmod(t->index, 0600), 0);
    assert_int_equal(chmod(lock_of(t), 0600), 0);
}

static void lent(void **state)
{
    place *t = *state;

    make_roots(t);
    assert_true(vld_index_files_lend(t->index, &nobody));
    assert_int_equal(mode_of(t->index), 0640);
    assert_int_equal(mode_of(lock_of(t)), 0600);
    assert_int_equal(group_of(t->index), NOBODY);
    assert_int_equal(group_of(lock_of(t)), 0);
    assert_int_equal(user_of(t->index), 0);
    assert_false(vld_index_files_lend(t->index, &nobody));
    assert_int_equal(unlink(t->index), 0);
    assert_int_equal(unlink(lock_of(t)), 0);
    assert_false(vld_index_files_lend(t->index, &nobody));
}

static void usable_already(void **state)
{
    static const mode_t modes[] = { 0604, 0400, 0040 };
    place *t = *state;

    make_roots(t);
    assert_int_equal(unlink(lock_of(t)), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(chmod(t->index, modes[i]), 0);
        assert_int_equal(chown(t->index, i == 1 ? NOBODY : 0,
                               i == 2 ? NOBODY : 0),
                         0);
        assert_false(vld_index_files_lend(t->index, &nobody));
        assert_int_equal(mode_of(t->index), modes[i]);
    }
}

static void not_lent(void **state)
{
    place *t = *state;
    const char *folder = below(t->dir, "index");
    const char *other = below(t->dir, "other");

    make_roots(t);
    assert_int_equal(unlink(lock_of(t)), 0);
    assert_int_equal(chown(t->index, 1, 0), 0);
    assert_false(vld_index_files_lend(t->index, &nobody));
    assert_int_equal(chown(t->index, 0, 0), 0);
    assert_int_equal(link(t->index, other), 0);
    assert_false(vld_index_files_lend(t->index, &nobody));
    assert_int_equal(unlink(t->index), 0);
    assert_int_equal(symlink(other, t->index), 0);
    assert_false(vld_index_files_lend(t->index, &nobody));
    assert_int_equal(unlink(t->index), 0);
    assert_int_equal(mkfifo(t->index, 0600), 0);
    assert_false(vld_index_files_lend(t->index, &nobody));
    assert_int_equal(unlink(t->index), 0);
    assert_int_equal(rename(other, t->index), 0);
    assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
    assert_false(vld_index_files_lend(t->index, &nobody));
    assert_int_equal(chown(folder, 0, 0), 0);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_false(vld_index_files_lend(t->index, &nobody));
    assert_int_equal(mode_of(t->index), 0600);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_true(vld_index_files_lend(t->index, &nobody));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(absent, "an index that is absent is not made by readers"),
        TEST(made, "a new index has its modes whatever the umask"),
        TEST(one_level, "no more than one folder is made"),
        TEST_IF(can_give, servers_group,
                "what root makes is the server's group's"),
        TEST_IF(can_give, roots_folder,
                "in root's folders the files are the server's "
                "group's"),
        TEST_IF(is_root, folders_group,
                "elsewhere the files are the folder's group's"),
        TEST(no_regular_file, "fifos, folders, devices and links to nowhere "
                              "are refused"),
        TEST(empty_file, "an empty file is no index"),
        TEST(linked, "a lock file that is a link is refused"),
        TEST(other_file_without_lock,
             "another file is no index, lock file or not"),
        TEST(no_lock, "a reader makes no lock file, a writer does"),
        TEST(odd_lock, "a lock file that is none is refused"),
        TEST(locked_lock, "who may not own the lock file may read, and not "
                          "write"),
        TEST(tightened, "the writer who owns a lock file tightens it"),
        TEST(owners, "an index that strangers could write is refused"),
        TEST(folder_of_everybody, "a folder that everybody may write is "
                                  "refused"),
        TEST(folder_for_server, "a folder is made for the server, and one "
                                "that is there is not touched"),
        TEST(no_folder_for_server, "where it cannot be made there is none"),
        TEST_IF(is_root, no_folder_below_others,
                "nor where others can write to the folder above"),
        TEST(parents, "folders above are made for the default index alone"),
        TEST_IF(is_root, lent, "root's index is lent to the server's group"),
        TEST_IF(is_root, usable_already,
                "what the server can use is left as "
                "it is"),
        TEST_IF(is_root, not_lent,
                "what others could have put there is not "
                "lent"),
        TEST(long_names, "names that are too long are an error"),
    };

    return RUN(tests);
}
