/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/controllers/fixture.h"

#include "controllers/node_lifecycle.h"

static struct view *node_of(const char *ready, const char *taints, const char *spec)
{
    return view_of_f(
        &view_nodes,
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"n-1\",\"resourceVersion\":\"5\"},\"spec\":{\"taints\":%s%s},"
        "\"status\":{\"conditions\":[{\"type\":\"MemoryPressure\",\"status\":\"%s\"},{\"type\":\"Ready\","
        "\"status\":\"%s\"}]}}",
        taints, spec, strcmp(ready, "Unknown") != 0 ? "False" : "Unknown", ready);
}

static struct view *pod_of(const char *name, const char *tolerations)
{
    return view_of_f(&view_pods,
                     "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"a\",\"uid\":\"%s\"},\"spec\":{\"nodeName\":\"n\","
                     "\"tolerations\":%s},\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\","
                     "\"status\":\"True\"}]}}",
                     name, name, tolerations);
}

#define UNREACHABLE                                                                                                    \
    "{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoSchedule\"},{\"key\":\"node.kubernetes.io/"            \
    "unreachable\","                                                                                                   \
    "\"effect\":\"NoExecute\",\"timeAdded\":\"2023-11-14T22:13:20Z\"}"
#define MINE "{\"key\":\"dedicated\",\"value\":\"db\",\"effect\":\"NoSchedule\"}"

static void test_taints_follow_health(void **state)
{
    /* What the plan writes as spec.taints: NULL = nothing. */
    static const struct {
        const char *ready, *taints, *spec;
        int silent;
        const char *written;
    } rows[] = {
        {"True", "[]", "", 0, NULL},
        {"False", "[]", "", 0,
         "[{\"key\":\"node.kubernetes.io/not-ready\",\"effect\":\"NoSchedule\"},{\"key\":\"node.kubernetes.io/"
         "not-ready\","
         "\"effect\":\"NoExecute\",\"timeAdded\":\"2023-11-14T22:13:20Z\"}]"},
        {"True", "[" MINE "]", "", 50, "[" MINE "," UNREACHABLE "]"},
        {"Unknown", "[" UNREACHABLE "," MINE "]", "", 60, NULL},
        {"True", "[" UNREACHABLE "]", "", 0, "null"},
        {"True", "[" UNREACHABLE "," MINE "]", "", 0, "[" MINE "]"},
        {"True", "[]", ",\"unschedulable\":true", 0,
         "[{\"key\":\"node.kubernetes.io/unschedulable\",\"effect\":\"NoSchedule\"}]"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *node = node_of(rows[i].ready, rows[i].taints, rows[i].spec);
        struct node_view in = {.node = node, .now = NOW, .silent_s = rows[i].silent, .grace_s = 50};
        PLAN_LOCAL(plan);

        node_lifecycle_plan(&in, &plan);
        assert_int_equal(plan_count(&plan, ACTION_PATCH, &view_nodes, ""), rows[i].written ? 1 : 0);
        if (rows[i].written)
            assert_slice_equal(
                scan_get(buf_slice(&plan_find(&plan, ACTION_PATCH, &view_nodes, "", 0)->body), "spec.taints"),
                rows[i].written);
        free(node);
    }
}

static void test_silent_node_is_unknown_and_its_pods_not_ready(void **state)
{
    struct view *node = node_of("True", "[]", "");
    struct view *pod = pod_of("p", "[]");
    const struct view *pods[] = {pod};
    struct node_view in = {.node = node, .pods = pods, .pod_count = 1, .now = NOW, .silent_s = 50, .grace_s = 50};
    const struct action *action;
    PLAN_LOCAL(plan);

    (void)state;
    node_lifecycle_plan(&in, &plan);
    action = plan_find(&plan, ACTION_PATCH, &view_nodes, "status", 0);
    assert_non_null(
        strstr(buf_cstr((struct buf *)&action->body),
               "{\"type\":\"Ready\",\"status\":\"Unknown\",\"reason\":\"NodeStatusUnknown\",\"message\":"
               "\"Kubelet stopped posting node status.\",\"lastTransitionTime\":\"2023-11-14T22:13:20Z\"}"));
    assert_int_equal(scan_count(scan_get(buf_slice(&action->body), "status.conditions")), 4);
    assert_string_equal(action->reason, "NodeNotReady");
    assert_int_equal(plan_count(&plan, ACTION_PATCH, &view_pods, "status"), 1);
    action = plan_find(&plan, ACTION_PATCH, &view_pods, "status", 0);
    assert_string_equal(action->reason, "NodeNotReady");
    assert_true(action->flags & ACTION_EVENT_OF_OBJECT);
    assert_string_equal(action->uid, "p");
    /* The node has no NoExecute taint yet: nobody is sent away in this plan. */
    assert_int_equal(plan_count(&plan, ACTION_DELETE, &view_pods, ""), 0);
    free(node);
    free(pod);
}

static void test_living_node_is_looked_at_when_its_grace_ends(void **state)
{
    struct view *node = node_of("True", "[]", "");
    struct node_view in = {.node = node, .now = NOW, .silent_s = 10, .grace_s = 50};
    PLAN_LOCAL(plan);

    (void)state;
    node_lifecycle_plan(&in, &plan);
    assert_int_equal(plan.count, 0);
    assert_in_range(plan.again_ms, 40000, 41000);
    free(node);
}

#define TOLERATES(seconds)                                                                                             \
    "[{\"key\":\"node.kubernetes.io/unreachable\",\"operator\":\"Exists\",\"effect\":\"NoExecute\","                   \
    "\"tolerationSeconds\":" seconds "}]"

static void test_pods_leave_when_their_time_is_over(void **state)
{
    struct view *node = node_of("Unknown", "[" UNREACHABLE "]", "");
    struct view *pods[] = {pod_of("now", "[]"), pod_of("later", TOLERATES("300")), pod_of("over", TOLERATES("60")),
                           pod_of("stays", "[{\"operator\":\"Exists\"}]")};
    struct node_view in = {.node = node,
                           .pods = (const struct view *const *)pods,
                           .pod_count = 4,
                           .now = NOW,
                           .silent_s = 150,
                           .grace_s = 50,
                           .taints_s = 100};
    const struct action *action;
    PLAN_LOCAL(plan);

    (void)state;
    node_lifecycle_plan(&in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_DELETE, &view_pods, ""), 2);
    action = plan_find(&plan, ACTION_DELETE, &view_pods, "", 0);
    assert_string_equal(action->name, "now");
    assert_string_equal(action->reason, "TaintManagerEviction");
    assert_string_equal(action->message, "Marking for deletion Pod a/now");
    assert_true(action->flags & ACTION_EVENT_OF_OBJECT);
    action = plan_find(&plan, ACTION_PATCH, &view_pods, "status", 4); /* behind those that make all of them not Ready */
    assert_true(slice_find_text(buf_slice(&action->body), SLICE_LIT("DeletionByTaintManager")) > 0);
    assert_string_equal(plan_find(&plan, ACTION_DELETE, &view_pods, "", 1)->name, "over");
    assert_int_equal(plan.again_ms, 200000);
    free(node);
    for (size_t i = 0; i < 4; i++)
        free(pods[i]);
}

