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

static vld_last_sent heard_of(bool has_name, unsigned char content,
                              int64_t date)
{
    vld_last_sent h;

    memset(&h, 0, sizeof(h));
    h.has_name = has_name;
    memset(&h.name, content, sizeof(h.name));
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

/* --- promises ------------------------------------------------------------ */

static vld_record promise(unsigned char seed)
{
    vld_record like = record_of(0), r;
    vld_digest name;

    memset(&name, seed, sizeof(name));
    vld_promise_record(&like.identity, &name, vld_now_ns(), &r);
    return r;
}

static vld_last_sent sent_under(const vld_record *r, int64_t date)
{
    vld_last_sent sent = { true, { { 0 } }, date };

    vld_record_name(r, &sent.name);
    return sent;
}

static vld_digest name_in(vld_store *store)
{
    vld_record r = found(store, PATH);
    vld_digest name;

    vld_record_name(&r, &name);
    return name;
}

static bool is_name(vld_store *store, const vld_digest *name)
{
    vld_digest now = name_in(store);

    return !memcmp(&now, name, sizeof(now));
}

static uint32_t format_of(vld_store *store)
{
    vld_store_info info;

    assert_int_equal(vld_store_stat(store, &info), APR_SUCCESS);
    return info.format;
}

/* Tag and date stay when the content has been read, and when it is touched. */
static void promise_then_digest(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record p = promise(7), r = reading(1);
    vld_last_sent sent = sent_under(&p, DATE + 10);
    vld_digest promised;

    assert_int_equal(format_of(store), 1);
    assert_false(record(store, &p, &sent));
    assert_int_equal(format_of(store), 2);
    promised = name_in(store);
    assert_true(found(store, PATH).is_unread);
    assert_int_equal(found(store, PATH).last_modified, DATE + 10);
    assert_true(record(store, &r, NULL));
    assert_false(found(store, PATH).is_unread);
    assert_int_equal(found(store, PATH).digest.bytes[0], 1);
    assert_true(is_name(store, &promised));
    assert_int_equal(found(store, PATH).last_modified, DATE + 10);
    r = reading(1);
    r.identity.ctime_ns += 500 * S;
    r.identity.inode++;
    assert_true(record(store, &r, NULL));
    assert_true(is_name(store, &promised));
    assert_int_equal(found(store, PATH).last_modified, DATE + 10);
    vld_store_close(store);
}

/* A promise that was made after the reading began is kept, too. */
static void promise_while_it_is_read(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = reading(1), p = promise(7);

    record(store, &p, NULL);
    assert_true(p.indexed_ns >= r.indexed_ns);
    assert_true(record(store, &r, NULL));
    assert_int_equal(found(store, PATH).digest.bytes[0], 1);
    assert_true(found(store, PATH).is_promised);
    vld_store_close(store);
}

/* Another content has another tag and a later date. */
static void promise_ends_with_the_content(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record p = promise(7), r = reading(1);

    record(store, &p, NULL);
    record(store, &r, NULL);
    r = reading(2);
    r.identity.ctime_ns += 500 * S;
    assert_false(record(store, &r, NULL));
    assert_false(found(store, PATH).is_promised);
    assert_true(found(store, PATH).last_modified > DATE);
    r = reading(1);
    r.identity.ctime_ns += 900 * S;
    assert_false(record(store, &r, NULL));
    assert_false(found(store, PATH).is_promised);
    vld_store_close(store);
}

static void digest_before_promise(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = reading(1), p;

    record(store, &r, NULL);
    p = promise(7);
    assert_true(record(store, &p, NULL));
    assert_false(found(store, PATH).is_promised);
    assert_false(found(store, PATH).is_unread);
    assert_int_equal(found(store, PATH).digest.bytes[0], 1);
    assert_int_equal(format_of(store), 1);
    vld_store_close(store);
}

static void first_promise_wins(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record p = promise(7), q = promise(8);

    record(store, &p, NULL);
    assert_true(record(store, &q, NULL));
    assert_int_equal(found(store, PATH).seed.octets[0], 7);
    vld_store_close(store);
}

/* The file changed: its new state is promised, and a reading of the old one
 * that ends later does not undo that. */
static void promise_of_a_later_state(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_record r = reading(1), p = promise(7);

    p.identity.ctime_ns += 500 * S;
    p.indexed_ns = r.indexed_ns + 1;
    assert_false(record(store, &p, NULL));
    record(store, &r, NULL);
    assert_true(found(store, PATH).is_unread);
    assert_int_equal(found(store, PATH).identity.ctime_ns, p.identity.ctime_ns);
    vld_store_close(store);
}

/* --- every order --------------------------------------------------------- */

enum deed {
    PROMISE,     /* by one who looked just now */
    PROMISE_TOO, /* by another one, under another name */
    READ,        /* the reading began just now */
    READ_SLOWLY, /* it began as the file got this identity */
    TOUCH,       /* another identity, the same content */
    CHANGE,      /* another content */
    DEEDS
};
enum { STEPS = 5 };

/* One file: what it is, and what clients were told of it. */
typedef struct life {
    vld_batch *batch;
    char path[32];
    unsigned identity, content;
    int64_t now_ns, changed_ns; /* rising numbers, of the past */
    bool known;                 /* is what is there */
    bool is_read;               /* with its digest */
    vld_digest name;            /* as it was told first */
    int64_t date;
    unsigned told; /* of other contents */
    vld_digest names[STEPS];
    int64_t latest; /* date of them */
} life;

static void identity_in(const life *l, vld_record *r)
{
    r->identity.inode = 100 + l->identity;
    r->identity.mtime_ns = 1700000000 * S;
    r->identity.ctime_ns = (1700000000 + (int64_t)l->identity) * S;
    r->identity.size = 5;
}

static void make_record(const life *l, enum deed deed, vld_record *r)
{
    vld_identity id;

    memset(r, 0, sizeof(*r));
    identity_in(l, r);
    id = r->identity;
    if (deed == PROMISE || deed == PROMISE_TOO) {
        vld_digest name;

        memset(&name, 0, sizeof(name));
        memset(&name, (int)(100 + 2 * l->identity + (deed == PROMISE_TOO)), 16);
        vld_promise_record(&id, &name, l->now_ns, r);
        return;
    }
    memset(&r->digest, (int)(1 + l->content), sizeof(r->digest));
    r->indexed_ns = deed == READ_SLOWLY ? l->changed_ns : l->now_ns;
}

/* What the index says after a record was made of what is there. */
static void compare_told(life *l, bool is_reading)
{
    vld_record r;
    vld_digest name;

    assert_int_equal(vld_batch_get(l->batch, l->path, strlen(l->path), &r), 0);
    vld_record_name(&r, &name);
    assert_int_equal(r.identity.inode, 100 + l->identity);
    if (l->known) {
        assert_memory_equal(&name, &l->name, sizeof(name));
        assert_int_equal(r.last_modified, l->date);
    }
    l->is_read = l->is_read || is_reading;
    assert_int_equal(r.is_unread, !l->is_read);
    if (l->is_read) {
        assert_int_equal(r.digest.bytes[31], 1 + l->content);
    }
    for (unsigned i = 0; i < l->told; i++) {
        assert_memory_not_equal(&name, &l->names[i], sizeof(name));
    }
    assert_true(!l->told || r.last_modified > l->latest);
    l->known = true;
    l->name = name;
    l->date = r.last_modified;
}

/* The index has a record of what was there before. */
static void leave_state(life *l, bool is_touched)
{
    l->identity++;
    l->changed_ns = ++l->now_ns;
    if (is_touched && (!l->known || l->is_read)) {
        return;
    }
    if (l->known) {
        l->names[l->told++] = l->name;
        l->latest = l->date;
    }
    l->content += !is_touched;
    l->known = l->is_read = false;
}

static void do_deed(life *l, enum deed deed)
{
    vld_record r;
    bool same;

    l->now_ns++;
    if (deed == TOUCH || deed == CHANGE) {
        leave_state(l, deed == TOUCH);
        return;
    }
    /* Of a touched file the promise is another one, of what may be another
     * content; a reading shows that it is not. */
    make_record(l, deed, &r);
    assert_int_equal(vld_batch_record(l->batch, l->path, strlen(l->path), &r,
                                      NULL, &same),
                     APR_SUCCESS);
    compare_told(l, deed == READ || deed == READ_SLOWLY);
}

/* Whether the file was touched after its content was known, and then promised
 * before it was read: the only order in which one content gets another tag. */
static bool is_forgetful(unsigned order)
{
    bool read = false, touched = false;

    for (int i = 0; i < STEPS; i++, order /= DEEDS) {
        enum deed deed = order % DEEDS;

        if (touched && (deed == PROMISE || deed == PROMISE_TOO)) {
            return true;
        }
        read = deed != CHANGE && (read || deed == READ || deed == READ_SLOWLY);
        touched = read && (deed == TOUCH || touched) && deed != READ
                  && deed != READ_SLOWLY;
    }
    return false;
}

static void every_order(void **state)
{
    place *t = *state;
    vld_store *store = open_store(t, VLD_STORE_CREATE);
    vld_batch *batch;
    unsigned orders = 1, tried = 0;

    for (int i = 0; i < STEPS; i++) {
        orders *= DEEDS;
    }
    assert_int_equal(vld_batch_begin(store, &batch), APR_SUCCESS);
    for (unsigned order = 0; order < orders; order++) {
        life l = { .batch = batch, .now_ns = 1750000000 * S };
        unsigned left = order;

        if (is_forgetful(order)) {
            continue;
        }
        l.changed_ns = l.now_ns;
        sprintf(l.path, "/%u", order);
        for (int i = 0; i < STEPS; i++, left /= DEEDS) {
            do_deed(&l, left % DEEDS);
        }
        tried++;
    }
    assert_true(tried > orders / 2);
    assert_int_equal(vld_batch_commit(batch), APR_SUCCESS);
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
        TEST(promise_then_digest, "a promise stays when the content is read"),
        TEST(promise_while_it_is_read, "and when it was made meanwhile"),
        TEST(promise_ends_with_the_content, "and ends with the content"),
        TEST(digest_before_promise, "what was read needs no promise"),
        TEST(first_promise_wins, "the first promise counts"),
        TEST(promise_of_a_later_state, "a later state is not forgotten"),
        TEST(every_order, "in whatever order, one tag and date while the file "
                          "is the same, and another for another content"),
    };

    return RUN(tests);
}
