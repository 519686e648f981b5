/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The directives: what may be written where, and what is refused.  Never looks
 * at a request. */
#include <errno.h>

#include <apr_lib.h>
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>

#include "server/access/access.h"
#include "server/config.h"
#include "server/directives.h"

#define MOST_SLOTS (1 << 24)
#define MOST_TTL_S 86400

static const char *set_engine(cmd_parms *cmd, void *conf, int on)
{
    (void)cmd;
    ((vld_dir_config *)conf)->engine = on ? VLD_ON : VLD_OFF;
    if (on) {
        vld_config_edit()->any_engine_on = 1;
    }
    return NULL;
}

static const char *set_quick(cmd_parms *cmd, void *conf, int on)
{
    (void)cmd;
    ((vld_dir_config *)conf)->quick = on ? VLD_ON : VLD_OFF;
    if (on) {
        vld_config_edit()->any_quick_on = 1;
    }
    return NULL;
}

static const char *set_verify(cmd_parms *cmd, void *conf_, const char *arg)
{
    vld_dir_config *conf = conf_;

    if (!ap_cstr_casecmp(arg, "strict")) {
        conf->verify = VLD_COMPARE_STRICT;
    }
    else if (!ap_cstr_casecmp(arg, "mtime")) {
        conf->verify = VLD_COMPARE_MTIME;
    }
    else if (!ap_cstr_casecmp(arg, "none")) {
        conf->verify = VLD_COMPARE_NONE;
    }
    else {
        return apr_psprintf(cmd->pool,
                            "%s: \"%s\" is none of strict, mtime "
                            "and none",
                            cmd->cmd->name, arg);
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
        return apr_psprintf(cmd->pool, "%s: Off takes no size", cmd->cmd->name);
    }
    conf->auto_index = on ? VLD_ON : VLD_OFF;
    conf->auto_max = VLD_DEFAULT_AUTO_MAX;
    if (size && !read_size(size, &conf->auto_max)) {
        return apr_psprintf(cmd->pool,
                            "%s: \"%s\" is no size: say a number "
                            "of octets, as 1000000, 512K, 256M or 4G",
                            cmd->cmd->name, size);
    }
    vld_config_edit()->any_auto_on |= on;
    vld_config_edit()->auto_off_in_main |= !on && !cmd->path
                                           && !cmd->server->is_virtual;
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
        return apr_psprintf(
            cmd->pool,
            "%s: \"%s\" is not a usable path; "
            "name the index's file, for example " VLD_DEFAULT_INDEX,
            cmd->cmd->name, arg);
    }
    vld_config_edit()->index_path = path;
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
        return apr_psprintf(cmd->pool,
                            "%s: \"%s\" is not a whole number "
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
        vld_config_edit()->slots = (apr_uint32_t)n;
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
        vld_config_edit()->ttl_us = apr_time_from_sec(n);
    }
    return err;
}

static apr_status_t forget_key(void *key)
{
    vld_tag_key_forget(key);
    return APR_SUCCESS;
}

/* The configuration is read as root, so the children need not be able to read
 * the file. */
static const char *use_tag_key(cmd_parms *cmd, const char *file,
                               const vld_tag_key **out)
{
    const char *path = ap_server_root_relative(cmd->temp_pool, file);
    vld_tag_key *key = apr_palloc(cmd->pool, sizeof(*key));
    char why[512];

    if (!path) {
        return apr_psprintf(cmd->pool,
                            "%s: \"%s\" is not a usable path; name "
                            "a file that holds the key",
                            cmd->cmd->name, file);
    }
    if (vld_tag_key_read(key, path, why, sizeof(why))) {
        return apr_psprintf(cmd->pool, "%s: %s: %s", cmd->cmd->name, path, why);
    }
    apr_pool_cleanup_register(cmd->pool, key, forget_key,
                              apr_pool_cleanup_null);
    *out = key;
    return NULL;
}

static const char *set_tag_key(cmd_parms *cmd, void *conf, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)conf;
    return err ? err : use_tag_key(cmd, arg, &vld_config_edit()->tag_key);
}

