/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The plain types that several parts share: a span of text, a file's identity
 * and digest.  No functions; depends on the C library alone. */
#ifndef VALIDATORS_TYPES_H
#define VALIDATORS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A run of octets, not NUL-terminated.  ptr == NULL: the field is absent
 * (an empty field that is present has ptr != NULL and len == 0).  The octets
 * belong to the maker of the span. */
typedef struct vld_span {
    const char *ptr;
    size_t len;
} vld_span;

/* The part of a stat that tells one state of a file from another without
 * reading it.  Equal identities mean equal content only for a file that is not
 * racy (see validators/content.h). */
typedef struct vld_identity {
    uint64_t size;    /* octets */
    int64_t mtime_ns; /* nanoseconds since 1970, may be negative */
    int64_t ctime_ns; /* nanoseconds since 1970 */
    uint64_t inode;
} vld_identity;

/* The SHA-256 of a content. */
typedef struct vld_digest {
    unsigned char bytes[32];
} vld_digest;

/* How closely an identity is compared (directive ValidatorsVerify). */
typedef enum vld_compare {
    VLD_COMPARE_STRICT = 0, /* size, mtime, ctime, inode */
    VLD_COMPARE_MTIME = 1,  /* size and mtime */
    VLD_COMPARE_NONE = 2    /* nothing */
} vld_compare;

#endif /* VALIDATORS_TYPES_H */
