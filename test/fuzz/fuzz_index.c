/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Fuzz entry for whole index files: a good index with octets changed, as a disk
 * or a stranger would change them, is opened, read and written to.  Nothing in
 * it may end the process, and nothing is found in it that was never put there.
 * The input is a run of changes, each five octets: three of offset, one of what
 * is done there, one of the value. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <apr_general.h>
#include <apr_pools.h>

#include "index/fault.h"
#include "validators/index.h"

#define RECORDS 200
#define CHANGE 5

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder[] = "/dev/shm/vld-fuzz-XXXXXX";
static char path[64], lock[72];
static unsigned char *good;
static size_t good_size;

static void remove_files(void)
{
    unlink(path);
    unlink(lock);
    rmdir(folder);
}

static size_t name_of(unsigned i, char out[32])
{
    return (size_t)snprintf(out, 32, "/srv/site/folder-%u/file-%u", i % 7, i);
}

static vld_record record_of(unsigned i)
{
    vld_record r;

    memset(&r, 0, sizeof(r));
    memset(&r.digest, (int)i & 255, sizeof(r.digest));
    r.identity.size = i;
    r.identity.mtime_ns = 1600000000000000000 + i;
    r.identity.ctime_ns = 1600000000000000000 + i;
    r.identity.inode = i + 1;
    r.last_modified = 1600000000 + i;
    r.indexed_ns = 1700000000000000000;
    return r;
}

static void must(int ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "fuzz_index: %s\n", what);
        abort();
    }
}

typedef struct range {
    unsigned from;
    unsigned to;
} range;

static apr_status_t put_records(void *baton, vld_batch *batch)
{
    const range *of = baton;
    apr_status_t rv = APR_SUCCESS;
    unsigned i;

    for (i = of->from; i < of->to && rv == APR_SUCCESS; i++) {
        vld_record r = record_of(i);
        char name[32];
        size_t len = name_of(i, name);

        rv = vld_batch_put(batch, name, len, &r);
    }
    return rv;
}

static void put_range(vld_store *store, unsigned from, unsigned to)
{
    range of = { from, to };

    vld_store_write(store, put_records, &of);
}

static apr_status_t delete_one(void *baton, vld_batch *batch)
{
    char name[32];

    (void)baton;
    return vld_batch_delete(batch, name, name_of(3, name));
}

static void read_good(void)
{
    int fd = open(path, O_RDONLY);
    struct stat st;

    must(fd >= 0 && !fstat(fd, &st), "the good index cannot be read");
    good_size = (size_t)st.st_size;
    good = malloc(good_size);
    must(good && pread(fd, good, good_size, 0) == (ssize_t)good_size,
         "the good index is short");
    close(fd);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    vld_store *store;

    (void)argc;
    (void)argv;
    apr_initialize();
    must(mkdtemp(folder) != NULL, "no folder");
    snprintf(path, sizeof(path), "%s/i.mdb", folder);
    snprintf(lock, sizeof(lock), "%s-lock", path);
    atexit(remove_files);
    vld_fault_install();
    must(vld_store_open(&store, path, VLD_STORE_CREATE) == APR_SUCCESS,
         "no index");
    put_range(store, 0, RECORDS);
    put_range(store, RECORDS / 2, RECORDS);
    vld_store_close(store);
    read_good();
    return 0;
}

static void change(unsigned char *at, unsigned what, unsigned char value)
{
    switch (what % 4) {
    case 0: *at = value; break;
    case 1: *at ^= (unsigned char)(1 << value % 8); break;
    case 2: *at = (unsigned char)(*at + value); break;
    default: *at = 0; break;
    }
}

static void write_changed(const uint8_t *data, size_t size)
{
    unsigned char *octets = malloc(good_size);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    size_t len = good_size;

    must(octets && fd >= 0, "no room");
    memcpy(octets, good, good_size);
    for (; size >= CHANGE; data += CHANGE, size -= CHANGE) {
        size_t at = ((size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2]);

        /* One kind of change cuts the file; the heads are what all else
         * hangs on, so every other offset is of them. */
        if (data[3] == 255) {
            len = at % good_size;
        }
        else {
            at = data[3] & 128 ? at % 160 + (at >> 12) % 2 * 4096
                               : at % good_size;
            change(octets + at, data[3] & 127, data[4]);
        }
    }
    must(pwrite(fd, octets, len, 0) == (ssize_t)len, "no room");
    close(fd);
    free(octets);
    unlink(lock);
}

static void look_up(vld_store *store)
{
    unsigned i;

    for (i = 0; i < RECORDS; i += 7) {
        vld_record expected = record_of(i), r;
        char name[32];
        size_t len = name_of(i, name);

        if (vld_store_get(store, name, len, &r) == APR_SUCCESS) {
            must(!memcmp(&r.digest, &expected.digest, sizeof(r.digest))
                     && r.identity.inode == expected.identity.inode
                     && r.last_modified == expected.last_modified,
                 "a record is not what was put");
        }
    }
}

static apr_status_t count(void *baton, const char *name, size_t len,
                          const vld_record *record)
{
    (void)name;
    (void)len;
    (void)record;
    return ++*(unsigned *)baton > 100 * RECORDS ? APR_EINTR : APR_SUCCESS;
}

static void use(vld_store_mode mode)
{
    vld_store *store;
    unsigned met = 0;

    if (vld_store_open(&store, path, mode) != APR_SUCCESS) {
        return;
    }
    look_up(store);
    vld_store_each(store, "", count, &met);
    if (mode == VLD_STORE_WRITE) {
        put_range(store, RECORDS - 20, RECORDS + 20);
        vld_store_write(store, delete_one, NULL);
        look_up(store);
    }
    vld_store_close(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    write_changed(data, size);
    use(VLD_STORE_READ);
    use(VLD_STORE_WRITE);
    return 0;
}
