/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The table of commands and the help that is made from it.  A new command is
 * a file cmd_NAME.c and a row here. */
#include "cli/commands.h"

#include <string.h>

#include "cli/cli.h"

const cli_option cli_global_options[] = {
    { 'i', "index", "FILE", "the index to use", CLI_TEXT(cli, index) },
    { 0, "json", NULL, "write JSON, one object a line", CLI_FLAG(cli, json) },
    { 'q', "quiet", NULL, "no progress, no summary; show: the exit status only",
      CLI_FLAG(cli, quiet) },
    { 'h', "help", NULL, "print help, of the command if there is one",
      CLI_FLAG(cli, want_help) },
    { 'V', "version", NULL, "print the version", CLI_FLAG(cli, want_version) },
    CLI_OPTIONS_END,
};

static const cli_command *const commands[] = {
    &cli_scan,   &cli_watch,  &cli_show,    &cli_list, &cli_verify, &cli_export,
    &cli_import, &cli_forget, &cli_compact, &cli_stat, NULL,
};

const cli_command *cli_find_command(const char *name)
{
    const cli_command *const *row;

    for (row = commands; *row; row++) {
        if (strcmp((*row)->name, name) == 0) {
            return *row;
        }
    }
    return NULL;
}

static void print_default(FILE *out)
{
    fputs("\nThe index, where -i names no other:\n  " VLD_DEFAULT_INDEX "\n",
          out);
}

static void print_options(FILE *out, const cli_option *options)
{
    const cli_option *o;

    for (o = options; o && o->name; o++) {
        char names[48];

        snprintf(names, sizeof(names), "-%c, --%s%s%s",
                 o->letter ? o->letter : '-', o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        if (!o->letter) {
            memcpy(names, "    ", 4);
        }
        fprintf(out, "  %-20s  %s\n", names, o->help);
    }
}

void cli_print_help(FILE *out)
{
    const cli_command *const *row;

    fputs("usage: htvalidators [OPTION...] COMMAND [OPTION...] "
          "[OPERAND...]\n\nCommands:\n",
          out);
    for (row = commands; *row; row++) {
        char usage[48];

        snprintf(usage, sizeof(usage), "%s %s", (*row)->name, (*row)->operands);
        fprintf(out, "  %-20s  %s\n", usage, (*row)->help);
    }
    fprintf(out, "  %-20s  %s\n", "help [COMMAND]",
            "print help, of the command if there is one");
    fputs("\nOptions, before or after the command:\n", out);
    print_options(out, cli_global_options);
    print_default(out);
    fputs("\nExit status: 0 done; 1 something was found that is not as it "
          "should be;\n2 usage or environment error; 3 watch had begun and "
          "could not "
          "go on.\n",
          out);
}

void cli_print_usage(FILE *out, const cli_command *command)
{
    fprintf(out, "usage: htvalidators %s [OPTION...]%s%s\n\n%s\n\nOptions:\n",
            command->name, command->operands[0] ? " " : "", command->operands,
            command->help);
    print_options(out, command->options);
    print_options(out, cli_global_options);
    print_default(out);
}
