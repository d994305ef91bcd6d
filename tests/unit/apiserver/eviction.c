/* SPDX-License-Identifier: Apache-2.0 */
/* Evictions against a budget whose status this test writes, as the controller would. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define NS     "/api/v1/namespaces/default"
#define BUDGET "/apis/policy/v1/namespaces/default/poddisruptionbudgets"

/* A pod on a node, Running, ready or not. */
static void make_pod(const char *name, bool ready)
{
    char *pod CLEANUP_FREE = mem_printf(
        "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"a\"}},\"spec\":{\"nodeName\":\"n\",\"containers\":["
        "{\"name\":\"c\",\"image\":\"i\"}]}}",
        name);
    char *path CLEANUP_FREE = mem_printf(NS "/pods/%s/status", name);
    char *status CLEANUP_FREE =
        mem_printf("{\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
                   ready ? "True" : "False");

    harness_expect(&h, 201, "POST", NS "/pods", pod, NULL);
    harness_patch(&h, 200, path, PATCH_MERGE, status, NULL);
}

static void make_budget(const char *spec, int allowed, int healthy, int desired)
{
    char *budget CLEANUP_FREE =
        mem_printf("{\"metadata\":{\"name\":\"b\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"a\"}}%s}}", spec);
    char *status CLEANUP_FREE = mem_printf("{\"status\":{\"observedGeneration\":1,\"disruptionsAllowed\":%d,"
                                           "\"currentHealthy\":%d,\"desiredHealthy\":%d,\"expectedPods\":3}}",
                                           allowed, healthy, desired);

    harness_expect(&h, 201, "POST", BUDGET, budget, NULL);
    harness_patch(&h, 200, BUDGET "/b/status", PATCH_MERGE, status, NULL);
}

static void evict(const char *pod, const char *query, int status, struct answer *ret)
{
    char *path CLEANUP_FREE = mem_printf(NS "/pods/%s/eviction%s", pod, query);

    harness_expect(&h, status, "POST", path, "{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\"}", ret);
}

static void clean(void)
{
    harness_expect(&h, 200, "DELETE", BUDGET, NULL, NULL);
    harness_expect(&h, 200, "DELETE", NS "/pods?gracePeriodSeconds=0", NULL, NULL);
}

static void test_budget_counts_down(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    make_pod("p1", true);
    make_pod("p2", true);
    make_budget("", 1, 2, 1);
    evict("p1", "?dryRun=All", 201, &a);
    harness_expect(&h, 200, "GET", BUDGET "/b", NULL, &a);
    assert_answer(&a, "status.disruptionsAllowed", "1");
    evict("p1", "", 201, &a);
    assert_answer(&a, "status", "Success");
    harness_expect(&h, 200, "GET", NS "/pods/p1", NULL, &a);
    assert_true(answer_has(&a, "deletionTimestamp"));
    assert_true(answer_has(&a, "\"type\":\"DisruptionTarget\",\"status\":\"True\""));
    assert_true(answer_has(&a, "EvictionByEvictionAPI"));
    harness_expect(&h, 200, "GET", BUDGET "/b", NULL, &a);
    assert_answer(&a, "status.disruptionsAllowed", "0");
    assert_true(answer_has(&a, "\"disruptedPods\":{\"p1\":\""));
    evict("p2", "", 429, &a);
    assert_answer(&a, "message", "Cannot evict pod as it would violate the pod's disruption budget.");
    assert_answer(&a, "reason", "TooManyRequests");
    assert_answer(&a, "details",
                  "{\"causes\":[{\"reason\":\"DisruptionBudget\",\"message\":\"The disruption budget b needs 1 healthy "
                  "pods and has 2 currently\"}]}");
    evict("p1", "", 201, &a); /* on its way already: takes nothing */
    clean();
}

