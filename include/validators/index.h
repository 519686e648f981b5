/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The index on disk: records of files in an LMDB environment of one file.
 * Docs: docs/index-format.md.  Part of index/. */
#ifndef VALIDATORS_INDEX_H
#define VALIDATORS_INDEX_H

#include <limits.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <apr_errno.h>

#include "validators/content.h"

/* --- errors ---------------------------------------------------------------
 * Everything from LMDB and errno becomes an apr_status_t in index/error.c.
 * These are the index's own, above APR_OS_START_USERERR. */
#define VLD_E_FIRST (APR_OS_START_USERERR + 7300)
#define VLD_E_NOT_INDEX (VLD_E_FIRST + 0) /* the file is something else */
#define VLD_E_VERSION (VLD_E_FIRST + 1)   /* another format version */
#define VLD_E_DAMAGED (VLD_E_FIRST + 2)   /* pages or a record do not check */
#define VLD_E_FULL (VLD_E_FIRST + 3)      /* the map's size is used up */
#define VLD_E_UNKNOWN                                                          \
    (VLD_E_FIRST + 4) /* writers were too fast for a look: not found or found,
                       * nobody knows */
#define VLD_E_LOCKED (VLD_E_FIRST + 5) /* the lock file is another's too */
#define VLD_E_OWNER (VLD_E_FIRST + 6)  /* strangers could have written it */
#define VLD_E_REPLACED                                                         \
    (VLD_E_FIRST + 7) /* another file is at the path now:
                       * close the store, open it again,
                       * retry */
#define VLD_E_STALE                                                            \
    (VLD_E_FIRST + 8) /* the lock file belongs to another
                       * index, and cannot be replaced */

/* A sentence for the status: one of the above or any other; written to buf
 * (and returned). */
const char *vld_strerror(apr_status_t rv, char *buf, apr_size_t size);

/* Advice for the administrator ("run `htvalidators -i PATH scan FOLDER` ..."),
 * written to buf (and returned); it names the path and the command. */
const char *vld_advice(apr_status_t rv, const char *index_path, char *buf,
                       apr_size_t size);

/* --- the files ------------------------------------------------------------
 * Its folder is made, and its files are made accessible to the server, before a
 * store is open.  These functions never open the index. */

/* The user and group that httpd's children run as. */
typedef struct vld_index_owner {
    uid_t uid;
    gid_t gid;
} vld_index_owner;

/* Whom the way to an index's files leaves in charge of them. */
typedef enum vld_index_verdict {
    VLD_PLACE_FAILED, /* could not be found out: errno */
    VLD_PLACE_ROOTS,  /* only root can have put there what is there */
    VLD_PLACE_OTHERS, /* the folder is another user's: work as that user */
    VLD_PLACE_OPEN,   /* it is root's, and others can write to it */
    VLD_PLACE_LED /* it is root's, below a folder that others can write to */
} vld_index_verdict;

typedef struct vld_index_place {
    vld_index_verdict verdict;
    char at[PATH_MAX]; /* the folder because of which; not for ROOTS */
    uid_t at_uid;
    gid_t at_gid;
    mode_t at_mode;
    char name[NAME_MAX + 1]; /* the path's last, in the folder that was judged;
                                empty: that folder is one above the path's */
    bool linked;             /* root's link was followed for it */
} vld_index_place;

/* For root: walk to the folder of path (the file need not be there, nor the
 * folder: then the nearest one above), one name at a time, by descriptors.
 * Symbolic links are followed where only root can have put them; another ends
 * the walk in the folder where it lies.  Returns an O_PATH descriptor of the
 * folder that was judged, the caller's to close; -1 with VLD_PLACE_FAILED. */
int vld_index_place_open(const char *path, vld_index_place *place);
vld_index_verdict vld_index_place_judge(const char *path,
                                        vld_index_place *place);

/* Make the missing folders above the folder of the index at path, mode 0755
 * (less the umask); only where path is the default index (configure
 * --with-index-file). */
void vld_index_files_make_above(const char *path);

/* Make the folder of the index at path (one level), mode 0750; as root, give
 * it to the owner, only where the folder above is VLD_PLACE_ROOTS or the
 * owner's.  True: the folder was made, for the owner.  False: something exists
 * there, which was not touched, or the folder cannot be made or given away. */
