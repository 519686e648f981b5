/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Enlarges the map of a process, where it was given less address space than the
 * index needs by now: only while no thread of the process reads or writes.  It
 * never waits long: a look-up that cannot wait misses. */
#include "index/grow.h"

#include <sys/stat.h>
#include <time.h>

#include "index/fault.h"
#include "index/guarded.h"

#define WAIT_NS INT64_C(200000000)
#define NAP_NS INT64_C(200000)
#define SPARE ((uint64_t)64 << 20)
/* The last pages may be missing from the file, up to this size: those that one
 * transaction took and gave back. */
#define UNWRITTEN ((uint64_t)1 << 30)

typedef struct grow_call {
    vld_store *store;
    int rc;
} grow_call;

static bool wait_for_quiet(vld_store *store)
{
    const struct timespec nap = { 0, NAP_NS };
    int64_t left = WAIT_NS;

    while (vld_store_is_busy(store)
           || __atomic_load_n(&store->writing, __ATOMIC_SEQ_CST)) {
        if (left <= 0) {
            return false;
        }
        nanosleep(&nap, NULL);
        left -= NAP_NS;
    }
    return true;
}

/* The size that the meta page claims; 0: the file's length contradicts it, so
 * the page is damaged. */
static uint64_t read_claimed_size(MDB_env *env, const MDB_envinfo *info)
{
    mdb_filehandle_t fd;
    struct stat file;
    MDB_stat st;
    uint64_t pages;

    if (mdb_env_stat(env, &st) || mdb_env_get_fd(env, &fd)
        || fstat(fd, &file)) {
        return 0;
    }
    pages = ((uint64_t)file.st_size + UNWRITTEN) / st.ms_psize;
    return info->me_last_pgno < pages
               ? ((uint64_t)info->me_last_pgno + 1) * st.ms_psize
               : 0;
}

/* After a failure to get the new size the environment has no map at all. */
static void enlarge_map(void *data)
{
    grow_call *call = data;
    MDB_env *env = call->store->env;
    MDB_envinfo info;
    uint64_t needed;
    uint64_t size;

    call->rc = mdb_env_info(env, &info);
    if (call->rc) {
        return;
    }
    needed = read_claimed_size(env, &info);
    if (!needed) {
        call->rc = MDB_CORRUPTED;
        return;
    }
    for (size = info.me_mapsize; size < needed + SPARE; size *= 2) {
    }
    call->rc = size > SIZE_MAX ? MDB_MAP_FULL
                               : mdb_env_set_mapsize(env, (size_t)size);
}

bool vld_store_grow(vld_store *store)
{
    grow_call call = { store, 0 };
    bool grown = false;

    if (pthread_mutex_trylock(&store->grow_mutex)) {
        return false;
    }
    __atomic_store_n(&store->growing, 1, __ATOMIC_SEQ_CST);
    if (wait_for_quiet(store)) {
        grown = vld_fault_run(enlarge_map, &call) && !call.rc;
        if (!grown) {
            vld_store_mark_dead(store);
        }
    }
    __atomic_store_n(&store->growing, 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&store->grow_mutex);
    return grown;
}
