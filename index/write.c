/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* A batch as one call: the only place that decides between commit and abort.
 * It never looks at what is written. */
#include "index/batch.h"

#include <pthread.h>

#include "index/store.h"

typedef struct write_call {
    vld_store *store;
    vld_write_fn fn;
    void *baton;
    apr_status_t rv;
} write_call;

static void *write_batch(void *data)
{
    write_call *call = data;
    vld_batch *batch;

    call->rv = vld_batch_begin(call->store, &batch);
    if (call->rv != APR_SUCCESS) {
        return NULL;
    }
    call->rv = call->fn(call->baton, batch);
    if (call->rv != APR_SUCCESS) {
        vld_batch_abort(batch);
        return NULL;
    }
    call->rv = vld_batch_commit(batch);
    return NULL;
}

/* In a thread of its own: after a fault the transaction cannot be ended, and
 * LMDB's lock of the writer is given back by the system when the thread that
 * holds it has ended. */
apr_status_t vld_store_write(vld_store *store, vld_write_fn fn, void *baton)
{
    write_call call = { store, fn, baton, APR_SUCCESS };
    pthread_t thread;
    sigset_t before;
    int rc;

    pthread_mutex_lock(&store->write_mutex);
    vld_thread_block_signals(&before);
    rc = pthread_create(&thread, NULL, write_batch, &call);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc) {
        call.rv = APR_FROM_OS_ERROR(rc);
    }
    else {
        pthread_join(thread, NULL);
    }
    pthread_mutex_unlock(&store->write_mutex);
    return call.rv;
}
