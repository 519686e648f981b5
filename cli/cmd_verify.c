/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators verify: reads every file again and compares its content with
 * the record.  Changes nothing. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "validators/scan.h"
#include "cli/cli.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stop.h"

#define WAITING_MOST 256 /* files that wait for a thread */

typedef struct verify_settings {
    unsigned jobs;
    bool is_strict;
} verify_settings;

static const cli_option options[] = {
    { 'j', "jobs", "N", "read N files at once; default: one a core",
      CLI_NUMBER(verify_settings, jobs, 1, CLI_MOST_JOBS, "a number") },
    { 0, "strict", NULL, "stale and missing files are failures, too",
      CLI_FLAG(verify_settings, is_strict) },
    CLI_OPTIONS_END,
};

typedef enum finding {
    FINDING_GOOD,
    FINDING_CORRUPT, /* another content under the same identity */
    FINDING_STALE,   /* another identity: changed since it was indexed */
    FINDING_MISSING,
    FINDING_DAMAGED, /* the record itself */
    FINDING_FAILED,  /* cannot be read */
    FINDING_NONE     /* stopped before, or there is no record any more */
} finding;

static const char *const words[] = { "good",    "corrupt", "stale", "missing",
                                     "damaged", "failed",  NULL };

typedef struct task {
    struct task *next;
    bool has_record;
    vld_record record;
    size_t len;
    char path[];
} task;

typedef struct verifying {
    cli *c;
    cli_progress *progress;
    apr_time_t started;
    pthread_mutex_t mutex; /* over all that follows, and the output */
    pthread_cond_t work;
    pthread_cond_t room;
    task *first;
    task **end;
    size_t waiting;
    bool all_given;
    uint64_t found[FINDING_NONE];
    uint64_t checked;
    uint64_t hashed;
    uint64_t bytes;
} verifying;

/* --- one file ------------------------------------------------------------ */

static finding finding_of(apr_status_t rv)
{
    if (APR_STATUS_IS_ENOENT(rv) || APR_STATUS_IS_ENOTDIR(rv)) {
        return FINDING_MISSING;
    }
    if (APR_STATUS_IS_EINTR(rv)) {
        return FINDING_NONE;
    }
    /* Changed this moment, or no file any more. */
    return APR_STATUS_IS_EBUSY(rv) || APR_STATUS_IS_EINVAL(rv)
                   || rv == APR_FROM_OS_ERROR(ELOOP)
               ? FINDING_STALE
               : FINDING_FAILED;
}

/* A file that is stale is not read: there is nothing to compare it with. */
static finding look(const task *t, bool *is_same, apr_status_t *rv)
{
    struct stat st;
    vld_identity now;

    *rv = APR_SUCCESS;
    *is_same = false;
    if (lstat(t->path, &st) != 0) {
        *rv = APR_FROM_OS_ERROR(errno);
        return finding_of(*rv);
    }
    vld_identity_of(&st, &now);
    *is_same = S_ISREG(st.st_mode)
               && vld_identity_equal(&now, &t->record.identity,
                                     VLD_COMPARE_STRICT);
    return *is_same ? FINDING_GOOD : FINDING_STALE;
}

static finding compare(const task *t, uint64_t *bytes, apr_status_t *rv)
{
    const int *stop = (const int *)(uintptr_t)&cli_stopped;
    vld_record now;
    int64_t again_ns;
    bool is_same;
    finding found;

    if (!t->has_record) {
        return FINDING_DAMAGED;
    }
    found = look(t, &is_same, rv);
    if (!is_same) {
        return found;
    }
    *rv = vld_file_read(t->path, stop, &now, &again_ns);
    if (*rv != APR_SUCCESS) {
        return finding_of(*rv);
    }
    *bytes = now.identity.size;
    if (!vld_identity_equal(&now.identity, &t->record.identity,
                            VLD_COMPARE_STRICT)) {
        return FINDING_STALE;
    }
    return memcmp(&now.digest, &t->record.digest, sizeof(now.digest)) == 0
               ? FINDING_GOOD
               : FINDING_CORRUPT;
}

/* Other writers go on: before anything is said against a file, the record is
 * looked at again. */
