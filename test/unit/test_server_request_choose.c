/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of server/request/choose.c: what GET says of a file. */
#include "index_test.h"

#include "server/request/choose.h"

#define S INT64_C(1000000000)
#define NOW INT64_C(1790000000)
#define US INT64_C(1000000)

#define SMALL VLD_SMALL_FILE
#define LARGE (VLD_SMALL_FILE + 1)

/* What is known, and what is chosen from it.  The file has a mtime 200 seconds
 * before NOW and a ctime 100 seconds before it.  The record has content 1 and a
 * date 300 seconds before. */
typedef struct row {
    const char *name;
    /* size; then by letter: r a record, f which is fresh, c the content was
     * read (and is 2), s the identity is settled, k the response may be
     * remembered, d the file is described and not sent, o another content was
     * sent with a date 150 seconds before NOW, O 50 seconds before, n the
     * identity proves nothing */
    uint64_t size;
    const char *known;
    /* source; date, seconds before NOW, 0: none; then by letter: s the date is
     * sent, t has a stale record, x to be indexed, l settled, m the date needs
     * memory */
    vld_source source;
    int64_t date;
    const char *said;
} row;

#define RECORD VLD_SOURCE_RECORD
#define CONTENT VLD_SOURCE_CONTENT
#define WEAK VLD_SOURCE_PROVISIONAL
#define NONE VLD_SOURCE_NONE

static const row rows[] = {
    { "a small file with a fresh record", SMALL, "rf", RECORD, 300, "sl" },
    { "a large file with a fresh record", LARGE, "rf", RECORD, 300, "sl" },
    { "a fresh record counts though the content was read", SMALL, "rfc", RECORD,
      300, "sl" },
    { "a fresh record is enough for mod_dav too", LARGE, "rfd", RECORD, 300,
      "sl" },
    { "a record whose date another content has had is to be made anew", LARGE,
      "rfO", RECORD, 49, "sxl" },
    { "and mod_dav says the date that GET does", LARGE, "rfOd", RECORD, 49,
      "sxl" },

    { "a small file without a record, first seen", SMALL, "csk", CONTENT, 200,
      "sxlm" },
    { "after another content", SMALL, "csko", CONTENT, 100, "sxlm" },
    { "with a stale record", SMALL, "rcsk", CONTENT, 100, "stxlm" },
    { "of a client that is known, or a URL too long", SMALL, "cs", CONTENT, 100,
      "sxl" },
    { "that is not settled", SMALL, "ck", CONTENT, 100, "sx" },
    { "described for mod_dav: no date that no response has said", SMALL, "cskd",
      CONTENT, 100, "xl" },
    { "where GET would say the time of the last change, mod_dav does", SMALL,
      "csd", CONTENT, 100, "sxl" },
    { "mod_dav asks what is remembered before the file is settled", SMALL,
      "ckd", CONTENT, 100, "x" },
    { "of a file that has grown since it was read", LARGE, "cs", CONTENT, 100,
      "sxl" },

    { "a small file that could not be read", SMALL, "s", NONE, 0, "xl" },
    { "nor with a stale record", SMALL, "rs", NONE, 0, "txl" },
    { "a large file without a record", LARGE, "s", WEAK, 0, "xl" },
    { "keeps the date of the content before in mind, and does not send it",
      LARGE, "so", WEAK, 150, "xl" },
    { "with a stale record", LARGE, "rs", WEAK, 0, "txl" },
    { "a large file that is not settled", LARGE, "", NONE, 0, "x" },
    { "nor with a stale record", LARGE, "r", NONE, 0, "tx" },

    { "an identity that proves nothing: what was read has a tag alone", SMALL,
      "ckn", CONTENT, 100, "" },
    { "and its record is not believed", SMALL, "rfckn", CONTENT, 100, "t" },
    { "nor that of a large file", LARGE, "rfkn", NONE, 0, "t" },
};

static bool has(const char *letters, char letter)
{
    return strchr(letters, letter) != NULL;
}

static vld_digest digest_of(unsigned char content)
{
    vld_digest d;

    memset(&d, content, sizeof(d));
    return d;
}

/* What the pointers of a row's facts point to. */
typedef struct ground {
    vld_identity identity;
    vld_digest content;
    vld_record record;
    vld_past past;
} ground;

