/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What a file is: how it is opened and read, its identity and when that can be
 * trusted, its digest, and the tags and dates that follow.  Knows no index.
 * Part of content/. */
#ifndef VALIDATORS_CONTENT_H
#define VALIDATORS_CONTENT_H

#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <apr_errno.h>

#include "validators/types.h"

/* errno as it stands, never APR_SUCCESS. */
static inline apr_status_t vld_error_os(void)
{
    return errno ? APR_FROM_OS_ERROR(errno) : APR_EGENERAL;
}

/* --- clocks --------------------------------------------------------------- */

/* Now by CLOCK_REALTIME, nanoseconds since 1970. */
int64_t vld_now_ns(void);

/* Now by CLOCK_MONOTONIC, nanoseconds: for waiting. */
int64_t vld_monotonic_ns(void);

/* --- threads -------------------------------------------------------------- */

/* For threads that are made now: signals go to those that the program knows
 * of, faults stay with the thread that makes them.  *before is for
 * pthread_sigmask. */
void vld_thread_block_signals(sigset_t *before);

/* --- files by real paths -----------------------------------------------------
 * Opened and looked at name by name, so that no symbolic link leads elsewhere,
 * and paths may be longer than the system's calls take. */

/* The longest path that is taken, in octets. */
#define VLD_PATH_MAX 65535

/* Open what is at an absolute path without following a link anywhere; -1 and
 * errno (ELOOP or ENOTDIR where a link stands in the way).  Search permission
 * is enough for the folders above.  O_CLOEXEC and O_NOFOLLOW are set.
 * O_NOATIME is dropped where the file's owner is somebody else. */
int vld_beneath_open(const char *path, int flags);

/* The same, from an open folder (which stays open); "" and "/" are the folder
 * itself. */
int vld_beneath_openat(int folder, const char *path, int flags);

/* The flags to open a file that is then read: a pipe in its place blocks
 * nobody (with <fcntl.h> and _GNU_SOURCE). */
#define VLD_OPEN_TO_READ (O_RDONLY | O_NONBLOCK | O_NOATIME)

/* lstat in the same way: 0, or -1 and errno. */
int vld_beneath_stat(const char *path, struct stat *st);

/* Whether errno means that nothing is at the path under its own name. */
int vld_beneath_is_gone(int error);

/* Whether what is open as fd lies on /proc or its like. */
bool vld_beneath_is_virtual(int fd);

/* --- identity ------------------------------------------------------------- */

/* The identity that a stat of a regular file shows. */
void vld_identity_of(const struct stat *st, vld_identity *out);

/* Whether two identities are the same, as closely as `verify` asks
 * (VLD_COMPARE_NONE: always). */
bool vld_identity_equal(const vld_identity *a, const vld_identity *b,
                        vld_compare verify);

/* Whether a time of a file tells contents apart as far as such times ever do.
 * Not those that builds, packagers and images give to every file, whatever is
 * in it: up to 1 s after 1970, 1980-01-01 (ZIP's first day), 1980-02-01
 * (Gradle), 1985-10-26 (npm), each in any time zone. */
bool vld_identity_time_tells(int64_t ns);

/* How long after a change its timestamps may still be given to another
 * change, in nanoseconds: two ticks of CLOCK_REALTIME_COARSE (20 ms at
 * least) on local file systems, 2 s on FAT, NFS and all that are not known
 * to be better.  fd is open on the file or its folder; dev its st_dev, under
 * which the answer is kept for the process.  Thread-safe. */
int64_t vld_identity_margin_ns(int fd, dev_t dev);

/* Whether the identity of the file that is open as fd (or is in the folder
 * that is) can tell its content from another of this path.  Not on the file
 * systems of images (squashfs, erofs, iso9660, udf, cramfs, romfs) and those
 * that keep no ctime (vfat, exfat), where ctime is not later than mtime: two
 * images that were built alike show the same inode, times and device for
 * different contents, and which one is mounted is not to be seen.  Nor where
 * ctime and mtime are one whole second on a file system that may show one of
 * these (overlay, network, FUSE).  Thread-safe. */
bool vld_identity_proves(const vld_identity *id, int fd, dev_t dev);

/* Whether content read at or after now_ns may be followed by a change that
 * leaves this same identity: a ctime less than margin_ns before now_ns or
 * after it, or an mtime within margin_ns of it on either side.  (An mtime far
 * in the future was set by somebody and tells nothing.)  An identity for which
 * this is false is *settled*: as long as it is seen again, the content is what
 * it was. */
