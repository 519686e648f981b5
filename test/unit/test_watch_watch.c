/* Copyright The mod_validators authors.
 * SPDX-License-Identifier: Apache-2.0 */
/* Tests of watch/watch.c and its parts together, on one thread: what is done
 * while it runs is done in its own callbacks. */
#include "index_test.h"

#include "validators/scan.h"
#include "validators/watch.h"

#define PATIENCE_NS INT64_C(120000000000)

/* One run: `act` is called at every news and sign of life, and stops it. */
typedef struct watching {
    place *t;
    vld_store *store;
    volatile int stop;
    volatile int rescan;
    vld_watch_totals totals;
    unsigned news[5];
    unsigned problems;
    unsigned step;
    int64_t until_ns;
    char why[512];
    void (*act)(struct watching *s);
} watching;

static void note_why(void *baton, const char *path, const char *why)
{
    watching *s = baton;

    (void)path;
    s->problems++;
    snprintf(s->why, sizeof(s->why), "%s", why);
}

static void on_alive(void *baton)
{
    watching *s = baton;

    if (vld_monotonic_ns() > s->until_ns) {
        s->stop = 1;
    }
    else if (s->act && s->news[VLD_WATCH_READY]) {
        s->act(s);
    }
}

static void on_news(void *baton, vld_watch_news news,
                    const vld_watch_totals *totals)
{
    watching *s = baton;

    s->news[news]++;
    s->totals = *totals;
    if (news != VLD_WATCH_STOPPING && news != VLD_WATCH_STOPPED) {
        on_alive(s);
    }
}

/* Watch t->root until act stops it. */
static apr_status_t run_with(place *t, void (*act)(watching *), watching *s)
{
    const char *root = t->root;
    vld_watch_options options = {
        1,       INT64_C(200000000), &s->stop, &s->rescan, note_why,
        on_news, on_alive,           s,
    };
    vld_watch *watch = NULL;
    apr_status_t rv;

    memset(s, 0, sizeof(*s));
    s->t = t;
    s->act = act;
    s->until_ns = vld_monotonic_ns() + PATIENCE_NS;
    s->store = open_store(t, VLD_STORE_CREATE);
    assert_int_equal(vld_watch_open(&watch, &root, 1, &options, t->pool),
                     APR_SUCCESS);
    rv = vld_watch_run(watch, s->store);
    vld_watch_close(watch);
    return rv;
}

static bool is_known(watching *s, const char *name, const char *content)
{
    vld_record record;
    vld_digest digest;

    vld_digest_bytes(content, strlen(content), &digest);
    return get(s->store, below(s->t->root, name), &record) == APR_SUCCESS
           && !memcmp(&record.digest, &digest, sizeof(digest));
}

static void stop_at_once(watching *s)
{
    s->stop = 1;
}

static void scans_first(void **state)
{
    place *t = *state;
    watching s;

    write_text(below(t->root, "a"), "a");
    assert_int_equal(mkdir(below(t->root, "b"), 0755), 0);
    write_text(below(t->root, "b/b"), "b");
    nap_ms(100);
    assert_int_equal(run_with(t, stop_at_once, &s), APR_SUCCESS);
    assert_int_equal(s.news[VLD_WATCH_READY], 1);
    assert_int_equal(s.news[VLD_WATCH_STOPPING], 1);
    assert_int_equal(s.news[VLD_WATCH_STOPPED], 1);
    assert_int_equal(s.totals.indexed, 2);
    assert_int_equal(s.totals.folders, 2);
    assert_int_equal(s.totals.pending, 0);
    assert_int_equal(s.problems, 0);
    assert_true(is_known(&s, "b/b", "b"));
    vld_store_close(s.store);
}

static void change_then_drop(watching *s)
{
    if (s->step == 0) {
        write_text(below(s->t->root, "a"), "one");
        s->step++;
    }
    else if (s->step == 1 && is_known(s, "a", "one")) {
        unlink(below(s->t->root, "a"));
        s->step++;
    }
    else if (s->step == 2 && s->totals.dropped == 1) {
        s->stop = 1;
    }
}

