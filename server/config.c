/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The configuration: its defaults, and how sections merge.  It never looks at a
 * request's fields. */
#include <string.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include <httpd.h>
#include <http_config.h>

#include "server/config.h"

#define DEFAULT_SLOTS 16384
#define DEFAULT_TTL_S 5

static vld_global_config global;

static apr_status_t clear_global(void *nothing)
{
    (void)nothing;
    memset(&global, 0, sizeof(global));
    return APR_SUCCESS;
}

void vld_config_reset(apr_pool_t *pconf)
{
    clear_global(NULL);
    global.index_path = VLD_DEFAULT_INDEX;
    global.slots = DEFAULT_SLOTS;
    global.ttl_us = apr_time_from_sec(DEFAULT_TTL_S);
    /* Some of the values point into pconf. */
    apr_pool_cleanup_register(pconf, NULL, clear_global, apr_pool_cleanup_null);
}

const vld_global_config *vld_config_global(void)
{
    return &global;
}

vld_global_config *vld_config_edit(void)
{
    return &global;
}

bool vld_config_auto(void)
{
    return global.any_engine_on
           && (global.any_auto_on || !global.auto_off_in_main);
}

apr_int64_t vld_config_auto_max(const vld_dir_config *conf)
{
    if (conf->auto_index == VLD_OFF) {
        return -1;
    }
    return conf->auto_index == VLD_UNSET ? VLD_DEFAULT_AUTO_MAX
                                         : conf->auto_max;
}

apr_interval_time_t vld_config_auto_wait(const vld_dir_config *conf)
{
    return conf->auto_wait == VLD_UNSET ? VLD_DEFAULT_AUTO_WAIT
                                        : conf->auto_wait;
}

vld_compare vld_config_compare(const vld_dir_config *conf)
{
    return conf->verify == VLD_UNSET ? VLD_COMPARE_STRICT
                                     : (vld_compare)conf->verify;
}

const char *vld_config_folder_of(apr_pool_t *p, const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == path ? "/"
                         : apr_pstrmemdup(p, path, (apr_size_t)(slash - path));
}

const vld_dir_config *vld_config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &validators_module);
}

void *vld_config_create_dir(apr_pool_t *p, char *dir)
{
    vld_dir_config *conf = apr_palloc(p, sizeof(*conf));

    (void)dir;
    conf->engine = VLD_UNSET;
    conf->quick = VLD_UNSET;
    conf->verify = VLD_UNSET;
    conf->auto_index = VLD_UNSET;
    conf->auto_max = VLD_UNSET;
    conf->auto_wait = VLD_UNSET;
    conf->depends_on_client = VLD_UNSET;
    conf->depends_for_folder = VLD_UNSET;
    conf->fields_depend = VLD_UNSET;
    conf->if_asks = VLD_UNSET;
    conf->rewrites = VLD_UNSET;
    conf->needs_no_field = VLD_UNSET;
    conf->edits_coding = VLD_UNSET;
    conf->rewrite_asks = 0;
    conf->set = NULL;
    conf->read = NULL;
    conf->socache = VLD_UNSET;
    conf->rewriters = NULL;
    conf->tag_salt = NULL;
    return conf;
}

static apr_array_header_t *append(apr_pool_t *p, apr_array_header_t *base,
                                  apr_array_header_t *add)
{
    return !add ? base : !base ? add : apr_array_append(p, base, add);
}

#define MERGE(field)                                                           \
    conf->field = add->field != VLD_UNSET ? add->field : base->field

void *vld_config_merge_dir(apr_pool_t *p, void *base_, void *add_)
{
    const vld_dir_config *base = base_, *add = add_;
    vld_dir_config *conf = apr_palloc(p, sizeof(*conf));

    MERGE(engine);
    MERGE(quick);
    MERGE(verify);
    MERGE(auto_index);
    MERGE(auto_max);
    MERGE(auto_wait);
    MERGE(socache);
    conf->tag_salt = add->tag_salt ? add->tag_salt : base->tag_salt;
    MERGE(depends_on_client);
    MERGE(depends_for_folder);
    MERGE(fields_depend);
    MERGE(if_asks);
    MERGE(rewrites);
    MERGE(needs_no_field);
    MERGE(edits_coding);
    conf->rewrite_asks = 0;
    conf->set = append(p, base->set, add->set);
    conf->read = append(p, base->read, add->read);
    conf->rewriters = append(p, base->rewriters, add->rewriters);
    return conf;
}
