/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Opening an index: the LMDB environment, its databases, the version; and
 * closing it.  It never changes an index that exists. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "index/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "validators/bytes.h"
#include "index/error.h"
#include "index/fault.h"
#include "index/files.h"
#include "index/record.h"
#include "mod_validators.h"

/* One size for all, so that no map has to grow under a reader; it is address
 * space, not memory. */
#define MAP_MOST                                                               \
    (sizeof(size_t) > 4 ? (size_t)((uint64_t)16 << 30) : (size_t)1 << 30)
#define MAP_LEAST ((size_t)1 << (sizeof(size_t) > 4 ? 30 : 28))
#define MAX_READERS 4096
#define MAX_DATABASES 8
#define ENV_FLAGS (MDB_NOSUBDIR | MDB_NOTLS)

/* --- opening ------------------------------------------------------------- */

static int create_env(MDB_env **out, size_t map_size)
{
    MDB_env *env;
    int rc = mdb_env_create(&env);

    if (rc) {
        return rc;
    }
    rc = mdb_env_set_mapsize(env, map_size);
    if (!rc) {
        rc = mdb_env_set_maxreaders(env, MAX_READERS);
    }
    if (!rc) {
        rc = mdb_env_set_maxdbs(env, MAX_DATABASES);
    }
    if (!rc) {
        rc = mdb_env_set_assert(env, vld_fault_assert);
    }
    if (rc) {
        mdb_env_close(env);
        return rc;
    }
    *out = env;
    return 0;
}

typedef struct open_call {
    apr_status_t rv;
    vld_store *store;
    int rc;
} open_call;

static void open_env_of_size(open_call *call, size_t map_size)
{
    vld_store *store = call->store;
    unsigned flags = ENV_FLAGS;

    if (store->mode == VLD_STORE_READ) {
        flags |= MDB_RDONLY;
    }
    call->rc = create_env(&store->env, map_size);
    if (call->rc) {
        return;
    }
    call->rc = mdb_env_open(store->env, store->path, flags, 0640);
    if (call->rc) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
}

static void open_env(void *data)
{
    open_call *call = data;
    size_t size = MAP_MOST;

    do {
        open_env_of_size(call, size);
        size /= 2;
    } while (call->rc == ENOMEM && size >= MAP_LEAST);
    call->rv = vld_error_mdb(call->rc);
}

/* Of file systems that keep it. */
static int64_t born_ns(int fd)
{
#ifdef STATX_BTIME
    struct statx st;

    if (!statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &st)
        && st.stx_mask & STATX_BTIME) {
        return st.stx_btime.tv_sec * INT64_C(1000000000) + st.stx_btime.tv_nsec;
    }
#else
    (void)fd;
#endif
    return 0;
}

/* The file that LMDB opened by name must be the one that was looked at. */
static apr_status_t check_same(vld_store *store, const struct stat *seen)
{
    struct stat st;
    mdb_filehandle_t fd;
    int rc = mdb_env_get_fd(store->env, &fd);

    if (rc) {
        return vld_error_mdb(rc);
    }
    if (fstat(fd, &st)) {
        return vld_error_os();
    }
    if (st.st_dev != seen->st_dev || st.st_ino != seen->st_ino) {
        return VLD_E_NOT_INDEX;
    }
    store->dev = st.st_dev;
    store->ino = st.st_ino;
    store->born_ns = born_ns(fd);
    store->least_size = st.st_size;
    return APR_SUCCESS;
}

/* --- databases ----------------------------------------------------------- */

static int open_database(MDB_txn *txn, const char *name, unsigned flags,
                         MDB_dbi *out)
{
    int rc = mdb_dbi_open(txn, name, flags, out);

    return rc ? rc : mdb_set_compare(txn, *out, vld_fault_compare);
}

static int open_databases(vld_store *store, MDB_txn *txn, unsigned flags)
{
    MDB_dbi names;
    int rc = open_database(txn, NULL, 0, &names);

    if (!rc) {
        rc = open_database(txn, "meta", flags, &store->meta);
    }
    if (!rc) {
        rc = open_database(txn, "files", flags, &store->files);
    }
    return rc;
}

static MDB_val text_val(const char *text)
{
    MDB_val val = { strlen(text), (void *)(uintptr_t)text };

    return val;
}

