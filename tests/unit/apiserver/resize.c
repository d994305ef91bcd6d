/* SPDX-License-Identifier: Apache-2.0 */
/* Pods that get other resources through pods/resize: by PUT, by patches and by an apply. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define NS   "/api/v1/namespaces/default"
#define PODS NS "/pods"
#define SUB  PODS "/p/resize"

#define CPU(n) "{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"" n "\"}}}]}}"

/* Its fields are followed from the first apply on. */
static void make_pod(void)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", PODS,
                   "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"nodeName\":\"n\","
                   "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}}",
                   NULL);
    harness_patch(&h, 200, PODS "/p?fieldManager=first", PATCH_APPLY,
                  "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"b\"}}}",
                  &a);
}

static void drop_pod(void)
{
    harness_expect(&h, 200, "DELETE", PODS "/p?gracePeriodSeconds=0", NULL, NULL);
}

static void test_a_patch_resizes(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};
    struct answer c CLEANUP_ANSWER = {0};

    make_pod();
    harness_patch(&h, 200, SUB "?fieldManager=me", PATCH_STRATEGIC, CPU("1500m"), &a);
    assert_answer(&a, "kind", "Pod");
    assert_answer(&a, "metadata.generation", "2");
    assert_true(answer_has(&a, "\"requests\":{\"cpu\":\"1500m\"}"));
    assert_true(answer_has(&a, "\"manager\":\"me\",\"operation\":\"Update\"") &&
                answer_has(&a, "\"subresource\":\"resize\"") &&
                answer_has(&a, "\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\"f:resources\":{\"f:requests\":{"));
    harness_expect(&h, 200, "GET", SUB, NULL, &b);
    assert_true(answer_has(&b, "\"requests\":{\"cpu\":\"1500m\"}"));
    harness_patch(&h, 422, PODS "/p", PATCH_STRATEGIC, CPU("2"), &c);
    assert_true(answer_has(&c, "pod updates may not change fields other than"));
    drop_pod();
}

static void test_nothing_else_changes(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    make_pod();
    harness_expect(
        &h, 200, "PUT", SUB,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"changed\"}},"
        "\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"other\",\"resources\":{"
        "\"requests\":{\"cpu\":\"2\"},\"limits\":{\"cpu\":\"3\"}}}]},\"status\":{\"phase\":\"Failed\"}}",
        &a);
    assert_answer(&a, "metadata.labels.a", "b");
    assert_answer(&a, "spec.restartPolicy", "Always");
    assert_answer(&a, "spec.nodeName", "n");
    assert_answer(&a, "status.phase", "Pending");
    assert_true(answer_has(&a, "\"limits\":{\"cpu\":\"3\"}") && !answer_has(&a, "\"other\""));
    harness_expect(&h, 404, "GET", PODS "/none/resize", NULL, NULL);
    harness_expect(&h, 405, "POST", SUB, "{}", NULL);
    harness_expect(&h, 405, "DELETE", SUB, NULL, NULL);
    drop_pod();
}

static void test_refusals(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};

    make_pod();
    harness_patch(&h, 422, SUB, PATCH_JSON, "[{\"op\":\"remove\",\"path\":\"/spec/containers/0/resources/requests\"}]",
                  &a);
    assert_answer(&a, "message",
                  "Pod \"p\" is invalid: [spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result "
                  "of resizing, spec.containers[0].resources.requests: Forbidden: resource requests cannot be "
                  "removed]");
    harness_patch(&h, 422, SUB, PATCH_STRATEGIC, "{\"spec\":{\"containers\":[{\"name\":\"d\",\"image\":\"i\"}]}}", &b);
    assert_answer(&b, "message",
                  "Pod \"p\" is invalid: spec.containers: Forbidden: containers may not be added or removed on resize");
    drop_pod();
}

