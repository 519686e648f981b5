/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* One file: read, between two looks at its identity.  Follows no link. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "validators/content.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "content/digest.h"

/* When a file that has a writer is looked at again. */
#define WRITER_NS INT64_C(1000000000)

#define AGAIN_NS INT64_C(1000000) /* past the moment of settling */

static vld_reading read_identity(vld_attempt *a, vld_identity *id, dev_t *dev)
{
    struct stat st;

    if (fstat(a->fd, &st)) {
        a->rv = vld_error_os();
        return VLD_READ_FAILED;
    }
    if (!S_ISREG(st.st_mode)) {
        return VLD_PASSED;
    }
    vld_identity_of(&st, id);
    *dev = st.st_dev;
    return VLD_READ;
}

static bool is_known(const vld_attempt *a)
{
    const vld_identity *id = &a->record->identity;

    return a->known && !a->known->is_unread
           && vld_identity_time_tells(id->mtime_ns)
           && vld_identity_equal(id, &a->known->identity, VLD_COMPARE_MTIME);
}

/* The identity must be settled before the first octet is read, and the same
 * after the last: then no change before, during or after the reading can
 * have left, or leave, this identity with another content. */
vld_reading vld_file_try(vld_attempt *a)
{
    vld_record *record = a->record;
    vld_identity *id = &record->identity;
    vld_identity after;
    uint64_t size = 0;
    dev_t dev;
    vld_reading o = read_identity(a, id, &dev);

    if (o != VLD_READ) {
        return o;
    }
    record->indexed_ns = vld_now_ns();
    record->is_promised = false;
    record->is_unread = false;
    a->wait_ns = vld_identity_settles_ns(id, record->indexed_ns,
                                         vld_identity_margin_ns(a->fd, dev))
                 - record->indexed_ns;
    if (a->wait_ns <= 0 && a->shuns_writers && vld_file_has_writer(a->fd)) {
        a->wait_ns = WRITER_NS;
    }
    if (a->wait_ns > 0) {
        return VLD_RACY;
    }
    if (is_known(a)) {
        record->digest = a->known->digest;
        record->is_promised = a->known->is_promised;
        record->seed = a->known->seed;
        return VLD_ADOPTED;
    }
    a->rv = vld_digest_file(a->fd, id->size, a, &record->digest, &size);
    if (a->rv != APR_SUCCESS) {
        return VLD_READ_FAILED;
    }
    o = read_identity(a, &after, &dev);
    if (o != VLD_READ) {
        return o;
    }
    return size == id->size
                   && vld_identity_equal(id, &after, VLD_COMPARE_STRICT)
               ? VLD_READ
               : VLD_CHANGED;
}

static apr_status_t status_of(const vld_attempt *a, vld_reading o,
                              int64_t *again_ns)
{
    switch (o) {
    case VLD_READ: return APR_SUCCESS;
    case VLD_RACY:
        *again_ns = vld_now_ns() + a->wait_ns + AGAIN_NS;
        return APR_EBUSY;
    case VLD_CHANGED: *again_ns = vld_now_ns() + AGAIN_NS; return APR_EBUSY;
    case VLD_PASSED: return APR_EINVAL;
    default: return a->rv;
    }
}

apr_status_t vld_file_read(const char *path, const vld_attempt *how,
                           vld_record *out, int64_t *again_ns)
{
    vld_attempt a = { .fd = vld_beneath_open(path, VLD_OPEN_TO_READ),
                      .record = out };
    apr_status_t rv;

    if (how) {
        a.stop = how->stop;
        a.progress = how->progress;
        a.goes_on = how->goes_on;
        a.baton = how->baton;
        a.shuns_writers = how->shuns_writers;
    }
    if (a.fd < 0) {
        return vld_error_os();
    }
    rv = status_of(&a, vld_file_try(&a), again_ns);
    close(a.fd);
    return rv;
}
