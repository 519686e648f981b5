/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators import: records from a manifest.  No digest is recorded for a
 * file that has not been looked at, nor one that the file contradicts. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <apr_strings.h>
#include <apr_tables.h>

#include "validators/scan.h"
#include "cli/cli.h"
#include "cli/index.h"
#include "cli/manifest.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/stop.h"

#define BATCH_RECORDS 4096
#define LATER_MOST 16384 /* files that wait until they are settled */
#define ROUNDS 3
#define WAIT_MOST_NS INT64_C(10000000000)
#define REPLACED_MOST 5

typedef struct import_settings {
    const char *root; /* NULL: the working folder */
    bool trusts;
} import_settings;

static const cli_option options[] = {
    { 0, "root", "DIR", "names are relative to DIR; default: here",
      CLI_TEXT(import_settings, root) },
    { 0, "trust", NULL, "do not read files that cannot be compared",
      CLI_FLAG(import_settings, trusts) },
    CLI_OPTIONS_END,
};

typedef struct counts {
    uint64_t entries;
    uint64_t trusted;   /* recorded without reading */
    uint64_t hashed;    /* recorded, read and the same */
    uint64_t unchanged; /* the record says it already */
    uint64_t different;
    uint64_t missing;
    uint64_t skipped; /* no regular files */
    uint64_t unsettled;
    uint64_t failed;
    uint64_t malformed;
    uint64_t bytes; /* read */
} counts;

/* One entry on its way into the index. */
typedef struct item {
    const char *path; /* real */
    cli_entry entry;
    vld_record record;
    bool trusted;     /* not read */
    int64_t again_ns; /* when it is to be looked at again */
} item;

typedef struct importing {
    cli *c;
    bool trusts;
    const char *root;
    const char *file;
    const char *file_shown;
    cli_progress *progress;
    apr_time_t started;
    counts n;
    apr_pool_t *ready_pool;
    apr_array_header_t *ready; /* to be written */
    apr_pool_t *later_pool;
    apr_array_header_t *later; /* to be looked at again */
    bool last_round;
    apr_pool_t *folder_pool;
    const char *folder;      /* the last one, as it was named */
    const char *folder_real; /* NULL: it has none */
    int folder_fd;
} importing;

/* --- messages ------------------------------------------------------------ */

static void report(importing *im, const item *it, const char *why)
{
    apr_pool_t *p;

    cli_progress_clear(im->progress);
    apr_pool_create(&p, im->c->pool);
    cli_error("%s: %s (line %lu of the manifest)", cli_shown(p, it->path), why,
              it->entry.line);
    apr_pool_destroy(p);
}

static void report_status(importing *im, const item *it, apr_status_t rv)
{
    char why[256];

    im->n.failed++;
    report(im, it, vld_strerror(rv, why, sizeof(why)));
}

static void report_absence(importing *im, const item *it, apr_status_t rv)
{
    if (APR_STATUS_IS_ENOENT(rv) || APR_STATUS_IS_ENOTDIR(rv)) {
        im->n.missing++;
        report(im, it, "it is not there");
        return;
    }
    report_status(im, it, rv);
}

static void report_difference(importing *im, const item *it)
{
    im->n.different++;
    report(im, it,
           "its content is not that of the manifest; it was not "
           "recorded");
}

static void skip(importing *im, const item *it, bool is_link)
{
    im->n.skipped++;
    report(im, it,
           is_link ? "it is a symbolic link, which is not followed; name the "
                     "file itself"
                   : "it is no regular file");
}

static void draw(importing *im)
{
    vld_scan_totals so_far;

    memset(&so_far, 0, sizeof(so_far));
    so_far.seen = im->n.entries;
    so_far.hashed = im->n.hashed;
    so_far.bytes = im->n.bytes;
    cli_progress_draw(im->progress, &so_far);
}

/* --- writing ------------------------------------------------------------- */

