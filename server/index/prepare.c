/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index's files and folder, prepared by the parent for httpd's user and
 * group, and what was done in the error log.  It never opens the index. */
#include "server/index/prepare.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include <http_config.h>
#include <http_log.h>
#include <unixd.h>

#include "server/config.h"
#include "validators/index.h"

APLOG_USE_MODULE(validators);

static vld_index_owner server_user(void)
{
    vld_index_owner user = { ap_unixd_config.user_id,
                             ap_unixd_config.group_id };

    return user;
}

void vld_index_grant_to_group(server_rec *s)
{
    const char *path = vld_config_global()->index_path;
    vld_index_owner user = server_user();

    if (vld_config_global()->any_engine_on
        && vld_index_files_lend(path, &user)) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "%s: now of the server's group, which reads the index",
                     path);
    }
}

/* A folder that exists is not judged here: whoever opens the index does. */
static void warn_of_folder(server_rec *s, const char *folder)
{
    vld_index_place above;
    struct stat st;

    if (geteuid() != 0 || !lstat(folder, &st)) {
        return;
    }
    switch (vld_index_place_judge(folder, &above)) {
    case VLD_PLACE_ROOTS:
    case VLD_PLACE_FAILED: return;
    default:
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "%s: not made for the index, because others than root "
                     "can write to %s; make it, for the user who keeps the "
                     "index",
                     folder, above.at);
    }
}

void vld_index_make_folder(server_rec *s, apr_pool_t *ptemp, bool indexes)
{
    const char *path = vld_config_global()->index_path;
    vld_index_owner user = server_user();
    const char *folder = vld_config_folder_of(ptemp, path);

    if (!indexes) {
        return;
    }
    vld_index_files_make_above(path);
    if (vld_index_files_make_folder_for(path, &user)) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "%s: made for the server to keep its index in", folder);
    }
    else {
        warn_of_folder(s, folder);
    }
}
