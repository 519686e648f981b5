/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators scan: indexes folders, and tells what came of it.  The work is
 * vld_scan's; nothing is hashed here. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include "validators/scan.h"
#include "cli/cli.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/stop.h"

#define MOST_JOBS 256
#define REPLACED_MOST 5

#define KEY_ADOPT CLI_KEY_OWN
#define KEY_PRUNE (CLI_KEY_OWN + 1)

static const cli_option options[] = {
    { 'j', "jobs", "N", "read N files at once; default: one a core" },
    { KEY_ADOPT, "adopt", NULL,
      "do not read copies of the same size and mtime" },
    { KEY_PRUNE, "prune", NULL, "forget files below PATH that have vanished" },
    { 0, NULL, NULL, NULL },
};

static unsigned jobs;
static bool adopts;
static bool prunes;

/* One run over all operands. */
typedef struct scanning {
    cli *c;
    cli_progress *progress;
    vld_scan_totals done; /* by the operands before the current one */
    const char *current;
    apr_time_t started;
} scanning;

static bool set(int key, const char *value)
{
    adopts = adopts || key == KEY_ADOPT;
    prunes = prunes || key == KEY_PRUNE;
    if (key == 'j' && !cli_number(value, 1, MOST_JOBS, &jobs)) {
        cli_error("scan: -j wants a number from 1 to %d", MOST_JOBS);
        return false;
    }
    return true;
}

static void add(vld_scan_totals *sum, const vld_scan_totals *more)
{
    sum->seen += more->seen;
    sum->unchanged += more->unchanged;
    sum->hashed += more->hashed;
    sum->same_content += more->same_content;
    sum->unsettled += more->unsettled;
    sum->failed += more->failed;
    sum->bytes += more->bytes;
    sum->adopted += more->adopted;
    sum->not_adopted += more->not_adopted;
    sum->pruned += more->pruned;
    sum->kept += more->kept;
}

static void on_progress(void *baton, const vld_scan_totals *so_far)
{
    scanning *s = baton;
    vld_scan_totals sum = s->done;

    add(&sum, so_far);
    cli_progress_draw(s->progress, &sum);
}

static void on_problem(void *baton, const char *path, const char *why)
{
    scanning *s = baton;
    apr_pool_t *p;

    cli_progress_clear(s->progress);
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return;
    }
    cli_error("%s: %s", cli_shown(p, path), why);
    apr_pool_destroy(p);
}

/* Why nothing can be scanned there; NULL: it can.  A file is opened from the
 * folder that it is in. */
static const char *why_not(apr_pool_t *p, const char *root)
{
    const char *real = cli_real(p, root);
    struct stat st;
    char *folder, *slash;
    int fd;

    if (real == NULL || stat(root, &st) != 0) {
        return strerror(errno);
    }
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        return "neither a file nor a folder";
    }
    folder = apr_pstrdup(p, real);
    slash = strrchr(folder, '/');
    if (S_ISREG(st.st_mode) && slash != NULL) {
        slash[slash == folder] = '\0';
    }
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return strerror(errno);
    }
    close(fd);
    return NULL;
}

/* A misspelt path in a deployment must not leave half a scan that looks like
 * a whole one: nothing is done unless every path can be scanned. */
static bool all_there(const cli *c, int argc, char **argv)
{
    bool there = true;
    int i;

    for (i = 0; i < argc; i++) {
        const char *why = why_not(c->pool, argv[i]);

        if (why != NULL) {
            cli_error("%s: %s; nothing was scanned",
                      cli_shown(c->pool, argv[i]), why);
            there = false;
        }
    }
    return there;
}

static void put_json(const vld_scan_totals *t, double seconds, bool complete)
{
    json_t *object = json_object();

    cli_json_number(object, "seen", t->seen);
    cli_json_number(object, "unchanged", t->unchanged);
    cli_json_number(object, "hashed", t->hashed);
    cli_json_number(object, "same_content", t->same_content);
    cli_json_number(object, "unsettled", t->unsettled);
    cli_json_number(object, "failed", t->failed);
    cli_json_number(object, "bytes", t->bytes);
    cli_json_number(object, "adopted", t->adopted);
    cli_json_number(object, "not_adopted", t->not_adopted);
    cli_json_number(object, "pruned", t->pruned);
    cli_json_number(object, "kept", t->kept);
    json_object_set_new(object, "seconds", json_real(seconds));
    json_object_set_new(object, "complete", json_boolean(complete));
    cli_put_json(object);
}

