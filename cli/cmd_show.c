/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* htvalidators show: single records in full, and whether the file still agrees
 * with its record.  Looks at the file's stat, never at its content. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <apr_strings.h>

#include "validators/precond.h"
#include "cli/cli.h"
#include "cli/index.h"
#include "cli/message.h"
#include "cli/output.h"
#include "cli/path.h"
#include "cli/tag.h"

typedef struct show_settings {
    const char *tag_key;
} show_settings;

static const cli_option options[] = {
    CLI_OPTION_TAG_KEY(show_settings, tag_key),
    CLI_OPTIONS_END,
};

/* --- look-up ------------------------------------------------------------- */

/* As the module does: the name as given, then its real path.  *key gets the
 * name that was found. */
static apr_status_t find_record(cli *c, const char *path, const char **key,
                                vld_record *record)
{
    const char *given = cli_absolute(c->pool, path);
    const char *real;
    apr_status_t rv = APR_NOTFOUND;

    *key = given ? given : path;
    if (given) {
        rv = vld_store_get(c->store, given, strlen(given), record);
    }
    if (rv != APR_NOTFOUND) {
        return rv;
    }
    real = cli_real(c->pool, path);
    if (!real) {
        return rv;
    }
    *key = real;
    return vld_store_get(c->store, real, strlen(real), record);
}

/* --- freshness ----------------------------------------------------------- */

static const char *append_time_change(apr_pool_t *p, const char *so_far,
                                      const char *what, int64_t then,
                                      int64_t now)
{
    char before[CLI_TIME], after[CLI_TIME];

    if (then == now) {
        return so_far;
    }
    return apr_psprintf(p, "%s, %s %s -> %s", so_far, what,
                        cli_time(then, before), cli_time(now, after));
}

static const char *describe_differences(apr_pool_t *p, const vld_identity *then,
                                        const vld_identity *now)
{
    const char *text = "";

    if (then->size != now->size) {
        text = apr_psprintf(p, ", size %" PRIu64 " -> %" PRIu64, then->size,
                            now->size);
    }
    text = append_time_change(p, text, "mtime", then->mtime_ns, now->mtime_ns);
    text = append_time_change(p, text, "ctime", then->ctime_ns, now->ctime_ns);
    if (then->inode != now->inode) {
        text = apr_psprintf(p, "%s, inode %" PRIu64 " -> %" PRIu64, text,
                            then->inode, now->inode);
    }
    return apr_psprintf(p, "changed since: %s", text[0] ? text + 2 : "?");
}

static int64_t read_margin(apr_pool_t *p, const char *path, dev_t dev)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    int64_t margin;

    if (fd < 0) {
        fd = open(cli_folder_of(p, path), O_RDONLY | O_CLOEXEC);
    }
    margin = vld_identity_margin_ns(fd, dev);
    if (fd >= 0) {
        close(fd);
    }
    return margin;
}