static finding check(vld_store *store, task *t, uint64_t *bytes,
                     apr_status_t *rv)
{
    finding found = compare(t, bytes, rv);
    vld_record now;
    apr_status_t got;

    if (found == FINDING_GOOD || found == FINDING_NONE) {
        return found;
    }
    got = vld_store_get(store, t->path, t->len, &now);
    if (APR_STATUS_IS_NOTFOUND(got)) {
        return FINDING_NONE;
    }
    if (got != APR_SUCCESS
        || (t->has_record && now.indexed_ns == t->record.indexed_ns)) {
        return found;
    }
    t->has_record = true;
    t->record = now;
    return compare(t, bytes, rv);
}

/* --- output; under the mutex --------------------------------------------- */

static void put_json_finding(const task *t, finding found, apr_status_t rv)
{
    json_t *object = json_object();
    char why[256];

    json_object_set_new(object, "finding", json_string(words[found]));
    cli_json_path(object, t->path, t->len);
    if (found == FINDING_FAILED) {
        vld_strerror(rv, why, sizeof(why));
        json_object_set_new(object, "reason", json_string(why));
    }
    cli_put_json(object);
}

static void put_finding(verifying *v, const task *t, finding found,
                        apr_status_t rv)
{
    char why[256];

    cli_progress_clear(v->progress);
    if (v->c->json) {
        put_json_finding(t, found, rv);
        return;
    }
    printf("%-7s  ", words[found]);
    cli_put_path(stdout, t->path, t->len);
    if (found == FINDING_FAILED) {
        printf(": %s", vld_strerror(rv, why, sizeof(why)));
    }
    putchar('\n');
}

static void draw(verifying *v)
{
    vld_scan_totals so_far;

    memset(&so_far, 0, sizeof(so_far));
    so_far.seen = v->checked;
    so_far.hashed = v->hashed;
    so_far.bytes = v->bytes;
    cli_progress_draw(v->progress, &so_far);
}

static void note(verifying *v, const task *t, finding found, uint64_t bytes,
                 apr_status_t rv)
{
    if (found == FINDING_NONE) {
        return;
    }
    v->found[found]++;
    v->checked++;
    v->bytes += bytes;
    v->hashed += found == FINDING_GOOD || found == FINDING_CORRUPT;
    if (found != FINDING_GOOD) {
        put_finding(v, t, found, rv);
    }
    draw(v);
}

/* --- threads ------------------------------------------------------------- */

static task *take(verifying *v)
{
    task *t;

    while (v->first == NULL && !v->all_given) {
        pthread_cond_wait(&v->work, &v->mutex);
    }
    t = v->first;
    if (t != NULL) {
        v->first = t->next;
        v->end = v->first ? v->end : &v->first;
        v->waiting--;
        pthread_cond_signal(&v->room);
    }
    return t;
}

/* For other threads than the one that takes signals. */
static bool is_stopped(void)
{
    return __atomic_load_n(&cli_stopped, __ATOMIC_RELAXED) != 0;
}

static void *run_thread(void *data)
{
    verifying *v = data;
    task *t;

    pthread_mutex_lock(&v->mutex);
    while ((t = take(v)) != NULL) {
        uint64_t bytes = 0;
        apr_status_t rv = APR_SUCCESS;
        finding found;

        pthread_mutex_unlock(&v->mutex);
        found = is_stopped() ? FINDING_NONE
                             : check(v->c->store, t, &bytes, &rv);
        pthread_mutex_lock(&v->mutex);
        note(v, t, found, bytes, rv);
        free(t);
    }
    pthread_mutex_unlock(&v->mutex);
    return NULL;
}

static apr_status_t give(void *baton, const char *path, size_t len,
                         const vld_record *record)
{
    verifying *v = baton;
    task *t = malloc(sizeof(*t) + len + 1);

    if (t == NULL) {
        return APR_ENOMEM;
    }
    t->next = NULL;
    t->has_record = record != NULL;
    if (record != NULL) {
        t->record = *record;
    }
    t->len = len;
    memcpy(t->path, path, len + 1);
    pthread_mutex_lock(&v->mutex);
    while (v->waiting >= WAITING_MOST) {
        pthread_cond_wait(&v->room, &v->mutex);
    }
    *v->end = t;
    v->end = &t->next;
    v->waiting++;
    pthread_cond_signal(&v->work);
    pthread_mutex_unlock(&v->mutex);
    if (cli_stopped) {
        return APR_EINTR;
    }
    return ferror(stdout) ? APR_EOF : APR_SUCCESS;
}

