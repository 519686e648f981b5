/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* The list of wanted files: slots and a word of state for each.  It never
 * touches a slot but through the protocol of slots (validators/slots.h), and
 * never waits, allocates or calls the system.
 *
 * The sequence guards the content of a slot, and posters take it; the state is
 * what to do with it, and changes by compare and swap alone: posters make free
 * and resting slots wanted, the indexer does the rest.  So a slot that is
 * wanted or taken is never given to another path. */
#include "wanted/layout.h"

#include <string.h>

static const vld_slots_kind slots_kind = { LIST_MAGIC, LIST_VERSION,
                                           LIST_MAX_SLOTS, WANTED_SLOT };

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

/* The tries of a path that rests or has rested, and is wanted now. */
static unsigned tries_after(uint64_t resting, int64_t now_us)
{
    unsigned tries = tries_of(resting);
    int64_t soon = 2 * vld_rest_of(tries);
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

size_t vld_wanted_size(uint32_t slots)
{
    return vld_slots_size(&slots_kind, slots);
}

void vld_wanted_init(vld_wanted *list, void *memory, uint32_t slots,
                     uint64_t seed)
{
    vld_slots_init(&list->slots, &slots_kind, memory, slots, seed);
}

uint64_t vld_wanted_posted(const vld_wanted *list)
{
    return vld_word_load(list->slots.base + AT_POSTED);
}

/* --- what is in a slot --------------------------------------------------- */

static size_t compute_used(size_t len)
{
    return AT_PATH + (len / 8 + 1) * 8;
}

static void fill_image(uint64_t *image, const char *path, size_t len,
                       int64_t date, const vld_digest *name)
{
    unsigned char *octets = (unsigned char *)image;
    uint16_t used = (uint16_t)compute_used(len), path_len = (uint16_t)len;

    memset(octets, 0, AT_PATH);
    memset(octets + used - 8, 0, 8);
    memcpy(octets + AT_USED, &used, sizeof(used));
    memcpy(octets + AT_PATH_LEN, &path_len, sizeof(path_len));
    memcpy(octets + AT_DATE, &date, sizeof(date));
    if (name) {
        octets[AT_HAS_NAME] = 1;
        memcpy(octets + AT_NAME, name, sizeof(*name));
    }
    memcpy(octets + AT_PATH, path, len);
}

/* Whether a slot has a whole path: it is in item then. */
static bool read_item(const vld_slot_set *set, unsigned way,
                      vld_wanted_item *item)
{
    uint64_t copy[WANTED_SLOT / 8];
    const unsigned char *octets = (const unsigned char *)copy;
    size_t used = vld_slots_read(set, way, copy);
    uint16_t len;

    if (!used) {
        return false;
    }
    memcpy(&len, octets + AT_PATH_LEN, sizeof(len));
    if (len == 0 || len >= VLD_WANTED_PATH || used != compute_used(len)) {
        return false;
    }
    memcpy(&item->date, octets + AT_DATE, sizeof(item->date));
    memcpy(&item->name, octets + AT_NAME, sizeof(item->name));
    item->has_name = octets[AT_HAS_NAME] == 1;
    memcpy(item->path, octets + AT_PATH, len);
    item->path[len] = '\0';
    item->len = len;
    return true;
}

/* --- posting ------------------------------------------------------------- */

/* Which path is given up for another: none that is wanted or taken, nor one
 * that rests because it was wanted too often. */
typedef enum rank {
    RANK_NOT,
    RANK_RESTS,  /* for the first time */
    RANK_RESTED, /* its rest is over */
    RANK_FREE
} rank;

static rank rank_state(uint64_t state, int64_t now_us)
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

/* A path that needs a way, and the states that it has seen. */
typedef struct newcomer {
    const vld_slot_set *set;
    int64_t now_us;
    uint64_t states[VLD_SLOT_WAYS];
} newcomer;

static vld_slot_worth judge_way(void *baton, unsigned way, uint64_t sequence)
{
    newcomer *new = baton;
    uint64_t state = vld_word_load(&new->set->words[way]);
    vld_slot_worth worth;

    (void)sequence;
    new->states[way] = state;
    worth.rank = rank_state(state, new->now_us);
    worth.age = UINT64_MAX - (uint64_t)time_of(state);
    return worth;
}

/* The first way with the fingerprint; VLD_SLOT_WAYS: none. */
static unsigned find_way(const vld_slot_set *set)
{
    unsigned ways = vld_slots_match(set);

    return ways ? (unsigned)__builtin_ctz(ways) : VLD_SLOT_WAYS;
}

static bool set_wanted(vld_wanted *list, uint64_t *word, uint64_t state,
                       unsigned tries, int64_t now_us)
{
    if (!vld_word_swap(word, state, make_state(WANTED, tries, 0, now_us))) {
        return false;
    }
    __atomic_fetch_add((uint64_t *)(void *)(list->slots.base + AT_POSTED), 1,
                       __ATOMIC_ACQ_REL);
    return true;
}

/* Post a path that has this way already. */
static bool post_again(vld_wanted *list, const vld_slot_set *set, unsigned way,
                       uint64_t *image, int64_t now_us)
{
    uint64_t state = vld_word_load(&set->words[way]);
    vld_slot_choice choice = { way, 0, vld_slots_sequence(set, way) };
    const unsigned char *date = vld_slots_slot(set, way) + AT_DATE;
    bool on_list = kind_of(state) == WANTED || kind_of(state) == TAKEN;

    if (kind_of(state) == RESTING && !is_past(time_of(state), now_us)) {
        return true;
    }
    if (on_list
        && (int64_t)vld_word_load(date) >= (int64_t)image[AT_DATE / 8]) {
        return true;
    }
    if (vld_slots_busy(choice.sequence, now_us)
        || !vld_slots_write(set, &choice, image, now_us)) {
        return on_list;
    }
    return on_list
           || set_wanted(list, &set->words[way], state,
                         kind_of(state) == RESTING ? tries_after(state, now_us)
                                                   : 0,
                         now_us);
}

static bool post_new(vld_wanted *list, const vld_slot_set *set, uint64_t *image,
                     int64_t now_us)
{
    newcomer new = { set, now_us, { 0 } };
    vld_slot_choice choice;

    return vld_slots_choose(set, now_us, judge_way, &new, &choice)
           && vld_slots_write(set, &choice, image, now_us)
           && set_wanted(list, &set->words[choice.way], new.states[choice.way],
                         0, now_us);
}

bool vld_wanted_post(vld_wanted *list, const char *path, size_t len,
                     int64_t date, const vld_digest *name, int64_t now_us)
{
    uint64_t image[WANTED_SLOT / 8];
    vld_slot_set set;
    unsigned way;

    if (len == 0 || len >= VLD_WANTED_PATH) {
        return false;
    }
    set = vld_slots_locate(&list->slots,
                           vld_slots_hash(&list->slots, path, len));
    fill_image(image, path, len, date, name);
    way = find_way(&set);
    return way < VLD_SLOT_WAYS ? post_again(list, &set, way, image, now_us)
                               : post_new(list, &set, image, now_us);
}

/* --- the indexer --------------------------------------------------------- */

static vld_slot_set set_of(const vld_wanted *list, uint32_t slot)
{
    return vld_slots_set(&list->slots, slot / VLD_SLOT_WAYS);
}

/* The states of all slots: those of a set follow those of the one before. */
static uint64_t *states_of(const vld_wanted *list)
{
    return set_of(list, 0).words;
}

void vld_wanted_begin(vld_wanted *list)
{
    uint64_t *states = states_of(list), state;
    uint32_t i;

    for (i = 0; i < list->slots.count; i++) {
        state = vld_word_load(&states[i]);
        if (kind_of(state) == TAKEN) {
            vld_word_swap(&states[i], state,
                          make_state(WANTED, tries_of(state), looks_of(state),
                                     time_of(state)));
        }
    }
}

/* The slot that has been due longest; the number of slots: none is wanted. */
static uint32_t find_first_due(const vld_wanted *list, uint64_t *first,
                               int64_t now_us)
{
    const uint64_t *states = states_of(list);
    uint32_t i, best = list->slots.count;
    int64_t due, best_due = INT64_MAX;

    for (i = 0; i < list->slots.count; i++) {
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

/* How long a slot that a writer holds is left alone. */
#define WRITTEN_US 10000

/* Give back or free a slot that was taken and cannot be read: a writer holds
 * it and will be done soon, or was killed there. */
static void refuse_slot(const vld_slot_set *set, unsigned way, uint64_t taken,
                        int64_t now_us)
{
    if (vld_slots_busy(vld_slots_sequence(set, way), now_us)) {
        vld_word_swap(&set->words[way], taken,
                      make_state(WANTED, tries_of(taken), looks_of(taken),
                                 now_us + WRITTEN_US));
        return;
    }
    /* In this order: a slot that has no fingerprint and is not free would
     * never be found. */
    vld_word_swap(&set->fingerprints[way],
                  vld_word_load(&set->fingerprints[way]), 0);
    vld_word_swap(&set->words[way], taken, make_state(FREE, 0, 0, 0));
}

bool vld_wanted_take(vld_wanted *list, int64_t now_us, vld_wanted_item *out,
                     int64_t *next_us)
{
    uint64_t state = 0;
    vld_slot_set set;
    uint32_t slot;
    unsigned way;

    while ((slot = find_first_due(list, &state, now_us)) < list->slots.count
           && is_past(time_of(state), now_us)) {
        set = set_of(list, slot);
        way = slot % VLD_SLOT_WAYS;
        out->slot = slot;
        out->state = make_state(TAKEN, tries_of(state), looks_of(state),
                                now_us);
        if (!vld_word_swap(&set.words[way], state, out->state)) {
            continue;
        }
        if (read_item(&set, way, out)) {
            return true;
        }
        refuse_slot(&set, way, out->state, now_us);
    }
    *next_us = slot < list->slots.count ? time_of(state) : INT64_MAX;
    return false;
}

static void set_state(vld_wanted *list, const vld_wanted_item *item,
                      uint64_t state)
{
    vld_word_swap(&states_of(list)[item->slot], item->state, state);
}

int64_t vld_wanted_rest(vld_wanted *list, const vld_wanted_item *item,
                        int64_t now_us)
{
    unsigned tries = tries_of(item->state);
    int64_t until = now_us + vld_rest_of(tries);

    set_state(list, item, make_state(RESTING, tries, 0, until));
    return until;
}

void vld_wanted_finish(vld_wanted *list, const vld_wanted_item *item,
                       int64_t now_us)
{
    set_state(list, item, make_state(FREE, 0, 0, now_us));
}

bool vld_wanted_delay(vld_wanted *list, const vld_wanted_item *item,
                      int64_t now_us, int64_t due_us, int64_t *rest_us)
{
    unsigned looks = looks_of(item->state) + 1;

    if (looks > MOST_LOOKS) {
        *rest_us = vld_wanted_rest(list, item, now_us);
        return false;
    }
    set_state(list, item,
              make_state(WANTED, tries_of(item->state), looks, due_us));
    return true;
}

void vld_wanted_give_back(vld_wanted *list, const vld_wanted_item *item,
                          int64_t due_us)
{
    set_state(list, item,
              make_state(WANTED, tries_of(item->state), looks_of(item->state),
                         due_us));
}
