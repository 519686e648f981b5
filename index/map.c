/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The file of a store, mapped for look-ups.  It never writes, never locks the
 * file, and never unmaps what another thread may read. */
#include "index/map.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "index/error.h"

/* Address space, not memory.  It is twice what the file needs, so that maps are
 * few and the older ones together are no larger than the newest. */
#define LEAST_SIZE ((uint64_t)1 << 30)

/* The last pages may be missing from the file, up to this size: those that one
 * transaction took and gave back. */
#define UNWRITTEN ((uint64_t)1 << 30)

static const unsigned char *map_octets(int fd, uint64_t size)
{
    void *octets = size <= SIZE_MAX
                       ? mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0)
                       : MAP_FAILED;

    return octets == MAP_FAILED ? NULL : octets;
}

/* With less address space than wanted, down to what is needed. */
static vld_map *new_map(const vld_store *store, uint64_t needed)
{
    vld_map *map = calloc(1, sizeof(*map));
    uint64_t size = LEAST_SIZE;

    if (!map) {
        return NULL;
    }
    while (size < 2 * needed) {
        size *= 2;
    }
    while (!(map->octets = map_octets(store->fd, size)) && size > needed) {
        size = size / 2 > needed ? size / 2 : needed;
    }
    if (!map->octets) {
        free(map);
        return NULL;
    }
    map->size = (size_t)size;
    map->pages = size / store->page_size;
    return map;
}

static void free_map(vld_map *map)
{
    munmap((void *)(uintptr_t)map->octets, map->size);
    free(map);
}

/* Without a lock: a child may be forked while another thread would hold it. */
static void publish_map(vld_store *store, vld_map *map)
{
    map->before = __atomic_load_n(&store->map, __ATOMIC_ACQUIRE);
    do {
        if (map->before && map->before->pages >= map->pages) {
            free_map(map); /* another thread was quicker */
            return;
        }
    } while (!__atomic_compare_exchange_n(&store->map, &map->before, map, false,
                                          __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
}

static apr_status_t add_map(vld_store *store, uint64_t needed)
{
    vld_map *map = new_map(store, needed);

    if (!map) {
        return VLD_E_FULL;
    }
    publish_map(store, map);
    return APR_SUCCESS;
}

apr_status_t vld_map_open(vld_store *store)
{
    struct stat st;

    if (fstat(store->fd, &st)) {
        return vld_error_os();
    }
    return add_map(store, (uint64_t)st.st_size);
}

apr_status_t vld_map_grow(vld_store *store, uint64_t pages)
{
    struct stat st;

    if (fstat(store->fd, &st)) {
        return vld_error_os();
    }
    return pages > ((uint64_t)st.st_size + UNWRITTEN) / store->page_size
               ? VLD_E_DAMAGED
               : add_map(store, pages * store->page_size);
}

void vld_map_close(vld_store *store)
{
    vld_map *map;

    while ((map = store->map)) {
        store->map = map->before;
        free_map(map);
    }
}
