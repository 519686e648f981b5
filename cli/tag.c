/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The entity tags that the commands show: with httpd's key, where --tag-key
 * names its file.  Never writes the key. */
#include "cli/tag.h"

#include <stdlib.h>

#include "cli/cli.h"
#include "cli/message.h"

static vld_tag_key key;
static bool have_key;

bool cli_use_tag_key(cli *c, const char *file)
{
    char why[512];

    if (!file) {
        return true;
    }
    if (vld_tag_key_read(&key, file, why, sizeof(why))) {
        cli_error("--tag-key: %s: %s", cli_shown(c->pool, file), why);
        return false;
    }
    have_key = true;
    return true;
}

void cli_record_etag(const vld_record *record, char out[VLD_ETAG_SIZE])
{
    vld_digest name;

    vld_record_name(record, &name);
    if (vld_content_etag(&name, have_key ? &key : NULL, out) != APR_SUCCESS) {
        cli_error("OpenSSL makes no HMAC-SHA-256 with this key");
        exit(CLI_ERROR);
    }
}
