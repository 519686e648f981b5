/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Directives of other modules of which the configuration takes note. */
#ifndef SERVER_ACCESS_FOREIGN_DIRECTIVES_H
#define SERVER_ACCESS_FOREIGN_DIRECTIVES_H

#include <http_config.h>

/* Every such directive: its name; which note is taken of it (note_X in
 * foreign_directives.c); the module that it belongs to; where that module
 * allows it.  server/directives.c makes its rows of this table. */
#define VLD_FOREIGN_DIRECTIVES(X)                                              \
    X(Allow, from, mod_access_compat, OR_LIMIT)                                \
    X(Deny, from, mod_access_compat, OR_LIMIT)                                 \
    X(Satisfy, always, mod_access_compat, OR_AUTHCFG)                          \
    X(SSLRequire, always, mod_ssl, OR_AUTHCFG)                                 \
    X(SSLCipherSuite, ciphers, mod_ssl, RSRC_CONF | OR_AUTHCFG)                \
    X(SetEnvIf, setenvif, mod_setenvif, OR_FILEINFO)                           \
    X(SetEnvIfNoCase, setenvif, mod_setenvif, OR_FILEINFO)                     \
    X(SetEnvIfExpr, setenvif, mod_setenvif, OR_FILEINFO)                       \
    X(BrowserMatch, setenvif, mod_setenvif, OR_FILEINFO)                       \
    X(BrowserMatchNoCase, setenvif, mod_setenvif, OR_FILEINFO)                 \
    X(AddOutputFilterByType, filters_by_type, mod_filter, OR_FILEINFO)         \
    X(FilterProvider, filter_provider, mod_filter, OR_OPTIONS)                 \
    X(CacheEnable, cache_enable, mod_cache, RSRC_CONF | ACCESS_CONF)           \
    X(Alias, expression, mod_alias, RSRC_CONF | ACCESS_CONF)                   \
    X(Redirect, expression, mod_alias, OR_FILEINFO)                            \
    X(RedirectTemp, expression, mod_alias, OR_FILEINFO)                        \
    X(RedirectPermanent, expression, mod_alias, OR_FILEINFO)                   \
    X(RequestHeader, request_header, mod_headers, OR_FILEINFO)                 \
    X(RewriteRule, expression, mod_rewrite, OR_FILEINFO)                       \
    X(RewriteCond, rewrite_cond, mod_rewrite, OR_FILEINFO)

/* What the row of a directive has as cmd_data. */
typedef enum vld_foreign_directive {
#define FOREIGN_ENUMERATOR(name, note, module, where) VLD_FOREIGN_##name,
    VLD_FOREIGN_DIRECTIVES(FOREIGN_ENUMERATOR)
#undef FOREIGN_ENUMERATOR
} vld_foreign_directive;

/* The RAW_ARGS handler of them all.  The directive is refused as unknown where
 * its module is not loaded. */
const char *vld_foreign_take_note(cmd_parms *cmd, void *conf, const char *args);

#endif /* SERVER_ACCESS_FOREIGN_DIRECTIVES_H */
