/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The directives: what may be written where, what it means when it is not, and
 * how sections merge.  Never looks at a request's fields. */
#include <errno.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>

#include "server/server.h"

#define DEFAULT_SLOTS 16384
#define MOST_SLOTS (1 << 24)
#define DEFAULT_TTL_S 5
#define MOST_TTL_S 86400
#define DEFAULT_AUTO_MAX_MIB 256

#define DEFAULT_AUTO_MAX ((apr_int64_t)DEFAULT_AUTO_MAX_MIB << 20)

static vld_global_config global;

static apr_status_t forget_global(void *nothing)
{
    (void)nothing;
    memset(&global, 0, sizeof(global));
    return APR_SUCCESS;
}

void vld_config_reset(apr_pool_t *pconf)
{
    forget_global(NULL);
    global.index_path = VLD_DEFAULT_INDEX;
    global.slots = DEFAULT_SLOTS;
    global.ttl_us = apr_time_from_sec(DEFAULT_TTL_S);
    /* index_path may point into pconf: it must not outlive it. */
    apr_pool_cleanup_register(pconf, NULL, forget_global,
                              apr_pool_cleanup_null);
}

const vld_global_config *vld_config_global(void)
{
    return &global;
}

bool vld_config_auto(void)
{
    return global.engine_said && (global.auto_said || !global.auto_off);
}

apr_int64_t vld_config_auto_max(const vld_dir_config *conf)
{
    if (conf->auto_index == VLD_OFF) {
        return -1;
    }
    return conf->auto_index == VLD_UNSET ? DEFAULT_AUTO_MAX : conf->auto_max;
}

const vld_dir_config *vld_config_of(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &validators_module);
}

void vld_config_say_edit(void)
{
    global.edit_said = 1;
}

void vld_config_say_socache(vld_dir_config *conf)
{
    conf->socache = VLD_ON;
    global.socache_said = 1;
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
    conf->rules = VLD_UNSET;
    conf->socache = VLD_UNSET;
    conf->rewriters = NULL;
    return conf;
}

#define MERGE(field) \
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
    MERGE(socache);
    conf->rewriters = vld_filters_merge(p, base->rewriters, add->rewriters);
    conf->rules = add->rules == VLD_ON ? VLD_ON : base->rules;
    return conf;
}

static const char *set_engine(cmd_parms *cmd, void *conf, int on)
{
    (void)cmd;
    ((vld_dir_config *)conf)->engine = on ? VLD_ON : VLD_OFF;
    if (on) {
        global.engine_said = 1;
    }
    return NULL;
}

static const char *set_quick(cmd_parms *cmd, void *conf, int on)
{
    (void)cmd;
    ((vld_dir_config *)conf)->quick = on ? VLD_ON : VLD_OFF;
    if (on) {
        global.quick_said = 1;
    }
    return NULL;
}

static const char *set_verify(cmd_parms *cmd, void *conf_, const char *arg)
{
    vld_dir_config *conf = conf_;

    if (!ap_cstr_casecmp(arg, "strict")) {
        conf->verify = VLD_VERIFY_STRICT;
    }
    else if (!ap_cstr_casecmp(arg, "mtime")) {
        conf->verify = VLD_VERIFY_MTIME;
    }
    else if (!ap_cstr_casecmp(arg, "none")) {
        conf->verify = VLD_VERIFY_NONE;
    }
    else {
        return apr_psprintf(cmd->pool, "%s: \"%s\" is none of strict, mtime "
                            "and none", cmd->cmd->name, arg);
    }
    return NULL;
}

/* A number of octets with one of the suffixes K, M, G. */
static bool read_size(const char *text, apr_int64_t *out)
{
    static const char suffixes[] = "kmg";
    const char *suffix;
    char *end;
    apr_int64_t n;

    errno = 0;
    n = apr_strtoi64(text, &end, 10);
    if (errno || end == text || n < 0 || !apr_isdigit(*text)) {
        return false;
    }
    suffix = *end ? strchr(suffixes, apr_tolower(*end)) : NULL;
    if (suffix) {
        int shift = 10 * (int)(suffix - suffixes + 1);

        if (n > APR_INT64_MAX >> shift) {
            return false;
        }
        n <<= shift;
        end++;
    }
    *out = n;
    return *end == '\0';
}

