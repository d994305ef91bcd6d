/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/probe.h"

#define START 1000000u

static const struct probe_spec every_10s = {
    .period_ms = 10000, .timeout_ms = 1000, .success = 1, .failure = 3, .grace_s = -1};

/* Asks when it is due, answers at once; the time of the question. */
static uint64_t step(struct probe *p, const struct probe_spec *spec, enum probe_result answer, bool *ret_changed)
{
    uint64_t next = 0;
    uint64_t now = p->due_ms;

    if (now)
        assert_false(probe_due(p, now - 1, &next));
    assert_true(probe_due(p, now, &next));
    probe_asked(p, spec, now);
    next = 0;
    assert_false(probe_due(p, now + 100 * spec->period_ms, &next)); /* one question at a time */
    assert_int_equal(next, 0);
    *ret_changed = probe_answered(p, spec, answer);
    return now;
}

static void specs_are_read(void **state)
{
    struct value *full CLEANUP_VALUE = value_parse(
        SLICE_LIT("{\"initialDelaySeconds\":5,\"periodSeconds\":7,\"timeoutSeconds\":2,\"successThreshold\":3,"
                  "\"failureThreshold\":4,\"terminationGracePeriodSeconds\":9}"),
        NULL);
    struct value *bare CLEANUP_VALUE = value_parse(SLICE_LIT("{}"), NULL);
    struct probe_spec s;

    probe_spec_read(full, &s);
    assert_int_equal(s.delay_ms, 5000);
    assert_int_equal(s.period_ms, 7000);
    assert_int_equal(s.timeout_ms, 2000);
    assert_int_equal(s.success, 3);
    assert_int_equal(s.failure, 4);
    assert_int_equal(s.grace_s, 9);
    probe_spec_read(bare, &s);
    assert_int_equal(s.delay_ms, 0);
    assert_int_equal(s.period_ms, 10000);
    assert_int_equal(s.timeout_ms, 1000);
    assert_int_equal(s.success, 1);
    assert_int_equal(s.failure, 3);
    assert_int_equal(s.grace_s, -1);
}

/* The first at once, the second after the shift, then at the period, however long an answer takes. */
static void the_rhythm_is_kept(void **state)
{
    struct probe p;
    bool changed;
    uint64_t next = 0;

    probe_begin(&p, PROBE_READINESS, START, 400, PROBE_UNKNOWN);
    assert_false(probe_due(&p, START - 1, &next));
    assert_int_equal(next, START);
    assert_int_equal(step(&p, &every_10s, PROBE_GOOD, &changed), START);
    assert_int_equal(step(&p, &every_10s, PROBE_GOOD, &changed), START + 10400);
    /* Asked 3 s late: the next is due in 7 s. */
    probe_asked(&p, &every_10s, START + 23400);
    assert_false(probe_answered(&p, &every_10s, PROBE_GOOD));
    assert_int_equal(p.due_ms, START + 30400);
    /* 25 s late: what was missed is not made up for. */
    probe_asked(&p, &every_10s, START + 55400);
    assert_false(probe_answered(&p, &every_10s, PROBE_GOOD));
    assert_int_equal(p.due_ms, START + 65400);
}

static void readiness_goes_both_ways(void **state)
{
    static const struct probe_spec spec = {.period_ms = 1000, .success = 2, .failure = 3};
    static const struct {
        enum probe_result answer;
        enum probe_result holds;
        bool changed;
    } steps[] = {
        {PROBE_GOOD, PROBE_BAD, false}, {PROBE_GOOD, PROBE_GOOD, true},  {PROBE_BAD, PROBE_GOOD, false},
        {PROBE_BAD, PROBE_GOOD, false}, {PROBE_GOOD, PROBE_GOOD, false}, /* the row starts again */
        {PROBE_BAD, PROBE_GOOD, false}, {PROBE_BAD, PROBE_GOOD, false},  {PROBE_UNKNOWN, PROBE_GOOD, false},
        {PROBE_BAD, PROBE_BAD, true}, /* what gave no answer does not interrupt it */
        {PROBE_BAD, PROBE_BAD, false},  {PROBE_GOOD, PROBE_BAD, false},  {PROBE_GOOD, PROBE_GOOD, true},
    };
    struct probe p;
    bool changed;

    probe_begin(&p, PROBE_READINESS, START, 0, PROBE_UNKNOWN);
    assert_int_equal(p.result, PROBE_BAD); /* not ready before it has said so */
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        (void)step(&p, &spec, steps[i].answer, &changed);
        if (p.result != steps[i].holds || changed != steps[i].changed || p.state != PROBE_WAITING)
            fail_msg("step %zu: holds %d, changed %d", i, (int)p.result, (int)changed);
    }
}

