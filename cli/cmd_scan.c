/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators scan: indexes folders and reports the result.  Never reads a
 * file: vld_scan does. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "validators/scan.h"
#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/stop.h"

typedef struct scan_settings {
    unsigned jobs;
    bool adopts;
    bool prunes;
    bool forgets;
} scan_settings;

static const cli_option options[] = {
    { 'j', "jobs", "N", "read N files at once; default: one a core",
      CLI_NUMBER(scan_settings, jobs, 1, CLI_MOST_JOBS, "a number") },
    { 0, "adopt", NULL, "do not read copies of the same size and mtime",
      CLI_FLAG(scan_settings, adopts) },
    { 0, "prune", NULL, "forget files below PATH that have vanished",
      CLI_FLAG(scan_settings, prunes) },
    { 0, "forget-promises", NULL, "let promised tags become those of contents",
      CLI_FLAG(scan_settings, forgets) },
    CLI_OPTIONS_END,
};

static const cli_figure figures[] = {
    CLI_COUNT("seen", vld_scan_totals, seen),
    CLI_COUNT("unchanged", vld_scan_totals, unchanged),
    CLI_COUNT("hashed", vld_scan_totals, hashed),
    CLI_COUNT("moved_only", vld_scan_totals, same_content),
    CLI_COUNT("unsettled", vld_scan_totals, unsettled),
    CLI_COUNT("failed", vld_scan_totals, failed),
    CLI_OCTETS("bytes", vld_scan_totals, bytes),
    CLI_COUNT("adopted", vld_scan_totals, adopted),
    CLI_COUNT("not_adopted", vld_scan_totals, not_adopted),
    CLI_COUNT("pruned", vld_scan_totals, pruned),
    CLI_COUNT("kept", vld_scan_totals, kept),
    CLI_FIGURES_END,
};

/* One run over all operands. */
typedef struct scanning {
    cli *c;
    const scan_settings *settings;
    cli_progress *progress;
    vld_scan_totals done;   /* by the operands before the current one */
    const char *current;    /* operand */
    vld_scan_totals totals; /* of the current operand */
    apr_time_t started;
} scanning;

static void draw_progress(const scanning *s, const vld_scan_totals *totals)
{
    const cli_work_done work = { .files = totals->seen,
                                 .hashed = totals->hashed,
                                 .bytes = totals->bytes };

    cli_progress_draw(s->progress, &work);
}

static void on_progress(void *baton, const vld_scan_totals *so_far)
{
    scanning *s = baton;
    vld_scan_totals sum = s->done;

    cli_figures_add(figures, &sum, so_far);
    draw_progress(s, &sum);
}

static void on_problem(void *baton, const char *path, const char *why)
{
    scanning *s = baton;

    cli_progress_clear(s->progress);
    cli_report_problem(path, why);
}

/* Why the path cannot be scanned; NULL: it can.  A file is opened from the
 * folder that it is in. */
static const char *why_not_scannable(apr_pool_t *p, const char *root)
{
    const char *real = cli_real(p, root);
    struct stat st;
    int fd;

    if (!real || stat(root, &st) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        return "neither a file nor a folder";
    }
    fd = open(S_ISREG(st.st_mode) ? cli_folder_of(p, real) : real,
              O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return strerror(errno);
    }
    close(fd);
    return NULL;
}

/* Nothing is scanned unless every path can be: a misspelt path in a deployment
 * must not leave half a scan that looks like a whole one. */
static bool are_all_scannable(const cli *c, int argc, char **argv)
{
    bool there = true;
    int i;

    for (i = 0; i < argc; i++) {
        const char *why = why_not_scannable(c->pool, argv[i]);

        if (why) {
            cli_error("%s: %s; nothing was scanned",
                      cli_shown(c->pool, argv[i]), why);
            there = false;
        }
    }
    return there;
}

static void put_summary(const scanning *s, bool complete)
{
    const char *text = apr_pstrcat(
        s->c->pool,
        "{seen} files: {unchanged} unchanged, {hashed} hashed ({bytes}, "
        "{moved_only} of them with the same content as before), "
        "{unsettled} unsettled, {failed} failed",
        s->settings->adopts
            ? ", {adopted} adopted, {not_adopted} not trusted and hashed"
            : "",
        s->settings->prunes ? ", {pruned} pruned, {kept} vanished but kept"
                            : "",
        "; ", NULL);

    cli_put_summary(s->c, figures, &s->done, text, s->started, complete);
}