static bool is_same(const vld_digest *a, const vld_digest *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static vld_last_sent heard_of(const item *it, const vld_record *known)
{
    vld_last_sent heard = { true, it->entry.digest, 0 };

    if (it->entry.has_facts) {
        heard.date = vld_dates_declared(it->entry.last_modified, &it->record,
                                        known, vld_now_ns() / 1000000000);
    }
    return heard;
}

static void count_write(counts *n, const item *it)
{
    if (it->trusted) {
        n->trusted++;
    }
    else {
        n->hashed++;
    }
}

/* In the batch, where nobody else writes, the record is looked at again. */
static apr_status_t put(importing *im, vld_batch *batch, item *it, counts *n)
{
    size_t len = strlen(it->path);
    vld_record known;
    bool has = vld_batch_get(batch, it->path, len, &known) == APR_SUCCESS;
    bool fresh = has
                 && vld_identity_equal(&known.identity, &it->record.identity,
                                       VLD_COMPARE_STRICT);
    vld_last_sent heard = heard_of(it, has ? &known : NULL);
    bool same;
    apr_status_t rv;

    if (fresh && !is_same(&known.digest, &it->entry.digest) && it->trusted) {
        /* Somebody has read it since. */
        report_difference(im, it);
        return APR_SUCCESS;
    }
    if (fresh && is_same(&known.digest, &it->entry.digest)
        && known.last_modified >= heard.date) {
        n->unchanged++;
        return APR_SUCCESS;
    }
    rv = vld_batch_record(batch, it->path, len, &it->record, &heard, &same);
    if (APR_STATUS_IS_EINVAL(rv)) {
        n->failed++;
        report(im, it, "it has dates that no record takes");
        return APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        count_write(n, it);
    }
    return rv;
}

static apr_status_t begin(importing *im, vld_batch **batch)
{
    apr_status_t rv = vld_batch_begin(im->c->store, batch);
    int i;

    for (i = 0; rv == VLD_E_REPLACED && i < REPLACED_MOST; i++) {
        rv = cli_reopen_index(im->c);
        if (rv == APR_SUCCESS) {
            rv = vld_batch_begin(im->c->store, batch);
        }
    }
    return rv;
}

static void add_written(counts *sum, const counts *more)
{
    sum->trusted += more->trusted;
    sum->hashed += more->hashed;
    sum->unchanged += more->unchanged;
    sum->failed += more->failed;
}

static apr_status_t write_ready(importing *im)
{
    counts written;
    vld_batch *batch;
    apr_status_t rv;
    int i;

    if (im->ready->nelts == 0) {
        return APR_SUCCESS;
    }
    memset(&written, 0, sizeof(written));
    rv = begin(im, &batch);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    for (i = 0; i < im->ready->nelts; i++) {
        rv = put(im, batch, &APR_ARRAY_IDX(im->ready, i, item), &written);
        if (rv != APR_SUCCESS) {
            vld_batch_abort(batch);
            return rv;
        }
    }
    rv = vld_batch_commit(batch);
    if (rv == APR_SUCCESS) {
        add_written(&im->n, &written);
        apr_pool_clear(im->ready_pool);
        im->ready = apr_array_make(im->ready_pool, 256, sizeof(item));
    }
    return rv;
}

static apr_status_t make_ready(importing *im, const item *it)
{
    item *copy = &APR_ARRAY_PUSH(im->ready, item);

    *copy = *it;
    copy->path = apr_pstrdup(im->ready_pool, it->path);
    copy->entry.name = NULL;
    return im->ready->nelts < BATCH_RECORDS ? APR_SUCCESS : write_ready(im);
}

/* --- looking ------------------------------------------------------------- */

/* How the identity stands to what is known of the content. */
typedef enum verdict {
    VERDICT_FRESH, /* the index says the same already */
    VERDICT_TRUST,
    VERDICT_READ,
    VERDICT_DIFFERENT, /* the size says so */
    VERDICT_ERROR
} verdict;

static verdict judge_facts(const item *it, bool trusts)
{
    const cli_entry *entry = &it->entry;
    const vld_identity *id = &it->record.identity;

    if (!entry->has_facts) {
        return trusts ? VERDICT_TRUST : VERDICT_READ;
    }
    if (entry->size != id->size) {
        return VERDICT_DIFFERENT;
    }
    if (entry->mtime_ns != id->mtime_ns) {
        return VERDICT_READ;
    }
    return trusts || vld_identity_mtime_tells(id) ? VERDICT_TRUST
                                                  : VERDICT_READ;
}

/* A record of this very identity that says something else has to be settled
 * by reading. */
static verdict judge(importing *im, item *it, apr_status_t *rv)
{
    vld_record known;

    *rv = vld_store_get(im->c->store, it->path, strlen(it->path), &known);
    if (*rv == APR_SUCCESS
        && vld_identity_equal(&known.identity, &it->record.identity,
                              VLD_COMPARE_STRICT)) {
        if (!is_same(&known.digest, &it->entry.digest)) {
            return VERDICT_READ;
        }
        it->record = known;
        it->trusted = true;
        return VERDICT_FRESH;
    }
    if (*rv != APR_SUCCESS && *rv != APR_NOTFOUND && *rv != VLD_E_DAMAGED
        && !APR_STATUS_IS_EINVAL(*rv)) {
        return VERDICT_ERROR;
    }
    *rv = APR_SUCCESS;
    return judge_facts(it, im->trusts);
}

static apr_status_t put_off(importing *im, const item *it)
{
    item *copy;

    if (im->last_round || it->again_ns > vld_now_ns() + WAIT_MOST_NS) {
        im->n.unsettled++;
        report(im, it,
               im->last_round ? "it keeps changing"
                              : "its change time lies in the future");
        return APR_SUCCESS;
    }
    copy = &APR_ARRAY_PUSH(im->later, item);
    *copy = *it;
    copy->path = apr_pstrdup(im->later_pool, it->path);
    copy->entry.name = NULL;
    return APR_SUCCESS;
}

static apr_status_t compare_content(importing *im, item *it)
{
    const int *stop = (const int *)(uintptr_t)&cli_stopped;
    apr_status_t rv = vld_file_read(it->path, stop, &it->record, &it->again_ns);

    if (APR_STATUS_IS_EBUSY(rv)) {
        return put_off(im, it);
    }
    if (APR_STATUS_IS_EINTR(rv)) {
        return rv;
    }
    if (APR_STATUS_IS_EINVAL(rv) || rv == APR_FROM_OS_ERROR(ELOOP)) {
        skip(im, it, !APR_STATUS_IS_EINVAL(rv));
        return APR_SUCCESS;
    }
    if (rv != APR_SUCCESS) {
        report_absence(im, it, rv);
        return APR_SUCCESS;
    }
    im->n.bytes += it->record.identity.size;
    if (!is_same(&it->record.digest, &it->entry.digest)) {
        report_difference(im, it);
        return APR_SUCCESS;
    }
    return make_ready(im, it);
}

/* Without reading: the identity must be settled all the same. */
static apr_status_t trust(importing *im, item *it, dev_t dev)
{
    vld_record *record = &it->record;

    record->indexed_ns = vld_now_ns();
    it->again_ns = vld_identity_settles_ns(&record->identity,
                                           record->indexed_ns,
                                           vld_identity_margin_ns(im->folder_fd,
                                                                  dev));
    if (it->again_ns > record->indexed_ns) {
        return put_off(im, it);
    }
    record->digest = it->entry.digest;
    it->trusted = true;
    return make_ready(im, it);
}

static apr_status_t look_at(importing *im, item *it, const struct stat *st)
{
    apr_status_t rv;

    vld_identity_of(st, &it->record.identity);
    switch (judge(im, it, &rv)) {
    case VERDICT_FRESH: return make_ready(im, it);
    case VERDICT_TRUST: return trust(im, it, st->st_dev);
    case VERDICT_READ: return compare_content(im, it);
    case VERDICT_DIFFERENT: report_difference(im, it); return APR_SUCCESS;
    default: return rv;
    }
}

/* The folder of a path: its real path, and open; neighbours share it. */
static apr_status_t enter_folder(importing *im, const char *folder)
{
    char *real;

    if (im->folder != NULL && strcmp(im->folder, folder) == 0) {
        return APR_SUCCESS;
    }
    if (im->folder_fd >= 0) {
        close(im->folder_fd);
        im->folder_fd = -1;
    }
    apr_pool_clear(im->folder_pool);
    im->folder = NULL;
    real = realpath(folder, NULL);
    if (real == NULL) {
        return APR_FROM_OS_ERROR(errno);
    }
    im->folder_real = apr_pstrdup(im->folder_pool, real);
    free(real);
    im->folder_fd = open(im->folder_real,
                         O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (im->folder_fd < 0) {
        return APR_FROM_OS_ERROR(errno);
    }
    im->folder = apr_pstrdup(im->folder_pool, folder);
    return APR_SUCCESS;
}

/* name: the last of it.path. */
static apr_status_t look_for(importing *im, item *it, const char *name)
{
    struct stat st;

    if (fstatat(im->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        report_absence(im, it, APR_FROM_OS_ERROR(errno));
        return APR_SUCCESS;
    }
    if (!S_ISREG(st.st_mode)) {
        skip(im, it, S_ISLNK(st.st_mode));
        return APR_SUCCESS;
    }
    return look_at(im, it, &st);
}

static apr_status_t take_path(importing *im, item *it, apr_pool_t *p)
{
    char *folder = apr_pstrdup(p, it->path);
    char *slash = strrchr(folder, '/');
    const char *name = slash + 1;
    apr_status_t rv;

    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        skip(im, it, false);
        return APR_SUCCESS;
    }
    *slash = '\0';
    rv = enter_folder(im, slash == folder ? "/" : folder);
    if (rv != APR_SUCCESS) {
        report_absence(im, it, rv);
        return APR_SUCCESS;
    }
    it->path = apr_pstrcat(p, im->folder_real[1] ? im->folder_real : "", "/",
                           name, NULL);
    return look_for(im, it, name);
}

/* --- what was put off ---------------------------------------------------- */

static apr_status_t wait_until(int64_t when_ns)
{
    const int64_t slice = 50000000;
    int64_t left = when_ns - vld_now_ns();

    while (left > 0 && !cli_stopped) {
        struct timespec ts = { 0, (long)(left < slice ? left : slice) };

        nanosleep(&ts, NULL);
        left = when_ns - vld_now_ns();
    }
    return cli_stopped ? APR_EINTR : APR_SUCCESS;
}

static int64_t last_of(const apr_array_header_t *items)
{
    int64_t last = 0;
    int i;

    for (i = 0; i < items->nelts; i++) {
        int64_t again_ns = APR_ARRAY_IDX(items, i, item).again_ns;

        last = again_ns > last ? again_ns : last;
    }
    return last + 1000000;
}

static apr_status_t look_again(importing *im, apr_array_header_t *items)
{
    apr_status_t rv = wait_until(last_of(items));
    int i;

    for (i = 0; i < items->nelts && rv == APR_SUCCESS; i++) {
        apr_pool_t *p;

        apr_pool_create(&p, im->c->pool);
        rv = take_path(im, &APR_ARRAY_IDX(items, i, item), p);
        apr_pool_destroy(p);
        draw(im);
        if (cli_stopped) {
            rv = APR_EINTR;
        }
    }
    return rv;
}

/* All of them at once, for they settle at about the same time. */
static apr_status_t write_later(importing *im)
{
    apr_status_t rv = APR_SUCCESS;
    int round;

    for (round = 1; im->later->nelts > 0 && rv == APR_SUCCESS; round++) {
        apr_array_header_t *items = im->later;
        apr_pool_t *pool = im->later_pool;

        apr_pool_create(&im->later_pool, im->c->pool);
        im->later = apr_array_make(im->later_pool, 256, sizeof(item));
        im->last_round = round == ROUNDS;
        rv = look_again(im, items);
        apr_pool_destroy(pool);
    }
    im->last_round = false;
    return rv;
}

/* --- the manifest -------------------------------------------------------- */

static void report_line(importing *im, const cli_entry *entry)
{
    im->n.malformed++;
    cli_progress_clear(im->progress);
    cli_error("%s: line %lu: %s", im->file_shown, entry->line, entry->why);
}

static apr_status_t take_entry(importing *im, const cli_entry *entry)
{
    item it;
    apr_pool_t *p;
    apr_status_t rv;

    if (entry->why != NULL) {
        report_line(im, entry);
        return APR_SUCCESS;
    }
    im->n.entries++;
    memset(&it, 0, sizeof(it));
    it.entry = *entry;
    apr_pool_create(&p, im->c->pool);
    it.path = entry->name[0] == '/'
                  ? entry->name
                  : apr_pstrcat(p, im->root[1] ? im->root : "", "/",
                                entry->name, NULL);
    rv = take_path(im, &it, p);
    apr_pool_destroy(p);
    if (rv == APR_SUCCESS && im->later->nelts >= LATER_MOST) {
        rv = write_later(im);
    }
    return rv;
}

static apr_status_t take_all(importing *im, cli_manifest *manifest,
                             bool *is_read)
{
    cli_entry entry;
    apr_status_t rv;

    *is_read = false;
    while ((rv = cli_manifest_next(manifest, &entry)) == APR_SUCCESS) {
        rv = take_entry(im, &entry);
        draw(im);
        if (rv != APR_SUCCESS || cli_stopped) {
            *is_read = true;
            return rv == APR_SUCCESS ? APR_EINTR : rv;
        }
    }
    if (rv == APR_EOF) {
        *is_read = true;
        rv = write_later(im);
    }
    return rv;
}

/* --- the end ------------------------------------------------------------- */

static void put_json(const counts *n, double seconds, bool complete)
{
    json_t *object = json_object();

    cli_json_number(object, "entries", n->entries);
    cli_json_number(object, "trusted", n->trusted);
    cli_json_number(object, "hashed", n->hashed);
    cli_json_number(object, "unchanged", n->unchanged);
    cli_json_number(object, "different", n->different);
    cli_json_number(object, "missing", n->missing);
    cli_json_number(object, "skipped", n->skipped);
    cli_json_number(object, "unsettled", n->unsettled);
    cli_json_number(object, "failed", n->failed);
    cli_json_number(object, "malformed", n->malformed);
    cli_json_number(object, "bytes", n->bytes);
    json_object_set_new(object, "seconds", json_real(seconds));
    json_object_set_new(object, "complete", json_boolean(complete));
    cli_put_json(object);
}

static void put_text(const counts *n, double seconds)
{
    char size[CLI_SIZE];

    printf("%" PRIu64 " entries: %" PRIu64 " trusted, %" PRIu64
           " hashed (%s read), %" PRIu64 " unchanged; %" PRIu64
           " different, %" PRIu64 " missing, %" PRIu64 " skipped, %" PRIu64
           " unsettled, %" PRIu64 " failed, %" PRIu64 " malformed; %.2f s\n",
           n->entries, n->trusted, n->hashed, cli_size(n->bytes, size),
           n->unchanged, n->different, n->missing, n->skipped, n->unsettled,
           n->failed, n->malformed, seconds);
}

static void put_summary(const importing *im, bool complete)
{
    double seconds = (double)(apr_time_now() - im->started) / APR_USEC_PER_SEC;

    if (im->c->json) {
        put_json(&im->n, seconds, complete);
    }
    else if (!im->c->quiet) {
        put_text(&im->n, seconds);
    }
}

static cli_exit judge_counts(const importing *im)
{
    const counts *n = &im->n;

    if (n->entries == 0 && n->malformed == 0) {
        cli_error("%s: it has no entry", im->file_shown);
        return CLI_FOUND;
    }
    return n->different + n->missing + n->skipped + n->unsettled + n->failed
                       + n->malformed
                   > 0
               ? CLI_FOUND
               : CLI_DONE;
}

static cli_exit tell_file_error(const importing *im, apr_status_t rv)
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

static cli_exit finish(importing *im, apr_status_t rv, bool is_read)
{
    bool stopped = APR_STATUS_IS_EINTR(rv);
    bool written = !is_read || stopped || rv == APR_SUCCESS;
    apr_status_t wrote = written ? write_ready(im) : APR_SUCCESS;

    cli_progress_clear(im->progress);
    put_summary(im, rv == APR_SUCCESS && wrote == APR_SUCCESS);
    if (wrote != APR_SUCCESS) {
        return cli_index_error(im->c, wrote);
    }
    if (stopped) {
        cli_error("stopped; what was recorded is kept, import again for the "
                  "rest");
        return CLI_ERROR;
    }
    if (rv != APR_SUCCESS) {
        return is_read ? cli_index_error(im->c, rv) : tell_file_error(im, rv);
    }
    return judge_counts(im);
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
    const char *root = real != NULL ? apr_pstrdup(c->pool, real) : NULL;
    struct stat st;

    free(real);
    if (root != NULL && stat(root, &st) == 0 && !S_ISDIR(st.st_mode)) {
        errno = ENOTDIR;
        root = NULL;
    }
    if (root == NULL) {
        cli_error("import: --root %s: %s; nothing was imported",
                  cli_shown(c->pool, given), strerror(errno));
    }
    return root;
}

static void start(importing *im)
{
    apr_pool_t *p = im->c->pool;

    im->folder_fd = -1;
    apr_pool_create(&im->folder_pool, p);
    apr_pool_create(&im->ready_pool, p);
    apr_pool_create(&im->later_pool, p);
    im->ready = apr_array_make(im->ready_pool, 256, sizeof(item));
    im->later = apr_array_make(im->later_pool, 256, sizeof(item));
    im->started = apr_time_now();
    im->progress = cli_progress_start(im->c);
}

static cli_exit run(cli *c, int argc, char **argv)
{
    const import_settings *settings = c->settings;
    importing im;
    int fd;
    bool is_read;
    apr_status_t rv;

    (void)argc;
    memset(&im, 0, sizeof(im));
    im.c = c;
    im.trusts = settings->trusts;
    im.file = argv[0];
    im.file_shown = cli_shown(c->pool, im.file);
    im.root = open_root(c);
    fd = im.root != NULL ? open_manifest(c, im.file) : -1;
    if (fd < 0 || !cli_open_index(c)) {
        return CLI_ERROR;
    }
    cli_catch_signals();
    start(&im);
    rv = take_all(&im, cli_manifest_read(fd), &is_read);
    return finish(&im, rv, is_read);
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
