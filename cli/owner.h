/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Root and the owner of the index. */
#ifndef VALIDATORS_CLI_OWNER_H
#define VALIDATORS_CLI_OWNER_H

#include "cli/cli.h"

/* As root, switch to the user who owns the index's folder, for good.  False
 * after a message. */
bool cli_become_owner(const cli *c);

#endif /* VALIDATORS_CLI_OWNER_H */
