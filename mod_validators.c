/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The front door of mod_validators: the module record, the order of start-up,
 * and each hook under the verb that it serves.  It decides nothing. */
#include <httpd.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>

#include "server/access/filters.h"
#include "server/access/foreign_hooks.h"
#include "server/access/providers.h"
#include "server/config.h"
#include "server/directives.h"
#include "server/dav/dav.h"
#include "server/index/handle.h"
#include "server/index/indexer.h"
#include "server/index/prepare.h"
#include "server/request/attach.h"
#include "server/request/evaluate.h"
#include "server/request/replay.h"
#include "server/request/scope.h"
#include "server/shared.h"
#include "server/warnings.h"

/* --- start-up, from the first directive to the last child ----------------- */

static int prepare_configuration(apr_pool_t *pconf, apr_pool_t *plog,
                                 apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    vld_config_reset(pconf);
    vld_access_wrap_providers(pconf);
    vld_dav_pre_config(pconf);
    return OK;
}

static int prepare_server(apr_pool_t *pconf, apr_pool_t *plog,
                          apr_pool_t *ptemp, server_rec *s)
{
    int rv;

    (void)plog;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    /* First, since the rest is in vain if it fails. */
    rv = vld_shared_create(pconf, s);
    if (rv != OK) {
        return rv;
    }
    /* Every module has registered its filters and hooks by now. */
    vld_scope_resolve();
    vld_replay_resolve();
    vld_filters_resolve(pconf);
    vld_foreign_hooks_check(s, ptemp);
    /* While this process is root.  The folder comes last: only an indexer that
     * mod_watchdog will call needs it. */
    vld_index_grant_to_group(s);
    vld_indexer_enlist(s, pconf);
    vld_index_make_folder(s, ptemp, vld_indexer_runs());
    return vld_dav_post_config(pconf, s);
}

static void prepare_child(apr_pool_t *pchild, server_rec *s)
{
    vld_index_child_init(vld_indexer_runs());
    vld_indexer_child_init(pchild);
    vld_dav_child_init(pchild, s);
}

/* mpm-itk forks after this. */
static int prepare_connection(conn_rec *c, void *csd)
{
    (void)c;
    (void)csd;
    vld_index_before_fork();
    return OK;
}

static void stop_child(apr_pool_t *pchild, int graceful)
{
    (void)pchild;
    (void)graceful;
    vld_indexer_stop();
}

/* What keeps the three verbs true: the configuration, the index and its
 * indexer, what other modules decide by, mod_dav. */
static void hook_start_up(void)
{
    /* mod_watchdog counts the watchdogs in its post_config and starts their
     * threads in its child_init.  One of them is the indexer: it must be
     * enlisted, and the index be open, before. */
    static const char *const watchdog[] = { "mod_watchdog.c", NULL };

    /* Last: all providers that are to be wrapped are registered by then. */
    ap_hook_pre_config(prepare_configuration, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_check_config(vld_warnings_log, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(prepare_server, NULL, watchdog, APR_HOOK_MIDDLE);
    ap_hook_child_init(prepare_child, NULL, watchdog, APR_HOOK_MIDDLE);
    ap_hook_pre_connection(prepare_connection, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_stopping(stop_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_optional_fn_retrieve(vld_access_find_modules, NULL, NULL,
                                 APR_HOOK_MIDDLE);
    /* Before all that may refuse.  Its answer depends on the configuration
     * alone, so that httpd may go on skipping access control for sub-requests
     * with the configuration of the request. */
    ap_hook_check_access(vld_access_take_down, NULL, NULL,
                         APR_HOOK_REALLY_FIRST, AP_AUTH_INTERNAL_PER_CONF);
    /* mod_alias refuses here by the configuration of the URL that was asked
     * for; a rewritten URL gets another before access control. */
    ap_hook_translate_name(vld_access_take_down, NULL, NULL,
                           APR_HOOK_REALLY_FIRST);
}

/* --- scope, and the three verbs ------------------------------------------- */

/* Scope: the requests that the verbs are for.  The one hook serves two of them:
 * replay is tried again, now that access control has let the client in; then
 * the request gets the filter of attach. */
static void hook_scope(void)
{
    /* After access control; after the fixups of mod_dir and mod_rewrite, which
     * change what the request is. */
    ap_hook_fixups(vld_scope_fixups, NULL, NULL, APR_HOOK_REALLY_LAST);
    /* Before mod_log_config writes the note. */
    ap_hook_log_transaction(vld_scope_log, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

/* Replay: a 304 that an earlier response has prepared. */
static void hook_replay(void)
{
    /* Before mod_cache's quick handler, which answers from its own copies. */
    static const char *const cache[] = { "mod_cache.c", NULL };

    ap_hook_quick_handler(vld_replay_quick, NULL, cache, APR_HOOK_FIRST);
}

/* Attach: the validators of a file in its response. */
static void hook_attach(void)
{
    static const char *const core[] = { "core.c", NULL };

    /* The handler that was asked for may not be there: core sends the file. */
    ap_hook_handler(vld_scope_core_handler, NULL, core, APR_HOOK_REALLY_LAST);
    /* Before all other filters, mod_deflate's INFLATE included: each of them
     * sees what it sets. */
    ap_register_output_filter(VLD_ATTACH_FILTER, vld_attach_filter, NULL,
                              AP_FTYPE_RESOURCE - 2);
}

/* Evaluate: the preconditions, once the whole response is known; then the
 * response is remembered for replay. */
static void hook_evaluate(void)
{
    static const char *const cache[] = { "mod_cache.c", NULL };

    /* Keep handlers from evaluating earlier.  Before all of them, but for
     * mod_cache's, which evaluates for its own copies. */
    ap_hook_handler(vld_scope_handler, cache, NULL, APR_HOOK_REALLY_FIRST);
    /* The last of its type, since it is inserted last: after every content
     * filter, before mod_cache's, byte ranges and the header. */
    ap_hook_insert_filter(vld_scope_insert_filter, NULL, NULL,
                          APR_HOOK_REALLY_LAST);
    ap_register_output_filter(VLD_EVALUATE_FILTER, vld_evaluate_filter, NULL,
                              AP_FTYPE_CONTENT_SET);
    /* The same after mod_cache's filters, in place of the one above where
     * mod_cache_socache must see the whole response. */
    ap_register_output_filter(VLD_EVALUATE_LATE_FILTER, vld_evaluate_filter,
                              NULL, AP_FTYPE_CONTENT_SET + 2);
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    hook_start_up();
    hook_scope();
    hook_replay();
    hook_attach();
    hook_evaluate();
}

AP_DECLARE_MODULE(validators) = {
    STANDARD20_MODULE_STUFF,
    vld_config_create_dir,
    vld_config_merge_dir,
    NULL, /* server config: see vld_config_global() */
    NULL,
    vld_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
