/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index as httpd's processes see it: opened in each child, opened anew when
 * its file was replaced, and never a reason for a request to fail.  What is
 * wrong with it is logged once by one child for all. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_strings.h>

#include <httpd.h>
#include <http_log.h>
#include <http_main.h>
#include <unixd.h>

#include "server/config.h"
#include "server/index/index.h"
#include "server/shared.h"

APLOG_USE_MODULE(validators);

/* How often a child looks whether the index's file is still the same. */
#define LOOK_EVERY_US APR_USEC_PER_SEC

#define LOOK_FOR_NEW_US (APR_USEC_PER_SEC / 10)

/* How long an index may be less than one while it is made. */
#define MAKING_MOST_S 3

#define FOLDER_MODE 0750

/* A store, and who is in it.  Who goes in says so first and then looks whether
 * it is being closed; who closes it says so first and then looks who is in.
 * One that has been closed is used again for the next, so that a thread which
 * has slept in between finds one or the other. */
typedef struct held {
    vld_store *store; /* NULL: free */
    bool writable;
    int users;  /* atomic */
    int closed; /* atomic: nobody goes in */
} held;

/* That in use, and such as somebody is still in. */
#define MOST_HELD 4

/* For this long the last to be in a store with the same files is waited for. */
#define LEAVE_MOST_US 20000
#define LEAVE_NAP_US 500

static struct {
    apr_pool_t *pool; /* pchild; used by one thread at a time */
    server_rec *server;
    held all[MOST_HELD];      /* changed by who is opening, alone */
    held *current;            /* atomic; NULL: no usable index */
    held *written;            /* in which the indexer is */
    apr_int64_t next_look_us; /* atomic */
    int opening;              /* atomic: a thread is at it */
} link_;

/* --- before the children are made ---------------------------------------- */

static bool group_reaches(const struct stat *st, mode_t bits)
{
    if (st->st_uid == ap_unixd_config.user_id) {
        return (st->st_mode & (bits << 6)) == bits << 6;
    }
    if (st->st_gid == ap_unixd_config.group_id) {
        return (st->st_mode & (bits << 3)) == bits << 3;
    }
    return (st->st_mode & bits) == bits;
}

/* As root, give a file of the index that the children could not use to their
 * group.  Only a regular file with one name, owned by root or by the server,
 * and through a descriptor, so that nothing else can be meant. */
static void lend(server_rec *s, const char *path, mode_t bits)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return;
    }
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1
        && (st.st_uid == 0 || st.st_uid == ap_unixd_config.user_id)
        && !group_reaches(&st, bits)
        && fchown(fd, (uid_t)-1, ap_unixd_config.group_id) == 0
        && fchmod(fd, (st.st_mode & 07777) | bits << 3) == 0) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "%s: now of the server's group, which reads the index",
                     path);
    }
    close(fd);
}

/* In the folder of another user there may be anything, under any name; and
 * what is made there has the folder's group already. */
static bool in_roots_folder(apr_pool_t *ptemp, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct stat st;

    return slash && slash != path
           && stat(apr_pstrmemdup(ptemp, path, (apr_size_t)(slash - path)), &st)
                  == 0
           && st.st_uid == 0 && !(st.st_mode & S_IWOTH);
}

void vld_index_lend(server_rec *s, apr_pool_t *ptemp)
{
    const char *path = vld_config_global()->index_path;

    if (vld_config_global()->any_engine_on && geteuid() == 0
        && in_roots_folder(ptemp, path)) {
        lend(s, path, 4);
        lend(s, apr_pstrcat(ptemp, path, "-lock", NULL), 6);
    }
}

/* Of the default index, which nobody has mistyped, those above are made too. */
static void make_folders_above(const char *path, const char *folder,
                               apr_pool_t *ptemp)
{
    const char *slash = strrchr(folder, '/');

    if (!strcmp(path, VLD_DEFAULT_INDEX) && slash && slash != folder) {
        apr_dir_make_recursive(apr_pstrmemdup(ptemp, folder,
                                              (apr_size_t)(slash - folder)),
                               APR_FPROT_UREAD | APR_FPROT_UWRITE
                                   | APR_FPROT_UEXECUTE | APR_FPROT_GREAD
                                   | APR_FPROT_GEXECUTE | APR_FPROT_WREAD
                                   | APR_FPROT_WEXECUTE,
                               ptemp);
    }
}

