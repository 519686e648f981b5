/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Text between two pages that must not be touched: a parser that reads one
 * octet too many, or one too early, dies at once.  The pages are never given
 * back, the test process ends soon. */
#ifndef TEST_GUARDED_H
#define TEST_GUARDED_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "validators/types.h"

static inline char *guarded_pages(size_t len, size_t *room)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *base;

    *room = (len / page + 1) * page;
    base = mmap(NULL, *room + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
                -1, 0);
    assert_ptr_not_equal(base, MAP_FAILED);
    assert_int_equal(mprotect(base + page, *room, PROT_READ | PROT_WRITE), 0);
    return base + page;
}

/* A copy of text whose end is the end of the readable memory. */
static inline vld_span guarded_end(const char *text, size_t len)
{
    vld_span span;
    size_t room;
    char *p = guarded_pages(len, &room);

    p += room - len;
    memcpy(p, text, len);
    span.ptr = p;
    span.len = len;
    return span;
}

/* A copy of text whose start is the start of the readable memory. */
static inline vld_span guarded_start(const char *text, size_t len)
{
    vld_span span;
    size_t room;
    char *p = guarded_pages(len, &room);

    memcpy(p, text, len);
    span.ptr = p;
    span.len = len;
    return span;
}

#endif /* TEST_GUARDED_H */