/* An apply owns resources and nothing else, not even the container. */
static void test_apply(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};
    const char *body =
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"labels\":{\"mine\":\"x\"}},\"spec\":{"
        "\"activeDeadlineSeconds\":5,\"containers\":[{\"name\":\"c\",\"image\":\"other\",\"resources\":{\"requests\":{"
        "\"cpu\":\"2\"}}}]}}";

    make_pod();
    harness_patch(&h, 409, SUB "?fieldManager=me", PATCH_APPLY, body, &a);
    assert_true(answer_has(&a, "conflict with \\\"before-first-apply\\\""));
    harness_patch(&h, 200, SUB "?fieldManager=me&force=true", PATCH_APPLY, body, &b);
    assert_answer(&b, "metadata.generation", "2");
    assert_false(answer_has(&b, "activeDeadlineSeconds") || answer_has(&b, "mine") || answer_has(&b, "other"));
    assert_true(
        answer_has(&b, "\"manager\":\"me\",\"operation\":\"Apply\"") &&
        answer_has(&b, "\"fieldsV1\":{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\"f:resources\":{"
                       "\"f:requests\":{\"f:cpu\":{}}}}}}},\"subresource\":\"resize\""));
    drop_pod();
}

static void test_it_is_discovered(void **state)
{
    const struct ask aggregated = {.method = "GET",
                                   .path = "/api",
                                   .accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"};
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};
    struct answer c CLEANUP_ANSWER = {0};

    harness_expect(&h, 200, "GET", "/api/v1", NULL, &a);
    assert_true(answer_has(&a, "{\"name\":\"pods/resize\",\"singularName\":\"\",\"namespaced\":true,\"kind\":\"Pod\","
                               "\"verbs\":[\"get\",\"patch\",\"update\"]}"));
    harness_expect(&h, 200, "GET", "/openapi/v3/api/v1", NULL, &b);
    assert_true(answer_has(&b, "\"/api/v1/namespaces/{namespace}/pods/{name}/resize\":{\"get\":{"));
    harness_ask(&h, &aggregated, &c);
    assert_true(answer_has(&c, "\"subresource\":\"resize\""));
}

/* What bounds a pod at its creation bounds it later. */
static void test_limit_ranges_and_quotas(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};
    struct answer c CLEANUP_ANSWER = {0};
    struct answer d CLEANUP_ANSWER = {0};

    make_pod();
    harness_expect(&h, 201, "POST", NS "/resourcequotas",
                   "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"requests.cpu\":\"4\"}}}", NULL);
    harness_patch(&h, 200, SUB, PATCH_STRATEGIC, CPU("3"), &a);
    harness_expect(&h, 200, "GET", NS "/resourcequotas/q", NULL, &b);
    assert_true(answer_has(&b, "\"used\":{\"requests.cpu\":\"3\"}"));
    harness_patch(&h, 403, SUB, PATCH_STRATEGIC, CPU("5"), &c);
    assert_true(answer_has(&c, "exceeded quota: q, requested: requests.cpu=2, used: requests.cpu=3, limited: "
                               "requests.cpu=4"));
    harness_expect(&h, 201, "POST", NS "/limitranges",
                   "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"min\":{\"cpu\":"
                   "\"2\"}}]}}",
                   NULL);
    harness_patch(&h, 403, SUB, PATCH_STRATEGIC, CPU("1"), &d);
    assert_true(answer_has(&d, "minimum cpu usage per Container is 2, but request is 1"));
    harness_expect(&h, 200, "DELETE", NS "/limitranges/l", NULL, NULL);
    harness_expect(&h, 200, "DELETE", NS "/resourcequotas/q", NULL, NULL);
    drop_pod();
}

/* Who writes a status and does not know of generations takes none away. */
static void test_generations_stay(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};

    make_pod();
    harness_patch(&h, 200, PODS "/p/status", PATCH_STRATEGIC,
                  "{\"status\":{\"observedGeneration\":1,\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\","
                  "\"observedGeneration\":1}]}}",
                  &a);
    harness_expect(&h, 200, "PUT", PODS "/p/status",
                   "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\"},\"status\":{\"phase\":"
                   "\"Running\",\"conditions\":[{\"type\":\"Other\",\"status\":\"True\"},{\"type\":\"Ready\","
                   "\"status\":\"True\"}]}}",
                   &b);
    assert_answer(&b, "status.observedGeneration", "1");
    assert_answer(&b, "status.conditions",
                  "[{\"type\":\"Other\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":null},"
                  "{\"type\":\"Ready\",\"status\":\"True\",\"lastProbeTime\":null,\"lastTransitionTime\":null,"
                  "\"observedGeneration\":1}]");
    drop_pod();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_patch_resizes),
        cmocka_unit_test(test_nothing_else_changes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_generations_stay),
        cmocka_unit_test(test_it_is_discovered),
        cmocka_unit_test(test_limit_ranges_and_quotas),
    };

    return harness_run_group(&h, tests, NULL);
}
