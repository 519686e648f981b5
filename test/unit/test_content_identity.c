/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of content/identity.c: what a stat says, and when it can be trusted. */
#include "index_test.h"

#include <sys/syscall.h>
#include <sys/vfs.h>

#define S INT64_C(1000000000)
#define NOW (INT64_C(1790000000) * S + 123456789)
#define MARGIN (20 * MS)

static vld_identity id_at(int64_t mtime_ns, int64_t ctime_ns)
{
    vld_identity id = { 100, mtime_ns, ctime_ns, 7 };

    return id;
}

static bool racy(int64_t mtime_ns, int64_t ctime_ns)
{
    vld_identity id = id_at(mtime_ns, ctime_ns);

    return vld_identity_racy(&id, NOW, MARGIN);
}

static void of_stat(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "f");
    struct stat st;
    vld_identity id;

    write_text(path, "hello");
    set_mtime(path, -5, 999999999);
    assert_int_equal(stat(path, &st), 0);
    vld_identity_of(&st, &id);
    assert_int_equal(id.size, 5);
    assert_int_equal(id.mtime_ns, -5 * S + 999999999);
    assert_int_equal(id.ctime_ns, st.st_ctim.tv_sec * S + st.st_ctim.tv_nsec);
    assert_int_equal(id.inode, st.st_ino);
}

static void far_dates(void **state)
{
    struct stat st;
    vld_identity id;

    (void)state;
    memset(&st, 0, sizeof(st));
    st.st_mtim.tv_sec = INT64_C(1) << 40;
    st.st_ctim.tv_sec = -(INT64_C(1) << 40);
    vld_identity_of(&st, &id);
    assert_int_equal(id.mtime_ns, INT64_MAX);
    assert_int_equal(id.ctime_ns, INT64_MIN);
    assert_false(vld_identity_racy(&id, NOW, MARGIN));
}

static void each_member_tells(void **state)
{
    vld_identity a = id_at(1, 2);
    vld_identity b[4] = { a, a, a, a };

    (void)state;
    b[0].size++;
    b[1].mtime_ns++;
    b[2].ctime_ns++;
    b[3].inode++;
    assert_true(vld_identity_equal(&a, &a, VLD_COMPARE_STRICT));
    for (int i = 0; i < 4; i++) {
        assert_false(vld_identity_equal(&a, &b[i], VLD_COMPARE_STRICT));
        assert_true(vld_identity_equal(&a, &b[i], VLD_COMPARE_NONE));
        assert_int_equal(vld_identity_equal(&a, &b[i], VLD_COMPARE_MTIME),
                         i >= 2);
    }
}

static void racy_by_ctime(void **state)
{
    (void)state;
    assert_false(racy(0, NOW - MARGIN));
    assert_true(racy(0, NOW - MARGIN + 1));
    assert_true(racy(0, NOW));
    assert_true(racy(0, NOW + 1));
    assert_true(racy(0, NOW + 3600 * S + 1));
    assert_true(racy(0, INT64_MAX));
}

static void racy_by_mtime(void **state)
{
    int64_t old = NOW - 3600 * S;

    (void)state;
    assert_false(racy(NOW - MARGIN, old));
    assert_true(racy(NOW - MARGIN + 1, old));
    assert_true(racy(NOW + MARGIN - 1, old));
    assert_false(racy(NOW + MARGIN, old));
    assert_false(racy(NOW + 3600 * S, old));
    assert_false(racy(-S, old));
}

/* ext3, and ext4 with inodes of 128 octets. */
static void whole_seconds(void **state)
{
    int64_t second = NOW / S * S;

    (void)state;
    assert_true(racy(0, second));
    assert_true(racy(0, second - S));
    assert_false(racy(0, second - 2 * S));
    assert_false(racy(0, second - S + 1));
}

static void settles_when_said(void **state)
{
    const int64_t times[] = { NOW,          NOW - 1,
                              NOW + 1,      NOW - MARGIN,
                              NOW + 5 * MS, NOW - 15 * MS,
                              NOW / S * S,  0 };

    (void)state;
    for (size_t m = 0; m < 8; m++) {
        for (size_t c = 0; c < 8; c++) {
            vld_identity id = id_at(times[m], times[c]);
            int64_t when = vld_identity_settles_ns(&id, NOW, MARGIN);

            assert_int_equal(when > NOW, vld_identity_racy(&id, NOW, MARGIN));
            assert_false(vld_identity_racy(&id, when, MARGIN));
        }
    }
}

