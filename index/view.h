/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Optimistic reading: look first, and see afterwards whether a writer can have
 * overwritten what was looked at.  docs/index-format.md has the proof.  Private
 * to index/. */
#ifndef VALIDATORS_INDEX_VIEW_H
#define VALIDATORS_INDEX_VIEW_H

#include "index/layout.h"
#include "index/store.h"

/* A snapshot as it was found; nobody keeps writers from its pages. */
typedef struct vld_view {
    const unsigned char *octets; /* of the map */
    size_t page_size;
    uint64_t txn;  /* the transaction that made it */
    uint64_t last; /* its last page, within the map */
    uint64_t root; /* of its main database */
    unsigned char head[VLD_HEAD_SIZE];
} vld_view;

/* Look at the view and leave the result in call.  It may fault at each octet of
 * a page, and a page may change under it: it holds no lock, has no memory of
 * its own, and is called again, from the beginning, where that happened.
 * VLD_E_DAMAGED: LMDB does not write such pages. */
typedef apr_status_t (*vld_view_fn)(const vld_view *view, void *call);

/* Call fn until a result counts, whatever it is.  Any thread, also in a child
 * that has inherited the store over fork.  VLD_E_UNKNOWN: none of 16 did.
 * VLD_E_DAMAGED: a fault, or fn says so; the store is dead.  VLD_E_FULL: the
 * file does not fit into the address space. */
apr_status_t vld_view_read(vld_store *store, vld_view_fn fn, void *call);

/* The number of the last transaction; 0: none, or not known. */
uint64_t vld_view_last_txn(vld_store *store);

#endif /* VALIDATORS_INDEX_VIEW_H */
