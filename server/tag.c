/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The tags that the module makes, with the key of the configuration where there
 * is one.  Never looks at a request. */
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>

#include "server/server.h"

static apr_status_t forget_key(void *key)
{
    vld_tag_key_forget(key);
    return APR_SUCCESS;
}

/* The configuration is read as root, so the children need not be able to read
 * the file. */
const char *vld_tag_use_key(cmd_parms *cmd, const char *file,
                            const vld_tag_key **out)
{
    const char *path = ap_server_root_relative(cmd->temp_pool, file);
    vld_tag_key *key = apr_palloc(cmd->pool, sizeof(*key));
    char why[512];

    if (!path) {
        return apr_psprintf(cmd->pool, "%s: \"%s\" is not a usable path; name "
                            "a file that holds the key", cmd->cmd->name,
                            file);
    }
    if (vld_tag_key_read(key, path, why, sizeof(why))) {
        return apr_psprintf(cmd->pool, "%s: %s: %s", cmd->cmd->name, path,
                            why);
    }
    apr_pool_cleanup_register(cmd->pool, key, forget_key,
                              apr_pool_cleanup_null);
    *out = key;
    return NULL;
}

bool vld_tag_of_content(const vld_digest *digest, char out[VLD_ETAG_SIZE])
{
    out[0] = '\0';
    return vld_content_etag(digest, vld_config_global()->tag_key, out)
           == APR_SUCCESS;
}

bool vld_tag_of_identity(const vld_identity *identity,
                         char out[VLD_WEAK_ETAG_SIZE])
{
    if (vld_identity_etag(identity, vld_config_global()->tag_key, out)
        == APR_SUCCESS) {
        return true;
    }
    out[0] = '\0';
    return false;
}
