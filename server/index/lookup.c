/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in the child's store.  An error is logged and counts as a miss;
 * what is not known counts as neither. */
#include "server/index/lookup.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "server/index/handle.h"
#include "server/index/report.h"

/* For how long vld_index_txn_lately repeats a number. */
#define LATELY_US 1000

apr_uint64_t vld_index_txn(apr_time_t now)
{
    vld_open_store *open = vld_index_acquire(now);
    apr_uint64_t number = 0;

    if (open) {
        number = vld_store_txn(open->store);
        vld_index_release(open);
    }
    return number;
}

/* Each early 304 asks, maybe fifty in a millisecond, and LMDB keeps the number
 * in memory that they use for nothing else.  The number is read first and dated
 * after: a thread that is stopped between the two dates it by the time of its
 * own, earlier request. */
apr_uint64_t vld_index_txn_lately(apr_time_t now)
{
    static apr_uint64_t number;
    static apr_int64_t read_us;
    apr_int64_t age = now - __atomic_load_n(&read_us, __ATOMIC_ACQUIRE);

    if (age < 0 || age > LATELY_US) {
        __atomic_store_n(&number, vld_index_txn(now), __ATOMIC_RELEASE);
        __atomic_store_n(&read_us, now, __ATOMIC_RELEASE);
    }
    return __atomic_load_n(&number, __ATOMIC_ACQUIRE);
}

static bool find_at(vld_store *store, const char *path, vld_lookup *out)
{
    apr_status_t rv = vld_store_get(store, path, strlen(path), &out->record);

    if (rv == VLD_E_UNKNOWN) {
        out->is_unknown = true;
    }
    else if (rv != APR_SUCCESS && !APR_STATUS_IS_NOTFOUND(rv)
             && rv != APR_NOTFOUND) {
        vld_index_log_lookup_error(store, path, rv);
    }
    return rv == APR_SUCCESS;
}

/* The time of the latest change of a symbolic link in the path; 0: none. */
static apr_int64_t latest_link_of(const char *path)
{
    char part[PATH_MAX];
    apr_size_t i, len = strlen(path);
    apr_int64_t latest = 0;
    struct stat st;

    if (len >= sizeof(part)) {
        return 0;
    }
    memcpy(part, path, len + 1);
    for (i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0') {
            continue;
        }
        part[i] = '\0';
        if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode)) {
            latest = st.st_ctime > latest ? st.st_ctime : latest;
        }
        part[i] = path[i];
    }
    return latest;
}

static bool find_in(vld_store *store, const char *path, vld_lookup *out)
{
    char real[PATH_MAX];

    out->txn = vld_store_txn(store);
    if (find_at(store, path, out)) {
        return true;
    }
    if (out->is_unknown) {
        return false;
    }
    out->link_mtime_s = latest_link_of(path);
    return out->link_mtime_s && realpath(path, real)
           && find_at(store, real, out);
}

bool vld_index_find(apr_time_t now, const char *path, vld_lookup *out)
{
    vld_open_store *open = vld_index_acquire(now);
    bool found = false;

    out->is_unknown = false;
    out->link_mtime_s = 0;
    out->txn = 0;
    if (open) {
        found = find_in(open->store, path, out);
        vld_index_release(open);
    }
    return found;
}
