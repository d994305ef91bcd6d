/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store with its thread, under several writers, readers and watchers at once; built with -Db_sanitize=thread it
 * shows races. Every transaction moves a unit from one of KEYS counters to another, so that any snapshot that is not
 * one (a torn read, a split transaction, a lost or doubled event) has a wrong sum.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tests/unit/store/fixture.h"

#define WRITERS 4
#define MOVES   40 /* that each writer gets through */
#define KEYS    8
#define UNITS   100

struct waiting {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct outcome outcome;
};

struct shared {
    struct fixture *f;
    atomic_bool stop;
    _Atomic int64_t sums[KEYS]; /* kept by the watch, on the writer thread */
    _Atomic uint64_t events_until;
};

static void wake_up(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct waiting *waiting = arg;

    (void)pthread_mutex_lock(&waiting->lock);
    outcome_note(&waiting->outcome, revision, failed_condition, err);
    (void)pthread_cond_signal(&waiting->wake);
    (void)pthread_mutex_unlock(&waiting->lock);
}

static struct outcome commit_and_wait(struct store *store, const struct store_transaction *transaction)
{
    struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, {0}};

    store_commit(store, transaction, wake_up, &waiting);
    (void)pthread_mutex_lock(&waiting.lock);
    while (!waiting.outcome.calls)
        (void)pthread_cond_wait(&waiting.wake, &waiting.lock);
    (void)pthread_mutex_unlock(&waiting.lock);
    return waiting.outcome;
}

struct counter {
    int64_t value;
    uint64_t revision;
};

static int64_t units(struct slice value)
{
    int64_t n = 0;

    return slice_to_int64(value, &n) ? n : -1;
}

static int read_counter(void *arg, const struct store_item *item)
{
    *(struct counter *)arg = (struct counter){units(item->value), item->mod_revision};
    return 0;
}

/* The log is cleaned of every other key at once. */
static enum store_class class_of(int key)
{
    return key % 2 ? STORE_HISTORY_NONE : STORE_HISTORY_FULL;
}

/* Takes a unit from one key and gives it to another, if neither changed since it looked. */
static bool move_unit(struct store *store, int from, int to)
{
    char keys[2][8], values[2][16];
    struct counter counters[2] = {0};
    struct store_condition conditions[2];
    struct store_operation operations[2];
    struct outcome outcome;

    for (int i = 0; i < 2; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "/n/%d", i ? to : from);
        if (store_get(store, slice_str(keys[i]), read_counter, &counters[i], NULL, NULL) < 0)
            return false;
        (void)snprintf(values[i], sizeof(values[i]), "%d", (int)counters[i].value + (i ? 1 : -1));
        conditions[i] = (struct store_condition){slice_str(keys[i]), counters[i].revision};
        operations[i] = (struct store_operation){STORE_PUT, slice_str(keys[i]), SLICE_NONE, slice_str(values[i]),
                                                 class_of(i ? to : from)};
    }
    outcome = commit_and_wait(store, &(struct store_transaction){conditions, 2, operations, 2});
    /* What was acknowledged is there for whoever reads now. */
    return outcome.code == ERROR_NONE && store_revision(store) >= outcome.revision;
}

static void *writer(void *arg)
{
    struct shared *shared = arg;

    for (int moved = 0, tries = 0; moved < MOVES && tries < 100000; tries++)
        moved += move_unit(shared->f->store, tries % KEYS,
                           (tries * 3 + moved + 1) % KEYS == tries % KEYS ? (tries + 1) % KEYS
                                                                          : (tries * 3 + moved + 1) % KEYS);
    return NULL;
}

static int sum_items(void *arg, const struct store_item *item)
{
    *(int64_t *)arg += units(item->value);
    return 0;
}

/* Lists now, and then the same revision again, which must not have changed meanwhile. */
static void *reader(void *arg)
{
    struct shared *shared = arg;
    struct store *store = shared->f->store;
    intptr_t wrong = 0;
    uint64_t last = 0;

    while (!atomic_load(&shared->stop)) {
        int64_t sum = 0, again = 0;
        struct store_range range = {.prefix = SLICE_LIT("/n/"), .class = STORE_HISTORY_NONE};
        struct store_range_result result = {0};

        wrong += store_list(store, &range, sum_items, &sum, &result, NULL) != 0 || sum != (int64_t)KEYS * UNITS;
        wrong += result.revision < last;
        last = range.at_revision = result.revision;
        if (store_list(store, &range, sum_items, &again, NULL, NULL) == 0)
            wrong += again != sum;
        else
            /* only compaction and cleaning are an excuse */
            wrong += store_compacted_of(store, STORE_HISTORY_NONE) <= range.at_revision;
    }
    return (void *)wrong;
}

