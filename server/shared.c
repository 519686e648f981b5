/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The memory that the children of one generation share: a line of flags, then
 * the table of prepared answers, then what the indexer is told.  It is
 * anonymous and lives in pconf, so each graceful restart begins with an empty
 * one while old children keep theirs.  The pipe that wakes the indexer belongs
 * to it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <apr_atomic.h>
#include <apr_shm.h>

#include <httpd.h>
#include <http_log.h>

#include "server/config.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* The flags have a cache line of their own.  APR aligns to 8 bytes, the table
 * needs a line. */
#define LINE 64

typedef struct flags {
    volatile apr_uint32_t reported[VLD_REPORTS];
    volatile apr_uint32_t record_reported; /* number of the file; 0: none */
    volatile apr_uint32_t cannot_write;
    apr_uint64_t rate; /* atomic; 0: nothing was read yet */
} flags;

/* 4.5 MiB of address space; the system provides the pages that are used. */
#define WANTED_SLOTS 4096
#define PROMISED_SLOTS 256
#define CLAIM_SLOTS 512

/* Assumed before anything was read, octets a millisecond: a slow disk's. */
#define FIRST_RATE 200000
/* What was read in less time, or is shorter, tells nothing. */
#define RATED_LEAST (1 << 20)

static apr_time_t born;
static flags *shared_flags;
static vld_answers table;
static vld_answers *answers;

/* What the indexer is told. */
static struct {
    bool exists;
    vld_wanted wanted;
    vld_wanted promises;
    vld_claims claims;
    int wake[2]; /* a pipe; -1: none */
} told;

static apr_status_t clear_pointers(void *nothing)
{
    (void)nothing;
    shared_flags = NULL;
    answers = NULL;
    told.exists = false;
    return APR_SUCCESS;
}

static apr_status_t close_pipe(void *nothing)
{
    (void)nothing;
    if (told.wake[0] >= 0) {
        close(told.wake[0]);
        close(told.wake[1]);
        told.wake[0] = told.wake[1] = -1;
    }
    return APR_SUCCESS;
}

/* Without one, the indexer looks by itself every now and then. */
static void make_pipe(apr_pool_t *pconf)
{
    if (pipe2(told.wake, O_CLOEXEC | O_NONBLOCK) != 0) {
        told.wake[0] = told.wake[1] = -1;
    }
    apr_pool_cleanup_register(pconf, NULL, close_pipe, apr_pool_cleanup_null);
}

/* The first multiple of a line after an address. */
static unsigned char *next_line(unsigned char *at)
{
    return at + LINE - (apr_uintptr_t)at % LINE;
}

static apr_size_t size_of_told(void)
{
    return vld_wanted_size(WANTED_SLOTS) + vld_wanted_size(PROMISED_SLOTS)
           + vld_claims_size(CLAIM_SLOTS);
}

static void place_told(unsigned char *base, apr_uint64_t seed)
{
    base = next_line(base);
    vld_wanted_init(&told.wanted, base, WANTED_SLOTS, ~seed);
    base += vld_wanted_size(WANTED_SLOTS);
    vld_wanted_init(&told.promises, base, PROMISED_SLOTS, ~seed);
    base += vld_wanted_size(PROMISED_SLOTS);
    vld_claims_init(&told.claims, base, CLAIM_SLOTS, ~seed);
    told.exists = true;
}

/* Place the parts in zeroed memory. */
static void place_parts(const vld_global_config *conf, unsigned char *base,
                        apr_uint64_t seed)
{
    base = next_line(base);
    shared_flags = (flags *)base;
    base += LINE;
    if (conf->slots) {
        vld_answers_init(&table, base, conf->slots, seed);
        answers = &table;
        base += vld_answers_size(conf->slots);
    }
    if (vld_config_auto()) {
        place_told(base, seed);
    }
}

int vld_shared_create(apr_pool_t *pconf, server_rec *s)
{
    const vld_global_config *conf = vld_config_global();
    apr_size_t size = 3 * LINE + vld_answers_size(conf->slots)
                      + (vld_config_auto() ? size_of_told() : 0);
    apr_shm_t *shm;
    apr_uint64_t seed;
    apr_status_t rv = apr_shm_create(&shm, size, NULL, pconf);

    if (rv == APR_SUCCESS) {
        rv = apr_generate_random_bytes((unsigned char *)&seed, sizeof(seed));
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, s,
                     "no %" APR_SIZE_T_FMT " octets of shared memory for "
                     "prepared answers: say a smaller ValidatorsAnswers",
                     size);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    born = apr_time_now();
    place_parts(conf, apr_shm_baseaddr_get(shm), seed);
    make_pipe(pconf);
    apr_pool_cleanup_register(pconf, NULL, clear_pointers,
                              apr_pool_cleanup_null);
    return OK;
}

apr_time_t vld_shared_born(void)
{
    return born;
}

vld_answers *vld_shared_answers(void)
{
    return answers;
}

vld_wanted *vld_shared_wanted(void)
{
    return told.exists ? &told.wanted : NULL;
}

vld_wanted *vld_shared_promises(void)
{
    return told.exists ? &told.promises : NULL;
}

vld_claims *vld_shared_claims(void)
{
    return told.exists ? &told.claims : NULL;
}

/* A full pipe wakes as well. */
void vld_shared_wake(void)
{
    if (told.wake[1] >= 0 && write(told.wake[1], "", 1) < 0) {
        return;
    }
}

void vld_shared_await_wake(int most_ms)
{
    struct pollfd one = { told.wake[0], POLLIN, 0 };
    char octets[256];

    /* A descriptor of -1 is never ready. */
    if (poll(&one, 1, most_ms) > 0) {
        while (read(told.wake[0], octets, sizeof(octets)) == sizeof(octets)) {
            continue;
        }
    }
}

bool vld_shared_can_write(void)
{
    return !apr_atomic_read32(&shared_flags->cannot_write);
}

void vld_shared_set_can_write(bool can)
{
    apr_atomic_set32(&shared_flags->cannot_write, !can);
}

apr_uint64_t vld_shared_rate(void)
{
    apr_uint64_t rate = __atomic_load_n(&shared_flags->rate, __ATOMIC_RELAXED);

    return rate ? rate : FIRST_RATE;
}

/* Old readings count for less and less.  Two that are added at once may lose
 * one. */
void vld_shared_rated(apr_uint64_t octets, apr_interval_time_t us)
{
    apr_uint64_t rate = vld_shared_rate(), now;

    if (octets < RATED_LEAST || us < 1) {
        return;
    }
    now = octets * 1000 / (apr_uint64_t)us;
    rate = (3 * rate + now) / 4;
    __atomic_store_n(&shared_flags->rate, rate ? rate : 1, __ATOMIC_RELAXED);
}

bool vld_shared_first_report(vld_report what)
{
    return apr_atomic_cas32(&shared_flags->reported[what], 1, 0) == 0;
}

bool vld_shared_first_of_file(apr_uint32_t file)
{
    return apr_atomic_xchg32(&shared_flags->record_reported, file) != file;
}

void vld_shared_well(vld_report what)
{
    apr_atomic_set32(&shared_flags->reported[what], 0);
}
