/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of answers/codec.c: what goes in comes out, what is no image of the
 * encoder's is refused, and no octet outside the image is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "answers/codec.h"

#define SPAN(text) ((vld_span){ (text), sizeof(text) - 1 })
#define NONE ((vld_span){ NULL, 0 })

static const vld_span key = { "https://example.org/a/b.css?v=1", 31 };

static vld_answer sample(unsigned vary, unsigned fields)
{
    vld_answer a;
    unsigned i;

    memset(&a, 0, sizeof(a));
    a.flags = VLD_ANSWER_QUICK | VLD_ANSWER_INDEXED;
    a.verify = VLD_COMPARE_MTIME;
    a.born_us = 1790000000123456;
    a.index_txn = UINT64_MAX;
    a.identity.size = 27000;
    a.identity.mtime_ns = -1;
    a.identity.ctime_ns = INT64_MAX;
    a.identity.inode = 1234567;
    for (i = 0; i < sizeof(a.name.bytes); i++) {
        a.name.bytes[i] = (unsigned char)(i * 7);
    }
    a.last_modified = INT64_MIN;
    a.date_sent = true;
    a.path = SPAN("/srv/www/a/b.css");
    a.etag = SPAN("\"0123456789abcdefghijkl\"");
    a.vary_count = vary;
    for (i = 0; i < vary && i < VLD_ANSWER_MAX_VARY; i++) {
        a.vary[i].name = SPAN("Accept-Encoding");
        a.vary[i].value = SPAN("gzip, br");
    }
    a.field_count = fields;
    for (i = 0; i < fields && i < VLD_ANSWER_MAX_FIELDS; i++) {
        a.fields[i].name = SPAN("Cache-Control");
        a.fields[i].value = SPAN("max-age=60");
    }
    return a;
}

static void assert_same_span(vld_span got, vld_span expected)
{
    assert_int_equal(got.ptr == NULL, expected.ptr == NULL);
    assert_int_equal(got.len, expected.len);
    if (got.ptr) {
        assert_memory_equal(got.ptr, expected.ptr, expected.len);
        assert_int_equal(got.ptr[got.len], '\0');
    }
}

static void assert_same_answer(const vld_answer *got, const vld_answer *a)
{
    unsigned i;

    assert_int_equal(got->flags, a->flags);
    assert_int_equal(got->verify, a->verify);
    assert_true(got->born_us == a->born_us);
    assert_true(got->index_txn == a->index_txn);
    assert_true(got->identity.size == a->identity.size);
    assert_true(got->identity.mtime_ns == a->identity.mtime_ns);
    assert_true(got->identity.ctime_ns == a->identity.ctime_ns);
    assert_true(got->identity.inode == a->identity.inode);
    assert_memory_equal(got->name.bytes, a->name.bytes, 32);
    assert_true(got->last_modified == a->last_modified);
    assert_int_equal(got->date_sent, a->date_sent);
    assert_same_span(got->path, a->path);
    assert_same_span(got->etag, a->etag);
    assert_int_equal(got->vary_count, a->vary_count);
    assert_int_equal(got->field_count, a->field_count);
    for (i = 0; i < a->vary_count; i++) {
        assert_same_span(got->vary[i].name, a->vary[i].name);
        assert_same_span(got->vary[i].value, a->vary[i].value);
    }
    for (i = 0; i < a->field_count; i++) {
        assert_same_span(got->fields[i].name, a->fields[i].name);
        assert_same_span(got->fields[i].value, a->fields[i].value);
        /* They stand side by side, as the header promises. */
        assert_ptr_equal(got->fields[i].value.ptr,
                         got->fields[i].name.ptr + a->fields[i].name.len + 1);
        assert_true(i == 0
                    || got->fields[i].name.ptr
                           == got->fields[i - 1].value.ptr
                                  + a->fields[i - 1].value.len + 1);
    }
}

static void assert_round_trip(const vld_answer *a)
{
    unsigned char image[VLD_ANSWER_SLOT];
    size_t used;
    vld_span key_out;
    vld_answer got;

    memset(image, 0xA5, sizeof(image));
    used = vld_codec_encode(key, a, image);
    assert_int_not_equal(used, 0);
    assert_int_equal(used % STEP, 0);
    assert_true(vld_codec_decode(image, used, &key_out, &got));
    assert_same_span(key_out, key);
    assert_same_answer(&got, a);
    for (; used < sizeof(image); used++) {
        assert_int_equal(image[used], 0xA5);
    }
}

