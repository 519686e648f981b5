/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The indexer: one thread of one child, which mod_watchdog elects, reads and
 * records the files that requests have wanted.  It never holds the index's lock
 * while it reads, and never keeps a child from ending. */
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
#include "server/index/handle.h"
#include "server/index/indexer.h"
#include "server/index/report.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

#define WATCHDOG "_validators_indexer_"

/* How often mod_watchdog calls; its own step is as long. */
#define EVERY_US INT64_C(100000)

/* How long the indexer works without a pause. */
#define TURN_US INT64_C(1000000)

/* One transaction records the files that are read within one slice, and at most
 * so many. */
#define SLICE_US INT64_C(100000)
#define BATCH 64

/* The indexer goes through the list at least so often: a child that was killed
 * while it posted may not have counted its post. */
#define LOOK_US INT64_C(10000000)

/* How long the end of a child waits for the end of a turn, at most. */
#define WAIT_MOST_MS 1000

/* Pauses: without an index to write to; after a write that failed. */
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
    int busy;             /* atomic: a turn is under way */
    apr_uint64_t seen;    /* count of posts when the list was last read */
    apr_int64_t next_us;  /* next look at the list without a post */
    apr_int64_t pause_us; /* end of the pause */
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

static void log_rest(const job *j, apr_int64_t until_us, const char *why)
{
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, indexer.server,
                 "%s: %s; rests for %" APR_INT64_T_FMT " ms", j->item.path, why,
                 (until_us - apr_time_now()) / 1000);
}

static void rest_job(const job *j, const char *why)
{
    log_rest(j, vld_wanted_rest(vld_shared_wanted(), &j->item, apr_time_now()),
             why);
}

static void rest_after_error(const job *j, apr_status_t rv)
{
    char why[256];

    rest_job(j, vld_strerror(rv, why, sizeof(why)));
}

/* The file is changing, or changed just now. */
static void delay_job(const job *j, apr_int64_t again_ns)
{
    apr_int64_t until_us, due_us = again_ns / 1000 + 1;

    if (vld_wanted_delay(vld_shared_wanted(), &j->item, apr_time_now(), due_us,
                         &until_us)) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, indexer.server,
                     "%s: changed just now, is looked at again", j->item.path);
    }
    else {
        log_rest(j, until_us, "changes all the time");
    }
}

/* A scan, or a job for another name of the file, has made a record with no
 * earlier date than the one that was sent. */
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

/* False: the job rests. */
static bool must_be_read(vld_store *store, job *j)
{
    struct stat st;

    if (!realpath(j->item.path, j->path) || stat(j->path, &st) != 0) {
        rest_after_error(j, APR_FROM_OS_ERROR(errno));
    }
    else if (!S_ISREG(st.st_mode) || vld_store_is_own(store, &st)) {
        rest_job(j, "not a file to be indexed");
    }
    else if (is_indexed(store, j, &st)) {
        rest_job(j, "indexed already");
    }
    else {
        return true;
    }
    return false;
}

/* True: the job has a record for the index. */
static bool read_file(vld_store *store, job *j)
{
    apr_int64_t again_ns = 0;
    apr_status_t rv;

    if (!must_be_read(store, j)) {
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
        delay_job(j, again_ns);
    }
    else {
        rest_after_error(j, rv);
    }
    return false;
}

/* --- one transaction ----------------------------------------------------- */

/* Take jobs and read their files for one slice; returns how many have a record.
 * *more: other jobs may be due. */
static unsigned collect_records(vld_store *store, bool *more)
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
    vld_last_sent sent = { j->item.has_name, j->item.name, j->item.date };
    bool same;

    j->rv = vld_batch_record(batch, j->path, strlen(j->path), &j->record, &sent,
                             &same);
    /* A record that is refused does not spoil the batch. */
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

static void finish_jobs(unsigned n)
{
    unsigned i;

    vld_shared_well(VLD_REPORT_WRITE);
    for (i = 0; i < n; i++) {
        const job *j = &indexer.jobs[i];

        if (j->rv == APR_SUCCESS) {
            rest_job(j, "indexed");
        }
        else {
            rest_after_error(j, j->rv);
        }
    }
}

