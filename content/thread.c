/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What all threads that the project makes have in common.  Makes none. */
#include "validators/content.h"

#include <pthread.h>

void vld_thread_block_signals(sigset_t *before)
{
    sigset_t set;

    sigfillset(&set);
    sigdelset(&set, SIGBUS);
    sigdelset(&set, SIGSEGV);
    sigdelset(&set, SIGFPE);
    sigdelset(&set, SIGILL);
    pthread_sigmask(SIG_BLOCK, &set, before);
}