static const char *vouch_for(cmd_parms *cmd, void *conf, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)conf;
    if (err) {
        return err;
    }
    if (!vld_config_edit()->vouched) {
        vld_config_edit()->vouched = apr_array_make(cmd->pool, 2,
                                                    sizeof(const char *));
    }
    *(const char **)apr_array_push(vld_config_edit()->vouched) = arg;
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
    AP_INIT_TAKE1("ValidatorsVerify", set_verify, NULL, RSRC_CONF | ACCESS_CONF,
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
    AP_INIT_RAW_ARGS("Allow", vld_foreign_from, (void *)"mod_access_compat.c",
                     OR_LIMIT, "see mod_access_compat"),
    AP_INIT_RAW_ARGS("Deny", vld_foreign_from, (void *)"mod_access_compat.c",
                     OR_LIMIT, "see mod_access_compat"),
    AP_INIT_RAW_ARGS("Satisfy", vld_foreign_rule, (void *)"mod_access_compat.c",
                     OR_AUTHCFG, "see mod_access_compat"),
    AP_INIT_RAW_ARGS("SSLRequire", vld_foreign_rule, (void *)"mod_ssl.c",
                     OR_AUTHCFG, "see mod_ssl"),
    AP_INIT_RAW_ARGS("SSLCipherSuite", vld_foreign_ciphers, (void *)"mod_ssl.c",
                     RSRC_CONF | OR_AUTHCFG, "see mod_ssl"),
    AP_INIT_RAW_ARGS("SetEnvIf", vld_foreign_setenvif, (void *)"mod_setenvif.c",
                     OR_FILEINFO, "see mod_setenvif"),
    AP_INIT_RAW_ARGS("SetEnvIfNoCase", vld_foreign_setenvif,
                     (void *)"mod_setenvif.c", OR_FILEINFO, "see mod_setenvif"),
    AP_INIT_RAW_ARGS("SetEnvIfExpr", vld_foreign_setenvif,
                     (void *)"mod_setenvif.c", OR_FILEINFO, "see mod_setenvif"),
    AP_INIT_RAW_ARGS("BrowserMatch", vld_foreign_setenvif,
                     (void *)"mod_setenvif.c", OR_FILEINFO, "see mod_setenvif"),
    AP_INIT_RAW_ARGS("BrowserMatchNoCase", vld_foreign_setenvif,
                     (void *)"mod_setenvif.c", OR_FILEINFO, "see mod_setenvif"),
    AP_INIT_RAW_ARGS("AddOutputFilterByType", vld_foreign_by_type,
                     (void *)"mod_filter.c", OR_FILEINFO, "see mod_filter"),
    AP_INIT_RAW_ARGS("FilterProvider", vld_foreign_provider,
                     (void *)"mod_filter.c", OR_OPTIONS, "see mod_filter"),
    AP_INIT_RAW_ARGS("CacheEnable", vld_foreign_cache_enable,
                     (void *)"mod_cache.c", RSRC_CONF | ACCESS_CONF,
                     "see mod_cache"),
    AP_INIT_RAW_ARGS("Alias", vld_foreign_expression, (void *)"mod_alias.c",
                     RSRC_CONF | ACCESS_CONF, "see mod_alias"),
    AP_INIT_RAW_ARGS("Redirect", vld_foreign_expression, (void *)"mod_alias.c",
                     OR_FILEINFO, "see mod_alias"),
    AP_INIT_RAW_ARGS("RedirectTemp", vld_foreign_expression,
                     (void *)"mod_alias.c", OR_FILEINFO, "see mod_alias"),
    AP_INIT_RAW_ARGS("RedirectPermanent", vld_foreign_expression,
                     (void *)"mod_alias.c", OR_FILEINFO, "see mod_alias"),
    AP_INIT_RAW_ARGS("RequestHeader", vld_foreign_request_header,
                     (void *)"mod_headers.c", OR_FILEINFO, "see mod_headers"),
    AP_INIT_RAW_ARGS("RewriteRule", vld_foreign_expression,
                     (void *)"mod_rewrite.c", OR_FILEINFO, "see mod_rewrite"),
    AP_INIT_RAW_ARGS("RewriteCond", vld_foreign_rewrite_cond,
                     (void *)"mod_rewrite.c", OR_FILEINFO, "see mod_rewrite"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};
