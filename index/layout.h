/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Where LMDB 0.9 keeps what in its pages.  Private to index/. */
#ifndef VALIDATORS_INDEX_LAYOUT_H
#define VALIDATORS_INDEX_LAYOUT_H

#include <lmdb.h>

_Static_assert(MDB_VERSION_MAJOR == 0 && MDB_VERSION_MINOR == 9,
               "the pages below are those of LMDB 0.9");

/* Words have 64 bits; numbers are the machine's own:
 *
 *  OFFSET  SIZE  DESCRIPTION
 *       0     8  the page's number
 *      10     2  what it is: branch 1, leaf 2, overflow 4, head 8
 *      12     2  end of the offsets of nodes (overflow: 4, number of pages)
 *      14     2  begin of the nodes, which end with the page
 *      16   2 n  the offset of each node
 *
 *  a node: 2 + 2 size of the data, low and high (branch: + 2, number of the
 *  page below), 2 flags, 2 size of the key, the key, the data
 *
 *  a database: 4, 2 flags, 2 depth, 3 * 8 pages (branch, leaf, overflow),
 *  8 entries, 8 root
 *
 *  the first two pages are the heads: at 16 magic, at 20 version, at 32 the
 *  size of the map, at 40 and 88 two databases (free pages, main), at 136 the
 *  last page, at 144 the transaction that wrote the head, which is that of its
 *  parity; the page size is where the first database begins
 */
enum {
    VLD_PAGE_KIND = 10,
    VLD_PAGE_LOWER = 12,
    VLD_PAGE_UPPER = 14,
    VLD_PAGE_HEAD = 16,
    VLD_NODE_FLAGS = 4,
    VLD_NODE_KEY_SIZE = 6,
    VLD_NODE_HEAD = 8
};
enum {
    VLD_DB_FLAGS = 4,
    VLD_DB_DEPTH = 6,
    VLD_DB_PAGES = 8,
    VLD_DB_ENTRIES = 32,
    VLD_DB_ROOT = 40,
    VLD_DB_SIZE = 48
};
enum {
    VLD_HEAD_MAGIC = 16,
    VLD_HEAD_VERSION = 20,
    VLD_HEAD_MAP_SIZE = 32,
    VLD_HEAD_FREE = 40,
    VLD_HEAD_PAGE_SIZE = VLD_HEAD_FREE,
    VLD_HEAD_MAIN = 88,
    VLD_HEAD_LAST = 136,
    VLD_HEAD_TXN = 144,
    VLD_HEAD_SIZE = 152
};
enum {
    VLD_IS_BRANCH = 1,
    VLD_IS_LEAF = 2,
    VLD_IS_OVERFLOW = 4,
    VLD_IS_HEAD = 8
};
enum { VLD_NODE_BIG = 1, VLD_NODE_DATABASE = 2 };
/* How a database orders its keys, and whether they repeat: LMDB trusts it. */
enum { VLD_ORDER_FLAGS = 0x7e, VLD_NUMBERS_AS_KEYS = 8 };
enum { VLD_MOST_DEPTH = 32, VLD_LEAST_PAGE = 512, VLD_MOST_PAGE = 65536 };

#endif /* VALIDATORS_INDEX_LAYOUT_H */
