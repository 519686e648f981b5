/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Fuzz entry for the directives of other modules of which note is taken, and
 * for the numbers in the arguments of ours: any text as arguments.  Nothing
 * crashes, and no question for the client that stands in plain sight is missed.
 * The input is lines: an octet that says which directive, and its
 * arguments. */
#include "httpd_stubs.h"

#include "server/access/conditions.h"
#include "server/access/variables.h"
#include "server/arguments.h"

#define OF_CLIENT "%{REMOTE_ADDR}"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    apr_initialize();
    return 0;
}

static void check_numbers(const char *text)
{
    int64_t n = 0;

    LAW(!vld_argument_number(text, 1000, &n) || (n >= 0 && n <= 1000));
    LAW(!vld_argument_size(text, &n) || n >= 0);
}

static void check_questions(const char *text)
{
    const char *at = text, *name;
    const unsigned client = VLD_ASKS_CLIENT | VLD_ASKS_VARIABLE;
    size_t len;

    while (vld_condition_next_variable(&at, &name, &len)) {
        LAW(name > text && name + len == at && *at == '}');
    }
    vld_expression_asks(text);
    if (strstr(text, OF_CLIENT)) {
        LAW(vld_condition_asks(text, text) & client);
        LAW(vld_text_asks(text) & client);
    }
    else if (!strchr(text, '%') && !strchr(text, '$')
             && strcasecmp(text, "expr")) {
        LAW(vld_condition_asks(text, text) == VLD_ASKS_NOTHING);
        LAW(vld_text_asks(text) == VLD_ASKS_NOTHING);
    }
}

static void check_line(apr_pool_t *p, apr_pool_t *temp, vld_dir_config *conf,
                       const uint8_t *line, size_t len)
{
    char *args = text_of(p, line + 1, len - 1);
    size_t which = *line % (NAMES + 1);
    cmd_parms section;

    check_numbers(args);
    check_questions(args);
    if (which < NAMES) {
        read_directive(p, temp, which, conf, args);
        return;
    }
    memset(&section, 0, sizeof(section));
    section.pool = p;
    section.temp_pool = temp;
    LAW(!vld_foreign_note_if(&section, conf, args));
}

/* Every variable that is read has its verdict for a request. */
static void check_request(apr_pool_t *p, const vld_dir_config *conf)
{
    request_rec *root = apr_pcalloc(p, sizeof(*root));

    root->pool = p;
    root->notes = apr_table_make(p, 2);
    vld_variables_take_down(root, conf);
    vld_variables_depend(root, conf, VLD_READ_BY_RULE);
    vld_variables_depend(root, conf, VLD_READ_FOR_FIELD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size, *stop;
    apr_pool_t *pconf, *temp;
    vld_dir_config *conf;

    apr_pool_create(&pconf, NULL);
    apr_pool_create(&temp, pconf);
    vld_config_reset(pconf);
    conf = vld_config_create_dir(pconf, NULL);
    while (data < end) {
        stop = memchr(data, '\n', (size_t)(end - data));
        stop = stop ? stop : end;
        if (stop > data) {
            check_line(pconf, *data & 128 ? pconf : temp, conf, data,
                       (size_t)(stop - data));
        }
        data = stop < end ? stop + 1 : end;
    }
    check_request(pconf, vld_config_merge_dir(pconf, conf, conf));
    apr_pool_destroy(pconf);
    return 0;
}
