/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Claims: who reads which file, and what was read.  Never waits, never
 * allocates, never calls the system; touches slots only through their protocol
 * (validators/slots.h). */
#include "validators/wanted.h"

#include <string.h>

#include "wanted/rest.h"

#define TRIES_MOST 13u
#define FREE_TRIES 3u

/* A file that was quiet for so long, or for twice its rest, starts over. */
#define QUIET_US INT64_C(60000000)

/* Times are added to and taken from each other: no slot has another. */
#define TIME_MOST_US (INT64_MAX / 2)

#define MOST_CLAIMS 65536u
#define CLAIM_SLOT 128
#define AT_TOKENS VLD_SLOTS_HEAD_WORDS /* a head word: tokens given so far */

/* Data of a slot, in the machine's order. */
enum {
    AT_STATE = 18, /* 1 octet */
    AT_TRIES = 19, /* 1 octet */
    AT_DEVICE = 24,
    AT_SIZE = 32,
    AT_MTIME = 40,
    AT_CTIME = 48,
    AT_INODE = 56,
    AT_TIME = 64, /* see below, us since 1970 */
    AT_TOKEN = 72,
    AT_INDEXED = 80,
    AT_DIGEST = 88,
    CLAIM_USED = 120
};
_Static_assert(AT_DIGEST + sizeof(vld_digest) == CLAIM_USED, "the digest ends");
_Static_assert(CLAIM_USED <= CLAIM_SLOT && CLAIM_USED % 8 == 0, "it fits");

/* AT_TIME is when, READING: the claim ends by itself; KNOWN: the file was read;
 * FAILED: its rest is over. */
enum state { READING = 1, KNOWN = 2, FAILED = 3 };

static const vld_slots_kind slots_kind = { "vldclaim", 1, MOST_CLAIMS,
                                           CLAIM_SLOT };

/* One claim, as it is in a slot. */
typedef struct entry {
    enum state state;
    unsigned tries;
    vld_claim_file file;
    int64_t time_us;
    uint64_t token;
    vld_claim_read read;
} entry;

size_t vld_claims_size(uint32_t slots)
{
    return vld_slots_size(&slots_kind, slots);
}

void vld_claims_init(vld_claims *claims, void *memory, uint32_t slots,
                     uint64_t seed)
{
    vld_slots_init(&claims->slots, &slots_kind, memory, slots, seed);
}

/* --- the slots ----------------------------------------------------------- */

static vld_slot_set locate(const vld_claims *claims, const vld_claim_file *file)
{
    uint64_t key[2] = { file->device, file->identity.inode };

    return vld_slots_locate(&claims->slots,
                            vld_slots_hash(&claims->slots, key, sizeof(key)));
}

static bool is_same_file(const vld_claim_file *a, const vld_claim_file *b)
{
    return a->device == b->device && a->identity.inode == b->identity.inode;
}

static bool is_unchanged(const vld_claim_file *a, const vld_claim_file *b)
{
    return is_same_file(a, b) && a->identity.size == b->identity.size
           && a->identity.mtime_ns == b->identity.mtime_ns
           && a->identity.ctime_ns == b->identity.ctime_ns;
}

static void fill_image(uint64_t *image, const entry *e)
{
    unsigned char *octets = (unsigned char *)image;
    const uint16_t used = CLAIM_USED;

    memset(octets, 0, CLAIM_SLOT);
    memcpy(octets + VLD_SLOT_USED, &used, sizeof(used));
    octets[AT_STATE] = (unsigned char)e->state;
    octets[AT_TRIES] = (unsigned char)e->tries;
    memcpy(octets + AT_DEVICE, &e->file.device, 8);
    memcpy(octets + AT_SIZE, &e->file.identity.size, 8);
    memcpy(octets + AT_MTIME, &e->file.identity.mtime_ns, 8);
    memcpy(octets + AT_CTIME, &e->file.identity.ctime_ns, 8);
    memcpy(octets + AT_INODE, &e->file.identity.inode, 8);
    memcpy(octets + AT_TIME, &e->time_us, 8);
    memcpy(octets + AT_TOKEN, &e->token, 8);
    memcpy(octets + AT_INDEXED, &e->read.indexed_ns, 8);
    memcpy(octets + AT_DIGEST, &e->read.digest, sizeof(vld_digest));
}