static void follows(void **state)
{
    place *t = *state;
    watching s;
    vld_record record;

    assert_int_equal(run_with(t, change_then_drop, &s), APR_SUCCESS);
    assert_int_equal(s.step, 2);
    assert_int_equal(s.totals.indexed, 1);
    assert_int_equal(s.totals.dropped, 1);
    assert_true(
        APR_STATUS_IS_NOTFOUND(get(s.store, below(t->root, "a"), &record)));
    vld_store_close(s.store);
}

/* What is settled when the end comes is written, though it is not due. */
static void change_and_stop(watching *s)
{
    write_text(below(s->t->root, "late"), "late");
    nap_ms(100);
    s->stop = 1;
}

static void writes_at_the_end(void **state)
{
    place *t = *state;
    watching s;

    assert_int_equal(run_with(t, change_and_stop, &s), APR_SUCCESS);
    assert_true(is_known(&s, "late", "late"));
    vld_store_close(s.store);
}

/* A folder of more paths than may wait comes at once. */
static void flood(watching *s)
{
    char aside[128], path[256];

    snprintf(aside, sizeof(aside), "%s/aside", s->t->dir);
    if (s->step++ == 0) {
        mkdir(aside, 0755);
        for (int i = 0; i < 70000; i++) {
            snprintf(path, sizeof(path), "%s/%d", aside, i);
            assert_int_equal(symlink("x", path), 0);
        }
        write_text(below(aside, "file"), "x");
        assert_int_equal(rename(aside, below(s->t->root, "in")), 0);
    }
    else if (s->news[VLD_WATCH_RESCAN] && is_known(s, "in/file", "x")) {
        s->stop = 1;
    }
}

static void bounded(void **state)
{
    place *t = *state;
    watching s;

    assert_int_equal(run_with(t, flood, &s), APR_SUCCESS);
    assert_int_equal(s.totals.rescans, 1);
    assert_true(is_known(&s, "in/file", "x"));
    assert_int_equal(s.problems, 0);
    vld_store_close(s.store);
}

static void wish_for_scan(watching *s)
{
    if (!s->step++) {
        s->rescan = 1;
    }
    else if (s->totals.rescans) {
        s->stop = 1;
    }
}

static void scans_when_told(void **state)
{
    place *t = *state;
    watching s;

    assert_int_equal(run_with(t, wish_for_scan, &s), APR_SUCCESS);
    assert_int_equal(s.totals.rescans, 1);
    assert_int_equal(s.rescan, 0);
    vld_store_close(s.store);
}

static void replace_index(watching *s)
{
    if (!s->step++) {
        unlink(s->t->index);
    }
}

static void is_replaced(void **state)
{
    place *t = *state;
    watching s;

    assert_int_equal(run_with(t, replace_index, &s), VLD_E_REPLACED);
    assert_int_equal(s.news[VLD_WATCH_STOPPED], 0);
    vld_store_close(s.store);
}

static void remove_root(watching *s)
{
    if (s->step == 0) {
        unlink(below(s->t->root, "a"));
        rmdir(s->t->root);
        s->step++;
    }
    else if (s->step == 1 && s->totals.dropped == 1 && s->problems) {
        mkdir(s->t->root, 0755);
        write_text(below(s->t->root, "a"), "again");
        s->step++;
    }
    else if (s->step == 2 && is_known(s, "a", "again")) {
        s->stop = 1;
    }
}

static void root_goes_and_comes(void **state)
{
    place *t = *state;
    watching s;

    write_text(below(t->root, "a"), "a");
    nap_ms(100);
    assert_int_equal(run_with(t, remove_root, &s), APR_SUCCESS);
    assert_int_equal(s.step, 2);
    assert_int_equal(s.problems, 1);
    assert_non_null(strstr(s.why, "followed again"));
    assert_true(is_known(&s, "a", "again"));
    vld_store_close(s.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scans_first, "everything is scanned and watched first"),
        TEST(follows, "a change is indexed, a deletion drops the record"),
        TEST(writes_at_the_end, "what is settled is written before the end"),
        TEST(bounded, "a flood of changes ends in a scan"),
        TEST(scans_when_told, "a scan can be asked for"),
        TEST(is_replaced, "an index that is replaced ends the run"),
        TEST(root_goes_and_comes, "a root that goes is followed when back"),
    };

    return RUN(tests);
}
