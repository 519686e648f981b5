/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators verify: reads every file again and compares its content with
 * the record.  Changes nothing. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "validators/scan.h"
#include "cli/cli.h"
#include "cli/figures.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stop.h"

/* Findings are written soon, but the readers do not wait for the writer. */
#define FINDINGS 256
#define FINDING_AGE_NS INT64_C(100000000)

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
    FINDING_UNREAD,  /* was promised and not read yet: no digest */
    FINDING_NONE     /* stopped before, or there is no record any more */
} finding;

static const char *const words[] = { "good",    "corrupt", "stale", "missing",
                                     "damaged", "failed",  "unread" };

typedef struct verify_totals {
    uint64_t checked;
    uint64_t found[FINDING_NONE];
    uint64_t bytes;
} verify_totals;

#define COUNT_OF(name, finding)                                                \
    CLI_COUNT(name, verify_totals, found[FINDING_##finding])
static const cli_figure figures[] = {
    CLI_COUNT("checked", verify_totals, checked),
    COUNT_OF("good", GOOD),
    COUNT_OF("corrupt", CORRUPT),
    COUNT_OF("stale", STALE),
    COUNT_OF("missing", MISSING),
    COUNT_OF("damaged", DAMAGED),
    COUNT_OF("failed", FAILED),
    COUNT_OF("unread", UNREAD),
    CLI_OCTETS("bytes", verify_totals, bytes),
    CLI_FIGURES_END,
};

static const char summary[] =
    "{checked} records: {good} good, {corrupt} corrupt, {stale} stale, "
    "{missing} missing, {damaged} damaged, {failed} failed, "
    "{unread} not read before; {bytes} read, ";

/* One record; then what was found. */
typedef struct task {
    vld_item item;
    bool has_record;
    vld_record record;
    finding found;
    apr_status_t rv; /* with FINDING_FAILED: why */
    uint64_t bytes;  /* of the file, where it was read */
    size_t len;
    char path[];
} task;

typedef struct verifying {
    cli *c;
    const char *prefix;
    cli_progress *progress;
    apr_time_t started;
    verify_totals totals;
    uint64_t records; /* atomic: that there are; 0: not known */
    uint64_t octets;  /* atomic: read so far */
} verifying;

/* --- a file: on the threads that read ------------------------------------ */

static finding finding_of(apr_status_t rv)
{
    if (APR_STATUS_IS_ENOENT(rv) || APR_STATUS_IS_ENOTDIR(rv)) {
        return FINDING_MISSING;
    }
    if (APR_STATUS_IS_EINTR(rv)) {
        return FINDING_NONE;
    }
    return rv == APR_FROM_OS_ERROR(ELOOP) ? FINDING_STALE : FINDING_FAILED;
}

/* Whether the file has the identity of the record; else t->found. */
static bool has_identity(task *t)
{
    struct stat st;
    vld_identity now;

    if (lstat(t->path, &st) != 0) {
        t->rv = APR_FROM_OS_ERROR(errno);
        t->found = finding_of(t->rv);
        return false;
    }
    vld_identity_of(&st, &now);
    t->found = FINDING_STALE;
    return S_ISREG(st.st_mode)
           && vld_identity_equal(&now, &t->record.identity, VLD_COMPARE_STRICT);
}

static void compare_content(task *t, const vld_record *now)
{
    t->bytes = now->identity.size;
    if (!vld_identity_equal(&now->identity, &t->record.identity,
                            VLD_COMPARE_STRICT)) {
        t->found = FINDING_STALE;
        return;
    }
    t->found = memcmp(&now->digest, &t->record.digest, sizeof(now->digest)) == 0
                   ? FINDING_GOOD
                   : FINDING_CORRUPT;
}

/* A file that is stale is not read: there is nothing to compare it with. */
static void look_at_file(verifying *v, vld_pool *pool, task *t)
{
    vld_record now;
    vld_attempt a = { .progress = &v->octets, .record = &now };

    if (!t->has_record) {
        t->found = FINDING_DAMAGED;
        return;
    }
    if (!has_identity(t)) {
        return;
    }
    if (t->record.is_unread) {
        t->found = FINDING_UNREAD;
        return;
    }
    switch (vld_pool_try(pool, t->path, &a)) {
    case VLD_READ: compare_content(t, &now); break;
    case VLD_READ_FAILED:
        t->rv = a.rv;
        t->found = finding_of(a.rv);
        break;
    /* Changed this moment, or no file any more. */
    default: t->found = FINDING_STALE; break;
    }
}

/* Other writers go on: before anything is said against a file, its record is
 * looked up again. */
static vld_item_next check_task(void *baton, vld_pool *pool, vld_item *item)
{
    verifying *v = baton;
    task *t = (task *)item;
    vld_record now;
    apr_status_t rv;

    look_at_file(v, pool, t);
    if (t->found == FINDING_GOOD) {
        return VLD_ITEM_DONE;
    }
    if (t->found == FINDING_NONE) {
        return VLD_ITEM_DROP;
    }
    do {
        rv = vld_store_get(v->c->store, t->path, t->len, &now);
    } while (rv == VLD_E_UNKNOWN);
    if (APR_STATUS_IS_NOTFOUND(rv)) {
        return VLD_ITEM_DROP;
    }
    if (rv == APR_SUCCESS
        && !(t->has_record && now.indexed_ns == t->record.indexed_ns)) {
        t->has_record = true;
        t->record = now;
        look_at_file(v, pool, t);
    }
    return t->found == FINDING_NONE ? VLD_ITEM_DROP : VLD_ITEM_DONE;
}

/* --- the records: on a thread of their own ------------------------------- */

typedef struct giving {
    verifying *v;
    vld_pool *pool;
    uint64_t records;
} giving;

static apr_status_t count_record(void *baton, const char *path, size_t len,
                                 const vld_record *record)
{
    giving *g = baton;

    (void)path;
    (void)len;
    (void)record;
    g->records++;
    return vld_pool_is_ending(g->pool) ? APR_EINTR : APR_SUCCESS;
}

/* So that the progress knows its end. */
static apr_status_t count_records(giving *g)
{
    verifying *v = g->v;
    vld_store_info info = { 0 };
    apr_status_t rv;

    if (strcmp(v->prefix, "/") == 0) {
        rv = vld_store_stat(v->c->store, &info);
        g->records = info.files;
    }
    else {
        rv = vld_store_each(v->c->store, v->prefix, count_record, g);
    }
    __atomic_store_n(&v->records, g->records, __ATOMIC_RELAXED);
    return rv;
}

static apr_status_t give_record(void *baton, const char *path, size_t len,
                                const vld_record *record)
{
    giving *g = baton;
    task *t = calloc(1, sizeof(*t) + len + 1);

    if (!t) {
        return APR_ENOMEM;
    }
    t->has_record = record != NULL;
    if (record) {
        t->record = *record;
    }
    t->len = len;
    memcpy(t->path, path, len + 1);
    return vld_pool_put(g->pool, &t->item) ? APR_SUCCESS : APR_EINTR;
}

static apr_status_t give_records(void *baton, vld_pool *pool)
{
    giving g = { baton, pool, 0 };
    apr_status_t rv = APR_SUCCESS;

    if (cli_progress_is_shown(g.v->progress)) {
        rv = count_records(&g);
    }
    return rv == APR_SUCCESS
               ? vld_store_each(g.v->c->store, g.v->prefix, give_record, &g)
               : rv;
}

static void free_task(vld_item *item)
{
    free(item);
}

/* --- the findings: on the main thread ------------------------------------ */

static void put_json_finding(const task *t)
{
    json_t *object = json_object();
    char why[256];

    json_object_set_new(object, "finding", json_string(words[t->found]));
    cli_json_path(object, t->path, t->len);
    if (t->found == FINDING_FAILED) {
        vld_strerror(t->rv, why, sizeof(why));
        json_object_set_new(object, "reason", json_string(why));
    }
    cli_put_json(object);
}

static void put_finding(verifying *v, const task *t)
{
    char why[256];

    cli_progress_clear(v->progress);
    if (v->c->json) {
        put_json_finding(t);
        return;
    }
    printf("%-7s  ", words[t->found]);
    cli_put_path(stdout, t->path, t->len);
    if (t->found == FINDING_FAILED) {
        printf(": %s", vld_strerror(t->rv, why, sizeof(why)));
    }
    putchar('\n');
}

static apr_status_t take_findings(void *baton, const vld_item_list *results)
{
    verifying *v = baton;
    vld_item *item;

    for (item = results->first; item; item = item->next) {
        const task *t = (const task *)item;

        v->totals.found[t->found]++;
        v->totals.checked++;
        v->totals.bytes += t->bytes;
        if (t->found != FINDING_GOOD) {
            put_finding(v, t);
        }
    }
    return ferror(stdout) ? APR_EOF : APR_SUCCESS;
}

static void draw_progress(void *baton)
{
    const verifying *v = baton;
    const verify_totals *t = &v->totals;
    const cli_work_done work = {
        .files = t->checked,
        .hashed = t->found[FINDING_GOOD] + t->found[FINDING_CORRUPT],
        .bytes = __atomic_load_n(&v->octets, __ATOMIC_RELAXED),
        .done = t->checked,
        .total = __atomic_load_n(&v->records, __ATOMIC_RELAXED),
    };

    cli_progress_draw(v->progress, &work);
}

/* --- the end ------------------------------------------------------------- */

static cli_exit judge_findings(const verifying *v)
{
    const verify_settings *settings = v->c->settings;
    const uint64_t *found = v->totals.found;
    uint64_t bad = found[FINDING_CORRUPT] + found[FINDING_DAMAGED]
                   + found[FINDING_FAILED];

    if (settings->is_strict) {
        bad += found[FINDING_STALE] + found[FINDING_MISSING];
    }
    return bad > 0 ? CLI_FOUND : CLI_DONE;
}

static cli_exit finish(const verifying *v, apr_status_t rv)
{
    cli_progress_clear(v->progress);
    cli_put_summary(v->c, figures, &v->totals, summary, v->started,
                    rv == APR_SUCCESS && !cli_stopped);
    if (ferror(stdout)) {
        return CLI_ERROR; /* cli_flush() reports it */
    }
    if (cli_stopped) {
        cli_error("stopped; not all files were verified");
        return CLI_ERROR;
    }
    return rv == APR_SUCCESS ? judge_findings(v) : cli_index_error(v->c, rv);
}

static cli_exit verify(verifying *v)
{
    const verify_settings *settings = v->c->settings;
    const vld_pool_work work = {
        .jobs = settings->jobs,
        .batch = FINDINGS,
        .age_ns = FINDING_AGE_NS,
        .stop = &cli_stopped,
        .baton = v,
        .source = give_records,
        .read = check_task,
        .sink = take_findings,
        .tick = draw_progress,
        .free = free_task,
    };

    v->started = apr_time_now();
    v->progress = cli_progress_start(v->c);
    return finish(v, vld_pool_run(&work));
}

static cli_exit run(cli *c, int argc, char **argv)
{
    verifying v = { .c = c, .prefix = "/" };
    cli_exit status = CLI_DONE;

    if (!cli_open_index(c)) {
        return CLI_ERROR;
    }
    if (argc > 0) {
        status = cli_choose_prefix(c, argv[0], &v.prefix);
    }
    if (status != CLI_DONE) {
        return status;
    }
    cli_catch_signals();
    return verify(&v);
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
