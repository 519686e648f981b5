/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The indexer: files that requests have wanted are read and recorded off the
 * request path, by one thread of one child, which mod_watchdog elects.  It
 * never holds the index's lock while it reads, and never keeps a child from
 * ending. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <apr_optional.h>

#include <httpd.h>
#include <ap_mpm.h>
#include <http_log.h>
#include <mod_watchdog.h>

#include "server/config.h"
#include "server/index/index.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

#define WATCHDOG "_validators_indexer_"

/* How often the list is looked at; mod_watchdog's own step is as long. */
#define EVERY_US INT64_C(100000)

/* How long the indexer is at it without a pause. */
#define TURN_US INT64_C(1000000)

/* What is read within one slice, or so many files, is one transaction. */
#define SLICE_US INT64_C(100000)
#define BATCH 64

/* The list is gone through at least so often: whoever is killed while he posts
 * may have told nobody. */
#define LOOK_US INT64_C(10000000)

/* The longest that the end of a child waits for the end of a turn. */
#define WAIT_MOST_MS 1000

/* Pauses: while there is no index to write to; after a write that failed. */
#define PAUSE_US INT64_C(1000000)
#define LONG_PAUSE_US INT64_C(60000000)

typedef struct job {
    vld_wanted_item item;
    vld_record record;
    apr_status_t rv;     /* of recording it */
    char path[PATH_MAX]; /* the real one */
} job;

static struct {
    bool runs; /* mod_watchdog will call */
    server_rec *server;
    int stop;             /* atomic */
    int busy;             /* atomic: in a turn */
    apr_uint64_t seen;    /* posted, when the list was last gone through */
    apr_int64_t next_us;  /* the next look without a post */
    apr_int64_t pause_us; /* nothing is done before */
    job jobs[BATCH];
} indexer;

/* --- from elsewhere ------------------------------------------------------ */

bool vld_indexer_runs(void)
{
    return indexer.runs;
}

void vld_indexer_stop(void)
{
    __atomic_store_n(&indexer.stop, 1, __ATOMIC_SEQ_CST);
}

/* --- one file ------------------------------------------------------------ */

static bool is_stopping(void)
{
    int state = 0;

    return __atomic_load_n(&indexer.stop, __ATOMIC_SEQ_CST)
           || (ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
               && state == AP_MPMQ_STOPPING);
}

static void tell_rest(const job *j, apr_int64_t until_us, const char *why)
{
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, indexer.server,
                 "%s: %s; rests for %" APR_INT64_T_FMT " ms", j->item.path, why,
                 (until_us - apr_time_now()) / 1000);
}

static void rest(const job *j, const char *why)
{
    tell_rest(j, vld_wanted_rest(vld_shared_wanted(), &j->item, apr_time_now()),
              why);
}

static void rest_after(const job *j, apr_status_t rv)
{
    char why[256];

    rest(j, vld_strerror(rv, why, sizeof(why)));
}

/* It changes at this moment, or did just now. */
static void look_again(const job *j, apr_int64_t again_ns)
{
    apr_int64_t until_us, due_us = again_ns / 1000 + 1;

    if (vld_wanted_delay(vld_shared_wanted(), &j->item, apr_time_now(), due_us,
                         &until_us)) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, indexer.server,
                     "%s: changed just now, is looked at again", j->item.path);
    }
    else {
        tell_rest(j, until_us, "changes all the time");
    }
}

/* Another name of it, or a scan, has been here before, and knows of no earlier
 * date than that which was sent. */
static bool is_indexed(vld_store *store, const job *j, const struct stat *st)
{
    vld_record record;
    vld_identity id;

    vld_identity_of(st, &id);
    return vld_store_get(store, j->path, strlen(j->path), &record)
               == APR_SUCCESS
           && vld_identity_equal(&record.identity, &id, VLD_COMPARE_STRICT)
           && record.last_modified >= j->item.date;
}

/* False: it is not to be read, and rests. */
static bool is_to_be_read(vld_store *store, job *j)
{
    struct stat st;

    if (!realpath(j->item.path, j->path) || stat(j->path, &st) != 0) {
        rest_after(j, APR_FROM_OS_ERROR(errno));
    }
    else if (!S_ISREG(st.st_mode) || vld_store_is_own(store, &st)) {
        rest(j, "not a file to be indexed");
    }
    else if (is_indexed(store, j, &st)) {
        rest(j, "indexed already");
    }
    else {
        return true;
    }
    return false;
}

