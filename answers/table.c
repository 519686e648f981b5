/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The table of prepared answers: which answer a key finds, which answer a new
 * one replaces, and the dates that outlive their answers.  It never touches a
 * slot but through the protocol of slots (validators/slots.h), except for
 * single words that serve as hints. */
#include "answers/codec.h"

#include <string.h>

static const vld_slots_kind kind = { TABLE_MAGIC, TABLE_VERSION,
                                     TABLE_MAX_SLOTS, VLD_ANSWER_SLOT };

/* The set of a key, and the key. */
typedef struct location {
    vld_slot_set set;
    const vld_answer_key *key;
} location;

/* --- the table ----------------------------------------------------------- */

size_t vld_answers_size(uint32_t slots)
{
    return vld_slots_size(&kind, slots);
}

void vld_answers_init(vld_answers *table, void *memory, uint32_t slots,
                      uint64_t seed)
{
    vld_slots_init(&table->slots, &kind, memory, slots, seed);
}

static inline location locate(const vld_answers *table,
                              const vld_answer_key *key)
{
    location where;

    where.set = vld_slots_locate(&table->slots, key->hash);
    where.key = key;
    return where;
}

/* When the answer in a slot was born, unchecked: good enough for order. */
static int64_t hint_born(const location *where, unsigned way)
{
    return (int64_t)vld_word_load(vld_slots_slot(&where->set, way) + AT_BORN);
}

static int64_t hint_date(const location *where, unsigned way)
{
    return (int64_t)vld_word_load(vld_slots_slot(&where->set, way)
                                  + AT_LAST_MODIFIED);
}

/* --- read ---------------------------------------------------------------- */

/* Whether the slot has a whole answer, to whatever key; it is in copy then. */
static bool read_answer(const location *where, unsigned way, uint64_t *copy,
                        vld_span *key, vld_answer *out)
{
    size_t used = vld_slots_read(&where->set, way, copy);

    return used
           && vld_codec_decode((const unsigned char *)copy, used, key, out);
}

static bool is_same_key(const location *where, vld_span key)
{
    return key.len == where->key->len
           && memcmp(key.ptr, where->key->octets, key.len) == 0;
}

/* Of these ways (at least one), that of the latest answer. */
static unsigned pick_newest(const location *where, unsigned ways)
{
    unsigned best = (unsigned)__builtin_ctz(ways), way;

    for (way = best + 1; ways >> way; way++) {
        if ((ways >> way & 1)
            && hint_born(where, way) > hint_born(where, best)) {
            best = way;
        }
    }
    return best;
}

/* The next answer under the key, the latest first, of these ways. */
static bool next_answer(const location *where, unsigned *ways, void *buf,
                        vld_answer *out)
{
    vld_span found;
    unsigned way;

    while (*ways) {
        way = pick_newest(where, *ways);
        *ways &= ~(1u << way);
        if (read_answer(where, way, buf, &found, out)
            && is_same_key(where, found)) {
            return true;
        }
    }
    return false;
}

bool vld_answers_find(const vld_answers *table, const vld_answer_key *key,
                      vld_answer_fits fits, void *baton, void *buf,
                      vld_answer *out)
{
    location where = locate(table, key);
    unsigned ways = vld_slots_match(&where.set);

    /* The latest first: when a resource's Vary has changed, an answer from
     * before would fit too, and must not hide the one from after. */
    while (next_answer(&where, &ways, buf, out)) {
        if (!fits || fits(baton, out)) {
            return true;
        }
    }
    return false;
}

/* --- dates that outlive their answers ------------------------------------ */

static int64_t floor_of(const location *where, unsigned ways)
{
    int64_t date, floor = (int64_t)vld_word_load(&where->set.words[FLOOR_WORD]);
    unsigned way;

    /* Nobody can read a slot that is being (or was half) rewritten, but its
     * date is one aligned word and still valid. */
    for (; ways; ways &= ways - 1) {
        way = (unsigned)__builtin_ctz(ways);
        if (vld_slots_sequence(&where->set, way) & 1) {
            date = hint_date(where, way);
            floor = date > floor ? date : floor;
        }
    }
    return floor;
}

/* The floor last: who replaces an answer raises it first, so that an answer
 * which was not met has raised it. */
int64_t vld_answers_survey(const vld_answers *table, const vld_answer_key *key,
                           vld_answer_seen seen, void *baton)
{
    location where = locate(table, key);
    unsigned ways = vld_slots_match(&where.set), left = ways;
    uint64_t buf[VLD_ANSWER_SLOT / 8];
    vld_answer answer;

    while (next_answer(&where, &left, buf, &answer)) {
        seen(baton, &answer);
    }
    return floor_of(&where, ways);
}

