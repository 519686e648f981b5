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

/* What getopt returns for an option without a letter: this and its row. */
#define KEY_OF_ROW 256

typedef struct getopt_tables {
    char letters[2 * MOST_OPTIONS + 4];
    struct option names[MOST_OPTIONS + 1];
    const cli_option *rows[MOST_OPTIONS]; /* of the names */
    size_t count;
    size_t own;  /* rows of the command, before the global ones */
    size_t used; /* of letters */
} getopt_tables;

static void add_options(getopt_tables *t, const cli_option *options)
{
    const cli_option *o;

    for (o = options; o && o->name && t->count < MOST_OPTIONS; o++) {
        struct option *name = &t->names[t->count];

        name->name = o->name;
        name->has_arg = o->argument ? required_argument : no_argument;
        name->val = o->letter ? o->letter : KEY_OF_ROW + (int)t->count;
        t->rows[t->count++] = o;
        if (o->letter) {
            t->letters[t->used++] = o->letter;
            if (o->argument) {
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
    t->own = t->count;
    add_options(t, cli_global_options);
}

/* Let getopt start again: as GNU documents it, and as BSD does. */
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

/* The row of the option for which getopt has returned the key. */
static size_t row_of(const getopt_tables *t, int key)
{
    size_t row = key >= KEY_OF_ROW ? (size_t)(key - KEY_OF_ROW) : 0;

    while (t->names[row].val != key) {
        row++;
    }
    return row;
}

/* A whole decimal number from least to most; false for anything else. */
static bool parse_number(const char *text, unsigned least, unsigned most,
                         unsigned *out)
{
    unsigned long value = 0;
    const char *digit;

    if (!*text) {
        return false;
    }
    for (digit = text; *digit; digit++) {
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

static bool set_number(const cli *c, const cli_option *o, const char *text,
                       unsigned *out)
{
    if (parse_number(text, o->least, o->most, out)) {
        return true;
    }
    if (o->letter) {
        cli_error("%s: -%c wants %s from %u to %u", c->command->name, o->letter,
                  o->unit, o->least, o->most);
    }
    else {
        cli_error("%s: --%s wants %s from %u to %u", c->command->name, o->name,
                  o->unit, o->least, o->most);
    }
    return false;
}

/* owner: the struct of which the option sets a member. */
static bool set_option(const cli *c, void *owner, const cli_option *o)
{
    void *member = (char *)owner + o->offset;

    switch (o->value) {
    case CLI_VALUE_FLAG: *(bool *)member = true; return true;
    case CLI_VALUE_TEXT: *(const char **)member = optarg; return true;
    default: return set_number(c, o, optarg, member);
    }
}

static cli_exit report_bad_option(const cli *c, int result, char *const *argv)
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

static cli_exit parse_options(cli *c, const char *how, void *settings, int argc,
                              char **argv)
{
    const cli_command *command = c->command;
    getopt_tables tables;
    int key;

    make_tables(&tables, how, command ? command->options : NULL);
    reset_getopt();
    while ((key = getopt_long(argc, argv, tables.letters, tables.names, NULL))
           != -1) {
        size_t row;

        if (key == ':' || key == '?') {
            return report_bad_option(c, key, argv);
        }
        row = row_of(&tables, key);
        if (!set_option(c, row < tables.own ? settings : c, tables.rows[row])) {
            return CLI_ERROR;
        }
    }
    return CLI_DONE;
}

cli_exit cli_parse(cli *c, int *argc, char ***argv)
{
    const char *name;
    void *settings;

    if (parse_options(c, "+:", NULL, *argc, *argv) != CLI_DONE) {
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
    if (!c->command) {
        cli_error("no command '%s'; `htvalidators help` lists them",
                  cli_shown(c->pool, name));
        return CLI_ERROR;
    }
    settings = apr_pcalloc(c->pool, c->command->settings + 1);
    c->settings = settings;
    if (parse_options(c, ":", settings, *argc, *argv) != CLI_DONE) {
        return CLI_ERROR;
    }
    *argc -= optind;
    *argv += optind;
    if (!c->index[0]) {
        cli_error("-i: an empty path; is a variable not set?");
        return CLI_ERROR;
    }
    return CLI_DONE;
}
