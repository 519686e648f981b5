/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The wish to stop: SIGINT, SIGTERM, SIGHUP.  The handler only sets a flag. */
#include "cli/stop.h"

#include <signal.h>
#include <string.h>

volatile int cli_stopped;

static const int caught[] = { SIGINT, SIGTERM, SIGHUP };

static void handle(int number)
{
    size_t i;

    __atomic_store_n(&cli_stopped, number, __ATOMIC_RELAXED);
    for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
        struct sigaction was;

        if (sigaction(caught[i], NULL, &was) == 0 && was.sa_handler == handle) {
            signal(caught[i], SIG_DFL);
        }
    }
}

void cli_catch_signals(void)
{
    size_t i;

    for (i = 0; i < sizeof(caught) / sizeof(caught[0]); i++) {
        struct sigaction now, was;

        memset(&now, 0, sizeof(now));
        now.sa_handler = handle;
        now.sa_flags = SA_RESTART;
        sigemptyset(&now.sa_mask);
        if (sigaction(caught[i], NULL, &was) == 0
            && was.sa_handler != SIG_IGN) {
            sigaction(caught[i], &now, NULL);
        }
    }
}
