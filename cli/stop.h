/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The wish to stop. */
#ifndef VALIDATORS_CLI_STOP_H
#define VALIDATORS_CLI_STOP_H

/* From now on the first SIGINT, SIGTERM or SIGHUP only sets the flag, and the
 * second ends the process.  Signals that were ignored stay ignored. */
void cli_catch_signals(void);

/* 0 until a signal comes; its number after. */
extern volatile int cli_stopped;

#endif /* VALIDATORS_CLI_STOP_H */
