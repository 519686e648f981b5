/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The tags that the module makes, with the key of the configuration where there
 * is one.  Never looks at a request. */
#include "server/config.h"
#include "server/request/tag.h"

static bool make_tag_of_content(const vld_digest *digest,
                                char out[VLD_ETAG_SIZE])
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

bool vld_tag_of_choice(const vld_choice *choice, const vld_identity *identity,
                       char out[VLD_WEAK_ETAG_SIZE])
{
    if (vld_choice_is_of_content(choice)) {
        return make_tag_of_content(&choice->name, out);
    }
    if (choice->source == VLD_SOURCE_PROVISIONAL) {
        return vld_tag_of_identity(identity, out);
    }
    out[0] = '\0';
    return false;
}
