/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index as httpd's processes see it: opened in each child, opened anew when
 * its file was replaced, and never a reason for a request to fail. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "server/index/handle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>

#include "server/config.h"
#include "server/index/report.h"
#include "server/shared.h"

/* How often a child compares the open store with the file at the path. */
#define LOOK_EVERY_US APR_USEC_PER_SEC

#define LOOK_FOR_NEW_US (APR_USEC_PER_SEC / 10)

/* For so long a file that does not open may be an index in the making. */
#define MAKING_MOST_S 3

/* Stores at once: the current one, and old ones that some thread still uses. */
#define MOST_OPEN 4

/* How long opening waits for the users of a store with the same files. */
#define RELEASE_MOST_US 20000
#define RELEASE_NAP_US 500

static struct {
    bool indexes;                  /* the children index files */
    vld_open_store all[MOST_OPEN]; /* changed by the thread that opens, alone */
    vld_open_store *current;       /* atomic; NULL: no usable index */
    apr_int64_t next_look_us;      /* atomic */
    int opening;                   /* atomic: a thread opens a store */
    pid_t forks;    /* the child's process, where one is forked from it for each
                  * connection; else 0 */
    bool may_write; /* what those processes go by */
} handle;

/* mpm-itk forks a process for each connection, which becomes the site's user:
 * it may not open the index, but goes on with the store that the child has. */
static bool is_forked(void)
{
    return handle.forks && getpid() != handle.forks;
}

/* --- what the server's user may do ---------------------------------------- */

/* The index's path with a suffix; false: too long. */
static bool name_file(const char *suffix, char name[PATH_MAX])
{
    const char *path = vld_config_global()->index_path;

    return (apr_size_t)apr_snprintf(name, PATH_MAX, "%s%s", path, suffix)
           < PATH_MAX - 1;
}

/* Whether the server's user has access (R_OK, W_OK, F_OK) to the index. */
static bool may_access(int what)
{
    char name[PATH_MAX];

    return name_file("", name)
           && faccessat(AT_FDCWD, name, what, AT_EACCESS) == 0;
}

static bool may_make_files(void)
{
    const char *path = vld_config_global()->index_path;
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];

    return slash && slash != path && (apr_size_t)(slash - path) < sizeof(folder)
           && apr_cpystrn(folder, path, (apr_size_t)(slash - path) + 1)
           && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
}

/* The indexer of another child is making it: the file exists and is not
 * complete. */
static bool is_being_made(apr_status_t rv)
{
    struct stat st;

    return rv == VLD_E_NOT_INDEX
           && stat(vld_config_global()->index_path, &st) == 0
           && st.st_uid == geteuid()
           && apr_time_sec(apr_time_now()) - st.st_mtime < MAKING_MOST_S;
}

/* The indexer makes the index when the first file is wanted. */
static bool will_be_made(apr_status_t rv)
{
    return (APR_STATUS_IS_ENOENT(rv) || is_being_made(rv)) && handle.indexes
           && may_make_files();
}

/* A lock file that is not there yet is made. */
static bool may_lock(void)
{
    char name[PATH_MAX];
    struct stat st;

    if (!name_file("-lock", name)) {
        return false;
    }
    return lstat(name, &st) == 0 ? st.st_uid == geteuid() : errno == ENOENT;
}

/* A process has one store, which is opened for every use: for writing, if the
 * children index files and the server's user may write. */
static vld_store_mode mode_to_open(void)
{
    return handle.indexes && may_access(R_OK | W_OK) && may_lock()
                   && may_make_files()
               ? VLD_STORE_WRITE
               : VLD_STORE_READ;
}

bool vld_index_may_write(void)
{
    if (is_forked()) {
        return handle.may_write;
    }
    return mode_to_open() == VLD_STORE_WRITE
           || (handle.indexes && !may_access(F_OK) && may_make_files());
}

/* --- who uses which store ------------------------------------------------- */

static vld_open_store *acquire_current(void)
{
    vld_open_store *h = __atomic_load_n(&handle.current, __ATOMIC_ACQUIRE);

    if (!h) {
        return NULL;
    }
    __atomic_fetch_add(&h->users, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&h->closed, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_sub(&h->users, 1, __ATOMIC_RELEASE);
        return NULL;
    }
    return h;
}

void vld_index_release(vld_open_store *open)
{
    __atomic_fetch_sub(&open->users, 1, __ATOMIC_RELEASE);
}

/* False: a thread uses it. */
static bool close_unused(vld_open_store *h)
{
    __atomic_store_n(&h->closed, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&h->users, __ATOMIC_SEQ_CST)) {
        return false;
    }
    vld_store_close(h->store);
    h->store = NULL;
    return true;
}

/* Close replaced stores that no thread uses.  Returns a free place, or NULL. */
static vld_open_store *close_replaced(void)
{
    const vld_open_store *current = __atomic_load_n(&handle.current,
                                                    __ATOMIC_RELAXED);
    vld_open_store *h, *free_one = NULL;

    for (h = handle.all; h < handle.all + MOST_OPEN; h++) {
        if (h != current && (!h->store || close_unused(h))) {
            free_one = h;
        }
    }
    return free_one;
}

/* Closing a file drops every lock that this process has on it, LMDB's too.  So
 * a store with the files that are in place now is closed before another one is
 * opened there.  False: a thread still uses it. */