/* Only where there is nothing.  As root it is handed to the server by a
 * descriptor: what was just made, and nothing else. */
void vld_index_make_folder(server_rec *s, apr_pool_t *ptemp)
{
    const char *path = vld_config_global()->index_path;
    const char *slash = strrchr(path, '/');
    const char *folder;
    struct stat st;
    int fd;

    if (!vld_indexer_runs() || !slash || slash == path) {
        return;
    }
    folder = apr_pstrmemdup(ptemp, path, (apr_size_t)(slash - path));
    make_folders_above(path, folder, ptemp);
    if (mkdir(folder, FOLDER_MODE) != 0) {
        return;
    }
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    /* chmod after chown: the umask may have taken the group's bits. */
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid()
        && (geteuid() != 0
            || fchown(fd, ap_unixd_config.user_id, ap_unixd_config.group_id)
                   == 0)
        && fchmod(fd, FOLDER_MODE) == 0) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "%s: made for the server to keep its index in", folder);
    }
    close(fd);
}

/* --- in a child ---------------------------------------------------------- */

void vld_index_complain(apr_status_t rv)
{
    const char *path = vld_config_global()->index_path;
    char why[256], cure[1024];

    if (!vld_shared_first_report(VLD_REPORT_INDEX)) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, link_.server,
                 "index %s: %s; %s (until then every look-up misses)", path,
                 vld_strerror(rv, why, sizeof(why)),
                 vld_advice(rv, path, cure, sizeof(cure)));
}

/* What the server's user may do with the file at a path that begins with the
 * index's. */
static bool may(const char *suffix, int what)
{
    const char *path = vld_config_global()->index_path;
    char name[PATH_MAX];

    return (apr_size_t)apr_snprintf(name, sizeof(name), "%s%s", path, suffix)
               < sizeof(name) - 1
           && faccessat(AT_FDCWD, name, what, AT_EACCESS) == 0;
}

static bool may_make_files(void)
{
    const char *path = vld_config_global()->index_path;
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];

    return slash && slash != path && (apr_size_t)(slash - path) < sizeof(folder)
           && apr_cpystrn(folder, path, (apr_size_t)(slash - path) + 1)
           && faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0;
}

/* The server's indexer is at it in another child: the file is there and not
 * whole yet. */
static bool is_being_made(apr_status_t rv)
{
    struct stat st;

    return (rv == VLD_E_NOT_INDEX || rv == VLD_E_LOCKED)
           && stat(vld_config_global()->index_path, &st) == 0
           && st.st_uid == geteuid()
           && apr_time_sec(apr_time_now()) - st.st_mtime < MAKING_MOST_S;
}

/* There is none yet, or hardly: the indexer makes it when the first file is
 * wanted. */
static bool will_be_made(apr_status_t rv)
{
    return (APR_STATUS_IS_ENOENT(rv) || is_being_made(rv)) && vld_indexer_runs()
           && may_make_files();
}

/* One store a process, so it is opened for all that it will be used for: to be
 * written to, where files are indexed here and the server's user may. */
static vld_store_mode mode_to_open(void)
{
    return vld_indexer_runs() && may("", R_OK | W_OK)
                   && may("-lock", R_OK | W_OK) && may_make_files()
               ? VLD_STORE_WRITE
               : VLD_STORE_READ;
}

static held *go_in(void)
{
    held *h = __atomic_load_n(&link_.current, __ATOMIC_ACQUIRE);

    if (!h) {
        return NULL;
    }
    __atomic_fetch_add(&h->users, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&h->closed, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_sub(&h->users, 1, __ATOMIC_RELEASE);
        return NULL;
    }
    return h;
}

static void go_out(held *h)
{
    __atomic_fetch_sub(&h->users, 1, __ATOMIC_RELEASE);
}

/* False: somebody is in it. */
static bool close_held(held *h)
{
    __atomic_store_n(&h->closed, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&h->users, __ATOMIC_SEQ_CST)) {
        return false;
    }
    vld_store_close(h->store);
    h->store = NULL;
    return true;
}

