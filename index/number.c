/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The number of the last transaction, which is another for every state of every
 * file.  Its caller asks before each look-up: it must be cheap. */
#include "index/view.h"

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
    uint64_t number = vld_view_last_txn(store);

    return number ? number ^ mask_upper_bits(store) : 0;
}
