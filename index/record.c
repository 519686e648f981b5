/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The codec of records.  It trusts nothing before the check, and uses neither
 * disk nor clock. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "index/record.h"

#include <string.h>

#include "validators/bytes.h"

/* A value of `files`, version 2; numbers are little-endian, times and dates in
 * two's complement.  Version 1, of a record without a promise, has no seed: the
 * checksum is at 88 and the path at 96.
 *
 *  OFFSET  SIZE  DESCRIPTION
 *       0     2  format version
 *       2     2  flags: 1, the content was not read yet (version 2 only)
 *       4     4  octets of the path after the record: 0 where the key is
 *                the path
 *       8    32  SHA-256 of the content; not read yet: 0
 *      40     8  identity: size in octets
 *      48     8  identity: mtime, ns since 1970
 *      56     8  identity: ctime, ns since 1970
 *      64     8  identity: inode
 *      72     8  Last-Modified, s since 1970
 *      80     8  when the content was read, ns since 1970; not read yet: when
 *                its tag was promised
 *      88    16  the seed of the promised tag
 *     104     8  XXH3-64 of the octets before, seeded with the XXH3-64 (seed 0)
 *                of the path
 *     112     n  the path, where it is longer than 511 octets
 */
enum {
    AT_VERSION = 0,
    AT_FLAGS = 2,
    AT_PATH_SIZE = 4,
    AT_DIGEST = 8,
    AT_SIZE = 40,
    AT_MTIME = 48,
    AT_CTIME = 56,
    AT_INODE = 64,
    AT_LAST_MODIFIED = 72,
    AT_INDEXED = 80,
    AT_SEED = 88,
    AT_CHECKSUM = 104,
    AT_PATH = 112
};
enum { UNREAD = 1, CHECKSUM_SIZE = AT_PATH - AT_CHECKSUM };
_Static_assert(AT_PATH == VLD_PROMISED_SIZE, "the record ends at the path");
_Static_assert(sizeof(vld_seed) == AT_CHECKSUM - AT_SEED, "128 bits");
_Static_assert(VLD_PROMISED_SIZE - sizeof(vld_seed) == VLD_RECORD_SIZE,
               "version 1 has no seed");
_Static_assert(sizeof(vld_digest) == AT_SIZE - AT_DIGEST, "SHA-256");
_Static_assert(sizeof(vld_digest) + 1 == VLD_LONG_KEY_SIZE, "hashed key");

/* 9999-12-31 23:59:59, the last date that HTTP can write. */
#define LAST_DATE INT64_C(253402300799)

static bool is_long(size_t path_len)
{
    return path_len > VLD_KEY_MAX;
}

static bool is_hashed_key(const char *path, size_t len)
{
    return len == VLD_LONG_KEY_SIZE && path[0] == '\0';
}

bool vld_path_is_valid(const char *path, size_t len)
{
    return len > 0 && len <= VLD_PATH_MAX && path[0] == '/'
           && !memchr(path, '\0', len);
}

apr_status_t vld_store_key_of(const char *path, size_t len, vld_store_key *out)
{
    vld_digest digest;
    apr_status_t rv;

    if (!len || len > VLD_PATH_MAX
        || (path[0] != '/' && !is_hashed_key(path, len))) {
        return APR_EINVAL;
    }
    if (!is_long(len)) {
        out->data = path;
        out->size = len;
        return APR_SUCCESS;
    }
    rv = vld_digest_bytes(path, len, &digest);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    out->hashed[0] = '\0';
    memcpy(out->hashed + 1, digest.bytes, sizeof(digest.bytes));
    out->data = out->hashed;
    out->size = VLD_LONG_KEY_SIZE;
    return APR_SUCCESS;
}

static size_t size_of_version(unsigned version)
{
    return version == VLD_FORMAT_PROMISES ? VLD_PROMISED_SIZE : VLD_RECORD_SIZE;
}

static unsigned version_of(const vld_record *record)
{
    return record->is_promised ? VLD_FORMAT_PROMISES : VLD_FORMAT_FIRST;
}

size_t vld_value_size(const vld_record *record, size_t path_len)
{
    return size_of_version(version_of(record))
           + (is_long(path_len) ? path_len : 0);
}

static uint64_t compute_checksum(const unsigned char *value, size_t record_size,
                                 const char *path, size_t len)
{
    return XXH3_64bits_withSeed(value, record_size - CHECKSUM_SIZE,
                                XXH3_64bits(path, len));
}

static bool is_zero(const vld_digest *digest)
{
    static const vld_digest zero;

    return !memcmp(digest, &zero, sizeof(zero));
}

