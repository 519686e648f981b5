/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The list of wanted files: sets of ways in shared memory, a sequence lock and
 * a word of state a slot.  It never waits, never allocates, never calls the
 * system, and hands out no path that it has not copied and checked first.
 *
 * The sequence guards what is in a slot, and posters take it; the state says
 * what is to be done with it, and moves by compare and swap alone: posters
 * make free and resting slots wanted, the indexer does the rest.  So a slot
 * that is wanted or taken is never given to another path. */
#include "wanted/layout.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "validators/slots.h"

/* A private copy of a slot. */
typedef union image {
    uint64_t words[WANTED_SLOT / 8];
    unsigned char octets[WANTED_SLOT];
} image;

/* Where a path may stand. */
typedef struct place {
    uint64_t *tags;   /* of the set */
    uint64_t *states; /* of the set */
    unsigned char *slots;
    uint64_t tag;
    uint64_t seed;
} place;

/* --- states -------------------------------------------------------------- */

static uint64_t make_state(enum kind kind, unsigned tries, unsigned looks,
                           int64_t time_us)
{
    return (uint64_t)time_us << TIME_SHIFT | (uint64_t)tries << TRIES_SHIFT
           | (uint64_t)looks << LOOKS_SHIFT | (uint64_t)kind;
}

static enum kind kind_of(uint64_t state)
{
    return (enum kind)(state & 3);
}

static unsigned tries_of(uint64_t state)
{
    return state >> TRIES_SHIFT & TRIES_MASK;
}

static unsigned looks_of(uint64_t state)
{
    return state >> LOOKS_SHIFT & LOOKS_MASK;
}

static int64_t time_of(uint64_t state)
{
    return (int64_t)(state >> TIME_SHIFT);
}

static bool is_past(int64_t time_us, int64_t now_us)
{
    return time_us <= now_us || time_us - now_us > FUTURE_MOST_US;
}

static int64_t rest_of(unsigned tries)
{
    int64_t rest = REST_FIRST_US;

    while (tries-- && rest < REST_MOST_US) {
        rest *= 2;
    }
    return rest < REST_MOST_US ? rest : REST_MOST_US;
}

/* How often it has been wanted soon after a rest, when it is wanted now. */
static unsigned tries_after(uint64_t resting, int64_t now_us)
{
    unsigned tries = tries_of(resting);
    int64_t soon = 2 * rest_of(tries);
    int64_t quiet = now_us - time_of(resting);

    if (soon < SOON_LEAST_US) {
        soon = SOON_LEAST_US;
    }
    if (quiet < 0 || quiet > soon) {
        return 0;
    }
    return tries < TRIES_MASK ? tries + 1 : tries;
}

/* --- the list ------------------------------------------------------------ */

static uint32_t sets_for(uint32_t slots)
{
    return slots / WAYS + (slots % WAYS != 0);
}

size_t vld_wanted_size(uint32_t slots)
{
    if (slots == 0 || slots > LIST_MAX_SLOTS) {
        return 0;
    }
    return AT_TAGS
           + (size_t)sets_for(slots) * (2 * SET_LINE + WAYS * WANTED_SLOT);
}

void vld_wanted_init(vld_wanted *list, void *memory, uint32_t slots,
                     uint64_t seed)
{
    const uint32_t version = LIST_VERSION;

    list->base = memory;
    list->slots = sets_for(slots) * WAYS;
    list->seed = seed;
    memcpy(list->base + AT_VERSION, &version, sizeof(version));
    memcpy(list->base + AT_SLOTS, &list->slots, sizeof(list->slots));
    memcpy(list->base + AT_MAGIC, LIST_MAGIC, 8);
}

static place place_of_set(const vld_wanted *list, uint32_t set)
{
    size_t lines = (size_t)list->slots / WAYS * SET_LINE;
    unsigned char *tags = list->base + AT_TAGS + (size_t)set * SET_LINE;
    place where;

    where.tags = (uint64_t *)(void *)tags;
    where.states = (uint64_t *)(void *)(tags + lines);
    where.slots = list->base + AT_TAGS + 2 * lines
                  + (size_t)set * WAYS * WANTED_SLOT;
    where.tag = 0;
    where.seed = list->seed;
    return where;
}

