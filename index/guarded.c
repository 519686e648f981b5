/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Calls into LMDB under guard: a fault makes the store dead.  It knows nothing
 * of what is called. */
#include "index/guarded.h"

#include "index/fault.h"

static bool is_dead(const vld_store *store)
{
    return __atomic_load_n(&store->dead, __ATOMIC_RELAXED);
}

bool vld_store_is_dead(const vld_store *store)
{
    return is_dead(store);
}

void vld_store_mark_dead(vld_store *store)
{
    __atomic_store_n(&store->dead, 1, __ATOMIC_RELAXED);
}

apr_status_t vld_store_run(vld_store *store, void (*fn)(void *call), void *call)
{
    if (is_dead(store)) {
        return VLD_E_DAMAGED;
    }
    if (!vld_fault_run(fn, call)) {
        vld_store_mark_dead(store);
        return VLD_E_DAMAGED;
    }
    return *(apr_status_t *)call;
}