static void every_number_of_pairs_comes_back(void **state)
{
    unsigned vary, fields;
    vld_answer a;

    (void)state;
    for (vary = 0; vary <= VLD_ANSWER_MAX_VARY; vary++) {
        for (fields = 0; fields <= VLD_ANSWER_MAX_FIELDS; fields++) {
            a = sample(vary, fields);
            assert_round_trip(&a);
        }
    }
}

static void absent_and_empty_are_told_apart(void **state)
{
    vld_answer a = sample(3, 2);

    (void)state;
    a.vary[0].value = NONE;
    a.vary[1].value = SPAN("");
    a.fields[0].value = SPAN("");
    assert_round_trip(&a);
    a.etag = NONE;
    a.path = NONE;
    a.date_sent = false;
    assert_round_trip(&a);
    a.etag = SPAN("");
    a.path = SPAN("");
    assert_round_trip(&a);
}

static void octets_beyond_ascii_come_back(void **state)
{
    vld_answer a = sample(1, 1);
    char all[256];
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof(all); i++) {
        all[i] = (char)i;
    }
    a.fields[0].value.ptr = all;
    a.fields[0].value.len = sizeof(all);
    assert_round_trip(&a);
}

static void more_pairs_than_there_are_places_do_not_fit(void **state)
{
    unsigned char image[VLD_ANSWER_SLOT];
    vld_answer a = sample(VLD_ANSWER_MAX_VARY + 1, 0);

    (void)state;
    assert_int_equal(vld_codec_encode(key, &a, image), 0);
    a = sample(0, VLD_ANSWER_MAX_FIELDS + 1);
    assert_int_equal(vld_codec_encode(key, &a, image), 0);
    a = sample(0, UINT32_MAX);
    assert_int_equal(vld_codec_encode(key, &a, image), 0);
}

static void pairs_that_lack_what_they_must_have_do_not_fit(void **state)
{
    unsigned char image[VLD_ANSWER_SLOT];
    vld_answer a = sample(1, 1);

    (void)state;
    a.vary[0].name = NONE;
    assert_int_equal(vld_codec_encode(key, &a, image), 0);
    a = sample(1, 1);
    a.fields[0].name = NONE;
    assert_int_equal(vld_codec_encode(key, &a, image), 0);
    a = sample(1, 1);
    a.fields[0].value = NONE;
    assert_int_equal(vld_codec_encode(key, &a, image), 0);
    a = sample(1, 1);
    assert_int_equal(vld_codec_encode(NONE, &a, image), 0);
    a.verify = VLD_COMPARE_NONE + 1;
    assert_int_equal(vld_codec_encode(key, &a, image), 0);
}

/* Every length of one text, from far below to far above what fits. */
static void a_slot_is_filled_to_its_last_octet_and_no_further(void **state)
{
    unsigned char image[VLD_ANSWER_SLOT + 64];
    char *text = malloc(70000);
    vld_answer a = sample(1, 1);
    size_t len, used, fitted = 0, refused = 0, most = 0;

    (void)state;
    memset(text, 'x', 70000);
    for (len = 1500; len < 2200; len++) {
        a.path.ptr = text;
        a.path.len = len;
        memset(image, 0xA5, sizeof(image));
        used = vld_codec_encode(key, &a, image);
        fitted += used != 0;
        refused += used == 0;
        most = used > most ? used : most;
        assert_true(used == 0 || refused == 0);
        for (used = VLD_ANSWER_SLOT; used < sizeof(image); used++) {
            assert_int_equal(image[used], 0xA5);
        }
    }
    assert_int_equal(most, VLD_ANSWER_SLOT);
    assert_true(fitted > 100 && refused > 100);
    for (len = 65530; len < 65540; len++) {
        a.path.len = len;
        assert_int_equal(vld_codec_encode(key, &a, image), 0);
    }
    a.path.len = SIZE_MAX;
    assert_int_equal(vld_codec_encode(key, &a, image), 0);
    free(text);
}

/* Memory of exactly `used` octets, so that a sanitizer sees a step over the
 * edge; whatever is accepted must lie inside. */
