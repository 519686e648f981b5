/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The table of prepared answers: sets of ways in shared memory, one sequence
 * lock a slot.  It never waits, never allocates, never calls the system, and
 * hands out nothing that it has not copied and checked first.
 *
 * Three things together keep a torn slot from being believed:
 * - the sequence lock, which is all that is needed while every writer lives;
 * - the check over the octets, for writers that were stopped, were taken for
 *   dead, and go on writing over the slot of another;
 * - the sequence under the check, so that such a writer, were it to write all
 *   of its answer, still leaves one that passes under no sequence.
 *
 * Words are stored with release, in place of fences: the same instructions on
 * x86, and visible to ThreadSanitizer. */
#include "answers/codec.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "validators/slots.h"

#ifdef __SANITIZE_THREAD__
#define WORD_BY_WORD
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WORD_BY_WORD
#endif
#endif

_Static_assert(SECRET_SIZE >= XXH3_SECRET_SIZE_MIN, "xxh3 wants more secret");

/* A private copy of a slot. */
typedef union image {
    uint64_t words[VLD_ANSWER_SLOT / 8];
    unsigned char octets[VLD_ANSWER_SLOT];
} image;

/* What a call looks for, and where that may stand. */
typedef struct place {
    const unsigned char *secret;
    uint64_t *tags;       /* of the set */
    uint64_t *floor;      /* of the set */
    unsigned char *slots; /* of the set */
    uint64_t tag;
    vld_span key;
} place;

/* --- the table ----------------------------------------------------------- */

static uint32_t sets_for(uint32_t slots)
{
    return slots / WAYS + (slots % WAYS != 0);
}

size_t vld_answers_size(uint32_t slots)
{
    uint64_t size;

    if (slots == 0 || slots > TABLE_MAX_SLOTS) {
        return 0;
    }
    size = AT_TAGS
           + (uint64_t)sets_for(slots)
                 * (TAG_LINE + FLOOR_LINE + WAYS * VLD_ANSWER_SLOT);
    return size > SIZE_MAX / 2 ? 0 : (size_t)size;
}

static void make_secret(unsigned char *secret, uint64_t seed)
{
    uint64_t i, word;

    for (i = 0; i < SECRET_SIZE / 8; i++) {
        word = XXH3_64bits_withSeed(&i, sizeof(i), seed);
        memcpy(secret + 8 * i, &word, sizeof(word));
    }
}

void vld_answers_init(vld_answers *table, void *memory, uint32_t slots,
                      uint64_t seed)
{
    const uint32_t version = TABLE_VERSION;

    table->base = memory;
    table->slots = sets_for(slots) * WAYS;
    table->seed = seed;
    memcpy(table->base + AT_VERSION, &version, sizeof(version));
    memcpy(table->base + AT_SLOTS, &table->slots, sizeof(table->slots));
    make_secret(table->base + AT_SECRET, seed);
    memcpy(table->base + AT_MAGIC, TABLE_MAGIC, 8);
}

uint64_t vld_answers_hash(const vld_answers *table, const void *key,
                          size_t len)
{
    return XXH3_64bits_withSecret(key, len, table->base + AT_SECRET,
                                  SECRET_SIZE);
}

static place place_of(const vld_answers *table, uint64_t hash,
                      const void *key, size_t len)
{
    uint32_t sets = table->slots / WAYS;
    uint64_t set = ((hash >> 32) * sets) >> 32;
    place where;

    where.secret = table->base + AT_SECRET;
    where.tags = (uint64_t *)(void *)(table->base + AT_TAGS) + set * WAYS;
    where.floor = (uint64_t *)(void *)(table->base + AT_TAGS
                                       + (size_t)sets * TAG_LINE
                                       + (size_t)set * FLOOR_LINE);
    where.slots = table->base + AT_TAGS
                  + (size_t)sets * (TAG_LINE + FLOOR_LINE)
                  + (size_t)set * WAYS * VLD_ANSWER_SLOT;
    where.tag = hash ? hash : 1; /* 0 says "none" */
    where.key.ptr = key;
    where.key.len = len;
    return where;
}

static unsigned char *slot_of(const place *where, unsigned way)
{
    return where->slots + (size_t)way * VLD_ANSWER_SLOT;
}

/* When the answer in a slot was born, unchecked: good enough for order. */
static int64_t born_hint(const place *where, unsigned way)
{
    return (int64_t)vld_word_load(slot_of(where, way) + AT_BORN);
}

static int64_t date_hint(const place *where, unsigned way)
{
    return (int64_t)vld_word_load(slot_of(where, way) + AT_LAST_MODIFIED);
}

/* The ways, as bits, whose tag is that of the key. */
static unsigned tagged(const place *where)
{
    unsigned way, ways = 0;

    for (way = 0; way < WAYS; way++) {
        bool same = vld_word_load(&where->tags[way]) == where->tag;

        ways |= (unsigned)same << way;
    }
    return ways;
}

/* --- read ---------------------------------------------------------------- */

static uint64_t check_of(const place *where, const image *copy, size_t used)
{
    return XXH3_64bits_withSecret(copy->octets + AT_SEQUENCE,
                                  used - AT_SEQUENCE, where->secret,
                                  SECRET_SIZE);
}

