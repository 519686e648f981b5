/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The map of a process that was given less address space than the index has
 * come to need: it is enlarged when nobody in the process is reading or
 * writing.  It never waits long: a reader who finds the map too small misses
 * until the next one. */
#include "index/store.h"

#include <time.h>

#include "index/guard.h"

#define WAIT_NS INT64_C(200000000)
#define NAP_NS INT64_C(200000)
#define SPARE ((uint64_t)64 << 20)

typedef struct grow_call {
    vld_store *store;
    int rc;
} grow_call;

static bool wait_for_quiet(vld_store *store)
{
    const struct timespec nap = {0, NAP_NS};
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

/* Where the new size is not to be had the environment has no map at all. */
static void enlarge(void *data)
{
    grow_call *call = data;
    MDB_env *env = call->store->env;
    MDB_envinfo info;
    MDB_stat st;
    uint64_t size;
    uint64_t needed;

    call->rc = mdb_env_info(env, &info);
    if (!call->rc) {
        call->rc = mdb_env_stat(env, &st);
    }
    if (call->rc) {
        return;
    }
    needed = ((uint64_t)info.me_last_pgno + 1) * st.ms_psize + SPARE;
    for (size = info.me_mapsize; size < needed; size *= 2) {
    }
    call->rc = size > SIZE_MAX ? MDB_MAP_FULL
                               : mdb_env_set_mapsize(env, (size_t)size);
}

bool vld_store_grow(vld_store *store)
{
    grow_call call = {store, 0};
    bool grown = false;

    if (pthread_mutex_trylock(&store->grow_mutex)) {
        return false;
    }
    __atomic_store_n(&store->growing, 1, __ATOMIC_SEQ_CST);
    if (wait_for_quiet(store)) {
        grown = vld_guard_run(enlarge, &call) && !call.rc;
        if (!grown) {
            __atomic_store_n(&store->dead, 1, __ATOMIC_RELAXED);
        }
    }
    __atomic_store_n(&store->growing, 0, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&store->grow_mutex);
    return grown;
}
