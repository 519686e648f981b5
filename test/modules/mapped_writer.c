/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Writes files through shared mappings, as it is told on standard input; for
 * the truth test.  A program, not a module.
 *
 *   mapped_writer FILE...
 *   input lines: INDEX STAMP TEXT   all lines of that file become TEXT, and its
 *                                   mtime STAMP (0: its times are left as the
 *                                   stores leave them)
 *   output: a line for each when it is done */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_FILES 64
#define LINE 32

typedef struct mapping {
    int fd;
    char *octets;
    size_t size;
} mapping;

static int map_file(const char *path, mapping *m)
{
    struct stat st;

    m->fd = open(path, O_RDWR);
    if (m->fd < 0 || fstat(m->fd, &st) != 0) {
        return 0;
    }
    m->size = (size_t)st.st_size;
    m->octets = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED, m->fd,
                     0);
    return m->octets != MAP_FAILED;
}

static void store(mapping *m, long stamp, const char *text)
{
    struct timespec times[2] = { { stamp, 0 }, { stamp, 0 } };
    char line[160];
    size_t at;

    snprintf(line, sizeof(line), "%-31s\n", text);
    for (at = 0; at + LINE <= m->size; at += LINE) {
        memcpy(m->octets + at, line, LINE);
    }
    if (stamp && futimens(m->fd, times) != 0) {
        perror("futimens");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    mapping maps[MOST_FILES];
    char text[128];
    unsigned i;
    long stamp;

    if (argc < 2 || argc > MOST_FILES) {
        return 2;
    }
    for (i = 0; i + 1 < (unsigned)argc; i++) {
        if (!map_file(argv[i + 1], &maps[i])) {
            perror(argv[i + 1]);
            return 1;
        }
    }
    while (scanf("%u %ld %127[^\n]", &i, &stamp, text) == 3
           && i + 1 < (unsigned)argc) {
        store(&maps[i], stamp, text);
        puts("done");
        fflush(stdout);
    }
    return 0;
}