/* Octets that others may be writing at this moment: what comes out of it is
 * only looked at once the sequence shows that nobody was.  ThreadSanitizer
 * knows words, but no fences. */
static inline void copy_octets(image *copy, const unsigned char *slot,
                               size_t used)
{
#ifdef WORD_BY_WORD
    size_t i;

    for (i = 0; i < (used + 7) / 8; i++) {
        copy->words[i] = vld_word_load(slot + 8 * i);
    }
#else
    memcpy(copy->octets, slot, used);
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
#endif
}

/* Copy the octets in use of a slot at rest; 0: it is not, or has none. */
static size_t copy_out(const unsigned char *slot, image *copy)
{
    uint64_t sequence = vld_word_load(slot + AT_SEQUENCE);
    uint64_t word = vld_word_load(slot + AT_USED);
    uint16_t used;

    memcpy(&used, &word, sizeof(used));
    if ((sequence & 1) || used < AT_LENGTHS || used > VLD_ANSWER_SLOT) {
        return 0;
    }
    copy_octets(copy, slot, used);
    return vld_word_load(slot + AT_SEQUENCE) == sequence ? used : 0;
}

/* Whether the slot has a whole answer, to whatever key; it is in copy then. */
static bool read_slot(const place *where, const unsigned char *slot,
                      image *copy, vld_span *key, vld_answer *out)
{
    size_t used = copy_out(slot, copy);

    return used && check_of(where, copy, used) == copy->words[AT_CHECK / 8]
           && vld_codec_decode(copy->octets, used, key, out);
}

static bool same_key(const place *where, vld_span key)
{
    return key.len == where->key.len
           && memcmp(key.ptr, where->key.ptr, key.len) == 0;
}

/* Of these ways (at least one), that of the latest answer. */
static unsigned newest(const place *where, unsigned ways)
{
    unsigned best = (unsigned)__builtin_ctz(ways), way;

    for (way = best + 1; ways >> way; way++) {
        if ((ways >> way & 1)
            && born_hint(where, way) > born_hint(where, best)) {
            best = way;
        }
    }
    return best;
}

bool vld_answers_find(const vld_answers *table, uint64_t hash,
                      const void *key, size_t len, vld_answer_fits fits,
                      void *baton, void *buf, vld_answer *out)
{
    place where = place_of(table, hash, key, len);
    unsigned ways = tagged(&where), way;
    vld_span found;

    /* The latest first: when a resource's Vary has changed, an answer from
     * before would fit too, and must not hide the one from after. */
    for (; ways; ways &= ~(1u << way)) {
        way = newest(&where, ways);
        if (read_slot(&where, slot_of(&where, way), buf, &found, out)
            && same_key(&where, found) && (!fits || fits(baton, out))) {
            return true;
        }
    }
    return false;
}

/* --- write --------------------------------------------------------------- */

