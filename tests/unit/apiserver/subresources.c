/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of an object that have a path of their own: status, binding, scale. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define POD "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

static void test_status_is_apart(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "PATCH",
                      .path = "/api/v1/namespaces/default/pods/p/status",
                      .body = "{\"spec\":{\"nodeName\":\"other\"},\"status\":{\"phase\":\"Running\"}}",
                      .content_type = PATCH_MERGE};

    harness_expect(&h, 201, "POST", "/api/v1/namespaces/default/pods", POD, &a);
    assert_answer(&a, "status.phase", "Pending");
    assert_answer(&a, "spec.serviceAccountName", "default");
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "spec.tolerations")), 2);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_answer(&a, "status.phase", "Running");
    assert_null(scan_get(buf_slice(&a.body), "spec.nodeName").data);
    ask.path = "/api/v1/namespaces/default/pods/p";
    ask.body = "{\"status\":{\"phase\":\"Failed\"},\"metadata\":{\"labels\":{\"x\":\"y\"}}}";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "status.phase", "Running");
    assert_answer(&a, "metadata.labels.x", "y");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0", NULL, &a);
    assert_answer(&a, "metadata.deletionGracePeriodSeconds", "0");
    harness_expect(&h, 404, "GET", "/api/v1/namespaces/default/pods/p", NULL, NULL);
}

/* Of some kinds a status write leaves the metadata alone, or a part of it. */
static void test_status_keeps_metadata(void **state)
{
    static const char deployment[] = "{\"metadata\":{\"name\":\"kept\",\"labels\":{\"a\":\"b\"}},\"spec\":{"
                                     "\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
                                     "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{"
                                     "\"name\":\"c\",\"image\":\"i\"}]}}}}";
    static const char flow[] =
        "{\"metadata\":{\"name\":\"kept\"},\"spec\":{\"priorityLevelConfiguration\":{\"name\":\"x\"}}}";
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "PATCH",
                      .path = "/apis/apps/v1/namespaces/default/deployments/kept/status",
                      .body = "{\"metadata\":{\"labels\":{\"x\":\"y\"},\"annotations\":{\"x\":\"y\"}},\"status\":{}}",
                      .content_type = PATCH_MERGE};

    harness_expect(&h, 201, "POST", "/apis/apps/v1/namespaces/default/deployments", deployment, NULL);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_answer(&a, "metadata.annotations.x", "y");
    assert_answer(&a, "metadata.labels.a", "b");
    assert_null(scan_get(buf_slice(&a.body), "metadata.labels.x").data);
    harness_expect(&h, 201, "POST", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", flow, NULL);
    ask.path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/kept/status";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_null(scan_get(buf_slice(&a.body), "metadata.labels").data);
    assert_null(scan_get(buf_slice(&a.body), "metadata.annotations").data);
}

static void test_binding_and_grace(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *pods = "/api/v1/namespaces/default/pods";

    harness_expect(&h, 201, "POST", pods, POD, NULL);
    harness_expect(&h, 201, "POST", "/api/v1/namespaces/default/pods/p/binding",
                   "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"n1\"}}", &a);
    assert_answer(&a, "status", "Success");
    harness_expect(&h, 409, "POST", "/api/v1/namespaces/default/bindings",
                   "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"n2\"}}", &a);
    assert_answer(&a, "message",
                  "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\"");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p", NULL, &a);
    assert_answer(&a, "metadata.deletionGracePeriodSeconds", "30");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=5", NULL, &a);
    assert_answer(&a, "metadata.deletionGracePeriodSeconds", "5");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=50", NULL, &a);
    assert_answer(&a, "metadata.deletionGracePeriodSeconds", "5");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p", "{\"gracePeriodSeconds\":0}", NULL);
    harness_expect(&h, 404, "GET", "/api/v1/namespaces/default/pods/p", NULL, NULL);
}

static void test_scale(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *scale = "/apis/apps/v1/namespaces/default/deployments/d/scale";

    harness_expect(
        &h, 201, "POST", "/apis/apps/v1/namespaces/default/deployments",
        "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"a\":\"b\"}}"
        ",\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\","
        "\"image\":\"i\"}]}}}}",
        &a);
    assert_answer(&a, "metadata.generation", "1");
    harness_expect(&h, 200, "GET", scale, NULL, &a);
    assert_answer(&a, "spec.replicas", "2");
    assert_answer(&a, "status.selector", "a=b");
    harness_expect(&h, 200, "PUT", scale, "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":5}}", &a);
    assert_answer(&a, "spec.replicas", "5");
    harness_expect(&h, 200, "GET", "/apis/apps/v1/namespaces/default/deployments/d", NULL, &a);
    assert_answer(&a, "metadata.generation", "2");
    harness_expect(&h, 409, "PUT", scale,
                   "{\"metadata\":{\"name\":\"d\",\"resourceVersion\":\"1\"},\"spec\":{\"replicas\":5}}", NULL);
    harness_expect(&h, 422, "PUT", scale, "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":-1}}", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_is_apart),
        cmocka_unit_test(test_status_keeps_metadata),
        cmocka_unit_test(test_binding_and_grace),
        cmocka_unit_test(test_scale),
    };

    return harness_run_group(&h, tests, NULL);
}
