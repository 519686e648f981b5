/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* For tests: takes away what mod_watchdog offers to other modules, as if it
 * were not loaded, where it is built into httpd.  Does nothing else. */
#include <httpd.h>
#include <http_config.h>
#include <mod_watchdog.h>

static int take_away(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp)
{
    (void)pconf;
    (void)plog;
    (void)ptemp;
    apr_dynamic_fn_register("ap_watchdog_get_instance", NULL);
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_pre_config(take_away, NULL, NULL, APR_HOOK_LAST);
}

AP_DECLARE_MODULE(nodog) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
    AP_MODULE_FLAG_NONE
};
