/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators: start-up, the choice of the command, the exit status.  Never
 * does the work of a command. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <apr_general.h>

#include "mod_validators.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/message.h"
#include "cli/options.h"

/* The next open() would return a standard descriptor that is closed, and
 * messages would be written into the index.  /dev/null takes its place, opened
 * so that the first use fails. */
static void guard_descriptors(void)
{
    int fd;

    for (fd = 0; fd <= 2; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF) {
            (void)open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
        }
    }
}

static cli_exit print_wanted_help(const cli *c, int argc, char **argv)
{
    const cli_command *command = c->command;

    if (!command && argc > 0) {
        command = cli_find_command(argv[0]);
        if (!command) {
            cli_error("no command '%s'; `htvalidators help` lists them",
                      cli_shown(c->pool, argv[0]));
            return CLI_ERROR;
        }
    }
    if (!command) {
        cli_print_help(stdout);
    }
    else {
        cli_print_usage(stdout, command);
    }
    return CLI_DONE;
}

static bool operands_fit(const cli *c, int argc, char **argv)
{
    const cli_command *command = c->command;
    int i;

    if (argc < command->least || (command->most >= 0 && argc > command->most)) {
        cli_error("%s: %s; usage: htvalidators %s %s", command->name,
                  argc < command->least ? "what?" : "too many operands",
                  command->name, command->operands);
        return false;
    }
    for (i = 0; i < argc; i++) {
        if (!argv[i][0]) {
            cli_error("%s: an empty path; is a variable not set?",
                      command->name);
            return false;
        }
    }
    return true;
}

static cli_exit run_command(cli *c, int argc, char **argv)
{
    if (cli_parse(c, &argc, &argv) != CLI_DONE) {
        return CLI_ERROR;
    }
    if (c->want_version) {
        printf("htvalidators %s\n", MOD_VALIDATORS_VERSION);
        return CLI_DONE;
    }
    if (c->want_help) {
        return print_wanted_help(c, argc, argv);
    }
    if (!operands_fit(c, argc, argv)) {
        return CLI_ERROR;
    }
    return c->command->run(c, argc, argv);
}

int main(int argc, char **argv)
{
    cli c;
    cli_exit status;

    guard_descriptors();
    if (apr_initialize() != APR_SUCCESS) {
        cli_error("APR cannot be initialized");
        return CLI_ERROR;
    }
    memset(&c, 0, sizeof(c));
    apr_pool_create(&c.pool, NULL);
    c.index = VLD_DEFAULT_INDEX;

    status = run_command(&c, argc, argv);

    if (c.store) {
        vld_store_close(c.store);
    }
    if (!cli_flush()) {
        status = CLI_ERROR;
    }
    apr_pool_destroy(c.pool);
    apr_terminate();
    return status;
}