static bool is_known_local(const char *path)
{
    struct statfs fs;

    assert_int_equal(statfs(path, &fs), 0);
    return fs.f_type == 0xef53 || fs.f_type == 0x58465342
           || fs.f_type == 0x01021994 || fs.f_type == 0x794c7630
           || (unsigned long)fs.f_type == 0x9123683eUL;
}

static int64_t margin_of(const char *path)
{
    int fd = open(path, O_RDONLY);
    struct stat st;
    int64_t margin;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    margin = vld_identity_margin_ns(fd, st.st_dev);
    assert_int_equal(vld_identity_margin_ns(fd, st.st_dev), margin);
    close(fd);
    return margin;
}

static void margin_by_file_system(void **state)
{
    place *t = *state;

    if (is_known_local(t->root)) {
        assert_in_range(margin_of(t->root), 20 * MS, 200 * MS);
    }
    else {
        assert_int_equal(margin_of(t->root), 2 * S);
    }
    assert_int_equal(margin_of("/proc"), 2 * S);
    /* The answer for one is not kept for the other. */
    assert_true(!is_known_local(t->root) || margin_of(t->root) < 2 * S);
}

static void asked_without_descriptor(void **state)
{
    (void)state;
    assert_int_equal(vld_identity_margin_ns(-1, 0x7fffff01), 2 * S);
    assert_int_equal(vld_identity_margin_ns(-1, (dev_t)-1), 2 * S);
}

/* What the margin promises: a file that is not racy gets another identity by
 * any later change. */
static void change_is_seen_once_settled(void **state)
{
    place *t = *state;
    const char *path = below(t->root, "f");
    int fd;
    struct stat st;
    vld_identity before;
    vld_identity after;
    unsigned tried = 0;

    write_text(path, "0");
    fd = open(path, O_RDWR);
    for (int i = 0; i < 30; i++) {
        struct timespec times[2];

        assert_int_equal(fstat(fd, &st), 0);
        vld_identity_of(&st, &before);
        if (vld_identity_racy(&before, vld_now_ns(),
                              vld_identity_margin_ns(fd, st.st_dev))) {
            nap_ms(3);
            continue;
        }
        tried++;
        times[0] = st.st_atim;
        times[1] = st.st_mtim;
        assert_int_equal(pwrite(fd, i % 2 ? "1" : "2", 1, 0), 1);
        assert_int_equal(futimens(fd, times), 0);
        assert_int_equal(fstat(fd, &st), 0);
        vld_identity_of(&st, &after);
        assert_int_equal(before.mtime_ns, after.mtime_ns);
        assert_false(vld_identity_equal(&before, &after, VLD_COMPARE_STRICT));
    }
    close(fd);
    if (is_known_local(t->root)) {
        assert_true(tried > 0);
    }
}

static void digest_of_each_field(void **state)
{
    vld_identity a = id_at(1, 2);
    vld_digest d, other;

    (void)state;
    assert_int_equal(vld_identity_digest(&a, &d), APR_SUCCESS);
    assert_int_equal(vld_identity_digest(&a, &other), APR_SUCCESS);
    assert_memory_equal(&d, &other, sizeof(d));
    for (int i = 0; i < 4; i++) {
        vld_identity b = a;

        b.size += i == 0;
        b.mtime_ns += i == 1;
        b.ctime_ns += i == 2;
        b.inode += i == 3;
        assert_int_equal(vld_identity_digest(&b, &other), APR_SUCCESS);
        assert_memory_not_equal(&d, &other, sizeof(d));
    }
}

static bool tells(int64_t s, int64_t ns)
{
    vld_identity id = { 1, s * 1000000000 + ns, 0, 1 };

    return vld_identity_time_tells(id.mtime_ns);
}

static void constant_mtimes(void **state)
{
    static const int64_t days[] = { 315532800, 318211200, 499132800 };

    (void)state;
    assert_false(tells(0, 0));
    assert_false(tells(1, 999999999));
    assert_false(tells(-1, 0));
    assert_false(tells(INT64_C(-9000000000), 0));
    assert_true(tells(2, 0));
    assert_false(tells(499162500, 0)); /* npm's */
    for (int i = 0; i < 3; i++) {
        assert_false(tells(days[i], 0));
        assert_false(tells(days[i] + 86399, 999999999));
        assert_false(tells(days[i] - 14 * 3600, 0));
        assert_false(tells(days[i] + 86399 + 12 * 3600, 0));
        assert_true(tells(days[i] - 2 * 86400, 0));
        assert_true(tells(days[i] + 3 * 86400, 0));
    }
    assert_true(tells(1700000000, 0));
}