static void prepare(const row *t, ground *g, vld_facts *facts)
{
    const vld_identity id = { t->size, (NOW - 200) * S, (NOW - 100) * S, 1 };

    memset(g, 0, sizeof(*g));
    memset(facts, 0, sizeof(*facts));
    g->identity = g->record.identity = id;
    g->record.identity.ctime_ns -= has(t->known, 'f') ? 0 : 1;
    g->record.digest = digest_of(1);
    g->record.last_modified = NOW - 300;
    g->content = digest_of(2);
    if (has(t->known, 'o') || has(t->known, 'O')) {
        g->past.count = 1;
        g->past.all[0].name = digest_of(3);
        g->past.all[0].date = has(t->known, 'o') ? NOW - 150 : NOW - 50;
    }
    g->past.all[g->past.count].name = digest_of(4); /* behind the count */
    g->past.all[g->past.count].date = NOW - 10;
    facts->content = has(t->known, 'c') ? &g->content : NULL;
    facts->record = has(t->known, 'r') ? &g->record : NULL;
    facts->auto_max = 2 * LARGE;
    facts->past = &g->past;
    facts->now_us = NOW * US;
    facts->is_response = !has(t->known, 'd');
    facts->is_settled = has(t->known, 's');
    facts->may_be_remembered = has(t->known, 'k');
    facts->proves_nothing = has(t->known, 'n');
    vld_facts_see(facts, &g->identity, VLD_COMPARE_STRICT);
}

/* The letters of what was chosen, in the order of the table. */
static void spell(const vld_choice *c, char out[6])
{
    if (c->date_sent) {
        *out++ = 's';
    }
    if (c->has_stale_record) {
        *out++ = 't';
    }
    if (c->to_be_indexed) {
        *out++ = 'x';
    }
    if (c->is_settled) {
        *out++ = 'l';
    }
    if (c->date.needs_memory) {
        *out++ = 'm';
    }
    *out = '\0';
}

static bool digest_is_right(const vld_choice *c, const ground *g)
{
    const vld_digest none = digest_of(0);
    const vld_digest *right = c->source == RECORD    ? &g->record.digest
                              : c->source == CONTENT ? &g->content
                              : g->past.count        ? &g->past.all[0].name
                                                     : &none;

    return c->source == NONE || !memcmp(&c->name, right, sizeof(*right));
}

static void by_rows(void **state)
{
    const size_t count = sizeof(rows) / sizeof(rows[0]);
    int wrong = 0;

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const row *t = &rows[i];
        ground g;
        vld_facts facts;
        vld_choice got;
        char said[6];

        prepare(t, &g, &facts);
        memset(&got, 0xff, sizeof(got));
        vld_choose(&facts, &got);
        spell(&got, said);
        if (got.source != t->source || strcmp(said, t->said)
            || got.date.seconds != (t->date ? NOW - t->date : 0)
            || !digest_is_right(&got, &g)) {
            wrong++;
            print_message("# %s: source %d, %lld s before now, \"%s\"\n",
                          t->name, got.source,
                          (long long)(NOW - got.date.seconds), said);
        }
    }
    assert_int_equal(wrong, 0);
}

/* GET and mod_dav are told the same, whatever is known, but for a date that is
 * only said when a response can be remembered under it. */
static void alike(void **state)
{
    const char letters[] = "rfcskoO";
    const uint64_t sizes[] = { SMALL, LARGE };

    (void)state;
    for (unsigned set = 0; set < 2 * (1u << 7); set++) {
        char known[9] = "";
        row t = { "", sizes[set & 1], known, NONE, 0, "" };
        ground g;
        vld_facts facts;
        vld_choice get, dav;

        for (unsigned i = 0, n = 0; i < 7; i++) {
            if (set >> (i + 1) & 1) {
                known[n++] = letters[i];
            }
        }
        prepare(&t, &g, &facts);
        vld_choose(&facts, &get);
        facts.is_response = false;
        vld_choose(&facts, &dav);
        assert_int_equal(get.source, dav.source);
        if (vld_choice_is_of_content(&get)) {
            assert_memory_equal(&get.name, &dav.name, sizeof(get.name));
        }
        if (!has(known, 'k')) {
            assert_int_equal(get.date.seconds, dav.date.seconds);
            assert_int_equal(get.date_sent, dav.date_sent);
        }
        else if (dav.date_sent && get.is_settled) {
            assert_int_equal(get.date.seconds, dav.date.seconds);
        }
    }
}

static void freshness(void **state)
{
    vld_record record = { .identity = { 9, S, 2 * S, 3 } };
    vld_identity same = record.identity, touched = same, other = same;
    vld_facts facts = { 0 };

    (void)state;
    touched.ctime_ns++;
    other.mtime_ns++;
    vld_facts_see(&facts, &same, VLD_COMPARE_STRICT);
    assert_false(facts.is_fresh);
    assert_ptr_equal(facts.identity, &same);
    facts.record = &record;
    for (int compare = VLD_COMPARE_STRICT; compare <= VLD_COMPARE_NONE;
         compare++) {
        vld_facts_see(&facts, &same, (vld_compare)compare);
        assert_true(facts.is_fresh);
        vld_facts_see(&facts, &touched, (vld_compare)compare);
        assert_int_equal(facts.is_fresh, compare == VLD_COMPARE_MTIME);
        vld_facts_see(&facts, &other, (vld_compare)compare);
        assert_false(facts.is_fresh);
        assert_ptr_equal(facts.identity, &other);
    }
}

