/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/controllers/fixture.h"

#include "controllers/deployment.h"
#include "controllers/template.h"

/* A Deployment and its ReplicaSets as a row: sets are "template wanted actual available desired". */
struct set_row {
    const char *image; /* of the template; equal to the Deployment's = the current set */
    int wanted;
    int actual;
    int available;
    int desired;  /* annotation; -1 = none */
    int max;      /* annotation */
    int revision; /* annotation; 0 = none */
    int age;
};

struct scene {
    struct view *deployment;
    struct view *sets[8];
    struct view *pods[4];
    struct deployment_view in;
};

#define TEMPLATE_FMT "{\"metadata\":{\"labels\":{\"app\":\"web\"%s}},\"spec\":{\"containers\":[{\"image\":\"%s\"}]}}"
#define ROLLING(surge, unavailable)                                                                                    \
    "\"strategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"maxSurge\":" surge                                  \
    ",\"maxUnavailable\":" unavailable "}}"
#define RECREATE "\"strategy\":{\"type\":\"Recreate\"}"

static struct view *deployment_of(int replicas, const char *image, const char *spec, const char *metadata,
                                  const char *status)
{
    return view_of_f(
        &view_deployments,
        "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"d-1\",\"generation\":2%s},\"spec\":{"
        "\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":" TEMPLATE_FMT
        ",%s},\"status\":%s}",
        metadata, replicas, "", image, spec, status);
}

static struct view *set_of(const struct set_row *row, size_t index)
{
    BUF_LOCAL(annotations);

    if (row->desired >= 0)
        buf_printf(&annotations, "\"deployment.kubernetes.io/desired-replicas\":\"%d\",", row->desired);
    if (row->max)
        buf_printf(&annotations, "\"deployment.kubernetes.io/max-replicas\":\"%d\",", row->max);
    return view_of_f(
        &view_replicasets,
        "{\"metadata\":{\"name\":\"web-%s\",\"namespace\":\"a\",\"uid\":\"rs-%zu\",\"resourceVersion\":\"9\","
        "\"creationTimestamp\":\"%s\",\"labels\":{\"app\":\"web\",\"pod-template-hash\":\"%zu\"},"
        "\"annotations\":{%s\"deployment.kubernetes.io/revision\":\"%d\"},\"ownerReferences\":[{"
        "\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"name\":\"web\",\"uid\":\"d-1\",\"controller\":"
        "true}]},\"spec\":{\"replicas\":%d,\"template\":" TEMPLATE_FMT "},\"status\":{\"replicas\":%d,"
        "\"readyReplicas\":%d,\"availableReplicas\":%d}}",
        row->image, index, ago(row->age ? row->age : 1000 - (int64_t)index), index, buf_cstr(&annotations),
        row->revision, row->wanted, ",\"pod-template-hash\":\"x\"", row->image, row->actual, row->available,
        row->available);
}

static void scene_start(struct scene *s, struct view *deployment, const struct set_row *rows, size_t count)
{
    memset(s, 0, sizeof(*s));
    s->deployment = deployment;
    for (size_t i = 0; i < count; i++)
        s->sets[i] = set_of(&rows[i], i);
    s->in = (struct deployment_view){
        .deployment = deployment,
        .sets = (const struct view *const *)s->sets,
        .set_count = count,
        .pods = (const struct view *const *)s->pods,
        .now = NOW,
    };
}

static void scene_end(struct scene *s)
{
    free(s->deployment);
    for (size_t i = 0; i < ARRAY_SIZE(s->sets); i++)
        free(s->sets[i]);
    for (size_t i = 0; i < ARRAY_SIZE(s->pods); i++)
        free(s->pods[i]);
}

/* The number the plan scales that set to; -1 = leaves it. */
static int64_t scaled(const struct plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->actions[i].kind == &view_replicasets && plan->actions[i].verb == ACTION_PATCH &&
            !strcmp(plan->actions[i].name, name))
            return body_int(&plan->actions[i], "spec.replicas");
    return -1;
}

/* The field of the condition of that type in the plan's status patch, as text to be freed; NULL = none. */
static char *condition_text(const struct plan *plan, const char *type, const char *field)
{
    const struct action *action = plan_find(plan, ACTION_PATCH, &view_deployments, "status", 0);
    struct scan_cursor at = scan_open(scan_get(buf_slice(&action->body), "status.conditions"));
    struct slice condition;

    while (scan_element(&at, &condition))
        if (scan_text_is(scan_get(condition, "type"), type))
            return scan_text_dup(scan_get(condition, field));
    return NULL;
}

