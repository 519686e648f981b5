/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Keys and values of the database `files`.  Private to index/.
 * docs/index-format.md describes the same for other programs. */
#ifndef VALIDATORS_INDEX_RECORD_H
#define VALIDATORS_INDEX_RECORD_H

#include "validators/index.h"

/* The versions of the whole index, in `meta`, and of records.  An index has the
 * first one, and so can be read by programs that know no other, until the first
 * promise is recorded. */
#define VLD_FORMAT_FIRST 1
#define VLD_FORMAT_PROMISES 2

/* A key of LMDB is 511 octets at most; longer paths are stored under
 * 0x00 + SHA-256 of the path.  The longest path taken at all: */
#define VLD_KEY_MAX 511
#define VLD_LONG_KEY_SIZE 33

/* Octets of a record, of either version: the path may follow. */
#define VLD_RECORD_SIZE 96
#define VLD_PROMISED_SIZE 112

typedef struct vld_store_key {
    const void *data; /* the path itself, or hashed */
    size_t size;
    unsigned char hashed[VLD_LONG_KEY_SIZE];
} vld_store_key;

/* The key of a path.  A hashed key is its own key, so that a record whose path
 * is lost can be deleted. */
apr_status_t vld_store_key_of(const char *path, size_t len, vld_store_key *out);

/* Write the value for a path, vld_value_size() octets.  APR_EINVAL: the decoder
 * would refuse it. */
size_t vld_value_size(const vld_record *record, size_t path_len);
apr_status_t vld_record_encode(const vld_record *record, const char *path,
                               size_t len, unsigned char *value);

/* Read the value found for a path: APR_SUCCESS only if its length, version,
 * flags, ranges and checksum are right and it was made for this path; else
 * VLD_E_DAMAGED with *out untouched. */
apr_status_t vld_record_decode(const void *value, size_t size, const char *path,
                               size_t len, vld_record *out);

/* The path of a key and its value: points into one of them.  False: the value
 * is too short to have it. */
bool vld_record_path(const void *key, size_t key_size, const void *value,
                     size_t size, const char **path, size_t *len);

#endif /* VALIDATORS_INDEX_RECORD_H */
