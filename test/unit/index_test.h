/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What the tests of index/ share: a folder of their own, files in it, a
 * store. */
#ifndef VALIDATORS_TEST_INDEX_TEST_H
#define VALIDATORS_TEST_INDEX_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <apr_general.h>
#include <apr_pools.h>

#include "index/batch.h"
#include "index/fault.h"
#include "validators/scan.h"

#define MS 1000000L

typedef struct place {
    char dir[64];    /* a folder of this test, a real path */
    char index[128]; /* dir/index/v.mdb; the folder is not made */
    char root[128];  /* dir/root, made */
    apr_pool_t *pool;
} place;

static inline int place_setup(void **state)
{
    place *t = calloc(1, sizeof(*t));
    char *real;

    apr_initialize();
    apr_pool_create(&t->pool, NULL);
    strcpy(t->dir, "/tmp/vld-test-XXXXXX");
    if (!mkdtemp(t->dir)) {
        return -1;
    }
    real = realpath(t->dir, NULL);
    strcpy(t->dir, real);
    free(real);
    sprintf(t->index, "%s/index/v.mdb", t->dir);
    sprintf(t->root, "%s/root", t->dir);
    *state = t;
    return mkdir(t->root, 0755);
}

static inline int place_teardown(void **state)
{
    place *t = *state;
    char command[96];
    int rv;

    /* Not nftw: some trees are deeper than its paths may be. */
    sprintf(command, "rm -rf '%s'", t->dir);
    rv = system(command);
    apr_pool_destroy(t->pool);
    free(t);
    return rv;
}

static inline void write_octets(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    close(fd);
}

static inline void write_text(const char *path, const char *text)
{
    write_octets(path, text, strlen(text));
}

/* dir/name in a static buffer, one of sixteen. */
static inline const char *below(const char *dir, const char *name)
{
    static char buffers[16][8192];
    static unsigned n;
    char *out = buffers[n++ % 16];

    snprintf(out, sizeof(buffers[0]), "%s/%s", dir, name);
    return out;
}

static inline void nap_ms(long ms)
{
    struct timespec ts = { ms / 1000, ms % 1000 * MS };

    nanosleep(&ts, NULL);
}

static inline void set_mtime(const char *path, int64_t s, long ns)
{
    struct timespec times[2] = { { 0, UTIME_OMIT }, { (time_t)s, ns } };

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static inline vld_store *open_store(place *t, vld_store_mode mode)
{
    vld_store *store = NULL;

    assert_int_equal(vld_store_open(&store, t->index, mode), APR_SUCCESS);
    assert_non_null(store);
    return store;
}

static inline vld_record record_of(unsigned n)
{
    vld_record r;

    memset(&r, 0, sizeof(r));
    memset(r.digest.bytes, (int)(n % 251), sizeof(r.digest.bytes));
    r.identity.size = 1000 + n;
    r.identity.mtime_ns = INT64_C(1700000000123456789) + n;
    r.identity.ctime_ns = INT64_C(1700000001123456789) + n;
    r.identity.inode = 4711 + n;
    r.last_modified = 1700000000 + n;
    r.indexed_ns = INT64_C(1700000002123456789) + n;
    return r;
}

static inline apr_status_t put_one(vld_store *store, const char *path,
                                   const vld_record *record)
{
    vld_batch *batch;
    apr_status_t rv = vld_batch_begin(store, &batch);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = vld_batch_put(batch, path, strlen(path), record);
    if (rv != APR_SUCCESS) {
        vld_batch_abort(batch);
        return rv;
    }
    return vld_batch_commit(batch);
}

static inline apr_status_t get(vld_store *store, const char *path,
                               vld_record *out)
{
    return vld_store_get(store, path, strlen(path), out);
}

/* "/aaaa…", len octets. */
static inline char *long_path(size_t len, char last)
{
    char *path = malloc(len + 1);

    memset(path, 'a', len);
    for (size_t i = 0; i < len; i += 100) {
        path[i] = '/';
    }
    if (len) {
        path[len - 1] = last;
    }
    path[len] = '\0';
    return path;
}

/* Run fn in a child; its exit status. A signal fails the test. */
static inline int in_child(void (*fn)(void *), void *data)
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid) {
        fn(data);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* cmocka sets its own handlers for every test. */
static inline void guard_faults(void)
{
    signal(SIGBUS, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    signal(SIGFPE, SIG_DFL);
    vld_fault_install();
}

/* --- scans --------------------------------------------------------------- */

typedef struct scanned {
    vld_scan_totals totals;
    unsigned problems;
    char path[8192]; /* of the last problem */
    char why[256];
    unsigned ticks;
} scanned;

static inline void note_problem(void *baton, const char *path, const char *why)
{
    scanned *s = baton;

    s->problems++;
    snprintf(s->path, sizeof(s->path), "%s", path);
    snprintf(s->why, sizeof(s->why), "%s", why);
}

static inline void note_progress(void *baton, const vld_scan_totals *so_far)
{
    scanned *s = baton;

    s->ticks++;
    s->totals = *so_far;
}

static inline apr_status_t scan_with(vld_store *store, const char *root,
                                     vld_scan_options options, scanned *out)
{
    memset(out, 0, sizeof(*out));
    options.problem = note_problem;
    options.progress = note_progress;
    options.baton = out;
    return vld_scan(store, root, &options, &out->totals);
}

/* A scan of t->root that must succeed. */
static inline scanned scan(place *t, vld_store *store)
{
    vld_scan_options options = { .jobs = 2 };
    scanned out;

    assert_int_equal(scan_with(store, t->root, options, &out), APR_SUCCESS);
    return out;
}

static inline vld_record found(vld_store *store, const char *path)
{
    vld_record r;

    assert_int_equal(get(store, path, &r), APR_SUCCESS);
    return r;
}

#define TEST(fn, sentence)                                                     \
    {                                                                          \
        sentence, fn, place_setup, place_teardown, NULL                        \
    }

/* A test that can only be made where possible() is true. */
#define TEST_IF(possible, fn, sentence)                                        \
    {                                                                          \
        sentence, fn, place_setup, place_teardown,                             \
            (void *)(uintptr_t)(possible)                                      \
    }

static inline bool is_root(void)
{
    return geteuid() == 0;
}

/* Sanitizers look at addresses themselves and end the process. */
static inline bool is_unsanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return false;
#endif
#endif
    return true;
}

/* cmocka's own skip() is a failure in TAP.  What cannot be tested here is
 * left out of the plan and named. */
static inline int run_possible(const struct CMUnitTest *tests, size_t n)
{
    struct CMUnitTest *chosen = calloc(n, sizeof(*chosen));
    size_t count = 0;
    int rv;

    for (size_t i = 0; i < n; i++) {
        bool (*possible)(void) = (bool (*)(void))tests[i].initial_state;

        if (possible && !possible()) {
            printf("# left out here: %s\n", tests[i].name);
            continue;
        }
        chosen[count] = tests[i];
        chosen[count++].initial_state = NULL;
    }
    fflush(stdout);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    rv = _cmocka_run_group_tests("index", chosen, count, NULL, NULL);
    free(chosen);
    return rv;
}

#define RUN(tests) run_possible(tests, sizeof(tests) / sizeof(*(tests)))

#endif /* VALIDATORS_TEST_INDEX_TEST_H */