bool vld_index_files_make_folder_for(const char *path,
                                     const vld_index_owner *owner);

/* As root, let a user read the index at path, where the user could not: change
 * the group of the file to the user's, and add the group's permission.  Only
 * for a regular file with one name that belongs to root or to the user, in a
 * folder that is VLD_PLACE_ROOTS.  False: nothing was changed. */
bool vld_index_files_lend(const char *path, const vld_index_owner *user);

/* --- store -----------------------------------------------------------------
 * A store may be used by all threads of the process, and be read by children
 * that are forked later.  Batches are made by one thread at a time, in the
 * process that has opened it; one process has one store open for writing. */
typedef struct vld_store vld_store;

typedef enum vld_store_mode {
    VLD_STORE_READ,  /* must exist; needs no more than the right to read */
    VLD_STORE_WRITE, /* must exist */
    VLD_STORE_CREATE /* made when absent, with its folder (one level) */
} vld_store_mode;

/* Open the index at path.  *out lives until vld_store_close.  READ mode changes
 * nothing on disk, takes no lock, and keeps no writer from a page.  The others
 * open the lock file, too, which they make, or replace where it belongs to
 * another index, and whose mode they set to 0600.  They hold the folder (flock)
 * during the call, so that index and lock file are not replaced between the two
 * opens; APR_EAGAIN: another process has held it for 2 s.  A symbolic link at
 * the end of path is followed.
 *
 * Refused:
 * - a file that is empty, not regular, or not an index (VLD_E_NOT_INDEX;
 *   CREATE mode fills an empty file);
 * - another format (VLD_E_VERSION);
 * - a file that is cut short or inconsistent (VLD_E_DAMAGED);
 * - for writing: a lock file that is not the caller's own, not regular, or that
 *   others may open and that cannot be tightened (VLD_E_LOCKED), or that
 *   belongs to another index and cannot be replaced (VLD_E_STALE);
 * - a file whose owner is neither root, nor the caller, nor the owner of its
 *   folder; a file or folder that everybody may write to (VLD_E_OWNER);
 * - a file that does not exist (APR_STATUS_IS_ENOENT).
 *
 * New files get the modes 0640 and 0600 (lock file), the index the group of
 * its folder.  Where root makes it in a folder of root's group, it gets the
 * group of httpd's children (configure --with-server-group).
 *
 * The first call of a process installs handlers for SIGBUS and SIGSEGV.  After
 * a fault, because its file was cut short or overwritten, a store returns
 * VLD_E_DAMAGED for ever.  Signals that do not come from a call to a store go
 * to the handlers that were installed before.
 *
 * LMDB and POSIX locks: a process that opens a file again for writing (it was
 * replaced, or is damaged) closes the old store before, when no thread is in
 * it, or never.  Closing it afterwards would release the locks of the new
 * store. */
apr_status_t vld_store_open(vld_store **out, const char *path,
                            vld_store_mode mode);

/* Close; no other thread may be in the store. */
void vld_store_close(vld_store *store);

/* The number of the last committed transaction, as look-ups that begin after
 * the call see it, mixed with the identity of the file: equal numbers mean an
 * unchanged index.  0: not known, and equal to nothing, not even to 0.  Takes a
 * few nanoseconds and no lock. */
uint64_t vld_store_txn(vld_store *store);

/* A number for the file: different for each file that is or was at the store's
 * path (where the file system records when a file was made), the same in every
 * process. */
uint64_t vld_store_file_number(const vld_store *store);

/* Whether the files at the store's path are still those that are open (device
 * and inode, of a writer's lock file too), the index is not shorter than it
 * was, and no fault was met.  Costs one stat or two. */
bool vld_store_is_current(const vld_store *store);

/* Whether a stat is that of the store's file or of its lock file.  A process
 * must not open and close these: that would release LMDB's locks. */
bool vld_store_is_own(const vld_store *store, const struct stat *st);

/* Whether the file of a store that is open for writing is at its path, or its
 * lock file at that of the lock: a store that is opened there now would have
 * one of them open too.  False where it is open to be read only: it has no
 * locks. */
bool vld_store_is_in_place(const vld_store *store);

