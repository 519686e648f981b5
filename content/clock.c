/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The clocks.  Nothing else asks for the time in nanoseconds. */
#include "validators/content.h"

#include <time.h>

static int64_t ask_clock(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t vld_now_ns(void)
{
    return ask_clock(CLOCK_REALTIME);
}

int64_t vld_monotonic_ns(void)
{
    return ask_clock(CLOCK_MONOTONIC);
}
