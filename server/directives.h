/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The table of directives, for the module record. */
#ifndef SERVER_DIRECTIVES_H
#define SERVER_DIRECTIVES_H

#include <http_config.h>

extern const command_rec vld_commands[];

#endif /* SERVER_DIRECTIVES_H */
