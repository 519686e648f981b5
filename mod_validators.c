/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The front door of mod_validators: the module record, the hooks and the order
 * of start-up.  It decides nothing. */
#include <httpd.h>
#include <http_config.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mpm_common.h>

#include "server/access/filters.h"
#include "server/access/foreign_hooks.h"
#include "server/access/providers.h"
#include "server/config.h"
#include "server/directives.h"
#include "server/dav/as_get.h"
#include "server/index/handle.h"
#include "server/index/indexer.h"
#include "server/index/prepare.h"
#include "server/request/request.h"
#include "server/shared.h"

static int pre_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)plog;
    (void)ptemp;
    vld_config_reset(pconf);
    vld_access_wrap_providers(pconf);
    vld_dav_pre_config(pconf);
    return OK;
}

static int post_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                       server_rec *s)
{
    int rv;

    (void)plog;
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    rv = vld_shared_create(pconf, s);
    if (rv != OK) {
        return rv;
    }
    vld_scope_resolve();
    vld_replay_resolve();
    vld_filters_resolve(pconf);
    vld_foreign_hooks_check(s, ptemp);
    vld_index_grant_to_group(s, ptemp);
    vld_indexer_enlist(s, pconf);
    vld_index_make_folder(s, ptemp, vld_indexer_runs());
    return vld_dav_post_config(pconf, s);
}

static void child_init(apr_pool_t *pchild, server_rec *s)
{
    vld_index_child_init(vld_indexer_runs());
    vld_indexer_child_init(pchild);
    vld_dav_child_init(pchild, s);
}

#if AP_MODULE_MAGIC_AT_LEAST(20120211, 110)
static void child_stopping(apr_pool_t *pchild, int graceful)
{
    (void)pchild;
    (void)graceful;
    vld_indexer_stop();
}
#endif

static void register_hooks(apr_pool_t *p)
{
    /* mod_cache's quick handler answers from its own copies: ours comes
     * before it. */
    static const char *const cache[] = { "mod_cache.c", NULL };
    /* Its threads begin in its hook, and one of them is the indexer's. */
    static const char *const watchdog[] = { "mod_watchdog.c", NULL };

    (void)p;
    ap_hook_pre_config(pre_config, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_post_config(post_config, NULL, watchdog, APR_HOOK_MIDDLE);
    ap_hook_child_init(child_init, NULL, watchdog, APR_HOOK_MIDDLE);
#if AP_MODULE_MAGIC_AT_LEAST(20120211, 110)
    ap_hook_child_stopping(child_stopping, NULL, NULL, APR_HOOK_MIDDLE);
#endif
    ap_hook_optional_fn_retrieve(vld_access_find_modules, NULL, NULL,
                                 APR_HOOK_MIDDLE);
    ap_hook_quick_handler(vld_replay_quick, NULL, cache, APR_HOOK_FIRST);
    /* After mod_dir's and mod_rewrite's fixups, which change what the
     * request is. */
    ap_hook_fixups(vld_scope_fixups, NULL, NULL, APR_HOOK_REALLY_LAST);

    ap_hook_handler(vld_scope_handler, cache, NULL, APR_HOOK_REALLY_FIRST);

    /* First of all filters, mod_deflate's INFLATE included: what it sets,
     * every other filter sees. */
    ap_register_output_filter(VLD_ATTACH_FILTER, vld_attach_filter, NULL,
                              AP_FTYPE_RESOURCE - 2);
    /* The last of its type, since it is inserted last: after every content
     * filter, before mod_cache's, byte ranges and the header. */
    ap_hook_insert_filter(vld_scope_insert_filter, NULL, NULL,
                          APR_HOOK_REALLY_LAST);
    ap_register_output_filter(VLD_EVALUATE_FILTER, vld_evaluate_filter, NULL,
                              AP_FTYPE_CONTENT_SET);
    ap_register_output_filter(VLD_EVALUATE_LATE_FILTER, vld_evaluate_filter,
                              NULL, AP_FTYPE_CONTENT_SET + 2);
}

AP_DECLARE_MODULE(validators) = {
    STANDARD20_MODULE_STUFF,
    vld_config_create_dir,
    vld_config_merge_dir,
    NULL, /* server config: what is said once is in vld_config_global() */
    NULL,
    vld_commands,
    register_hooks,
    AP_MODULE_FLAG_NONE
};
