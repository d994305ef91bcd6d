/* SPDX-License-Identifier: Apache-2.0 */
/* One stored object in two versions: what is written in one is read, listed, watched, patched and applied in the other.
 */
#include "tests/unit/apiserver/harness.h"

#define V1     "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
#define V2     "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
#define EVENTS "/apis/events.k8s.io/v1/namespaces/default/events"
#define CORE   "/api/v1/namespaces/default/events"
#define HPA(version, spec)                                                                                             \
    "{\"apiVersion\":\"autoscaling/" version "\",\"kind\":\"HorizontalPodAutoscaler\",\"metadata\":{\"name\":\"h\"},"  \
    "\"spec\":{\"maxReplicas\":3,\"scaleTargetRef\":{\"kind\":\"D\",\"name\":\"d\"}" spec "}}"
#define NEW_EVENT                                                                                                      \
    "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"e\"},\"eventTime\":"             \
    "\"2026-01-02T03:04:05.000006Z\",\"reportingController\":\"a.b/c\",\"reportingInstance\":\"i\",\"action\":\"A\","  \
    "\"reason\":\"R\",\"type\":\"Normal\",\"note\":\"hello\",\"regarding\":{\"kind\":\"Pod\",\"name\":\"p\","          \
    "\"namespace\":\"default\"}}"

static struct harness h;

static void ask(int status, const char *method, const char *path, const char *body, struct answer *a)
{
    answer_clear(a);
    harness_expect(&h, status, method, path, body, a);
}

static void test_both_ways(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    ask(201, "POST", V1, HPA("v1", ",\"targetCPUUtilizationPercentage\":50"), &a);
    assert_answer(&a, "apiVersion", "autoscaling/v1");
    assert_true(answer_has(&a, "\"targetCPUUtilizationPercentage\":50"));
    assert_non_null(strstr(buf_cstr(&a.headers), "runs no autoscaler yet"));
    ask(200, "GET", V2 "/h", NULL, &a);
    assert_answer(&a, "apiVersion", "autoscaling/v2");
    assert_true(answer_has(&a,
                           "\"metrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":"
                           "\"Utilization\",\"averageUtilization\":50}}}]"));
    /* What v1 cannot say stands in annotations, and survives a write through v1. */
    harness_patch(
        &h, 200, V2 "/h", PATCH_MERGE,
        "{\"spec\":{\"behavior\":{\"scaleDown\":{\"stabilizationWindowSeconds\":7}},\"metrics\":[{\"type\":\"Pods\","
        "\"pods\":{\"metric\":{\"name\":\"m\"},\"target\":{\"type\":\"AverageValue\",\"averageValue\":\"2\"}}}]}}",
        &a);
    ask(200, "GET", V1 "/h", NULL, &a);
    assert_true(answer_has(&a, "\\\"ScaleDown\\\":{\\\"StabilizationWindowSeconds\\\":7") ||
                answer_has(&a, "\\\"StabilizationWindowSeconds\\\":7"));
    assert_true(answer_has(&a, "{\\\"type\\\":\\\"Pods\\\",\\\"pods\\\":{\\\"metricName\\\":\\\"m\\\","
                               "\\\"targetAverageValue\\\":\\\"2\\\"}}"));
    assert_false(answer_has(&a, "targetCPUUtilizationPercentage"));
    harness_patch(&h, 200, V1 "/h", PATCH_STRATEGIC, "{\"spec\":{\"minReplicas\":2}}", &a);
    assert_answer(&a, "apiVersion", "autoscaling/v1");
    ask(200, "GET", V2 "/h", NULL, &a);
    assert_true(answer_has(&a, "\"minReplicas\":2"));
    assert_true(answer_has(&a, "\"stabilizationWindowSeconds\":7"));
    assert_true(answer_has(&a, "\"averageValue\":\"2\""));
    assert_false(answer_has(&a, "autoscaling.alpha.kubernetes.io"));
    ask(200, "DELETE", V1 "/h", NULL, &a);
    ask(404, "GET", V2 "/h", NULL, &a);
}