static bool is_sane(const vld_record *record)
{
    return record->identity.size <= INT64_MAX && record->last_modified >= 0
           && record->last_modified <= LAST_DATE && record->indexed_ns > 0
           && (!record->is_unread
               || (record->is_promised && is_zero(&record->digest)));
}

apr_status_t vld_record_encode(const vld_record *record, const char *path,
                               size_t len, unsigned char *value)
{
    const vld_identity *id = &record->identity;
    size_t size = size_of_version(version_of(record));

    if (!vld_path_is_valid(path, len) || !is_sane(record)) {
        return APR_EINVAL;
    }
    vld_put16(value + AT_VERSION, (uint16_t)version_of(record));
    vld_put16(value + AT_FLAGS, record->is_unread ? UNREAD : 0);
    vld_put32(value + AT_PATH_SIZE, is_long(len) ? (uint32_t)len : 0);
    memcpy(value + AT_DIGEST, record->digest.bytes, sizeof(record->digest));
    vld_put64(value + AT_SIZE, id->size);
    vld_put64(value + AT_MTIME, (uint64_t)id->mtime_ns);
    vld_put64(value + AT_CTIME, (uint64_t)id->ctime_ns);
    vld_put64(value + AT_INODE, id->inode);
    vld_put64(value + AT_LAST_MODIFIED, (uint64_t)record->last_modified);
    vld_put64(value + AT_INDEXED, (uint64_t)record->indexed_ns);
    if (record->is_promised) {
        memcpy(value + AT_SEED, record->seed.octets, sizeof(record->seed));
    }
    vld_put64(value + size - CHECKSUM_SIZE,
              compute_checksum(value, size, path, len));
    if (is_long(len)) {
        memcpy(value + size, path, len);
    }
    return APR_SUCCESS;
}

static bool knows_version(unsigned version)
{
    return version == VLD_FORMAT_FIRST || version == VLD_FORMAT_PROMISES;
}

/* size is VLD_RECORD_SIZE at least. */
static bool is_made_for(const unsigned char *value, size_t size,
                        const char *path, size_t len)
{
    unsigned version = vld_get16(value), flags = vld_get16(value + AT_FLAGS);
    size_t record_size = size_of_version(version);

    if (!knows_version(version)
        || size != record_size + (is_long(len) ? len : 0)
        || (flags && (flags != UNREAD || version != VLD_FORMAT_PROMISES))
        || vld_get32(value + AT_PATH_SIZE) != size - record_size
        || vld_get64(value + record_size - CHECKSUM_SIZE)
               != compute_checksum(value, record_size, path, len)) {
        return false;
    }
    return !is_long(len) || !memcmp(value + record_size, path, len);
}

static void read_promise(const unsigned char *value, vld_record *out)
{
    out->is_promised = vld_get16(value) == VLD_FORMAT_PROMISES;
    out->is_unread = vld_get16(value + AT_FLAGS) == UNREAD;
    memset(&out->seed, 0, sizeof(out->seed));
    if (out->is_promised) {
        memcpy(out->seed.octets, value + AT_SEED, sizeof(out->seed));
    }
}

apr_status_t vld_record_decode(const void *data, size_t size, const char *path,
                               size_t len, vld_record *out)
{
    const unsigned char *value = data;
    vld_record r;

    if (size < VLD_RECORD_SIZE || !is_made_for(value, size, path, len)) {
        return VLD_E_DAMAGED;
    }
    memset(&r, 0, sizeof(r)); /* equal records have equal octets */
    memcpy(r.digest.bytes, value + AT_DIGEST, sizeof(r.digest));
    r.identity.size = vld_get64(value + AT_SIZE);
    r.identity.mtime_ns = (int64_t)vld_get64(value + AT_MTIME);
    r.identity.ctime_ns = (int64_t)vld_get64(value + AT_CTIME);
    r.identity.inode = vld_get64(value + AT_INODE);
    r.last_modified = (int64_t)vld_get64(value + AT_LAST_MODIFIED);
    r.indexed_ns = (int64_t)vld_get64(value + AT_INDEXED);
    read_promise(value, &r);
    if (!is_sane(&r)) {
        return VLD_E_DAMAGED;
    }
    *out = r;
    return APR_SUCCESS;
}

bool vld_record_path(const void *key, size_t key_size, const void *value,
                     size_t size, const char **path, size_t *len)
{
    size_t record_size;

    if (!is_hashed_key(key, key_size)) {
        *path = key;
        *len = key_size;
        return true;
    }
    record_size = size < VLD_RECORD_SIZE ? VLD_RECORD_SIZE
                                         : size_of_version(vld_get16(value));
    if (size <= record_size) {
        return false;
    }
    *path = (const char *)value + record_size;
    *len = size - record_size;
    return true;
}