#define SILENT_ONLY "{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoSchedule\"}"

/* Out of turn a node takes no new pods, but keeps those it has; when no node is left, nobody is sent anywhere. */
static void test_turns(void **state)
{
    static const struct {
        const char *taints;
        uint64_t pace_ms;
        bool all_lost;
        const char *written; /* NULL = nothing */
        size_t deletes;
        uint64_t again_ms;
    } rows[] = {
        {"[]", 4000, false, "[" SILENT_ONLY "]", 0, 4000},
        {"[]", 0, false, "[" UNREACHABLE "]", 0, 0},
        {"[" SILENT_ONLY "]", 4000, false, NULL, 0, 4000},
        {"[" SILENT_ONLY "]", 0, false, "[" UNREACHABLE "]", 0, 0},
        {"[" UNREACHABLE "]", 4000, false, NULL, 1, 0}, /* it has had its turn */
        {"[" UNREACHABLE "]", 0, true, "[" SILENT_ONLY "]", 0, 0},
        {"[]", 0, true, "[" SILENT_ONLY "]", 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *node = node_of("Unknown", rows[i].taints, "");
        struct view *pod = pod_of("p", "[]");
        const struct view *pods[] = {pod};
        struct node_view in = {.node = node,
                               .pods = pods,
                               .pod_count = 1,
                               .now = NOW,
                               .silent_s = 60,
                               .grace_s = 50,
                               .pace_ms = rows[i].pace_ms,
                               .all_lost = rows[i].all_lost};
        PLAN_LOCAL(plan);

        node_lifecycle_plan(&in, &plan);
        assert_int_equal(plan_count(&plan, ACTION_PATCH, &view_nodes, ""), rows[i].written ? 1 : 0);
        if (rows[i].written)
            assert_slice_equal(
                scan_get(buf_slice(&plan_find(&plan, ACTION_PATCH, &view_nodes, "", 0)->body), "spec.taints"),
                rows[i].written);
        assert_int_equal(plan_count(&plan, ACTION_DELETE, &view_pods, ""), rows[i].deletes);
        assert_int_equal(plan.again_ms, rows[i].again_ms);
        free(node);
        free(pod);
    }
}

/* One of a zone each ten seconds; many at once slow that down or stop it. */
static void test_pace_of_a_zone(void **state)
{
    static const struct {
        struct node_zone_counts counts;
        uint64_t interval_ms;
    } rows[] = {{{2, 1}, 10000},     {{3, 2}, 10000}, {{5, 2}, 10000},    {{5, 3}, 0},     {{100, 54}, 10000},
                {{100, 55}, 100000}, {{50, 28}, 0},   {{51, 29}, 100000}, {{5, 5}, 10000}, {{1, 1}, 10000}};
    struct node_zone_pace pace = {0};
    int64_t now = 1000 * NS_PER_S;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(node_zone_interval_ms(&rows[i].counts), rows[i].interval_ms);
    assert_int_equal(node_zone_ask(&pace, 10000, now), 0);
    assert_int_equal(node_zone_ask(&pace, 10000, now), 10001);
    assert_int_equal(node_zone_ask(&pace, 10000, now + 4 * NS_PER_S), 6001);
    assert_int_equal(node_zone_ask(&pace, 10000, now + 10 * NS_PER_S), 0);
    assert_int_equal(node_zone_ask(&pace, 0, now + 100 * NS_PER_S), 10000);
    assert_int_equal(node_zone_ask(&pace, 100000, now + 100 * NS_PER_S), 0);
    assert_int_equal(node_zone_ask(&pace, 10000, now + 150 * NS_PER_S), 50001);
    assert_true(node_zones_all_lost(&(struct node_zone_counts){3, 3}));
    assert_false(node_zones_all_lost(&(struct node_zone_counts){3, 2}));
    assert_false(node_zones_all_lost(&(struct node_zone_counts){0, 0}));
}

/* Upstream's times, second by second: 50 s of silence, then 300 s beside the taint, then the pod goes. */
static void test_a_lost_node_by_the_clock(void **state)
{
    struct view *healthy = node_of("True", "[]", "");
    struct view *tainted = node_of("Unknown", "[" UNREACHABLE "]", "");
    struct view *pod = pod_of("p", TOLERATES("300"));
    const struct view *pods[] = {pod};

    (void)state;
    for (int64_t second = 0; second <= 360; second++) {
        bool marked = second > 50;
        struct node_view in = {.node = marked ? tainted : healthy,
                               .pods = pods,
                               .pod_count = 1,
                               .now = NOW + second * NS_PER_S,
                               .silent_s = second,
                               .grace_s = 50,
                               .taints_s = marked ? second - 51 : 0};
        PLAN_LOCAL(plan);

        node_lifecycle_plan(&in, &plan);
        assert_int_equal(plan_count(&plan, ACTION_PATCH, &view_nodes, ""), second == 50);
        assert_int_equal(plan_count(&plan, ACTION_DELETE, &view_pods, ""), second >= 351);
        if (second < 50)
            assert_int_equal(plan.again_ms, (50 - second) * 1000 + 500);
        if (second > 50 && second < 351)
            assert_int_equal(plan.again_ms, (351 - second) * 1000);
    }
    free(healthy);
    free(tainted);
    free(pod);
}

static void test_tolerations(void **state)
{
    static const struct {
        const char *taints, *tolerations;
        int64_t stay;
    } rows[] = {
        {"[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}]", "[]", -1},
        {"[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoExecute\"}]", "[]", 0},
        {"[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoExecute\"}]", "[{\"key\":\"k\",\"value\":\"v\"}]", -1},
        {"[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoExecute\"}]", "[{\"key\":\"k\",\"value\":\"w\"}]", 0},
        {"[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoExecute\"}]",
         "[{\"key\":\"k\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}]", 0},
        {"[{\"key\":\"k\",\"effect\":\"NoExecute\"}]",
         "[{\"key\":\"k\",\"operator\":\"Exists\",\"tolerationSeconds\":9},{\"operator\":\"Exists\"}]", 9},
        {"[{\"key\":\"k\",\"effect\":\"NoExecute\"}]",
         "[{\"key\":\"k\",\"operator\":\"Exists\",\"tolerationSeconds\":-9}]", 0},
        {"[{\"key\":\"k\",\"effect\":\"NoExecute\"},{\"key\":\"l\",\"effect\":\"NoExecute\"}]",
         "[{\"key\":\"k\",\"operator\":\"Exists\"}]", 0},
        /* Of several taints the one that lets it stay least, wherever it stands. */
        {"[{\"key\":\"k\",\"effect\":\"NoExecute\"},{\"key\":\"l\",\"effect\":\"NoExecute\"}]",
         "[{\"key\":\"k\",\"operator\":\"Exists\",\"tolerationSeconds\":5},{\"key\":\"l\",\"operator\":\"Exists\","
         "\"tolerationSeconds\":9}]",
         5},
        {"[{\"key\":\"k\",\"effect\":\"NoExecute\"},{\"key\":\"l\",\"effect\":\"NoExecute\"}]",
         "[{\"key\":\"k\",\"operator\":\"Exists\",\"tolerationSeconds\":5},{\"key\":\"l\",\"operator\":\"Exists\"}]",
         5},
        {"", "[]", -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(taint_stay(slice_str(rows[i].taints), slice_str(rows[i].tolerations)), rows[i].stay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taints_follow_health),
        cmocka_unit_test(test_silent_node_is_unknown_and_its_pods_not_ready),
        cmocka_unit_test(test_living_node_is_looked_at_when_its_grace_ends),
        cmocka_unit_test(test_pods_leave_when_their_time_is_over),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_pace_of_a_zone),
        cmocka_unit_test(test_a_lost_node_by_the_clock),
        cmocka_unit_test(test_tolerations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
