/* SPDX-License-Identifier: Apache-2.0 */
/* Events end by a clock that this test moves. */
#include "tests/unit/apiserver/harness.h"

#include <stdio.h>

#include "apiserver/event_expiry.h"

#define EVENTS  "/api/v1/namespaces/default/events"
#define MANY    2500
#define START_S 1700000000LL

static struct harness h;
static struct clock_fake fake;
static struct event_expiry *expiry;

static int start(void **state)
{
    harness_start(&h);
    clock_fake_init(&fake, START_S * NS_PER_S);
    h.server->clock = &fake.base;
    expiry = event_expiry_start(&h.server->fronts[0], 3600);
    return 0;
}

static int stop(void **state)
{
    event_expiry_free(expiry);
    harness_stop(&h);
    return 0;
}

static void make_event(const char *name, const char *more)
{
    char *event CLEANUP_FREE =
        mem_printf("{\"metadata\":{\"name\":\"%s\"},\"involvedObject\":{\"namespace\":\"default\"}%s}", name, more);

    harness_expect(&h, 201, "POST", EVENTS, event, NULL);
}

/* Steps until all were looked at; returns how many steps that took. */
static size_t pass(void)
{
    size_t steps = 1;

    while (!event_expiry_step(expiry))
        steps++;
    return steps;
}

static size_t count(void)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 200, "GET", EVENTS, NULL, &a);
    return scan_count(scan_get(buf_slice(&a.body), "items"));
}

static void wait_for_count(size_t wanted)
{
    for (int i = 0; i < 200000 && count() != wanted; i++)
        ;
    assert_int_equal(count(), wanted);
}

static void test_an_hour_after_the_last_time(void **state)
{
    static const char again[] = "{\"lastTimestamp\":\"2023-11-14T22:43:20Z\"}"; /* half an hour later */
    struct answer a CLEANUP_ANSWER = {0};

    make_event("once", "");
    make_event("repeats", "");
    make_event("liar", ",\"lastTimestamp\":\"2099-01-01T00:00:00Z\"");
    harness_patch(&h, 200, EVENTS "/repeats", PATCH_MERGE, again, &a);
    clock_fake_advance(&fake, 3599 * NS_PER_S);
    (void)pass();
    assert_int_equal(count(), 3);
    clock_fake_advance(&fake, 2 * NS_PER_S);
    (void)pass();
    wait_for_count(1); /* a date in the future does not help */
    harness_expect(&h, 200, "GET", EVENTS "/repeats", NULL, NULL);
    clock_fake_advance(&fake, 1800 * NS_PER_S);
    (void)pass();
    wait_for_count(0);
}

static void stored(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    assert_null(err);
    __atomic_add_fetch((size_t *)arg, 1, __ATOMIC_SEQ_CST);
}

/* Past the front, a hundred in a transaction: the disk has better things to do. */
static void store_events(size_t events)
{
    struct store_operation operations[100];
    char keys[100][40];
    size_t done = 0;
    char *value CLEANUP_FREE =
        mem_printf("{\"metadata\":{\"creationTimestamp\":\"2023-11-15T02:00:00Z\"},\"message\":\"%0500d\"}", 0);

    for (size_t i = 0; i < events; i += ARRAY_SIZE(keys)) {
        for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
            (void)snprintf(keys[k], sizeof(keys[k]), "/registry//events/default/e%zu", i + k);
            operations[k] = (struct store_operation){STORE_PUT, slice_str(keys[k]), SLICE_LIT("m"), slice_str(value)};
        }
        store_commit(h.store,
                     &(struct store_transaction){.operations = operations, .operation_count = ARRAY_SIZE(keys)}, stored,
                     &done);
    }
    while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < events / ARRAY_SIZE(keys))
        loop_turn(h.server->fronts[0].loop, false);
}

static void test_many_go_in_steps(void **state)
{
    size_t steps;

    clock_fake_advance(&fake, (1700014000LL - fake.wall / NS_PER_S) * NS_PER_S); /* 2023-11-15T02:06:40Z */
    store_events(MANY);
    steps = pass();
    assert_in_range(steps, MANY / 1000, MANY / 1000 + 1); /* nothing to delete: a thousand a step */
    clock_fake_advance(&fake, 3601 * NS_PER_S);
    make_event("young", "");
    steps = pass();
    assert_in_range(steps, MANY / 128, MANY / 128 + 2); /* one transaction a step */
    wait_for_count(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_hour_after_the_last_time),
        cmocka_unit_test(test_many_go_in_steps),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