static int put_meta(vld_store *store, MDB_txn *txn, const char *name,
                    const void *data, size_t size)
{
    MDB_val key = text_val(name);
    MDB_val val = { size, (void *)(uintptr_t)data };

    return mdb_put(txn, store->meta, &key, &val, 0);
}

static int get_meta(vld_store *store, MDB_txn *txn, const char *name,
                    MDB_val *val)
{
    MDB_val key = text_val(name);

    return mdb_get(txn, store->meta, &key, val);
}

static apr_status_t check_format(vld_store *store, MDB_txn *txn)
{
    MDB_val val;
    int rc = get_meta(store, txn, "format", &val);

    if (rc == MDB_NOTFOUND || (!rc && val.mv_size != 4)) {
        return VLD_E_NOT_INDEX;
    }
    if (rc) {
        return vld_error_mdb(rc);
    }
    return vld_get32(val.mv_data) == VLD_FORMAT ? APR_SUCCESS : VLD_E_VERSION;
}

static int write_meta(vld_store *store, MDB_txn *txn)
{
    static const char tool[] = "mod_validators " MOD_VALIDATORS_VERSION;
    unsigned char number[8];
    int rc;

    vld_put32(number, VLD_FORMAT);
    rc = put_meta(store, txn, "format", number, 4);
    if (!rc) {
        vld_put64(number, (uint64_t)vld_now_ns());
        rc = put_meta(store, txn, "created", number, 8);
    }
    if (!rc) {
        rc = put_meta(store, txn, "tool", tool, sizeof(tool) - 1);
    }
    return rc;
}

/* Fill an environment that holds nothing; another opener may have been
 * quicker. */
static apr_status_t fill(vld_store *store, MDB_txn *txn)
{
    MDB_dbi main_db;
    MDB_stat st;
    int rc = open_databases(store, txn, 0);

    if (!rc) {
        return check_format(store, txn);
    }
    if (rc == MDB_NOTFOUND) {
        rc = mdb_dbi_open(txn, NULL, 0, &main_db);
    }
    if (!rc) {
        rc = mdb_stat(txn, main_db, &st);
    }
    if (!rc && st.ms_entries) {
        return VLD_E_NOT_INDEX;
    }
    if (!rc) {
        rc = open_databases(store, txn, MDB_CREATE);
    }
    if (!rc) {
        rc = write_meta(store, txn);
    }
    return vld_error_mdb_write(rc, store->env);
}

static apr_status_t make_databases(vld_store *store)
{
    MDB_txn *txn;
    apr_status_t rv = vld_error_mdb(mdb_txn_begin(store->env, NULL, 0, &txn));

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = fill(store, txn);
    if (rv != APR_SUCCESS) {
        mdb_txn_abort(txn);
        return rv;
    }
    return vld_error_mdb_write(mdb_txn_commit(txn), store->env);
}

/* How the file's length and its last page agree. */
typedef enum extent {
    EXTENT_WHOLE,
    EXTENT_SHORT, /* the last pages are not there */
    EXTENT_TORN   /* it ends within one of them */
} extent;

static extent measure(vld_store *store, off_t *size)
{
    MDB_envinfo info;
    MDB_stat st;
    struct stat file;
    mdb_filehandle_t fd;

    if (mdb_env_info(store->env, &info) || mdb_env_stat(store->env, &st)
        || mdb_env_get_fd(store->env, &fd) || fstat(fd, &file)) {
        return EXTENT_TORN;
    }
    *size = file.st_size;
    /* Beyond the last page there may be part of one, of a writer that is at
     * work or was killed. */
    if ((uint64_t)file.st_size / st.ms_psize > info.me_last_pgno) {
        return EXTENT_WHOLE;
    }
    return (uint64_t)file.st_size % st.ms_psize ? EXTENT_TORN : EXTENT_SHORT;
}

