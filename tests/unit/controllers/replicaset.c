/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/controllers/fixture.h"

#include "controllers/replicaset.h"

#define TEMPLATE                                                                                                       \
    "{\"metadata\":{\"labels\":{\"app\":\"web\",\"pod-template-hash\":\"h\"},\"annotations\":{\"a\":\"1\"}},"          \
    "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

static struct view *set_of(int replicas, const char *more_metadata, const char *status)
{
    return view_of_f(&view_replicasets,
                     "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"rs-1\",\"generation\":3%s},"
                     "\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":" TEMPLATE
                     "},\"status\":%s}",
                     more_metadata, replicas, status);
}

/* owner: "mine", "other" or "" */
static struct view *pod_of(const char *name, const char *owner, const char *node, const char *phase, const char *ready,
                           int64_t ready_ago)
{
    const char *uid = !strcmp(owner, "mine") ? "rs-1" : "rs-2";

    return view_of_f(&view_pods,
                     "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"a\",\"uid\":\"u-%s\",\"labels\":{\"app\":\"web\","
                     "\"pod-template-hash\":\"h\"},\"creationTimestamp\":\"%s\"%s%s%s},\"spec\":{\"nodeName\":\"%s\"},"
                     "\"status\":{\"phase\":\"%s\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\","
                     "\"lastTransitionTime\":\"%s\"}]}}",
                     name, name, ago(3000),
                     *owner
                         ? ",\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"x\","
                           "\"controller\":true,\"uid\":\""
                         : "",
                     *owner ? uid : "", *owner ? "\"}]" : "", node, phase, ready, ago(ready_ago));
}

static void free_all(struct view **views, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(views[i]);
}

static void test_creates_what_is_missing_in_doubling_batches(void **state)
{
    struct view *set = set_of(8, "", "{}");
    struct view *pod = pod_of("p0", "mine", "n", "Running", "True", 10);
    const struct view *pods[] = {pod};
    struct replicaset_view in = {.set = set, .pods = pods, .pod_count = 1, .now = NOW};
    static const unsigned groups[] = {1, 2, 2, 3, 3, 3, 3};
    const struct action *action;
    PLAN_LOCAL(plan);

    (void)state;
    replicaset_plan(&in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_pods, ""), 7);
    for (size_t i = 0; i < 7; i++)
        assert_int_equal(plan_find(&plan, ACTION_CREATE, &view_pods, "", i)->group, groups[i]);
    action = plan_find(&plan, ACTION_CREATE, &view_pods, "", 0);
    assert_body_text(action, "metadata.generateName", "web-");
    assert_body_text(action, "metadata.labels.pod-template-hash", "h");
    assert_body_text(action, "metadata.annotations.a", "1");
    assert_true(scan_get(buf_slice(&action->body), "spec.containers").len > 0);
    assert_non_null(strstr(buf_cstr((struct buf *)&action->body),
                           "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"web\","
                           "\"uid\":\"rs-1\",\"controller\":true,\"blockOwnerDeletion\":true}]"));
    assert_string_equal(action->reason, "SuccessfulCreate");
    assert_string_equal(action->message, "Created pod: {name}");
    action = plan_find(&plan, ACTION_PATCH, &view_replicasets, "status", 0);
    assert_int_equal(body_int(action, "status.replicas"), 1);
    assert_int_equal(body_int(action, "status.readyReplicas"), 1);
    assert_int_equal(body_int(action, "status.availableReplicas"), 1);
    assert_int_equal(body_int(action, "status.fullyLabeledReplicas"), 1);
    assert_int_equal(body_int(action, "status.observedGeneration"), 3);
    free(set);
    free(pod);
}

static void test_one_plan_makes_at_most_a_burst(void **state)
{
    struct view *set = set_of(2000, "", "{}");
    struct replicaset_view in = {.set = set, .now = NOW};
    PLAN_LOCAL(plan);

    (void)state;
    replicaset_plan(&in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_pods, ""), REPLICASET_BURST);
    free(set);
}

static void test_nothing_to_do_is_nothing(void **state)
{
    struct view *set = set_of(1, "",
                              "{\"replicas\":1,\"fullyLabeledReplicas\":1,\"readyReplicas\":1,\"availableReplicas\":1,"
                              "\"observedGeneration\":3}");
    struct view *pod = pod_of("p0", "mine", "n", "Running", "True", 10);
    const struct view *pods[] = {pod};
    struct replicaset_view in = {.set = set, .pods = pods, .pod_count = 1, .now = NOW};
    PLAN_LOCAL(plan);

    (void)state;
    replicaset_plan(&in, &plan);
    assert_int_equal(plan.count, 0);
    free(set);
    free(pod);
}

