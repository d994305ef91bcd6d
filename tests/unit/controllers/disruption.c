/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/controllers/fixture.h"

#include <stdio.h>

#include "controllers/disruption.h"

#define PODS 8

struct bench {
    struct view *budget;
    struct view *pods[PODS];
    struct plan plan;
};

static void bench_free(struct bench *b)
{
    free(b->budget);
    for (size_t i = 0; i < PODS; i++)
        free(b->pods[i]);
    plan_clear(&b->plan);
}
#define CLEANUP_BENCH CLEANUP(bench_free)

/* One pod a letter: R ready, u not ready, d ready but being deleted. */
static void run_plan(struct bench *b, const char *spec, const char *status, const char *letters, int64_t scale,
                     const char *unsure)
{
    const struct view *list[PODS];
    size_t count = strlen(letters);

    bench_free(b);
    *b = (struct bench){0};
    b->budget = view_of_f(&view_budgets,
                          "{\"metadata\":{\"name\":\"b\",\"namespace\":\"n\",\"uid\":\"u\",\"resourceVersion\":\"7\","
                          "\"generation\":3,\"labels\":{\"its\":\"own\"}},\"spec\":%s,\"status\":%s}",
                          spec, status);
    for (size_t i = 0; i < count; i++) {
        b->pods[i] =
            view_of_f(&view_pods,
                      "{\"metadata\":{\"name\":\"p%zu\",\"namespace\":\"n\"%s},\"status\":{\"phase\":\"Running\","
                      "\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
                      i, letters[i] == 'd' ? ",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\"" : "",
                      letters[i] == 'u' ? "False" : "True");
        list[i] = b->pods[i];
    }
    disruption_plan(
        &(struct disruption_view){
            .budget = b->budget, .pods = list, .pod_count = count, .scale = scale, .unsure = unsure, .now = NOW},
        &b->plan);
}

static void test_numbers(void **state)
{
    static const struct {
        const char *spec, *letters;
        int64_t scale;
        const char *counts; /* expected, desired, healthy, allowed */
    } rows[] = {
        {"{\"minAvailable\":2}", "RRR", 3, "3 2 3 1"},
        {"{\"minAvailable\":2}", "RuR", 3, "3 2 2 0"},
        {"{\"minAvailable\":2}", "RRd", 3, "3 2 2 0"},
        {"{\"minAvailable\":0}", "RR", 2, "2 0 2 2"},
        {"{\"maxUnavailable\":1}", "RRR", 3, "3 2 3 1"},
        {"{\"maxUnavailable\":1}", "RR", 3, "3 2 2 0"},
        {"{\"maxUnavailable\":5}", "RR", 3, "3 0 2 2"},
        {"{\"maxUnavailable\":\"50%\"}", "RRR", 3, "3 1 3 2"},
        {"{\"maxUnavailable\":\"100%\"}", "RRR", 3, "3 0 3 3"},
        {"{\"minAvailable\":\"50%\"}", "RRR", 3, "3 2 3 1"},
        {"{\"minAvailable\":\"100%\"}", "RRR", 3, "3 3 3 0"},
        {"{\"minAvailable\":\"1%\"}", "", 0, "0 0 0 0"},
        {"{\"minAvailable\":0}", "", 0, "0 0 0 0"},
        {"{}", "RR", 2, "2 0 2 2"},
    };
    struct bench b CLEANUP_BENCH = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct action *action;
        char counts[64];

        run_plan(&b, rows[i].spec, "{}", rows[i].letters, rows[i].scale, NULL);
        action = plan_find(&b.plan, ACTION_UPDATE, &view_budgets, "status", 0);
        (void)snprintf(
            counts, sizeof(counts), "%lld %lld %lld %lld", (long long)body_int(action, "status.expectedPods"),
            (long long)body_int(action, "status.desiredHealthy"), (long long)body_int(action, "status.currentHealthy"),
            (long long)body_int(action, "status.disruptionsAllowed"));
        if (strcmp(counts, rows[i].counts) != 0)
            fail_msg("%s of %s: %s", rows[i].spec, rows[i].letters, counts);
        assert_int_equal(body_int(action, "status.observedGeneration"), 3);
        assert_body_text(action, "metadata.resourceVersion", "7");
        assert_body_text(action, "metadata.labels.its", "own"); /* what a PUT leaves out is lost */
    }
}

