/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Reports to the service manager: datagrams to the socket that it names.  A
 * datagram that it does not take is lost.  Never waits. */
#include "cli/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/message.h"

static int notifier = -1;
static struct sockaddr_un manager;
static socklen_t manager_size;
static apr_time_t watchdog; /* time between signs of life; 0: none wanted */
static apr_time_t last_sign;

/* A path, or "@" and an abstract name. */
static bool set_manager(const char *name)
{
    size_t len = strlen(name);

    if ((*name != '/' && *name != '@') || len < 2
        || len >= sizeof(manager.sun_path)) {
        return false;
    }
    manager.sun_family = AF_UNIX;
    memcpy(manager.sun_path, name, len + 1);
    if (*name == '@') {
        manager.sun_path[0] = '\0';
    }
    manager_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len
                               + (*name == '/'));
    return true;
}

static apr_time_t read_watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");

    if (!usec || (pid && atoll(pid) != (long long)getpid())) {
        return 0;
    }
    /* sd_watchdog_enabled(3) advises half the time; the loop that calls this
     * is not exact. */
    return (apr_time_t)(strtoull(usec, NULL, 10) / 4);
}

void cli_notify_start(void)
{
    const char *name = getenv("NOTIFY_SOCKET");

    if (name && *name) {
        if (set_manager(name)) {
            notifier = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
            watchdog = read_watchdog();
        }
        else {
            cli_error("NOTIFY_SOCKET is neither a path nor an abstract "
                      "name that a socket can have; nobody is notified");
        }
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void cli_notify(const char *format, ...)
{
    char text[512];
    va_list arguments;

    if (notifier < 0) {
        return;
    }
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)sendto(notifier, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                 (const struct sockaddr *)&manager, manager_size);
}

void cli_notify_alive(void)
{
    apr_time_t now = apr_time_now();

    if (watchdog > 0 && (now - last_sign >= watchdog || now < last_sign)) {
        last_sign = now;
        cli_notify("WATCHDOG=1");
    }
}
