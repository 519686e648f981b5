/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Promises: tags of contents that were not read yet, and how they last.  Never
 * looks at the clock and never reads a file. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "validators/content.h"

#include <string.h>
#include <sys/vfs.h>

#include "validators/bytes.h"

static void name_of_seed(const vld_seed *seed, vld_digest *name)
{
    memset(name, 0, sizeof(*name));
    memcpy(name->bytes, seed->octets, sizeof(seed->octets));
}

/* A clone of a file system has files of the same identity, and other contents
 * may be written to both.  The number of a device may be another after each
 * start; that of the file system is not. */
static void number_of_system(int fd, unsigned char out[8])
{
    struct statfs fs;

    memset(out, 0, 8);
    if (!fstatfs(fd, &fs)) {
        memcpy(out, &fs.f_fsid, sizeof(fs.f_fsid) < 8 ? sizeof(fs.f_fsid) : 8);
    }
}

apr_status_t vld_promise_name(const vld_identity *id, int fd, vld_digest *name)
{
    static const char label[16] = "vld promise v1";
    unsigned char text[56];
    vld_seed seed;
    apr_status_t rv;

    memcpy(text, label, sizeof(label));
    vld_put64(text + 16, id->size);
    vld_put64(text + 24, (uint64_t)id->mtime_ns);
    vld_put64(text + 32, (uint64_t)id->ctime_ns);
    vld_put64(text + 40, id->inode);
    number_of_system(fd, text + 48);
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