/* What does not run needs nobody's leave, and what another budget is for is none of this one's business. */
static void test_what_needs_no_leave(void **state)
{
    static const char *const phases[] = {"Succeeded", "Failed", "Pending"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", BUDGET,
                   "{\"metadata\":{\"name\":\"other\"},\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"z\"}}}}",
                   NULL);
    make_budget("", 0, 1, 1);
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
        char *status CLEANUP_FREE = mem_printf("{\"status\":{\"phase\":\"%s\"}}", phases[i]);

        make_pod("p", true);
        evict("p", "", 429, NULL);
        harness_patch(&h, 200, NS "/pods/p/status", PATCH_MERGE, status, &a);
        evict("p", "", 201, &a);
        harness_expect(&h, 200, "DELETE", NS "/pods?gracePeriodSeconds=0", NULL, NULL);
    }
    clean();
}

static void test_stale_budget_asks_to_wait(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    make_pod("p1", true);
    harness_expect(&h, 201, "POST", BUDGET, "{\"metadata\":{\"name\":\"b\"},\"spec\":{\"selector\":{}}}", NULL);
    evict("p1", "", 429, &a);
    assert_true(answer_has(&a, "The disruption budget b is still being processed by the server."));
    assert_answer(&a, "details.retryAfterSeconds", "10");
    assert_true(slice_find_text(buf_slice(&a.headers), SLICE_LIT("retry-after: 10")) >= 0);
    harness_expect(&h, 201, "POST", BUDGET, "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"selector\":{}}}", NULL);
    evict("p1", "", 500, &a);
    assert_true(answer_has(&a, "This pod has more than one PodDisruptionBudget"));
    clean();
}

static void test_unhealthy_pods(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    make_pod("sick", false);
    make_budget("", 0, 1, 2);
    evict("sick", "", 429, &a); /* the others are too few already */
    harness_expect(&h, 200, "DELETE", BUDGET "/b", NULL, NULL);
    make_budget("", 0, 2, 2);
    evict("sick", "?dryRun=All", 201, &a);
    harness_expect(&h, 200, "DELETE", BUDGET "/b", NULL, NULL);
    make_budget(",\"unhealthyPodEvictionPolicy\":\"AlwaysAllow\"", 0, 1, 2);
    evict("sick", "", 201, &a);
    harness_expect(&h, 200, "GET", BUDGET "/b", NULL, &a);
    assert_false(answer_has(&a, "disruptedPods"));
    clean();
}

static void test_preconditions_and_names(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    make_pod("p1", true);
    make_budget("", 1, 1, 0);
    harness_expect(&h, 409, "POST", NS "/pods/p1/eviction",
                   "{\"deleteOptions\":{\"preconditions\":{\"uid\":\"other\"}}}", NULL);
    harness_expect(&h, 400, "POST", NS "/pods/p1/eviction", "{\"metadata\":{\"name\":\"p2\"}}", NULL);
    harness_expect(&h, 200, "GET", BUDGET "/b", NULL, &a);
    assert_answer(&a, "status.disruptionsAllowed", "1"); /* what was refused took nothing */
    harness_expect(&h, 201, "POST", NS "/pods/p1/eviction", "{\"deleteOptions\":{\"gracePeriodSeconds\":0}}", NULL);
    harness_expect(&h, 404, "GET", NS "/pods/p1", NULL, NULL);
    clean();
}

/* kubectl of before 1.22 names it. */
static void test_the_older_version(void **state)
{

    make_pod("p1", true);
    harness_expect(&h, 400, "POST", NS "/pods/p1/eviction",
                   "{\"apiVersion\":\"policy/v1alpha1\",\"kind\":\"Eviction\"}", NULL);
    harness_expect(&h, 400, "POST", NS "/pods/p1/eviction", "{\"apiVersion\":\"apps/v1beta1\",\"kind\":\"Eviction\"}",
                   NULL);
    harness_expect(&h, 201, "POST", NS "/pods/p1/eviction", "{\"apiVersion\":\"policy/v1beta1\",\"kind\":\"Eviction\"}",
                   NULL);
    clean();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budget_counts_down),        cmocka_unit_test(test_what_needs_no_leave),
        cmocka_unit_test(test_stale_budget_asks_to_wait), cmocka_unit_test(test_unhealthy_pods),
        cmocka_unit_test(test_preconditions_and_names),   cmocka_unit_test(test_the_older_version),
    };

    return harness_run_group(&h, tests, NULL);
}