#define assert_condition(plan, type, field, text)                                                                      \
    do {                                                                                                               \
        char *condition_text_ = condition_text(plan, type, field);                                                     \
        assert_non_null(condition_text_);                                                                              \
        assert_string_equal(condition_text_, text);                                                                    \
        free(condition_text_);                                                                                         \
    } while (0)

static void test_new_deployment_makes_its_set(void **state)
{
    struct scene s;
    const struct action *action;
    char *name;
    PLAN_LOCAL(plan);

    (void)state;
    scene_start(
        &s,
        deployment_of(3, "one", ROLLING("\"25%\"", "\"25%\"") ",\"progressDeadlineSeconds\":600",
                      ",\"annotations\":{\"note\":\"x\",\"kubectl.kubernetes.io/last-applied-configuration\":\"y\"}",
                      "{}"),
        NULL, 0);
    deployment_plan(&s.in, &plan);
    action = plan_find(&plan, ACTION_CREATE, &view_replicasets, "", 0);
    assert_int_equal(body_int(action, "spec.replicas"), 3);
    assert_int_equal(strlen(action->name), strlen("web-") + 10);
    assert_body_text(action, "metadata.name", action->name);
    assert_body_text(action, "metadata.labels.pod-template-hash", action->name + 4);
    assert_body_text(action, "metadata.labels.app", "web");
    assert_body_text(action, "spec.selector.matchLabels.pod-template-hash", action->name + 4);
    assert_body_text(action, "spec.template.metadata.labels.pod-template-hash", action->name + 4);
    assert_body_text(action, "metadata.annotations.note", "x");
    assert_null(strstr(buf_cstr((struct buf *)&action->body), "last-applied"));
    assert_non_null(strstr(buf_cstr((struct buf *)&action->body), "\"deployment.kubernetes.io/revision\":\"1\""));
    assert_non_null(strstr(buf_cstr((struct buf *)&action->body), "\"deployment.kubernetes.io/max-replicas\":\"4\""));
    name = mem_printf("Scaled up replica set %s from 0 to 3", action->name);
    assert_string_equal(action->reason, "ScalingReplicaSet");
    assert_string_equal(action->message, name);
    free(name);
    assert_condition(&plan, "Progressing", "reason", "NewReplicaSetCreated");
    assert_condition(&plan, "Available", "reason", "MinimumReplicasUnavailable");
    scene_end(&s);
}

static void test_rolling_update_steps(void **state)
{
    /* What one plan does to {old, new}; -1 = nothing. */
    static const struct {
        const char *spec;
        int replicas;
        struct set_row old, fresh;
        int64_t old_to, fresh_to;
    } rows[] = {
        /* 10, 30 % surge, 20 % unavailable: grow first ... */
        {ROLLING("\"30%\"", "\"20%\""), 10, {"one", 10, 10, 10, 10, 13, 1, 0}, {"two", 0, 0, 0, 10, 13, 2, 0}, -1, 3},
        /* ... then shrink by what may be missing ... */
        {ROLLING("\"30%\"", "\"20%\""), 10, {"one", 10, 10, 10, 10, 13, 1, 0}, {"two", 3, 3, 0, 10, 13, 2, 0}, 8, -1},
        /* ... and take up the room. */
        {ROLLING("\"30%\"", "\"20%\""), 10, {"one", 8, 8, 8, 10, 13, 1, 0}, {"two", 3, 3, 3, 10, 13, 2, 0}, -1, 5},
        /* Nothing moves while the new pods are not there. */
        {ROLLING("1", "0"), 3, {"one", 3, 3, 3, 3, 4, 1, 0}, {"two", 1, 1, 0, 3, 4, 2, 0}, -1, -1},
        {ROLLING("1", "0"), 3, {"one", 3, 3, 3, 3, 4, 1, 0}, {"two", 1, 1, 1, 3, 4, 2, 0}, 2, -1},
        /* Both percentages round to nothing to move with: one may be missing. */
        {ROLLING("\"0%\"", "\"25%\""), 1, {"one", 1, 1, 1, 1, 1, 1, 0}, {"two", 0, 0, 0, 1, 1, 2, 0}, 0, -1},
        /* Broken old pods go first, whatever is available. */
        {ROLLING("1", "1"), 4, {"one", 4, 4, 1, 4, 5, 1, 0}, {"two", 1, 1, 0, 4, 5, 2, 0}, 3, -1},
        /* The new set is never larger than the Deployment. */
        {ROLLING("5", "0"), 2, {"one", 0, 0, 0, 2, 7, 1, 0}, {"two", 1, 1, 1, 2, 7, 2, 0}, -1, 2},
        /* Done. */
        {ROLLING("1", "0"), 3, {"one", 0, 0, 0, 3, 4, 1, 0}, {"two", 3, 3, 3, 3, 4, 2, 0}, -1, -1},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct set_row sets[] = {rows[i].old, rows[i].fresh};
        struct scene s;
        PLAN_LOCAL(plan);

        scene_start(&s, deployment_of(rows[i].replicas, "two", rows[i].spec, "", "{}"), sets, 2);
        deployment_plan(&s.in, &plan);
        print_message("row %zu\n", i);
        assert_int_equal(scaled(&plan, "web-one"), rows[i].old_to);
        assert_int_equal(scaled(&plan, "web-two"), rows[i].fresh_to);
        scene_end(&s);
    }
}

