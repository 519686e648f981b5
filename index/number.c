/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The number of the last transaction, which is another for every state of every
 * file.  Its caller asks before each look-up: it must be cheap. */
#include "index/error.h"
#include "index/grow.h"
#include "index/guarded.h"

typedef struct number_call {
    apr_status_t rv;
    vld_store *store;
    uint64_t number;
} number_call;

static int read_snapshot(vld_store *store, uint64_t *out)
{
    MDB_txn *txn;
    int rc = vld_store_enter(store, &txn);

    if (!rc) {
        *out = mdb_txn_id(txn);
        vld_store_leave(store);
        __atomic_store_n(&store->visible, *out, __ATOMIC_RELAXED);
    }
    return rc;
}

/* The meta page shows a new transaction number while it is still being synced;
 * readers get the snapshot after.  We need the readers' number.  Reading the
 * meta page is cheaper, so ask it first, and start a reader only when the two
 * differ. */
static void read_number(void *data)
{
    number_call *call = data;
    vld_store *store = call->store;
    MDB_envinfo info;
    int rc = mdb_env_info(store->env, &info);

    call->number = __atomic_load_n(&store->visible, __ATOMIC_RELAXED);
    if (!rc && (call->number != info.me_last_txnid || !call->number)) {
        rc = read_snapshot(store, &call->number);
    }
    call->rv = vld_error_mdb(rc);
}

/* An inode's number is used again as soon as its file is gone.  Neighbouring
 * numbers must not give similar results: one often replaces the other. */
static uint64_t mix_identity(const vld_store *store)
{
    uint64_t mixed = (uint64_t)store->ino ^ (uint64_t)store->dev << 20;

    mixed = mixed * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)store->born_ns;
    mixed = (mixed ^ mixed >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return mixed ^ mixed >> 32;
}

uint64_t vld_store_file_number(const vld_store *store)
{
    return mix_identity(store);
}

/* Another file at the path has its own count, which may pass a number that was
 * seen before: the upper bits tell the files apart. */
static uint64_t mask_upper_bits(const vld_store *store)
{
    return mix_identity(store) >> 44 << 44;
}

uint64_t vld_store_txn(vld_store *store)
{
    number_call call = { APR_SUCCESS, store, 0 };

    return vld_store_run(store, read_number, &call) || !call.number
               ? 0
               : call.number ^ mask_upper_bits(store);
}
