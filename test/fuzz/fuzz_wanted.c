/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Fuzz entry for wanted files and claims: calls in any order, while any octet
 * of the shared memory changes, states and whole slots with a check that passes
 * among them.  No call crashes, runs past its memory, or keeps on for ever.
 * The input is a run of steps: an octet that says which, and its operands. */
#include <stdlib.h>
#include <string.h>

#include "validators/wanted.h"
#include "wanted/layout.h"

#define SLOTS 16
#define CLAIM_USED 120 /* see claims.c */
#define START INT64_C(1790000000000000)
#define SECOND INT64_C(1000000)

#define LAW(holds)                                                             \
    do {                                                                       \
        if (!(holds))                                                          \
            abort();                                                           \
    } while (0)

typedef struct input {
    const uint8_t *at;
    size_t left;
} input;

typedef struct bed {
    input in;
    int64_t now;
    unsigned char *memory, *claim_memory;
    vld_wanted list;
    vld_claims claims;
    vld_wanted_item item;
    vld_claim claim;
} bed;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is not there counts as zero. */
static void get(input *in, void *out, size_t len)
{
    size_t n = len < in->left ? len : in->left;

    memset(out, 0, len);
    memcpy(out, in->at, n);
    in->at += n;
    in->left -= n;
}

static unsigned get_number(input *in, unsigned below)
{
    uint16_t n;

    get(in, &n, sizeof(n));
    return n % below;
}

/* --- the memory ---------------------------------------------------------- */

static unsigned char *make_memory(size_t size)
{
    unsigned char *memory = aligned_alloc(64, size);

    memset(memory, 0, size);
    return memory;
}

static void change_octet(input *in, unsigned char *memory, size_t size)
{
    unsigned at = get_number(in, (unsigned)size);

    get(in, memory + at, 1);
}

/* A number that comes near its end, somewhere in the slot. */
static void set_extreme(input *in, uint64_t *image)
{
    static const uint64_t extremes[] = { 0, INT64_MAX, (uint64_t)INT64_MIN,
                                         UINT64_MAX };

    image[get_number(in, CLAIM_USED / 8)] = extremes[get_number(in, 4)];
}

/* Octets that no writer of ours writes, under a check that passes. */
static void fill_slot(bed *b, const vld_slots *slots)
{
    uint64_t image[WANTED_SLOT / 8];
    vld_slot_set set = vld_slots_set(slots, get_number(&b->in, 2));
    vld_slot_choice choice = { get_number(&b->in, VLD_SLOT_WAYS), 0, 0 };
    unsigned words = get_number(&b->in, slots->size / 8 - 2);
    uint16_t used = (uint16_t)(words ? (words + 2) * 8 : CLAIM_USED);

    memset(image, 1, sizeof(image));
    get(&b->in, (unsigned char *)image + VLD_SLOT_DATA,
        get_number(&b->in, 110));
    ((unsigned char *)image)[VLD_SLOT_DATA] = (unsigned char)get_number(&b->in,
                                                                        4);
    set_extreme(&b->in, image);
    memcpy((unsigned char *)image + VLD_SLOT_USED, &used, sizeof(used));
    set.fingerprint = vld_word_load(&set.fingerprints[choice.way]) | 1;
    choice.sequence = vld_slots_sequence(&set, choice.way);
    vld_slots_write(&set, &choice, image, b->now);
}

/* --- the list ------------------------------------------------------------ */

static void post(bed *b)
{
    char path[VLD_WANTED_PATH + 8];
    size_t len = get_number(&b->in, 4) ? get_number(&b->in, 6)
                                       : get_number(&b->in, sizeof(path));
    bool is_named = get_number(&b->in, 2);
    vld_digest name;
    char *own = malloc(len ? len : 1);

    memset(path, 'a', sizeof(path));
    get(&b->in, path, len < 6 ? len : 6);
    memcpy(own, path, len);
    memset(&name, 7, sizeof(name));
    vld_wanted_post(&b->list, own, len, b->now / SECOND,
                    is_named ? &name : NULL, b->now);
    free(own);
}

