/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Whether the arguments of a directive can make a response depend on the
 * client.  It evaluates nothing: what it does not recognise counts as a
 * dependence. */
#include "server/access/conditions.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

/* These variables have the same value for every client that sends this request
 * target to this host: they are part of the key of a prepared answer, or belong
 * to the server. */
static const char *const same_for_all[] = {
    "DOCUMENT_ROOT",   "HTTPS",
    "HTTP_HOST",       "PATH_INFO",
    "QUERY_STRING",    "REQUEST_FILENAME",
    "REQUEST_SCHEME",  "REQUEST_URI",
    "SCRIPT_FILENAME", "SCRIPT_GROUP",
    "SCRIPT_USER",     "SERVER_ADMIN",
    "SERVER_NAME",     "SERVER_PORT",
    "SERVER_SOFTWARE", NULL
};

/* GET and HEAD first: their indexes are used. */
static const char *const methods[] = {
    "GET",   "HEAD",    "POST",    "PUT",   "DELETE",   "TRACE",
    "TRACK", "OPTIONS", "CONNECT", "PATCH", "PROPFIND", "PROPPATCH",
    "MKCOL", "COPY",    "MOVE",    "LOCK",  "UNLOCK",   NULL
};

/* The index of the word among the names; -1: it is none of them. */
static int index_of(const char *const *names, const char *word, size_t len)
{
    int i;

    for (i = 0; names[i]; i++) {
        if (strlen(names[i]) == len && !strncmp(names[i], word, len)) {
            return i;
        }
    }
    return -1;
}

bool vld_condition_asks_for_client(const char *text, const char *test)
{
    const char *end;

    if (strstr(text, "${") || !strcasecmp(test, "expr")) {
        return true;
    }
    while ((test = strstr(test, "%{"))) {
        end = strchr(test, '}');
        if (!end
            || index_of(same_for_all, test + 2, (size_t)(end - test - 2)) < 0) {
            return true;
        }
        test = end;
    }
    return false;
}

bool vld_condition_is_same_for_get_and_head(const char *pattern)
{
    bool has[2] = { false, false };
    size_t len;
    int i;

    for (; *pattern; pattern += len) {
        len = strspn(pattern, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (!len) {
            if (!strchr("!=^$|()", *pattern)) {
                return false;
            }
            len = 1;
            continue;
        }
        i = index_of(methods, pattern, len);
        if (i < 0) {
            return false;
        }
        if (i < 2) {
            has[i] = true;
        }
    }
    return has[0] == has[1];
}
