/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The members of a store, for the files that make one up.  Private to
 * index/. */
#ifndef VALIDATORS_INDEX_STORE_H
#define VALIDATORS_INDEX_STORE_H

#include <pthread.h>
#include <sys/types.h>
#include <lmdb.h>

#include "validators/index.h"

typedef struct vld_reader vld_reader;

struct vld_store {
    MDB_env *env;
    MDB_dbi files;
    MDB_dbi meta;
    char *given; /* the path as it was given */
    char *path;  /* the same, with a symbolic link at its end resolved */
    vld_store_mode mode;
    dev_t dev;
    ino_t ino;
    int64_t born_ns; /* when the file was made; 0: not known */
    dev_t lock_dev;
    ino_t lock_ino;
    off_t least_size; /* an index never shrinks */
    uint64_t visible; /* atomic: a transaction that readers are known to see */
    int dead;         /* atomic: a fault was met, LMDB is not called any more */
    vld_reader *readers;        /* of all threads */
    pthread_mutex_t grow_mutex; /* over the map's size */
    int growing;                /* atomic: the map is about to move, stay out */
    int writing;                /* atomic: a batch is open */
    int checked;                /* atomic: every page was checked */
};

#endif /* VALIDATORS_INDEX_STORE_H */