bool vld_identity_racy(const vld_identity *id, int64_t now_ns,
                       int64_t margin_ns);

/* When, if it is not changed again, an identity seen at now_ns is settled:
 * at or before now_ns when it is already.  (racy: settles after now_ns.)  A
 * ctime of whole seconds is taken for one of a file system that keeps no
 * fractions, where the margin is 2 s at least. */
int64_t vld_identity_settles_ns(const vld_identity *id, int64_t now_ns,
                                int64_t margin_ns);

/* --- digest and tags ------------------------------------------------------ */

/* SHA-256 by OpenSSL's EVP.  APR_EGENERAL when OpenSSL refuses. Thread-safe. */
apr_status_t vld_digest_bytes(const void *bytes, size_t len, vld_digest *out);

/* SHA-256 of a descriptor from offset 0 to its end by pread (the offset is
 * not moved); *size gets the octets read. errno's status on a read error. */
apr_status_t vld_digest_fd(int fd, vld_digest *out, uint64_t *size);

/* The same of the first len octets.  APR_EOF: there are not so many. */
apr_status_t vld_digest_start(int fd, uint64_t len, vld_digest *out);

/* `"` + base64url of the first 128 bits + `"` + NUL. */
#define VLD_ETAG_SIZE 25
void vld_digest_etag(const vld_digest *digest, char out[VLD_ETAG_SIZE]);

/* --- keyed tags -----------------------------------------------------------
 * With a key, a tag is made from HMAC-SHA-256(key, digest): who does not have
 * the key cannot tell by a tag whether a guess at the content is right. */
#define VLD_TAG_KEY_LEAST 16
#define VLD_TAG_KEY_MOST 4096
typedef struct vld_tag_key {
    size_t len;
    unsigned char octets[VLD_TAG_KEY_MOST];
} vld_tag_key;

/* Read the key from the file at path; one newline at its end is not of the
 * key.  NULL: *out is the key.  Else a sentence, written to why, that says
 * what is wrong and what to do, and *out is empty: no file, not a regular
 * one, one that others can read or write or its group can write, or a key
 * that is too short or too long. */
const char *vld_tag_key_read(vld_tag_key *out, const char *path, char *why,
                             size_t size);
/* Overwrite the key. */
void vld_tag_key_forget(vld_tag_key *key);

/* HMAC-SHA-256 by OpenSSL.  APR_EGENERAL when OpenSSL refuses.
 * Thread-safe. */
apr_status_t vld_keyed_digest(const vld_tag_key *key, const void *octets,
                              size_t len, vld_digest *out);

/* The tag of a content: as vld_digest_etag, of the keyed digest where key is
 * not NULL.  Statuses of vld_keyed_digest; without a key it cannot fail. */
apr_status_t vld_content_etag(const vld_digest *digest, const vld_tag_key *key,
                              char out[VLD_ETAG_SIZE]);

/* Room for a weak tag: `W/` and the tag. */
#define VLD_WEAK_ETAG_SIZE 27

/* Of what the provisional, weak tag of a settled identity is made: the SHA-256
 * over its fields.  A tag of it tells nothing of inode or times; with a key,
 * not even to who can guess them. */
apr_status_t vld_identity_digest(const vld_identity *id, vld_digest *out);

/* Of what a tag is made where the configuration has a salt, which is no secret:
 * tags of two salts are different.  out may be in. */
apr_status_t vld_digest_salted(const vld_digest *in, const char *salt,
                               vld_digest *out);

/* Lower-case hex of a digest, 64 digits and NUL, and back (false when text
 * is not exactly 64 hex digits, of either case). */
#define VLD_HEX_SIZE 65
void vld_digest_hex(const vld_digest *digest, char out[VLD_HEX_SIZE]);
bool vld_digest_unhex(const char *text, vld_digest *out);

/* --- what is known of a file's content ------------------------------------ */

/* Of what a promised tag is made, in place of a digest: the first 128 bits of
 * the SHA-256 over an identity. */
typedef struct vld_seed {
    unsigned char octets[16];
} vld_seed;

/* A reading fills in all but the date, and promises nothing. */
typedef struct vld_record {
    vld_digest digest; /* of the content; is_unread: not known, all 0 */
    vld_identity identity;
    int64_t last_modified; /* seconds since 1970 */
    int64_t indexed_ns;    /* when the content was read; is_unread: when it was
                            * promised */
    bool is_promised;      /* the content was sent under the tag of the seed */
    bool is_unread;        /* it was not read yet; only where it is promised */
    vld_seed seed;         /* is_promised only */
} vld_record;

