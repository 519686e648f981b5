/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Doorman: a module as others write them, of which mod_validators knows
 * nothing. Refuses every request that has the field X-Doorman, and leaves no
 * trace in those that it lets pass.  For the tests; never installed. */
#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

/* Which of the hooks of access control: all have one form. */
#ifndef DOORMAN_HOOK
#define DOORMAN_HOOK ap_hook_access_checker
#endif

static int look(request_rec *r)
{
    return apr_table_get(r->headers_in, "X-Doorman") ? HTTP_FORBIDDEN
                                                     : DECLINED;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    DOORMAN_HOOK(look, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(doorman) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
    AP_MODULE_FLAG_NONE
};
