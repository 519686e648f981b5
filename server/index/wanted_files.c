/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The wanted files: read, or known from who has read them, and recorded.  Never
 * holds the index's lock while it reads. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <httpd.h>
#include <ap_mpm.h>
#include <http_log.h>

#include "server/index/promises.h"
#include "server/index/report.h"
#include "server/index/wanted_files.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* One transaction records the files that are read within one slice, and at most
 * so many. */
#define SLICE_US INT64_C(100000)
#define BATCH 64

/* Pauses after a write that failed: in a store that met a fault, in another. */
#define PAUSE_US INT64_C(1000000)
#define LONG_PAUSE_US INT64_C(60000000)

typedef struct job {
    vld_wanted_item item;
    vld_record record;
    apr_status_t rv;     /* of recording it */
    char path[PATH_MAX]; /* the real one */
} job;

static job jobs[BATCH];
static server_rec *server;

bool vld_indexing_is_stopped(const vld_indexing *x)
{
    int state = 0;

    return __atomic_load_n(x->stop, __ATOMIC_SEQ_CST)
           || (ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
               && state == AP_MPMQ_STOPPING);
}

/* --- one file ------------------------------------------------------------ */

static void log_rest(const job *j, apr_int64_t until_us, const char *why)
{
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, server,
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
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, server,
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
           && !record.is_unread && record.last_modified >= j->item.date;
}

/* False: the job rests. */
static bool must_be_recorded(vld_store *store, job *j, struct stat *st)
{
    if (!realpath(j->item.path, j->path) || stat(j->path, st) != 0) {
        rest_after_error(j, APR_FROM_OS_ERROR(errno));
    }
    else if (!S_ISREG(st->st_mode) || vld_store_is_own(store, st)) {
        rest_job(j, "not a file to be indexed");
    }
    else if (is_indexed(store, j, st)) {
        rest_job(j, "indexed already");
    }
    else {
        return true;
    }
    return false;
}

/* A request has read the file before its first answer. */
static bool is_read_already(job *j, const struct stat *st)
{
    vld_claim_file file = { (apr_uint64_t)st->st_dev, { 0, 0, 0, 0 } };
    vld_claim_read read;

    vld_identity_of(st, &file.identity);
    if (!vld_claims_know(vld_shared_claims(), &file, &read)) {
        return false;
    }
    vld_record_read(&file.identity, &read.digest, read.indexed_ns, &j->record);
    return true;
}

/* The tag of the file's identity was sent, and no promise of it could be
 * recorded in time: the record has it now. */
static void keep_what_was_sent(job *j)
{
    vld_record *record = &j->record;
    int fd = vld_beneath_open(j->path, VLD_OPEN_TO_READ);
    vld_digest name;

    if (fd < 0) {
        return;
    }
    if (vld_promise_name(&record->identity, fd, &name) == APR_SUCCESS
        && !memcmp(&name, &j->item.name, sizeof(name))) {
        record->is_promised = true;
        memcpy(record->seed.octets, name.bytes, sizeof(record->seed));
    }
    close(fd);
}

/* Requests wait for promises, also while a large file is read. */
static bool serve_promises(void *store)
{
    if (vld_promises_are_due(apr_time_now())) {
        vld_promises_record(store);
    }
    return true;
}

/* True: the job has a record for the index. */
static bool read_file(const vld_indexing *x, job *j)
{
    vld_attempt how = { .stop = x->stop,
                        .goes_on = serve_promises,
                        .baton = x->store,
                        .shuns_writers = true };
    apr_int64_t again_ns = 0;
    struct stat st;
    apr_status_t rv;

    if (!must_be_recorded(x->store, j, &st)) {
        return false;
    }
    rv = is_read_already(j, &st)
             ? APR_SUCCESS
             : vld_file_read(j->path, &how, &j->record, &again_ns);
    if (rv == APR_SUCCESS) {
        if (j->item.has_name && vld_name_is_promised(&j->item.name)) {
            keep_what_was_sent(j);
        }
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
static unsigned collect_records(vld_indexing *x, bool *more)
{
    apr_int64_t now_us = apr_time_now(), until_us = now_us + SLICE_US;
    apr_int64_t next_us;
    unsigned n = 0;

    *more = false;
    for (; n < BATCH && now_us < until_us && !vld_indexing_is_stopped(x);
         now_us = apr_time_now()) {
        x->seen = vld_wanted_posted(vld_shared_wanted());
        if (!vld_wanted_take(vld_shared_wanted(), now_us, &jobs[n].item,
                             &next_us)) {
            x->next_us = next_us < now_us + VLD_INDEXING_LOOK_US
                             ? next_us
                             : now_us + VLD_INDEXING_LOOK_US;
            return n;
        }
        n += read_file(x, &jobs[n]);
    }
    x->next_us = 0;
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
        rv = put_record(batch, &jobs[i]);
    }
    return rv;
}

static void finish_jobs(unsigned n)
{
    unsigned i;

    vld_shared_well(VLD_REPORT_WRITE);
    vld_shared_set_can_write(true);
    for (i = 0; i < n; i++) {
        const job *j = &jobs[i];

        if (j->rv == APR_SUCCESS) {
            rest_job(j, "indexed");
        }
        else {
            rest_after_error(j, j->rv);
        }
    }
}

/* Nothing of the batch was written. */
static void give_back_jobs(vld_indexing *x, unsigned n, apr_status_t rv)
{
    apr_int64_t due_us = apr_time_now();
    unsigned i;

    if (rv == VLD_E_DAMAGED) {
        vld_index_log_error(rv);
        due_us += PAUSE_US;
    }
    else if (rv != VLD_E_REPLACED) {
        vld_index_log_write_error(rv);
        vld_shared_set_can_write(false);
        due_us += LONG_PAUSE_US;
    }
    x->pause_us = due_us;
    for (i = 0; i < n; i++) {
        vld_wanted_give_back(vld_shared_wanted(), &jobs[i].item, due_us);
    }
}

/* False: the write failed. */
static bool record_files(vld_indexing *x, unsigned n)
{
    apr_status_t rv = n ? vld_store_write(x->store, put_records, &n)
                        : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        give_back_jobs(x, n, rv);
        return false;
    }
    if (n) {
        finish_jobs(n);
    }
    return true;
}

/* --- from elsewhere ------------------------------------------------------ */

void vld_wanted_files_begin(server_rec *s)
{
    server = s;
    vld_wanted_begin(vld_shared_wanted());
    vld_promises_begin(s);
}

bool vld_wanted_files_are_due(const vld_indexing *x, apr_time_t now)
{
    return now >= x->next_us || vld_promises_are_due(now)
           || vld_wanted_posted(vld_shared_wanted()) != x->seen;
}

bool vld_wanted_files_record(vld_indexing *x)
{
    bool more;
    unsigned n;

    serve_promises(x->store);
    n = collect_records(x, &more);
    serve_promises(x->store);
    return record_files(x, n) && more;
}