static const char *set_auto(cmd_parms *cmd, void *conf_, const char *how,
                            const char *size)
{
    vld_dir_config *conf = conf_;
    bool on = !ap_cstr_casecmp(how, "on");

    if (!on && ap_cstr_casecmp(how, "off")) {
        return apr_psprintf(cmd->pool, "%s: \"%s\" is neither On nor Off",
                            cmd->cmd->name, how);
    }
    if (!on && size) {
        return apr_psprintf(cmd->pool, "%s: Off takes no size",
                            cmd->cmd->name);
    }
    conf->auto_index = on ? VLD_ON : VLD_OFF;
    conf->auto_max = DEFAULT_AUTO_MAX;
    if (size && !read_size(size, &conf->auto_max)) {
        return apr_psprintf(cmd->pool, "%s: \"%s\" is no size: say a number "
                            "of octets, as 1000000, 512K, 256M or 4G",
                            cmd->cmd->name, size);
    }
    global.auto_said |= on;
    global.auto_off |= !on && !cmd->path && !cmd->server->is_virtual;
    return NULL;
}

static const char *set_index(cmd_parms *cmd, void *conf, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const char *path;

    (void)conf;
    if (err) {
        return err;
    }
    path = ap_server_root_relative(cmd->pool, arg);
    if (!path) {
        return apr_psprintf(cmd->pool, "%s: \"%s\" is not a usable path; "
                            "name the index's file, for example "
                            VLD_DEFAULT_INDEX, cmd->cmd->name, arg);
    }
    global.index_path = path;
    return NULL;
}

/* A decimal number from 0 to most, and nothing after it. */
static const char *number(cmd_parms *cmd, const char *arg, apr_int64_t most,
                          apr_int64_t *out)
{
    char *end;
    apr_int64_t n;

    errno = 0;
    n = apr_strtoi64(arg, &end, 10);
    if (errno || end == arg || *end || n < 0 || n > most) {
        return apr_psprintf(cmd->pool, "%s: \"%s\" is not a whole number "
                            "from 0 to %" APR_INT64_T_FMT,
                            cmd->cmd->name, arg, most);
    }
    *out = n;
    return NULL;
}

static const char *set_answers(cmd_parms *cmd, void *conf, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t n = 0;

    (void)conf;
    if (!err) {
        err = number(cmd, arg, MOST_SLOTS, &n);
    }
    if (!err) {
        global.slots = (apr_uint32_t)n;
    }
    return err;
}

static const char *set_ttl(cmd_parms *cmd, void *conf, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t n = 0;

    (void)conf;
    if (!err) {
        err = number(cmd, arg, MOST_TTL_S, &n);
    }
    if (!err) {
        global.ttl_us = apr_time_from_sec(n);
    }
    return err;
}

static const char *set_tag_key(cmd_parms *cmd, void *conf, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)conf;
    return err ? err : vld_tag_use_key(cmd, arg, &global.tag_key);
}

static const char *vouch_for(cmd_parms *cmd, void *conf, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)conf;
    if (err) {
        return err;
    }
    if (!global.vouched) {
        global.vouched = apr_array_make(cmd->pool, 2, sizeof(const char *));
    }
    *(const char **)apr_array_push(global.vouched) = arg;
    return NULL;
}

