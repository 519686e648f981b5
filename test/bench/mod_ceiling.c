/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The ceiling for scripts/bench: a quick handler that answers 304 to every
 * request with constant fields.  It looks at nothing, and leaves it to the
 * server to end the answer.  Never load it into a real server.
 *
 * CeilingField NAME VALUE   (server, any number of times) */
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_protocol.h>
#include <http_request.h>

module AP_MODULE_DECLARE_DATA ceiling_module;

typedef struct field {
    const char *name;
    const char *value;
} field;

static apr_array_header_t *fields_of(server_rec *s)
{
    return ap_get_module_config(s->module_config, &ceiling_module);
}

static void *create_server(apr_pool_t *p, server_rec *s)
{
    (void)s;
    return apr_array_make(p, 4, sizeof(field));
}

static const char *add_field(cmd_parms *cmd, void *conf, const char *name,
                             const char *value)
{
    field *f = apr_array_push(fields_of(cmd->server));

    (void)conf;
    f->name = name;
    f->value = value;
    return NULL;
}

static int answer(request_rec *r, int lookup)
{
    const apr_array_header_t *fields = fields_of(r->server);
    const field *f = (const field *)fields->elts;
    int i;

    if (lookup) {
        return DECLINED;
    }
    for (i = 0; i < fields->nelts; i++) {
        apr_table_setn(r->headers_out, f[i].name, f[i].value);
    }
    r->status = HTTP_NOT_MODIFIED;
    return OK;
}

static void register_hooks(apr_pool_t *p)
{
    (void)p;
    ap_hook_quick_handler(answer, NULL, NULL, APR_HOOK_FIRST);
}

static const command_rec commands[] = {
    AP_INIT_TAKE2("CeilingField", add_field, NULL, RSRC_CONF,
                  "a field of every answer: name and value"),
    { NULL, { NULL }, NULL, 0, RAW_ARGS, NULL }
};

AP_DECLARE_MODULE(ceiling) = { STANDARD20_MODULE_STUFF, NULL, NULL,
                               create_server,           NULL, commands,
                               register_hooks,
#if defined(AP_MODULE_FLAG_NONE)
                               AP_MODULE_FLAG_NONE
#endif
};
