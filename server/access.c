/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Access: whether what a response says may be said to others.  Only looks. */
#include <httpd.h>
#include <http_core.h>
#include <http_protocol.h>
#include <http_request.h>
#include <mod_ssl.h>

#include "server/server.h"

static APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *ssl_var;

void vld_access_optional_fns(void)
{
    ssl_var = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
}

void vld_access_pre_config(apr_pool_t *pconf)
{
    (void)pconf;
}

void vld_access_check_hooks(server_rec *s)
{
    (void)s;
}

static bool has_client_certificate(request_rec *r)
{
    conn_rec *c = r->connection->master ? r->connection->master
                                        : r->connection;
    const char *verified;

    if (!ssl_var || ap_http_scheme(r)[4] != 's') {
        return false;
    }
    verified = ssl_var(r->pool, r->server, c, r, (char *)"SSL_CLIENT_VERIFY");
    return verified && *verified && strcmp(verified, "NONE");
}

bool vld_access_anonymous(request_rec *r)
{
    const char *type = ap_auth_type(r);

    return !r->user && !r->ap_auth_type
           && !apr_table_get(r->headers_in, "Authorization")
           && (!type || !strcasecmp(type, "None"))
           && !has_client_certificate(r);
}

bool vld_access_public(request_rec *r)
{
    (void)r;
    return true;
}
