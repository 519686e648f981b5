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

#include "validators/content.h"
#include "scan/scan.h"

#define NS_PER_MS INT64_C(1000000)
#define NAP_MOST_NS (100 * NS_PER_MS)    /* longer waits are put aside */
#define WAIT_MOST_NS (10000 * NS_PER_MS) /* and longer ones are not made */
#define TRIES 3
#define ASIDES 3

typedef struct attempt {
    vld_run *run;
    vld_job *job;
    vld_attempt on;
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
        struct timespec ts = { 0, (long)part };

        nanosleep(&ts, NULL);
        ns -= part;
    }
}

static vld_reading try_some(attempt *a)
{
    vld_reading o = VLD_CHANGED;

    for (int i = 0; i < TRIES && !vld_queue_is_ending(a->run); i++) {
        o = vld_file_try(&a->on);
        if (o == VLD_RACY && a->on.wait_ns <= NAP_MOST_NS) {
            nap(a->run, a->on.wait_ns + NS_PER_MS);
            o = vld_file_try(&a->on);
        }
        if (o != VLD_CHANGED
            && !(o == VLD_RACY && a->on.wait_ns <= NAP_MOST_NS)) {
            break;
        }
    }
    return o;
}

static vld_reading hash(attempt *a)
{
    vld_reading o;

    a->on.fd = open_file(a->run, a->job);
    if (a->on.fd < 0) {
        a->on.rv = vld_error_os();
        /* Gone since, or a link or folder by now. */
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP
                   ? VLD_PASSED
                   : VLD_READ_FAILED;
    }
    o = try_some(a);
    close(a->on.fd);
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
    vld_run_problem_status(a->run, a->job->path, a->on.rv);
    vld_queue_drop(a->run, a->job);
}

static void finish(vld_run *run, vld_job *job)
{
    vld_dir_release(job->dir);
    job->dir = NULL;
    vld_queue_done(run, job);
}

static void process(vld_run *run, vld_job *job);

static void wait_for(attempt *a)
{
    vld_job *job = a->job;

    if (a->on.wait_ns > WAIT_MOST_NS) {
        leave_out(a, "its change time lies in the future");
        return;
    }
    if (job->asides++ >= ASIDES) {
        leave_out(a, "it keeps changing");
        return;
    }
    job->ready_ns = vld_monotonic_ns() + a->on.wait_ns + NS_PER_MS;
    vld_dir_release(job->dir);
    job->dir = NULL;
    if (!vld_queue_aside(a->run, job)) {
        nap(a->run, a->on.wait_ns + NS_PER_MS);
        process(a->run, job);
    }
}

static void process(vld_run *run, vld_job *job)
{
    attempt a = { run,
                  job,
                  { .fd = -1,
                    .stop = &run->ending,
                    .progress = &run->totals.bytes,
                    .record = &job->record,
                    .known = job->has_known ? &job->known : NULL } };
    vld_reading o = hash(&a);

    if (vld_queue_is_ending(run) && o != VLD_READ && o != VLD_ADOPTED) {
        vld_queue_drop(run, job);
        return;
    }
    switch (o) {
    case VLD_READ:
        vld_run_add(&run->totals.not_adopted, job->has_known);
        vld_run_add(&run->totals.hashed, 1);
        finish(run, job);
        break;
    case VLD_ADOPTED:
        job->adopted = true;
        vld_run_add(&run->totals.adopted, 1);
        finish(run, job);
        break;
    case VLD_PASSED: vld_queue_drop(run, job); break;
    case VLD_READ_FAILED: fail(&a); break;
    case VLD_RACY: wait_for(&a); break;
    default: leave_out(&a, "it keeps changing while it is read"); break;
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