/* --- promises -------------------------------------------------------------
 * A file that cannot be read before its first answer gets a strong tag of its
 * settled identity.  Its record keeps the seed of that tag, for as long as the
 * content is the same, so that the tag does not change when the content has
 * been read. */

/* The name of a content is what its tag is made of, and what its dates are
 * remembered by: 256 bits.  It is the digest, or the seed with zeros behind
 * it.  Different contents of one path have different names. */

/* The name by which a settled identity is promised.  fd is open on the file:
 * the number of its file system counts too.  Statuses of vld_digest_bytes. */
apr_status_t vld_promise_name(const vld_identity *id, int fd, vld_digest *name);

/* Record a promise: an unread record of the identity, under this name. */
void vld_promise_record(const vld_identity *id, const vld_digest *name,
                        int64_t now_ns, vld_record *out);

/* Whether the name is a seed with zeros behind it.  (A digest that ends so is
 * not known.) */
bool vld_name_is_promised(const vld_digest *name);

/* The record of a content that was read, without a promise and without a
 * date. */
void vld_record_read(const vld_identity *id, const vld_digest *digest,
                     int64_t indexed_ns, vld_record *out);

/* The name of a record's content. */
void vld_record_name(const vld_record *record, vld_digest *name);

/* Whether both are of one content, by its name. */
bool vld_record_is_same(const vld_record *a, const vld_record *b);

/* The name of a content whose digest is known, where the path has this record
 * (NULL: none): that of the promise under which it was sent, else the
 * digest. */
void vld_content_name(const vld_digest *digest, const vld_record *record,
                      vld_digest *name);

/* A record that is made of the same file keeps the promise of the record
 * before, or that there is none: where both are of one settled identity (and
 * were not read with different digests: an image was swapped, or a mapping
 * written to), or of one digest.  The digest is kept too, where only the
 * record before has it. */
void vld_record_keep_promise(vld_record *record, const vld_record *before);

/* --- dates ----------------------------------------------------------------
 * Which Last-Modified a content gets, so that no two contents of one URL or
 * one path ever have the same.  Seconds since 1970; the time is an argument. */

/* The date of a content that is seen for the first time: the file's mtime in
 * whole seconds; where that means nothing (vld_identity_time_tells, or after
 * now_s), the time of its last change, and where that means nothing, now_s. */
int64_t vld_dates_first(const vld_identity *id, int64_t now_s);

/* The date of a content that differs from the one before, whose date was
 * before_s: the latest of mtime, ctime and before_s + 1, never after now_s
 * (unless before_s itself is: then before_s + 1). */
int64_t vld_dates_next(const vld_identity *id, int64_t before_s, int64_t now_s);

/* The date of the last change to the file: the later of mtime and ctime; ctime
 * where mtime is after now_s.  No earlier content of the file can have had it,
 * since a change moves ctime and a date is only sent when its second is
 * over. */
int64_t vld_dates_of_change(const vld_identity *id, int64_t now_s);

/* Whether Last-Modified may say the date: its second is over. */
bool vld_dates_may_send(int64_t date_s, int64_t now_us);

int64_t vld_dates_later(int64_t a, int64_t b);

/* The name of a content, and the date under which it was sent. */
typedef struct vld_dated {
    vld_digest name;
    int64_t date; /* 0: none */
} vld_dated;

#define VLD_PAST_MOST 8

/* The contents that one URL is remembered to have had. */
typedef struct vld_past {
    uint32_t count; /* of all */
    vld_dated all[VLD_PAST_MOST];
    int64_t lost; /* latest date of a content that may have been this URL's
                   * and is remembered no more; 0: none */
} vld_past;

/* The remembered content with the latest date; all 0: none has a date. */
void vld_dates_latest(const vld_past *past, vld_dated *out);

/* Whether no other remembered content has had this date or a later one. */
bool vld_dates_is_free(const vld_past *past, const vld_digest *name,
                       int64_t date_s);

/* What the memory of a URL is used for. */
typedef enum vld_recall {
    VLD_RECALL_NONE, /* the response is not going to be remembered: its date
                      * must be safe without */
    VLD_RECALL_READ, /* no response is made: only a date that was sent counts */
    VLD_RECALL_WRITE /* the response is going to be remembered */
} vld_recall;

