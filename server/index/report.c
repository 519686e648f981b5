/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Faults of the index in the error log, once by one child for all.  It never
 * decides what follows from a fault. */
#include "server/index/report.h"

#include <sys/stat.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <http_main.h>

#include "server/config.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

static void log_unusable(apr_status_t rv)
{
    const char *path = vld_config_global()->index_path;
    char why[256], cure[1024];

    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                 "index %s: %s; %s (until then every look-up misses)", path,
                 vld_strerror(rv, why, sizeof(why)),
                 vld_advice(rv, path, cure, sizeof(cure)));
}

void vld_index_log_error(apr_status_t rv)
{
    if (vld_shared_first_report(VLD_REPORT_INDEX)) {
        log_unusable(rv);
    }
}

void vld_index_log_lookup_error(vld_store *store, const char *path,
                                apr_status_t rv)
{
    const char *index = vld_config_global()->index_path;
    /* 0 stands for "no file yet". */
    apr_uint32_t file = (apr_uint32_t)vld_store_file_number(store) | 1;

    if (!vld_shared_first_of_file(file)) {
        return;
    }
    if (rv != VLD_E_DAMAGED || !vld_store_is_current(store)) {
        log_unusable(rv);
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                 "index %s: the record of %s does not check, and there may "
                 "be others; `htvalidators -i \"%s\" scan FOLDER` makes "
                 "them again (until then they are as good as none)",
                 index, path, index);
}

void vld_index_log_write_error(apr_status_t rv)
{
    const char *path = vld_config_global()->index_path;
    char why[256], cure[1024];

    if (vld_shared_first_report(VLD_REPORT_WRITE)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, ap_server_conf,
                     "index %s cannot be written to: %s; %s (files that it "
                     "does not know are indexed once that is done)",
                     path, vld_strerror(rv, why, sizeof(why)),
                     vld_advice(rv, path, cure, sizeof(cure)));
    }
}

void vld_index_log_read_only(void)
{
    const char *path = vld_config_global()->index_path;
    struct stat st;
    long owner = stat(path, &st) == 0 ? (long)st.st_uid : -1;

    if (vld_shared_first_report(VLD_REPORT_READ_ONLY)) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, ap_server_conf,
                     "ValidatorsAutoIndex is off for the index %s: it, its "
                     "lock file or its folder is not the server's to write "
                     "(the index is user %ld's); run `htvalidators -i %s scan "
                     "FOLDER` after each change, or give all three to the "
                     "server's user and restart",
                     path, owner, path);
    }
}
