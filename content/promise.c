/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Promises: tags of contents that were not read yet, and how they last.  Never
 * looks at the clock and never reads a file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "content/identity.h"

#include <string.h>
#include <sys/vfs.h>

#include "validators/content.h"

#define SYSTEM_OCTETS 8

static void name_of_seed(const vld_seed *seed, vld_digest *name)
{
    memset(name, 0, sizeof(*name));
    memcpy(name->bytes, seed->octets, sizeof(seed->octets));
}

/* A clone of a file system has files of the same identity, and other contents
 * may be written to both.  The number of a device may be another after each
 * start; that of the file system is not. */
static void number_of_system(int fd, unsigned char out[SYSTEM_OCTETS])
{
    struct statfs fs;

    _Static_assert(sizeof(fs.f_fsid) == SYSTEM_OCTETS, "it is two words");
    memset(out, 0, SYSTEM_OCTETS);
    if (!fstatfs(fd, &fs)) {
        memcpy(out, &fs.f_fsid, SYSTEM_OCTETS);
    }
}

apr_status_t vld_promise_name(const vld_identity *id, int fd, vld_digest *name)
{
    static const char label[16] = "vld promise v1";
    unsigned char text[sizeof(label) + VLD_IDENTITY_OCTETS + SYSTEM_OCTETS];
    vld_seed seed;
    apr_status_t rv;

    memcpy(text, label, sizeof(label));
    vld_identity_put(text + sizeof(label), id);
    number_of_system(fd, text + sizeof(label) + VLD_IDENTITY_OCTETS);
    rv = vld_digest_bytes(text, sizeof(text), name);
    if (rv == APR_SUCCESS) {
        memcpy(seed.octets, name->bytes, sizeof(seed.octets));
        name_of_seed(&seed, name);
    }
    return rv;
}

void vld_promise_record(const vld_identity *id, const vld_digest *name,
                        int64_t now_ns, vld_record *out)
{
    memset(out, 0, sizeof(*out));
    out->identity = *id;
    out->indexed_ns = now_ns;
    out->is_promised = true;
    out->is_unread = true;
    memcpy(out->seed.octets, name->bytes, sizeof(out->seed.octets));
}

void vld_record_name(const vld_record *record, vld_digest *name)
{
    if (record->is_promised) {
        name_of_seed(&record->seed, name);
    }
    else {
        *name = record->digest;
    }
}

bool vld_record_is_same(const vld_record *a, const vld_record *b)
{
    vld_digest name_a, name_b;

    vld_record_name(a, &name_a);
    vld_record_name(b, &name_b);
    return !memcmp(&name_a, &name_b, sizeof(name_a));
}

bool vld_name_is_promised(const vld_digest *name)
{
    static const unsigned char zeros[sizeof(vld_digest) - sizeof(vld_seed)];

    return !memcmp(name->bytes + sizeof(vld_seed), zeros, sizeof(zeros));
}

void vld_record_read(const vld_identity *id, const vld_digest *digest,
                     int64_t indexed_ns, vld_record *out)
{
    memset(out, 0, sizeof(*out));
    out->digest = *digest;
    out->identity = *id;
    out->indexed_ns = indexed_ns;
}

static bool is_of_digest(const vld_record *record, const vld_digest *digest)
{
    return !record->is_unread
           && !memcmp(&record->digest, digest, sizeof(*digest));
}

void vld_content_name(const vld_digest *digest, const vld_record *record,
                      vld_digest *name)
{
    if (record && record->is_promised && is_of_digest(record, digest)) {
        name_of_seed(&record->seed, name);
    }
    else {
        *name = *digest;
    }
}

void vld_record_keep_promise(vld_record *record, const vld_record *before)
{
    bool same_file = vld_identity_equal(&record->identity, &before->identity,
                                        VLD_COMPARE_STRICT);

    if (record->is_unread && !before->is_unread && same_file) {
        record->digest = before->digest;
        record->indexed_ns = before->indexed_ns;
        record->is_unread = false;
        record->is_promised = before->is_promised;
        record->seed = before->seed;
    }
    else if ((same_file && (record->is_unread || before->is_unread))
             || (!record->is_unread && is_of_digest(before, &record->digest))) {
        record->is_promised = before->is_promised;
        record->seed = before->seed;
    }
}