static bool take(bed *b)
{
    vld_wanted_item *item = &b->item;
    int64_t next = 0;

    if (!vld_wanted_take(&b->list, b->now, item, &next)) {
        return false;
    }
    LAW(item->slot < b->list.slots.count);
    LAW(item->len > 0 && item->len < VLD_WANTED_PATH);
    LAW(item->path[item->len] == '\0');
    return true;
}

/* A path that rests is not due in the same moment again. */
static void take_all(bed *b)
{
    unsigned n = 0;

    while (take(b)) {
        LAW(vld_wanted_rest(&b->list, &b->item, b->now) > b->now);
        LAW(++n <= b->list.slots.count);
    }
}

static void take_and_delay(bed *b)
{
    int64_t rest = 0;

    if (take(b)
        && !vld_wanted_delay(&b->list, &b->item, b->now,
                             b->now + get_number(&b->in, 9) * SECOND, &rest)) {
        LAW(rest > b->now);
    }
}

static void set_state(bed *b)
{
    unsigned slot = get_number(&b->in, b->list.slots.count);

    get(&b->in, vld_slots_set(&b->list.slots, 0).words + slot, 8);
}

/* --- claims -------------------------------------------------------------- */

static vld_claim_file get_file(bed *b)
{
    vld_claim_file file;

    memset(&file, 0, sizeof(file));
    file.device = 1;
    file.identity.inode = get_number(&b->in, 4);
    file.identity.size = get_number(&b->in, 4);
    return file;
}

static void ask(bed *b)
{
    vld_claim_file file = get_file(b);
    vld_claim claim;
    vld_claim_read read;

    if (vld_claims_ask(&b->claims, &file, b->now, b->now + 2 * SECOND, &claim,
                       &read)
        == VLD_CLAIM_READ) {
        b->claim = claim;
    }
    vld_claims_know(&b->claims, &file, &read);
}

static void end_claim(bed *b, unsigned how)
{
    vld_claim_read read;

    memset(&read, 3, sizeof(read));
    if (how == 2) {
        vld_claims_drop(&b->claims, &b->claim);
    }
    else {
        vld_claims_give_up(&b->claims, &b->claim, how ? &read : NULL, b->now);
    }
}

/* --- steps --------------------------------------------------------------- */

static void step(bed *b, unsigned what)
{
    switch (what % 14) {
    case 0: post(b); break;
    case 1: take_all(b); break;
    case 2: take_and_delay(b); break;
    case 3:
        if (take(b))
            vld_wanted_give_back(&b->list, &b->item, b->now);
        break;
    case 4: vld_wanted_begin(&b->list); break;
    case 5: b->now += get_number(&b->in, 2000) * SECOND; break;
    case 6: b->now -= get_number(&b->in, 2000) * SECOND; break;
    case 7: set_state(b); break;
    case 8: change_octet(&b->in, b->memory, vld_wanted_size(SLOTS)); break;
    case 9: fill_slot(b, &b->list.slots); break;
    case 10: ask(b); break;
    case 11: end_claim(b, get_number(&b->in, 3)); break;
    case 12:
        change_octet(&b->in, b->claim_memory, vld_claims_size(SLOTS));
        break;
    default: fill_slot(b, &b->claims.slots); break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bed b;

    memset(&b, 0, sizeof(b));
    b.in.at = data;
    b.in.left = size;
    b.now = START;
    b.memory = make_memory(vld_wanted_size(SLOTS));
    b.claim_memory = make_memory(vld_claims_size(SLOTS));
    vld_wanted_init(&b.list, b.memory, SLOTS, 1);
    vld_claims_init(&b.claims, b.claim_memory, SLOTS, 2);
    while (b.in.left) {
        step(&b, get_number(&b.in, 256));
    }
    take_all(&b);
    free(b.memory);
    free(b.claim_memory);
    return 0;
}