static place place_of_path(const vld_wanted *list, const char *path,
                           size_t len)
{
    uint64_t hash = XXH3_64bits_withSeed(path, len, list->seed);
    uint64_t sets = list->slots / WAYS;
    place where = place_of_set(list, (uint32_t)(((hash >> 32) * sets) >> 32));

    where.tag = hash ? hash : 1; /* 0 says "none" */
    return where;
}

static unsigned char *slot_of(const place *where, unsigned way)
{
    return where->slots + (size_t)way * WANTED_SLOT;
}

uint64_t vld_wanted_posted(const vld_wanted *list)
{
    return vld_word_load(list->base + AT_POSTED);
}

/* --- what is in a slot --------------------------------------------------- */

static size_t used_for(size_t len)
{
    return AT_PATH + (len / 8 + 1) * 8;
}

static uint64_t check_of(const image *copy, size_t used, uint64_t seed)
{
    return XXH3_64bits_withSeed(copy->octets + AT_SEQUENCE,
                                used - AT_SEQUENCE, seed);
}

static size_t fill(image *copy, const char *path, size_t len, int64_t date,
                   const vld_digest *digest)
{
    size_t used = used_for(len);
    uint16_t path_len = (uint16_t)len;

    memset(copy->octets, 0, AT_PATH);
    memset(copy->octets + used - 8, 0, 8);
    memcpy(copy->octets + AT_PATH_LEN, &path_len, sizeof(path_len));
    memcpy(copy->octets + AT_DATE, &date, sizeof(date));
    if (digest) {
        copy->octets[AT_HAS_DIGEST] = 1;
        memcpy(copy->octets + AT_DIGEST, digest, sizeof(*digest));
    }
    memcpy(copy->octets + AT_PATH, path, len);
    return used;
}

/* False: somebody else was, or came, at the slot. */
static bool write_slot(const place *where, unsigned way, uint64_t sequence,
                       image *copy, size_t used, int64_t now_us)
{
    unsigned char *slot = slot_of(where, way);
    uint64_t held = vld_slot_hold(sequence, now_us);
    size_t i;

    copy->words[AT_SEQUENCE / 8] = held + 1;
    copy->words[AT_CHECK / 8] = check_of(copy, used, where->seed);
    if (!vld_word_swap(slot + AT_SEQUENCE, sequence, held)) {
        return false;
    }
    vld_word_store(&where->tags[way], where->tag);
    vld_word_store(slot + AT_CHECK, copy->words[AT_CHECK / 8]);
    for (i = AT_PATH_LEN / 8; i < used / 8; i++) {
        vld_word_store(slot + 8 * i, copy->words[i]);
    }
    return vld_word_swap(slot + AT_SEQUENCE, held, held + 1);
}

/* Copy what is in a slot at rest; false: it does not check. */
static bool copy_out(const unsigned char *slot, uint64_t seed, image *copy,
                     uint16_t *len)
{
    uint64_t sequence = vld_word_load(slot + AT_SEQUENCE);
    uint64_t word = vld_word_load(slot + AT_PATH_LEN);
    size_t i, used;

    memcpy(len, &word, sizeof(*len));
    used = used_for(*len);
    if ((sequence & 1) || *len == 0 || *len >= VLD_WANTED_PATH) {
        return false;
    }
    for (i = 0; i < used / 8; i++) {
        copy->words[i] = vld_word_load(slot + 8 * i);
    }
    return copy->words[AT_SEQUENCE / 8] == sequence
           && vld_word_load(slot + AT_SEQUENCE) == sequence
           && check_of(copy, used, seed) == copy->words[AT_CHECK / 8];
}

/* --- posting ------------------------------------------------------------- */

/* Which path is given up for another: none that is wanted or taken, nor one
 * that rests for being wanted too often. */
typedef enum rank {
    RANK_NOT,
    RANK_RESTS,  /* for the first time */
    RANK_RESTED, /* its rest is over */
    RANK_FREE
} rank;

static rank rank_of(uint64_t state, int64_t now_us)
{
    if (kind_of(state) == FREE) {
        return RANK_FREE;
    }
    if (kind_of(state) != RESTING) {
        return RANK_NOT;
    }
    if (is_past(time_of(state), now_us)) {
        return RANK_RESTED;
    }
    return tries_of(state) ? RANK_NOT : RANK_RESTS;
}

