/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The tags that the module makes, with the salt and the key of the
 * configuration where there are such.  Never looks at a request's fields. */
#include <string.h>

#include <apr_strings.h>

#include "server/config.h"
#include "server/request/tag.h"

void vld_tag_set(request_rec *r, const char *etag)
{
    apr_table_setn(r->headers_out, "ETag", etag);
    /* Core's wish to have none (FileETag None) was about its own tag. */
    apr_table_unset(r->notes, "no-etag");
}

bool vld_tag_of_name(const vld_dir_config *conf, const vld_digest *name,
                     char out[VLD_ETAG_SIZE])
{
    vld_digest salted = *name;

    if ((!conf->tag_salt
         || vld_digest_salted(name, conf->tag_salt, &salted) == APR_SUCCESS)
        && vld_content_etag(&salted, vld_config_global()->tag_key, out)
               == APR_SUCCESS) {
        return true;
    }
    out[0] = '\0';
    return false;
}

bool vld_tag_of_identity(const vld_dir_config *conf,
                         const vld_identity *identity,
                         char out[VLD_WEAK_ETAG_SIZE])
{
    vld_digest name;

    memcpy(out, "W/", 2);
    if (vld_identity_digest(identity, &name) == APR_SUCCESS
        && vld_tag_of_name(conf, &name, out + 2)) {
        return true;
    }
    out[0] = '\0';
    return false;
}

bool vld_tag_of_choice(const vld_dir_config *conf, const vld_choice *choice,
                       const vld_identity *identity,
                       char out[VLD_WEAK_ETAG_SIZE])
{
    if (vld_choice_is_of_content(choice)) {
        return vld_tag_of_name(conf, &choice->name, out);
    }
    if (choice->source == VLD_SOURCE_PROVISIONAL) {
        return vld_tag_of_identity(conf, identity, out);
    }
    out[0] = '\0';
    return false;
}

const vld_span *vld_tag_of_codings(apr_pool_t *p, const char *etag)
{
    static const char *const suffixes[] = { "-gzip\"", "-br\"" };
    enum { COUNT = sizeof(suffixes) / sizeof(*suffixes) };
    vld_span *tags = apr_pcalloc(p, (COUNT + 1) * sizeof(*tags));
    size_t i, len = strlen(etag);

    for (i = 0; len && i < COUNT; i++) {
        tags[i].ptr = apr_pstrcat(p, apr_pstrmemdup(p, etag, len - 1),
                                  suffixes[i], NULL);
        tags[i].len = strlen(tags[i].ptr);
    }
    return tags;
}
