/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The hashing threads of a scan: the digest of a file together with an
 * identity that it is known to have had.  Never writes to the index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "index/digest.h"
#include "index/error.h"
#include "index/scan.h"

#define NS_PER_MS INT64_C(1000000)
#define NAP_MOST_NS (100 * NS_PER_MS)     /* longer waits are put aside */
#define WAIT_MOST_NS (10000 * NS_PER_MS)  /* and longer ones are not made */
#define TRIES 3
#define ASIDES 3

typedef enum outcome {
    HASHED,
    RACY,    /* must be looked at again later */
    CHANGED, /* while it was read */
    PASSED,  /* not there any more, or no regular file */
    FAILED   /* status */
} outcome;

typedef struct attempt {
    vld_run *run;
    vld_job *job;
    int fd;
    int64_t wait_ns; /* with RACY */
    apr_status_t rv; /* with FAILED */
} attempt;

static int open_file(const vld_run *run, const vld_job *job)
{
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME;
    int fd;

    do {
        fd = job->dir ? openat(job->dir->fd, job->path + job->name_at, flags)
                      : vld_walk_open(run, job->path, flags);
        /* Only a file's owner and root may leave the atime alone. */
        flags ^= O_NOATIME;
    } while (fd < 0 && errno == EPERM && !(flags & O_NOATIME));
    return fd;
}

static void nap(vld_run *run, int64_t ns)
{
    const int64_t slice = 50 * NS_PER_MS;

    while (ns > 0 && !vld_queue_is_ending(run)) {
        int64_t part = ns < slice ? ns : slice;
        struct timespec ts = {0, (long)part};

        nanosleep(&ts, NULL);
        ns -= part;
    }
}

static outcome read_identity(attempt *a, vld_identity *id, dev_t *dev)
{
    struct stat st;

    if (fstat(a->fd, &st)) {
        a->rv = vld_error_os();
        return FAILED;
    }
    if (!S_ISREG(st.st_mode)) {
        return PASSED;
    }
    vld_identity_of(&st, id);
    *dev = st.st_dev;
    return HASHED;
}

/* The identity must be settled before the first octet is read, and the same
 * after the last: then no change before, during or after the reading can
 * have left, or leave, this identity with another content. */
static outcome try_once(attempt *a)
{
    vld_record *record = &a->job->record;
    vld_identity *id = &record->identity;
    vld_identity after;
    uint64_t size = 0;
    dev_t dev;
    outcome o = read_identity(a, id, &dev);

    if (o != HASHED) {
        return o;
    }
    record->indexed_ns = vld_now_ns();
    a->wait_ns = vld_identity_settles_ns(id, record->indexed_ns,
                                         vld_identity_margin_ns(a->fd, dev))
                 - record->indexed_ns;
    if (a->wait_ns > 0) {
        return RACY;
    }
    a->rv = vld_digest_file(a->fd, id->size, &a->run->ending,
                            &a->run->totals.bytes, &record->digest, &size);
    if (a->rv != APR_SUCCESS) {
        return FAILED;
    }
    o = read_identity(a, &after, &dev);
    if (o != HASHED) {
        return o;
    }
    return size == id->size && vld_identity_equal(id, &after,
                                                  VLD_VERIFY_STRICT)
               ? HASHED
               : CHANGED;
}

static outcome try_some(attempt *a)
{
    outcome o = CHANGED;

    for (int i = 0; i < TRIES && !vld_queue_is_ending(a->run); i++) {
        o = try_once(a);
        if (o == RACY && a->wait_ns <= NAP_MOST_NS) {
            nap(a->run, a->wait_ns + NS_PER_MS);
            o = try_once(a);
        }
        if (o != CHANGED && !(o == RACY && a->wait_ns <= NAP_MOST_NS)) {
            break;
        }
    }
    return o;
}

static outcome hash(attempt *a)
{
    outcome o;

    a->fd = open_file(a->run, a->job);
    if (a->fd < 0) {
        a->rv = vld_error_os();
        /* Gone since, or a link or folder by now. */
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? PASSED
                                                                     : FAILED;
    }
    o = try_some(a);
    close(a->fd);
    return o;
}

/* --- what becomes of it -------------------------------------------------- */

static void leave_out(attempt *a, const char *why)
{
    vld_run_add(&a->run->totals.unsettled, 1);
    vld_run_problem(a->run, a->job->path, why);
    vld_queue_drop(a->run, a->job);
}

static void fail(attempt *a)
{
    vld_run_add(&a->run->totals.failed, 1);
    vld_run_problem_status(a->run, a->job->path, a->rv);
    vld_queue_drop(a->run, a->job);
}

static void process(vld_run *run, vld_job *job);

static void wait_for(attempt *a)
{
    vld_job *job = a->job;

    if (a->wait_ns > WAIT_MOST_NS) {
        leave_out(a, "its change time lies in the future");
        return;
    }
    if (job->asides++ >= ASIDES) {
        leave_out(a, "it keeps changing");
        return;
    }
    job->ready_ns = vld_monotonic_ns() + a->wait_ns + NS_PER_MS;
    vld_dir_release(job->dir);
    job->dir = NULL;
    if (!vld_queue_aside(a->run, job)) {
        nap(a->run, a->wait_ns + NS_PER_MS);
        process(a->run, job);
    }
}

static void process(vld_run *run, vld_job *job)
{
    attempt a = {run, job, -1, 0, APR_SUCCESS};
    outcome o = hash(&a);

    if (vld_queue_is_ending(run) && o != HASHED) {
        vld_queue_drop(run, job);
        return;
    }
    switch (o) {
    case HASHED:
        vld_run_add(&run->totals.hashed, 1);
        vld_dir_release(job->dir);
        job->dir = NULL;
        vld_queue_done(run, job);
        break;
    case PASSED:
        vld_queue_drop(run, job);
        break;
    case FAILED:
        fail(&a);
        break;
    case RACY:
        wait_for(&a);
        break;
    default:
        leave_out(&a, "it keeps changing while it is read");
        break;
    }
}

void *vld_hash_thread(void *data)
{
    vld_run *run = data;
    vld_job *job;

    while ((job = vld_queue_take(run))) {
        process(run, job);
    }
    return NULL;
}
