/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The dates that contents are given.  Pure arithmetic: no clock, no file. */
#include "validators/content.h"

/* Whole seconds, rounded towards the past for dates before 1970 too. */
static int64_t seconds(int64_t ns)
{
    int64_t s = ns / 1000000000;

    return ns % 1000000000 < 0 ? s - 1 : s;
}

int64_t vld_lastmod_first(const vld_identity *id, int64_t now_s)
{
    int64_t mtime_s = seconds(id->mtime_ns);

    /* Negative, 0 and 1 are what reproducible builds and image builders
     * write where a date means nothing. */
    if (mtime_s <= 1 || mtime_s > now_s) {
        return now_s;
    }
    return mtime_s;
}

int64_t vld_lastmod_next(const vld_identity *id, int64_t before_s,
                         int64_t now_s)
{
    int64_t date = before_s + 1;

    if (before_s > now_s) {
        return date;
    }
    if (seconds(id->mtime_ns) > date) {
        date = seconds(id->mtime_ns);
    }
    if (seconds(id->ctime_ns) > date) {
        date = seconds(id->ctime_ns);
    }
    return date > now_s ? now_s : date;
}
