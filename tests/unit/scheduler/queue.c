/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "scheduler/queue.h"

static void add(struct queue *q, const char *key, int32_t priority)
{
    queue_add(q, slice_str(key), priority);
}

static void expect_pop(struct queue *q, uint64_t now, const char *key)
{
    const struct queue_item *item = queue_pop(q, now);

    if (!key) {
        assert_null(item);
        return;
    }
    assert_non_null(item);
    assert_string_equal(item->key, key);
}

static void test_priority_then_arrival(void **state)
{
    struct queue q = {0};

    (void)state;
    add(&q, "a", 0);
    add(&q, "b", 10);
    add(&q, "c", 0);
    add(&q, "d", 10);
    expect_pop(&q, 0, "b");
    expect_pop(&q, 0, "d");
    expect_pop(&q, 0, "a");
    expect_pop(&q, 0, "c");
    expect_pop(&q, 0, NULL);
    queue_free(&q);
}

static void test_failed_pod_waits_for_a_change(void **state)
{
    struct queue q = {0};

    (void)state;
    add(&q, "a", 0);
    expect_pop(&q, 1000, "a");
    queue_failed(&q, SLICE_LIT("a"), false, 1000);
    expect_pop(&q, 100000, NULL);
    /* Woken after its back-off is over: at once. */
    queue_wake(&q, 100000);
    assert_int_equal(queue_next_ms(&q, 100000), 0);
    expect_pop(&q, 100000, "a");
    /* Woken while the back-off (now two seconds) runs: when it is over. */
    queue_failed(&q, SLICE_LIT("a"), false, 100000);
    queue_wake(&q, 100500);
    assert_int_equal(queue_next_ms(&q, 100500), 1500);
    expect_pop(&q, 101999, NULL);
    expect_pop(&q, 102000, "a");
    queue_free(&q);
}

static void test_wake_during_decision_is_not_lost(void **state)
{
    struct queue q = {0};

    (void)state;
    add(&q, "a", 0);
    expect_pop(&q, 0, "a");
    queue_wake(&q, 0);
    queue_failed(&q, SLICE_LIT("a"), false, 0);
    expect_pop(&q, 999, NULL);
    expect_pop(&q, 1000, "a");
    queue_free(&q);
}

static void test_backoff_doubles_to_its_bound(void **state)
{
    static const uint64_t expected[] = {1000, 2000, 4000, 8000, 10000, 10000};
    struct queue q = {0};

    (void)state;
    add(&q, "a", 0);
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        expect_pop(&q, UINT64_MAX / 2, "a");
        queue_failed(&q, SLICE_LIT("a"), true, 0);
        assert_int_equal(queue_next_ms(&q, 0), expected[i]);
    }
    queue_free(&q);
}

static void test_waiting_pod_comes_back_after_five_minutes(void **state)
{
    struct queue q = {0};

    (void)state;
    add(&q, "a", 0);
    expect_pop(&q, 0, "a");
    queue_failed(&q, SLICE_LIT("a"), false, 0);
    assert_int_equal(queue_next_ms(&q, 0), QUEUE_WAIT_MAX_MS);
    expect_pop(&q, QUEUE_WAIT_MAX_MS, "a");
    queue_free(&q);
}

static void test_random_moves_keep_the_heap_in_order(void **state)
{
    struct queue q = {0};
    unsigned seed = 7;
    int32_t last = INT32_MAX;
    const struct queue_item *item;

    (void)state;
    for (int i = 0; i < 500; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "p%d", i);
        seed = seed * 1103515245u + 12345u;
        add(&q, key, (int32_t)((seed >> 16) % 20));
        if (i % 3 == 0)
            queue_remove(&q, slice_str(key));
    }
    while ((item = queue_pop(&q, 0))) {
        assert_true(item->priority <= last);
        last = item->priority;
        queue_remove(&q, slice_str(item->key));
    }
    assert_int_equal(queue_length(&q), 0);
    queue_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_priority_then_arrival),
        cmocka_unit_test(test_failed_pod_waits_for_a_change),
        cmocka_unit_test(test_wake_during_decision_is_not_lost),
        cmocka_unit_test(test_backoff_doubles_to_its_bound),
        cmocka_unit_test(test_waiting_pod_comes_back_after_five_minutes),
        cmocka_unit_test(test_random_moves_keep_the_heap_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
