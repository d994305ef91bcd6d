/* SPDX-License-Identifier: Apache-2.0 */
/* Updates of class STORE_HISTORY_NONE: they wait a little, so that many share a sync, and nobody waits for them. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/store/fixture.h"

#define HOLD_NS (500 * NS_PER_MS)

static void renew(struct fixture *f, const char *key, const char *value, struct outcome *outcome)
{
    const struct store_operation operation = {
        .kind = STORE_PUT, .key = slice_str(key), .value = slice_str(value), .class = STORE_HISTORY_NONE};

    submit(f, NULL, 0, &operation, 1, outcome);
}

static uint64_t commits(struct fixture *f)
{
    struct store_stats stats;

    store_get_stats(f->store, &stats);
    return stats.commits;
}

static int64_t now_ns(struct fixture *f)
{
    return clock_monotonic_ns(&f->clock.base);
}

/* Nobody comes: it is written when half a second is over, and not before; the later one goes along. */
static void test_alone(void **state)
{
    struct fixture *f = *state;
    struct outcome first, second;

    assert_int_equal(store_next_ns(f->store), INT64_MAX);
    renew(f, "/a", "1", &first);
    assert_false(store_step(f->store));
    assert_int_equal(store_next_ns(f->store), now_ns(f) + HOLD_NS);
    clock_fake_advance(&f->clock, HOLD_NS - 1);
    renew(f, "/b", "1", &second);
    assert_false(store_step(f->store));
    assert_int_equal(first.calls + second.calls, 0);
    assert_get(f, "/a", "-");
    assert_int_equal(store_next_ns(f->store), now_ns(f) + 1);
    clock_fake_advance(&f->clock, 1);
    assert_true(store_step(f->store));
    assert_int_equal(first.revision, 2);
    assert_int_equal(second.revision, 3);
    assert_int_equal(commits(f), 1);
    assert_int_equal(store_next_ns(f->store), now_ns(f) + 30 * NS_PER_S); /* memory, to be written */
}

/* Whoever else comes is written at once, and takes them along, in order. */
static void test_with_another(void **state)
{
    struct fixture *f = *state;
    const struct store_operation other[] = {OP_PUT("/a", "2")};
    struct outcome outcomes[3];

    renew(f, "/a", "1", &outcomes[0]);
    renew(f, "/b", "1", &outcomes[1]);
    assert_false(store_step(f->store));
    submit(f, NULL, 0, other, 1, &outcomes[2]);
    assert_true(store_step(f->store));
    for (int i = 0; i < 3; i++)
        assert_int_equal(outcomes[i].revision, 2 + i);
    assert_int_equal(commits(f), 1);
    assert_get(f, "/a", "2@4/2");
}

/* So is one that is wrong in itself, one that makes a key, one that deletes, and one that carries something else. */
static void test_what_is_no_renewal(void **state)
{
    struct fixture *f = *state;
    const struct store_condition absent = {SLICE_LIT("/a"), 0};
    struct store_operation operations[2] = {
        {.kind = STORE_PUT, .key = SLICE_LIT("/a"), .value = SLICE_LIT("1"), .class = STORE_HISTORY_NONE},
        {.kind = STORE_PUT, .key = SLICE_LIT("/b"), .value = SLICE_LIT("1"), .class = STORE_HISTORY_WINDOW}};
    struct outcome outcome;

    submit(f, &absent, 1, operations, 1, &outcome);
    assert_true(store_step(f->store));
    assert_int_equal(outcome.revision, 2);
    submit(f, NULL, 0, operations, 2, &outcome);
    assert_true(store_step(f->store));
    assert_int_equal(outcome.revision, 3);
    operations[0].kind = STORE_DELETE;
    submit(f, NULL, 0, operations, 1, &outcome);
    assert_true(store_step(f->store));
    assert_int_equal(outcome.revision, 4);
    submit(f, NULL, 0, NULL, 0, &outcome);
    assert_true(store_step(f->store));
    assert_int_equal(outcome.code, ERROR_INVALID);
}

/* Many do not wait, and closing waits for nobody. */
static void test_many(void **state)
{
    struct fixture *f = *state;
    struct outcome outcomes[257];

    for (int i = 0; i < 256; i++) {
        char key[16];

        assert_false(store_step(f->store));
        (void)snprintf(key, sizeof(key), "/%d", i);
        renew(f, key, "1", &outcomes[i]);
    }
    assert_true(store_step(f->store));
    assert_int_equal(outcomes[255].revision, 257);
    renew(f, "/last", "1", &outcomes[256]);
    assert_false(store_step(f->store));
    fixture_reopen(f);
    assert_int_equal(outcomes[256].revision, 258);
    assert_get(f, "/last", "1@258/258");
}

/* With its thread: by the system's clock. */
static void test_of_a_thread(void **state)
{
    struct fixture *f = *state;
    struct outcome outcomes[2] = {{0}};
    int64_t start = clock_monotonic_ns(clock_system()), took;

    renew(f, "/a", "1", &outcomes[0]);
    while (store_revision(f->store) < 2)
        (void)usleep(1000);
    took = clock_monotonic_ns(clock_system()) - start;
    assert_true(took >= HOLD_NS);
    renew(f, "/a", "2", &outcomes[1]);
    store_close(f->store); /* at once */
    f->store = NULL;
    assert_int_equal(outcomes[1].revision, 3);
    assert_true(clock_monotonic_ns(clock_system()) - start < took + HOLD_NS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_alone), store_test(test_with_another),         store_test(test_what_is_no_renewal),
        store_test(test_many),  store_test_threaded(test_of_a_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