static void test_ended_and_leaving_pods_do_not_count(void **state)
{
    struct view *set = set_of(1, "", "{}");
    struct view *pods[] = {
        pod_of("done", "mine", "n", "Succeeded", "False", 10),
        pod_of("broken", "mine", "n", "Failed", "False", 10),
        view_of(&view_pods,
                "{\"metadata\":{\"name\":\"x\",\"namespace\":\"a\",\"uid\":\"u\",\"labels\":{\"app\":\"web\"},"
                "\"deletionTimestamp\":\"2023-11-14T22:13:20Z\",\"ownerReferences\":[{\"uid\":\"rs-1\","
                "\"controller\":true}]},\"status\":{\"phase\":\"Running\"}}"),
        pod_of("foreign", "other", "n", "Running", "True", 10),
    };
    struct replicaset_view in = {.set = set, .pods = (const struct view *const *)pods, .pod_count = 4, .now = NOW};
    PLAN_LOCAL(plan);

    (void)state;
    replicaset_plan(&in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_pods, ""), 1);
    assert_int_equal(plan_count(&plan, ACTION_DELETE, &view_pods, ""), 0);
    free(set);
    free_all(pods, 4);
}

static void test_adopts_orphans_and_releases_strangers(void **state)
{
    struct view *set = set_of(1, "", "{}");
    struct view *orphan = pod_of("orphan", "", "n", "Running", "True", 10);
    struct view *stranger = view_of(&view_pods, "{\"metadata\":{\"name\":\"s\",\"namespace\":\"a\",\"uid\":\"u-s\","
                                                "\"labels\":{\"app\":\"other\"},\"ownerReferences\":[{\"uid\":\"rs-1\","
                                                "\"controller\":true}]},\"status\":{\"phase\":\"Running\"}}");
    const struct view *pods[] = {orphan, stranger};
    struct replicaset_view in = {.set = set, .pods = pods, .pod_count = 2, .now = NOW};
    PLAN_LOCAL(plan);

    (void)state;
    replicaset_plan(&in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_pods, ""), 0);
    assert_string_equal(plan_find(&plan, ACTION_PATCH, &view_pods, "", 0)->name, "orphan");
    assert_non_null(strstr(buf_cstr(&plan.actions[0].body), "\"uid\":\"rs-1\",\"controller\":true"));
    assert_string_equal(plan_find(&plan, ACTION_PATCH, &view_pods, "", 1)->name, "s");
    assert_non_null(strstr(buf_cstr(&plan.actions[1].body), "{\"$patch\":\"delete\",\"uid\":\"rs-1\"}"));
    free(set);
    free(orphan);
    free(stranger);
}

static void test_a_set_on_its_way_out_makes_nothing(void **state)
{
    struct view *set = set_of(3, ",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\"", "{}");
    struct view *orphan = pod_of("orphan", "", "n", "Running", "True", 10);
    const struct view *pods[] = {orphan};
    struct replicaset_view in = {.set = set, .pods = pods, .pod_count = 1, .now = NOW};
    PLAN_LOCAL(plan);

    (void)state;
    replicaset_plan(&in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_pods, ""), 0);
    assert_int_equal(plan_count(&plan, ACTION_PATCH, &view_pods, ""), 0);
    free(set);
    free(orphan);
}

