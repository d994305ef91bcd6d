/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.k8s.io and /metrics, as far as they go without nodes that answer; what is read of a node that does. */
#include "tests/unit/apiserver/harness.h"

#include "apiserver/node_fetch.h"
#include "apiserver/usage_cache.h"

#define CPU(n)       "\"cpu\":{\"time\":\"2026-01-02T03:04:05Z\",\"usageNanoCores\":" n "}"
#define MEMORY(n)    "\"memory\":{\"time\":\"2026-01-02T03:04:05Z\",\"workingSetBytes\":" n "}"
#define SAID(window) "\"timestamp\":\"2026-01-02T03:04:05Z\",\"window\":\"" window "\""
#define POD(ns, name, containers)                                                                                      \
    "{\"podRef\":{\"name\":\"" name "\",\"namespace\":\"" ns "\"},\"containers\":[" containers "]," CPU("9") "}"
#define CONTAINER(name, cpu, memory) "{\"name\":\"" name "\"," CPU(cpu) "," MEMORY(memory) "}"

static struct usage_node *read_summary(const char *json)
{
    return usage_node_read(slice_str(json));
}

static void test_what_a_node_said(void **state)
{
    struct usage_node *n =
        read_summary("{\"node\":{\"nodeName\":\"a\"," CPU("1500") "," MEMORY("2048") "},\"pods\":[" POD(
            "ns", "p", CONTAINER("c1", "7", "1024") "," CONTAINER("c2", "8", "5000")) "],\"window\":\"1.500s\"}");

    (void)state;
    assert_string_equal(n->usage, SAID("1.500s") ",\"usage\":{\"cpu\":\"1500n\",\"memory\":\"2Ki\"}");
    assert_string_equal(
        map_get(&n->pods, SLICE_LIT("ns/p")),
        SAID("1.500s") ",\"containers\":[{\"name\":\"c1\",\"usage\":{\"cpu\":\"7n\",\"memory\":\"1Ki\"}},"
                       "{\"name\":\"c2\",\"usage\":{\"cpu\":\"8n\",\"memory\":\"4Ki\"}}]");
    usage_node_free(n);
}

static void test_half_of_it_is_left_out(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{\"node\":{" CPU("1") "}}",
        "{\"node\":{" CPU("-1") "," MEMORY("1") "}}",
        "{\"node\":{\"cpu\":{\"time\":\"never\",\"usageNanoCores\":1}," MEMORY("1") "}}",
        "{\"node\":{" CPU("1") "," MEMORY("1") "},\"window\":\"1s\\\",\\\"x\\\":\\\"\"}",
    };
    struct usage_node *n;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        n = read_summary(bad[i]);
        assert_null(n->usage);
        usage_node_free(n);
    }
    /* A container without a rate: nothing is said of its pod. One without containers: neither. */
    n = read_summary(
        "{\"pods\":[" POD("ns", "p", CONTAINER("c1", "7", "1") ",{\"name\":\"c2\"," MEMORY("1") "}") "," POD(
            "ns", "q", "") "," POD("ns", "r", CONTAINER("a\\\"b", "1", "1")) "]}");
    assert_int_equal(n->pods.count, 1);
    assert_non_null(strstr(map_get(&n->pods, SLICE_LIT("ns/r")), "{\"name\":\"a\\\"b\","));
    usage_node_free(n);
}

static struct harness h;

static void expect(int status, const char *method, const char *path, const char *text)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, status, method, path, NULL, &a);
    if (text && !answer_has(&a, text))
        fail_msg("%s: no '%s' in %s", path, text, buf_cstr(&a.body));
}

static void test_without_nodes_lists_are_empty(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const struct ask top = {.method = "GET",
                            .path = "/apis/metrics.k8s.io/v1beta1/nodes",
                            .accept = "application/vnd.kubernetes.protobuf, */*"};

    (void)state;
    expect(200, "GET", "/apis/metrics.k8s.io/v1beta1", "\"kind\":\"PodMetrics\"");
    expect(200, "GET", "/apis/metrics.k8s.io/v1beta1/pods", "\"items\":[]");
    expect(200, "GET", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods?labelSelector=a%3Db", "PodMetricsList");
    expect(404, "GET", "/apis/metrics.k8s.io/v1beta1/nodes/nobody", "nobody");
    expect(405, "DELETE", "/apis/metrics.k8s.io/v1beta1/nodes/nobody", NULL);
    expect(400, "GET", "/apis/metrics.k8s.io/v1beta1/pods?labelSelector=a%3D%3D%3D", NULL);
    harness_ask(&h, &top, &a);
    assert_int_equal(a.status, 200);
    assert_true(answer_has(&a, "NodeMetricsList"));
}

static void test_only_what_reads_is_passed_on_to_nodes(void **state)
{
    (void)state;
    expect(404, "GET", "/api/v1/nodes/n/proxy/run/default/p/c", "are passed on");
    expect(404, "GET", "/api/v1/nodes/n/proxy", "are passed on");
    expect(404, "GET", "/api/v1/nodes/n/proxy/metrics", "nodes \\\"n\\\" not found");
    expect(405, "POST", "/api/v1/nodes/n/proxy/metrics", NULL);
}

static void test_a_node_serves_no_pages(void **state)
{
    static const char *const shown[] = {"application/json", "text/plain; version=0.0.4; charset=utf-8"};
    static const char *const not_shown[] = {"text/html", "text/plain, text/html", "image/svg+xml", ""};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
        assert_string_equal(node_fetch_shown_type(shown[i]), shown[i]);
    for (size_t i = 0; i < ARRAY_SIZE(not_shown); i++)
        assert_string_equal(node_fetch_shown_type(not_shown[i]), "text/plain");
}

static void test_metrics(void **state)
{
    static const struct ask apply = {.method = "PATCH",
                                     .path = "/api/v1/namespaces/default/configmaps/c?fieldManager=m",
                                     .body =
                                         "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"}}",
                                     .content_type = PATCH_APPLY};
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    expect(200, "GET", "/api/v1/namespaces/default", NULL);
    expect(
        200, "GET", "/metrics",
        "apiserver_request_total{code=\"200\",component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"namespaces\","
        "scope=\"resource\",subresource=\"\",verb=\"GET\",version=\"v1\"} 1\n");
    expect(200, "GET", "/metrics", "apiserver_storage_objects{resource=\"clusterroles.rbac.authorization.k8s.io\"} ");
    expect(404, "GET", "/metrics/x", NULL);
    harness_expect(&h, 201, "POST", "/api/v1/namespaces/default/configmaps", "{\"metadata\":{\"name\":\"c\"}}", NULL);
    expect(200, "GET", "/metrics", "resource=\"configmaps\",scope=\"resource\",subresource=\"\",verb=\"POST\"");
    harness_ask(&h, &apply, &a);
    assert_int_equal(a.status, 200);
    expect(200, "GET", "/metrics", "resource=\"configmaps\",scope=\"resource\",subresource=\"\",verb=\"APPLY\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_a_node_said),
        cmocka_unit_test(test_half_of_it_is_left_out),
        cmocka_unit_test(test_without_nodes_lists_are_empty),
        cmocka_unit_test(test_only_what_reads_is_passed_on_to_nodes),
        cmocka_unit_test(test_a_node_serves_no_pages),
        cmocka_unit_test(test_metrics),
    };

    return harness_run_group(&h, tests, NULL);
}
