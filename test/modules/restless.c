/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* restless INDEX SECONDS: the number of the last transaction grows all the
 * time, as under a writer that is faster than every look-up; then it is put
 * back.  The pages stay as they are. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, AT_NUMBER = 144 };

int main(int argc, char **argv)
{
    int fd = argc == 3 ? open(argv[1], O_RDWR) : -1;
    unsigned char *heads = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
                                MAP_SHARED, fd, 0);
    volatile uint64_t *even, *odd, *last;
    uint64_t before;
    time_t until;

    if (heads == MAP_FAILED) {
        return 1;
    }
    even = (volatile uint64_t *)(void *)(heads + AT_NUMBER);
    odd = (volatile uint64_t *)(void *)(heads + PAGE + AT_NUMBER);
    last = *even > *odd ? even : odd;
    before = *last;
    for (until = time(NULL) + atol(argv[2]); time(NULL) < until;) {
        for (int i = 0; i < 1000000; i++) {
            *last += 2;
        }
    }
    *last = before;
    return 0;
}