static void liveness_fails_once_and_waits(void **state)
{
    struct probe p;
    bool changed;
    uint64_t next = 0;

    probe_begin(&p, PROBE_LIVENESS, START, 0, PROBE_UNKNOWN);
    assert_int_equal(p.result, PROBE_GOOD); /* alive until it is shown not to be */
    (void)step(&p, &every_10s, PROBE_BAD, &changed);
    (void)step(&p, &every_10s, PROBE_BAD, &changed);
    assert_false(changed);
    assert_int_equal(step(&p, &every_10s, PROBE_BAD, &changed), START + 20000);
    assert_true(changed);
    assert_int_equal(p.state, PROBE_HELD);
    assert_false(probe_due(&p, START + 1000000, &next));
    assert_int_equal(next, 0);
    /* The next run of the container begins anew. */
    probe_begin(&p, PROBE_LIVENESS, START, 0, PROBE_UNKNOWN);
    assert_int_equal(p.result, PROBE_GOOD);
    assert_true(probe_due(&p, START, &next));
}

static void startup_is_done_once(void **state)
{
    struct probe p;
    bool changed;
    uint64_t next = 0;

    probe_begin(&p, PROBE_STARTUP, START, 0, PROBE_UNKNOWN);
    assert_int_equal(p.result, PROBE_UNKNOWN);
    (void)step(&p, &every_10s, PROBE_BAD, &changed);
    (void)step(&p, &every_10s, PROBE_GOOD, &changed);
    assert_true(changed);
    assert_int_equal(p.state, PROBE_DONE);
    assert_false(probe_due(&p, START + 1000000, &next));
    /* Too often bad: the container is to be ended. */
    probe_begin(&p, PROBE_STARTUP, START, 0, PROBE_UNKNOWN);
    for (int i = 0; i < 3; i++)
        (void)step(&p, &every_10s, PROBE_BAD, &changed);
    assert_int_equal(p.state, PROBE_HELD);
    assert_int_equal(p.result, PROBE_BAD);
}

/* What an agent before this one found out stays until there are answers. */
static void what_was_known_holds(void **state)
{
    struct probe p;
    bool changed;
    uint64_t next = 0;

    probe_begin(&p, PROBE_STARTUP, START, 0, PROBE_GOOD);
    assert_int_equal(p.state, PROBE_DONE);
    assert_false(probe_due(&p, START, &next));
    probe_begin(&p, PROBE_READINESS, START, 0, PROBE_GOOD);
    assert_int_equal(p.result, PROBE_GOOD);
    (void)step(&p, &every_10s, PROBE_BAD, &changed);
    (void)step(&p, &every_10s, PROBE_BAD, &changed);
    assert_int_equal(p.result, PROBE_GOOD);
    (void)step(&p, &every_10s, PROBE_BAD, &changed);
    assert_true(changed && p.result == PROBE_BAD);
}

static void a_late_answer_does_not_count(void **state)
{
    struct probe p;

    probe_begin(&p, PROBE_LIVENESS, START, 0, PROBE_UNKNOWN);
    probe_asked(&p, &every_10s, START);
    probe_stop(&p);
    assert_false(probe_answered(&p, &every_10s, PROBE_BAD));
    assert_int_equal(p.state, PROBE_IDLE);
}

static void events_are_bounded(void **state)
{
    struct probe p;
    unsigned said = 0;

    probe_begin(&p, PROBE_READINESS, START, 0, PROBE_UNKNOWN);
    for (uint64_t now = START; now < START + 600000; now += 1000)
        said += probe_may_speak(&p, now);
    assert_int_equal(said, 25 + 1);
    assert_true(probe_may_speak(&p, START + 600000));
    assert_false(probe_may_speak(&p, START + 600000));
    /* Quiet for long: all of them again. */
    said = 0;
    for (int i = 0; i < 100; i++)
        said += probe_may_speak(&p, START + 100000000);
    assert_int_equal(said, 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specs_are_read),
        cmocka_unit_test(the_rhythm_is_kept),
        cmocka_unit_test(readiness_goes_both_ways),
        cmocka_unit_test(liveness_fails_once_and_waits),
        cmocka_unit_test(startup_is_done_once),
        cmocka_unit_test(what_was_known_holds),
        cmocka_unit_test(a_late_answer_does_not_count),
        cmocka_unit_test(events_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
