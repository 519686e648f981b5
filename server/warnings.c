/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Warnings about the configuration, where the administrator looks: at
 * `apachectl configtest` and at start.  Changes nothing, refuses nothing. */
#include <string.h>
#include <sys/stat.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <util_filter.h>

#include "server/config.h"
#include "server/warnings.h"

APLOG_USE_MODULE(validators);

#define WARN(s, ...) ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s, __VA_ARGS__)

static bool is_test(void)
{
    return ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST;
}

/* httpd reads the configuration twice when it starts; the second time the error
 * log is open. */
static bool is_time_to_warn(void)
{
    return is_test()
           || (ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL
               && ap_state_query(AP_SQ_MAIN_STATE)
                      != AP_SQ_MS_CREATE_PRE_CONFIG);
}

/* --- the index ----------------------------------------------------------- */

/* One level is made at start; above the default all are. */
static void warn_of_missing_folder(server_rec *s, apr_pool_t *p,
                                   const char *path, const char *folder)
{
    struct stat st;
    const char *above = vld_config_folder_of(p, folder);

    if (strcmp(path, VLD_DEFAULT_INDEX) && stat(above, &st)) {
        WARN(s,
             "ValidatorsIndex %s: there is no folder %s, so that no index can "
             "be made: make it, `install -d -m 0755 %s`",
             path, above, above);
    }
}

/* At start the children say what is wrong with it. */
static void warn_of_index(server_rec *s, apr_pool_t *p)
{
    const char *path = vld_config_global()->index_path;
    const char *folder = vld_config_folder_of(p, path);
    struct stat st;

    if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
        WARN(s,
             "ValidatorsIndex %s: that is a folder: name a file in it, for "
             "example %s%svalidators.mdb",
             path, path, path[strlen(path) - 1] == '/' ? "" : "/");
    }
    else if (stat(folder, &st)) {
        warn_of_missing_folder(s, p, path, folder);
    }
    else if (st.st_mode & S_IWOTH) {
        WARN(
            s,
            "ValidatorsIndex %s: everybody may write to the folder %s, so that "
            "an index there is refused: name one in a folder of its own, for "
            "example " VLD_DEFAULT_INDEX,
            path, folder);
    }
}

/* --- names --------------------------------------------------------------- */

static bool is_known_name(const char *name)
{
    return ap_find_linked_module(name) || ap_get_output_filter_handle(name);
}

static void warn_of_vouched_names(server_rec *s)
{
    const apr_array_header_t *names = vld_config_global()->vouched;
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        const char *name = ((const char *const *)names->elts)[i];

        if (!is_known_name(name)) {
            WARN(s,
                 "ValidatorsVouchFor %s: no module that is loaded has a source "
                 "file or an output filter of this name: `httpd -M` names the "
                 "modules, and \"mod_lua.c\" is a source file",
                 name);
        }
    }
}

/* --- directives that do nothing together ---------------------------------- */

/* The first directive of this name whose arguments have the word; NULL: none.
 * Files of .htaccess are not looked at. */
static const ap_directive_t *find_directive(const ap_directive_t *tree,
                                            const char *name, const char *word)
{
    const ap_directive_t *d, *found;

    for (d = tree; d; d = d->next) {
        if (!ap_cstr_casecmp(d->directive, name) && d->args
            && ap_strcasestr(d->args, word)) {
            return d;
        }
        found = find_directive(d->first_child, name, word);
        if (found) {
            return found;
        }
    }
    return NULL;
}

static void warn_of_digest(server_rec *s)
{
    const ap_directive_t *d = find_directive(ap_conftree, "FileETag", "Digest");

    if (d) {
        WARN(s,
             "FileETag Digest (%s:%d) has httpd hash each file for each "
             "response, for a tag that mod_validators replaces: remove it "
             "where ValidatorsEngine is On",
             d->filename, d->line_num);
    }
}

static void warn_of_quick_handler(server_rec *s)
{
    const vld_global_config *conf = vld_config_global();
    const ap_directive_t *d = find_directive(ap_conftree,
                                             "ValidatorsQuickHandler", "On");

    if (!d) {
        return;
    }
    if (!conf->any_engine_on) {
        WARN(s,
             "ValidatorsQuickHandler On (%s:%d) does nothing without "
             "ValidatorsEngine On",
             d->filename, d->line_num);
    }
    else if (!conf->slots || !conf->ttl_us) {
        WARN(s,
             "ValidatorsQuickHandler On (%s:%d) does nothing with %s 0: it "
             "answers by prepared answers",
             d->filename, d->line_num,
             conf->slots ? "ValidatorsAnswerTTL" : "ValidatorsAnswers");
    }
}

static void warn_of_indexing(server_rec *s)
{
    if (vld_config_global()->any_auto_on
        && !vld_config_global()->any_engine_on) {
        WARN(s, "ValidatorsAutoIndex On does nothing without ValidatorsEngine "
                "On in a section of the server's configuration");
    }
}

int vld_warnings_log(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                     server_rec *s)
{
    (void)pconf;
    (void)plog;
    if (!is_time_to_warn()) {
        return OK;
    }
    warn_of_quick_handler(s);
    warn_of_indexing(s);
    warn_of_vouched_names(s);
    if (vld_config_global()->any_engine_on) {
        warn_of_digest(s);
    }
    if (is_test() && vld_config_global()->any_engine_on) {
        warn_of_index(s, ptemp);
    }
    return OK;
}
