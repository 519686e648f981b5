/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What an import finds out: the lines of the manifest, the files that they
 * name, and whether both agree.  Never writes to the index. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/import.h"

static bool is_same(const vld_digest *a, const vld_digest *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* --- for the source and the readers -------------------------------------- */

static void set_absence(import_item *it, apr_status_t rv)
{
    it->rv = rv;
    it->outcome = APR_STATUS_IS_ENOENT(rv) || APR_STATUS_IS_ENOTDIR(rv)
                      ? IMPORT_MISSING
                      : IMPORT_FAILED;
}

/* By what the manifest says of the file beside its digest. */
static import_outcome judge_facts(const importing *im, const import_item *it)
{
    const cli_entry *entry = &it->entry;
    const vld_identity *id = &it->record.identity;

    if (!entry->has_facts) {
        return im->trusts ? IMPORT_LOOK : IMPORT_READ;
    }
    if (entry->size != id->size) {
        return IMPORT_DIFFERENT;
    }
    if (entry->mtime_ns != id->mtime_ns) {
        return IMPORT_READ;
    }
    return im->trusts || vld_identity_time_tells(id->mtime_ns) ? IMPORT_LOOK
                                                               : IMPORT_READ;
}

/* Without reading: the identity must be settled all the same.  fd: the file or
 * its folder. */
static void trust_digest(import_item *it, int fd, dev_t dev)
{
    vld_record *record = &it->record;

    record->indexed_ns = vld_now_ns();
    it->item.wait_ns = vld_identity_settles_ns(&record->identity,
                                               record->indexed_ns,
                                               vld_identity_margin_ns(fd, dev))
                       - record->indexed_ns;
    if (it->item.wait_ns <= 0) {
        record->digest = it->entry.digest;
        it->is_trusted = true;
        it->outcome = IMPORT_RECORD;
    }
}

/* False: it is no regular file. */
static bool take_identity(import_item *it, const struct stat *st)
{
    if (!S_ISREG(st->st_mode)) {
        it->outcome = S_ISLNK(st->st_mode) ? IMPORT_LINK : IMPORT_NO_FILE;
        return false;
    }
    vld_identity_of(st, &it->record.identity);
    return true;
}

static void count_item(importing *im, const import_item *it)
{
    __atomic_fetch_add(&im->work.files, it->outcome != IMPORT_MALFORMED,
                       __ATOMIC_RELAXED);
    __atomic_fetch_add(&im->work.hashed, it->is_read, __ATOMIC_RELAXED);
    __atomic_fetch_add(&im->work.done, it->entry.octets, __ATOMIC_RELAXED);
}

/* --- the readers --------------------------------------------------------- */

/* Once more, by its path: it was not settled before. */
static void look_again(const importing *im, import_item *it)
{
    int fd = vld_beneath_open(it->path, O_PATH);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0) {
        set_absence(it, vld_error_os());
    }
    else if (take_identity(it, &st)) {
        it->outcome = judge_facts(im, it);
        if (it->outcome == IMPORT_LOOK) {
            trust_digest(it, fd, st.st_dev);
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static void set_failure(import_item *it, apr_status_t rv)
{
    if (rv == APR_FROM_OS_ERROR(ELOOP)) {
        it->outcome = IMPORT_LINK;
    }
    else {
        set_absence(it, rv);
    }
}

static vld_item_next compare_content(importing *im, vld_pool *pool,
                                     import_item *it)
{
    vld_attempt a = { .progress = &im->work.bytes, .record = &it->record };

    switch (vld_pool_try(pool, it->path, &a)) {
    case VLD_READ:
        it->is_read = true;
        it->outcome = is_same(&it->record.digest, &it->entry.digest)
                          ? IMPORT_RECORD
                          : IMPORT_DIFFERENT;
        break;
    case VLD_RACY: it->item.wait_ns = a.wait_ns; return VLD_ITEM_WAIT;
    case VLD_CHANGED: it->item.wait_ns = 0; return VLD_ITEM_WAIT;
    case VLD_PASSED: it->outcome = IMPORT_NO_FILE; break;
    default: set_failure(it, a.rv); break;
    }
    return APR_STATUS_IS_EINTR(it->rv) ? VLD_ITEM_DROP : VLD_ITEM_DONE;
}

vld_item_next cli_import_read(void *baton, vld_pool *pool, vld_item *item)
{
    importing *im = baton;
    import_item *it = (import_item *)item;
    vld_item_next next = VLD_ITEM_DONE;

    if (it->outcome == IMPORT_LOOK) {
        look_again(im, it);
        next = it->outcome == IMPORT_LOOK ? VLD_ITEM_WAIT : VLD_ITEM_DONE;
    }
    if (it->outcome == IMPORT_READ) {
        next = compare_content(im, pool, it);
    }
    if (next == VLD_ITEM_DONE) {
        count_item(im, it);
    }
    return next;
}

vld_item_next cli_import_give_up(void *baton, vld_item *item, const char *why)
{
    import_item *it = (import_item *)item;

    it->outcome = IMPORT_UNSETTLED;
    it->why = why;
    count_item(baton, it);
    return VLD_ITEM_DONE;
}

/* --- the source ---------------------------------------------------------- */

typedef struct giving {
    importing *im;
    vld_pool *pool;
    char *given; /* the path of the entry */
    size_t given_size;
    char *folder; /* the last one, as it was given; NULL: none */
    char *folder_real;
    int folder_fd;
} giving;

static void leave_folder(giving *g)
{
    if (g->folder_fd >= 0) {
        close(g->folder_fd);
    }
    free(g->folder);
    free(g->folder_real);
    g->folder = NULL;
    g->folder_real = NULL;
    g->folder_fd = -1;
}

/* Its real path, and open; neighbours share it. */
static apr_status_t enter_folder(giving *g, const char *folder)
{
    if (g->folder && strcmp(g->folder, folder) == 0) {
        return APR_SUCCESS;
    }
    leave_folder(g);
    g->folder_real = realpath(folder, NULL);
    if (!g->folder_real) {
        return vld_error_os();
    }
    g->folder_fd = open(g->folder_real,
                        O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (g->folder_fd < 0) {
        return vld_error_os();
    }
    g->folder = strdup(folder);
    return g->folder ? APR_SUCCESS : APR_ENOMEM;
}

/* The name of an entry as a path, in g->given. */
static bool make_given(giving *g, const char *name)
{
    const char *root = name[0] == '/' || !g->im->root[1] ? "" : g->im->root;
    size_t size = strlen(root) + strlen(name) + 2;

    if (size > g->given_size) {
        char *given = realloc(g->given, size);

        if (!given) {
            return false;
        }
        g->given = given;
        g->given_size = size;
    }
    strcpy(g->given, root);
    strcat(g->given, name[0] == '/' ? "" : "/");
    strcat(g->given, name);
    return true;
}

/* An item whose path is folder + "/" + name; name NULL: just folder. */
static import_item *make_item(const cli_entry *entry, const char *folder,
                              const char *name)
{
    size_t room = strlen(folder) + (name ? strlen(name) + 1 : 0) + 1;
    import_item *it = calloc(1, sizeof(*it) + room);

    if (it) {
        it->entry = *entry;
        it->entry.name = NULL;
        strcpy(it->path, folder);
        if (name) {
            strcat(it->path, "/");
            strcat(it->path, name);
        }
    }
    return it;
}

/* A record of this very identity that says something else has to be settled
 * by reading. */
static apr_status_t judge_by_index(importing *im, import_item *it)
{
    vld_record known;
    apr_status_t rv;

    pthread_mutex_lock(&im->store_mutex);
    rv = im->c->store
             ? vld_store_get(im->c->store, it->path, strlen(it->path), &known)
             : APR_EINTR;
    pthread_mutex_unlock(&im->store_mutex);
    if (rv == APR_SUCCESS && !known.is_unread
        && vld_identity_equal(&known.identity, &it->record.identity,
                              VLD_COMPARE_STRICT)) {
        it->outcome = IMPORT_READ;
        if (is_same(&known.digest, &it->entry.digest)) {
            it->record = known;
            it->is_trusted = true;
            it->outcome = IMPORT_RECORD;
        }
        return APR_SUCCESS;
    }
    if (rv == VLD_E_UNKNOWN) {
        it->outcome = IMPORT_READ;
        return APR_SUCCESS;
    }
    if (rv != APR_SUCCESS && rv != APR_NOTFOUND && rv != VLD_E_DAMAGED
        && !APR_STATUS_IS_EINVAL(rv)) {
        return rv;
    }
    it->outcome = judge_facts(im, it);
    return APR_SUCCESS;
}

/* name: the last of it->path. */
static apr_status_t look_at_file(giving *g, import_item *it, const char *name)
{
    struct stat st;
    apr_status_t rv;

    if (fstatat(g->folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        set_absence(it, vld_error_os());
        return APR_SUCCESS;
    }
    if (!take_identity(it, &st)) {
        return APR_SUCCESS;
    }
    rv = judge_by_index(g->im, it);
    if (rv == APR_SUCCESS && it->outcome == IMPORT_LOOK) {
        trust_digest(it, g->folder_fd, st.st_dev);
    }
    return rv;
}

static bool is_name_of_file(const char *name)
{
    return name[0] != '\0' && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* *out is made and looked at. */
static apr_status_t look_at_entry(giving *g, const cli_entry *entry,
                                  import_item **out)
{
    char *slash = strrchr(g->given, '/');
    const char *name = slash + 1;
    apr_status_t rv;

    if (!is_name_of_file(name)) {
        *out = make_item(entry, g->given, NULL);
        if (*out) {
            (*out)->outcome = IMPORT_NO_FILE;
        }
        return *out ? APR_SUCCESS : APR_ENOMEM;
    }
    *slash = '\0';
    rv = enter_folder(g, slash == g->given ? "/" : g->given);
    *slash = '/';
    if (rv != APR_SUCCESS) {
        *out = make_item(entry, g->given, NULL);
        if (*out) {
            set_absence(*out, rv);
        }
        return *out ? APR_SUCCESS : APR_ENOMEM;
    }
    *out = make_item(entry, g->folder_real[1] ? g->folder_real : "", name);
    return *out ? look_at_file(g, *out, name) : APR_ENOMEM;
}

static apr_status_t look_at_line(giving *g, const cli_entry *entry,
                                 import_item **out)
{
    if (!entry->why) {
        return make_given(g, entry->name) ? look_at_entry(g, entry, out)
                                          : APR_ENOMEM;
    }
    *out = make_item(entry, "", NULL);
    if (!*out) {
        return APR_ENOMEM;
    }
    (*out)->outcome = IMPORT_MALFORMED;
    (*out)->why = entry->why;
    return APR_SUCCESS;
}

static apr_status_t give_line(giving *g, const cli_entry *entry)
{
    import_item *it = NULL;
    apr_status_t rv = look_at_line(g, entry, &it);
    bool goes_on;

    if (rv != APR_SUCCESS) {
        free(it);
        return rv;
    }
    if (it->outcome == IMPORT_READ || it->outcome == IMPORT_LOOK) {
        goes_on = vld_pool_put(g->pool, &it->item);
    }
    else {
        count_item(g->im, it);
        goes_on = vld_pool_pass(g->pool, &it->item);
    }
    return goes_on ? APR_SUCCESS : APR_EINTR;
}

apr_status_t cli_import_give(void *baton, vld_pool *pool)
{
    importing *im = baton;
    giving g = { .im = im, .pool = pool, .folder_fd = -1 };
    cli_manifest *manifest = cli_manifest_read(im->fd, vld_pool_ending(pool));
    apr_status_t rv = APR_SUCCESS;
    cli_entry entry;

    while (rv == APR_SUCCESS) {
        rv = cli_manifest_next(manifest, &entry);
        if (rv != APR_SUCCESS) {
            /* The lines before are imported all the same. */
            im->file_rv = rv == APR_EOF || APR_STATUS_IS_EINTR(rv) ? APR_SUCCESS
                                                                   : rv;
            rv = APR_STATUS_IS_EINTR(rv) ? rv : APR_SUCCESS;
            break;
        }
        rv = give_line(&g, &entry);
    }
    leave_folder(&g);
    free(g.given);
    return rv;
}
