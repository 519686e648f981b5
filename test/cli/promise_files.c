/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Records promises of the tags of files, as httpd does before it has read them,
 * for the tests of the command line.
 *
 * promise_files INDEX PATH... */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_general.h>

#include "validators/index.h"

typedef struct files {
    int count;
    const char *const *paths;
} files;

static apr_status_t make_promise(const char *path, vld_record *out)
{
    int fd = open(path, O_RDONLY);
    vld_identity id;
    vld_digest name;
    struct stat st;
    apr_status_t rv;

    if (fd < 0 || fstat(fd, &st)) {
        return vld_error_os();
    }
    vld_identity_of(&st, &id);
    rv = vld_promise_name(&id, fd, &name);
    close(fd);
    vld_promise_record(&id, &name, vld_now_ns(), out);
    return rv;
}

static apr_status_t record_promises(void *baton, vld_batch *batch)
{
    const files *f = baton;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; i < f->count && rv == APR_SUCCESS; i++) {
        vld_record record;
        bool same;

        rv = make_promise(f->paths[i], &record);
        if (rv == APR_SUCCESS) {
            rv = vld_batch_record(batch, f->paths[i], strlen(f->paths[i]),
                                  &record, NULL, &same);
        }
    }
    return rv;
}

int main(int argc, const char *const *argv)
{
    files f = { argc - 2, argv + 2 };
    vld_store *store;
    char why[256];
    apr_status_t rv;

    if (argc < 3) {
        fprintf(stderr, "usage: promise_files INDEX PATH...\n");
        return 2;
    }
    apr_initialize();
    rv = vld_store_open(&store, argv[1], VLD_STORE_CREATE);
    if (rv == APR_SUCCESS) {
        rv = vld_store_write(store, record_promises, &f);
        vld_store_close(store);
    }
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "promise_files: %s\n",
                vld_strerror(rv, why, sizeof(why)));
    }
    apr_terminate();
    return rv == APR_SUCCESS ? 0 : 2;
}
