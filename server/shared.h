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
/* The list of wanted files; NULL when ValidatorsAutoIndex is off everywhere. */
vld_wanted *vld_shared_wanted(void);

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