/* Signals are for the main thread. */
static unsigned start_threads(verifying *v, pthread_t *threads, unsigned n)
{
    sigset_t all, before;
    unsigned started = 0;

    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGSEGV);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    while (started < n
           && pthread_create(&threads[started], NULL, run_thread, v) == 0) {
        started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

static unsigned job_count(const verify_settings *settings)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (settings->jobs > 0) {
        return settings->jobs;
    }
    return cores < 1               ? 1
           : cores > CLI_MOST_JOBS ? CLI_MOST_JOBS
                                   : (unsigned)cores;
}

static apr_status_t verify(verifying *v, const char *prefix)
{
    pthread_t threads[CLI_MOST_JOBS];
    unsigned started = start_threads(v, threads, job_count(v->c->settings));
    apr_status_t rv = APR_EAGAIN;

    if (started > 0) {
        rv = vld_store_each(v->c->store, prefix, give, v);
    }
    pthread_mutex_lock(&v->mutex);
    v->all_given = true;
    pthread_cond_broadcast(&v->work);
    pthread_mutex_unlock(&v->mutex);
    while (started > 0) {
        pthread_join(threads[--started], NULL);
    }
    return rv;
}

/* --- the end ------------------------------------------------------------- */

static void put_json(const verifying *v, double seconds, bool complete)
{
    json_t *object = json_object();
    int i;

    cli_json_number(object, "checked", v->checked);
    for (i = 0; words[i] != NULL; i++) {
        cli_json_number(object, words[i], v->found[i]);
    }
    cli_json_number(object, "bytes", v->bytes);
    json_object_set_new(object, "seconds", json_real(seconds));
    json_object_set_new(object, "complete", json_boolean(complete));
    cli_put_json(object);
}

static void put_text(const verifying *v, double seconds)
{
    char size[CLI_SIZE];
    int i;

    printf("%" PRIu64 " records:", v->checked);
    for (i = 0; words[i] != NULL; i++) {
        printf("%s %" PRIu64 " %s", i > 0 ? "," : "", v->found[i], words[i]);
    }
    printf("; %s read, %.2f s\n", cli_size(v->bytes, size), seconds);
}

static void put_summary(const verifying *v, bool complete)
{
    double seconds = (double)(apr_time_now() - v->started) / APR_USEC_PER_SEC;

    cli_progress_clear(v->progress);
    if (v->c->json) {
        put_json(v, seconds, complete);
    }
    else if (!v->c->quiet) {
        put_text(v, seconds);
    }
}

static cli_exit judge(const verifying *v)
{
    const verify_settings *settings = v->c->settings;
    uint64_t bad = v->found[FINDING_CORRUPT] + v->found[FINDING_DAMAGED]
                   + v->found[FINDING_FAILED];

    if (settings->is_strict) {
        bad += v->found[FINDING_STALE] + v->found[FINDING_MISSING];
    }
    return bad > 0 ? CLI_FOUND : CLI_DONE;
}

static cli_exit finish(verifying *v, apr_status_t rv)
{
    put_summary(v, rv == APR_SUCCESS && !cli_stopped);
    if (ferror(stdout)) {
        return CLI_ERROR; /* cli_flush() tells why */
    }
    if (cli_stopped) {
        cli_error("stopped; not all files were verified");
        return CLI_ERROR;
    }
    return rv == APR_SUCCESS ? judge(v) : cli_index_error(v->c, rv);
}

static cli_exit run(cli *c, int argc, char **argv)
{
    static verifying v = { .mutex = PTHREAD_MUTEX_INITIALIZER,
                           .work = PTHREAD_COND_INITIALIZER,
                           .room = PTHREAD_COND_INITIALIZER };
    const char *prefix = "/";
    cli_exit status = CLI_DONE;

    if (!cli_open_index(c)) {
        return CLI_ERROR;
    }
    if (argc > 0) {
        status = cli_choose_prefix(c, argv[0], &prefix);
    }
    if (status != CLI_DONE) {
        return status;
    }
    cli_catch_signals();
    v.c = c;
    v.end = &v.first;
    v.started = apr_time_now();
    v.progress = cli_progress_start(c);
    return finish(&v, verify(&v, prefix));
}

const cli_command cli_verify = {
    "verify",
    "[PREFIX]",
    "read files again and compare them with the index",
    CLI_NEEDS_READ,
    0,
    1,
    options,
    sizeof(verify_settings),
    run,
};
