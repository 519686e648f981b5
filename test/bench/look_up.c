/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Times look-ups of what fill_index has put into an index, for scripts/scale:
 * of one path again and again, and of random ones.
 *
 * look_up INDEX COUNT TIMES FOLDER
 * prints nanoseconds for each: hot, random, a path that is not there; and the
 * memory of its own that the process then has, in kB. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <apr_general.h>

#include "validators/index.h"

static uint64_t seed = UINT64_C(88172645463325252);

/* xorshift64 */
static uint64_t next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static const char *folder;

static size_t name_it(char path[512], uint64_t n)
{
    return (size_t)snprintf(path, 512,
                            "%s/site-%03u/htdocs/static/%02u/page-%07" PRIu64
                            ".html",
                            folder, (unsigned)(n / 10000),
                            (unsigned)(n / 100 % 100), n);
}

static double now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

/* NAMES: the making of names alone, which is in all of them. */
typedef enum kind { NAMES, HOT, RANDOM, ABSENT } kind;

static double time_them(vld_store *store, uint64_t count, uint64_t times,
                        kind what)
{
    apr_status_t due = what == ABSENT ? APR_NOTFOUND : APR_SUCCESS;
    double began = now_ns();
    vld_record record;
    char path[512];
    uint64_t i;
    size_t len;

    for (i = 0; i < times; i++) {
        len = name_it(path, what == HOT ? 0 : next() % count);
        path[1] ^= what == ABSENT;
        if (what == NAMES) {
            __asm__ volatile("" : : "r"(path), "r"(len) : "memory");
        }
        else if (vld_store_get(store, path, len, &record) != due) {
            fprintf(stderr, "look_up: %s: not as it should be\n", path);
            exit(1);
        }
    }
    return (now_ns() - began) / (double)times;
}

static long own_memory_kb(void)
{
    char line[256];
    long kb = -1;
    FILE *in = fopen("/proc/self/status", "r");

    while (in && fgets(line, sizeof(line), in)) {
        if (!strncmp(line, "RssAnon:", 8)) {
            kb = strtol(line + 8, NULL, 10);
        }
    }
    if (in) {
        fclose(in);
    }
    return kb;
}

int main(int argc, const char *const *argv)
{
    uint64_t count, times;
    vld_store *store;
    double names, hot, some, none;

    if (argc != 5) {
        fprintf(stderr, "usage: look_up INDEX COUNT TIMES FOLDER\n");
        return 2;
    }
    apr_initialize();
    count = strtoull(argv[2], NULL, 10);
    times = strtoull(argv[3], NULL, 10);
    folder = argv[4];
    if (!count || !times || vld_store_open(&store, argv[1], VLD_STORE_READ)) {
        fprintf(stderr, "look_up: %s cannot be opened\n", argv[1]);
        return 2;
    }
    time_them(store, count, times, RANDOM);
    names = time_them(store, count, times, NAMES);
    hot = time_them(store, count, times, HOT);
    some = time_them(store, count, times, RANDOM);
    none = time_them(store, count, times, ABSENT);
    printf("%.0f %.0f %.0f %ld\n", hot - names, some - names, none - names,
           own_memory_kb());
    return 0;
}
