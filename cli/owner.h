/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Root and the owner of the index. */
#ifndef VALIDATORS_CLI_OWNER_H
#define VALIDATORS_CLI_OWNER_H

#include "cli/cli.h"

/* As root, switch to the user who owns the index's folder, for good.  False
 * after a message. */
bool cli_become_owner(const cli *c);

/* Warn where the index, which this user can write, is not of its folder's
 * group: httpd, which is in that group, may not be able to read it. */
void cli_warn_of_group(const cli *c);

#endif /* VALIDATORS_CLI_OWNER_H */
