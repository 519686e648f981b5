/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators, the command line on the index: the types that its commands
 * share.  Never includes a header of httpd. */
#ifndef VALIDATORS_CLI_H
#define VALIDATORS_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include <apr_pools.h>

#include "validators/index.h"

#ifndef VLD_DEFAULT_INDEX
#define VLD_DEFAULT_INDEX "/var/cache/apache2/validators/validators.mdb"
#endif

/* Exit status of every command. */
typedef enum cli_exit {
    CLI_DONE = 0,  /* done, nothing found wrong */
    CLI_FOUND = 1, /* done, and something is as it should not be */
    CLI_ERROR = 2, /* usage or environment: not done, or not wholly */
    CLI_ENDED = 3  /* watch: had begun, and could not go on; to start it again
                    * may help */
} cli_exit;

/* How a command wants the index opened. */
typedef enum cli_needs {
    CLI_NEEDS_NOTHING,
    CLI_NEEDS_READ,
    CLI_NEEDS_WRITE,
    CLI_NEEDS_CREATE
} cli_needs;

typedef struct cli cli;

/* What an option sets. */
typedef enum cli_value {
    CLI_VALUE_FLAG,   /* a bool, to true; the option takes no argument */
    CLI_VALUE_TEXT,   /* a const char *, to its argument */
    CLI_VALUE_NUMBER, /* an unsigned, to its argument */
} cli_value;

/* One option.  A table of them ends with CLI_OPTIONS_END.  The words of
 * `help` are those of the manual page. */
typedef struct cli_option {
    char letter;          /* 0: it has none */
    const char *name;     /* its long name */
    const char *argument; /* name of its argument; NULL: takes none */
    const char *help;
    /* One of the macros below. */
    cli_value value;
    size_t offset;        /* of the member that it sets */
    unsigned least, most; /* of a number */
    const char *unit;     /* of a number, as a message names it */
} cli_option;

#define CLI_FLAG(type, member)                                                 \
    CLI_VALUE_FLAG, offsetof(type, member), 0, 0, NULL
#define CLI_TEXT(type, member)                                                 \
    CLI_VALUE_TEXT, offsetof(type, member), 0, 0, NULL
#define CLI_NUMBER(type, member, least, most, unit)                            \
    CLI_VALUE_NUMBER, offsetof(type, member), least, most, unit
#define CLI_OPTIONS_END                                                        \
    {                                                                          \
        0, NULL, NULL, NULL, CLI_VALUE_FLAG, 0, 0, 0, NULL                     \
    }

/* The most threads that `-j` takes. */
#define CLI_MOST_JOBS 256

/* One command: a row of the table in commands.c, a file cmd_NAME.c. */
typedef struct cli_command {
    const char *name;
    const char *operands; /* as in the usage, "PATH..." */
    const char *help;     /* one line, in the words of the manual page */
    cli_needs needs;
    int least, most;           /* operands; most -1: any number */
    const cli_option *options; /* its own; NULL: none */
    size_t settings;           /* size of the struct that they set */
    cli_exit (*run)(cli *c, int argc, char **argv);
} cli_command;

/* One run of the tool. */
struct cli {
    apr_pool_t *pool;
    const char *index; /* path of the index */
    const cli_command *command;
    const void *settings; /* the command's own, zeroed before */
    vld_store *store;     /* NULL until cli_open_index() */
    bool json;
    bool quiet;
    bool want_help;
    bool want_version;
};

/* The rows of the table in commands.c, each in its own file. */
extern const cli_command cli_scan;
extern const cli_command cli_show;
extern const cli_command cli_list;
extern const cli_command cli_forget;
extern const cli_command cli_stat;
extern const cli_command cli_compact;
extern const cli_command cli_export;
extern const cli_command cli_import;
extern const cli_command cli_verify;
extern const cli_command cli_watch;

#endif /* VALIDATORS_CLI_H */
