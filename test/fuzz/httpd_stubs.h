/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What of httpd the fuzzers of directives need: the functions that
 * server/access/ calls, and a directive as httpd passes it.  Every word is an
 * allocation of its own, so that ASan sees its end.  Include in one file of a
 * program. */
#ifndef TEST_FUZZ_HTTPD_STUBS_H
#define TEST_FUZZ_HTTPD_STUBS_H

#include <stdlib.h>
#include <string.h>

#include <apr_general.h>
#include <apr_lib.h>
#include <apr_pools.h>
#include <apr_strings.h>

#include <httpd.h>
#include <http_config.h>
#include <http_log.h>
#include <util_filter.h>

#include "server/access/foreign_directives.h"
#include "server/config.h"

#define LAW(holds)                                                             \
    do {                                                                       \
        if (!(holds))                                                          \
            abort();                                                           \
    } while (0)

/* --- what httpd has ------------------------------------------------------ */

module AP_MODULE_DECLARE_DATA validators_module = { .name = "stub",
                                                    .module_index = 0 };

module *ap_find_linked_module(const char *name)
{
    return *name ? &validators_module : NULL;
}

static apr_status_t free_word(void *word)
{
    free(word);
    return APR_SUCCESS;
}

static char *make_word(apr_pool_t *p, const char *from, size_t len, char quote)
{
    char *word = malloc(len + 1);
    size_t i, used = 0;

    for (i = 0; i < len; i++) {
        if (from[i] == '\\' && i + 1 < len
            && (from[i + 1] == '\\' || (quote && from[i + 1] == quote))) {
            i++;
        }
        word[used++] = from[i];
    }
    word[used] = '\0';
    apr_pool_cleanup_register(p, word, free_word, apr_pool_cleanup_null);
    return word;
}

/* As httpd's: where no word is left it gives a constant, as httpd's does. */
char *ap_getword_conf(apr_pool_t *p, const char **line)
{
    const char *from = *line, *end;
    char quote = '\0', *word;

    while (apr_isspace(*from)) {
        from++;
    }
    if (!*from) {
        *line = from;
        return (char *)"";
    }
    if (*from == '"' || *from == '\'') {
        quote = *from++;
    }
    for (end = from; *end && (quote ? *end != quote : !apr_isspace(*end));
         end++) {
        if (quote && *end == '\\' && (end[1] == quote || end[1] == '\\')) {
            end++;
        }
    }
    word = make_word(p, from, (size_t)(end - from), quote);
    end += quote && *end == quote;
    while (apr_isspace(*end)) {
        end++;
    }
    *line = end;
    return word;
}

char *ap_strcasestr(const char *text, const char *part)
{
    return strcasestr(text, part);
}

/* None is registered: every filter is known by its name alone. */
ap_filter_rec_t *ap_get_output_filter_handle(const char *name)
{
    (void)name;
    return NULL;
}

void ap_log_rerror_(const char *file, int line, int module_index, int level,
                    apr_status_t status, const request_rec *r, const char *fmt,
                    ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)r;
    (void)fmt;
}

/* --- a directive --------------------------------------------------------- */

static const char *const names[] = {
#define STUB_NAME(name, note, module, where) #name,
    VLD_FOREIGN_DIRECTIVES(STUB_NAME)
#undef STUB_NAME
};

#define NAMES (sizeof(names) / sizeof(*names))

/* Octets as a text of its own. */
static char *text_of(apr_pool_t *p, const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    memcpy(text, data, size);
    text[size] = '\0';
    apr_pool_cleanup_register(p, text, free_word, apr_pool_cleanup_null);
    return text;
}

/* One line of a configuration, or of an .htaccess file. */
static void read_directive(apr_pool_t *p, apr_pool_t *temp, size_t which,
                           vld_dir_config *conf, const char *args)
{
    cmd_parms cmd;
    command_rec row;

    memset(&cmd, 0, sizeof(cmd));
    memset(&row, 0, sizeof(row));
    row.name = names[which];
    cmd.cmd = &row;
    cmd.info = (void *)(apr_uintptr_t)which;
    cmd.pool = p;
    cmd.temp_pool = temp;
    cmd.path = p == temp ? (char *)"/srv/site" : NULL;
    LAW(!vld_foreign_take_note(&cmd, conf, args));
}

#endif /* TEST_FUZZ_HTTPD_STUBS_H */