static void test_put_and_apply(void **state)
{
    static const char *const paths[] = {V1, V2};
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_patch(&h, 201, V1 "/h?fieldManager=me", PATCH_APPLY, HPA("v1", ",\"targetCPUUtilizationPercentage\":60"),
                  &a);
    assert_int_equal(a.status, 201);
    assert_true(answer_has(&a, "\"targetCPUUtilizationPercentage\":60"));
    assert_true(answer_has(&a, "f:metrics"));
    ask(200, "PUT", V1 "/h", HPA("v1", ",\"targetCPUUtilizationPercentage\":70"), &a);
    ask(200, "GET", V2 "/h", NULL, &a);
    assert_true(answer_has(&a, "\"averageUtilization\":70"));
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        ask(200, "GET", paths[i], NULL, &a);
        assert_answer(&a, "apiVersion", i ? "autoscaling/v2" : "autoscaling/v1");
        assert_int_equal(answer_has(&a, "targetCPUUtilizationPercentage"), i == 0);
    }
    answer_clear(&a);
    harness_ask(&h,
                &(struct ask){.method = "GET",
                              .path = V1 "?includeObject=Object",
                              .accept = "application/json;as=Table;v=v1;g=meta.k8s.io"},
                &a);
    assert_true(answer_has(&a, "\"cpu: <unknown>/70%\""));
    assert_true(answer_has(&a, "\"targetCPUUtilizationPercentage\":70"));
    ask(422, "POST", V1 "?dryRun=All", HPA("v1", ",\"targetCPUUtilizationPercentage\":0"), &a);
    assert_true(answer_has(&a, "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0"));
    ask(400, "POST", V1 "?dryRun=All",
        "{\"apiVersion\":\"autoscaling/v1\",\"kind\":\"HorizontalPodAutoscaler\",\"metadata\":{\"name\":\"x\","
        "\"annotations\":{\"autoscaling.alpha.kubernetes.io/metrics\":\"[{\\\"type\\\":{}}]\"}},\"spec\":{}}",
        &a);
    ask(200, "DELETE", V2 "/h", NULL, &a);
}

static void test_watches(void **state)
{
    struct answer first CLEANUP_ANSWER = {0};
    struct answer second CLEANUP_ANSWER = {0};
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_begin(&h, &(struct ask){.method = "GET", .path = V1 "?watch=true"}, &first);
    harness_begin(&h, &(struct ask){.method = "GET", .path = V2 "?watch=true"}, &second);
    ask(201, "POST", V2, HPA("v2", ""), &a);
    harness_wait_for(&first, "\"targetCPUUtilizationPercentage\":80");
    harness_wait_for(&second, "\"averageUtilization\":80");
    assert_true(answer_has(&first, "autoscaling/v1"));
    assert_false(answer_has(&first, "autoscaling/v2\",\"metadata"));
    ask(200, "DELETE", V1 "/h", NULL, &a);
    harness_wait_for(&first, "DELETED");
    harness_wait_for(&second, "DELETED");
}

static void test_events(void **state)
{
    struct answer watch CLEANUP_ANSWER = {0};
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_begin(&h, &(struct ask){.method = "GET", .path = EVENTS "?watch=true&fieldSelector=regarding.name%3Dp"},
                  &watch);
    ask(201, "POST", EVENTS, NEW_EVENT, &a);
    assert_answer(&a, "note", "hello");
    assert_false(answer_has(&a, "involvedObject"));
    harness_wait_for(&watch, "\"note\":\"hello\"");
    ask(200, "GET", CORE "/e", NULL, &a);
    assert_answer(&a, "message", "hello");
    assert_answer(&a, "involvedObject.name", "p");
    assert_answer(&a, "reportingComponent", "a.b/c");
    ask(200, "GET", CORE "?fieldSelector=involvedObject.name%3Dp,source%3Da.b/c", NULL, &a);
    assert_true(answer_has(&a, "hello"));
    ask(200, "GET", EVENTS "?fieldSelector=regarding.name%3Dq", NULL, &a);
    assert_false(answer_has(&a, "hello"));
    ask(400, "GET", EVENTS "?fieldSelector=involvedObject.name%3Dq", NULL, &a);
    harness_patch(&h, 200, EVENTS "/e", PATCH_MERGE,
                  "{\"series\":{\"count\":2,\"lastObservedTime\":\"2026-01-02T03:04:06.000000Z\"}}", &a);
    assert_answer(&a, "apiVersion", "events.k8s.io/v1");
    ask(200, "GET", CORE "/e", NULL, &a);
    assert_answer(&a, "series.lastObservedTime", "2026-01-02T03:04:06.000000Z");
    ask(404, "GET", EVENTS "/none", NULL, &a);
    assert_answer(&a, "message", "events.events.k8s.io \"none\" not found");
    ask(422, "POST", EVENTS "?dryRun=All",
        "{\"apiVersion\":\"events.k8s.io/v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"f\"},\"deprecatedCount\":1}",
        &a);
    assert_true(answer_has(&a, "eventTime: Required value"));
    assert_true(answer_has(&a, "count: Invalid value: \\\"\\\": needs to be unset"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_put_and_apply),
        cmocka_unit_test(test_watches),
        cmocka_unit_test(test_events),
    };

    return harness_run_group(&h, tests, NULL);
}