static void *compactor(void *arg)
{
    struct shared *shared = arg;

    while (!atomic_load(&shared->stop)) {
        uint64_t revision = store_revision(shared->f->store);

        if (revision > store_compacted(shared->f->store) + 10)
            store_compact(shared->f->store, revision - 5, NULL, NULL);
    }
    return NULL;
}

static void ignore_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    atomic_fetch_add((_Atomic int *)arg, 1);
}

/* Opens and closes watches all the time; after closing, none may be called. */
static void *watch_opener(void *arg)
{
    struct shared *shared = arg;
    intptr_t wrong = 0;

    while (!atomic_load(&shared->stop)) {
        _Atomic int calls = 0;
        uint64_t revision;
        struct store_watch *watch = store_watch_open(shared->f->store, SLICE_NONE, ignore_events, &calls, &revision);
        int before;

        store_watch_close(watch);
        before = atomic_load(&calls);
        wrong += store_revision(shared->f->store) < revision || atomic_load(&calls) != before;
    }
    return (void *)wrong;
}

static void apply_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    struct shared *shared = arg;

    for (size_t i = 0; i < count; i++) {
        int key = events[i]->key.data[events[i]->key.len - 1] - '0';

        /* Every event says what was before: a gap or a doubling shows at once. */
        if (events[i]->kind == STORE_EVENT_MODIFY && units(events[i]->prev_value) != atomic_load(&shared->sums[key]))
            atomic_store(&shared->sums[key], INT32_MIN);
        else
            atomic_store(&shared->sums[key], units(events[i]->value));
    }
    atomic_store(&shared->events_until, revision);
}

static void seed_counters(struct fixture *f)
{
    for (int i = 0; i < KEYS; i++) {
        char key[8];
        struct store_operation operation = {STORE_PUT, {key, 0}, SLICE_NONE, SLICE_LIT("100"), class_of(i)};

        operation.key.len = (size_t)snprintf(key, sizeof(key), "/n/%d", i);
        assert_int_equal(commit_and_wait(f->store, &(struct store_transaction){NULL, 0, &operation, 1}).code, 0);
    }
}

static void check_end(struct shared *shared)
{
    struct store *store = shared->f->store;

    assert_int_equal(store_revision(store), 1 + KEYS + WRITERS * MOVES);
    assert_true(atomic_load(&shared->events_until) == store_revision(store));
    for (int i = 0; i < KEYS; i++) {
        char key[8];
        struct counter counter = {0};

        (void)snprintf(key, sizeof(key), "/n/%d", i);
        assert_int_equal(store_get(store, slice_str(key), read_counter, &counter, NULL, NULL), 0);
        assert_true(counter.value == atomic_load(&shared->sums[i]));
    }
}

static void test_writers_readers_watchers_and_compaction(void **state)
{
    struct shared shared = {.f = *state};
    void *(*const others[])(void *) = {reader, reader, compactor, watch_opener};
    pthread_t writers[WRITERS], other[ARRAY_SIZE(others)];
    struct store_watch *watch;
    uint64_t revision;

    shared.f->window_ns = -1;
    shared.f->segment_bytes = 8 << 10;
    fixture_reopen(shared.f);
    watch = store_watch_open(shared.f->store, SLICE_LIT("/n/"), apply_events, &shared, &revision);
    seed_counters(shared.f);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_int_equal(pthread_create(&other[i], NULL, others[i], &shared), 0);
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, writer, &shared), 0);
    for (size_t i = 0; i < WRITERS; i++)
        (void)pthread_join(writers[i], NULL);
    atomic_store(&shared.stop, true);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        void *wrong = NULL;

        (void)pthread_join(other[i], &wrong);
        assert_int_equal((intptr_t)wrong, 0);
    }
    check_end(&shared);
    store_watch_close(watch);
}

/* A lone commit is carried out without anything else waking the writer, and closing finishes what is queued. */
static void test_close_finishes_the_queue(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome = {0};
    const struct store_operation write[] = {OP_PUT("/a", "1")};

    for (int i = 0; i < 50; i++)
        store_commit(f->store, &(struct store_transaction){NULL, 0, write, 1}, outcome_note, &outcome);
    fixture_reopen(f);
    assert_int_equal(outcome.calls, 50);
    assert_int_equal(outcome.revision, 51);
    assert_int_equal(store_revision(f->store), 51);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test_threaded(test_writers_readers_watchers_and_compaction),
        store_test_threaded(test_close_finishes_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
