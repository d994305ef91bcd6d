/* SPDX-License-Identifier: Apache-2.0 */
/* What a Service is given: addresses and ports; what a change of its type takes back. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

static void test_services(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *all = "/api/v1/namespaces/default/services";
    const char *body = "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}]}}";
    char *ip;
    char *again;

    harness_expect(&h, 201, "POST", all, body, &a);
    ip = answer_get(&a, "spec.clusterIP");
    assert_int_equal(strncmp(ip, "10.96.0.", 8), 0);
    assert_in_range(atoi(ip + 8), 18, 254); /* the first sixteen are left to those who name theirs */
    harness_expect(&h, 200, "PUT", "/api/v1/namespaces/default/services/s", body, &a);
    again = answer_get(&a, "spec.clusterIP");
    assert_string_equal(ip, again); /* what the server gave stays without being sent back */
    char *taken CLEANUP_FREE =
        mem_printf("{\"metadata\":{\"name\":\"t\"},\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{\"port\":80}]}}", ip);
    harness_expect(&h, 422, "POST", all, taken, &a);
    assert_true(answer_has(&a, "provided IP is already allocated"));
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/services/s", NULL, NULL);
    harness_expect(&h, 201, "POST", all, taken, NULL);
    harness_expect(&h, 409, "POST", all, taken, NULL); /* the name counts before the address */
    harness_expect(&h, 422, "POST", all,
                   "{\"metadata\":{\"name\":\"o\"},\"spec\":{\"clusterIP\":\"10.97.0.1\",\"ports\":[{\"port\":80}]}}",
                   NULL);
    harness_expect(&h, 201, "POST", all,
                   "{\"metadata\":{\"name\":\"np\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,"
                   "\"nodePort\":30080}]}}",
                   NULL);
    harness_expect(&h, 422, "POST", all,
                   "{\"metadata\":{\"name\":\"np2\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,"
                   "\"nodePort\":30080}]}}",
                   &a);
    assert_true(answer_has(&a, "provided port is already allocated"));
    free(ip);
    free(again);
}

/* A change of the type takes along what only the old type needed, unless it was changed too. */
static void test_service_types(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *all = "/api/v1/namespaces/default/services";
    const char *one = "/api/v1/namespaces/default/services/ty";
    struct ask ask = {.method = "PATCH", .path = one, .content_type = PATCH_MERGE};

    harness_expect(
        &h, 201, "POST", all,
        "{\"metadata\":{\"name\":\"ty\"},\"spec\":{\"type\":\"NodePort\",\"externalTrafficPolicy\":\"Local\","
        "\"ports\":[{\"port\":80}]}}",
        &a);
    assert_true(answer_has(&a, "nodePort"));
    ask.body = "{\"spec\":{\"type\":\"ClusterIP\",\"ports\":[{\"port\":80,\"nodePort\":30999}]}}";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 422);
    ask.body = "{\"spec\":{\"type\":\"ClusterIP\"}}";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_false(answer_has(&a, "nodePort"));
    assert_false(answer_has(&a, "externalTrafficPolicy"));
    assert_true(answer_has(&a, "10.96.0."));
    ask.body = "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.b\"}}";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_false(answer_has(&a, "10.96.0."));
    harness_expect(
        &h, 422, "POST", all,
        "{\"metadata\":{\"name\":\"ds\"},\"spec\":{\"ipFamilyPolicy\":\"RequireDualStack\",\"ports\":[{\"port\":"
        "80}]}}",
        NULL);
    harness_expect(&h, 422, "POST", all,
                   "{\"metadata\":{\"name\":\"v6\"},\"spec\":{\"ipFamilies\":[\"IPv6\"],\"ports\":[{\"port\":80}]}}",
                   NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_service_types),
    };

    return harness_run_group(&h, tests, NULL);
}