static bool decode_in_a_tight_block(const unsigned char *image, size_t used)
{
    unsigned char *tight = malloc(used ? used : 1);
    vld_span got_key;
    vld_answer got;
    unsigned i;
    bool good;

    memcpy(tight, image, used);
    good = vld_codec_decode(tight, used, &got_key, &got);
    for (i = 0; good && i < got.field_count; i++) {
        const char *start = (const char *)tight;
        vld_span value = got.fields[i].value;

        assert_true(value.ptr >= start && value.ptr + value.len < start + used);
    }
    free(tight);
    return good;
}

static void a_shorter_image_is_refused(void **state)
{
    unsigned char image[VLD_ANSWER_SLOT];
    vld_answer a = sample(2, 3);
    size_t used = vld_codec_encode(key, &a, image), n;
    uint16_t said;

    (void)state;
    assert_true(decode_in_a_tight_block(image, used));
    for (n = 0; n < used; n++) {
        assert_false(decode_in_a_tight_block(image, n));
        said = (uint16_t)n; /* and when it says of itself that it is shorter */
        if (n >= AT_USED + 2) {
            unsigned char shorter[VLD_ANSWER_SLOT];

            memcpy(shorter, image, used);
            memcpy(shorter + AT_USED, &said, 2);
            assert_false(decode_in_a_tight_block(shorter, n));
        }
    }
}

static void a_longer_image_is_refused(void **state)
{
    unsigned char image[VLD_ANSWER_SLOT + STEP];
    vld_answer a = sample(2, 3);
    size_t used, n;
    uint16_t said;

    (void)state;
    memset(image, 0, sizeof(image));
    used = vld_codec_encode(key, &a, image);
    for (n = used + 1; n <= sizeof(image); n++) {
        said = (uint16_t)n;
        memcpy(image + AT_USED, &said, 2);
        assert_false(decode_in_a_tight_block(image, n));
    }
}

static void every_length_with_every_damage_stays_inside(void **state)
{
    static const uint16_t lengths[] = { 0,    1,    7,     31,    32,   600,
                                        2047, 2048, 32767, 65534, 65535 };
    unsigned char image[VLD_ANSWER_SLOT], damaged[VLD_ANSWER_SLOT];
    vld_answer a = sample(2, 3);
    size_t used = vld_codec_encode(key, &a, image), at, i, refused = 0;

    (void)state;
    for (at = AT_USED; at + 2 <= used; at++) {
        for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            memcpy(damaged, image, used);
            memcpy(damaged + at, &lengths[i], 2);
            refused += !decode_in_a_tight_block(damaged, used);
        }
    }
    assert_true(refused > 200);
}

static void random_images_stay_inside(void **state)
{
    unsigned char image[VLD_ANSWER_SLOT];
    uint64_t x = 88172645463325252u;
    size_t round, i, used;
    uint16_t said;

    (void)state;
    for (round = 0; round < 20000; round++) {
        for (i = 0; i < sizeof(image); i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            image[i] = (x >> 32) % 3 ? 0 : (unsigned char)(x >> 40);
        }
        used = ((x >> 8) % (VLD_ANSWER_SLOT / STEP) + 1) * STEP;
        said = (uint16_t)used;
        memcpy(image + AT_USED, &said, 2);
        image[AT_VARY_COUNT] %= 9;
        image[AT_FIELD_COUNT] %= 17;
        image[AT_VERIFY] %= 3;
        image[AT_DATE_SENT] %= 2;
        decode_in_a_tight_block(image, used);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_of_pairs_comes_back),
        cmocka_unit_test(absent_and_empty_are_told_apart),
        cmocka_unit_test(octets_beyond_ascii_come_back),
        cmocka_unit_test(more_pairs_than_there_are_places_do_not_fit),
        cmocka_unit_test(pairs_that_lack_what_they_must_have_do_not_fit),
        cmocka_unit_test(a_slot_is_filled_to_its_last_octet_and_no_further),
        cmocka_unit_test(a_shorter_image_is_refused),
        cmocka_unit_test(a_longer_image_is_refused),
        cmocka_unit_test(every_length_with_every_damage_stays_inside),
        cmocka_unit_test(random_images_stay_inside),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
