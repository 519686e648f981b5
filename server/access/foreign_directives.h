/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Directives of other modules of which the configuration takes note. */
#ifndef SERVER_ACCESS_FOREIGN_DIRECTIVES_H
#define SERVER_ACCESS_FOREIGN_DIRECTIVES_H

#include <http_config.h>

/* Every such directive: its name; the note that is taken of it (static in
 * foreign_directives.c, or of notes.h); the module that it belongs to; where
 * that module allows it.  server/directives.c makes its rows of this table;
 * harmless_directives.h has the directives of httpd's modules that are not in
 * it, and why. */
#define VLD_FOREIGN_DIRECTIVES(X)                                              \
    X(Allow, note_from, mod_access_compat, OR_LIMIT)                           \
    X(Deny, note_from, mod_access_compat, OR_LIMIT)                            \
    X(Satisfy, note_always, mod_access_compat, OR_AUTHCFG)                     \
    X(Alias, note_expression, mod_alias, RSRC_CONF | ACCESS_CONF)              \
    X(Redirect, note_expression, mod_alias, OR_FILEINFO)                       \
    X(RedirectTemp, note_expression, mod_alias, OR_FILEINFO)                   \
    X(RedirectPermanent, note_expression, mod_alias, OR_FILEINFO)              \
    X(AuthType, note_expression, mod_authn_core, OR_AUTHCFG)                   \
    X(CacheEnable, note_cache_enable, mod_cache, RSRC_CONF | ACCESS_CONF)      \
    X(SetHandler, note_expression, core, OR_FILEINFO)                          \
    X(PassEnv, vld_note_environment, mod_env, OR_FILEINFO)                     \
    X(SetEnv, vld_note_setenv, mod_env, OR_FILEINFO)                           \
    X(UnsetEnv, vld_note_environment, mod_env, OR_FILEINFO)                    \
    X(AddOutputFilterByType, note_filters_by_type, mod_filter, OR_FILEINFO)    \
    X(FilterProvider, note_filter_provider, mod_filter, OR_OPTIONS)            \
    X(Header, vld_note_header, mod_headers, OR_FILEINFO)                       \
    X(RequestHeader, vld_note_request_header, mod_headers, OR_FILEINFO)        \
    X(LuaHookPreTranslateName, note_fields, mod_lua, OR_ALL)                   \
    X(LuaHookTranslateName, note_fields, mod_lua, OR_ALL)                      \
    X(LuaHookMapToStorage, note_fields, mod_lua, OR_ALL)                       \
    X(LuaHookAccessChecker, note_fields, mod_lua, OR_ALL)                      \
    X(LuaHookCheckUserID, note_fields, mod_lua, OR_ALL)                        \
    X(LuaHookAuthChecker, note_fields, mod_lua, OR_ALL)                        \
    X(LuaHookTypeChecker, note_fields, mod_lua, OR_ALL)                        \
    X(LuaHookFixups, note_fields, mod_lua, OR_ALL)                             \
    X(LuaQuickHandler, note_fields, mod_lua, OR_ALL)                           \
    X(Lua_____ByteCodeHack, note_fields, mod_lua, OR_ALL)                      \
    X(RewriteRule, vld_note_rewrite_rule, mod_rewrite, OR_FILEINFO)            \
    X(RewriteCond, vld_note_rewrite_cond, mod_rewrite, OR_FILEINFO)            \
    X(SecAction, vld_note_sec_rule, mod_security2, OR_ALL)                     \
    X(SecContentInjection, vld_note_sec_injects, mod_security2, OR_ALL)        \
    X(SecDefaultAction, vld_note_sec_rule, mod_security2, OR_ALL)              \
    X(SecRemoteRules, note_fields, mod_security2, OR_ALL)                      \
    X(SecRule, vld_note_sec_rule, mod_security2, OR_ALL)                       \
    X(SecRuleScript, vld_note_sec_rule, mod_security2, OR_ALL)                 \
    X(SecStreamOutBodyInspection, vld_note_sec_streams, mod_security2, OR_ALL) \
    X(Session, note_if_on, mod_session, RSRC_CONF | OR_AUTHCFG)                \
    X(SetEnvIf, vld_note_setenvif, mod_setenvif, OR_FILEINFO)                  \
    X(SetEnvIfNoCase, vld_note_setenvif, mod_setenvif, OR_FILEINFO)            \
    X(SetEnvIfExpr, vld_note_setenvif, mod_setenvif, OR_FILEINFO)              \
    X(BrowserMatch, vld_note_setenvif, mod_setenvif, OR_FILEINFO)              \
    X(BrowserMatchNoCase, vld_note_setenvif, mod_setenvif, OR_FILEINFO)        \
    X(SSLRequire, note_always, mod_ssl, OR_AUTHCFG)                            \
    X(SSLCipherSuite, note_ciphers, mod_ssl, RSRC_CONF | OR_AUTHCFG)

/* Sections of core's, <If> and those beside it. */
#define VLD_FOREIGN_SECTIONS(X)                                                \
    X(If)                                                                      \
    X(ElseIf)

/* What the row of a directive has as cmd_data. */
typedef enum vld_foreign_directive {
#define FOREIGN_ENUMERATOR(name, note, module, where) VLD_FOREIGN_##name,
    VLD_FOREIGN_DIRECTIVES(FOREIGN_ENUMERATOR)
#undef FOREIGN_ENUMERATOR
} vld_foreign_directive;

/* The RAW_ARGS handler of them all.  The directive is refused as unknown where
 * its module is not loaded. */
const char *vld_foreign_take_note(cmd_parms *cmd, void *conf, const char *args);

/* The handler of these sections, for the configuration around them. */
const char *vld_foreign_note_if(cmd_parms *cmd, void *dir, const char *args);

#endif /* SERVER_ACCESS_FOREIGN_DIRECTIVES_H */
