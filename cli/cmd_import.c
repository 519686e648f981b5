/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators import: records from a manifest.  No digest is recorded for a
 * file that has not been looked at, nor one that the file contradicts. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/import.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/stop.h"

#define BATCH_RECORDS 4096
#define RESULT_AGE_NS INT64_C(1000000000)

typedef struct import_settings {
    unsigned jobs;
    const char *root; /* NULL: the working folder */
    bool trusts;
} import_settings;

static const cli_option options[] = {
    { 'j', "jobs", "N", "read N files at once; default: one a core",
      CLI_NUMBER(import_settings, jobs, 1, CLI_MOST_JOBS, "a number") },
    { 0, "root", "DIR", "names are relative to DIR; default: here",
      CLI_TEXT(import_settings, root) },
    { 0, "trust", NULL, "do not read files that cannot be compared",
      CLI_FLAG(import_settings, trusts) },
    CLI_OPTIONS_END,
};

static const cli_figure figures[] = {
    CLI_COUNT("entries", import_totals, entries),
    CLI_COUNT("trusted", import_totals, trusted),
    CLI_COUNT("hashed", import_totals, hashed),
    CLI_COUNT("unchanged", import_totals, unchanged),
    CLI_COUNT("different", import_totals, different),
    CLI_COUNT("missing", import_totals, missing),
    CLI_COUNT("skipped", import_totals, skipped),
    CLI_COUNT("unsettled", import_totals, unsettled),
    CLI_COUNT("failed", import_totals, failed),
    CLI_COUNT("malformed", import_totals, malformed),
    CLI_OCTETS("bytes", import_totals, bytes),
    CLI_FIGURES_END,
};

static const char summary[] =
    "{entries} entries: {trusted} trusted, {hashed} hashed ({bytes} read), "
    "{unchanged} unchanged; {different} different, {missing} missing, "
    "{skipped} skipped, {unsettled} unsettled, {failed} failed, "
    "{malformed} malformed; ";

/* --- the end ------------------------------------------------------------- */

static cli_exit judge_totals(const importing *im)
{
    const import_totals *t = &im->totals;

    if (t->entries == 0 && t->malformed == 0) {
        cli_error("%s: it has no entry", im->file_shown);
        return CLI_FOUND;
    }
    return t->different + t->missing + t->skipped + t->unsettled + t->failed
                       + t->malformed
                   > 0
               ? CLI_FOUND
               : CLI_DONE;
}

static cli_exit report_file_error(const importing *im, apr_status_t rv)
{
    char why[256];

    if (rv == APR_ENOTIMPL) {
        cli_error("%s: a manifest of a later version; import it with a later "
                  "htvalidators",
                  im->file_shown);
    }
    else {
        cli_error("%s: %s; what came before is recorded", im->file_shown,
                  vld_strerror(rv, why, sizeof(why)));
    }
    return CLI_ERROR;
}

static cli_exit finish(const importing *im, apr_status_t rv)
{
    bool complete = rv == APR_SUCCESS && im->file_rv == APR_SUCCESS;

    cli_progress_clear(im->progress);
    cli_put_summary(im->c, figures, &im->totals, summary, im->started,
                    complete);
    if (im->write_rv != APR_SUCCESS) {
        return cli_index_error(im->c, im->write_rv);
    }
    if (APR_STATUS_IS_EINTR(rv)) {
        cli_error("stopped; what was recorded is kept, import again for the "
                  "rest");
        return CLI_ERROR;
    }
    if (rv != APR_SUCCESS) {
        return cli_index_error(im->c, rv);
    }
    return im->file_rv != APR_SUCCESS ? report_file_error(im, im->file_rv)
                                      : judge_totals(im);
}

/* --- the run ------------------------------------------------------------- */

static void draw_progress(void *baton)
{
    importing *im = baton;
    cli_work_done *w = &im->work;
    const cli_work_done work = {
        .files = __atomic_load_n(&w->files, __ATOMIC_RELAXED),
        .hashed = __atomic_load_n(&w->hashed, __ATOMIC_RELAXED),
        .bytes = __atomic_load_n(&w->bytes, __ATOMIC_RELAXED),
        .done = __atomic_load_n(&w->done, __ATOMIC_RELAXED),
        .total = w->total,
    };

    cli_progress_draw(im->progress, &work);
}

static void free_item(vld_item *item)
{
    free(item);
}

static cli_exit import_all(importing *im)
{
    const import_settings *settings = im->c->settings;
    const vld_pool_work work = {
        .jobs = settings->jobs,
        .batch = BATCH_RECORDS,
        .age_ns = RESULT_AGE_NS,
        .stop = &cli_stopped,
        .baton = im,
        .source = cli_import_give,
        .read = cli_import_read,
        .give_up = cli_import_give_up,
        .sink = cli_import_take,
        .tick = draw_progress,
        .free = free_item,
    };

    im->started = apr_time_now();
    im->progress = cli_progress_start(im->c);
    return finish(im, vld_pool_run(&work));
}

/* --- command ------------------------------------------------------------- */

static int open_manifest(const cli *c, const char *file)
{
    int fd = strcmp(file, "-") == 0 ? STDIN_FILENO
                                    : open(file, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(fd);
        errno = EISDIR;
        fd = -1;
    }
    if (fd < 0) {
        cli_error("%s: %s; nothing was imported", cli_shown(c->pool, file),
                  strerror(errno));
    }
    return fd;
}

static const char *open_root(const cli *c)
{
    const import_settings *settings = c->settings;
    const char *given = settings->root ? settings->root : ".";
    char *real = realpath(given, NULL);
    const char *root = real ? apr_pstrdup(c->pool, real) : NULL;
    struct stat st;

    free(real);
    if (root && stat(root, &st) == 0 && !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        root = NULL;
    }
    if (!root) {
        cli_error("import: --root %s: %s; nothing was imported",
                  cli_shown(c->pool, given), strerror(errno));
    }
    return root;
}

/* The octets that are left to read; 0: that is not known, as of a pipe. */
static uint64_t octets_of(int fd)
{
    off_t at = lseek(fd, 0, SEEK_CUR);
    struct stat st;

    return at >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
                   && st.st_size > at
               ? (uint64_t)(st.st_size - at)
               : 0;
}

static cli_exit run(cli *c, int argc, char **argv)
{
    const import_settings *settings = c->settings;
    importing im = { .c = c,
                     .trusts = settings->trusts,
                     .store_mutex = PTHREAD_MUTEX_INITIALIZER };

    (void)argc;
    im.file_shown = cli_shown(c->pool, argv[0]);
    im.root = open_root(c);
    im.fd = im.root ? open_manifest(c, argv[0]) : -1;
    if (im.fd < 0 || !cli_open_index(c)) {
        return CLI_ERROR;
    }
    im.work.total = octets_of(im.fd);
    cli_catch_signals();
    return import_all(&im);
}

const cli_command cli_import = {
    "import",
    "FILE",
    "record what a manifest says, where the files agree",
    CLI_NEEDS_CREATE,
    1,
    1,
    options,
    sizeof(import_settings),
    run,
};