/* True: there is a record to be put into the index. */
static bool read_file(vld_store *store, job *j)
{
    apr_int64_t again_ns = 0;
    apr_status_t rv;

    if (!is_to_be_read(store, j)) {
        return false;
    }
    rv = vld_file_read(j->path, &indexer.stop, &j->record, &again_ns);
    if (rv == APR_SUCCESS) {
        return true;
    }
    if (APR_STATUS_IS_EINTR(rv)) {
        vld_wanted_give_back(vld_shared_wanted(), &j->item, apr_time_now());
    }
    else if (rv == APR_EBUSY) {
        look_again(j, again_ns);
    }
    else {
        rest_after(j, rv);
    }
    return false;
}

/* --- one transaction ----------------------------------------------------- */

/* Take and read for one slice; how many jobs have a record.  *more: the list
 * may have others that are due. */
static unsigned collect(vld_store *store, bool *more)
{
    apr_int64_t now_us = apr_time_now(), until_us = now_us + SLICE_US;
    apr_int64_t next_us;
    unsigned n = 0;

    *more = false;
    for (; n < BATCH && now_us < until_us && !is_stopping();
         now_us = apr_time_now()) {
        indexer.seen = vld_wanted_posted(vld_shared_wanted());
        if (!vld_wanted_take(vld_shared_wanted(), now_us, &indexer.jobs[n].item,
                             &next_us)) {
            indexer.next_us = next_us < now_us + LOOK_US ? next_us
                                                         : now_us + LOOK_US;
            return n;
        }
        n += read_file(store, &indexer.jobs[n]);
    }
    indexer.next_us = 0;
    *more = true;
    return n;
}

static apr_status_t put_record(vld_batch *batch, job *j)
{
    vld_last_sent heard = { j->item.has_digest, j->item.digest, j->item.date };
    bool same;

    j->rv = vld_batch_record(batch, j->path, strlen(j->path), &j->record,
                             &heard, &same);
    /* A record that cannot be put is no reason to lose the others. */
    return j->rv == APR_EINVAL ? APR_SUCCESS : j->rv;
}

static apr_status_t put_records(void *count, vld_batch *batch)
{
    unsigned n = *(const unsigned *)count, i;
    apr_status_t rv = APR_SUCCESS;

    for (i = 0; rv == APR_SUCCESS && i < n; i++) {
        rv = put_record(batch, &indexer.jobs[i]);
    }
    return rv;
}

static void all_is_well(unsigned n)
{
    unsigned i;

    vld_shared_well(VLD_REPORT_WRITE);
    for (i = 0; i < n; i++) {
        const job *j = &indexer.jobs[i];

        if (j->rv == APR_SUCCESS) {
            rest(j, "indexed");
        }
        else {
            rest_after(j, j->rv);
        }
    }
}

static void say_not_written(apr_status_t rv)
{
    const char *path = vld_config_global()->index_path;
    char why[256], cure[1024];

    if (vld_shared_first_report(VLD_REPORT_WRITE)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, indexer.server,
                     "index %s cannot be written to: %s; %s (files that it "
                     "does not know are indexed once that is done)",
                     path, vld_strerror(rv, why, sizeof(why)),
                     vld_advice(rv, path, cure, sizeof(cure)));
    }
}

/* Nothing of the batch was written. */
static void not_written(unsigned n, apr_status_t rv)
{
    apr_int64_t due_us = apr_time_now();
    unsigned i;

    if (rv == VLD_E_DAMAGED) {
        vld_index_complain(rv);
        due_us += PAUSE_US;
    }
    else if (rv != VLD_E_REPLACED) {
        say_not_written(rv);
        due_us += LONG_PAUSE_US;
    }
    indexer.pause_us = due_us;
    for (i = 0; i < n; i++) {
        vld_wanted_give_back(vld_shared_wanted(), &indexer.jobs[i].item,
                             due_us);
    }
}

/* False: it went wrong. */
static bool record(vld_store *store, unsigned n)
{
    apr_status_t rv = n ? vld_store_write(store, put_records, &n) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        not_written(n, rv);
        return false;
    }
    if (n) {
        all_is_well(n);
    }
    return true;
}

/* --- turns --------------------------------------------------------------- */

static void say_read_only(void)
{
    const char *path = vld_config_global()->index_path;
    struct stat st;
    long owner = stat(path, &st) == 0 ? (long)st.st_uid : -1;

    if (vld_shared_first_report(VLD_REPORT_READ_ONLY)) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, indexer.server,
                     "ValidatorsAutoIndex is off for the index %s: it, its "
                     "lock file or its folder is not the server's to write "
                     "(the index is user %ld's); run `htvalidators -i %s scan "
                     "FOLDER` after each change, or give all three to the "
                     "server's user and restart",
                     path, owner, path);
    }
}

static void set_busy(int busy)
{
    __atomic_store_n(&indexer.busy, busy, __ATOMIC_SEQ_CST);
}

