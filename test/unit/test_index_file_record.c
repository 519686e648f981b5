/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of index/file_record.c: the record that a file which was read gets. */
#include "index_test.h"

#define S INT64_C(1000000000)

#define PATH "/srv/f"
#define DATE 1700000000 /* the mtime of record_of() */

static vld_record reading(unsigned char content)
{
    vld_record r = record_of(0);

    memset(&r.digest, content, sizeof(r.digest));
    r.last_modified = 0;
    r.indexed_ns = vld_now_ns();
    return r;
}

static vld_last_sent heard_of(bool has_digest, unsigned char content,
                              int64_t date)
{
    vld_last_sent h;

    memset(&h, 0, sizeof(h));
    h.has_digest = has_digest;
    memset(&h.digest, content, sizeof(h.digest));
    h.date = date;
    return h;
}

static bool record(vld_store *store, vld_record *r, const vld_last_sent *heard)
{
    vld_batch *batch;
    bool same = false;

    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    assert_int_equal(vld_batch_record(batch, PATH, strlen(PATH), r, heard,
                                      &same),
                     APR_SUCCESS);
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
    return same;
}

static void first_date(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = reading(1);

    assert_false(record(store, &r, NULL));
    assert_int_equal(r.last_modified, DATE);
    assert_int_equal(found(store, PATH).last_modified, DATE);
    assert_int_equal(found(store, PATH).digest.bytes[0], 1);
    vld_store_close(store);
}

static void same_content(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = reading(1);

    record(store, &r, NULL);
    r = reading(1);
    r.identity.mtime_ns += 500 * S;
    r.identity.ctime_ns += 500 * S;
    assert_true(record(store, &r, NULL));
    assert_int_equal(found(store, PATH).last_modified, DATE);
    assert_int_equal(found(store, PATH).identity.mtime_ns, r.identity.mtime_ns);
    vld_store_close(store);
}

static void other_content(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = reading(1);

    record(store, &r, NULL);
    r = reading(2);
    r.identity.mtime_ns -= 1000 * S; /* a file put back */
    r.identity.ctime_ns = 1700000400 * S;
    assert_false(record(store, &r, NULL));
    assert_int_equal(found(store, PATH).last_modified, 1700000400);
    r = reading(3);
    r.identity.ctime_ns = 1700000400 * S;
    assert_false(record(store, &r, NULL));
    assert_int_equal(found(store, PATH).last_modified, 1700000401);
    vld_store_close(store);
}

static void heard_before_any_record(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_last_sent none = heard_of(true, 1, 0);
    vld_last_sent same = heard_of(true, 1, DATE + 77);
    vld_last_sent other = heard_of(true, 9, DATE + 5000);
    vld_last_sent unknown = heard_of(false, 1, DATE + 9000);
    vld_record r = reading(1);

    assert_false(record(store, &r, &none));
    assert_int_equal(r.last_modified, DATE);
    put_one(store, PATH, &r);
    sprintf(t->index, "%s/index/2.mdb", t->dir);
    vld_store_close(store);
    store = open_store(t, VLD_STORE_CREATE);
    r = reading(1);
    assert_false(record(store, &r, &same));
    assert_int_equal(r.last_modified, DATE + 77);
    vld_store_close(store);
    sprintf(t->index, "%s/index/3.mdb", t->dir);
    store = open_store(t, VLD_STORE_CREATE);
    r = reading(1);
    record(store, &r, &other);
    assert_int_equal(r.last_modified, DATE + 5001);
    vld_store_close(store);
    sprintf(t->index, "%s/index/4.mdb", t->dir);
    store = open_store(t, VLD_STORE_CREATE);
    r = reading(1);
    record(store, &r, &unknown);
    assert_int_equal(r.last_modified, DATE + 9001);
    vld_store_close(store);
}

static void heard_beside_a_record(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_last_sent earlier = heard_of(true, 9, DATE - 50);
    vld_last_sent later_same = heard_of(true, 1, DATE + 60);
    vld_last_sent later_other = heard_of(true, 9, DATE + 100);
    vld_record r = reading(1);

    record(store, &r, NULL);
    r = reading(1);
    assert_true(record(store, &r, &earlier));
    assert_int_equal(r.last_modified, DATE);
    r = reading(1);
    assert_true(record(store, &r, &later_same));
    assert_int_equal(r.last_modified, DATE + 60);
    r = reading(1);
    assert_true(record(store, &r, &later_other));
    assert_int_equal(r.last_modified, DATE + 101);
    vld_store_close(store);
}

static void later_reader(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record late = reading(1);
    vld_record early = reading(2);

    early.indexed_ns = late.indexed_ns - 1;
    record(store, &late, NULL);
    assert_false(record(store, &early, NULL));
    assert_int_equal(found(store, PATH).digest.bytes[0], 1);
    /* One from the future, of a clock that was wrong, does not stay. */
    late.indexed_ns = vld_now_ns() + 3600 * S;
    assert_int_equal(put_one(store, PATH, &late), APR_SUCCESS);
    early.indexed_ns = vld_now_ns();
    record(store, &early, NULL);
    assert_int_equal(found(store, PATH).digest.bytes[0], 2);
    vld_store_close(store);
}

static void in_one_batch(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record a = reading(1);
    vld_record b = reading(2);
    vld_batch *batch;
    bool same;

    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    assert_int_equal(vld_batch_record(batch, PATH, 6, &a, NULL, &same), 0);
    assert_int_equal(vld_batch_record(batch, PATH, 6, &b, NULL, &same), 0);
    assert_true(b.last_modified > a.last_modified);
    assert_true(APR_STATUS_IS_EINVAL(
        vld_batch_record(batch, "relative", 8, &a, NULL, &same)));
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
    assert_int_equal(found(store, PATH).digest.bytes[0], 2);
    vld_store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(first_date, "the first record has the file's date"),
        TEST(same_content, "the same content keeps its date"),
        TEST(other_content, "another content gets a later one"),
        TEST(heard_before_any_record, "what was heard counts where there is "
                                      "no record"),
        TEST(heard_beside_a_record, "and beside a record where it is later"),
        TEST(later_reader, "who read later wins, but not the future"),
        TEST(in_one_batch, "records of one batch follow each other"),
    };

    return RUN(tests);
}
