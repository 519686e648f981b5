/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What kind of a request it is, and what the module has made of it. Reads
 * only. */
#include <string.h>
#include <strings.h>

#include <httpd.h>
#include <http_config.h>
#include <util_filter.h>

#include "server/request/request.h"

vld_request *vld_request_of(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &validators_module);
}

bool vld_request_is_plain_file(const request_rec *r)
{
    return r->finfo.filetype == APR_REG && r->filename
           && (!r->handler || !strcmp(r->handler, "default-handler"));
}

bool vld_request_has_path_info(const request_rec *r)
{
    return r->path_info && *r->path_info;
}

bool vld_request_is_asked_by_cache(const request_rec *r)
{
    const ap_filter_t *f;

    for (f = r->output_filters; f && f->frec->ftype < AP_FTYPE_PROTOCOL;
         f = f->next) {
        if (!strcasecmp(f->frec->name, "cache_save")) {
            return true;
        }
    }
    return false;
}
