/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The thread that reads what a watch has found.  It never writes to the
 * index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/round.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "validators/scan.h"

apr_status_t vld_round_init(vld_round *r)
{
    r->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return r->fd < 0 ? vld_error_os() : APR_SUCCESS;
}

void vld_round_destroy(vld_round *r)
{
    if (r->fd >= 0) {
        close(r->fd);
    }
}

static void *read_all(void *data)
{
    vld_round *r = data;
    size_t i;

    for (i = 0; i < r->count; i++) {
        vld_round_file *f = &r->files[i];

        f->rv = __atomic_load_n(&r->halt, __ATOMIC_RELAXED)
                    ? APR_EINTR
                    : vld_file_read(f->item->path, &r->halt, &f->record,
                                    &f->again_ns);
    }
    (void)eventfd_write(r->fd, 1);
    return NULL;
}

apr_status_t vld_round_start(vld_round *r)
{
    sigset_t before;
    int rc;

    vld_thread_block_signals(&before);
    rc = pthread_create(&r->thread, NULL, read_all, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    r->started = rc == 0;
    return rc ? APR_FROM_OS_ERROR(rc) : APR_SUCCESS;
}

void vld_round_halt(vld_round *r)
{
    __atomic_store_n(&r->halt, 1, __ATOMIC_RELAXED);
}

void vld_round_join(vld_round *r)
{
    eventfd_t value;

    pthread_join(r->thread, NULL);
    (void)eventfd_read(r->fd, &value);
    r->started = false;
    __atomic_store_n(&r->halt, 0, __ATOMIC_RELAXED);
}