static bool close_in_place(void)
{
    apr_int64_t left = RELEASE_MOST_US;
    vld_open_store *h;

    for (h = handle.all; h < handle.all + MOST_OPEN; h++) {
        if (!h->store || !vld_store_is_in_place(h->store)) {
            continue;
        }
        if (h == __atomic_load_n(&handle.current, __ATOMIC_RELAXED)) {
            __atomic_store_n(&handle.current, NULL, __ATOMIC_RELEASE);
        }
        while (!close_unused(h)) {
            if (left <= 0) {
                return false;
            }
            apr_sleep(RELEASE_NAP_US);
            left -= RELEASE_NAP_US;
        }
    }
    return true;
}

/* --- opening -------------------------------------------------------------- */

/* A look costs next to nothing while there is no store. */
static void look_again_soon(void)
{
    __atomic_store_n(&handle.next_look_us, apr_time_now() + LOOK_FOR_NEW_US,
                     __ATOMIC_RELAXED);
}

/* Reading needs less than writing: no lock file. */
static apr_status_t open_store(vld_store **out, const char *path,
                               vld_store_mode *mode)
{
    apr_status_t to_write = vld_store_open(out, path, *mode);

    if (to_write == APR_SUCCESS || *mode != VLD_STORE_WRITE
        || vld_store_open(out, path, VLD_STORE_READ) != APR_SUCCESS) {
        return to_write;
    }
    *mode = VLD_STORE_READ;
    vld_index_log_write_error(to_write);
    return APR_SUCCESS;
}

/* By one thread at a time. */
static void open_anew(vld_store_mode mode)
{
    const char *path = vld_config_global()->index_path;
    vld_open_store *h = close_in_place() ? close_replaced() : NULL;
    apr_status_t rv;

    if (!h) {
        look_again_soon();
        return;
    }
    rv = open_store(&h->store, path, &mode);
    /* A store whose file was removed is stale: drop it even if no other takes
     * its place. */
    if (rv == APR_SUCCESS) {
        h->writable = mode != VLD_STORE_READ;
        __atomic_store_n(&h->closed, 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&handle.current, h, __ATOMIC_RELEASE);
        vld_shared_well(VLD_REPORT_INDEX);
    }
    else {
        h->store = NULL;
        __atomic_store_n(&handle.current, NULL, __ATOMIC_RELEASE);
        if (will_be_made(rv)) {
            look_again_soon();
        }
        else {
            vld_index_log_error(rv);
        }
    }
    close_replaced();
}

/* Not while another thread does so, and without waiting for that one. */
static void open_current(vld_store_mode mode)
{
    if (!__atomic_exchange_n(&handle.opening, 1, __ATOMIC_ACQ_REL)) {
        open_anew(mode);
        __atomic_store_n(&handle.opening, 0, __ATOMIC_RELEASE);
    }
}

static bool is_current(void)
{
    vld_open_store *h = acquire_current();
    bool is = h && vld_store_is_current(h->store);

    if (h) {
        vld_index_release(h);
    }
    return is;
}

void vld_index_child_init(bool indexes)
{
    handle.forks = ap_find_linked_module("mpm_itk.c") ? getpid() : 0;
    handle.indexes = indexes;
    memset(handle.all, 0, sizeof(handle.all));
    handle.current = NULL;
    handle.opening = 0;
    handle.next_look_us = apr_time_now() + LOOK_EVERY_US;
    if (vld_config_global()->any_engine_on) {
        open_current(mode_to_open());
    }
}

/* At most once a second, and by one thread, compare the open store with the
 * file at the path. */
vld_open_store *vld_index_acquire(apr_time_t now)
{
    apr_int64_t due = __atomic_load_n(&handle.next_look_us, __ATOMIC_RELAXED);

    /* A look that is further away is one of a clock that was set back since. */
    if ((now >= due || due - now > LOOK_EVERY_US) && !is_forked()
        && __atomic_compare_exchange_n(&handle.next_look_us, &due,
                                       now + LOOK_EVERY_US, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
        && !is_current()) {
        open_current(mode_to_open());
    }
    return acquire_current();
}

/* It was opened to be read because there was something wrong with its lock
 * file, and is not known to be so any more. */
static bool may_be_writable(void)
{
    vld_open_store *h = acquire_current();
    bool may = h && !h->writable && mode_to_open() == VLD_STORE_WRITE;

    if (h) {
        vld_index_release(h);
    }
    return may;
}

vld_open_store *vld_index_acquire_to_write(bool *read_only)
{
    vld_open_store *open;

    if (!is_current() || may_be_writable()) {
        /* The index is made in a folder that exists; no folder is made. */
        open_current(may_access(F_OK) || !may_make_files() ? mode_to_open()
                                                           : VLD_STORE_CREATE);
    }
    open = acquire_current();
    *read_only = open && !open->writable;
    if (*read_only) {
        vld_index_release(open);
        open = NULL;
    }
    return open;
}

void vld_index_before_fork(void)
{
    vld_open_store *open;

    if (handle.forks && vld_config_global()->any_engine_on) {
        open = vld_index_acquire(apr_time_now());
        if (open) {
            vld_index_release(open);
        }
        handle.may_write = vld_index_may_write();
    }
}
