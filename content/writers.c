/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether somebody can be writing to a file.  Never waits, and changes
 * nothing. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "validators/content.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>

/* A network file system may refuse every lease, whoever has the file open.
 * Those of coarse or foreign clocks are no better known. */
static bool is_local(int fd)
{
    struct stat st;

    return !fstat(fd, &st)
           && vld_identity_margin_ns(fd, st.st_dev) < INT64_C(1000000000);
}

/* A read lease is refused where the file is open to be written to, or mapped
 * so.  It is given back at once: whoever opens the file in between waits for so
 * long.  The kernel tells the holder by a signal; SIGIO would end a process
 * that does not expect it, SIGURG does not. */
bool vld_file_has_writer(int fd)
{
    if (!is_local(fd) || fcntl(fd, F_SETSIG, SIGURG)) {
        return false;
    }
    if (!fcntl(fd, F_SETLEASE, F_RDLCK)) {
        (void)fcntl(fd, F_SETLEASE, F_UNLCK);
        return false;
    }
    return errno == EAGAIN;
}