/* A pod that may be evicted counts as gone until it goes, or does not for two minutes. */
static void test_noted_pods(void **state)
{
    struct bench b CLEANUP_BENCH = {0};
    char *fresh CLEANUP_FREE = mem_printf("{\"disruptedPods\":{\"p1\":\"%s\",\"gone\":\"%s\"}}", ago(10), ago(10));
    char *old CLEANUP_FREE = mem_printf("{\"disruptedPods\":{\"p1\":\"%s\"}}", ago(130));
    const struct action *action;

    (void)state;
    run_plan(&b, "{\"minAvailable\":1}", fresh, "RRR", 3, NULL);
    action = plan_find(&b.plan, ACTION_UPDATE, &view_budgets, "status", 0);
    assert_int_equal(body_int(action, "status.currentHealthy"), 2);
    assert_int_equal(body_int(action, "status.disruptionsAllowed"), 1);
    assert_body_text(action, "status.disruptedPods.p1", ago(10));
    assert_null(scan_get(buf_slice(&action->body), "status.disruptedPods.gone").data);
    assert_in_range(b.plan.again_ms, 110000, 112000);
    run_plan(&b, "{\"minAvailable\":1}", fresh, "RdR", 3, NULL);
    action = plan_find(&b.plan, ACTION_UPDATE, &view_budgets, "status", 0);
    assert_null(scan_get(buf_slice(&action->body), "status.disruptedPods").data);
    assert_int_equal(body_int(action, "status.currentHealthy"), 2);
    run_plan(&b, "{\"minAvailable\":1}", old, "RRR", 3, NULL);
    action = plan_find(&b.plan, ACTION_UPDATE, &view_budgets, "status", 0);
    assert_int_equal(body_int(action, "status.currentHealthy"), 3);
}

/* What is right already is not written again; the condition keeps its time. */
static void test_quiet_when_right(void **state)
{
    struct bench b CLEANUP_BENCH = {0};
    char *status CLEANUP_FREE = NULL;
    const struct action *action;

    (void)state;
    run_plan(&b, "{\"minAvailable\":1}", "{}", "RR", 2, NULL);
    action = plan_find(&b.plan, ACTION_UPDATE, &view_budgets, "status", 0);
    status = slice_dup(scan_get(buf_slice(&action->body), "status"));
    assert_string_equal(status,
                        "{\"observedGeneration\":3,\"disruptionsAllowed\":1,\"currentHealthy\":2,\"desiredHealthy\":1,"
                        "\"expectedPods\":2,\"conditions\":[{\"type\":\"DisruptionAllowed\",\"status\":\"True\","
                        "\"observedGeneration\":3,\"lastTransitionTime\":\"2023-11-14T22:13:20Z\",\"reason\":"
                        "\"SufficientPods\",\"message\":\"\"}]}");
    run_plan(&b, "{\"minAvailable\":1}", status, "RR", 2, NULL);
    assert_int_equal(b.plan.count, 0);
}

/* Nobody is evicted on a guess; a plain number needs none. */
static void test_unknown_scale(void **state)
{
    struct bench b CLEANUP_BENCH = {0};
    const struct action *action;

    (void)state;
    run_plan(&b, "{\"maxUnavailable\":1}", "{}", "RRR", 0, "why");
    action = plan_find(&b.plan, ACTION_UPDATE, &view_budgets, "status", 0);
    assert_int_equal(body_int(action, "status.disruptionsAllowed"), 0);
    assert_string_equal(action->reason, "CalculateExpectedPodCountFailed");
    assert_true(slice_find_text(buf_slice(&action->body), SLICE_LIT("\"reason\":\"SyncFailed\",\"message\":\"why\"")) >
                0);
    run_plan(&b, "{\"minAvailable\":1}", "{}", "RRR", 0, "why");
    action = plan_find(&b.plan, ACTION_UPDATE, &view_budgets, "status", 0);
    assert_int_equal(body_int(action, "status.disruptionsAllowed"), 2);
    assert_null(action->reason);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_noted_pods),
        cmocka_unit_test(test_quiet_when_right),
        cmocka_unit_test(test_unknown_scale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