static void test_scaling_says_so(void **state)
{
    static const struct set_row sets[] = {{"one", 3, 3, 3, 3, 4, 1, 0}, {"two", 1, 1, 1, 3, 4, 2, 0}};
    struct scene s;
    const struct action *action;
    PLAN_LOCAL(plan);

    (void)state;
    scene_start(&s, deployment_of(3, "two", ROLLING("1", "0"), "", "{}"), sets, 2);
    deployment_plan(&s.in, &plan);
    action = plan_find(&plan, ACTION_PATCH, &view_replicasets, "", 0);
    assert_string_equal(action->message, "Scaled down replica set web-one from 3 to 2");
    assert_body_text(action, "metadata.resourceVersion", "9");
    scene_end(&s);
}

static void test_recreate_waits_for_the_old_pods(void **state)
{
    struct set_row sets[] = {{"one", 2, 2, 2, 2, 2, 1, 0}};
    struct scene s;

    (void)state;
    {
        PLAN_LOCAL(plan);

        scene_start(&s, deployment_of(2, "two", RECREATE, "", "{}"), sets, 1);
        deployment_plan(&s.in, &plan);
        assert_int_equal(scaled(&plan, "web-one"), 0);
        assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_replicasets, ""), 0);
        scene_end(&s);
    }
    sets[0] = (struct set_row){"one", 0, 0, 0, 2, 2, 1, 0};
    {
        PLAN_LOCAL(plan);

        /* The set says zero, but one pod still runs. */
        scene_start(&s, deployment_of(2, "two", RECREATE, "", "{}"), sets, 1);
        s.pods[0] = view_of(&view_pods, "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"rs-0\",\"controller\":true}]},"
                                        "\"status\":{\"phase\":\"Running\"}}");
        s.in.pod_count = 1;
        deployment_plan(&s.in, &plan);
        assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_replicasets, ""), 0);
        scene_end(&s);
    }
    {
        PLAN_LOCAL(plan);

        scene_start(&s, deployment_of(2, "two", RECREATE, "", "{}"), sets, 1);
        deployment_plan(&s.in, &plan);
        assert_int_equal(body_int(plan_find(&plan, ACTION_CREATE, &view_replicasets, "", 0), "spec.replicas"), 2);
        scene_end(&s);
    }
}

static void test_resize_in_mid_rollout_is_proportional(void **state)
{
    static const struct set_row sets[] = {{"one", 5, 5, 5, 10, 12, 1, 0}, {"two", 7, 7, 7, 10, 12, 2, 0}};
    struct scene s;
    PLAN_LOCAL(plan);

    (void)state;
    /* 12 pods of 10 + 2 become 24 of 20 + 4: 7 -> 14, 5 -> 10. */
    scene_start(&s, deployment_of(20, "two", ROLLING("\"20%\"", "0"), "", "{}"), sets, 2);
    deployment_plan(&s.in, &plan);
    assert_int_equal(scaled(&plan, "web-two"), 14);
    assert_int_equal(scaled(&plan, "web-one"), 10);
    scene_end(&s);
}