/* Keep the date of the answer in a slot that is about to be lost.  The slot is
 * not checked, so a date that cannot be is not believed. */
static void keep_date(const location *where, unsigned way, int64_t now_s)
{
    int64_t date = hint_date(where, way);
    uint64_t *word = &where->set.words[FLOOR_WORD];
    uint64_t floor = vld_word_load(word);

    while (date > (int64_t)floor && date <= now_s
           && !vld_word_swap(word, floor, (uint64_t)date)) {
        floor = vld_word_load(word);
    }
}

/* --- write --------------------------------------------------------------- */

static bool is_same_span(vld_span a, vld_span b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && a.len == b.len
           && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool is_same_vary(const vld_answer *a, const vld_answer *b)
{
    unsigned i;

    if (a->vary_count != b->vary_count) {
        return false;
    }
    for (i = 0; i < a->vary_count; i++) {
        if (!is_same_span(a->vary[i].name, b->vary[i].name)
            || !is_same_span(a->vary[i].value, b->vary[i].value)) {
            return false;
        }
    }
    return true;
}

/* What a way is worth to a new answer, the best last. */
typedef enum rank {
    RANK_NOT,
    RANK_OTHER, /* another answer, whole or not */
    RANK_FREE,  /* nothing that anybody could read */
    RANK_TORN,  /* the same, and looked at whenever this key is sought */
    RANK_SAME   /* this key and vary */
} rank;

static rank rank_way(const location *where, unsigned way, uint64_t sequence,
                     const vld_answer *answer)
{
    uint64_t has = vld_word_load(&where->set.fingerprints[way]);
    uint64_t copy[VLD_ANSWER_SLOT / 8];
    vld_answer there;
    vld_span key;

    if (has != where->set.fingerprint) {
        return (sequence & 1) || has == 0 ? RANK_FREE : RANK_OTHER;
    }
    if (!read_answer(where, way, copy, &key, &there)) {
        return RANK_TORN;
    }
    return is_same_key(where, key) && is_same_vary(&there, answer) ? RANK_SAME
                                                                   : RANK_OTHER;
}

typedef struct newcomer {
    const location *where;
    const vld_answer *answer;
    int64_t now_us;
    bool has_same; /* a way of RANK_SAME was seen */
} newcomer;

static vld_slot_worth judge_way(void *baton, unsigned way, uint64_t sequence)
{
    newcomer *new = baton;
    vld_slot_worth worth;

    worth.rank = rank_way(new->where, way, sequence, new->answer);
    worth.age = vld_slots_apart(new->now_us, hint_born(new->where, way));
    if (worth.rank == RANK_SAME && new->has_same) {
        /* Two writers were here at once: one answer is enough. */
        vld_slots_retire(&new->where->set, way, sequence);
        worth.rank = RANK_NOT;
    }
    new->has_same |= worth.rank == RANK_SAME;
    return worth;
}

bool vld_answers_put(vld_answers *table, const vld_answer_key *key,
                     const vld_answer *answer, int64_t now_us)
{
    const vld_span octets = { key->octets, key->len };
    location where = locate(table, key);
    newcomer new = { &where, answer, now_us, false };
    uint64_t image[VLD_ANSWER_SLOT / 8];
    vld_slot_choice choice;

    if (!vld_codec_encode(octets, answer, (unsigned char *)image)
        || !vld_slots_choose(&where.set, now_us, judge_way, &new, &choice)) {
        return false;
    }
    if (choice.rank == RANK_OTHER || (choice.sequence & 1)) {
        keep_date(&where, choice.way, now_us / 1000000);
    }
    return vld_slots_write(&where.set, &choice, image, now_us);
}

/* --- forget -------------------------------------------------------------- */

unsigned vld_answers_forget(vld_answers *table, const vld_answer_key *key)
{
    location where = locate(table, key);
    unsigned ways = vld_slots_match(&where.set), way, forgotten = 0;
    uint64_t sequence, copy[VLD_ANSWER_SLOT / 8];
    vld_answer there;
    vld_span found;

    for (way = 0; way < VLD_SLOT_WAYS; way++) {
        if (!(ways >> way & 1)) {
            continue;
        }
        sequence = vld_slots_sequence(&where.set, way);
        if (sequence & 1) {
            /* Perhaps an answer from before this call: it must not appear
             * after it.  Its writer has set the fingerprint, and will let
             * go. */
            vld_slots_clear(&where.set, way);
            continue;
        }
        if (read_answer(&where, way, copy, &found, &there)
            && is_same_key(&where, found)) {
            keep_date(&where, way, INT64_MAX);
            forgotten += vld_slots_retire(&where.set, way, sequence);
        }
    }
    return forgotten;
}