static bool read_entry(const vld_slot_set *set, unsigned way, entry *e)
{
    uint64_t copy[CLAIM_SLOT / 8];
    const unsigned char *octets = (const unsigned char *)copy;

    if (vld_slots_read(set, way, copy) != CLAIM_USED
        || octets[AT_STATE] < READING || octets[AT_STATE] > FAILED
        || octets[AT_TRIES] > TRIES_MOST) {
        return false;
    }
    e->state = (enum state)octets[AT_STATE];
    e->tries = octets[AT_TRIES];
    memcpy(&e->file.device, octets + AT_DEVICE, 8);
    memcpy(&e->file.identity.size, octets + AT_SIZE, 8);
    memcpy(&e->file.identity.mtime_ns, octets + AT_MTIME, 8);
    memcpy(&e->file.identity.ctime_ns, octets + AT_CTIME, 8);
    memcpy(&e->file.identity.inode, octets + AT_INODE, 8);
    memcpy(&e->time_us, octets + AT_TIME, 8);
    memcpy(&e->token, octets + AT_TOKEN, 8);
    memcpy(&e->read.indexed_ns, octets + AT_INDEXED, 8);
    memcpy(&e->read.digest, octets + AT_DIGEST, sizeof(vld_digest));
    return e->time_us >= 0 && e->time_us <= TIME_MOST_US;
}

/* Find the file's claim; its way, and the sequence under which it was read. */
static bool find_entry(const vld_slot_set *set, const vld_claim_file *file,
                       vld_slot_choice *at, entry *e)
{
    unsigned ways = vld_slots_match(set);

    for (at->way = 0; at->way < VLD_SLOT_WAYS; at->way++) {
        at->sequence = vld_slots_sequence(set, at->way);
        if (ways >> at->way & 1 && read_entry(set, at->way, e)
            && is_same_file(&e->file, file)) {
            return true;
        }
    }
    return false;
}

/* --- times --------------------------------------------------------------- */

static bool is_ahead(int64_t time_us, int64_t now_us)
{
    return time_us > now_us && time_us - now_us <= FUTURE_MOST_US;
}

/* When the file may be read again.  One that is replaced, or whose inode is
 * used again, may be so a few times at once. */
static int64_t rested_us(const entry *e)
{
    if (e->state != KNOWN) {
        return e->time_us;
    }
    return e->tries < FREE_TRIES
               ? e->time_us
               : e->time_us + vld_rest_of(e->tries - FREE_TRIES);
}

static unsigned tries_after(const entry *e, int64_t now_us)
{
    int64_t quiet = 2 * vld_rest_of(e->tries);

    if (quiet < QUIET_US) {
        quiet = QUIET_US;
    }
    if (e->state == READING) {
        return e->tries; /* its reader has died */
    }
    if (now_us - rested_us(e) > quiet || now_us < e->time_us) {
        return 0;
    }
    return e->tries < TRIES_MOST ? e->tries + 1 : e->tries;
}

/* --- asking -------------------------------------------------------------- */

static vld_claim_verdict judge_entry(const entry *e, const vld_claim_file *file,
                                     int64_t now_us)
{
    bool unchanged = is_unchanged(&e->file, file);

    if (e->state == KNOWN && unchanged) {
        return VLD_CLAIM_KNOWN;
    }
    if (!is_ahead(rested_us(e), now_us)) {
        return VLD_CLAIM_READ;
    }
    return e->state == READING && unchanged ? VLD_CLAIM_WAIT : VLD_CLAIM_REST;
}

/* Which claim is given up for another file's: none of a living reader. */
typedef enum rank { RANK_NOT, RANK_RESTS, RANK_KNOWN, RANK_OVER } rank;

typedef struct newcomer {
    const vld_slot_set *set;
    int64_t now_us;
} newcomer;

