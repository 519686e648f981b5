/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The inside of a store, for the files that make one up.  Private to
 * index/. */
#ifndef VALIDATORS_INDEX_STORE_H
#define VALIDATORS_INDEX_STORE_H

#include <pthread.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <lmdb.h>

#include "validators/index.h"

typedef struct vld_reader vld_reader;

struct vld_store {
    MDB_env *env;
    MDB_dbi files;
    MDB_dbi meta;
    char *given; /* the path as it was given */
    char *path;  /* the same, where it is no symbolic link */
    vld_store_mode mode;
    dev_t dev;
    ino_t ino;
    int64_t born_ns; /* when the file was made; 0: not known */
    dev_t lock_dev;
    ino_t lock_ino;
    off_t least_size; /* an index never shrinks */
    uint64_t visible; /* atomic: a transaction that readers are known to see */
    int dead;         /* a fault was met: LMDB is not called any more */
    vld_reader *readers;        /* of all threads */
    pthread_mutex_t grow_mutex; /* over the map's size */
    int growing;                /* atomic: the map is about to move, stay out */
    int writing;                /* atomic: a batch is open */
    int checked;                /* atomic: every page has been looked at */
};

/* Call fn under the guard; call points to its arguments, of which the first
 * member is the apr_status_t that it leaves.  VLD_E_DAMAGED once a fault was
 * met. */
apr_status_t vld_store_run(vld_store *store, void (*fn)(void *call),
                           void *call);

/* Whether other files stand at the store's path, or none. */
bool vld_store_is_replaced(const vld_store *store);

/* A new transaction of reading; LMDB's code. Slots of processes that have
 * ended are cleared where there is none left. */
int vld_store_begin_reading(vld_store *store, MDB_txn **txn);

/* This thread's transaction, on the newest snapshot, until vld_store_leave.
 * LMDB's code. */
int vld_store_enter(vld_store *store, MDB_txn **txn);
void vld_store_leave(vld_store *store);

/* grow.c.  The file has grown beyond this process's map: enlarge that.  Waits
 * shortly for the readers inside; this thread must not be one. False: not
 * now, or not possible. */
bool vld_store_grow(vld_store *store);
/* Whether a reader is inside. */
bool vld_store_is_busy(vld_store *store);

/* Before the store is closed: no thread has a reader in it any more. */
void vld_store_drop_readers(vld_store *store);

#endif /* VALIDATORS_INDEX_STORE_H */