/* Look a path up (absolute, real, no trailing slash; any octets but NUL, up
 * to 65,535 of them).  APR_SUCCESS; APR_NOTFOUND; APR_EINVAL: the path is not
 * absolute or too long; VLD_E_DAMAGED: the record does not check, or the pages
 * do not (then vld_store_is_dead); VLD_E_UNKNOWN: writers were too fast, there
 * may be a record or none; others. */
apr_status_t vld_store_get(vld_store *store, const char *path, size_t len,
                           vld_record *out);

/* Whether a path may have a record: absolute, without NUL, not too long. */
bool vld_path_is_valid(const char *path, size_t len);

/* Whether a fault or an impossible page was met: then every call returns
 * VLD_E_DAMAGED. */
bool vld_store_is_dead(const vld_store *store);

/* --- writing ----------------------------------------------------------------
 * A batch is one transaction: nothing of it is seen before its commit, and
 * after a failure nothing of it is ever seen.  One batch at a time is open in
 * all processes; the next one waits. */
typedef struct vld_batch vld_batch;

/* Call fn, once, with a batch, in a thread that ends with it; commit the batch
 * when fn returns APR_SUCCESS, abort it and return fn's status when it returns
 * another.
 *
 * fn may read the store (vld_store_get does not see the batch, vld_batch_get
 * does), but neither write to it in another batch, nor compact, nor close it.
 * The batch ends with fn's return.
 *
 * VLD_E_REPLACED: the file was replaced or removed (by compact, for example);
 * what was written to it would be lost.  VLD_E_DAMAGED: the pages do not
 * check, or a fault was met; APR_EACCES: the store is open to be read only.
 * VLD_E_FULL, ENOSPC's status and others: of beginning or of committing. fn
 * was not called when the batch could not begin: always so with
 * VLD_E_REPLACED and APR_EACCES, unless fn itself returned it. */
typedef apr_status_t (*vld_write_fn)(void *baton, vld_batch *batch);
apr_status_t vld_store_write(vld_store *store, vld_write_fn fn, void *baton);

/* Put a record; it replaces the one that the path has.  APR_EINVAL: the path is
 * not valid, or a date is out of range; the batch may go on.  After VLD_E_FULL,
 * ENOSPC's status and others it may not. */
apr_status_t vld_batch_put(vld_batch *batch, const char *path, size_t len,
                           const vld_record *record);
/* As vld_store_get, inside the batch (sees its own puts). */
apr_status_t vld_batch_get(vld_batch *batch, const char *path, size_t len,
                           vld_record *out);
/* APR_NOTFOUND when there was none. */
apr_status_t vld_batch_delete(vld_batch *batch, const char *path, size_t len);
/* False once the store has met a fault: then VLD_E_DAMAGED is not about a
 * single record. */
bool vld_batch_is_well(const vld_batch *batch);

/* --- the record of one file ----------------------------------------------- */

/* Put the record of a file that was just read, or of one whose tag is promised
 * before (vld_promise_record).  It keeps the promise of the record before
 * (vld_record_keep_promise), and gets its date: where the content is the same,
 * the date of the record before (or of heard, if that is later); where it
 * differs, a later one; where neither is known, the file's.  Nothing is put
 * where another writer has read the file later.  *same: the content is that of
 * the record before.  Statuses of vld_batch_put.
 *
 * The first promise in an index changes its format: programs that know no
 * promises refuse it with VLD_E_VERSION. */
apr_status_t vld_batch_record(vld_batch *batch, const char *path, size_t len,
                              vld_record *record, const vld_last_sent *heard,
                              bool *same);

/* --- walks --------------------------------------------------------------- */

/* Call back for every record below prefix ("" or "/": all; "/srv/a" means
 * itself and all below "/srv/a/", not "/srv/ab"): records of paths longer than
 * 511 octets first, in no order, then the others in the order of their
 * octets.  path is NUL-terminated and lasts until the callback returns.  A
 * record that does not check is passed as record == NULL; where its path is
 * lost, path is its key (it begins with NUL), which vld_batch_delete accepts.
 * A status of the callback other than APR_SUCCESS ends the walk and is
 * returned.  The callback may use the store and write to it, and a long walk
 * keeps no old pages.  Records that are
 * committed during the walk may or may not be met. */
typedef apr_status_t (*vld_record_cb)(void *baton, const char *path, size_t len,
                                      const vld_record *record);
