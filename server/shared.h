/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The memory that the children of one generation share. */
#ifndef SERVER_SHARED_H
#define SERVER_SHARED_H

#include <httpd.h>

#include "validators/answers.h"
#include "validators/wanted.h"

/* Make the shared memory in pconf.  OK, or a status that stops the start. */
int vld_shared_create(apr_pool_t *pconf, server_rec *s);
/* When the current configuration was read. */
apr_time_t vld_shared_born(void);
/* The table of prepared answers; NULL when there is none. */
vld_answers *vld_shared_answers(void);
/* The list of wanted files; NULL when ValidatorsAutoIndex is off everywhere.
 * The same for the list of files whose tag shall be promised, and for the
 * claims to files that are read before their first answer. */
vld_wanted *vld_shared_wanted(void);
vld_wanted *vld_shared_promises(void);
vld_claims *vld_shared_claims(void);

/* Wake the indexer, which may be in another child; never waits. */
void vld_shared_wake(void);
/* For the indexer: wait to be woken, and most_ms at most. */
void vld_shared_await_wake(int most_ms);

/* Whether the indexer could write to the index when it last tried; true before
 * that. */
bool vld_shared_can_write(void);
void vld_shared_set_can_write(bool can);

/* How fast files have been read and hashed lately, octets a millisecond. */
apr_uint64_t vld_shared_rate(void);
/* A reading of this many octets took so long. */
void vld_shared_rated(apr_uint64_t octets, apr_interval_time_t us);

/* Faults that one child logs for all. */
typedef enum vld_report {
    VLD_REPORT_INDEX,     /* the index cannot be used */
    VLD_REPORT_READ_ONLY, /* the indexer may not write to it */
    VLD_REPORT_WRITE,     /* a write failed */
    VLD_REPORTS
} vld_report;

/* True for the first caller among all children since the last
 * vld_shared_well() of that fault: it logs. */
bool vld_shared_first_report(vld_report what);
void vld_shared_well(vld_report what);
/* True for the first caller with this number of a file (not 0) until a caller
 * with another: it logs a fault inside the file.  Opening the same file again
 * does not reset this. */
bool vld_shared_first_of_file(apr_uint32_t file);

#endif /* SERVER_SHARED_H */
