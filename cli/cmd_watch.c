/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators watch: scans folders and follows their changes until it is
 * stopped.  The work is vld_watch's. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "validators/watch.h"
#include "cli/cli.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/notify.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/stop.h"

#define MOST_JOBS 256
#define KEY_INTERVAL CLI_KEY_OWN
#define INTERVAL 10
#define MOST_INTERVAL 86400

static const cli_option options[] = {
    { 'j', "jobs", "N", "read N files at once in scans; default: one a core" },
    { KEY_INTERVAL, "interval", "S",
      "scan what cannot be watched every S seconds; default: 10" },
    { 0, NULL, NULL, NULL },
};

static unsigned jobs;
static unsigned interval = INTERVAL;
static volatile int wants_rescan;

static bool set(int key, const char *value)
{
    if (key == 'j' && !cli_number(value, 1, MOST_JOBS, &jobs)) {
        cli_error("watch: -j wants a number from 1 to %d", MOST_JOBS);
        return false;
    }
    if (key == KEY_INTERVAL
        && !cli_number(value, 1, MOST_INTERVAL, &interval)) {
        cli_error("watch: --interval wants seconds from 1 to %d",
                  MOST_INTERVAL);
        return false;
    }
    return true;
}

/* --- what it tells ------------------------------------------------------- */

static void on_problem(void *baton, const char *path, const char *why)
{
    apr_pool_t *p;

    (void)baton;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return;
    }
    cli_error("%s: %s", cli_shown(p, path), why);
    apr_pool_destroy(p);
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
    cli_json_number(object, "indexed", t->indexed);
    cli_json_number(object, "same_content", t->same_content);
    cli_json_number(object, "dropped", t->dropped);
    cli_json_number(object, "failed", t->failed);
    cli_json_number(object, "rescans", t->rescans);
    cli_json_number(object, "pending", t->pending);
    cli_json_number(object, "folders", t->folders);
    cli_put_json(object);
}

static void notify(vld_watch_news news, const vld_watch_totals *t)
{
    if (news == VLD_WATCH_STOPPING) {
        cli_notify("STOPPING=1");
    }
    else if (news != VLD_WATCH_STOPPED) {
        cli_notify("%sSTATUS=watching %" PRIu64 " folders; %" PRIu64
                   " files indexed, %" PRIu64 " records dropped, %" PRIu64
                   " paths pending",
                   news == VLD_WATCH_READY ? "READY=1\n" : "", t->folders,
                   t->indexed, t->dropped, t->pending);
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
    notify(news, t);
}

/* --- the run ------------------------------------------------------------- */

static void handle_hangup(int number)
{
    (void)number;
    wants_rescan = 1;
}

/* SIGHUP is no wish to stop here.  Where it was ignored it stays so. */
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

static bool all_folders(const cli *c, int argc, char **argv)
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
        if (why != NULL) {
            cli_error("%s: %s; nothing is watched", cli_shown(c->pool, argv[i]),
                      why);
            all = false;
        }
    }
    return all;
}

/* The old store is closed before the new one is opened: see
 * vld_store_open. */
static bool open_anew(cli *c)
{
    if (!c->quiet) {
        cli_error("%s: the index has been replaced or removed; the one that "
                  "is there now is brought up to date",
                  cli_shown(c->pool, c->index));
    }
    vld_store_close(c->store);
    c->store = NULL;
    return cli_open_index(c);
}

static cli_exit follow(cli *c, vld_watch *watch)
{
    apr_status_t rv;

    while ((rv = vld_watch_run(watch, c->store)) == VLD_E_REPLACED) {
        if (!open_anew(c)) {
            return CLI_ERROR;
        }
    }
    return rv == APR_SUCCESS ? CLI_DONE : cli_index_error(c, rv);
}

static cli_exit tell_not_open(apr_status_t rv)
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

static cli_exit run(cli *c, int argc, char **argv)
{
    vld_watch_options how = {
        .jobs = jobs,
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
    if (!all_folders(c, argc, argv) || !cli_open_index(c)) {
        return CLI_ERROR;
    }
    for (i = 0; i < argc; i++) {
        cli_warn_of_index_below(c, argv[i]);
    }
    catch_signals();
    rv = vld_watch_open(&watch, (const char *const *)argv, (size_t)argc, &how,
                        c->pool);
    if (rv != APR_SUCCESS) {
        return tell_not_open(rv);
    }
    status = follow(c, watch);
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
    set,
    run,
};