/* After the scan, which has read what was promised alone. */
static apr_status_t forget_promises(scanning *s)
{
    const char *real = cli_real(s->c->pool, s->current);
    uint64_t count = 0;

    return real ? vld_store_forget_promises(s->c->store, real, &count)
                : APR_SUCCESS; /* it is gone by now */
}

static apr_status_t scan_current(void *baton)
{
    scanning *s = baton;
    vld_scan_options how = {
        .jobs = s->settings->jobs,
        .stop = &cli_stopped,
        .progress = on_progress,
        .problem = on_problem,
        .baton = s,
        .adopt = s->settings->adopts,
        .prune = s->settings->prunes,
    };
    apr_status_t rv;

    memset(&s->totals, 0, sizeof(s->totals));
    rv = vld_scan(s->c->store, s->current, &how, &s->totals);
    if (rv == APR_SUCCESS && s->settings->forgets) {
        rv = forget_promises(s);
    }
    /* Only a scan that writes notices that the index was replaced. */
    return rv == APR_SUCCESS && !vld_store_is_current(s->c->store)
               ? VLD_E_REPLACED
               : rv;
}

/* Records in an index that was replaced during the scan are lost: the scan
 * begins again, and so do its figures. */
static apr_status_t scan_one(scanning *s)
{
    apr_status_t rv = cli_retry_replaced(s->c, CLI_RETRIES, scan_current, s);

    cli_figures_add(figures, &s->done, &s->totals);
    return rv;
}

/* Every operand in turn, until one fails. */
static apr_status_t scan_all(scanning *s, int argc, char **argv)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    draw_progress(s, &s->done);
    for (i = 0; i < argc && rv == APR_SUCCESS && !cli_stopped; i++) {
        s->current = argv[i];
        rv = scan_one(s);
    }
    cli_progress_clear(s->progress);
    return rv;
}

/* A path that could be scanned at the start may be gone by now. */
static cli_exit report_error(const scanning *s, apr_status_t rv)
{
    const char *why = why_not_scannable(s->c->pool, s->current);

    if (!why && rv == APR_FROM_OS_ERROR(ESTALE)) {
        why = "another folder stands there than when the scan began; nothing "
              "was pruned";
    }
    if (!why) {
        return cli_index_error(s->c, rv);
    }
    cli_error("%s: %s; scan it again when it is there",
              cli_shown(s->c->pool, s->current), why);
    return CLI_ERROR;
}

static cli_exit finish_run(const scanning *s, apr_status_t rv)
{
    bool stopped = rv == APR_EINTR || (rv == APR_SUCCESS && cli_stopped);

    put_summary(s, rv == APR_SUCCESS && !stopped);
    if (stopped) {
        cli_error("stopped; what was indexed is kept, scan again for the "
                  "rest");
        return CLI_ERROR;
    }
    if (rv != APR_SUCCESS) {
        return report_error(s, rv);
    }
    return s->done.failed + s->done.unsettled + s->done.kept > 0 ? CLI_FOUND
                                                                 : CLI_DONE;
}

static cli_exit run_scan(cli *c, int argc, char **argv)
{
    scanning s;
    int i;

    memset(&s, 0, sizeof(s));
    if (!are_all_scannable(c, argc, argv) || !cli_open_index(c)) {
        return CLI_ERROR;
    }
    for (i = 0; i < argc; i++) {
        cli_warn_of_index_below(c, argv[i]);
    }
    cli_catch_signals();
    s.c = c;
    s.settings = c->settings;
    s.started = apr_time_now();
    s.progress = cli_progress_start(c);
    return finish_run(&s, scan_all(&s, argc, argv));
}

const cli_command cli_scan = {
    "scan",
    "PATH...",
    "index the files at or below PATH",
    CLI_NEEDS_CREATE,
    1,
    -1,
    options,
    sizeof(scan_settings),
    run_scan,
};
