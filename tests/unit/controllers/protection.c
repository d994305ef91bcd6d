/* SPDX-License-Identifier: Apache-2.0 */
/* Claims and volumes in use: when their finalizer comes and goes, and which pods count. */
#include "tests/unit/controllers/fixture.h"

#include "controllers/rows.h"

#define HELD  "kubernetes.io/pvc-protection"
#define CLAIM "{\"metadata\":{\"name\":\"c\",\"namespace\":\"a\",\"uid\":\"u1\",\"resourceVersion\":\"7\"%s}}"

static void test_when_the_finalizer_comes_and_goes(void **state)
{
    static const struct {
        const char *metadata;
        bool used;
        const char *finalizers; /* in the patch; NULL = none */
    } rows[] = {
        {",\"finalizers\":[\"" HELD "\"]", false, NULL},
        {",\"finalizers\":[\"mine/x\"]", false, "[\"" HELD "\"]"},
        {"", true, "[\"" HELD "\"]"},
        {",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\",\"finalizers\":[\"mine/x\",\"" HELD "\"]", true, NULL},
        {",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\",\"finalizers\":[\"mine/x\",\"" HELD "\"]", false,
         "[\"mine/x\"]"},
        {",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\",\"finalizers\":[\"mine/x\"]", false, NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *claim = view_of_f(&view_claims, CLAIM, rows[i].metadata);
        PLAN_LOCAL(plan);

        protection_plan(claim, HELD, rows[i].used, &plan);
        assert_int_equal(plan.count, rows[i].finalizers != NULL);
        if (plan.count) {
            struct slice body = buf_slice(&plan.actions[0].body);
            char *list = slice_dup(scan_get(body, "metadata.finalizers"));

            assert_string_equal(list, rows[i].finalizers);
            assert_true(scan_text_is(scan_get(body, "metadata.resourceVersion"), "7"));
            free(list);
        }
        free(claim);
    }
}

#define POD_ON(node, more, volumes)                                                                                    \
    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"uid\":\"up\"" more "},\"spec\":{\"nodeName\":\"" node         \
    "\",\"volumes\":[{\"name\":\"token\",\"projected\":{}}," volumes "]}}"
#define BY_NAME   "{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"c\"}}"
#define EPHEMERAL "{\"name\":\"v\",\"ephemeral\":{\"volumeClaimTemplate\":{}}}"
#define SHUT_DOWN ",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\",\"deletionGracePeriodSeconds\":0"
#define OWNED                                                                                                          \
    "{\"metadata\":{\"name\":\"p-v\",\"namespace\":\"a\",\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":"        \
    "\"Pod\",\"name\":\"p\",\"uid\":\"%s\",\"controller\":true}]}}"

static void test_which_pods_use_a_claim(void **state)
{
    static const struct {
        const char *pod;
        const char *owner; /* uid of the claim's pod; NULL = a claim by name */
        bool uses;
    } rows[] = {
        {POD_ON("n", "", BY_NAME), NULL, true},
        {POD_ON("", "", BY_NAME), NULL, false},
        {POD_ON("n", SHUT_DOWN, BY_NAME), NULL, true},
        {POD_ON("n", "", "{\"name\":\"v\",\"persistentVolumeClaim\":{\"claimName\":\"d\"}}"), NULL, false},
        {POD_ON("n", "", "{\"name\":\"c\",\"emptyDir\":{}}"), NULL, false},
        {POD_ON("n", "", EPHEMERAL), "up", true},
        {POD_ON("n", SHUT_DOWN, EPHEMERAL), "up", false},
        {POD_ON("n", "", EPHEMERAL), "other", false},
        {POD_ON("n", "", EPHEMERAL), NULL, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *pod = view_of(&view_pods, rows[i].pod);
        struct view *claim = rows[i].owner ? view_of_f(&view_claims, OWNED, rows[i].owner)
                                           : view_of_f(&view_claims, CLAIM, "");

        if (protection_pod_uses(pod, claim) != rows[i].uses)
            fail_msg("%s with %s", rows[i].pod, rows[i].owner ? rows[i].owner : "a claim by name");
        assert_null(strstr(rows[i].pod, "emptyDir") && view_raw(pod, POD_CLAIMS).len ? "kept" : NULL);
        free(pod);
        free(claim);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when_the_finalizer_comes_and_goes),
        cmocka_unit_test(test_which_pods_use_a_claim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