static bool is_due(apr_int64_t now_us)
{
    return now_us >= indexer.pause_us
           && (now_us >= indexer.next_us
               || vld_wanted_posted(vld_shared_wanted()) != indexer.seen);
}

static void turn(void)
{
    apr_int64_t now_us = apr_time_now(), end_us = now_us + TURN_US;
    bool read_only, more = true;
    vld_store *store;
    unsigned n;

    indexer.seen = vld_wanted_posted(vld_shared_wanted());
    indexer.next_us = now_us + LOOK_US;
    if (!indexer.seen) {
        return; /* no index is made before there is something for it */
    }
    store = vld_index_to_write(&read_only);
    if (!store) {
        if (read_only) {
            say_read_only();
        }
        indexer.pause_us = now_us + PAUSE_US;
        indexer.next_us = 0;
        return;
    }
    while (more && !is_stopping() && apr_time_now() < end_us) {
        n = collect(store, &more);
        more = record(store, n) && more;
    }
    vld_index_written();
}

/* For this thread alone, which serves nobody else: each of mod_watchdog's has
 * its own.  It cannot be taken back without privileges, nor need it. */
static void lower_priority(void)
{
#ifdef __linux__
    enum { WHO_PROCESS = 1, BEST_EFFORT_LAST = 2 << 13 | 7 };

    if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10) != 0
        || syscall(SYS_ioprio_set, WHO_PROCESS, 0, BEST_EFFORT_LAST) != 0) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, errno, indexer.server,
                     "the indexer's priority cannot be lowered");
    }
#endif
}

static void begin(void)
{
    lower_priority();
    vld_wanted_begin(vld_shared_wanted());
    indexer.seen = 0;
    indexer.next_us = 0;
    indexer.pause_us = 0;
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, indexer.server,
                 "the indexer runs in this child");
}

static apr_status_t on_watchdog(int state, void *data, apr_pool_t *pool)
{
    (void)data;
    (void)pool;
    if (!vld_shared_wanted()) {
        return APR_SUCCESS;
    }
    if (state == AP_WATCHDOG_STATE_STARTING) {
        begin();
    }
    else if (state == AP_WATCHDOG_STATE_RUNNING) {
        set_busy(1);
        if (!is_stopping() && is_due(apr_time_now())) {
            turn();
        }
        set_busy(0);
    }
    else {
        vld_indexer_stop(); /* maybe called beside a turn */
    }
    return APR_SUCCESS;
}

/* --- start --------------------------------------------------------------- */

static apr_status_t enlist(apr_pool_t *pconf)
{
    APR_OPTIONAL_FN_TYPE(ap_watchdog_get_instance) *get =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_get_instance);
    APR_OPTIONAL_FN_TYPE(ap_watchdog_register_callback) *enter =
        APR_RETRIEVE_OPTIONAL_FN(ap_watchdog_register_callback);
    ap_watchdog_t *watchdog;
    apr_status_t rv;

    if (!get || !enter) {
        return APR_ENOTIMPL;
    }
    rv = get(&watchdog, WATCHDOG, 0, 1, pconf);
    return rv == APR_SUCCESS ? enter(watchdog, EVERY_US, NULL, on_watchdog)
                             : rv;
}

static apr_status_t forget(void *nothing)
{
    (void)nothing;
    indexer.runs = false;
    return APR_SUCCESS;
}

void vld_indexer_post_config(server_rec *s, apr_pool_t *pconf)
{
    apr_status_t rv;

    indexer.server = s;
    indexer.runs = false;
    if (!vld_config_auto()) {
        return;
    }
    apr_pool_cleanup_register(pconf, NULL, forget, apr_pool_cleanup_null);
    rv = enlist(pconf);
    indexer.runs = rv == APR_SUCCESS;
    if (!indexer.runs) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s,
                     "no file is indexed by itself, for want of mod_watchdog: "
                     "load it, or say \"ValidatorsAutoIndex Off\" and run "
                     "`htvalidators scan FOLDER` after each change");
    }
}

/* mod_watchdog may leave its thread to the end of the process, where what it
 * uses (OpenSSL) is cleaned up under it: a turn is waited for.  Not for ever:
 * another process may have the index's lock. */
static apr_status_t end_turn(void *nothing)
{
    int i;

    (void)nothing;
    vld_indexer_stop();
    for (i = 0;
         i < WAIT_MOST_MS && __atomic_load_n(&indexer.busy, __ATOMIC_SEQ_CST);
         i++) {
        apr_sleep(1000);
    }
    return APR_SUCCESS;
}

void vld_indexer_child_init(apr_pool_t *pchild)
{
    __atomic_store_n(&indexer.stop, 0, __ATOMIC_RELEASE);
    set_busy(0);
    apr_pool_pre_cleanup_register(pchild, NULL, end_turn);
}
