/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* What a stat says of a file and when that can be trusted.  Never opens a
 * file and never reads one. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "content/identity.h"

#include <string.h>
#include <sys/vfs.h>
#include <time.h>

#include "validators/bytes.h"
#include "validators/content.h"

#define NS_PER_S INT64_C(1000000000)
#define COARSE_MARGIN_NS (2 * NS_PER_S)
#define LEAST_MARGIN_NS INT64_C(20000000)

static int64_t ns_of(struct timespec ts)
{
    /* Dates beyond the years 1677 to 2262 end there. */
    if (ts.tv_sec >= INT64_MAX / NS_PER_S) {
        return INT64_MAX;
    }
    if (ts.tv_sec <= INT64_MIN / NS_PER_S) {
        return INT64_MIN;
    }
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

void vld_identity_of(const struct stat *st, vld_identity *out)
{
    out->size = (uint64_t)st->st_size;
    out->mtime_ns = ns_of(st->st_mtim);
    out->ctime_ns = ns_of(st->st_ctim);
    out->inode = (uint64_t)st->st_ino;
}

bool vld_identity_equal(const vld_identity *a, const vld_identity *b,
                        vld_compare verify)
{
    switch (verify) {
    case VLD_COMPARE_NONE: return true;
    case VLD_COMPARE_MTIME:
        return a->size == b->size && a->mtime_ns == b->mtime_ns;
    default:
        return a->size == b->size && a->mtime_ns == b->mtime_ns
               && a->ctime_ns == b->ctime_ns && a->inode == b->inode;
    }
}

/* Noon of a day is less than 27 h from any moment of it in any time zone
 * (UTC-12 to UTC+14); these are wholly given up. */
static bool is_around(int64_t ns, int64_t noon_s)
{
    const int64_t reach_ns = 27 * 3600 * NS_PER_S;
    int64_t noon_ns = noon_s * NS_PER_S;

    return ns > noon_ns - reach_ns && ns < noon_ns + reach_ns;
}

bool vld_identity_time_tells(int64_t ns)
{
    return ns >= 2 * NS_PER_S && !is_around(ns, INT64_C(315576000))
           && !is_around(ns, INT64_C(318254400))
           && !is_around(ns, INT64_C(499176000));
}

int64_t vld_identity_settles_ns(const vld_identity *id, int64_t now_ns,
                                int64_t margin_ns)
{
    int64_t settles = INT64_MIN;

    /* ext3 and ext4 with small inodes cannot be told from ext4 by statfs,
     * but they show no fractions of a second. */
    if (id->ctime_ns % NS_PER_S == 0 && margin_ns < COARSE_MARGIN_NS) {
        margin_ns = COARSE_MARGIN_NS;
    }
    if (id->ctime_ns > now_ns - margin_ns) {
        settles = id->ctime_ns > INT64_MAX - margin_ns
                      ? INT64_MAX
                      : id->ctime_ns + margin_ns;
    }
    if (id->mtime_ns > now_ns - margin_ns && id->mtime_ns < now_ns + margin_ns
        && id->mtime_ns + margin_ns > settles) {
        settles = id->mtime_ns + margin_ns;
    }
    return settles == INT64_MIN ? now_ns : settles;
}

bool vld_identity_racy(const vld_identity *id, int64_t now_ns,
                       int64_t margin_ns)
{
    return vld_identity_settles_ns(id, now_ns, margin_ns) > now_ns;
}

/* --- the margin, and what an identity proves ----------------------------- */

/* What the times of a file system's files are. */
typedef enum kind {
    KIND_LAYERED, /* overlayfs: those of the layer, fine or an image */
    KIND_FINE,    /* from this machine's own clock, at its tick or finer */
    KIND_UNKNOWN, /* somebody's clock, at some tick */
    KIND_IMAGE    /* what the builder wrote; or ctime is not kept */
} kind;

/* statfs(2), linux/magic.h, and the sources of Linux for what is not there. */
static kind kind_of_magic(unsigned long magic)
{
    switch (magic) {
    case 0x794c7630: /* overlayfs */ return KIND_LAYERED;
    case 0xef53:     /* ext2, ext3, ext4 */
    case 0x58465342: /* xfs */
    case 0x9123683e: /* btrfs */
    case 0x01021994: /* tmpfs */
    case 0x2fc12fc1: /* zfs */
    case 0xf2f52010: /* f2fs */
    case 0x858458f6: /* ramfs */
    case 0xca451a4e: /* bcachefs */
    case 0x3434: /* nilfs2 */ return KIND_FINE;
    case 0x73717368: /* squashfs */
    case 0xe0f5e1e2: /* erofs */
    case 0x9660:     /* iso9660 */
    case 0x15013346: /* udf */
    case 0x28cd3d45: /* cramfs */
    case 0x7275:     /* romfs */
    case 0x4d44:     /* vfat */
    case 0x2011bab0: /* exfat */ return KIND_IMAGE;
    default: return KIND_UNKNOWN;
    }
}

static int64_t local_margin_ns(void)
{
    struct timespec tick;
    int64_t margin;

    if (clock_getres(CLOCK_REALTIME_COARSE, &tick)) {
        return COARSE_MARGIN_NS;
    }
    margin = 2 * ns_of(tick);
    return margin < LEAST_MARGIN_NS ? LEAST_MARGIN_NS : margin;
}

static kind ask_kind(int fd)
{
    struct statfs fs;

    if (fstatfs(fd, &fs)) {
        return KIND_UNKNOWN;
    }
    return kind_of_magic((unsigned long)fs.f_type & 0xffffffffUL);
}

/* Answers are kept in single words, so that no lock is needed:
 *   device << 32 | second of the monotonic clock (30 bits) << 2 | kind
 * A word that happens to be 0 counts as unused.  They expire, because the
 * number of an unmounted device is given to the next one. */
#define SLOTS 64
#define KEPT_S 10
#define SECOND_MASK UINT64_C(0x3fffffff)
static uint64_t kept[SLOTS];

static uint64_t *slot_of(uint64_t dev)
{
    return &kept[(dev * UINT64_C(0x9e3779b97f4a7c15)) >> 58];
}

static uint64_t monotonic_s(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (uint64_t)ts.tv_sec & SECOND_MASK;
}

static kind find_kind(int fd, dev_t device)
{
    uint64_t dev = (uint64_t)device;
    uint64_t *slot = slot_of(dev);
    uint64_t word = __atomic_load_n(slot, __ATOMIC_RELAXED);
    uint64_t now = monotonic_s();
    kind found;

    if (dev > UINT32_MAX) {
        return ask_kind(fd);
    }
    if (word && word >> 32 == dev
        && ((now - (word >> 2)) & SECOND_MASK) < KEPT_S) {
        return (kind)(word & 3);
    }
    found = ask_kind(fd);
    word = dev << 32 | now << 2 | (uint64_t)found;
    __atomic_store_n(slot, word, __ATOMIC_RELAXED);
    return found;
}

int64_t vld_identity_margin_ns(int fd, dev_t dev)
{
    return find_kind(fd, dev) <= KIND_FINE ? local_margin_ns()
                                           : COARSE_MARGIN_NS;
}

/* Where ctime is later than mtime it was kept apart from it.  A file system
 * that keeps the mtime alone shows it as both, mostly in whole seconds; below
 * an overlay, or on the other side of a network, that is all there is to see.
 * On a file that looks so, the file system is asked each time: an image may
 * have been mounted under the device number of something else. */
bool vld_identity_proves(const vld_identity *id, int fd, dev_t dev)
{
    bool is_one_second = id->ctime_ns == id->mtime_ns
                         && id->ctime_ns % NS_PER_S == 0;

    if (id->ctime_ns > id->mtime_ns) {
        return true;
    }
    switch (is_one_second ? ask_kind(fd) : find_kind(fd, dev)) {
    case KIND_FINE: return true;
    case KIND_IMAGE: return false;
    default: return !is_one_second;
    }
}

/* --- the provisional tag ------------------------------------------------- */

void vld_identity_put(unsigned char out[VLD_IDENTITY_OCTETS],
                      const vld_identity *id)
{
    vld_put64(out, id->size);
    vld_put64(out + 8, (uint64_t)id->mtime_ns);
    vld_put64(out + 16, (uint64_t)id->ctime_ns);
    vld_put64(out + 24, id->inode);
}

apr_status_t vld_identity_digest(const vld_identity *id, vld_digest *out)
{
    static const char label[16] = "vld identity v1";
    unsigned char text[sizeof(label) + VLD_IDENTITY_OCTETS];

    memcpy(text, label, sizeof(label));
    vld_identity_put(text + sizeof(label), id);
    return vld_digest_bytes(text, sizeof(text), out);
}
