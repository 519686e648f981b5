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

static bool is_same(const vld_record *a, const vld_record *b)
{
    return !memcmp(&a->digest, &b->digest, sizeof(a->digest))
           && vld_identity_equal(&a->identity, &b->identity, VLD_COMPARE_STRICT)
           && a->last_modified == b->last_modified
           && a->indexed_ns == b->indexed_ns && a->is_promised == b->is_promised
           && a->is_unread == b->is_unread
           && (!a->is_promised || !memcmp(&a->seed, &b->seed, sizeof(a->seed)));
}

static void encode(const char *path, size_t len, const vld_record *r)
{
    size_t size = vld_value_size(r, len);
    unsigned char *value = malloc(size);
    vld_record back;

    if (vld_record_encode(r, path, len, value) == APR_SUCCESS) {
        if (vld_record_decode(value, size, path, len, &back) != APR_SUCCESS
            || !is_same(&back, r)) {
            abort();
        }
        value[len % VLD_RECORD_SIZE] ^= 1;
        if (vld_record_decode(value, size, path, len, &back) == APR_SUCCESS) {
            abort();
        }
    }
    free(value);
}

/* Of these octets, by each kind of record. */
static void encode_all(const char *path, size_t len, const void *octets)
{
    for (int kind = 0; kind < 4; kind++) {
        vld_record r;

        memcpy(&r.digest, octets, sizeof(r.digest));
        memcpy(&r.identity, (const char *)octets + 32, sizeof(r.identity));
        memcpy(&r.last_modified, (const char *)octets + 64, 8);
        memcpy(&r.indexed_ns, (const char *)octets + 72, 8);
        memcpy(&r.seed, (const char *)octets + 80, sizeof(r.seed));
        r.is_promised = kind & 1;
        r.is_unread = kind & 2;
        if (r.is_unread && r.seed.octets[0] % 2) {
            memset(&r.digest, 0, sizeof(r.digest));
        }
        encode(path, len, &r);
    }
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
    if (size >= VLD_RECORD_SIZE) {
        encode_all(path, len, value);
    }
    free(value);
    free(path);
    return 0;
}