/* The way for a new path, its sequence and state; WAYS: none, or somebody is
 * posting this path right now. */
static unsigned choose(const place *where, int64_t now_us,
                       uint64_t *sequence, uint64_t *state)
{
    unsigned way, best = WAYS;
    uint64_t seen, is;
    rank r, best_rank = RANK_NOT;

    for (way = 0; way < WAYS; way++) {
        seen = vld_word_load(slot_of(where, way) + AT_SEQUENCE);
        if (vld_slot_is_busy(seen, now_us)) {
            if (vld_word_load(&where->tags[way]) == where->tag) {
                return WAYS;
            }
            continue;
        }
        is = vld_word_load(&where->states[way]);
        r = rank_of(is, now_us);
        if (r > best_rank
            || (r == best_rank && r != RANK_NOT
                && time_of(is) < time_of(*state))) {
            best = way;
            best_rank = r;
            *sequence = seen;
            *state = is;
        }
    }
    return best;
}

static unsigned find(const place *where)
{
    unsigned way;

    for (way = 0; way < WAYS && vld_word_load(&where->tags[way]) != where->tag;
         way++) {
    }
    return way;
}

static bool want(vld_wanted *list, const place *where, unsigned way,
                 uint64_t state, unsigned tries, int64_t now_us)
{
    if (!vld_word_swap(&where->states[way], state,
              make_state(WANTED, tries, 0, now_us))) {
        return false;
    }
    __atomic_fetch_add((uint64_t *)(void *)(list->base + AT_POSTED), 1,
                       __ATOMIC_ACQ_REL);
    return true;
}

/* What a path that has a slot comes to. */
static bool post_again(vld_wanted *list, const place *where, unsigned way,
                       image *copy, size_t used, int64_t now_us)
{
    unsigned char *slot = slot_of(where, way);
    uint64_t state = vld_word_load(&where->states[way]);
    uint64_t sequence = vld_word_load(slot + AT_SEQUENCE);
    bool on_list = kind_of(state) == WANTED || kind_of(state) == TAKEN;

    if (kind_of(state) == RESTING && !is_past(time_of(state), now_us)) {
        return true;
    }
    if (on_list
        && (int64_t)vld_word_load(slot + AT_DATE)
               >= (int64_t)copy->words[AT_DATE / 8]) {
        return true;
    }
    if (vld_slot_is_busy(sequence, now_us)
        || !write_slot(where, way, sequence, copy, used, now_us)) {
        return on_list;
    }
    return on_list
           || want(list, where, way, state,
                   kind_of(state) == RESTING ? tries_after(state, now_us)
                                             : 0,
                   now_us);
}

bool vld_wanted_post(vld_wanted *list, const char *path, size_t len,
                     int64_t date, const vld_digest *digest, int64_t now_us)
{
    uint64_t sequence = 0, state = 0;
    unsigned way;
    size_t used;
    place where;
    image copy;

    if (len == 0 || len >= VLD_WANTED_PATH) {
        return false;
    }
    where = place_of_path(list, path, len);
    used = fill(&copy, path, len, date, digest);
    way = find(&where);
    if (way < WAYS) {
        return post_again(list, &where, way, &copy, used, now_us);
    }
    way = choose(&where, now_us, &sequence, &state);
    return way < WAYS
           && write_slot(&where, way, sequence, &copy, used, now_us)
           && want(list, &where, way, state, 0, now_us);
}

/* --- the indexer --------------------------------------------------------- */

static place place_of_slot(const vld_wanted *list, uint32_t slot)
{
    return place_of_set(list, slot / WAYS);
}

static uint64_t *state_of(const vld_wanted *list, uint32_t slot)
{
    place where = place_of_slot(list, slot);

    return &where.states[slot % WAYS];
}

void vld_wanted_begin(vld_wanted *list)
{
    uint64_t *states = state_of(list, 0), state;
    uint32_t i;

    for (i = 0; i < list->slots; i++) {
        state = vld_word_load(&states[i]);
        if (kind_of(state) == TAKEN) {
            vld_word_swap(&states[i], state,
                 make_state(WANTED, tries_of(state), looks_of(state),
                            time_of(state)));
        }
    }
}

