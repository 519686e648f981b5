/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators, the command line on the index: what its commands share.
 * Never includes anything of httpd's. */
#ifndef VALIDATORS_CLI_H
#define VALIDATORS_CLI_H

#include <stdio.h>

#include <apr_pools.h>
#include <apr_time.h>
#include <jansson.h>

#include "validators/index.h"
#include "validators/scan.h"
#include "validators/watch.h"

#ifndef VLD_DEFAULT_INDEX
#define VLD_DEFAULT_INDEX "/var/cache/apache2/validators/validators.mdb"
#endif

#if defined(__GNUC__)
#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLI_PRINTF(text, first)
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

/* --- commands.c ---------------------------------------------------------- */

/* The options that stand before or after any command. */
extern const cli_option cli_global_options[];

const cli_command *cli_find_command(const char *name);
void cli_print_help(FILE *out);
void cli_print_usage(FILE *out, const cli_command *command);

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

/* --- options.c ----------------------------------------------------------- */

/* Sort the command line into c and the command's own settings.  CLI_DONE, and
 * *argc and *argv are what follows the options; CLI_ERROR after a message. */
cli_exit cli_parse(cli *c, int *argc, char ***argv);

/* A whole decimal number from least to most; false for anything else. */
bool cli_number(const char *text, unsigned least, unsigned most, unsigned *out);

/* --- owner.c ------------------------------------------------------------- */

/* As root, take on the identity of the owner of the index's folder, for good.
 * False after a message. */
bool cli_become_owner(const cli *c);

/* --- index.c ------------------------------------------------------------- */

/* Open the index as c->command needs it.  False after a message. */
bool cli_open_index(cli *c);

/* Close the index and open what stands at its path now, as c->command needs
 * it: after VLD_E_REPLACED.  c->store is NULL when that fails. */
apr_status_t cli_reopen_index(cli *c);

/* Report what the index answered: path, why, what to do.  CLI_ERROR. */
cli_exit cli_index_error(cli *c, apr_status_t rv);

/* The prefix that records stand at or below: the path as it was given, else
 * its real path; *out NULL when neither has any. */
apr_status_t cli_choose_prefix(cli *c, const char *given, const char **out);

/* Warn where the index lies below a folder that is served: visitors could
 * fetch it. */
void cli_warn_of_index_below(const cli *c, const char *root);

/* --- path.c -------------------------------------------------------------- */

/* path made absolute and cleaned of ".", "..", "//" and a slash at its end by
 * its text alone, as httpd does; NULL when it is too long. */
const char *cli_absolute(apr_pool_t *p, const char *path);

/* path without symbolic links.  Members at its end that are not there stay
 * as they are.  NULL when nothing can be said. */
const char *cli_real(apr_pool_t *p, const char *path);

/* Whether `path` is `folder` or stands below it, by their text. */
bool cli_is_below(const char *path, const char *folder);

/* --- tag.c --------------------------------------------------------------- */

/* The option `--tag-key FILE` of commands that show tags. */
#define CLI_KEY_TAG_KEY (CLI_KEY_OWN + 90)
#define CLI_OPTION_TAG_KEY                                                     \
    {                                                                          \
        CLI_KEY_TAG_KEY, "tag-key", "FILE", "the key of ValidatorsTagKey"      \
    }

/* Make tags with the key in this file from now on (NULL: without).  False
 * after a message. */
bool cli_use_tag_key(cli *c, const char *file);

/* The tag that httpd sends for the content. */
void cli_etag(const vld_digest *digest, char out[VLD_ETAG_SIZE]);

/* --- output.c ------------------------------------------------------------ */

/* One line "htvalidators: ..." on standard error. */
void cli_error(const char *format, ...) CLI_PRINTF(1, 2);

/* A name for text output: always UTF-8, on one line, harmless on a terminal
 * and never ambiguous (`\n`, `\t`, `\\`, `\ooo`). */
void cli_put_path(FILE *out, const char *path, size_t len);
const char *cli_shown(apr_pool_t *p, const char *path);

/* One object on a line of its own on standard output; takes over `object`. */
void cli_put_json(json_t *object);

void cli_json_number(json_t *object, const char *key, uint64_t value);

/* Set `path` and, where it is not UTF-8, `path_base64`. */
void cli_json_path(json_t *object, const char *path, size_t len);

/* The fields of a record, as `show` and `list` write them. */
json_t *cli_json_record(const char *path, size_t len, const vld_record *record);

/* "1.2 MiB" */
#define CLI_SIZE 16
const char *cli_size(uint64_t octets, char out[CLI_SIZE]);

/* "2026-01-02T03:04:05.123456789Z" */
#define CLI_TIME 48
const char *cli_time(int64_t ns, char out[CLI_TIME]);

/* Whether all that was written has arrived; else a message. */
bool cli_flush(void);

/* --- manifest.c ---------------------------------------------------------- */

/* A line as GNU sha256sum writes it: where the name has a backslash, newline
 * or carriage return, a backslash stands before it and these are escaped; any
 * other octet stands as it is. */
void cli_put_sha256sum(FILE *out, const char *name, size_t len,
                       const vld_digest *digest);

/* What `export` writes beside that, in comments: the first line of all, and
 * the line before each entry, with what else is known of the file. */
void cli_put_manifest_head(FILE *out);
void cli_put_manifest_facts(FILE *out, const vld_record *record);

/* One entry of a manifest, or one line that is none. */
typedef struct cli_entry {
    unsigned long line;
    const char *why;  /* it is none, because; NULL: it is one */
    const char *name; /* NUL-terminated; until the next entry is read */
    vld_digest digest;
    bool has_facts; /* the three below */
    int64_t last_modified;
    uint64_t size;
    int64_t mtime_ns;
} cli_entry;

/* A manifest that is read: of this tool, or of sha256sum in text or binary
 * mode or with --tag.  One a process at a time; the descriptor stays the
 * caller's. */
typedef struct cli_manifest cli_manifest;
cli_manifest *cli_manifest_read(int fd);

/* APR_EOF at the end; APR_EINTR soon after a signal to stop;
 * APR_ENOTIMPL for a manifest of a later version; a read's error. */
apr_status_t cli_manifest_next(cli_manifest *manifest, cli_entry *out);

/* --- stop.c -------------------------------------------------------------- */

/* From now on the first SIGINT, SIGTERM or SIGHUP only sets the flag, the
 * second one ends the process.  Signals that were ignored stay so. */
void cli_catch_signals(void);

/* Zero until then; the signal's number after. */
extern volatile int cli_stopped;

/* --- notify.c ------------------------------------------------------------ */

/* The service manager that started this process, by the protocol of
 * sd_notify(3); nothing is sent where there is none.  Start takes the
 * variables NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the
 * environment. */
void cli_notify_start(void);
/* Lines such as "READY=1\nSTATUS=..."; must not have a name in them. */
void cli_notify(const char *format, ...) CLI_PRINTF(1, 2);
/* WATCHDOG=1, where that is wanted and it is time for it. */
void cli_notify_alive(void);

/* --- progress.c ---------------------------------------------------------- */

/* The line of progress on standard error.  One a process at a time. */
typedef struct cli_progress cli_progress;

/* Draws nothing unless standard error is a terminal and neither --quiet nor
 * --json was given. */
cli_progress *cli_progress_start(const cli *c);
void cli_progress_draw(cli_progress *progress, const vld_scan_totals *totals);
/* Take the line away, so that something else may be written there. */
void cli_progress_clear(cli_progress *progress);

#endif /* VALIDATORS_CLI_H */