/* Those that were replaced, as far as nobody is in them. Where one is free. */
static held *close_replaced(void)
{
    const held *current = __atomic_load_n(&link_.current, __ATOMIC_RELAXED);
    held *h, *free_one = NULL;

    for (h = link_.all; h < link_.all + MOST_HELD; h++) {
        if (h != current && (!h->store || close_held(h))) {
            free_one = h;
        }
    }
    return free_one;
}

/* To close a file gives up the locks that LMDB has on it, and its readers', for
 * the whole process: two stores never have one file open.  False: not yet. */
static bool leave_files_in_place(void)
{
    apr_int64_t left = LEAVE_MOST_US;
    held *h;

    for (h = link_.all; h < link_.all + MOST_HELD; h++) {
        if (!h->store || !vld_store_is_in_place(h->store)) {
            continue;
        }
        if (h == __atomic_load_n(&link_.current, __ATOMIC_RELAXED)) {
            __atomic_store_n(&link_.current, NULL, __ATOMIC_RELEASE);
        }
        while (!close_held(h)) {
            if (left <= 0) {
                return false;
            }
            apr_sleep(LEAVE_NAP_US);
            left -= LEAVE_NAP_US;
        }
    }
    return true;
}

/* Soon: to look costs next to nothing while there is none. */
static void look_again_soon(void)
{
    __atomic_store_n(&link_.next_look_us, apr_time_now() + LOOK_FOR_NEW_US,
                     __ATOMIC_RELAXED);
}

static void open_alone(vld_store_mode mode)
{
    const char *path = vld_config_global()->index_path;
    held *h = leave_files_in_place() ? close_replaced() : NULL;
    apr_status_t rv;

    if (!h) {
        look_again_soon();
        return;
    }
    rv = vld_store_open(&h->store, path, mode, link_.pool);
    /* One that is no longer there must not be believed: it goes even where
     * there is none to take its place. */
    if (rv == APR_SUCCESS) {
        h->writable = mode != VLD_STORE_READ;
        __atomic_store_n(&h->closed, 0, __ATOMIC_SEQ_CST);
        __atomic_store_n(&link_.current, h, __ATOMIC_RELEASE);
        vld_shared_well(VLD_REPORT_INDEX);
    }
    else {
        h->store = NULL;
        __atomic_store_n(&link_.current, NULL, __ATOMIC_RELEASE);
        if (will_be_made(rv)) {
            look_again_soon();
        }
        else {
            vld_index_complain(rv);
        }
    }
    close_replaced();
}

/* By one thread at a time, and without waiting for it. */
static void open_store(vld_store_mode mode)
{
    if (!__atomic_exchange_n(&link_.opening, 1, __ATOMIC_ACQ_REL)) {
        open_alone(mode);
        __atomic_store_n(&link_.opening, 0, __ATOMIC_RELEASE);
    }
}

static bool is_current(void)
{
    held *h = go_in();
    bool is = h && vld_store_is_current(h->store);

    if (h) {
        go_out(h);
    }
    return is;
}

void vld_index_child_init(apr_pool_t *pchild, server_rec *s)
{
    apr_pool_create(&link_.pool, pchild);
    apr_pool_tag(link_.pool, "validators_index");
    link_.server = s;
    memset(link_.all, 0, sizeof(link_.all));
    link_.current = NULL;
    link_.written = NULL;
    link_.opening = 0;
    link_.next_look_us = apr_time_now() + LOOK_EVERY_US;
    if (vld_config_global()->any_engine_on) {
        open_store(mode_to_open());
    }
}

/* At most once a second, and by one thread, see that what is open is what
 * stands at the path. */
static held *go_in_current(apr_time_t now)
{
    apr_int64_t due = __atomic_load_n(&link_.next_look_us, __ATOMIC_RELAXED);

    if (now >= due
        && __atomic_compare_exchange_n(&link_.next_look_us, &due,
                                       now + LOOK_EVERY_US, false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)
        && !is_current()) {
        open_store(mode_to_open());
    }
    return go_in();
}