static vld_slot_worth judge_way(void *baton, unsigned way, uint64_t sequence)
{
    const newcomer *new = baton;
    vld_slot_worth worth = { RANK_OVER, 0 };
    entry e;

    (void)sequence;
    if (!read_entry(new->set, way, &e)) {
        return worth;
    }
    worth.age = vld_slots_apart(e.time_us, new->now_us);
    if (is_ahead(rested_us(&e), new->now_us)) {
        worth.rank = e.state == READING  ? RANK_NOT
                     : e.state == FAILED ? RANK_RESTS
                                         : RANK_KNOWN;
    }
    else if (e.state == KNOWN) {
        worth.rank = RANK_KNOWN;
    }
    return worth;
}

/* False: there is no room, or another one was faster. */
static bool claim_way(vld_claims *claims, const vld_slot_set *set,
                      const vld_slot_choice *at, vld_claim *claim,
                      int64_t now_us, int64_t until_us)
{
    uint64_t image[CLAIM_SLOT / 8];
    entry e;

    memset(&e, 0, sizeof(e));
    claim->token = 1
                   + __atomic_fetch_add((uint64_t *)(void *)(claims->slots.base
                                                             + AT_TOKENS),
                                        1, __ATOMIC_RELAXED);
    e.state = READING;
    e.tries = claim->tries;
    e.file = claim->file;
    e.time_us = until_us;
    e.token = claim->token;
    fill_image(image, &e);
    return vld_slots_write(set, at, image, now_us);
}

vld_claim_verdict vld_claims_ask(vld_claims *claims, const vld_claim_file *file,
                                 int64_t now_us, int64_t until_us,
                                 vld_claim *claim, vld_claim_read *read)
{
    vld_slot_set set = locate(claims, file);
    newcomer new = { &set, now_us };
    vld_claim_verdict verdict = VLD_CLAIM_READ;
    vld_slot_choice at;
    entry e;

    claim->file = *file;
    claim->tries = 0;
    if (find_entry(&set, file, &at, &e)) {
        verdict = judge_entry(&e, file, now_us);
        claim->tries = tries_after(&e, now_us);
        if (verdict == VLD_CLAIM_KNOWN) {
            *read = e.read;
        }
    }
    else if (!vld_slots_choose(&set, now_us, judge_way, &new, &at)) {
        return VLD_CLAIM_REST; /* every way has a reader, or gets one */
    }
    if (verdict != VLD_CLAIM_READ) {
        return verdict;
    }
    return claim_way(claims, &set, &at, claim, now_us, until_us)
               ? VLD_CLAIM_READ
               : VLD_CLAIM_WAIT;
}

void vld_claims_give_up(vld_claims *claims, const vld_claim *claim,
                        const vld_claim_read *read, int64_t now_us)
{
    vld_slot_set set = locate(claims, &claim->file);
    uint64_t image[CLAIM_SLOT / 8];
    vld_slot_choice at;
    entry e;

    if (!find_entry(&set, &claim->file, &at, &e) || e.token != claim->token) {
        return; /* it took too long, and is another one's now */
    }
    e.state = read ? KNOWN : FAILED;
    e.time_us = read ? now_us : now_us + vld_rest_of(e.tries);
    if (read) {
        e.read = *read;
    }
    fill_image(image, &e);
    vld_slots_write(&set, &at, image, now_us);
}

void vld_claims_drop(vld_claims *claims, const vld_claim *claim)
{
    vld_slot_set set = locate(claims, &claim->file);
    vld_slot_choice at;
    entry e;

    if (find_entry(&set, &claim->file, &at, &e) && e.token == claim->token) {
        vld_slots_retire(&set, at.way, at.sequence);
    }
}

bool vld_claims_know(const vld_claims *claims, const vld_claim_file *file,
                     vld_claim_read *read)
{
    vld_slot_set set = locate(claims, file);
    vld_slot_choice at;
    entry e;

    if (!find_entry(&set, file, &at, &e) || e.state != KNOWN
        || !is_unchanged(&e.file, file)) {
        return false;
    }
    *read = e.read;
    return true;
}