/* Why a file's record is not to be used; NULL: it is. */
static const char *why_not_fresh(apr_pool_t *p, const char *path,
                                 const vld_record *record)
{
    struct stat st;
    vld_identity now;
    int64_t margin;

    if (stat(path, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR) {
            return "the file is no longer there";
        }
        return apr_psprintf(p, "the file cannot be looked at: %s",
                            strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return "it is no longer a regular file";
    }
    vld_identity_of(&st, &now);
    if (!vld_identity_equal(&record->identity, &now, VLD_COMPARE_STRICT)) {
        return describe_differences(p, &record->identity, &now);
    }
    margin = read_margin(p, path, st.st_dev);
    if (vld_identity_racy(&record->identity, record->indexed_ns, margin)) {
        return apr_psprintf(p,
                            "settling: it had changed less than %d ms before "
                            "it was read; scan it again",
                            (int)(margin / 1000000));
    }
    return NULL;
}

/* --- output -------------------------------------------------------------- */

/* Records are separated by an empty line. */
static bool printed;

static void put_text(const char *path, const vld_record *record,
                     const char *why)
{
    char etag[VLD_ETAG_SIZE], hex[VLD_HEX_SIZE], date[VLD_DATE_SIZE];
    char size[CLI_SIZE], text[CLI_TIME];

    cli_record_etag(record, etag);
    vld_digest_hex(&record->digest, hex);
    vld_date_format(record->last_modified, date);
    fputs(printed ? "\npath           " : "path           ", stdout);
    printed = true;
    cli_put_path(stdout, path, strlen(path));
    printf("\netag           %s\nlast-modified  %s\n", etag, date);
    if (record->is_promised) {
        fputs("promised       yes: the tag stays while the content does\n",
              stdout);
    }
    printf("sha256         %s\nsize           %" PRIu64 " (%s)\n",
           record->is_unread ? "not read yet" : hex, record->identity.size,
           cli_size(record->identity.size, size));
    printf("mtime          %s\n", cli_time(record->identity.mtime_ns, text));
    printf("ctime          %s\n", cli_time(record->identity.ctime_ns, text));
    printf("inode          %" PRIu64 "\n", record->identity.inode);
    printf("indexed        %s\n", cli_time(record->indexed_ns, text));
    printf("fresh          %s%s\n", why ? "no: " : "yes", why ? why : "");
}

static void put_record(const cli *c, const char *path, const vld_record *record,
                       const char *why)
{
    json_t *object;

    if (!c->json) {
        put_text(path, record, why);
        return;
    }
    object = cli_json_record(path, strlen(path), record);
    json_object_set_new(object, "fresh", json_boolean(!why));
    if (why) {
        json_object_set_new(object, "reason", json_string(why));
    }
    cli_put_json(object);
}

/* What gives the path a record, or why it can have none. */
static const char *advise(const cli *c, const char *path)
{
    const char *shown = cli_shown(c->pool, path);
    const char *index = cli_shown(c->pool, c->index);
    struct stat st;

    if (stat(path, &st)) {
        return errno == ENOENT || errno == ENOTDIR
                   ? "there is no such file"
                   : apr_psprintf(c->pool, "the file cannot be looked at: %s",
                                  strerror(errno));
    }
    if (S_ISDIR(st.st_mode)) {
        return apr_psprintf(c->pool,
                            "it is a folder: `htvalidators -i \"%s\" list "
                            "\"%s\"` lists the records of its files",
                            index, shown);
    }
    return S_ISREG(st.st_mode)
               ? apr_psprintf(c->pool,
                              "`htvalidators -i \"%s\" scan \"%s\"` makes one",
                              index, shown)
               : "it is not a regular file";
}

static void put_absence(const cli *c, const char *given, const char *path,
                        const char *why)
{
    json_t *object;

    if (!c->json) {
        cli_error("%s: %s; %s", cli_shown(c->pool, path), why,
                  strstr(given, "://")
                      ? "name the file that httpd serves there, not a URL"
                      : advise(c, path));
        return;
    }
    object = json_object();
    cli_json_path(object, path, strlen(path));
    json_object_set_new(object, "fresh", json_false());
    json_object_set_new(object, "reason", json_string(why));
    cli_put_json(object);
}

/* --- command ------------------------------------------------------------- */

static cli_exit show_path(cli *c, const char *path)
{
    vld_record record;
    const char *key, *why;
    apr_status_t rv = find_record(c, path, &key, &record);

    if (rv == APR_NOTFOUND || rv == VLD_E_DAMAGED) {
        if (!c->quiet) {
            put_absence(c, path, key,
                        rv == APR_NOTFOUND ? "no record" : "a damaged record");
        }
        return CLI_FOUND;
    }
    if (rv != APR_SUCCESS) {
        return cli_index_error(c, rv);
    }
    why = why_not_fresh(c->pool, key, &record);
    if (!c->quiet) {
        put_record(c, key, &record, why);
    }
    return why ? CLI_FOUND : CLI_DONE;
}

static cli_exit run_show(cli *c, int argc, char **argv)
{
    const show_settings *settings = c->settings;
    cli_exit worst = CLI_DONE;
    int i;

    if (!cli_use_tag_key(c, settings->tag_key) || !cli_open_index(c)) {
        return CLI_ERROR;
    }
    for (i = 0; i < argc; i++) {
        cli_exit one = show_path(c, argv[i]);

        worst = one > worst ? one : worst;
    }
    return worst;
}

const cli_command cli_show = {
    "show",
    "PATH...",
    "show records in full, and whether they are fresh",
    CLI_NEEDS_READ,
    1,
    -1,
    options,
    sizeof(show_settings),
    run_show,
};
