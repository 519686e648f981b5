/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The entity tags that the commands show. */
#ifndef VALIDATORS_CLI_TAG_H
#define VALIDATORS_CLI_TAG_H

#include "cli/cli.h"

/* The option `--tag-key FILE` of commands that show tags. */
#define CLI_OPTION_TAG_KEY(type, member)                                       \
    {                                                                          \
        0, "tag-key", "FILE", "the key of ValidatorsTagKey",                   \
            CLI_TEXT(type, member)                                             \
    }

/* Make tags with the key in this file from now on (NULL: without).  False
 * after a message. */
bool cli_use_tag_key(cli *c, const char *file);

/* The tag that httpd sends for the content. */
void cli_record_etag(const vld_record *record, char out[VLD_ETAG_SIZE]);

#endif /* VALIDATORS_CLI_TAG_H */
