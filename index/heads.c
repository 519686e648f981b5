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
#include "index/layout.h"

enum { LMDB_VERSION = 1 };

#define LMDB_MAGIC UINT32_C(0xbeefc0de)

static uint32_t number_at(const unsigned char *head, size_t at)
{
    uint32_t n;

    memcpy(&n, head + at, sizeof(n));
    return n;
}

static apr_status_t judge_kind(const unsigned char *head)
{
    uint16_t kind;

    memcpy(&kind, head + VLD_PAGE_KIND, sizeof(kind));
    if (!(kind & VLD_IS_HEAD)
        || number_at(head, VLD_HEAD_MAGIC) != LMDB_MAGIC) {
        return VLD_E_NOT_INDEX;
    }
    return number_at(head, VLD_HEAD_VERSION) == LMDB_VERSION ? APR_SUCCESS
                                                             : VLD_E_VERSION;
}

static bool is_page_size(uint32_t size)
{
    return size >= VLD_LEAST_PAGE && size <= VLD_MOST_PAGE
           && !(size & (size - 1));
}

typedef struct head {
    uint32_t page_size;
    uint64_t txn;
} head;

static apr_status_t read_head(int fd, off_t at, head *out)
{
    unsigned char octets[VLD_HEAD_SIZE];

    if (pread(fd, octets, VLD_HEAD_SIZE, at) != (ssize_t)VLD_HEAD_SIZE) {
        return VLD_E_NOT_INDEX;
    }
    out->page_size = number_at(octets, VLD_HEAD_PAGE_SIZE);
    memcpy(&out->txn, octets + VLD_HEAD_TXN, sizeof(out->txn));
    return judge_kind(octets);
}

apr_status_t vld_heads_read(int fd, size_t *page_size)
{
    head first, second;
    apr_status_t rv = read_head(fd, 0, &first);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (!is_page_size(first.page_size)) {
        return VLD_E_DAMAGED;
    }
    *page_size = first.page_size;
    rv = read_head(fd, (off_t)first.page_size, &second);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    /* Each transaction writes the head of its parity. */
    return second.page_size == first.page_size && !(first.txn & 1)
                   && (second.txn & 1 || !second.txn)
               ? APR_SUCCESS
               : VLD_E_DAMAGED;
}

/* What LMDB itself refuses is left to it. */
apr_status_t vld_heads_check(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t page_size;
    apr_status_t rv;

    if (fd < 0) {
        return APR_SUCCESS;
    }
    rv = vld_heads_read(fd, &page_size);
    close(fd);
    return rv == VLD_E_DAMAGED ? rv : APR_SUCCESS;
}
