/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators watch: scans folders and follows their changes until it is
 * stopped.  Never reads a file or an event: vld_watch_run does. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "validators/watch.h"
#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/notify.h"
#include "cli/output.h"
#include "cli/stop.h"

#define DEFAULT_INTERVAL 10
#define MOST_INTERVAL 86400

typedef struct watch_settings {
    unsigned jobs;
    unsigned interval; /* in seconds; 0: the default */
} watch_settings;

static const cli_option options[] = {
    { 'j', "jobs", "N", "read N files at once in scans; default: one a core",
      CLI_NUMBER(watch_settings, jobs, 1, CLI_MOST_JOBS, "a number") },
    { 0, "interval", "S",
      "scan what cannot be watched every S seconds; default: 10",
      CLI_NUMBER(watch_settings, interval, 1, MOST_INTERVAL, "seconds") },
    CLI_OPTIONS_END,
};

static const cli_figure figures[] = {
    CLI_COUNT("indexed", vld_watch_totals, indexed),
    CLI_COUNT("moved_only", vld_watch_totals, same_content),
    CLI_COUNT("dropped", vld_watch_totals, dropped),
    CLI_COUNT("failed", vld_watch_totals, failed),
    CLI_COUNT("rescans", vld_watch_totals, rescans),
    CLI_COUNT("pending", vld_watch_totals, pending),
    CLI_COUNT("folders", vld_watch_totals, folders),
    CLI_FIGURES_END,
};

static volatile int wants_rescan; /* set by a signal */

/* --- reports ------------------------------------------------------------- */

static void on_problem(void *baton, const char *path, const char *why)
{
    (void)baton;
    cli_report_problem(path, why);
}

static void on_alive(void *baton)
{
    (void)baton;
    cli_notify_alive();
}

static const char *const events[] = {
    [VLD_WATCH_READY] = "ready",     [VLD_WATCH_BATCH] = "batch",
    [VLD_WATCH_RESCAN] = "rescan",   [VLD_WATCH_STOPPING] = "stopping",
    [VLD_WATCH_STOPPED] = "stopped",
};

static void put_json(vld_watch_news news, const vld_watch_totals *t)
{
    json_t *object = json_object();

    json_object_set_new(object, "event", json_string(events[news]));
    cli_figures_json(figures, t, object);
    cli_put_json(object);
}

static void notify_manager(vld_watch_news news, const vld_watch_totals *t)
{
    char text[CLI_FIGURES_TEXT];

    if (news == VLD_WATCH_STOPPING) {
        cli_notify("STOPPING=1");
    }
    else if (news != VLD_WATCH_STOPPED) {
        cli_figures_text(figures, t,
                         "{folders} folders; {indexed} files indexed, "
                         "{dropped} records dropped, {pending} paths pending",
                         text);
        cli_notify("%sSTATUS=watching %s",
                   news == VLD_WATCH_READY ? "READY=1\n" : "", text);
    }
}

static void on_news(void *baton, vld_watch_news news, const vld_watch_totals *t)
{
    const cli *c = baton;

    if (c->json) {
        put_json(news, t);
    }
    else if (!c->quiet && news == VLD_WATCH_READY) {
        printf("watching %" PRIu64 " folder%s\n", t->folders,
               t->folders == 1 ? "" : "s");
    }
    fflush(stdout);
    notify_manager(news, t);
}

/* --- the run ------------------------------------------------------------- */

static void handle_hangup(int number)
{
    (void)number;
    wants_rescan = 1;
}

/* SIGHUP asks for a scan here.  Where it was ignored it stays ignored. */
static void catch_signals(void)
{
    struct sigaction now, was;

    cli_catch_signals();
    memset(&now, 0, sizeof(now));
    now.sa_handler = handle_hangup;
    now.sa_flags = SA_RESTART;
    sigemptyset(&now.sa_mask);
    if (sigaction(SIGHUP, NULL, &was) == 0 && was.sa_handler != SIG_IGN) {
        sigaction(SIGHUP, &now, NULL);
    }
}

static bool are_all_folders(const cli *c, int argc, char **argv)
{
    bool all = true;
    int i;

    for (i = 0; i < argc; i++) {
        struct stat st;
        const char *why = NULL;

        if (stat(argv[i], &st) != 0) {
            why = strerror(errno);
        }
        else if (!S_ISDIR(st.st_mode)) {
            why = "not a folder; watch the one that it is in";
        }
        if (why) {
            cli_error("%s: %s; nothing is watched", cli_shown(c->pool, argv[i]),
                      why);
            all = false;
        }
    }
    return all;
}

typedef struct following {
    cli *c;
    vld_watch *watch;
} following;

static apr_status_t follow_index(void *baton)
{
    following *f = baton;
    apr_status_t rv = vld_watch_run(f->watch, f->c->store);

    if (rv == VLD_E_REPLACED && !f->c->quiet) {
        cli_error("%s: the index has been replaced or removed; the one that "
                  "is there now is brought up to date",
                  cli_shown(f->c->pool, f->c->index));
    }
    return rv;
}

static cli_exit follow_folders(cli *c, vld_watch *watch)
{
    following f = { c, watch };
    apr_status_t rv = cli_retry_replaced(c, CLI_RETRY_ALWAYS, follow_index, &f);

    if (rv == APR_SUCCESS) {
        return CLI_DONE;
    }
    cli_index_error(c, rv);
    return CLI_ENDED;
}

static cli_exit report_not_open(apr_status_t rv)
{
    char why[256];

    if (rv == APR_FROM_OS_ERROR(EMFILE)) {
        cli_error("inotify: too many instances or open files of this user; "
                  "raise fs.inotify.max_user_instances by sysctl, or "
                  "`ulimit -n`");
    }
    else if (APR_STATUS_IS_ENOENT(rv)) {
        cli_error("watch: /proc is not mounted; mount it, or run `htvalidators "
                  "scan` from cron");
    }
    else {
        cli_error("inotify: %s", vld_strerror(rv, why, sizeof(why)));
    }
    return CLI_ERROR;
}

static cli_exit run_watch(cli *c, int argc, char **argv)
{
    const watch_settings *settings = c->settings;
    unsigned interval = settings->interval ? settings->interval
                                           : DEFAULT_INTERVAL;
    vld_watch_options how = {
        .jobs = settings->jobs,
        .interval_ns = (int64_t)interval * 1000000000,
        .stop = &cli_stopped,
        .rescan = &wants_rescan,
        .problem = on_problem,
        .news = on_news,
        .alive = on_alive,
        .baton = c,
    };
    vld_watch *watch;
    apr_status_t rv;
    cli_exit status;
    int i;

    cli_notify_start();
    if (!are_all_folders(c, argc, argv) || !cli_open_index(c)) {
        return CLI_ERROR;
    }
    for (i = 0; i < argc; i++) {
        cli_warn_of_index_below(c, argv[i]);
    }
    catch_signals();
    rv = vld_watch_open(&watch, (const char *const *)argv, (size_t)argc, &how,
                        c->pool);
    if (rv != APR_SUCCESS) {
        return report_not_open(rv);
    }
    status = follow_folders(c, watch);
    vld_watch_close(watch);
    return status;
}

const cli_command cli_watch = {
    "watch",
    "PATH...",
    "index the files below PATH and follow their changes",
    CLI_NEEDS_CREATE,
    1,
    -1,
    options,
    sizeof(watch_settings),
    run_watch,
};