static void test_deletes_in_the_order_of_preference(void **state)
{
    struct view *set = set_of(1, "", "{}");
    struct view *pods[] = {
        pod_of("old-ready", "mine", "n1", "Running", "True", 2000),
        pod_of("new-ready", "mine", "n1", "Running", "True", 1),
        pod_of("crowded", "mine", "n2", "Running", "True", 2000),
        pod_of("not-ready", "mine", "n1", "Running", "False", 10),
        pod_of("pending", "mine", "n1", "Pending", "False", 10),
        pod_of("unassigned", "mine", "", "Pending", "False", 10),
    };
    struct view *related[] = {
        pod_of("r1", "other", "n2", "Running", "True", 10), pod_of("r2", "other", "n2", "Running", "True", 10),
        pod_of("r3", "other", "n2", "Running", "True", 10), pod_of("r4", "other", "n1", "Failed", "True", 10)};
    static const char *const order[] = {"unassigned", "pending", "not-ready", "crowded", "new-ready"};
    struct replicaset_view in = {.set = set,
                                 .pods = (const struct view *const *)pods,
                                 .pod_count = 6,
                                 .related = (const struct view *const *)related,
                                 .related_count = 4,
                                 .now = NOW};
    PLAN_LOCAL(plan);

    (void)state;
    replicaset_plan(&in, &plan);
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        assert_string_equal(plan_find(&plan, ACTION_DELETE, &view_pods, "", i)->name, order[i]);
    assert_string_equal(plan_find(&plan, ACTION_DELETE, &view_pods, "", 0)->message, "Deleted pod: unassigned");
    assert_body_text(plan_find(&plan, ACTION_DELETE, &view_pods, "", 0), "preconditions.uid", "u-unassigned");
    free(set);
    free_all(pods, 6);
    free_all(related, 4);
}

static void test_refusal_becomes_a_condition(void **state)
{
    struct view *set = set_of(2, "", "{\"observedGeneration\":3}");
    struct view *failing = set_of(0, "", "{\"observedGeneration\":3,\"conditions\":[{\"type\":\"ReplicaFailure\"}]}");
    struct replicaset_view in = {.set = set, .now = NOW, .refusal = "FailedCreate", .refusal_message = "no \"room\""};
    const struct action *action;
    PLAN_LOCAL(plan);
    PLAN_LOCAL(later);

    (void)state;
    replicaset_plan(&in, &plan);
    action = plan_find(&plan, ACTION_PATCH, &view_replicasets, "status", 0);
    assert_non_null(
        strstr(buf_cstr((struct buf *)&action->body), "\"reason\":\"FailedCreate\",\"message\":\"no \\\"room\\\"\""));
    in = (struct replicaset_view){.set = failing, .now = NOW};
    replicaset_plan(&in, &later);
    action = plan_find(&later, ACTION_PATCH, &view_replicasets, "status", 0);
    assert_non_null(strstr(buf_cstr((struct buf *)&action->body), "\"conditions\":null"));
    free(set);
    free(failing);
}

static void test_cost_goes_before_age(void **state)
{
    struct view *cheap =
        view_of_f(&view_pods,
                  "{\"metadata\":{\"name\":\"cheap\",\"uid\":\"1\",\"annotations\":{"
                  "\"controller.kubernetes.io/pod-deletion-cost\":\"-5\"}},\"spec\":{\"nodeName\":\"n\"},"
                  "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":"
                  "\"True\",\"lastTransitionTime\":\"%s\"}]}}",
                  ago(5000));
    struct view *young = pod_of("young", "mine", "n", "Running", "True", 1);
    const struct view *pods[] = {young, cheap};
    size_t ranks[] = {0, 0};

    (void)state;
    pods_sort_for_deletion(pods, ranks, 2, NOW);
    assert_ptr_equal(pods[0], cheap);
    free(cheap);
    free(young);
}

static void test_availability_waits_for_min_ready(void **state)
{
    struct view *pod = pod_of("p", "mine", "n", "Running", "True", 10);
    struct view *not_ready = pod_of("p", "mine", "n", "Running", "False", 10);
    uint64_t wait;

    (void)state;
    assert_true(pod_is_available(pod, 0, NOW, &wait));
    assert_true(pod_is_available(pod, 10, NOW, &wait));
    assert_false(pod_is_available(pod, 11, NOW, &wait));
    assert_in_range(wait, 1000, 1001);
    assert_false(pod_is_available(not_ready, 0, NOW, &wait));
    assert_int_equal(wait, 0);
    free(pod);
    free(not_ready);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_creates_what_is_missing_in_doubling_batches),
        cmocka_unit_test(test_one_plan_makes_at_most_a_burst),
        cmocka_unit_test(test_nothing_to_do_is_nothing),
        cmocka_unit_test(test_ended_and_leaving_pods_do_not_count),
        cmocka_unit_test(test_adopts_orphans_and_releases_strangers),
        cmocka_unit_test(test_a_set_on_its_way_out_makes_nothing),
        cmocka_unit_test(test_deletes_in_the_order_of_preference),
        cmocka_unit_test(test_refusal_becomes_a_condition),
        cmocka_unit_test(test_cost_goes_before_age),
        cmocka_unit_test(test_availability_waits_for_min_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
