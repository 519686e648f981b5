/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Hooks of modules that are not known. */
#ifndef SERVER_ACCESS_FOREIGN_HOOKS_H
#define SERVER_ACCESS_FOREIGN_HOOKS_H

#include <stdbool.h>

#include <httpd.h>

/* At start: look for such hooks, and log each module that has one. */
void vld_foreign_hooks_check(server_rec *s, apr_pool_t *ptemp);
/* Whether there was none. */
bool vld_foreign_hooks_all_known(void);

#endif /* SERVER_ACCESS_FOREIGN_HOOKS_H */