/* What is known of a content whose date is asked for. */
typedef struct vld_dates_facts {
    const vld_identity *identity; /* of the file */
    const vld_digest *name;       /* of its content */
    const vld_record *record;     /* the path's in the index; NULL: none */
    bool is_fresh;                /* record is of this identity */
    int64_t link_s; /* of a fresh record: the latest change of a symbolic link
                     * on the way to the file; 0: no link */
    const vld_past *past;
    vld_recall recall; /* looked at without a fresh record */
    int64_t now_us;    /* time of the request, microseconds since 1970 */
} vld_dates_facts;

typedef struct vld_chosen_date {
    int64_t seconds;
    bool may_be_sent;        /* its second is over */
    bool needs_memory;       /* only safe while the response is remembered */
    bool is_ahead_of_record; /* later than the date of the fresh record */
    bool is_assumed; /* VLD_RECALL_READ: no response has said a date; no client
                      * can hold a later one than this */
} vld_chosen_date;

/* Choose the date of a content. */
void vld_dates_choose(const vld_dates_facts *facts, vld_chosen_date *out);

/* The response could not be remembered after all: a date that is safe
 * without. */
void vld_dates_forgo_memory(vld_chosen_date *date, const vld_identity *id,
                            int64_t now_us);

/* The latest date under which a content is known to have been sent at a path,
 * and the name of that content.  date 0: none. */
typedef struct vld_last_sent {
    bool has_name;
    vld_digest name;
    int64_t date; /* seconds */
} vld_last_sent;

/* The date that the record of a file gets: that of the record before (known;
 * NULL: none), or of what was sent (NULL: nothing) if that is later, where the
 * content is the same; else a later one; where neither is known, the first. */
int64_t vld_dates_of_record(const vld_record *read, const vld_record *known,
                            const vld_last_sent *sent, int64_t now_s);

/* What a manifest's date says of the content read: date_s; 0 where it means
 * nothing or lies in the future, or would not make the date that follows the
 * record of another content (known; NULL: none) later. */
int64_t vld_dates_declared(int64_t date_s, const vld_record *read,
                           const vld_record *known, int64_t now_s);

/* --- writers -------------------------------------------------------------- */

/* Whether a regular file that is open to be read is open to be written to
 * somewhere, or mapped so: then its content may change under this identity,
 * since stores to a mapping move the times only now and then.  False, too: this
 * process may not know, since the file is another user's or the file system has
 * no leases. */
bool vld_file_has_writer(int fd);

/* --- reading -------------------------------------------------------------- */

/* Read the regular file at path (its real path: no link is followed) and fill
 * in digest, identity and indexed_ns.  The identity was settled before the
 * first octet was read and was the same after the last.
 * APR_EBUSY: it is not settled yet, or changed meanwhile: try again at
 * *again_ns (as vld_now_ns() counts).  APR_EINTR: ended early.  APR_EINVAL: no
 * regular file. Others: errno's.  Of `how`, what is asked while the file is
 * read counts: stop (an atomic int), progress, goes_on.  NULL: nothing is. */
typedef struct vld_attempt vld_attempt;
apr_status_t vld_file_read(const char *path, const vld_attempt *how,
                           vld_record *out, int64_t *again_ns);

/* One attempt to do that with an open file: for those who do the waiting
 * themselves. */
typedef enum vld_reading {
    VLD_READ,       /* the record has digest, identity and indexed_ns */
    VLD_ADOPTED,    /* the same, without reading */
    VLD_RACY,       /* must be looked at again in wait_ns */
    VLD_CHANGED,    /* while it was read */
    VLD_PASSED,     /* not there any more, or no regular file */
    VLD_READ_FAILED /* rv */
} vld_reading;

struct vld_attempt {
    int fd;
    const int *stop;    /* not 0: end soon, VLD_READ_FAILED with APR_EINTR */
    uint64_t *progress; /* octets read are added; NULL: not */
    /* Asked before each 128 KiB; false: as with stop.  NULL: not asked.  It may
     * make digests of octets, and read no other file. */
    bool (*goes_on)(void *baton);
    void *baton;
    bool shuns_writers; /* a file that has one (vld_file_has_writer) is racy */
    vld_record *record;
    int64_t wait_ns; /* with VLD_RACY */
    apr_status_t rv; /* with VLD_READ_FAILED */
    /* The content of a file of this size and mtime is known: its digest is
     * taken over.  NULL: read. */
    const vld_record *known;
};

/* Look at the file open as fd, read it, and look again. */
vld_reading vld_file_try(vld_attempt *a);

#endif /* VALIDATORS_CONTENT_H */
