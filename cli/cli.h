/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators, the command line on the index: what its commands share.
 * Never includes anything of httpd's. */
#ifndef VALIDATORS_CLI_H
#define VALIDATORS_CLI_H

#include <stdbool.h>

#include <apr_pools.h>

#include "validators/index.h"

#ifndef VLD_DEFAULT_INDEX
#define VLD_DEFAULT_INDEX "/var/cache/apache2/validators/validators.mdb"
#endif

/* Exit status of every command. */
typedef enum cli_exit {
    CLI_DONE = 0,  /* done, nothing found wrong */
    CLI_FOUND = 1, /* done, and something is as it should not be */
    CLI_ERROR = 2  /* usage or environment: not done, or not wholly */
} cli_exit;

/* How a command wants the index opened. */
typedef enum cli_needs {
    CLI_NEEDS_NOTHING,
    CLI_NEEDS_READ,
    CLI_NEEDS_WRITE,
    CLI_NEEDS_CREATE
} cli_needs;

typedef struct cli cli;

/* Keys of options without a letter: the global ones, the commands' own. */
#define CLI_KEY_JSON 256
#define CLI_KEY_OWN 300

/* One option.  A table of them ends with key 0.  The words of `help` are
 * those of the manual page. */
typedef struct cli_option {
    int key;              /* its letter; above 255: it has none */
    const char *name;     /* its long name */
    const char *argument; /* what its argument is called; NULL: takes none */
    const char *help;
} cli_option;

/* One command: a row of the table in commands.c, a file cmd_NAME.c. */
typedef struct cli_command {
    const char *name;
    const char *operands; /* as in the usage, "PATH..." */
    const char *help;     /* one line, in the words of the manual page */
    cli_needs needs;
    int least, most;           /* operands; most -1: any number */
    const cli_option *options; /* its own; NULL: none */
    /* Takes one option of its own; false when the value is wrong, after
     * cli_error(). */
    bool (*set)(int key, const char *value);
    cli_exit (*run)(cli *c, int argc, char **argv);
} cli_command;

/* One run of the tool. */
struct cli {
    apr_pool_t *pool;
    const char *index; /* path of the index */
    const cli_command *command;
    vld_store *store; /* NULL until cli_open_index() */
    bool json;
    bool quiet;
    bool want_help;
    bool want_version;
};

/* The rows of the table in commands.c; each stands in its own file. */
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
