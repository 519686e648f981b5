/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Large files before their first answer.  One of those who ask for a file reads
 * it, in whichever process, and the others wait for the result, each no longer
 * than it may.  Nobody holds the index while it waits. */
#include <string.h>

#include <ap_mpm.h>

#include "server/index/ahead.h"
#include "server/index/handle.h"
#include "server/index/indexer.h"
#include "server/shared.h"

/* Files up to this size are tried whatever the rate was: a disk that was slow
 * once is asked again. */
#define TRIED_ALWAYS (8 << 20)

/* The naps of one who waits. */
#define NAP_FIRST_US 500
#define NAP_MOST_US 5000

/* How long a claim outlives the time of its reader. */
#define GRACE_US APR_USEC_PER_SEC

/* --- threads ------------------------------------------------------------- */

static int inside; /* atomic: threads of this process that read or wait */

/* A quarter of the process's threads; one at least. */
static int threads_most(void)
{
    int threads = 0;

    if (ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads) != APR_SUCCESS
        || threads < 8) {
        return 1;
    }
    return threads / 4;
}

static bool enter(void)
{
    if (__atomic_fetch_add(&inside, 1, __ATOMIC_ACQ_REL) < threads_most()) {
        return true;
    }
    __atomic_fetch_sub(&inside, 1, __ATOMIC_ACQ_REL);
    return false;
}

static void leave(void)
{
    __atomic_fetch_sub(&inside, 1, __ATOMIC_ACQ_REL);
}

/* --- reading ------------------------------------------------------------- */

static vld_claim_file claim_of(const vld_ahead *file)
{
    vld_claim_file f = { (apr_uint64_t)file->device, *file->identity };

    return f;
}

static bool fits(const vld_ahead *file, apr_interval_time_t most_us)
{
    apr_uint64_t most = vld_shared_rate() * (apr_uint64_t)(most_us / 1000);

    return most_us > 0
           && file->identity->size
                  <= (most > TRIED_ALWAYS ? most : TRIED_ALWAYS);
}

static bool is_in_time(void *deadline_ns)
{
    return vld_monotonic_ns() < *(const apr_int64_t *)deadline_ns;
}

/* Each is longer than the one before. */
static void take_nap(apr_interval_time_t *us)
{
    apr_sleep(*us);
    *us = *us * 2 < NAP_MOST_US ? *us * 2 : NAP_MOST_US;
}

/* Read the file with its claim, and give the claim up. */
static bool read_claimed(const vld_ahead *file, const vld_claim *claim,
                         apr_int64_t deadline_ns, vld_claim_read *out)
{
    apr_int64_t begun_ns = vld_monotonic_ns();
    apr_uint64_t octets = 0;
    vld_record record;
    vld_attempt attempt = { .fd = file->fd,
                            .progress = &octets,
                            .goes_on = is_in_time,
                            .baton = &deadline_ns,
                            .shuns_writers = true,
                            .record = &record };
    bool ok = vld_file_try(&attempt) == VLD_READ
              && vld_identity_equal(&record.identity, file->identity,
                                    VLD_COMPARE_STRICT);

    vld_shared_rated(octets, (vld_monotonic_ns() - begun_ns) / 1000);
    if (ok) {
        out->digest = record.digest;
        out->indexed_ns = record.indexed_ns;
    }
    vld_claims_give_up(vld_shared_claims(), claim, ok ? out : NULL,
                       apr_time_now());
    return ok;
}

static bool read_or_wait(const vld_ahead *file, apr_interval_time_t most_us,
                         vld_claim_read *out)
{
    apr_int64_t deadline_ns = vld_monotonic_ns() + most_us * 1000;
    apr_interval_time_t nap_us = NAP_FIRST_US;
    vld_claim_file of = claim_of(file);
    vld_claim claim;

    for (;;) {
        apr_time_t now = apr_time_now();

        switch (vld_claims_ask(vld_shared_claims(), &of, now,
                               now + most_us + GRACE_US, &claim, out)) {
        case VLD_CLAIM_KNOWN: return true;
        case VLD_CLAIM_READ:
            return read_claimed(file, &claim, deadline_ns, out);
        case VLD_CLAIM_REST: return false;
        case VLD_CLAIM_WAIT: break;
        }
        if (!is_in_time(&deadline_ns)) {
            return false;
        }
        take_nap(&nap_us);
    }
}

bool vld_ahead_can_keep(void)
{
    return vld_shared_claims() && vld_indexer_runs() && vld_shared_can_write()
           && vld_index_may_write();
}

bool vld_ahead_know(const vld_ahead *file, vld_digest *out)
{
    vld_claim_file of = claim_of(file);
    vld_claim_read read;

    if (!vld_shared_claims()
        || !vld_claims_know(vld_shared_claims(), &of, &read)) {
        return false;
    }
    *out = read.digest;
    return true;
}

bool vld_ahead_read(const vld_ahead *file, apr_interval_time_t most_us,
                    vld_digest *out)
{
    vld_claim_read read;
    bool ok;

    if (vld_ahead_know(file, out)) {
        return true;
    }
    if (!fits(file, most_us) || !enter()) {
        return false;
    }
    ok = read_or_wait(file, most_us, &read);
    leave();
    if (ok) {
        *out = read.digest;
    }
    return ok;
}

/* --- promises ------------------------------------------------------------ */

static bool is_recorded(const vld_ahead *file)
{
    vld_lookup found;

    return vld_index_find(apr_time_now(), file->path, &found)
           && vld_identity_equal(&found.record.identity, file->identity,
                                 VLD_COMPARE_STRICT);
}

void vld_ahead_promise(const vld_ahead *file, const vld_digest *name,
                       apr_int64_t date, apr_interval_time_t most_us)
{
    apr_int64_t deadline_ns = vld_monotonic_ns() + most_us * 1000;
    apr_interval_time_t nap_us = NAP_FIRST_US;
    vld_digest known;

    if (!vld_wanted_post(vld_shared_promises(), file->path, strlen(file->path),
                         date, name, apr_time_now())) {
        return;
    }
    vld_shared_wake();
    while (is_in_time(&deadline_ns)) {
        take_nap(&nap_us);
        if (is_recorded(file) || vld_ahead_know(file, &known)) {
            return;
        }
    }
}