vld_store *vld_index_to_write(bool *read_only)
{
    *read_only = false;
    if (!is_current()) {
        /* Made in a folder that is there, not with one. */
        open_store(may("", F_OK) || !may_make_files() ? mode_to_open()
                                                      : VLD_STORE_CREATE);
    }
    link_.written = go_in();
    if (link_.written && !link_.written->writable) {
        *read_only = true;
        vld_index_written();
    }
    return link_.written ? link_.written->store : NULL;
}

void vld_index_written(void)
{
    if (link_.written) {
        go_out(link_.written);
        link_.written = NULL;
    }
}

apr_uint64_t vld_index_txn(apr_time_t now)
{
    held *h = go_in_current(now);
    apr_uint64_t number = 0;

    if (h) {
        number = vld_store_txn(h->store);
        go_out(h);
    }
    return number;
}

#define LATELY_US 1000

/* Asked for each early 304, of which there may be fifty in a millisecond: the
 * number stands in LMDB's memory, which is far from all else that they touch.
 * Read first and dated after: a thread that is stopped between the two dates it
 * by its own request. */
apr_uint64_t vld_index_txn_lately(apr_time_t now)
{
    static apr_uint64_t number;
    static apr_int64_t read_us;
    apr_int64_t age = now - __atomic_load_n(&read_us, __ATOMIC_ACQUIRE);

    if (age < 0 || age > LATELY_US) {
        __atomic_store_n(&number, vld_index_txn(now), __ATOMIC_RELEASE);
        __atomic_store_n(&read_us, now, __ATOMIC_RELEASE);
    }
    return __atomic_load_n(&number, __ATOMIC_ACQUIRE);
}

/* A store that was opened well and yet answers with an error. Where it is
 * still the file, that is about one record. */
static void complain_of_record(vld_store *store, const char *path,
                               apr_status_t rv)
{
    const char *index = vld_config_global()->index_path;
    char why[256], cure[1024];

    /* 0 is none yet. */
    if (!vld_shared_first_of_file((apr_uint32_t)vld_store_file_number(store)
                                  | 1)) {
        return;
    }
    if (rv == VLD_E_DAMAGED && vld_store_is_current(store)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, link_.server,
                     "index %s: the record of %s does not check, and there may "
                     "be others; `htvalidators -i \"%s\" scan FOLDER` makes "
                     "them again (until then they are as good as none)",
                     index, path, index);
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, link_.server,
                 "index %s: %s; %s (until then every look-up misses)", index,
                 vld_strerror(rv, why, sizeof(why)),
                 vld_advice(rv, index, cure, sizeof(cure)));
}

static bool find_at(vld_store *store, const char *path, vld_record *out)
{
    apr_status_t rv = vld_store_get(store, path, strlen(path), out);

    /* Full: the map is being enlarged at this moment. */
    if (rv != APR_SUCCESS && !APR_STATUS_IS_NOTFOUND(rv) && rv != APR_NOTFOUND
        && rv != VLD_E_FULL) {
        complain_of_record(store, path, rv);
    }
    return rv == APR_SUCCESS;
}

/* The time of the latest change to a symbolic link in the path, 0 for none. */
static apr_int64_t latest_link(const char *path)
{
    char part[PATH_MAX];
    apr_size_t i, len = strlen(path);
    apr_int64_t latest = 0;
    struct stat st;

    if (len >= sizeof(part)) {
        return 0;
    }
    memcpy(part, path, len + 1);
    for (i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0') {
            continue;
        }
        part[i] = '\0';
        if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode)) {
            latest = st.st_ctime > latest ? st.st_ctime : latest;
        }
        part[i] = path[i];
    }
    return latest;
}

static bool find_in(vld_store *store, const char *path, vld_lookup *out)
{
    char real[PATH_MAX];

    out->txn = vld_store_txn(store);
    if (find_at(store, path, &out->record)) {
        return true;
    }
    out->link_mtime_s = latest_link(path);
    return out->link_mtime_s && realpath(path, real)
           && find_at(store, real, &out->record);
}

bool vld_index_find(apr_time_t now, const char *path, vld_lookup *out)
{
    held *h = go_in_current(now);
    bool found = false;

    out->link_mtime_s = 0;
    out->txn = 0;
    if (h) {
        found = find_in(h->store, path, out);
        go_out(h);
    }
    return found;
}
