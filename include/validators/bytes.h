/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Numbers in octets: little-endian, whatever the machine's order is, or in the
 * machine's own.  No dependency but the C library. */
#ifndef VALIDATORS_BYTES_H
#define VALIDATORS_BYTES_H

#include <stdint.h>
#include <string.h>

static inline void vld_put16(unsigned char *p, uint16_t v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}

static inline void vld_put32(unsigned char *p, uint32_t v)
{
    vld_put16(p, (uint16_t)v);
    vld_put16(p + 2, (uint16_t)(v >> 16));
}

static inline void vld_put64(unsigned char *p, uint64_t v)
{
    vld_put32(p, (uint32_t)v);
    vld_put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint16_t vld_get16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t vld_get32(const unsigned char *p)
{
    return (uint32_t)vld_get16(p) | (uint32_t)vld_get16(p + 2) << 16;
}

static inline uint64_t vld_get64(const unsigned char *p)
{
    return (uint64_t)vld_get32(p) | (uint64_t)vld_get32(p + 4) << 32;
}

/* In the machine's own order, at any address. */
static inline uint16_t vld_get16_native(const unsigned char *p)
{
    uint16_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t vld_get64_native(const unsigned char *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

#endif /* VALIDATORS_BYTES_H */
