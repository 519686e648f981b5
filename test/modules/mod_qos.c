/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Qos: stands in for the module of that name, where it cannot be loaded: its
 * output filters are in the chain of every response and leave it as it is, and
 * it has hooks that refuse nobody.  For the tests; never installed. */
#include <httpd.h>
#include <http_config.h>
#include <http_request.h>
#include <util_filter.h>

static const char *const names[] = { "qos-out-filter", "qos-out-filter-min",
                                     "qos-out-filter-delay",
                                     "qos-out-filter-body", NULL };

static apr_status_t pass_on(ap_filter_t *f, apr_bucket_brigade *bb)
{
    return ap_pass_brigade(f->next, bb);
}

static void insert_filters(request_rec *r)
{
    int i;

    for (i = 0; names[i]; i++) {
        ap_add_output_filter(names[i], NULL, r, r->connection);
    }
}

static int refuse_nobody(request_rec *r)
{
    (void)r;
    return DECLINED;
}

static void register_hooks(apr_pool_t *p)
{
    int i;

    (void)p;
    for (i = 0; names[i]; i++) {
        ap_register_output_filter(names[i], pass_on, NULL,
                                  AP_FTYPE_RESOURCE + 1);
    }
    ap_hook_insert_filter(insert_filters, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_header_parser(refuse_nobody, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_fixups(refuse_nobody, NULL, NULL, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(qos) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
    AP_MODULE_FLAG_NONE
};
