/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The file of a store, mapped for look-ups.  Private to index/. */
#ifndef VALIDATORS_INDEX_MAP_H
#define VALIDATORS_INDEX_MAP_H

#include "index/store.h"

struct vld_map {
    const unsigned char *octets;
    size_t size;
    uint64_t pages;  /* that fit */
    vld_map *before; /* a smaller one, which threads may still use */
};

/* Map store->fd, whose pages have store->page_size octets.  VLD_E_FULL: there
 * is no address space for it. */
apr_status_t vld_map_open(vld_store *store);

/* Map it anew where it has more than so many pages by now.  Other threads may
 * be inside: the maps before last until vld_map_close.  VLD_E_DAMAGED: the
 * file's length contradicts that number; VLD_E_FULL: no address space. */
apr_status_t vld_map_grow(vld_store *store, uint64_t pages);

/* No thread is in the store. */
void vld_map_close(vld_store *store);

#endif /* VALIDATORS_INDEX_MAP_H */
