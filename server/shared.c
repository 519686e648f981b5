/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The memory that the children of one generation share: a line of flags, then
 * the table of prepared answers, then the list of wanted files.  It is
 * anonymous and lives in pconf, so each graceful restart begins with an empty
 * one while old children keep theirs. */
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
} flags;

/* 4.5 MiB of address space; the system provides the pages that are used. */
#define WANTED_SLOTS 4096

static apr_time_t born;
static flags *shared_flags;
static vld_answers table;
static vld_answers *answers;
static vld_wanted wanted_list;
static vld_wanted *wanted;

static apr_status_t clear_pointers(void *nothing)
{
    (void)nothing;
    shared_flags = NULL;
    answers = NULL;
    wanted = NULL;
    return APR_SUCCESS;
}

/* The first multiple of a line after an address. */
static unsigned char *next_line(unsigned char *at)
{
    return at + LINE - (apr_uintptr_t)at % LINE;
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
        vld_wanted_init(&wanted_list, next_line(base), WANTED_SLOTS, ~seed);
        wanted = &wanted_list;
    }
}

int vld_shared_create(apr_pool_t *pconf, server_rec *s)
{
    const vld_global_config *conf = vld_config_global();
    apr_size_t size = 3 * LINE + vld_answers_size(conf->slots)
                      + (vld_config_auto() ? vld_wanted_size(WANTED_SLOTS) : 0);
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
    return wanted;
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
