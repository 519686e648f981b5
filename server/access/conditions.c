/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What the arguments of a directive ask of a request.  It evaluates nothing:
 * what it does not recognise counts as a dependence on the client. */
#include "server/access/conditions.h"

#include <ctype.h>
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

/* In an expression, of the response: a prepared answer is of a 200, and the
 * media type follows from the file. */
static const char *const same_for_a_file[] = { "CONTENT_TYPE", "REQUEST_STATUS",
                                               "resp:Content-Type", NULL };

/* Fields of the request that are part of the key. */
static const char *const key_fields[] = { "Host", NULL };

const char *const vld_condition_closing_fields[] = {
    "Authorization", "Content-Length", "Transfer-Encoding",
    "Expect",        "Upgrade",        NULL
};

/* Names before a colon: in RewriteCond and in expressions. */
static const char *const of_field[] = { "HTTP:", "req:", "req_novary:", NULL };
static const char *const of_variable[] = { "ENV:", "reqenv:", NULL };

/* Functions of expressions whose value follows from their argument, and the
 * operators that are words. */
static const char *const pure_functions[] = {
    "tolower", "toupper", "escape", "unescape", "base64", "unbase64", "md5",
    "sha1",    "and",     "or",     "not",      "in",     "eq",       "ne",
    "lt",      "le",      "gt",     "ge",       NULL
};

/* Unary operators that ask for the client: its address, and whether a
 * subrequest would let it in. */
static const char client_operators[] = "RUFA";

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

/* The same for names of fields, whose case does not matter. */
static bool is_field_among(const char *const *names, const char *word,
                           size_t len)
{
    for (; *names; names++) {
        if (strlen(*names) == len && !strncasecmp(*names, word, len)) {
            return true;
        }
    }
    return false;
}

/* The length of the one of the prefixes with which the name begins, or 0. */
static size_t prefix_of(const char *const *prefixes, const char *name,
                        size_t len)
{
    size_t n;

    for (; *prefixes; prefixes++) {
        n = strlen(*prefixes);
        if (n < len && !strncasecmp(*prefixes, name, n)) {
            return n;
        }
    }
    return 0;
}

/* --- variables ------------------------------------------------------------ */

unsigned vld_field_asks(const char *name, size_t len)
{
    if (is_field_among(key_fields, name, len)) {
        return VLD_ASKS_NOTHING;
    }
    if (is_field_among(vld_condition_closing_fields, name, len)) {
        return VLD_ASKS_CLOSED;
    }
    if (len == 6 && !strncasecmp(name, "Origin", len)) {
        return VLD_ASKS_ORIGIN;
    }
    return len == 15 && !strncasecmp(name, "Accept-Encoding", len)
               ? VLD_ASKS_CODING
               : VLD_ASKS_CLIENT;
}

static unsigned variable_asks(const char *name, size_t len)
{
    size_t prefix = prefix_of(of_field, name, len);

    if (prefix) {
        return vld_field_asks(name + prefix, len - prefix);
    }
    if (prefix_of(of_variable, name, len)) {
        return VLD_ASKS_VARIABLE;
    }
    return index_of(same_for_all, name, len) < 0 ? VLD_ASKS_CLIENT
                                                 : VLD_ASKS_NOTHING;
}

/* *at is at the name of a variable: what it asks for, and *at behind it.  In an
 * expression it may be a function's: %{escape:%{REQUEST_URI}}. */
static unsigned read_variable(const char **at, bool in_expression)
{
    const char *name = *at, *end = strchr(name, '}');
    size_t len = strcspn(name, ":%}");

    if (!end) {
        *at += strlen(name);
        return VLD_ASKS_CLIENT;
    }
    if (in_expression && name[len] == ':'
        && index_of(pure_functions, name, len) >= 0) {
        *at += len;
        return VLD_ASKS_NOTHING;
    }
    *at = end;
    len = (size_t)(end - name);
    return in_expression && index_of(same_for_a_file, name, len) >= 0
               ? VLD_ASKS_NOTHING
               : variable_asks(name, len);
}

/* The variables of the text before its end. */
static unsigned variables_ask(const char *text, const char *end,
                              bool in_expression)
{
    unsigned asks = VLD_ASKS_NOTHING;

    while ((text = strstr(text, "%{")) && text < end) {
        text += 2;
        asks |= read_variable(&text, in_expression);
    }
    return asks;
}

unsigned vld_condition_asks(const char *text, const char *test)
{
    if (strstr(text, "${") || !strcasecmp(test, "expr")) {
        return VLD_ASKS_CLIENT;
    }
    return variables_ask(test, test + strlen(test), false);
}

unsigned vld_text_asks(const char *text)
{
    return variables_ask(text, text + strlen(text), true);
}

bool vld_condition_next_variable(const char **at, const char **name,
                                 size_t *len)
{
    const char *begin, *end;
    size_t prefix;

    while ((begin = strstr(*at, "%{")) && (end = strchr(begin, '}'))) {
        begin += 2;
        *at = begin; /* it may be a function of another variable */
        prefix = prefix_of(of_variable, begin, (size_t)(end - begin));
        if (prefix) {
            *name = begin + prefix;
            *len = (size_t)(end - *name);
            *at = end;
            return true;
        }
    }
    return false;
}

/* --- expressions ---------------------------------------------------------- */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* The end of what the delimiter ends, after `text`; a backslash quotes it. */
static const char *find_end(const char *text, char delimiter)
{
    for (; *text && *text != delimiter; text++) {
        if (*text == '\\' && text[1]) {
            text++;
        }
    }
    return text;
}

/* Behind =~ or !~: skip a regular expression, /.../ or m#...#. */
static const char *skip_regex(const char *at)
{
    at += strspn(at, " \t");
    if (*at == 'm' && at[1] && !is_word(at[1]) && at[1] != ' ') {
        at++;
    }
    else if (*at != '/') {
        return at;
    }
    at = find_end(at + 1, *at);
    return *at ? at + 1 : at;
}

/* A word, which is a function's name where a parenthesis follows. */
static unsigned read_word(const char **at)
{
    const char *word = *at;
    size_t len;

    while (is_word(**at)) {
        (*at)++;
    }
    len = (size_t)(*at - word);
    return (*at)[strspn(*at, " \t")] == '('
                   && index_of(pure_functions, word, len) < 0
               ? VLD_ASKS_CLIENT
               : VLD_ASKS_NOTHING;
}

/* A quoted text, in which variables count. */
static unsigned read_quoted(const char **at)
{
    const char *begin = *at + 1, *end = find_end(begin, **at);

    *at = *end ? end + 1 : end;
    return variables_ask(begin, end, true);
}

unsigned vld_expression_asks(const char *text)
{
    unsigned asks = VLD_ASKS_NOTHING;
    const char *at = text;

    while (*at) {
        if (at[0] == '%' && at[1] == '{') {
            at += 2;
            asks |= read_variable(&at, true);
        }
        else if (*at == '\'' || *at == '"') {
            asks |= read_quoted(&at);
        }
        else if (at[0] == '-' && at[1] && strchr(client_operators, at[1])
                 && !is_word(at[2])) {
            return VLD_ASKS_CLIENT;
        }
        else if ((*at == '=' || *at == '!') && at[1] == '~') {
            at = skip_regex(at + 2);
        }
        else if (is_word(*at)) {
            asks |= read_word(&at);
        }
        else {
            at++;
        }
    }
    return asks;
}

/* --- methods -------------------------------------------------------------- */

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