static void reading(void **state)
{
    vld_identity id = { SMALL, S, S, 1 };
    vld_facts facts = { 0 };

    (void)state;
    vld_facts_see(&facts, &id, VLD_COMPARE_STRICT);
    assert_true(vld_choose_reads(&facts, true));
    assert_true(vld_choose_reads(&facts, false));
    facts.is_fresh = true;
    assert_true(vld_choose_reads(&facts, true));
    assert_false(vld_choose_reads(&facts, false));
    id.size = LARGE;
    assert_false(vld_choose_reads(&facts, true));
    assert_false(vld_choose_reads(&facts, false));
    facts.is_fresh = false;
    assert_false(vld_choose_reads(&facts, true));
    assert_false(vld_choose_reads(&facts, false));
}

static bool is_indexed(uint64_t size, int64_t most, const char *known)
{
    row t = { "", size, known, NONE, 0, "" };
    ground g;
    vld_facts facts;
    vld_choice got;

    prepare(&t, &g, &facts);
    facts.auto_max = most;
    vld_choose(&facts, &got);
    return got.to_be_indexed;
}

static void indexing(void **state)
{
    (void)state;
    assert_true(is_indexed(LARGE, LARGE, "s"));
    assert_false(is_indexed(LARGE, LARGE - 1, "s"));
    assert_false(is_indexed(LARGE, -1, "s"));
    assert_false(is_indexed(0, -1, ""));
    assert_true(is_indexed(0, 0, ""));
    assert_true(is_indexed(LARGE, LARGE, "rfO"));
    assert_false(is_indexed(LARGE, LARGE - 1, "rfO"));
    assert_false(is_indexed(LARGE, LARGE, "rf"));
}

static void taken_back(void **state)
{
    row t = { "", SMALL, "csk", NONE, 0, "" };
    ground g;
    vld_facts facts;
    vld_choice got, of;

    (void)state;
    prepare(&t, &g, &facts);
    vld_choose(&facts, &got);
    assert_true(got.date_sent && got.date.needs_memory);
    of = got;
    vld_choose_tag_alone(&of);
    assert_false(of.date_sent || of.date.needs_memory);
    assert_int_equal(of.date.seconds, NOW - 200);
    assert_int_equal(of.source, CONTENT);
    of = got;
    vld_choose_forgotten(&of, &g.identity, NOW * US);
    assert_true(of.date_sent);
    assert_int_equal(of.date.seconds, NOW - 100);
    vld_choose_forgotten(&of, &g.identity, (NOW - 100) * US);
    assert_false(of.date_sent);
    of = got;
    vld_choose_nothing(&of);
    assert_int_equal(of.source, NONE);
    assert_int_equal(of.date.seconds, 0);
    assert_false(of.date_sent || of.date.needs_memory);
    assert_true(of.to_be_indexed);
}

static void rewritten(void **state)
{
    const vld_identity id = { 9, (NOW - 200) * S, (NOW - 100) * S, 7 };
    vld_identity tagged;
    vld_choice got;

    (void)state;
    memset(&got, 0, sizeof(got));
    vld_choose_rewritten(&id, (NOW - 300) * US + 5, NOW * US, &tagged, &got);
    assert_int_equal(got.source, NONE);
    assert_int_equal(got.date.seconds, NOW - 100);
    assert_true(got.date_sent);
    assert_int_equal(tagged.inode, 7 ^ ((NOW - 300) * US + 5));
    assert_int_equal(tagged.size, 9);
    assert_int_equal(tagged.mtime_ns, id.mtime_ns);
    assert_int_equal(tagged.ctime_ns, id.ctime_ns);
    vld_choose_rewritten(&id, (NOW - 50) * US + 5, NOW * US, &tagged, &got);
    assert_int_equal(got.date.seconds, NOW - 49);
    vld_choose_rewritten(&id, NOW * US, NOW * US + 5, &tagged, &got);
    assert_int_equal(got.date.seconds, NOW + 1);
    assert_false(got.date_sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(by_rows, "source, date and what follows are those of each row of "
                      "the table"),
        TEST(alike, "GET and mod_dav are told the same tag and date"),
        TEST(freshness, "a record is fresh when its identity is the file's, by "
                        "size and mtime where the configuration says mtime"),
        TEST(reading, "a small file is read when it has no fresh record, or is "
                      "sent"),
        TEST(indexing, "what has no fresh record, or too early a date, is to "
                       "be indexed up to a size"),
        TEST(taken_back, "what was chosen can be taken back in part"),
        TEST(rewritten, "of a file that a filter rewrites the configuration "
                        "counts too"),
    };

    return RUN(tests);
}