static void test_plain_resize(void **state)
{
    static const struct set_row sets[] = {{"two", 3, 3, 3, 3, 4, 1, 0}};
    struct scene s;
    PLAN_LOCAL(plan);

    (void)state;
    scene_start(&s, deployment_of(5, "two", ROLLING("1", "0"), "", "{}"), sets, 1);
    deployment_plan(&s.in, &plan);
    assert_int_equal(scaled(&plan, "web-two"), 5);
    assert_non_null(strstr(buf_cstr(&plan.actions[plan.count - 2].body), "desired-replicas\":\"5\""));
    scene_end(&s);
}

static void test_paused_makes_no_new_set(void **state)
{
    static const struct set_row sets[] = {{"one", 3, 3, 3, 3, 4, 1, 0}};
    struct scene s;
    PLAN_LOCAL(plan);

    (void)state;
    scene_start(&s,
                deployment_of(3, "two", ROLLING("1", "0") ",\"paused\":true,\"progressDeadlineSeconds\":600", "", "{}"),
                sets, 1);
    deployment_plan(&s.in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_replicasets, ""), 0);
    assert_condition(&plan, "Progressing", "reason", "DeploymentPaused");
    assert_condition(&plan, "Progressing", "status", "Unknown");
    scene_end(&s);
}

static void test_rollback_takes_the_old_set_with_a_new_revision(void **state)
{
    static const struct set_row sets[] = {{"one", 0, 0, 0, 3, 4, 1, 0}, {"two", 3, 3, 3, 3, 4, 2, 0}};
    struct scene s;
    const struct action *action;
    PLAN_LOCAL(plan);

    (void)state;
    scene_start(&s, deployment_of(3, "one", ROLLING("1", "0"), "", "{}"), sets, 2);
    deployment_plan(&s.in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_replicasets, ""), 0);
    action = plan_find(&plan, ACTION_PATCH, &view_replicasets, "", 0);
    assert_string_equal(action->name, "web-one");
    assert_int_equal(body_int(action, "spec.replicas"), 1);
    assert_non_null(strstr(buf_cstr((struct buf *)&action->body), "\"deployment.kubernetes.io/revision\":\"3\""));
    assert_non_null(
        strstr(buf_cstr((struct buf *)&action->body), "\"deployment.kubernetes.io/revision-history\":\"1\""));
    action = plan_find(&plan, ACTION_PATCH, &view_deployments, "status", 0);
    assert_non_null(strstr(buf_cstr((struct buf *)&action->body), "\"deployment.kubernetes.io/revision\":\"3\""));
    scene_end(&s);
}

#define COMPLETE                                                                                                       \
    "{\"observedGeneration\":2,\"replicas\":3,\"updatedReplicas\":3,\"readyReplicas\":3,\"availableReplicas\":3"

static void test_history_is_limited(void **state)
{
    static const struct set_row sets[] = {{"a", 0, 0, 0, 3, 4, 5, 0},
                                          {"b", 0, 0, 0, 3, 4, 2, 0},
                                          {"c", 0, 0, 0, 3, 4, 3, 0},
                                          {"two", 3, 3, 3, 3, 4, 6, 0}};
    struct scene s;
    PLAN_LOCAL(plan);

    (void)state;
    scene_start(&s, deployment_of(3, "two", ROLLING("1", "0") ",\"revisionHistoryLimit\":1", "", COMPLETE "}"), sets,
                4);
    deployment_plan(&s.in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_DELETE, &view_replicasets, ""), 2);
    assert_string_equal(plan_find(&plan, ACTION_DELETE, &view_replicasets, "", 0)->name, "web-b");
    assert_string_equal(plan_find(&plan, ACTION_DELETE, &view_replicasets, "", 1)->name, "web-c");
    scene_end(&s);
}

