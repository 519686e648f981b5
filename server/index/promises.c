/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Promises of tags: a few look-ups and one transaction, while requests wait.
 * Reads no file. */
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
#include <http_log.h>

#include "server/index/promises.h"
#include "server/index/report.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* The most of one transaction. */
#define BATCH 16

/* When a file that another one is reading is looked at again, and for how long
 * a claim to a file that is being promised lasts. */
#define AGAIN_US 5000
#define CLAIM_US (2 * APR_USEC_PER_SEC)

/* A path that was posted by a child that was killed in between is found within
 * this time. */
#define LOOK_US (10 * APR_USEC_PER_SEC)

typedef struct job {
    vld_wanted_item item;
    vld_claim claim; /* held */
    vld_record record;
    vld_last_sent sent;
    char path[PATH_MAX]; /* the real one */
} job;

static struct {
    server_rec *server;
    apr_uint64_t seen;   /* count of posts when the list was last read */
    apr_int64_t next_us; /* next look at the list without a post */
    unsigned count;
    job jobs[BATCH];
} promises;

void vld_promises_begin(server_rec *s)
{
    promises.server = s;
    promises.seen = 0;
    promises.next_us = apr_time_now() + LOOK_US;
    vld_wanted_begin(vld_shared_promises());
}

bool vld_promises_are_due(apr_time_t now)
{
    return now >= promises.next_us
           || vld_wanted_posted(vld_shared_promises()) != promises.seen;
}

/* --- one file ------------------------------------------------------------ */

/* Not at rest: requests would wait in vain for its next state. */
static void finish_job(const job *j, const char *why)
{
    vld_wanted_finish(vld_shared_promises(), &j->item, apr_time_now());
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, promises.server, "%s: %s",
                 j->item.path, why);
}

/* Look at the file: its identity, as it is now, must be the one promised. */
static bool look_at_file(job *j, vld_store *store, vld_claim_file *file)
{
    struct stat st;
    vld_digest name;
    int fd;
    bool is;

    if (!realpath(j->item.path, j->path)) {
        return false;
    }
    fd = vld_beneath_open(j->path, VLD_OPEN_TO_READ);
    is = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
         && !vld_store_is_own(store, &st);
    if (is) {
        file->device = (apr_uint64_t)st.st_dev;
        vld_identity_of(&st, &file->identity);
        is = vld_promise_name(&file->identity, fd, &name) == APR_SUCCESS
             && !memcmp(&name, &j->item.name, sizeof(name));
    }
    if (fd >= 0) {
        close(fd);
    }
    return is;
}

/* What has been read meanwhile needs no promise.  Nobody reads the file while
 * its promise is recorded: the claim is held until then. */
static bool prepare_record(job *j, const vld_claim_file *file)
{
    apr_time_t now = apr_time_now();
    vld_claim_read read;

    j->sent.has_name = true;
    j->sent.name = j->item.name;
    j->sent.date = j->item.date;
    j->claim.token = 0;
    switch (vld_claims_ask(vld_shared_claims(), file, now, now + CLAIM_US,
                           &j->claim, &read)) {
    case VLD_CLAIM_WAIT:
        vld_wanted_give_back(vld_shared_promises(), &j->item, now + AGAIN_US);
        return false;
    case VLD_CLAIM_KNOWN:
        vld_record_read(&file->identity, &read.digest, read.indexed_ns,
                        &j->record);
        j->sent.name = read.digest;
        j->claim.token = 0;
        return true;
    case VLD_CLAIM_REST: j->claim.token = 0; break;
    case VLD_CLAIM_READ: break;
    }
    vld_promise_record(&file->identity, &j->item.name, vld_now_ns(),
                       &j->record);
    return true;
}

/* --- one transaction ----------------------------------------------------- */

/* Take what is due.  Returns whether there may be more. */
static bool take_jobs(vld_store *store)
{
    apr_time_t now = apr_time_now();
    vld_claim_file file;
    apr_int64_t next_us;
    job *j;

    promises.count = 0;
    promises.seen = vld_wanted_posted(vld_shared_promises());
    while (promises.count < BATCH) {
        j = &promises.jobs[promises.count];
        if (!vld_wanted_take(vld_shared_promises(), now, &j->item, &next_us)) {
            promises.next_us = next_us < now + LOOK_US ? next_us
                                                       : now + LOOK_US;
            return false;
        }
        if (!look_at_file(j, store, &file)) {
            finish_job(j, "is not what was promised any more");
        }
        else if (prepare_record(j, &file)) {
            promises.count++;
        }
    }
    promises.next_us = now;
    return true;
}

static apr_status_t put_records(void *nothing, vld_batch *batch)
{
    apr_status_t rv = APR_SUCCESS;
    unsigned i;
    bool same;

    (void)nothing;
    for (i = 0; rv == APR_SUCCESS && i < promises.count; i++) {
        job *j = &promises.jobs[i];

        rv = vld_batch_record(batch, j->path, strlen(j->path), &j->record,
                              &j->sent, &same);
        rv = rv == APR_EINVAL ? APR_SUCCESS : rv;
    }
    return rv;
}

static void finish_jobs(apr_status_t rv)
{
    unsigned i;

    for (i = 0; i < promises.count; i++) {
        job *j = &promises.jobs[i];

        if (j->claim.token) {
            vld_claims_drop(vld_shared_claims(), &j->claim);
        }
        finish_job(j, rv == APR_SUCCESS ? "its tag is promised"
                                        : "its tag cannot be promised");
    }
    if (rv != APR_SUCCESS && rv != VLD_E_REPLACED) {
        vld_shared_set_can_write(false);
        vld_index_log_write_error(rv);
    }
}

void vld_promises_record(vld_store *store)
{
    bool more = true;

    while (more) {
        more = take_jobs(store);
        if (promises.count) {
            finish_jobs(vld_store_write(store, put_records, NULL));
        }
    }
}

void vld_promises_refuse(void)
{
    apr_time_t now = apr_time_now();
    vld_wanted_item item;
    apr_int64_t next_us;

    promises.seen = vld_wanted_posted(vld_shared_promises());
    while (vld_wanted_take(vld_shared_promises(), now, &item, &next_us)) {
        vld_wanted_finish(vld_shared_promises(), &item, now);
    }
    promises.next_us = now + LOOK_US;
}
