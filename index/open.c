/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Opening an index: its files, the LMDB environment, what is inside; and
 * closing it.  It never changes an index that exists. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "index/store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/current.h"
#include "index/databases.h"
#include "index/error.h"
#include "index/fault.h"
#include "index/files.h"
#include "index/guarded.h"
#include "index/heads.h"
#include "index/map.h"

/* How far writers let an index grow.  It is address space, not memory. */
#define MAP_MOST ((size_t)16 << 30)
#define MAP_LEAST ((size_t)1 << 30)
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

    call->rc = create_env(&store->env, map_size);
    if (call->rc) {
        return;
    }
    call->rc = mdb_env_open(store->env, store->path, ENV_FLAGS, 0600);
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

/* When the file was made, where the file system keeps that; else 0. */
static int64_t read_birth_ns(int fd)
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

static bool is_same_file(const struct stat *st, const struct stat *other)
{
    return st->st_dev == other->st_dev && st->st_ino == other->st_ino;
}

/* LMDB opened the file by its name: it must be the one that was checked. */
static apr_status_t check_file(const vld_store *store, const struct stat *seen)
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
    return is_same_file(&st, seen) ? APR_SUCCESS : VLD_E_REPLACED;
}

/* A lock file has the number of its index's last transaction.  With that of
 * another index a writer would overwrite pages in use.  (A transaction may be
 * committed between two of these questions, and its number is in the file
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

static void inspect_env(void *data)
{
    open_call *call = data;
    vld_store *store = call->store;
    MDB_envinfo info;
    MDB_txn *txn;
    int dead;

    mdb_reader_check(store->env, &dead);
    call->rv = vld_error_mdb(mdb_env_info(store->env, &info));
    if (call->rv == APR_SUCCESS) {
        call->rv = vld_error_mdb(
            mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn));
    }
    if (call->rv != APR_SUCCESS) {
        return;
    }
    call->rv = check_lock_fits(store, info.me_last_txnid, txn);
    if (call->rv != APR_SUCCESS) {
        mdb_txn_abort(txn);
        return;
    }
    call->rv = vld_databases_open(store, txn);
    if (call->rv == VLD_E_NOT_INDEX && store->mode == VLD_STORE_CREATE) {
        call->rv = vld_databases_make(store);
    }
}

static void close_env(void *env)
{
    mdb_env_close(env);
}

static void drop_files(vld_store *store)
{
    if (store->env) {
        vld_fault_run(close_env, store->env);
        store->env = NULL;
    }
    vld_map_close(store);
    if (store->fd >= 0) {
        close(store->fd);
        store->fd = -1;
    }
}

static apr_status_t open_to_write(vld_store *store, const struct stat *seen)
{
    open_call call = { APR_SUCCESS, store, 0 };
    apr_status_t rv = vld_heads_check(store->path);

    if (rv == APR_SUCCESS) {
        rv = vld_store_run(store, open_env, &call);
    }
    if (rv == APR_SUCCESS) {
        rv = check_file(store, seen);
    }
    if (rv == APR_SUCCESS) {
        vld_store_note_lock(store);
        rv = vld_store_run(store, inspect_env, &call);
    }
    return rv;
}

static apr_status_t open_file(vld_store *store, const struct stat *seen)
{
    struct stat st;

    store->fd = open(store->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (store->fd < 0 || fstat(store->fd, &st)) {
        return vld_error_os();
    }
    if (!is_same_file(&st, seen)) {
        return VLD_E_REPLACED;
    }
    store->dev = st.st_dev;
    store->ino = st.st_ino;
    store->born_ns = read_birth_ns(store->fd);
    return APR_SUCCESS;
}

static apr_status_t open_to_read(vld_store *store, const struct stat *seen)
{
    apr_status_t rv = open_file(store, seen);

    if (rv == APR_SUCCESS) {
        rv = vld_heads_read(store->fd, &store->page_size);
    }
    if (rv == APR_SUCCESS) {
        rv = vld_map_open(store);
    }
    return rv == APR_SUCCESS ? vld_databases_inspect(store) : rv;
}

static apr_status_t open_files(vld_store *store)
{
    struct stat st;
    apr_status_t rv = vld_index_files_prepare(store->path, store->mode, &st);

    if (rv == APR_SUCCESS && store->mode != VLD_STORE_READ) {
        rv = open_to_write(store, &st);
    }
    return rv == APR_SUCCESS ? open_to_read(store, &st) : rv;
}

#define REPLACED_MOST 16

/* Who only reads holds nothing: the file may be replaced between its check and
 * its opening. */
static apr_status_t open_one_of(vld_store *store)
{
    apr_status_t rv = open_files(store);

    for (int i = 0; i < REPLACED_MOST && rv == VLD_E_REPLACED; i++) {
        drop_files(store);
        rv = open_files(store);
    }
    return rv;
}

#define HOLD_MS 2000

/* alone: a lock file that belongs to another index is replaced. */
static apr_status_t open_holding(vld_store *store, bool alone)
{
    int held;
    apr_status_t rv = vld_index_files_hold(store->path, alone, HOLD_MS, &held);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = open_one_of(store);
    if (rv == VLD_E_STALE && alone) {
        drop_files(store);
        rv = vld_index_files_renew_lock(store->path);
        rv = rv == APR_SUCCESS ? open_one_of(store) : VLD_E_STALE;
    }
    vld_index_files_release(held);
    return rv;
}

static apr_status_t open_store(vld_store *store)
{
    bool makes = store->mode == VLD_STORE_CREATE;
    apr_status_t rv = makes ? vld_index_files_make_folder(store->path)
                            : APR_SUCCESS;

    if (store->mode == VLD_STORE_READ) {
        return open_one_of(store);
    }
    if (rv == APR_SUCCESS) {
        rv = open_holding(store, makes);
    }
    if (rv == VLD_E_STALE) {
        drop_files(store);
        rv = open_holding(store, true);
    }
    return rv;
}

/* --- the store ----------------------------------------------------------- */

/* LMDB makes the lock file's name from the name that it is given: two names of
 * one index must not have two lock files.  A link to an empty file is left as
 * it is, and refused: no index is made in a file that a link leads to. */
static char *resolve_link(const char *path)
{
    struct stat st;
    char *real = NULL;

    if (!lstat(path, &st) && S_ISLNK(st.st_mode) && !stat(path, &st)
        && st.st_size > 0) {
        real = realpath(path, NULL);
    }
    return real ? real : strdup(path);
}

static vld_store *allocate_store(const char *path, vld_store_mode mode)
{
    vld_store *store = calloc(1, sizeof(*store));

    if (!store) {
        return NULL;
    }
    store->given = strdup(path);
    store->path = resolve_link(path);
    store->mode = mode;
    store->fd = -1;
    pthread_mutex_init(&store->write_mutex, NULL);
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
    store = allocate_store(path, mode);
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
    drop_files(store);
    free(store->given);
    free(store->path);
    pthread_mutex_destroy(&store->write_mutex);
    free(store);
}