static void test_progress_conditions(void **state)
{
    static const struct set_row whole[] = {{"two", 3, 3, 3, 3, 4, 1, 0}};
    static const struct set_row part[] = {{"two", 3, 3, 1, 3, 4, 1, 0}};
    char *stuck = mem_printf("{\"replicas\":3,\"updatedReplicas\":3,\"readyReplicas\":1,\"availableReplicas\":1,"
                             "\"conditions\":[{\"type\":\"Progressing\",\"status\":\"True\",\"reason\":"
                             "\"ReplicaSetUpdated\",\"lastUpdateTime\":\"%s\",\"lastTransitionTime\":\"%s\"}]}",
                             ago(601), ago(700));
    char *waiting = mem_printf("{\"replicas\":3,\"updatedReplicas\":3,\"readyReplicas\":1,\"availableReplicas\":1,"
                               "\"conditions\":[{\"type\":\"Progressing\",\"status\":\"True\",\"reason\":"
                               "\"ReplicaSetUpdated\",\"lastUpdateTime\":\"%s\",\"lastTransitionTime\":\"%s\"}]}",
                               ago(590), ago(700));
    struct scene s;

    (void)state;
    {
        PLAN_LOCAL(plan);

        scene_start(&s, deployment_of(3, "two", ROLLING("1", "0") ",\"progressDeadlineSeconds\":600", "", "{}"), whole,
                    1);
        deployment_plan(&s.in, &plan);
        assert_condition(&plan, "Progressing", "reason", "NewReplicaSetAvailable");
        assert_condition(&plan, "Progressing", "message", "ReplicaSet \"web-two\" has successfully progressed.");
        assert_condition(&plan, "Available", "message", "Deployment has minimum availability.");
        assert_int_equal(plan.again_ms, 0);
        scene_end(&s);
    }
    {
        PLAN_LOCAL(plan);

        scene_start(&s, deployment_of(3, "two", ROLLING("1", "0") ",\"progressDeadlineSeconds\":600", "", "{}"), part,
                    1);
        deployment_plan(&s.in, &plan);
        assert_condition(&plan, "Progressing", "reason", "ReplicaSetUpdated");
        assert_condition(&plan, "Available", "status", "False");
        scene_end(&s);
    }
    {
        PLAN_LOCAL(plan);

        scene_start(&s, deployment_of(3, "two", ROLLING("1", "0") ",\"progressDeadlineSeconds\":600", "", stuck), part,
                    1);
        deployment_plan(&s.in, &plan);
        assert_condition(&plan, "Progressing", "status", "False");
        assert_condition(&plan, "Progressing", "reason", "ProgressDeadlineExceeded");
        assert_condition(&plan, "Progressing", "message", "ReplicaSet \"web-two\" has timed out progressing.");
        scene_end(&s);
    }
    {
        PLAN_LOCAL(plan);

        scene_start(&s, deployment_of(3, "two", ROLLING("1", "0") ",\"progressDeadlineSeconds\":600", "", waiting),
                    part, 1);
        deployment_plan(&s.in, &plan);
        assert_condition(&plan, "Progressing", "reason", "ReplicaSetUpdated");
        assert_in_range(plan.again_ms, 11000, 11001);
        scene_end(&s);
    }
    free(stuck);
    free(waiting);
}

static void test_a_set_that_fails_is_reported(void **state)
{
    struct scene s;
    PLAN_LOCAL(plan);

    (void)state;
    scene_start(&s, deployment_of(3, "two", ROLLING("1", "0"), "", "{}"), NULL, 0);
    s.sets[0] =
        view_of(&view_replicasets,
                "{\"metadata\":{\"name\":\"web-two\",\"namespace\":\"a\",\"uid\":\"r\",\"labels\":{\"app\":"
                "\"web\"},\"ownerReferences\":[{\"uid\":\"d-1\",\"controller\":true}]},\"spec\":{\"replicas\":3},"
                "\"status\":{\"conditions\":[{\"type\":\"ReplicaFailure\",\"status\":\"True\",\"reason\":"
                "\"FailedCreate\",\"message\":\"no room\"}]}}");
    s.in.set_count = 1;
    deployment_plan(&s.in, &plan);
    assert_condition(&plan, "ReplicaFailure", "message", "no room");
    assert_condition(&plan, "ReplicaFailure", "reason", "FailedCreate");
    scene_end(&s);
}