/* Read every page of a database in use. */
static int touch_database(MDB_txn *txn, MDB_dbi dbi,
                          bool (*is_good)(const MDB_val *, const MDB_val *))
{
    MDB_cursor *cursor;
    MDB_val key;
    MDB_val val;
    int rc = mdb_cursor_open(txn, dbi, &cursor);

    if (rc) {
        return rc;
    }
    while (!(rc = mdb_cursor_get(cursor, &key, &val, MDB_NEXT))) {
        if (!is_good(&key, &val)) {
            rc = MDB_CORRUPTED;
            break;
        }
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static bool is_readable(const MDB_val *key, const MDB_val *val)
{
    const volatile unsigned char *octets = val->mv_data;

    (void)key;
    if (val->mv_size) {
        (void)octets[val->mv_size - 1];
    }
    return true;
}

static bool is_record(const MDB_val *key, const MDB_val *val)
{
    vld_record record;
    const char *path;
    size_t len;

    return vld_record_path(key->mv_data, key->mv_size, val->mv_data,
                           val->mv_size, &path, &len)
           && !vld_record_decode(val->mv_data, val->mv_size, path, len,
                                 &record);
}

#define FREE_DATABASE 0 /* LMDB's own, of free pages */

/* LMDB does not write pages that one transaction both took and gave back, so
 * a good file may end before its last page.  Then what is in use tells. */
static int touch_all(vld_store *store, MDB_txn *txn)
{
    int rc = touch_database(txn, FREE_DATABASE, is_readable);

    if (!rc) {
        rc = touch_database(txn, store->meta, is_readable);
    }
    return rc ? rc : touch_database(txn, store->files, is_record);
}

static apr_status_t look_inside(open_call *call, MDB_txn *txn)
{
    vld_store *store = call->store;
    extent e = measure(store, &store->least_size);
    int rc;
    apr_status_t rv;

    if (e == EXTENT_TORN) {
        return VLD_E_DAMAGED;
    }
    rc = open_databases(store, txn, 0);
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) {
        return VLD_E_NOT_INDEX;
    }
    if (rc) {
        return vld_error_mdb(rc);
    }
    rv = check_format(store, txn);
    if (rv == APR_SUCCESS && e == EXTENT_SHORT && touch_all(store, txn)) {
        rv = VLD_E_DAMAGED;
    }
    return rv;
}

/* A lock file knows the last transaction of its own index.  Of another's it
 * would show readers a state that is none: keys would be missing.  (One may
 * have been committed between two of these questions, and is in the file
 * before it is in the lock file.) */
static apr_status_t check_lock_fits(vld_store *store, uint64_t before,
                                    MDB_txn *txn)
{
    MDB_envinfo info;
    uint64_t number = mdb_txn_id(txn);
    int rc = mdb_env_info(store->env, &info);

    if (rc) {
        return vld_error_mdb(rc);
    }
    return number + 1 < before || number > info.me_last_txnid ? VLD_E_STALE
                                                              : APR_SUCCESS;
}

static void open_inside(void *data)
{
    open_call *call = data;
    vld_store *store = call->store;
    MDB_envinfo info;
    MDB_txn *txn;
    int dead;

    mdb_reader_check(store->env, &dead);
    call->rv = vld_error_mdb(mdb_env_info(store->env, &info));
    if (call->rv == APR_SUCCESS) {
        call->rv = vld_error_mdb(vld_store_begin_reading(store, &txn));
    }
    if (call->rv != APR_SUCCESS) {
        return;
    }
    call->rv = check_lock_fits(store, info.me_last_txnid, txn);
    if (call->rv == APR_SUCCESS) {
        call->rv = look_inside(call, txn);
    }
    if (call->rv == APR_SUCCESS) {
        /* Committed, because that is what keeps the handles. */
        call->rv = vld_error_mdb(mdb_txn_commit(txn));
        return;
    }
    mdb_txn_abort(txn);
    if (call->rv == VLD_E_NOT_INDEX && store->mode == VLD_STORE_CREATE) {
        call->rv = make_databases(store);
    }
}

/* By its name, which LMDB makes so.  There is none on file systems that are
 * read-only. */
static bool stat_lock(const vld_store *store, struct stat *st)
{
    char name[PATH_MAX];

    return vld_index_files_lock_path(store->path, name) == APR_SUCCESS
           && !stat(name, st);
}

static void note_lock(vld_store *store)
{
    struct stat st;

    if (stat_lock(store, &st)) {
        store->lock_dev = st.st_dev;
        store->lock_ino = st.st_ino;
    }
}

static void close_env(void *env)
{
    mdb_env_close(env);
}

static void drop_env(vld_store *store)
{
    if (store->env) {
        vld_fault_run(close_env, store->env);
        store->env = NULL;
    }
}

static apr_status_t open_files(vld_store *store)
{
    open_call call = { APR_SUCCESS, store, 0 };
    struct stat st;
    apr_status_t rv = vld_index_files_prepare(store->path, store->mode, &st);

    if (rv == APR_SUCCESS) {
        rv = vld_store_run(store, open_env, &call);
    }
    if (rv == APR_SUCCESS) {
        rv = check_same(store, &st);
    }
    if (rv == APR_SUCCESS) {
        note_lock(store);
        rv = vld_store_run(store, open_inside, &call);
    }
    return rv;
}

#define HOLD_MS 2000
#define READER_HOLD_MS 200

/* A reader that may not hold the folder, or not now, opens all the same: it
 * sees afterwards whether what it has fits together. */
static apr_status_t open_holding(vld_store *store, bool alone)
{
    bool reads = store->mode == VLD_STORE_READ;
    int held;
    apr_status_t rv = vld_index_files_hold(store->path, alone,
                                           reads ? READER_HOLD_MS : HOLD_MS,
                                           &held);

    if (rv != APR_SUCCESS && (!reads || alone)) {
        return rv;
    }
    rv = open_files(store);
    if (rv == VLD_E_STALE && alone) {
        drop_env(store);
        rv = vld_index_files_renew_lock(store->path);
        rv = rv == APR_SUCCESS ? open_files(store) : VLD_E_STALE;
    }
    vld_index_files_release(held);
    return rv;
}

static apr_status_t open_store(vld_store *store)
{
    bool makes = store->mode == VLD_STORE_CREATE;
    apr_status_t rv = makes ? vld_index_files_make_folder(store->path)
                            : APR_SUCCESS;

    if (rv == APR_SUCCESS) {
        rv = open_holding(store, makes);
    }
    if (rv == VLD_E_STALE) {
        drop_env(store);
        rv = open_holding(store, true);
    }
    return rv;
}

/* --- the store ----------------------------------------------------------- */

/* LMDB names the lock file after the name that it is given: two names of one
 * index must not have two lock files. */
static char *real_name(const char *path)
{
    struct stat st;
    char *real = NULL;

    if (!lstat(path, &st) && S_ISLNK(st.st_mode)) {
        real = realpath(path, NULL);
    }
    return real ? real : strdup(path);
}

static vld_store *new_store(const char *path, vld_store_mode mode)
{
    vld_store *store = calloc(1, sizeof(*store));

    if (!store) {
        return NULL;
    }
    store->given = strdup(path);
    store->path = real_name(path);
    store->mode = mode;
    pthread_mutex_init(&store->grow_mutex, NULL);
    if (!store->given || !store->path) {
        vld_store_close(store);
        return NULL;
    }
    return store;
}

apr_status_t vld_store_open(vld_store **out, const char *path,
                            vld_store_mode mode)
{
    vld_store *store;
    apr_status_t rv;

    vld_fault_install();
    store = new_store(path, mode);
    if (!store) {
        return APR_ENOMEM;
    }
    rv = open_store(store);
    if (rv != APR_SUCCESS) {
        vld_store_close(store);
        return rv;
    }
    *out = store;
    return APR_SUCCESS;
}

void vld_store_close(vld_store *store)
{
    vld_store_drop_readers(store);
    drop_env(store);
    pthread_mutex_destroy(&store->grow_mutex);
    free(store->given);
    free(store->path);
    free(store);
}

bool vld_store_is_own(const vld_store *store, const struct stat *st)
{
    return (st->st_ino == store->ino && st->st_dev == store->dev)
           || (st->st_ino == store->lock_ino && st->st_dev == store->lock_dev);
}

/* The lock file counts, too: a writer that locks another one is not kept from
 * writing at the same time. */
static bool has_its_lock(const vld_store *store)
{
    struct stat st;

    return !store->lock_ino
           || (stat_lock(store, &st) && st.st_ino == store->lock_ino
               && st.st_dev == store->lock_dev);
}

static bool is_same(const vld_store *store, const struct stat *st)
{
    return st->st_dev == store->dev && st->st_ino == store->ino
           && has_its_lock(store);
}

bool vld_store_is_in_place(const vld_store *store)
{
    struct stat st;

    return (!stat(store->given, &st) && vld_store_is_own(store, &st))
           || (stat_lock(store, &st) && vld_store_is_own(store, &st));
}

bool vld_store_is_replaced(const vld_store *store)
{
    struct stat st;

    return stat(store->given, &st) || !is_same(store, &st);
}

bool vld_store_is_current(const vld_store *store)
{
    struct stat st;

    return !vld_store_is_dead(store) && !stat(store->given, &st)
           && is_same(store, &st) && st.st_size >= store->least_size;
}