apr_status_t vld_store_each(vld_store *store, const char *prefix,
                            vld_record_cb cb, void *baton);

/* --- deleting ---------------------------------------------------------------
 * Records that a rule does not want any more, in batches of bounded size: other
 * writers get their turn in between. */
typedef struct vld_sweep_rule {
    /* Whether the record is to be deleted (*drop is false before): asked for
     * each record that is met.  path and record as vld_record_cb has them; no
     * transaction is open, the store may be used.  A status other than
     * APR_SUCCESS ends the walk and is returned; what was chosen since the
     * last batch is kept. */
    apr_status_t (*choose)(void *baton, const char *path, size_t len,
                           const vld_record *record, bool *drop);
    /* Whether the record is still to be deleted: asked inside the batch, just
     * before the deletion; path is NUL-terminated.  The store may be read but
     * not written to.  NULL: always. */
    bool (*confirm)(void *baton, const char *path, size_t len);
    /* What is done to the record in the batch, in place of deleting it;
     * *changed is true before.  NULL: it is deleted. */
    apr_status_t (*change)(void *baton, vld_batch *batch, const char *path,
                           size_t len, bool *changed);
    void *baton;
    size_t batch_records; /* the most of one batch; 0: 4096 */
} vld_sweep_rule;

/* Walk the records below prefix, as vld_store_each does, and delete those that
 * the rule chooses and confirms.  *deleted grows after each commit by the
 * records that it deleted, so it is right after a failure too.  Statuses of
 * vld_store_each, of choose and of vld_store_write; after one of the last
 * the records of that batch and those not met yet are kept. */
apr_status_t vld_store_delete_each(vld_store *store, const char *prefix,
                                   const vld_sweep_rule *rule,
                                   uint64_t *deleted);

/* The same in steps, for paths that are found one after the other.  One thread;
 * *rule is copied, *deleted must live as long as the sweep. */
typedef struct vld_sweep vld_sweep;
apr_status_t vld_sweep_open(vld_sweep **out, vld_store *store,
                            const vld_sweep_rule *rule, uint64_t *deleted);
/* Choose the record of a path, where there is one, without asking the rule's
 * choose; delete what is chosen when that makes a full batch. */
apr_status_t vld_sweep_add(vld_sweep *sweep, const char *path, size_t len);
/* Choose among the records below prefix; full batches are deleted. */
apr_status_t vld_sweep_below(vld_sweep *sweep, const char *prefix);
/* Delete what is chosen.  Nothing is chosen after, whatever is returned: after
 * a failure these records are kept. */
apr_status_t vld_sweep_flush(vld_sweep *sweep);
/* Free the sweep; what is chosen and not deleted is kept.  NULL is none. */
void vld_sweep_close(vld_sweep *sweep);
/* vld_sweep_below, vld_sweep_flush where that succeeds, and vld_sweep_close. */
apr_status_t vld_sweep_finish(vld_sweep *sweep, const char *prefix);

/* --- promises ------------------------------------------------------------ */

/* Have the records at and below prefix forget the promises that they keep: the
 * tags of these files become those of their digests; dates stay.  A promise of
 * a content that was not read is kept.  *count grows by the records changed,
 * after each commit.  Statuses of vld_store_each and vld_store_write. */
apr_status_t vld_store_forget_promises(vld_store *store, const char *prefix,
                                       uint64_t *count);

/* --- the whole ----------------------------------------------------------- */

/* Figures for `stat` and the status page. */
typedef struct vld_store_info {
    uint64_t files;      /* records */
    uint64_t file_bytes; /* octets of the index file */
    uint64_t used_bytes; /* octets of it in use */
    uint64_t map_bytes;  /* how long its last writer lets it become */
    uint64_t txn;
    uint32_t format; /* version */
    int64_t created_ns;
    char tool[64]; /* version of the tool that made it */
} vld_store_info;
apr_status_t vld_store_stat(vld_store *store, vld_store_info *out);

/* Copy the pages in use into a new file and replace the old one by it, with the
 * same owner and mode, and with a lock file of its own.  No process can write
 * meanwhile; readers go on in the old file until they look for the new one.
 * Needs room for both.  After success the store is not current any more: close
 * it.  After failure everything is as it was. */
apr_status_t vld_store_compact(vld_store *store);

#endif /* VALIDATORS_INDEX_H */
