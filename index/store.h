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

typedef struct vld_map vld_map;

struct vld_store {
    char *given; /* the path as it was given */
    char *path;  /* the same, with a symbolic link at its end resolved */
    vld_store_mode mode;
    int dead; /* atomic: a fault was met, the file is not read any more */

    /* For look-ups, by any thread. */
    int fd; /* of the file, to read; -1: not open yet */
    size_t page_size;
    vld_map *map;     /* atomic: the newest */
    uint64_t retries; /* atomic: looks that did not count */
    dev_t dev;
    ino_t ino;
    int64_t born_ns;  /* when the file was made; 0: not known */
    off_t least_size; /* an index never shrinks */

    pthread_mutex_t write_mutex; /* one batch at a time in this process, too:
                                  * LMDB's map must not be enlarged during
                                  * another */
    /* For batches, by the thread that writes.  env is NULL in a store that is
     * open to be read only, which has no lock file either. */
    MDB_env *env;
    MDB_dbi files;
    MDB_dbi meta;
    dev_t lock_dev;
    ino_t lock_ino;
    int checked; /* every page was checked */
};

#endif /* VALIDATORS_INDEX_STORE_H */