static bool same_span(vld_span a, vld_span b)
{
    return (a.ptr == NULL) == (b.ptr == NULL) && a.len == b.len
           && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static bool same_vary(const vld_answer *a, const vld_answer *b)
{
    unsigned i;

    if (a->vary_count != b->vary_count) {
        return false;
    }
    for (i = 0; i < a->vary_count; i++) {
        if (!same_span(a->vary[i].name, b->vary[i].name)
            || !same_span(a->vary[i].value, b->vary[i].value)) {
            return false;
        }
    }
    return true;
}

int64_t vld_answers_floor(const vld_answers *table, uint64_t hash)
{
    place where = place_of(table, hash, NULL, 0);
    unsigned ways = tagged(&where), way;
    int64_t date, floor = (int64_t)vld_word_load(where.floor);

    /* What is being replaced, or was when its writer died, is read by nobody;
     * its date is in one word. */
    for (way = 0; way < WAYS; way++) {
        if ((ways >> way & 1)
            && (vld_word_load(slot_of(&where, way) + AT_SEQUENCE) & 1)) {
            date = date_hint(&where, way);
            floor = date > floor ? date : floor;
        }
    }
    return floor;
}

/* The answer in a slot is about to be lost: its date stays.  The slot is not
 * checked, so a date that cannot be is not believed. */
static void keep_date(const place *where, unsigned way, int64_t now_s)
{
    int64_t date = date_hint(where, way);
    uint64_t floor = vld_word_load(where->floor);

    while (date > (int64_t)floor && date <= now_s
           && !vld_word_swap(where->floor, floor, (uint64_t)date)) {
        floor = vld_word_load(where->floor);
    }
}

/* Nobody will find by this key what is in the slot or being written to it. */
static void untag(const place *where, unsigned way)
{
    vld_word_swap(&where->tags[way], where->tag, 0);
}

/* Let what is in a slot at rest never pass again.  False: somebody else
 * changed the slot at this moment. */
static bool retire(const place *where, unsigned way, uint64_t sequence)
{
    if (!vld_word_swap(slot_of(where, way) + AT_SEQUENCE, sequence,
                       sequence + 2)) {
        return false;
    }
    untag(where, way);
    return true;
}

/* What choose() thinks of a way, the best last. */
typedef enum rank {
    RANK_BUSY,
    RANK_OTHER, /* another answer, whole or not */
    RANK_FREE,  /* nothing that anybody could read */
    RANK_TORN,  /* the same, and looked at whenever this key is sought */
    RANK_SAME   /* this key and vary */
} rank;

static rank rank_of(const place *where, unsigned way,
                    const vld_answer *answer, int64_t now_us,
                    uint64_t *sequence)
{
    const unsigned char *slot = slot_of(where, way);
    uint64_t tag = vld_word_load(&where->tags[way]);
    vld_answer there;
    vld_span key;
    image copy;

    *sequence = vld_word_load(slot + AT_SEQUENCE);
    if (vld_slot_is_busy(*sequence, now_us)) {
        return RANK_BUSY;
    }
    if (tag != where->tag) {
        return (*sequence & 1) || tag == 0 ? RANK_FREE : RANK_OTHER;
    }
    if (!read_slot(where, slot, &copy, &key, &there)) {
        return RANK_TORN;
    }
    return same_key(where, key) && same_vary(&there, answer) ? RANK_SAME
                                                             : RANK_OTHER;
}

/* The way to write to and its sequence; WAYS: all are busy, or somebody is
 * writing an answer to this key right now. */
static unsigned choose(const place *where, const vld_answer *answer,
                       int64_t now_us, uint64_t *sequence, rank *best_rank)
{
    unsigned way, best = WAYS;
    rank r;
    uint64_t seen, age, best_age = 0;

    *best_rank = RANK_BUSY;
    for (way = 0; way < WAYS; way++) {
        r = rank_of(where, way, answer, now_us, &seen);
        if (r == RANK_BUSY) {
            if (vld_word_load(&where->tags[way]) == where->tag) {
                return WAYS;
            }
            continue;
        }
        if (r == RANK_SAME && *best_rank == RANK_SAME) {
            retire(where, way, seen); /* two writers were here at once */
            continue;
        }
        age = vld_slot_apart(now_us, born_hint(where, way));
        if (r > *best_rank || (r == *best_rank && age > best_age)) {
            best = way;
            *best_rank = r;
            best_age = age;
            *sequence = seen;
        }
    }
    return best;
}

static bool write_slot(const place *where, unsigned way, uint64_t sequence,
                       image *copy, size_t used, int64_t now_us)
{
    unsigned char *slot = slot_of(where, way);
    uint64_t held = vld_slot_hold(sequence, now_us);
    size_t i;

    copy->words[AT_SEQUENCE / 8] = held + 1;
    copy->words[AT_CHECK / 8] = check_of(where, copy, used);
    if (!vld_word_swap(slot + AT_SEQUENCE, sequence, held)) {
        return false;
    }
    vld_word_store(&where->tags[way], where->tag);
    vld_word_store(slot + AT_CHECK, copy->words[AT_CHECK / 8]);
    for (i = AT_USED / 8; i < used / 8; i++) {
        vld_word_store(slot + 8 * i, copy->words[i]);
    }
    return vld_word_swap(slot + AT_SEQUENCE, held, held + 1);
}

bool vld_answers_put(vld_answers *table, uint64_t hash, const void *key,
                     size_t len, const vld_answer *answer, int64_t now_us)
{
    place where = place_of(table, hash, key, len);
    unsigned way;
    uint64_t sequence = 0;
    size_t used;
    image copy;
    rank what;

    used = vld_codec_encode(where.key, answer, copy.octets);
    if (!used) {
        return false;
    }
    way = choose(&where, answer, now_us, &sequence, &what);
    if (way < WAYS && (what == RANK_OTHER || (sequence & 1))) {
        keep_date(&where, way, now_us / 1000000);
    }
    return way < WAYS
           && write_slot(&where, way, sequence, &copy, used, now_us);
}

/* --- forget -------------------------------------------------------------- */

unsigned vld_answers_forget(vld_answers *table, uint64_t hash,
                            const void *key, size_t len)
{
    place where = place_of(table, hash, key, len);
    unsigned ways = tagged(&where), way, forgotten = 0;
    vld_answer there;
    vld_span found;
    uint64_t sequence;
    image copy;

    for (way = 0; way < WAYS; way++) {
        if (!(ways >> way & 1)) {
            continue;
        }
        sequence = vld_word_load(slot_of(&where, way) + AT_SEQUENCE);
        if (sequence & 1) {
            /* Perhaps an answer from before this call: it must not appear
             * after it.  Its writer has set the tag, and will let go. */
            untag(&where, way);
            continue;
        }
        if (read_slot(&where, slot_of(&where, way), &copy, &found, &there)
            && same_key(&where, found)) {
            keep_date(&where, way, INT64_MAX);
            forgotten += retire(&where, way, sequence);
        }
    }
    return forgotten;
}

uint32_t vld_answers_used(const vld_answers *table)
{
    const unsigned char *tags = table->base + AT_TAGS;
    uint32_t i, used = 0;

    for (i = 0; i < table->slots; i++) {
        used += vld_word_load(tags + 8 * (size_t)i) != 0;
    }
    return used;
}
