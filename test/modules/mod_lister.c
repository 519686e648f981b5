/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* For a guard: `httpd -t` prints the directives of all modules that are loaded,
 * in the form of `httpd -L`, which knows only those that are built in.  Does
 * nothing else. */
#include <stdio.h>

#include <httpd.h>
#include <http_config.h>

static void list(apr_pool_t *p, server_rec *s)
{
    (void)p;
    (void)s;
    ap_show_directives();
    fflush(stdout);
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_test_config(list, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(lister) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
    AP_MODULE_FLAG_NONE
};
