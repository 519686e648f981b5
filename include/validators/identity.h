/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Identity and content of files: what a stat says, when that can be trusted,
 * and the digest with the entity tags made from it. Part of index/. */
#ifndef VALIDATORS_IDENTITY_H
#define VALIDATORS_IDENTITY_H

#include <sys/stat.h>
#include <apr_errno.h>

#include "validators/types.h"

/* The identity that a stat of a regular file shows. */
void vld_identity_of(const struct stat *st, vld_identity *out);

/* Whether two identities are the same, as closely as `verify` asks
 * (VLD_VERIFY_NONE: always). */
bool vld_identity_equal(const vld_identity *a, const vld_identity *b,
                        vld_verify verify);

/* Whether an mtime tells contents apart as far as mtimes ever do.  Not those
 * that builds and packagers give to every file, whatever is in it: up to 1 s
 * after 1970, 1980-01-01 (ZIP's first day), 1980-02-01 (Gradle), 1985-10-26
 * (npm), each in any time zone. */
bool vld_identity_mtime_tells(const vld_identity *id);

/* How long after a change its timestamps may still be given to another
 * change, in nanoseconds: two ticks of CLOCK_REALTIME_COARSE (20 ms at
 * least) on local file systems, 2 s on FAT, NFS and all that are not known
 * to be better.  fd is open on the file or its folder; dev its st_dev, under
 * which the answer is kept for the process.  Thread-safe. */
int64_t vld_identity_margin_ns(int fd, dev_t dev);

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

/* Now by CLOCK_REALTIME, nanoseconds since 1970. */
int64_t vld_now_ns(void);

/* SHA-256 by OpenSSL's EVP.  APR_EGENERAL when OpenSSL refuses. Thread-safe. */
apr_status_t vld_digest_bytes(const void *bytes, size_t len, vld_digest *out);

/* SHA-256 of a descriptor from offset 0 to its end by pread (the offset is
 * not moved); *size gets the octets read. errno's status on a read error. */
apr_status_t vld_digest_fd(int fd, vld_digest *out, uint64_t *size);

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
apr_status_t vld_content_etag(const vld_digest *digest,
                              const vld_tag_key *key,
                              char out[VLD_ETAG_SIZE]);

/* The provisional tag of a settled identity: `W/` + the tag, as by
 * vld_content_etag, of the SHA-256 over its fields + NUL.  Tells nothing of
 * inode or times; with a key, not even to who can guess them. */
#define VLD_WEAK_ETAG_SIZE 27
apr_status_t vld_identity_etag(const vld_identity *id, const vld_tag_key *key,
                               char out[VLD_WEAK_ETAG_SIZE]);

/* Lower-case hex of a digest, 64 digits and NUL, and back (false when text
 * is not exactly 64 hex digits, of either case). */
#define VLD_HEX_SIZE 65
void vld_digest_hex(const vld_digest *digest, char out[VLD_HEX_SIZE]);
bool vld_digest_unhex(const char *text, vld_digest *out);

/* --- Last-Modified -------------------------------------------------------
 * The date of a content seen for the first time: the file's mtime in seconds;
 * where that means nothing (0, 1, negative, or after now) the time now_s. */
int64_t vld_lastmod_first(const vld_identity *id, int64_t now_s);

/* The date of a content that differs from the one before, whose date was
 * before_s: the latest of mtime, ctime and before_s + 1, never after now_s
 * (unless before_s itself is: then before_s + 1). */
int64_t vld_lastmod_next(const vld_identity *id, int64_t before_s,
                         int64_t now_s);

#endif /* VALIDATORS_IDENTITY_H */
