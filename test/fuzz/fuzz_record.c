/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Fuzz entry for records: any octets as a value and its path, and any record
 * as what is to be written.  What is read is what was written; what is refused
 * leaves no trace.
 * The input is an octet of length, a path of that length, and the value. */
#include <stdlib.h>
#include <string.h>

#include "index/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const char *path, size_t len, const void *value, size_t size)
{
    unsigned char *again = malloc(VLD_PROMISED_SIZE + len);
    const char *name;
    size_t name_len;
    vld_record r;

    if (vld_record_decode(value, size, path, len, &r) == APR_SUCCESS
        && (vld_record_encode(&r, path, len, again) != APR_SUCCESS
            || size != vld_value_size(&r, len) || memcmp(again, value, size))) {
        abort();
    }
    if (len) {
        vld_record_path(path, len, value, size, &name, &name_len);
    }
    free(again);
}

static void encode(const char *path, size_t len, const void *octets)
{
    unsigned char *value = malloc(VLD_PROMISED_SIZE + len);
    vld_record r, back;

    memcpy(&r, octets, sizeof(r));
    r.is_promised = *(const unsigned char *)octets & 1;
    r.is_unread = *(const unsigned char *)octets >> 1 & 1;
    if (vld_record_encode(&r, path, len, value) == APR_SUCCESS) {
        if (vld_record_decode(value, vld_value_size(&r, len), path, len, &back)
                != APR_SUCCESS
            || memcmp(&back.digest, &r.digest, sizeof(r.digest))
            || back.identity.size != r.identity.size
            || back.identity.mtime_ns != r.identity.mtime_ns
            || back.identity.ctime_ns != r.identity.ctime_ns
            || back.identity.inode != r.identity.inode
            || back.last_modified != r.last_modified
            || back.indexed_ns != r.indexed_ns) {
            abort();
        }
        value[len % VLD_RECORD_SIZE] ^= 1;
        if (vld_record_decode(value, vld_value_size(&r, len), path, len, &back)
            == APR_SUCCESS) {
            abort();
        }
    }
    free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *path;
    void *value;
    size_t len;

    if (size < 1 || size < 1U + data[0] * 4U) {
        return 0;
    }
    len = data[0] * 4U; /* longer than a key, too */
    path = malloc(len ? len : 1);
    memcpy(path, data + 1, len);
    data += 1 + len;
    size -= 1 + len;
    value = malloc(size ? size : 1);
    memcpy(value, data, size);
    decode(path, len, value, size);
    if (size >= sizeof(vld_record)) {
        encode(path, len, value);
    }
    free(value);
    free(path);
    return 0;
}
