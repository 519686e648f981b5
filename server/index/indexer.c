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
#include "server/index/promises.h"
#include "server/index/report.h"
#include "server/index/wanted_files.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

#define WATCHDOG "_validators_indexer_"

/* How often mod_watchdog calls; its own step is as long.  A call lasts for
 * CALL_US, so that whoever waits for a promise seldom waits for the next. */
#define EVERY_US INT64_C(100000)
#define CALL_US INT64_C(1000000)
#define NAP_MS 100

/* How long the indexer works without a pause. */
#define TURN_US INT64_C(1000000)

/* How long the end of a child waits for the end of a turn, at most. */
#define WAIT_MOST_MS 1000

/* Without an index to write to. */
#define PAUSE_US INT64_C(1000000)

static struct {
    bool runs; /* mod_watchdog will call */
    server_rec *server;
    int stop; /* atomic */
    int busy; /* atomic: a turn is under way */
    vld_indexing turns;
} indexer;

/* --- from elsewhere ------------------------------------------------------ */

bool vld_indexer_runs(void)
{
    return indexer.runs;
}

void vld_indexer_stop(void)
{
    __atomic_store_n(&indexer.stop, 1, __ATOMIC_SEQ_CST);
    vld_shared_wake();
}

/* --- turns --------------------------------------------------------------- */

static void set_busy(int busy)
{
    __atomic_store_n(&indexer.busy, busy, __ATOMIC_SEQ_CST);
}

static bool is_due(apr_int64_t now_us)
{
    return now_us >= indexer.turns.pause_us
           && vld_wanted_files_are_due(&indexer.turns, now_us);
}

/* No index is made before a file is wanted, or a promise. */
static bool is_anything_wanted(void)
{
    return indexer.turns.seen || vld_wanted_posted(vld_shared_promises());
}

static void pause_without_index(apr_int64_t now_us, bool read_only)
{
    if (read_only) {
        vld_index_log_read_only();
    }
    vld_shared_set_can_write(false);
    vld_promises_refuse();
    indexer.turns.pause_us = now_us + PAUSE_US;
    indexer.turns.next_us = 0;
}

static void take_turn(void)
{
    apr_int64_t now_us = apr_time_now(), end_us = now_us + TURN_US;
    bool read_only, more = true;
    vld_open_store *open;

    indexer.turns.seen = vld_wanted_posted(vld_shared_wanted());
    indexer.turns.next_us = now_us + VLD_INDEXING_LOOK_US;
    if (!is_anything_wanted()) {
        return;
    }
    open = vld_index_acquire_to_write(&read_only);
    if (!open) {
        pause_without_index(now_us, read_only);
        return;
    }
    indexer.turns.store = open->store;
    while (more && !vld_indexing_is_stopped(&indexer.turns)
           && apr_time_now() < end_us) {
        more = vld_wanted_files_record(&indexer.turns);
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
    vld_wanted_files_begin(indexer.server);
    memset(&indexer.turns, 0, sizeof(indexer.turns));
    indexer.turns.stop = &indexer.stop;
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, indexer.server,
                 "the indexer runs in this child");
}

static void take_turns(void)
{
    apr_int64_t end_us = apr_time_now() + CALL_US;

    do {
        if (is_due(apr_time_now())) {
            take_turn();
        }
        else {
            vld_shared_await_wake(NAP_MS);
        }
    } while (!vld_indexing_is_stopped(&indexer.turns)
             && apr_time_now() < end_us);
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
        if (!vld_indexing_is_stopped(&indexer.turns)) {
            take_turns();
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
        /* ENOTIMPL, in words, is a riddle. */
        ap_log_error(APLOG_MARK, APLOG_WARNING,
                     APR_STATUS_IS_ENOTIMPL(rv) ? 0 : rv, s,
                     "no file is indexed by itself, for want of mod_watchdog: "
                     "load it, or say \"ValidatorsAutoIndex Off\" and run "
                     "`htvalidators -i \"%s\" scan FOLDER` after each change",
                     vld_config_global()->index_path);
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
