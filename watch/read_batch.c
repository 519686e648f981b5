/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Reads the pending files of a watch by a pool of one thread.  It never writes
 * to the index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "watch/read_batch.h"

#include <sys/eventfd.h>
#include <unistd.h>

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

/* Nothing waits for a sink: the file is dropped from the pool, and stays in
 * the batch. */
static vld_item_next read_file(void *baton, vld_pool *pool, vld_item *item)
{
    vld_read_batch *b = baton;
    vld_read_file *f = (vld_read_file *)item;
    vld_attempt how = { .stop = vld_pool_ending(pool) };

    f->rv = vld_file_read(f->item->path, &how, &f->record, &f->again_ns);
    if (!--b->left) {
        (void)eventfd_write(b->fd, 1);
    }
    return VLD_ITEM_DROP;
}

static void keep_file(vld_item *item)
{
    (void)item;
}

apr_status_t vld_read_batch_start(vld_read_batch *b)
{
    vld_pool_work work = {
        .jobs = 1,
        .baton = b,
        .read = read_file,
        .free = keep_file,
    };
    apr_status_t rv;

    b->left = b->count;
    rv = vld_pool_start(&b->pool, &work);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (size_t i = 0; i < b->count; i++) {
        b->files[i].rv = APR_EINTR;
        (void)vld_pool_put(b->pool, &b->files[i].in_pool);
    }
    b->started = true;
    return APR_SUCCESS;
}

void vld_read_batch_halt(vld_read_batch *b)
{
    vld_pool_end(b->pool, APR_EINTR);
}

void vld_read_batch_join(vld_read_batch *b)
{
    eventfd_t value;

    (void)vld_pool_finish(b->pool);
    (void)eventfd_read(b->fd, &value);
    b->started = false;
}
