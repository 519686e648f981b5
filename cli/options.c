/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Sorts the command line into options, command and operands, by the tables
 * of commands.c.  Never opens anything. */
#include "cli/options.h"

#include <getopt.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/message.h"

/* Room for the options of one command and the global ones. */
#define MOST_OPTIONS 24

typedef struct getopt_tables {
    char letters[2 * MOST_OPTIONS + 4];
    struct option names[MOST_OPTIONS + 1];
    size_t count;
    size_t used; /* of letters */
} getopt_tables;

static void add_options(getopt_tables *t, const cli_option *options)
{
    const cli_option *o;

    for (o = options; o != NULL && o->key && t->count < MOST_OPTIONS; o++) {
        struct option *row = &t->names[t->count++];

        row->name = o->name;
        row->has_arg = o->argument ? required_argument : no_argument;
        row->val = o->key;
        if (o->key <= 255) {
            t->letters[t->used++] = (char)o->key;
            if (o->argument != NULL) {
                t->letters[t->used++] = ':';
            }
        }
    }
}

/* how: "+:" stops at the first operand, ":" takes options everywhere. */
static void make_tables(getopt_tables *t, const char *how,
                        const cli_option *own)
{
    memset(t, 0, sizeof(*t));
    t->used = strlen(how);
    memcpy(t->letters, how, t->used);
    add_options(t, own);
    add_options(t, cli_global_options);
}

/* getopt starts anew: the GNU way, and the BSD way. */
static void reset_getopt(void)
{
    opterr = 0;
#ifdef __GLIBC__
    optind = 0;
#else
    optind = 1;
#ifdef __FreeBSD__
    optreset = 1;
#endif
#endif
}

static bool set_global(cli *c, int key)
{
    switch (key) {
    case 'i': c->index = optarg; return true;
    case CLI_KEY_JSON: c->json = true; return true;
    case 'q': c->quiet = true; return true;
    case 'h': c->want_help = true; return true;
    case 'V': c->want_version = true; return true;
    default: return false;
    }
}

static cli_exit complain(const cli *c, int result, char *const *argv)
{
    const char *name = c->command ? c->command->name : "";
    const char *gap = c->command ? " " : "";
    const char *what = result == ':' ? "needs an argument" : "is not known";
    const char *last = optind > 0 ? argv[optind - 1] : "";

    if (strncmp(last, "--", 2) == 0) {
        cli_error("option %s %s; see `htvalidators%s%s --help`",
                  cli_shown(c->pool, last), what, gap, name);
        return CLI_ERROR;
    }
    cli_error("option -%c %s; see `htvalidators%s%s --help`", optopt, what, gap,
              name);
    return CLI_ERROR;
}

static cli_exit parse_options(cli *c, const char *how, int argc, char **argv)
{
    const cli_command *command = c->command;
    getopt_tables tables;
    int key;

    make_tables(&tables, how, command ? command->options : NULL);
    reset_getopt();
    while ((key = getopt_long(argc, argv, tables.letters, tables.names, NULL))
           != -1) {
        if (key == ':' || key == '?') {
            return complain(c, key, argv);
        }
        if (!set_global(c, key)
            && (command == NULL || !command->set(key, optarg))) {
            return CLI_ERROR;
        }
    }
    return CLI_DONE;
}

bool cli_number(const char *text, unsigned least, unsigned most, unsigned *out)
{
    unsigned long value = 0;
    const char *digit;

    if (*text == '\0') {
        return false;
    }
    for (digit = text; *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9') {
            return false;
        }
        value = 10 * value + (unsigned long)(*digit - '0');
        if (value > most) {
            return false;
        }
    }
    if (value < least) {
        return false;
    }
    *out = (unsigned)value;
    return true;
}

cli_exit cli_parse(cli *c, int *argc, char ***argv)
{
    const char *name;

    if (parse_options(c, "+:", *argc, *argv) != CLI_DONE) {
        return CLI_ERROR;
    }
    *argc -= optind;
    *argv += optind;
    if (c->want_help || c->want_version) {
        return CLI_DONE;
    }
    if (*argc == 0) {
        cli_error("which command? `htvalidators help` lists them");
        return CLI_ERROR;
    }
    name = (*argv)[0];
    if (strcmp(name, "help") == 0) {
        c->want_help = true;
        *argc -= 1;
        *argv += 1;
        return CLI_DONE;
    }
    c->command = cli_find_command(name);
    if (c->command == NULL) {
        cli_error("no command '%s'; `htvalidators help` lists them",
                  cli_shown(c->pool, name));
        return CLI_ERROR;
    }
    if (parse_options(c, ":", *argc, *argv) != CLI_DONE) {
        return CLI_ERROR;
    }
    *argc -= optind;
    *argv += optind;
    if (c->index[0] == '\0') {
        cli_error("-i: an empty path; is a variable not set?");
        return CLI_ERROR;
    }
    return CLI_DONE;
}
