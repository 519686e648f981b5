/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* One import, as its files share it.  Private to cli/.
 *
 *   cmd_import.c    the command: what is opened before, what is said after
 *   import_read.c   the source and the readers: lines -> what the files are
 *   import_write.c  the sink: reports, and records -> index
 */
#ifndef VALIDATORS_CLI_IMPORT_H
#define VALIDATORS_CLI_IMPORT_H

#include <pthread.h>
#include <apr_time.h>

#include "validators/scan.h"
#include "cli/cli.h"
#include "cli/manifest.h"
#include "cli/progress.h"

typedef struct import_totals {
    uint64_t entries;
    uint64_t trusted;   /* recorded without reading */
    uint64_t hashed;    /* recorded, read and the same */
    uint64_t unchanged; /* the record says it already */
    uint64_t different;
    uint64_t missing;
    uint64_t skipped; /* no regular files */
    uint64_t unsettled;
    uint64_t failed;
    uint64_t malformed;
    uint64_t bytes; /* read */
} import_totals;

/* What became of a line. */
typedef enum import_outcome {
    IMPORT_READ,      /* none yet: the file has to be read */
    IMPORT_LOOK,      /* none yet: it has to be looked at until it is settled */
    IMPORT_RECORD,    /* to be recorded */
    IMPORT_MALFORMED, /* why */
    IMPORT_DIFFERENT,
    IMPORT_MISSING,
    IMPORT_LINK,
    IMPORT_NO_FILE,
    IMPORT_UNSETTLED, /* why */
    IMPORT_FAILED     /* rv */
} import_outcome;

/* One line of the manifest on its way into the index. */
typedef struct import_item {
    vld_item item;
    import_outcome outcome;
    const char *why; /* a constant */
    apr_status_t rv;
    cli_entry entry;   /* without its name */
    vld_record record; /* of the file */
    bool is_trusted;   /* not read */
    bool is_read;
    char path[]; /* real, where the folder is there */
} import_item;

typedef struct importing {
    cli *c;
    bool trusts;
    const char *root; /* real */
    int fd;           /* the manifest */
    const char *file_shown;
    cli_progress *progress;
    apr_time_t started;
    /* The source looks records up while the sink may have to open the index
     * anew. */
    pthread_mutex_t store_mutex;
    /* Why the manifest could not be read to its end; for after the run. */
    apr_status_t file_rv;
    /* Of the sink. */
    import_totals totals;
    apr_status_t write_rv; /* why it could not write */
    /* So far; atomic members, but total. */
    cli_work_done work;
} importing;

/* Functions of a pool of which an importing is the baton. */
apr_status_t cli_import_give(void *im, vld_pool *pool);
vld_item_next cli_import_read(void *im, vld_pool *pool, vld_item *item);
vld_item_next cli_import_give_up(void *im, vld_item *item, const char *why);
apr_status_t cli_import_take(void *im, const vld_item_list *results);

#endif /* VALIDATORS_CLI_IMPORT_H */
