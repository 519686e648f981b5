/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Enlarges the map of a writer, where it was given less address space than the
 * index needs by now.  Look-ups have maps of their own. */
#include "index/grow.h"

#include <sys/stat.h>

#include "index/fault.h"
#include "index/guarded.h"

#define SPARE ((uint64_t)64 << 20)
/* The last pages may be missing from the file, up to this size: those that one
 * transaction took and gave back. */
#define UNWRITTEN ((uint64_t)1 << 30)

typedef struct grow_call {
    vld_store *store;
    int rc;
} grow_call;

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
    bool grown = vld_fault_run(enlarge_map, &call) && !call.rc;

    if (!grown) {
        vld_store_mark_dead(store);
    }
    return grown;
}
