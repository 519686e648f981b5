/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/error.c: statuses and the sentences for them. */
#include "index_test.h"

#include "index/error.h"

#define INDEX "/var/cache/x y/v.mdb"

static const apr_status_t statuses[] = {
    VLD_E_NOT_INDEX, VLD_E_VERSION, VLD_E_DAMAGED, VLD_E_FULL,
    VLD_E_UNKNOWN,   VLD_E_LOCKED,  VLD_E_OWNER,
};
#define COUNT (sizeof(statuses) / sizeof(*statuses))

static void of_lmdb(void **state)
{
    (void)state;
    assert_int_equal(vld_error_mdb(0), APR_SUCCESS);
    assert_int_equal(vld_error_mdb(MDB_NOTFOUND), APR_NOTFOUND);
    assert_int_equal(vld_error_mdb(MDB_INVALID), VLD_E_NOT_INDEX);
    assert_int_equal(vld_error_mdb(MDB_VERSION_MISMATCH), VLD_E_VERSION);
    assert_int_equal(vld_error_mdb(MDB_CORRUPTED), VLD_E_DAMAGED);
    assert_int_equal(vld_error_mdb(MDB_PAGE_NOTFOUND), VLD_E_DAMAGED);
    assert_int_equal(vld_error_mdb(MDB_CURSOR_FULL), VLD_E_DAMAGED);
    assert_int_equal(vld_error_mdb(MDB_BAD_TXN), VLD_E_DAMAGED);
    assert_int_equal(vld_error_mdb(MDB_MAP_FULL), VLD_E_FULL);
    assert_int_equal(vld_error_mdb(MDB_MAP_RESIZED), VLD_E_FULL);
    assert_true(APR_STATUS_IS_ENOSPC(vld_error_mdb(ENOSPC)));
    assert_true(APR_STATUS_IS_EACCES(vld_error_mdb(EACCES)));
    for (int rc = MDB_KEYEXIST; rc <= MDB_LAST_ERRCODE; rc++) {
        assert_int_not_equal(vld_error_mdb(rc), APR_SUCCESS);
    }
}

static void of_writing(void **state)
{
    place *t = *state;
    MDB_env *env;

    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_open(env, t->root, 0, 0600), 0);
    assert_int_equal(vld_error_mdb_write(0, env), APR_SUCCESS);
    assert_int_equal(vld_error_mdb_write(MDB_MAP_FULL, env), VLD_E_FULL);
    assert_true(APR_STATUS_IS_ENOSPC(vld_error_mdb_write(ENOSPC, env)));
    /* There is room on this disk. */
    assert_int_equal(vld_error_mdb_write(EIO, env), APR_FROM_OS_ERROR(EIO));
    mdb_env_close(env);
}

static void of_system(void **state)
{
    (void)state;
    errno = ENOENT;
    assert_true(APR_STATUS_IS_ENOENT(vld_error_os()));
    errno = 0;
    assert_int_not_equal(vld_error_os(), APR_SUCCESS);
}

static void sentences(void **state)
{
    char a[256];
    char b[256];

    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        assert_ptr_equal(vld_strerror(statuses[i], a, sizeof(a)), a);
        assert_true(strlen(a) > 20);
        for (size_t j = 0; j < i; j++) {
            vld_strerror(statuses[j], b, sizeof(b));
            assert_string_not_equal(a, b);
        }
    }
    vld_strerror(APR_EACCES, a, sizeof(a));
    assert_string_equal(a, "Permission denied");
}

static void advice(void **state)
{
    const apr_status_t more[] = { APR_ENOENT, APR_EACCES, APR_ENOSPC,
                                  APR_EGENERAL };
    char text[1024];

    (void)state;
    for (size_t i = 0; i < COUNT + 4; i++) {
        apr_status_t rv = i < COUNT ? statuses[i] : more[i - COUNT];

        vld_advice(rv, INDEX, text, sizeof(text));
        assert_non_null(strstr(text, "\"" INDEX));
        assert_non_null(strchr(text, '`'));
        assert_null(strchr(text, '@'));
    }
    vld_advice(APR_ENOENT, INDEX, text, sizeof(text));
    assert_non_null(strstr(text, "`htvalidators -i \"" INDEX "\" scan "));
    vld_advice(VLD_E_NOT_INDEX, "/etc", text, sizeof(text));
    assert_null(strstr(text, "move"));
    vld_advice(APR_FROM_OS_ERROR(EROFS), INDEX, text, sizeof(text));
    assert_non_null(strstr(text, "writable"));
    vld_advice(APR_FROM_OS_ERROR(ENOLCK), INDEX, text, sizeof(text));
    assert_non_null(strstr(text, "local file system"));
}

static void short_buffers(void **state)
{
    char text[64];

    (void)state;
    for (size_t size = 1; size < sizeof(text); size++) {
        memset(text, 'x', sizeof(text));
        vld_advice(VLD_E_LOCKED, INDEX, text, size);
        assert_int_equal(strlen(text), size - 1);
        assert_int_equal(text[size], 'x');
        memset(text, 'x', sizeof(text));
        vld_strerror(VLD_E_LOCKED, text, size);
        assert_true(strlen(text) < size);
        assert_int_equal(text[size], 'x');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(of_lmdb, "LMDB's codes become statuses, errors never success"),
        TEST(of_writing, "an error of writing is a full disk only where the "
                         "disk is full"),
        TEST(of_system, "errno becomes a status, never success"),
        TEST(sentences, "each status of the index has a sentence"),
        TEST(advice, "advice names the index and a command"),
        TEST(short_buffers, "sentences are cut to the buffer"),
    };

    return RUN(tests);
}
