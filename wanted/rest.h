/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* How long a file rests that cannot be dealt with, and which times are the
 * future's; private to wanted/.  Microseconds. */
#ifndef WANTED_REST_H
#define WANTED_REST_H

#include <stdint.h>

/* The first rest, and the longest. */
#define REST_FIRST_US INT64_C(1000000)
#define REST_MOST_US INT64_C(600000000)

/* A time further in the future than any that is set here: the clock was set
 * back since. */
#define FUTURE_MOST_US (2 * REST_MOST_US)

/* Twice as long after each try. */
static inline int64_t vld_rest_of(unsigned tries)
{
    int64_t rest = REST_FIRST_US;

    while (tries-- && rest < REST_MOST_US) {
        rest *= 2;
    }
    return rest < REST_MOST_US ? rest : REST_MOST_US;
}

#endif /* WANTED_REST_H */
