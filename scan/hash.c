/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What the readers of a scan do: the digest of a file together with an
 * identity that it is known to have had.  Never writes to the index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "scan/queue.h"
#include "scan/run.h"

#define NS_PER_MS INT64_C(1000000)
#define NAP_MOST_NS (100 * NS_PER_MS) /* for longer, the file is closed */
#define TRIES 3

typedef struct attempt {
    vld_run *run;
    vld_pool *pool;
    vld_job *job;
    vld_attempt on;
} attempt;

static int open_file(const vld_run *run, const vld_job *job)
{
    return job->dir
               ? vld_beneath_openat(job->dir->fd, job->path + job->name_at,
                                    VLD_OPEN_TO_READ)
               : vld_beneath_openat(run->root_fd, job->path + run->root_len,
                                    VLD_OPEN_TO_READ);
}

static void release_folder(vld_job *job)
{
    vld_dir_release(job->dir);
    job->dir = NULL;
}

static bool settles_soon(const attempt *a, vld_reading o)
{
    return o == VLD_RACY && a->on.wait_ns <= NAP_MOST_NS;
}

static vld_reading try_some(attempt *a)
{
    vld_reading o = VLD_CHANGED;

    for (int i = 0; i < TRIES && !vld_pool_is_ending(a->pool); i++) {
        o = vld_file_try(&a->on);
        if (settles_soon(a, o)) {
            vld_pool_nap(a->pool, a->on.wait_ns + NS_PER_MS);
            o = vld_file_try(&a->on);
        }
        if (o != VLD_CHANGED && !settles_soon(a, o)) {
            break;
        }
    }
    return o;
}

static vld_reading hash_file(attempt *a)
{
    vld_reading o;

    a->on.fd = open_file(a->run, a->job);
    if (a->on.fd < 0) {
        a->on.rv = vld_error_os();
        return vld_beneath_is_gone(errno) ? VLD_PASSED : VLD_READ_FAILED;
    }
    o = try_some(a);
    close(a->on.fd);
    return o;
}

vld_item_next vld_hash_give_up(void *baton, vld_item *item, const char *why)
{
    vld_run *run = baton;

    vld_run_add(&run->totals.unsettled, 1);
    vld_run_problem(run, ((vld_job *)item)->path, why);
    return VLD_ITEM_DROP;
}

static vld_item_next report_failure(attempt *a)
{
    vld_run_add(&a->run->totals.failed, 1);
    vld_run_problem_status(a->run, a->job->path, a->on.rv);
    return VLD_ITEM_DROP;
}

static vld_item_next wait_for(attempt *a)
{
    release_folder(a->job);
    a->job->item.wait_ns = a->on.wait_ns;
    return VLD_ITEM_WAIT;
}

static vld_item_next count_read(vld_run *run, vld_job *job)
{
    release_folder(job);
    vld_run_add(&run->totals.not_adopted, job->has_known);
    vld_run_add(&run->totals.hashed, 1);
    return VLD_ITEM_DONE;
}

static vld_item_next count_adopted(vld_run *run, vld_job *job)
{
    release_folder(job);
    job->adopted = true;
    vld_run_add(&run->totals.adopted, 1);
    return VLD_ITEM_DONE;
}

vld_item_next vld_hash_read(void *baton, vld_pool *pool, vld_item *item)
{
    vld_run *run = baton;
    vld_job *job = (vld_job *)item;
    attempt a = { run,
                  pool,
                  job,
                  { .fd = -1,
                    .stop = vld_pool_ending(pool),
                    .progress = &run->totals.bytes,
                    .record = &job->record,
                    .known = job->has_known ? &job->known : NULL } };
    vld_reading o = hash_file(&a);

    if (vld_pool_is_ending(pool) && o != VLD_READ && o != VLD_ADOPTED) {
        return VLD_ITEM_DROP;
    }
    switch (o) {
    case VLD_READ: return count_read(run, job);
    case VLD_ADOPTED: return count_adopted(run, job);
    case VLD_PASSED: return VLD_ITEM_DROP;
    case VLD_READ_FAILED: return report_failure(&a);
    case VLD_RACY: return wait_for(&a);
    default:
        return vld_hash_give_up(run, item,
                                "it keeps changing while it is "
                                "read");
    }
}
