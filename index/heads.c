/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The two heads of an index, looked at before LMDB does: it divides by the page
 * size that it finds there.  Never looks at any other page. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "index/heads.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "validators/index.h"

/* Of LMDB 0.9 where words have 64 bits; numbers are the machine's own:
 *
 *  OFFSET  SIZE  DESCRIPTION
 *      10     2  what the page is: 8, a head
 *      16     4  magic
 *      20     4  version of the format
 *      40     4  page size
 *     144     8  transaction, which the head of its parity has written
 */
enum {
    AT_KIND = 10,
    AT_MAGIC = 16,
    AT_VERSION = 20,
    AT_PAGE_SIZE = 40,
    AT_TXN = 144
};
enum { HEAD_SIZE = 152, IS_HEAD = 8, LMDB_VERSION = 1 };
enum { LEAST_PAGE = 512, MOST_PAGE = 65536 };

#define LMDB_MAGIC UINT32_C(0xbeefc0de)

static uint32_t number_at(const unsigned char *head, size_t at)
{
    uint32_t n;

    memcpy(&n, head + at, sizeof(n));
    return n;
}

/* What LMDB itself refuses is left to it: it tells which. */
static bool is_head(const unsigned char *head)
{
    uint16_t kind;

    memcpy(&kind, head + AT_KIND, sizeof(kind));
    return kind & IS_HEAD && number_at(head, AT_MAGIC) == LMDB_MAGIC
           && number_at(head, AT_VERSION) == LMDB_VERSION;
}

static bool is_page_size(uint32_t size)
{
    return size >= LEAST_PAGE && size <= MOST_PAGE && !(size & (size - 1));
}

typedef struct head {
    uint32_t page_size;
    uint64_t txn;
} head;

/* False: the head is not whole, or LMDB refuses it. */
static bool read_head(int fd, off_t at, head *out)
{
    unsigned char octets[HEAD_SIZE];

    if (pread(fd, octets, HEAD_SIZE, at) != (ssize_t)HEAD_SIZE
        || !is_head(octets)) {
        return false;
    }
    out->page_size = number_at(octets, AT_PAGE_SIZE);
    memcpy(&out->txn, octets + AT_TXN, sizeof(out->txn));
    return true;
}

/* LMDB takes the number of the last transaction from the head where it is
 * greater, and all else from the head of its parity: it must be the same. */
static bool is_last_in_place(uint64_t first, uint64_t second)
{
    if (first == second) {
        return first == 0; /* nothing has been committed */
    }
    return first > second ? !(first & 1) : second & 1;
}

static bool are_heads_well(int fd)
{
    head first, second;

    if (!read_head(fd, 0, &first)) {
        return true;
    }
    if (!is_page_size(first.page_size)) {
        return false;
    }
    return !read_head(fd, (off_t)first.page_size, &second)
           || (second.page_size == first.page_size
               && is_last_in_place(first.txn, second.txn));
}

apr_status_t vld_heads_check(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool well;

    if (fd < 0) {
        return APR_SUCCESS;
    }
    well = sizeof(size_t) != 8 || are_heads_well(fd);
    close(fd);
    return well ? APR_SUCCESS : VLD_E_DAMAGED;
}