static void test_a_settled_deployment_writes_nothing(void **state)
{
    static const struct set_row sets[] = {{"two", 3, 3, 3, 3, 4, 1, 0}};
    char *status = mem_printf(COMPLETE
                              ",\"conditions\":[{\"type\":\"Available\",\"status\":\"True\",\"reason\":"
                              "\"MinimumReplicasAvailable\",\"message\":\"m\",\"lastUpdateTime\":\"%s\","
                              "\"lastTransitionTime\":\"%s\"},{\"type\":\"Progressing\",\"status\":\"True\","
                              "\"reason\":\"NewReplicaSetAvailable\",\"message\":\"m\",\"lastUpdateTime\":\"%s\","
                              "\"lastTransitionTime\":\"%s\"}]}",
                              ago(5), ago(5), ago(5), ago(5));
    struct scene s;
    PLAN_LOCAL(plan);

    (void)state;
    scene_start(&s,
                deployment_of(3, "two", ROLLING("1", "0") ",\"progressDeadlineSeconds\":600",
                              ",\"annotations\":{\"deployment.kubernetes.io/revision\":\"1\"}", status),
                sets, 1);
    deployment_plan(&s.in, &plan);
    assert_int_equal(plan.count, 0);
    free(status);
    scene_end(&s);
}

static const struct view *find_taken(void *arg, struct slice name)
{
    (void)name;
    return arg;
}

static void test_a_taken_name_counts_as_collision(void **state)
{
    struct scene s;
    PLAN_LOCAL(plan);

    (void)state;
    scene_start(&s, deployment_of(3, "two", ROLLING("1", "0"), "", "{}"), NULL, 0);
    s.in.find = find_taken;
    s.in.arg = s.deployment;
    deployment_plan(&s.in, &plan);
    assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_replicasets, ""), 0);
    assert_int_equal(body_int(plan_find(&plan, ACTION_PATCH, &view_deployments, "status", 0), "status.collisionCount"),
                     1);
    scene_end(&s);
}

static void test_template_hash(void **state)
{
    static const char *const same[] = {
        "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}},\"spec\":{\"x\":[{\"n\":1}]}}",
        ("{\"spec\":{\"x\":[{\"n\":1}],\"y\":{},\"z\":[]},"
         "\"metadata\":{\"creationTimestamp\":null,\"labels\":{\"b\":\"2\",\"a\":\"1\"}}}"),
        ("{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\",\"pod-template-hash\":\"q\"}},"
         "\"spec\":{\"x\":[{\"n\":1}]}}"),
    };
    static const char *const other[] = {
        "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"3\"}},\"spec\":{\"x\":[{\"n\":1}]}}",
        ("{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}},"
         "\"spec\":{\"x\":[{\"n\":1}],\"pod-template-hash\":\"q\"}}"),
        "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}},\"spec\":{\"x\":[{\"n\":2}]}}",
    };
    char first[TEMPLATE_HASH_MAX];
    char second[TEMPLATE_HASH_MAX];
    BUF_LOCAL(canonical);

    (void)state;
    template_canonical(slice_str(same[0]), &canonical);
    template_hash(buf_slice(&canonical), 0, first);
    assert_int_equal(strlen(first), 10);
    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        buf_reset(&canonical);
        template_canonical(slice_str(same[i]), &canonical);
        template_hash(buf_slice(&canonical), 0, second);
        assert_string_equal(first, second);
    }
    template_hash(buf_slice(&canonical), 1, second);
    assert_string_not_equal(first, second);
    for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
        buf_reset(&canonical);
        template_canonical(slice_str(other[i]), &canonical);
        template_hash(buf_slice(&canonical), 0, second);
        assert_string_not_equal(first, second);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_deployment_makes_its_set),
        cmocka_unit_test(test_rolling_update_steps),
        cmocka_unit_test(test_scaling_says_so),
        cmocka_unit_test(test_recreate_waits_for_the_old_pods),
        cmocka_unit_test(test_resize_in_mid_rollout_is_proportional),
        cmocka_unit_test(test_plain_resize),
        cmocka_unit_test(test_paused_makes_no_new_set),
        cmocka_unit_test(test_rollback_takes_the_old_set_with_a_new_revision),
        cmocka_unit_test(test_history_is_limited),
        cmocka_unit_test(test_progress_conditions),
        cmocka_unit_test(test_a_set_that_fails_is_reported),
        cmocka_unit_test(test_a_settled_deployment_writes_nothing),
        cmocka_unit_test(test_a_taken_name_counts_as_collision),
        cmocka_unit_test(test_template_hash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
