/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Prepared answers: the validators and fields of full responses, in slots of
 * memory shared by all children (validators/slots.h has their guarantees: no
 * call waits, and a killed writer spoils nothing).  Knows nothing of httpd and
 * nothing of the index.  Part of answers/. */
#ifndef VALIDATORS_ANSWERS_H
#define VALIDATORS_ANSWERS_H

#include "validators/slots.h"
#include "validators/types.h"

/* Octets of one slot, its bookkeeping included: an answer that does not fit
 * is not remembered. */
#define VLD_ANSWER_SLOT 2048

/* The most pairs in one answer. */
#define VLD_ANSWER_MAX_VARY 8
#define VLD_ANSWER_MAX_FIELDS 16

/* flags */
#define VLD_ANSWER_QUICK 0x01u     /* may be replayed before access control */
#define VLD_ANSWER_INDEXED 0x02u   /* the name came from a record */
#define VLD_ANSWER_DATE_ONLY 0x04u /* kept for its date, never given */
#define VLD_ANSWER_TAGGED 0x08u    /* etag is one entity tag, nothing else */
#define VLD_ANSWER_UNKNOWN 0x10u   /* the content is not known; see below */
#define VLD_ANSWER_PROMISED 0x20u  /* the name is not the digest */

/* UNKNOWN: name and last_modified are of the content before this one that
 * had the latest date. */

/* A field of a message: name and value, both NUL-terminated in answers that
 * were read from the table (len excludes the NUL). */
typedef struct vld_field {
    vld_span name;
    vld_span value;
} vld_field;

/* One prepared answer.  When written, every span is the caller's; when read,
 * every span points into the caller's buffer and is NUL-terminated, and those
 * of fields stand side by side: name, value, name, value. */
typedef struct vld_answer {
    uint32_t flags;
    uint32_t verify;       /* vld_compare */
    int64_t born_us;       /* when the full response was made, microseconds
                             * since 1970 */
    uint64_t index_txn;    /* the index's transaction number then */
    vld_identity identity; /* of the file, settled */
    vld_digest name;       /* of its content (validators/content.h) */
    int64_t last_modified; /* the date of that content, seconds */
    bool date_sent;        /* whether the response carried it */
    vld_span path;         /* the file */
    vld_span etag;         /* as sent; ptr == NULL: none */
    uint32_t vary_count;   /* request fields that the answer depends on; */
    uint32_t field_count;  /* fields of the 304 */
    vld_field vary[VLD_ANSWER_MAX_VARY]; /* value.ptr == NULL: the
                                              * request had no such field */
    vld_field fields[VLD_ANSWER_MAX_FIELDS];
} vld_answer;

/* A process's handle on the table; plain data, may be copied. */
typedef struct vld_answers {
    vld_slots slots;
} vld_answers;

/* Octets of shared memory that a table of `slots` needs (rounded up to whole
 * sets of ways).  0 when slots is 0 or too many. */
size_t vld_answers_size(uint32_t slots);

/* Lay out an empty table in zeroed memory of vld_answers_size(slots) octets,
 * aligned to 64.  Before any fork: the handle is copied with the process.
 * seed: secret, so that clients cannot foresee hashes. */
void vld_answers_init(vld_answers *table, void *memory, uint32_t slots,
                      uint64_t seed);

/* The key of an answer: any octets, and their hash in the table. */
typedef struct vld_answer_key {
    uint64_t hash; /* vld_answers_hash() of them */
    size_t len;
    const char *octets;
} vld_answer_key;

/* The keyed 64-bit hash of a key's octets. */
static inline uint64_t vld_answers_hash(const vld_answers *table,
                                        const void *octets, size_t len)
{
    return vld_slots_hash(&table->slots, octets, len);
}

/* Whether an answer that was born then is younger than most_us (microseconds).
 * One from the future is not: a clock was set back, and its age is unknown. */
static inline bool vld_answer_is_young(int64_t born_us, int64_t now_us,
                                       int64_t most_us)
{
    return born_us <= now_us && now_us - born_us < most_us;
}

/* Whether the answer's `vary` fits the request at hand. */
typedef bool (*vld_answer_fits)(void *baton, const vld_answer *answer);

/* Find the answer under key that fits (NULL fits: any).  buf (aligned to 8)
 * of VLD_ANSWER_SLOT octets receives the copy that *out points into.  Only
 * as many octets as the slot uses are copied.  False: none. */
bool vld_answers_find(const vld_answers *table, const vld_answer_key *key,
                      vld_answer_fits fits, void *baton, void *buf,
                      vld_answer *out);

/* Remember an answer under key: in the place of one with the same key and
 * the same vary (names and values), else of an unused slot, else of the
 * oldest of its set.  now_us: for taking over slots whose writer died.
 * False: it does not fit a slot, or the set is busy. */
bool vld_answers_put(vld_answers *table, const vld_answer_key *key,
                     const vld_answer *answer, int64_t now_us);

/* Forget every answer under key (all of its variants).  Returns how many. */
unsigned vld_answers_forget(vld_answers *table, const vld_answer_key *key);

/* Show each answer under key to `seen`, the latest first; it lasts until seen
 * returns.  Returns the floor: the latest date (seconds) of the answers of this
 * key's set that were lost: replaced for want of room, or forgotten.  A
 * resource of which nothing is remembered may have had any date up to this.
 * 0: none was lost. */
typedef void (*vld_answer_seen)(void *baton, const vld_answer *answer);
int64_t vld_answers_survey(const vld_answers *table, const vld_answer_key *key,
                           vld_answer_seen seen, void *baton);

#endif /* VALIDATORS_ANSWERS_H */