/* The slot that has been due longest; list->slots: none is wanted. */
static uint32_t first_due(const vld_wanted *list, uint64_t *first,
                          int64_t now_us)
{
    const uint64_t *states = state_of(list, 0);
    uint32_t i, best = list->slots;
    int64_t due, best_due = INT64_MAX;

    for (i = 0; i < list->slots; i++) {
        uint64_t state = vld_word_load(&states[i]);

        if (kind_of(state) != WANTED) {
            continue;
        }
        due = time_of(state);
        due = due > now_us && is_past(due, now_us) ? now_us : due;
        if (due < best_due) {
            best = i;
            best_due = due;
            *first = state;
        }
    }
    return best;
}

static void hand_out(const image *copy, uint16_t len, vld_wanted_item *out)
{
    memcpy(&out->date, copy->octets + AT_DATE, sizeof(out->date));
    memcpy(&out->digest, copy->octets + AT_DIGEST, sizeof(out->digest));
    out->has_digest = copy->octets[AT_HAS_DIGEST] == 1;
    memcpy(out->path, copy->octets + AT_PATH, len);
    out->path[len] = '\0';
    out->len = len;
}

/* How long a slot in which somebody is writing is left alone. */
#define WRITTEN_US 10000

/* A slot that was taken does not check: somebody is at it and will be done
 * soon, or was killed there. */
static void refuse(const vld_wanted *list, uint32_t slot, uint64_t taken,
                   int64_t now_us)
{
    place where = place_of_slot(list, slot);
    unsigned way = slot % WAYS;

    uint64_t sequence = vld_word_load(slot_of(&where, way) + AT_SEQUENCE);

    if (vld_slot_is_busy(sequence, now_us)) {
        vld_word_swap(&where.states[way], taken,
             make_state(WANTED, tries_of(taken), looks_of(taken),
                        now_us + WRITTEN_US));
        return;
    }
    /* In this order: a slot without a tag that is not free would never be
     * found. */
    vld_word_swap(&where.tags[way], vld_word_load(&where.tags[way]), 0);
    vld_word_swap(&where.states[way], taken, make_state(FREE, 0, 0, 0));
}

bool vld_wanted_take(vld_wanted *list, int64_t now_us, vld_wanted_item *out,
                     int64_t *next_us)
{
    uint64_t state = 0;
    uint32_t slot;
    uint16_t len;
    image copy;
    place where;

    while ((slot = first_due(list, &state, now_us)) < list->slots
           && is_past(time_of(state), now_us)) {
        where = place_of_slot(list, slot);
        out->slot = slot;
        out->state = make_state(TAKEN, tries_of(state), looks_of(state),
                                now_us);
        if (!vld_word_swap(&where.states[slot % WAYS], state, out->state)) {
            continue;
        }
        if (copy_out(slot_of(&where, slot % WAYS), list->seed, &copy, &len)) {
            hand_out(&copy, len, out);
            return true;
        }
        refuse(list, slot, out->state, now_us);
    }
    *next_us = slot < list->slots ? time_of(state) : INT64_MAX;
    return false;
}

static void leave(vld_wanted *list, const vld_wanted_item *item,
                  uint64_t state)
{
    vld_word_swap(state_of(list, item->slot), item->state, state);
}

int64_t vld_wanted_rest(vld_wanted *list, const vld_wanted_item *item,
                        int64_t now_us)
{
    unsigned tries = tries_of(item->state);
    int64_t until = now_us + rest_of(tries);

    leave(list, item, make_state(RESTING, tries, 0, until));
    return until;
}

bool vld_wanted_delay(vld_wanted *list, const vld_wanted_item *item,
                      int64_t now_us, int64_t due_us, int64_t *rest_us)
{
    unsigned looks = looks_of(item->state) + 1;

    if (looks > MOST_LOOKS) {
        *rest_us = vld_wanted_rest(list, item, now_us);
        return false;
    }
    leave(list, item, make_state(WANTED, tries_of(item->state), looks,
                                 due_us));
    return true;
}

void vld_wanted_give_back(vld_wanted *list, const vld_wanted_item *item,
                          int64_t due_us)
{
    leave(list, item, make_state(WANTED, tries_of(item->state),
                                 looks_of(item->state), due_us));
}
