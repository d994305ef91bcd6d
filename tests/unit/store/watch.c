/* SPDX-License-Identifier: Apache-2.0 */
/* Watches: order, whole transactions, prefixes, and that the log tells the same story as the live events did. */
#include "tests/unit/store/fixture.h"

struct watcher {
    struct store_watch *watch;
    struct buf text;
    uint64_t opened_at;
    uint64_t seen; /* complete up to */
    int calls;
    struct store_event *kept;
};

static void note_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    struct watcher *w = arg;

    assert_true(count > 0);
    assert_true(revision > w->seen && events[0]->revision > w->seen && events[count - 1]->revision <= revision);
    for (size_t i = 0; i < count; i++)
        event_write(&w->text, events[i]);
    w->seen = revision;
    w->calls++;
    if (!w->kept)
        w->kept = store_event_ref(events[0]);
}

static void watch_start(struct watcher *w, struct fixture *f, const char *prefix)
{
    *w = (struct watcher){0};
    w->watch = store_watch_open(f->store, slice_str(prefix), note_events, w, &w->opened_at);
    w->seen = w->opened_at;
}

static void watch_end(struct watcher *w)
{
    store_watch_close(w->watch);
    store_event_unref(w->kept);
    buf_free(&w->text);
}

static void test_events_tell_before_and_after(void **state)
{
    struct fixture *f = *state;
    struct watcher w;

    put(f, "/a", "0");
    watch_start(&w, f, "");
    assert_int_equal(w.opened_at, 2);
    put(f, "/b", "1");
    put(f, "/b", "2");
    delete_key(f, "/b");
    put(f, "/b", "3");
    put_if(f, "/b", "4", 1);
    delete_key(f, "/nothing");
    assert_string_equal(buf_cstr(&w.text), "3+/b=1 4*/b=2<1@3 5-/b=2 6+/b=3 ");
    assert_int_equal(w.seen, 6);
    assert_slice_equal(w.kept->key, "/b");
    assert_slice_equal(w.kept->meta, "meta");
    assert_slice_equal(w.kept->value, "1"); /* a kept reference outlives its batch */
    watch_end(&w);
    store_watch_close(NULL);
    store_event_unref(NULL);
}

static void test_prefixes_and_closing(void **state)
{
    struct fixture *f = *state;
    struct watcher all, some, closed;

    watch_start(&all, f, "");
    watch_start(&some, f, "/b/");
    watch_start(&closed, f, "");
    store_watch_close(closed.watch);
    put(f, "/b", "1");
    assert_int_equal(some.calls, 0);
    put(f, "/b/x", "2");
    put(f, "/c", "3");
    assert_string_equal(buf_cstr(&all.text), "2+/b=1 3+/b/x=2 4+/c=3 ");
    assert_string_equal(buf_cstr(&some.text), "3+/b/x=2 ");
    assert_int_equal(closed.calls, 0);
    watch_end(&all);
    watch_end(&some);
}

/* A batch comes in one call, in the order of its revisions; a transaction is never split. */
static void test_a_batch_is_one_call(void **state)
{
    struct fixture *f = *state;
    const struct store_operation first[] = {OP_PUT("/a", "1"), OP_PUT("/b", "1")};
    const struct store_operation second[] = {OP_DELETE("/a"), OP_PUT("/c", "2"), OP_PUT("/b", "2")};
    struct outcome outcomes[2];
    struct watcher w;

    watch_start(&w, f, "/");
    submit(f, NULL, 0, first, 2, &outcomes[0]);
    submit(f, NULL, 0, second, 3, &outcomes[1]);
    step_all(f);
    assert_int_equal(w.calls, 1);
    assert_string_equal(buf_cstr(&w.text), "2+/a=1 2+/b=1 3-/a=1 3+/c=2 3*/b=2<1@2 ");
    assert_log(f, "/", 1, 0, 0, "2+/a=1 2+/b=1 3-/a=1 3+/c=2 3*/b=2<1@2 |3");
    watch_end(&w);
}

struct order {
    struct fixture *f;
    uint64_t events_at;
    uint64_t done_at;
    size_t told;
};

static void order_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    struct order *order = arg;

    order->events_at = revision;
    assert_int_equal(order->done_at, 0);
    assert_int_equal(store_revision(order->f->store), revision - 1);
}

static void order_done(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct order *order = arg;

    order->done_at = revision;
    assert_int_equal(order->events_at, revision);
    assert_int_equal(store_revision(order->f->store), revision);
    assert_int_equal(order->told, 0);
}

static void order_told(void *arg)
{
    struct order *order = arg;

    assert_true(order->done_at > 0);
    order->told++;
}

static void test_events_come_before_the_answer_and_waking_after(void **state)
{
    struct fixture *f = *state;
    const struct store_operation write[] = {OP_PUT("/a", "1")};
    struct order order = {.f = f};
    uint64_t revision;
    struct store_watch *watch =
        store_watch_open_told(f->store, SLICE_LIT("/a"), order_events, order_told, &order, &revision);

    store_commit(f->store, &(struct store_transaction){NULL, 0, write, 1}, order_done, &order);
    step_all(f);
    assert_int_equal(order.done_at, 2);
    assert_int_equal(order.told, 1);
    put(f, "/b", "1"); /* not this watch's */
    assert_int_equal(order.told, 1);
    store_watch_close(watch);
}

