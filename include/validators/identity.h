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

/* The provisional tag of a settled identity: `W/"` + base64url of 128 bits
 * of the SHA-256 over its fields + `"` + NUL.  Tells nothing of inode or
 * times. */
#define VLD_WEAK_ETAG_SIZE 27
apr_status_t vld_identity_etag(const vld_identity *id,
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