const command_rec vld_commands[] = {
    AP_INIT_FLAG("ValidatorsEngine", set_engine, NULL, OR_FILEINFO,
                 "On to attach validators to responses and to evaluate "
                 "preconditions by RFC 9110"),
    AP_INIT_TAKE1("ValidatorsIndex", set_index, NULL, RSRC_CONF,
                  "the file of the index, relative to ServerRoot"),
    AP_INIT_TAKE12("ValidatorsAutoIndex", set_auto, NULL,
                   RSRC_CONF | ACCESS_CONF,
                   "Off, or On and the size above which a file is not indexed "
                   "by the server itself"),
    AP_INIT_FLAG("ValidatorsQuickHandler", set_quick, NULL,
                 RSRC_CONF | ACCESS_CONF,
                 "On to answer 304 before URI mapping and access control"),
    AP_INIT_TAKE1("ValidatorsAnswers", set_answers, NULL, RSRC_CONF,
                  "how many prepared answers are kept in shared memory; "
                  "0 for none"),
    AP_INIT_TAKE1("ValidatorsAnswerTTL", set_ttl, NULL, RSRC_CONF,
                  "for how many seconds a prepared answer may be used"),
    AP_INIT_TAKE1("ValidatorsVerify", set_verify, NULL,
                  RSRC_CONF | ACCESS_CONF,
                  "strict, mtime or none: how closely a file is compared "
                  "with what is known of it"),
    AP_INIT_TAKE1("ValidatorsTagKey", set_tag_key, NULL, RSRC_CONF,
                  "the file of the key that tags are made with, relative to "
                  "ServerRoot"),
    AP_INIT_ITERATE("ValidatorsVouchFor", vouch_for, NULL, RSRC_CONF,
                    "source files of modules whose access hooks say the same "
                    "to every client"),

    /* Others' directives, each with its module and its own overrides: httpd
     * calls every module that has a directive of the name. */
    AP_INIT_RAW_ARGS("Allow", vld_shadow_from, (void *)"mod_access_compat.c",
                     OR_LIMIT, "see mod_access_compat"),
    AP_INIT_RAW_ARGS("Deny", vld_shadow_from, (void *)"mod_access_compat.c",
                     OR_LIMIT, "see mod_access_compat"),
    AP_INIT_RAW_ARGS("Satisfy", vld_shadow_rule,
                     (void *)"mod_access_compat.c", OR_AUTHCFG,
                     "see mod_access_compat"),
    AP_INIT_RAW_ARGS("SSLRequire", vld_shadow_rule, (void *)"mod_ssl.c",
                     OR_AUTHCFG, "see mod_ssl"),
    AP_INIT_RAW_ARGS("SSLCipherSuite", vld_shadow_ciphers,
                     (void *)"mod_ssl.c", RSRC_CONF | OR_AUTHCFG,
                     "see mod_ssl"),
    AP_INIT_RAW_ARGS("SetEnvIf", vld_shadow_setenvif,
                     (void *)"mod_setenvif.c", OR_FILEINFO,
                     "see mod_setenvif"),
    AP_INIT_RAW_ARGS("SetEnvIfNoCase", vld_shadow_setenvif,
                     (void *)"mod_setenvif.c", OR_FILEINFO,
                     "see mod_setenvif"),
    AP_INIT_RAW_ARGS("SetEnvIfExpr", vld_shadow_setenvif,
                     (void *)"mod_setenvif.c", OR_FILEINFO,
                     "see mod_setenvif"),
    AP_INIT_RAW_ARGS("BrowserMatch", vld_shadow_setenvif,
                     (void *)"mod_setenvif.c", OR_FILEINFO,
                     "see mod_setenvif"),
    AP_INIT_RAW_ARGS("BrowserMatchNoCase", vld_shadow_setenvif,
                     (void *)"mod_setenvif.c", OR_FILEINFO,
                     "see mod_setenvif"),
    AP_INIT_RAW_ARGS("AddOutputFilterByType", vld_shadow_by_type,
                     (void *)"mod_filter.c", OR_FILEINFO, "see mod_filter"),
    AP_INIT_RAW_ARGS("FilterProvider", vld_shadow_provider,
                     (void *)"mod_filter.c", OR_OPTIONS, "see mod_filter"),
    AP_INIT_RAW_ARGS("CacheEnable", vld_shadow_cache_enable,
                     (void *)"mod_cache.c", RSRC_CONF | ACCESS_CONF,
                     "see mod_cache"),
    AP_INIT_RAW_ARGS("Alias", vld_shadow_expression, (void *)"mod_alias.c",
                     RSRC_CONF | ACCESS_CONF, "see mod_alias"),
    AP_INIT_RAW_ARGS("Redirect", vld_shadow_expression, (void *)"mod_alias.c",
                     OR_FILEINFO, "see mod_alias"),
    AP_INIT_RAW_ARGS("RedirectTemp", vld_shadow_expression,
                     (void *)"mod_alias.c", OR_FILEINFO, "see mod_alias"),
    AP_INIT_RAW_ARGS("RedirectPermanent", vld_shadow_expression,
                     (void *)"mod_alias.c", OR_FILEINFO, "see mod_alias"),
    AP_INIT_RAW_ARGS("RequestHeader", vld_shadow_request_header,
                     (void *)"mod_headers.c", OR_FILEINFO,
                     "see mod_headers"),
    AP_INIT_RAW_ARGS("RewriteRule", vld_shadow_expression,
                     (void *)"mod_rewrite.c", OR_FILEINFO,
                     "see mod_rewrite"),
    AP_INIT_RAW_ARGS("RewriteCond", vld_shadow_rewrite_cond,
                     (void *)"mod_rewrite.c", OR_FILEINFO,
                     "see mod_rewrite"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};
