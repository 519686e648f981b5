/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The directives: their arguments, their contexts, and the messages about wrong
 * ones.  It never looks at a request. */
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_core.h>

#include "server/access/foreign_directives.h"
#include "server/arguments.h"
#include "server/config.h"
#include "server/directives.h"

#define MOST_SLOTS (1 << 24)
#define MOST_TTL_S 86400
#define MOST_WAIT_S 60

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

/* NULL or a message. */
static const char *read_auto_limits(cmd_parms *cmd, vld_dir_config *conf,
                                    const char *size, const char *wait)
{
    if (size && !vld_argument_size(size, &conf->auto_max)) {
        return apr_psprintf(cmd->pool,
                            "%s: \"%s\" is no size: say a number "
                            "of octets, as 1000000, 512K, 256M or 4G",
                            cmd->cmd->name, size);
    }
    if (wait
        && (ap_timeout_parameter_parse(wait, &conf->auto_wait, "ms")
                != APR_SUCCESS
            || conf->auto_wait < 0
            || conf->auto_wait > apr_time_from_sec(MOST_WAIT_S))) {
        return apr_psprintf(cmd->pool,
                            "%s: \"%s\" is no time to wait: say 0 to %d "
                            "seconds, as 200ms or 1s",
                            cmd->cmd->name, wait, MOST_WAIT_S);
    }
    return NULL;
}

static const char *set_auto(cmd_parms *cmd, void *conf_, const char *how,
                            const char *size, const char *wait)
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
    conf->auto_wait = VLD_DEFAULT_AUTO_WAIT;
    vld_config_edit()->any_auto_on |= on;
    vld_config_edit()->auto_off_in_main |= !on && !cmd->path
                                           && !cmd->server->is_virtual;
    return read_auto_limits(cmd, conf, size, wait);
}

static const char *set_salt(cmd_parms *cmd, void *conf, const char *arg)
{
    (void)cmd;
    ((vld_dir_config *)conf)->tag_salt = arg;
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

/* NULL or a message. */
static const char *read_number(cmd_parms *cmd, const char *arg,
                               apr_int64_t most, apr_int64_t *out)
{
    return vld_argument_number(arg, most, out)
               ? NULL
               : apr_psprintf(cmd->pool,
                              "%s: \"%s\" is not a whole number "
                              "from 0 to %" APR_INT64_T_FMT,
                              cmd->cmd->name, arg, most);
}

static const char *set_answers(cmd_parms *cmd, void *conf, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    apr_int64_t n = 0;

    (void)conf;
    if (!err) {
        err = read_number(cmd, arg, MOST_SLOTS, &n);
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
        err = read_number(cmd, arg, MOST_TTL_S, &n);
    }
    if (!err) {
        vld_config_edit()->ttl_us = apr_time_from_sec(n);
    }
    return err;
}

static apr_status_t clear_key(void *key)
{
    vld_tag_key_forget(key);
    return APR_SUCCESS;
}

/* The configuration is read as root, so the children need not be able to read
 * the file. */
static const char *read_tag_key(cmd_parms *cmd, const char *file,
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
    apr_pool_cleanup_register(cmd->pool, key, clear_key, apr_pool_cleanup_null);
    *out = key;
    return NULL;
}

static const char *set_tag_key(cmd_parms *cmd, void *conf, const char *arg)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);

    (void)conf;
    return err ? err : read_tag_key(cmd, arg, &vld_config_edit()->tag_key);
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

/* A directive of another module, with that module's overrides: httpd calls
 * every module that has a directive of the name. */
#define FOREIGN_ROW(name, note, module, where)                                 \
    AP_INIT_RAW_ARGS(#name, vld_foreign_take_note,                             \
                     (void *)(apr_uintptr_t)VLD_FOREIGN_##name, where,         \
                     "see " #module),

/* A section of core's, in the same way. */
#define SECTION_ROW(name)                                                      \
    AP_INIT_RAW_ARGS("<" #name, vld_foreign_note_if, NULL, OR_ALL, "see core"),

const command_rec vld_commands[] = {
    AP_INIT_FLAG("ValidatorsEngine", set_engine, NULL, OR_FILEINFO,
                 "On to attach validators to responses and to evaluate "
                 "preconditions by RFC 9110"),
    AP_INIT_TAKE1("ValidatorsIndex", set_index, NULL, RSRC_CONF,
                  "the file of the index, relative to ServerRoot"),
    AP_INIT_TAKE123("ValidatorsAutoIndex", set_auto, NULL,
                    RSRC_CONF | ACCESS_CONF,
                    "Off, or On, the size above which a file is not indexed by "
                    "the server itself, and how long its first answer may wait "
                    "until it has been read"),
    AP_INIT_TAKE1("ValidatorsTagSalt", set_salt, NULL, OR_FILEINFO,
                  "a text that goes into every tag: to change it is to change "
                  "all tags"),
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

    /* clang-format off */
    VLD_FOREIGN_DIRECTIVES(FOREIGN_ROW)
    VLD_FOREIGN_SECTIONS(SECTION_ROW)
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
    /* clang-format on */
};