static void put_text(const vld_scan_totals *t, double seconds)
{
    char size[CLI_SIZE];

    printf("%" PRIu64 " files: %" PRIu64 " unchanged, %" PRIu64
           " hashed (%s, %" PRIu64 " of them with the same content as before), "
           "%" PRIu64 " unsettled, %" PRIu64 " failed",
           t->seen, t->unchanged, t->hashed, cli_size(t->bytes, size),
           t->same_content, t->unsettled, t->failed);
    if (adopts) {
        printf(", %" PRIu64 " adopted, %" PRIu64 " not trusted and hashed",
               t->adopted, t->not_adopted);
    }
    if (prunes) {
        printf(", %" PRIu64 " pruned, %" PRIu64 " vanished but kept", t->pruned,
               t->kept);
    }
    printf("; %.2f s\n", seconds);
}

static void put_summary(const scanning *s, bool complete)
{
    double seconds = (double)(apr_time_now() - s->started) / APR_USEC_PER_SEC;

    if (s->c->json) {
        put_json(&s->done, seconds, complete);
    }
    else if (!s->c->quiet) {
        put_text(&s->done, seconds);
    }
}

static apr_status_t scan_once(scanning *s, const char *root,
                              vld_scan_totals *totals)
{
    vld_scan_options how = {
        .jobs = jobs,
        .stop = &cli_stopped,
        .progress = on_progress,
        .problem = on_problem,
        .baton = s,
        .adopt = adopts,
        .prune = prunes,
    };
    apr_pool_t *p;
    apr_status_t rv;

    memset(totals, 0, sizeof(*totals));
    apr_pool_create(&p, s->c->pool);
    rv = vld_scan(s->c->store, root, &how, totals, p);
    apr_pool_destroy(p);
    /* A scan that had nothing to write has not asked. */
    return rv == APR_SUCCESS && !vld_store_is_current(s->c->store)
               ? VLD_E_REPLACED
               : rv;
}

/* What was written to an index that has been replaced meanwhile is lost, so
 * that the scan begins anew, and with it what it counts. */
static apr_status_t scan_one(scanning *s, const char *root)
{
    vld_scan_totals totals;
    apr_status_t rv = scan_once(s, root, &totals);
    int i;

    for (i = 0; rv == VLD_E_REPLACED && i < REPLACED_MOST && !cli_stopped;
         i++) {
        rv = cli_reopen_index(s->c);
        if (rv == APR_SUCCESS) {
            rv = scan_once(s, root, &totals);
        }
    }
    add(&s->done, &totals);
    return rv;
}

/* Every operand in turn, until one ends it. */
static apr_status_t scan_all(scanning *s, int argc, char **argv)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    cli_progress_draw(s->progress, &s->done);
    for (i = 0; i < argc && rv == APR_SUCCESS && !cli_stopped; i++) {
        s->current = argv[i];
        rv = scan_one(s, s->current);
    }
    cli_progress_clear(s->progress);
    return rv;
}

/* A path that could be scanned at the start may be gone by now. */
static cli_exit tell_error(const scanning *s, apr_status_t rv)
{
    const char *why = why_not(s->c->pool, s->current);

    if (why == NULL && rv == APR_FROM_OS_ERROR(ESTALE)) {
        why = "another folder stands there than when the scan began; nothing "
              "was pruned";
    }
    if (why == NULL) {
        return cli_index_error(s->c, rv);
    }
    cli_error("%s: %s; scan it again when it is there",
              cli_shown(s->c->pool, s->current), why);
    return CLI_ERROR;
}

static cli_exit finish(const scanning *s, apr_status_t rv)
{
    bool stopped = rv == APR_EINTR || (rv == APR_SUCCESS && cli_stopped);

    put_summary(s, rv == APR_SUCCESS && !stopped);
    if (stopped) {
        cli_error("stopped; what was indexed is kept, scan again for the "
                  "rest");
        return CLI_ERROR;
    }
    if (rv != APR_SUCCESS) {
        return tell_error(s, rv);
    }
    return s->done.failed + s->done.unsettled + s->done.kept > 0 ? CLI_FOUND
                                                                 : CLI_DONE;
}

static cli_exit run(cli *c, int argc, char **argv)
{
    scanning s;
    int i;

    memset(&s, 0, sizeof(s));
    if (!all_there(c, argc, argv) || !cli_open_index(c)) {
        return CLI_ERROR;
    }
    for (i = 0; i < argc; i++) {
        cli_warn_of_index_below(c, argv[i]);
    }
    cli_catch_signals();
    s.c = c;
    s.started = apr_time_now();
    s.progress = cli_progress_start(c);
    return finish(&s, scan_all(&s, argc, argv));
}

const cli_command cli_scan = {
    "scan",           "PATH...", "index the files at or below PATH",
    CLI_NEEDS_CREATE, 1,         -1,
    options,          set,       run,
};
