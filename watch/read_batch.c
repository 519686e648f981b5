/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The thread that reads the pending files of a watch.  It never writes to the
 * index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/read_batch.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "validators/scan.h"

apr_status_t vld_read_batch_init(vld_read_batch *b)
{
    b->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return b->fd < 0 ? vld_error_os() : APR_SUCCESS;
}

void vld_read_batch_destroy(vld_read_batch *b)
{
    if (b->fd >= 0) {
        close(b->fd);
    }
}

static void *read_all(void *data)
{
    vld_read_batch *b = data;

    for (size_t i = 0; i < b->count; i++) {
        vld_read_file *f = &b->files[i];

        f->rv = __atomic_load_n(&b->halt, __ATOMIC_RELAXED)
                    ? APR_EINTR
                    : vld_file_read(f->item->path, &b->halt, &f->record,
                                    &f->again_ns);
    }
    (void)eventfd_write(b->fd, 1);
    return NULL;
}

apr_status_t vld_read_batch_start(vld_read_batch *b)
{
    sigset_t before;
    int rc;

    vld_thread_block_signals(&before);
    rc = pthread_create(&b->thread, NULL, read_all, b);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    b->started = rc == 0;
    return rc ? APR_FROM_OS_ERROR(rc) : APR_SUCCESS;
}

void vld_read_batch_halt(vld_read_batch *b)
{
    __atomic_store_n(&b->halt, 1, __ATOMIC_RELAXED);
}

void vld_read_batch_join(vld_read_batch *b)
{
    eventfd_t value;

    pthread_join(b->thread, NULL);
    (void)eventfd_read(b->fd, &value);
    b->started = false;
    __atomic_store_n(&b->halt, 0, __ATOMIC_RELAXED);
}
