/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether the files at a store's path are those that it has open.  It looks at
 * names and numbers, never into a file. */
#include "index/current.h"

#include <sys/stat.h>

#include "index/files.h"

/* LMDB makes the name from the index's. */
static bool stat_lock(const vld_store *store, struct stat *st)
{
    char name[PATH_MAX];

    return vld_index_files_lock_path(store->path, name) == APR_SUCCESS
           && !stat(name, st);
}

void vld_store_note_lock(vld_store *store)
{
    struct stat st;

    if (stat_lock(store, &st)) {
        store->lock_dev = st.st_dev;
        store->lock_ino = st.st_ino;
    }
}

bool vld_store_is_own(const vld_store *store, const struct stat *st)
{
    return (st->st_ino == store->ino && st->st_dev == store->dev)
           || (st->st_ino == store->lock_ino && st->st_dev == store->lock_dev);
}

/* Writers that lock two different files would write at the same time. */
static bool has_same_lock(const vld_store *store)
{
    struct stat st;

    return !store->lock_ino
           || (stat_lock(store, &st) && st.st_ino == store->lock_ino
               && st.st_dev == store->lock_dev);
}

static bool has_same_files(const vld_store *store, const struct stat *st)
{
    return st->st_dev == store->dev && st->st_ino == store->ino
           && has_same_lock(store);
}

/* Only the lock file has locks, and LMDB opens it beside an index: both count
 * as they always have. */
bool vld_store_is_in_place(const vld_store *store)
{
    struct stat st;

    if (!store->env) {
        return false;
    }
    return (!stat(store->given, &st) && vld_store_is_own(store, &st))
           || (stat_lock(store, &st) && vld_store_is_own(store, &st));
}

bool vld_store_is_replaced(const vld_store *store)
{
    struct stat st;

    return stat(store->given, &st) || !has_same_files(store, &st);
}

bool vld_store_is_current(const vld_store *store)
{
    struct stat st;

    return !vld_store_is_dead(store) && !stat(store->given, &st)
           && has_same_files(store, &st) && st.st_size >= store->least_size;
}