/* What fstatfs says of descriptor -1; of others, the truth. */
static unsigned long injected;

int fstatfs(int fd, struct statfs *fs)
{
    if (fd == -1 && injected) {
        memset(fs, 0, sizeof(*fs));
        fs->f_type = (__typeof__(fs->f_type))injected;
        return 0;
    }
    return (int)syscall(SYS_fstatfs, fd, fs);
}

static bool proves(unsigned long magic, int64_t mtime_ns, int64_t ctime_ns)
{
    static dev_t dev = 0x7ff00000;
    vld_identity id = id_at(mtime_ns, ctime_ns);
    bool yes;

    injected = magic;
    yes = vld_identity_proves(&id, -1, dev++);
    injected = 0;
    return yes;
}

static void images_prove_nothing(void **state)
{
    static const unsigned long images[] = { 0x73717368, 0xe0f5e1e2, 0x9660,
                                            0x15013346, 0x28cd3d45, 0x7275,
                                            0x4d44,     0x2011bab0 };

    (void)state;
    for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
        assert_false(proves(images[i], 5 * S, 5 * S));
        assert_false(proves(images[i], 5 * S + 1, 5 * S + 1));
        assert_false(proves(images[i], 5 * S, 4 * S));
        assert_true(proves(images[i], 5 * S, 5 * S + 1));
    }
    assert_true(proves(0xef53, 5 * S, 5 * S));
    assert_true(proves(0x58465342, 5 * S, 4 * S));
}

/* overlayfs, FUSE and NFS. */
static void images_behind_others(void **state)
{
    static const unsigned long others[] = { 0x794c7630, 0x65735546, 0x6969 };

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_false(proves(others[i], 5 * S, 5 * S));
        assert_true(proves(others[i], 5 * S + 1, 5 * S + 1));
        assert_true(proves(others[i], 5 * S, 6 * S));
        assert_true(proves(others[i], 6 * S, 5 * S));
    }
}

/* A device number goes from one file system to the next. */
static void image_after_another(void **state)
{
    vld_identity id = id_at(5 * S, 5 * S);

    (void)state;
    injected = 0xef53;
    assert_true(vld_identity_proves(&id, -1, 0x7fe00000));
    assert_true(vld_identity_margin_ns(-1, 0x7fe00000) < 2 * S);
    injected = 0x73717368;
    assert_false(vld_identity_proves(&id, -1, 0x7fe00000));
    assert_int_equal(vld_identity_margin_ns(-1, 0x7fe00001), 2 * S);
    injected = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_stat, "an identity has size, times to the ns, and inode"),
        TEST(far_dates, "dates beyond 64 bits of nanoseconds end there"),
        TEST(each_member_tells, "each member of an identity counts, as "
                                "closely as is asked"),
        TEST(racy_by_ctime, "a ctime within the margin or to come is racy"),
        TEST(racy_by_mtime, "an mtime near now is racy, far off it is not"),
        TEST(whole_seconds, "a ctime of whole seconds has a margin of 2 s"),
        TEST(settles_when_said, "a racy identity is settled when it says"),
        TEST(constant_mtimes, "an mtime that builds give to every file tells "
                              "nothing"),
        TEST(margin_by_file_system, "unknown file systems have a margin of "
                                    "2 s, local ones that of their clock"),
        TEST(asked_without_descriptor, "what cannot be asked counts as "
                                       "coarse"),
        TEST(change_is_seen_once_settled, "a change of a settled file always "
                                          "shows in its identity"),
        TEST(images_prove_nothing, "an identity of an image's file proves "
                                   "nothing, unless ctime is later"),
        TEST(images_behind_others, "nor does one whole second below an "
                                   "overlay or behind a network"),
        TEST(image_after_another, "a device number may be given to an image"),
        TEST(digest_of_each_field,
             "a provisional tag is weak and tells identities "
             "apart"),
    };

    return RUN(tests);
}
