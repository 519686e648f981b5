/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The service manager that started this process. */
#ifndef VALIDATORS_CLI_NOTIFY_H
#define VALIDATORS_CLI_NOTIFY_H

#include "cli/message.h"

/* The service manager that started this process, by the protocol of
 * sd_notify(3); nothing is sent where there is none.  Start takes the
 * variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the
 * environment. */
void cli_notify_start(void);
/* Send lines such as "READY=1\nSTATUS=..."; without names of files. */
void cli_notify(const char *format, ...) CLI_PRINTF(1, 2);
/* WATCHDOG=1, where that is wanted and it is time for it. */
void cli_notify_alive(void);

#endif /* VALIDATORS_CLI_NOTIFY_H */