static void test_log_bounds(void **state)
{
    struct fixture *f = *state;
    const struct store_operation three[] = {OP_PUT("/a", "1"), OP_PUT("/b", "1"), OP_PUT("/c", "1")};
    struct outcome outcome;

    assert_log(f, "", 1, 0, 0, "|1");
    submit(f, NULL, 0, three, 3, &outcome);
    step_all(f);
    put(f, "/a", "2");
    put(f, "/d", "3");
    assert_log(f, "", 1, 0, 1, "2+/a=1 2+/b=1 2+/c=1 |2");
    assert_log(f, "", 2, 0, 1, "3*/a=2<1@2 |3");
    assert_log(f, "", 3, 0, 1, "4+/d=3 |4");
    assert_log(f, "", 1, 3, 0, "2+/a=1 2+/b=1 2+/c=1 3*/a=2<1@2 |3");
    assert_log(f, "", 1, 99, 4, "2+/a=1 2+/b=1 2+/c=1 3*/a=2<1@2 |3");
    assert_log(f, "/a", 1, 0, 1, "2+/a=1 |2");
    assert_log(f, "/d", 1, 0, 1, "4+/d=3 |4");
    assert_log(f, "/e", 1, 0, 1, "|4");
    assert_log(f, "", 4, 0, 0, "|4");
    assert_log(f, "", 4, 2, 0, "|4");
    assert_log(f, "", 5, 0, 0, "E:Timeout");
    assert_log(f, "", 0, 0, 0, "E:Expired");
    compact(f, 3);
    assert_log(f, "", 2, 0, 0, "E:Expired");
    assert_log(f, "", 3, 0, 0, "4+/d=3 |4");
}

/* However little of it concerns who asks: a part of the log a call. */
static void test_log_is_read_in_parts(void **state)
{
    struct fixture *f = *state;
    char *value CLEANUP_FREE = mem_zalloc(1u << 20);

    memset(value, 'x', (1u << 20) - 1);
    put(f, "/first", "1");
    for (int i = 0; i < 9; i++)
        assert_int_equal(put(f, "/other", value).code, ERROR_NONE);
    put(f, "/last", "1");
    assert_log(f, "/last", 1, 0, 1, "|6");
    assert_log(f, "/last", 6, 0, 1, "|10");
    assert_log(f, "/last", 10, 0, 1, "12+/last=1 |12");
    assert_log(f, "/first", 1, 0, 2, "2+/first=1 |6");
    assert_log(f, "/last", 1, 0, 0, "12+/last=1 |12");
}

static int stop_at_once(void *arg, const struct store_event *event)
{
    return 5;
}

static void test_log_visitor_stops(void **state)
{
    struct fixture *f = *state;
    uint64_t until = 77;
    ERROR_LOCAL(err);

    put(f, "/a", "1");
    assert_int_equal(
        store_read_log(f->store, SLICE_NONE, STORE_HISTORY_FULL, 1, 0, 0, stop_at_once, NULL, &until, &err), 5);
    assert_int_equal(until, 77);
    assert_false(error_is_set(&err));
}

/* Whoever resumes from the log sees what a live watch saw, from every revision on, for every prefix. */
static void test_log_equals_live(void **state)
{
    static const char *const keys[] = {"/a/1", "/a/2", "/a/12", "/b/1", "/b"};
    static const char *const prefixes[] = {"", "/a/", "/a/1", "/b"};
    struct fixture *f = *state;
    struct watcher w[ARRAY_SIZE(prefixes)];
    uint64_t seed = 7;

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        watch_start(&w[i], f, prefixes[i]);
    for (int i = 0; i < 120; i++) {
        const char *key;
        char value[] = {(char)('a' + i % 26), '\0'};

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        key = keys[(seed >> 33) % ARRAY_SIZE(keys)];
        if ((seed >> 40) % 4)
            put(f, key, value);
        else
            delete_key(f, key); /* may be missing: then nothing happens */
    }
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        for (uint64_t after = 1; after <= store_revision(f->store); after += 13) {
            char *log CLEANUP_FREE = log_text(f, prefixes[i], after, 0, 0);
            const char *live = buf_cstr(&w[i].text);

            *strchr(log, '|') = '\0';
            while (*live && strtoull(live, NULL, 10) <= after)
                live = strchr(live, ' ') + 1;
            assert_string_equal(log, live);
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        watch_end(&w[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_events_tell_before_and_after),
        store_test(test_prefixes_and_closing),
        store_test(test_a_batch_is_one_call),
        store_test(test_events_come_before_the_answer_and_waking_after),
        store_test(test_log_bounds),
        store_test(test_log_is_read_in_parts),
        store_test(test_log_visitor_stops),
        store_test(test_log_equals_live),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