/* Nothing of the batch was written. */
static void give_back_jobs(unsigned n, apr_status_t rv)
{
    apr_int64_t due_us = apr_time_now();
    unsigned i;

    if (rv == VLD_E_DAMAGED) {
        vld_index_log_error(rv);
        due_us += PAUSE_US;
    }
    else if (rv != VLD_E_REPLACED) {
        vld_index_log_write_error(rv);
        due_us += LONG_PAUSE_US;
    }
    indexer.pause_us = due_us;
    for (i = 0; i < n; i++) {
        vld_wanted_give_back(vld_shared_wanted(), &indexer.jobs[i].item,
                             due_us);
    }
}

/* False: the write failed. */
static bool record_files(vld_store *store, unsigned n)
{
    apr_status_t rv = n ? vld_store_write(store, put_records, &n) : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        give_back_jobs(n, rv);
        return false;
    }
    if (n) {
        finish_jobs(n);
    }
    return true;
}

/* --- turns --------------------------------------------------------------- */

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

static void take_turn(void)
{
    apr_int64_t now_us = apr_time_now(), end_us = now_us + TURN_US;
    bool read_only, more = true;
    vld_open_store *open;
    unsigned n;

    indexer.seen = vld_wanted_posted(vld_shared_wanted());
    indexer.next_us = now_us + LOOK_US;
    if (!indexer.seen) {
        return; /* no index is made before a file is wanted */
    }
    open = vld_index_acquire_to_write(&read_only);
    if (!open) {
        if (read_only) {
            vld_index_log_read_only();
        }
        indexer.pause_us = now_us + PAUSE_US;
        indexer.next_us = 0;
        return;
    }
    while (more && !is_stopping() && apr_time_now() < end_us) {
        n = collect_records(open->store, &more);
        more = record_files(open->store, n) && more;
    }
    vld_index_release(open);
}

/* Of this thread alone: mod_watchdog has one for each watchdog, and it serves
 * no other.  Raising it again would need privileges, and is not needed. */
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

static void begin_term(void)
{
    lower_priority();
    vld_wanted_begin(vld_shared_wanted());
    indexer.seen = 0;
    indexer.next_us = 0;
    indexer.pause_us = 0;
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, indexer.server,
                 "the indexer runs in this child");
}

static apr_status_t run_indexer(int state, void *data, apr_pool_t *pool)
{
    (void)data;
    (void)pool;
    if (!vld_shared_wanted()) {
        return APR_SUCCESS;
    }
    if (state == AP_WATCHDOG_STATE_STARTING) {
        begin_term();
    }
    else if (state == AP_WATCHDOG_STATE_RUNNING) {
        set_busy(1);
        if (!is_stopping() && is_due(apr_time_now())) {
            take_turn();
        }
        set_busy(0);
    }
    else {
        vld_indexer_stop(); /* another thread may be in a turn */
    }
    return APR_SUCCESS;
}

/* --- start --------------------------------------------------------------- */

static apr_status_t register_callback(apr_pool_t *pconf)
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
    return rv == APR_SUCCESS ? enter(watchdog, EVERY_US, NULL, run_indexer)
                             : rv;
}

static apr_status_t clear_runs(void *nothing)
{
    (void)nothing;
    indexer.runs = false;
    return APR_SUCCESS;
}

void vld_indexer_enlist(server_rec *s, apr_pool_t *pconf)
{
    apr_status_t rv;

    indexer.server = s;
    indexer.runs = false;
    if (!vld_config_auto()) {
        return;
    }
    apr_pool_cleanup_register(pconf, NULL, clear_runs, apr_pool_cleanup_null);
    rv = register_callback(pconf);
    indexer.runs = rv == APR_SUCCESS;
    if (!indexer.runs) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, rv, s,
                     "no file is indexed by itself, for want of mod_watchdog: "
                     "load it, or say \"ValidatorsAutoIndex Off\" and run "
                     "`htvalidators scan FOLDER` after each change");
    }
}

/* mod_watchdog may let its thread run until the process ends, and OpenSSL is
 * then cleaned up while the thread uses it: wait for the turn.  Not for ever,
 * since another process may hold the index's lock. */
static apr_status_t await_turn(void *nothing)
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
    apr_pool_pre_cleanup_register(pchild, NULL, await_turn);
}
