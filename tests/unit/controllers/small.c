/* SPDX-License-Identifier: Apache-2.0 */
/* The plans of the small controllers: service account, root CA, node IPAM, namespace, garbage collection. */
#include "tests/unit/controllers/fixture.h"

#include <stdio.h>

#include "controllers/garbage_collector.h"
#include "controllers/namespace.h"
#include "controllers/rows.h"
#include "lib/encoding.h"

#define NAMESPACE(more) "{\"metadata\":{\"name\":\"a\",\"uid\":\"n-1\",\"resourceVersion\":\"8\"" more "}"
#define DELETED         ",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\""

static void test_service_account(void **state)
{
    struct view *ns = view_of(&view_namespaces, NAMESPACE("") "}");
    struct view *going = view_of(&view_namespaces, NAMESPACE(DELETED) "}");
    struct view *account = view_of(&view_serviceaccounts, "{\"metadata\":{\"name\":\"default\",\"namespace\":\"a\"}}");
    PLAN_LOCAL(plan);

    (void)state;
    serviceaccount_plan(going, NULL, &plan);
    serviceaccount_plan(ns, account, &plan);
    serviceaccount_plan(NULL, NULL, &plan);
    assert_int_equal(plan.count, 0);
    serviceaccount_plan(ns, NULL, &plan);
    assert_body_text(plan_find(&plan, ACTION_CREATE, &view_serviceaccounts, "", 0), "metadata.namespace", "a");
    free(ns);
    free(going);
    free(account);
}

static void test_root_ca(void **state)
{
    struct view *ns = view_of(&view_namespaces, NAMESPACE("") "}");
    struct view *same = view_of(&view_configmaps, "{\"metadata\":{\"name\":\"kube-root-ca.crt\",\"namespace\":\"a\"},"
                                                  "\"data\":{\"ca.crt\":\"-----\\nx\\n\"}}");
    struct view *other = view_of(&view_configmaps, "{\"metadata\":{\"name\":\"kube-root-ca.crt\",\"namespace\":\"a\"},"
                                                   "\"data\":{\"other\":\"-----\\nx\\n\"}}");
    PLAN_LOCAL(plan);

    (void)state;
    root_ca_plan(ns, same, SLICE_LIT("-----\nx\n"), &plan);
    assert_int_equal(plan.count, 0);
    root_ca_plan(ns, other, SLICE_LIT("-----\nx\n"), &plan);
    root_ca_plan(ns, NULL, SLICE_LIT("-----\nx\n"), &plan);
    assert_string_equal(buf_cstr(&plan.actions[0].body), "{\"data\":{\"ca.crt\":\"-----\\nx\\n\"}}");
    assert_int_equal(plan.actions[0].verb, ACTION_PATCH);
    assert_int_equal(plan.actions[1].verb, ACTION_CREATE);
    assert_body_text(&plan.actions[1], "metadata.name", "kube-root-ca.crt");
    free(ns);
    free(same);
    free(other);
}

static struct view *node_of(const char *name, const char *cidr)
{
    return view_of_f(&view_nodes, "{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\"},\"spec\":{\"podCIDR\":\"%s\"}}", name,
                     name, cidr);
}

static void test_node_ranges(void **state)
{
    struct view *nodes[] = {node_of("c", ""), node_of("b", "10.244.0.0/24"), node_of("a", ""),
                            node_of("d", "192.168.0.0/24")};
    PLAN_LOCAL(plan);

    (void)state;
    assert_true(node_ipam_plan((const struct view *const *)nodes, 4, &plan));
    assert_int_equal(plan.count, 2);
    assert_string_equal(plan.actions[0].name, "a");
    assert_body_text(&plan.actions[0], "spec.podCIDR", "10.244.1.0/24");
    assert_string_equal(plan.actions[1].name, "c");
    assert_body_text(&plan.actions[1], "spec.podCIDR", "10.244.2.0/24");
    for (size_t i = 0; i < 4; i++)
        free(nodes[i]);
}

static void test_node_ranges_run_out(void **state)
{
    struct view *nodes[257];
    PLAN_LOCAL(plan);

    (void)state;
    for (size_t i = 0; i < 257; i++) {
        char name[8];

        (void)snprintf(name, sizeof(name), "n%03zu", i);
        nodes[i] = node_of(name, "");
    }
    assert_false(node_ipam_plan((const struct view *const *)nodes, 257, &plan));
    assert_int_equal(plan.count, 256);
    assert_body_text(&plan.actions[255], "spec.podCIDR", "10.244.255.0/24");
    for (size_t i = 0; i < 257; i++)
        free(nodes[i]);
}

static void test_pods_of_a_missing_node(void **state)
{
    struct view *node = node_of("n", "");
    struct view *pod = view_of(&view_pods, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"uid\":\"u\"}}");
    const struct view *pods[] = {pod};
    PLAN_LOCAL(plan);

    (void)state;
    pod_gc_plan(node, pods, 1, 100, NOW, &plan);
    assert_int_equal(plan.again_ms, 0);
    pod_gc_plan(NULL, pods, 1, 10, NOW, &plan);
    assert_int_equal(plan.count, 0);
    assert_int_equal(plan.again_ms, 30000);
    pod_gc_plan(NULL, pods, 1, 40, NOW, &plan);
    assert_int_equal(body_int(plan_find(&plan, ACTION_DELETE, &view_pods, "", 0), "gracePeriodSeconds"), 0);
    assert_body_text(plan_find(&plan, ACTION_DELETE, &view_pods, "", 0), "preconditions.uid", "u");
    assert_true(slice_find_text(buf_slice(&plan_find(&plan, ACTION_PATCH, &view_pods, "status", 0)->body),
                                SLICE_LIT("\"reason\":\"DeletionByPodGC\"")) > 0);
    free(node);
    free(pod);
}

static struct view *bootstrap_token(const char *ns, const char *type, const char *expiration)
{
    BUF_LOCAL(data);

    base64_encode(&data, slice_str(expiration));
    return view_of_f(
        &view_secrets,
        "{\"metadata\":{\"name\":\"t\",\"namespace\":\"%s\",\"uid\":\"u\"},\"type\":\"%s\",\"data\":{%s%s%s}}", ns,
        type, *expiration ? "\"expiration\":\"" : "", buf_cstr(&data), *expiration ? "\"" : "");
}

static void test_old_bootstrap_tokens_go(void **state)
{
    static const char type[] = "bootstrap.kubernetes.io/token";
    const struct {
        const char *ns;
        const char *type;
        const char *expiration;
        size_t deletes;
        uint64_t again_ms;
    } rows[] = {
        {"kube-system", type, ago(1), 1, 0},
        {"kube-system", type, ago(-10), 0, 10001},
        {"kube-system", type, ago(-10LL * 86400), 0, 86400000},
        {"kube-system", type, "tomorrow", 1, 0},
        {"kube-system", type, "", 0, 0},
        {"default", type, ago(1), 0, 0},
        {"kube-system", "Opaque", ago(1), 0, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *secret = bootstrap_token(rows[i].ns, rows[i].type, rows[i].expiration);
        PLAN_LOCAL(plan);

        token_cleaner_plan(secret, NOW, &plan);
        assert_int_equal(plan_count(&plan, ACTION_DELETE, &view_secrets, ""), rows[i].deletes);
        assert_int_equal(plan.again_ms, rows[i].again_ms);
        free(secret);
    }
}

/* A quota is counted anew when its limits are others, when it is time, and soon once more when it is new. */
static void test_when_a_quota_is_counted(void **state)
{
    static const struct {
        const char *status;
        int age_s, due_s;
        bool counts;
        uint64_t again_ms;
    } rows[] = {
        {"{}", 1, 0, true, 10001},
        {"{\"hard\":{\"pods\":\"2\"},\"used\":{\"pods\":\"0\"}}", 1000, 60, true, 300001},
        {"{\"hard\":{\"pods\":\"1\"},\"used\":{\"pods\":\"0\"}}", 1000, 60, false, 60001},
        {"{\"hard\":{\"pods\":\"1\"},\"used\":{\"pods\":\"0\"}}", 1000, 0, true, 300001},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *quota =
            view_of_f(&view_quotas,
                      "{\"metadata\":{\"name\":\"q\",\"namespace\":\"a\",\"creationTimestamp\":\"%s\"},"
                      "\"spec\":{\"hard\":{\"pods\":\"1\"}},\"status\":%s}",
                      ago(rows[i].age_s), rows[i].status);
        PLAN_LOCAL(plan);

        resourcequota_plan(quota, NOW + rows[i].due_s * NS_PER_S, NOW, &plan);
        assert_int_equal(plan_count(&plan, ACTION_PATCH, &view_quotas, "status"), rows[i].counts);
        assert_int_equal(plan.again_ms, rows[i].again_ms);
        free(quota);
    }
    PLAN_LOCAL(none);
    resourcequota_plan(NULL, 0, NOW, &none);
    assert_int_equal(none.count + none.again_ms, 0);
}

/* Of pods that have ended the oldest go, and only beyond the limit. */
static void test_too_many_ended_pods(void **state)
{
    const struct view *pods[3];
    PLAN_LOCAL(plan);

    (void)state;
    for (int i = 0; i < 3; i++)
        pods[i] = view_of_f(
            &view_pods,
            "{\"metadata\":{\"name\":\"p%d\",\"namespace\":\"a\",\"uid\":\"u%d\",\"creationTimestamp\":\"%s\"}}", i, i,
            ago(i == 1 ? 100 : i));
    pod_gc_terminated_plan(pods, 3, 3, &plan);
    assert_int_equal(plan.count, 0);
    pod_gc_terminated_plan(pods, 3, 1, &plan);
    assert_int_equal(plan.count, 2);
    assert_string_equal(plan.actions[0].name, "p1");
    assert_string_equal(plan.actions[1].name, "p2");
    for (int i = 0; i < 3; i++)
        free((void *)(uintptr_t)pods[i]);
}

/* ---- namespace ---- */

#define TERMINATING                                                                                                    \
    NAMESPACE(DELETED) ",\"spec\":{\"finalizers\":[\"mine\",\"kubernetes\"]},\"status\":{\"phase\":\"%s\"}}"

static void plan_namespace(const struct view *ns, const struct namespace_content *contents, size_t count,
                           struct plan *plan)
{
    const struct namespace_view in = {.ns = ns, .contents = contents, .count = count, .now = NOW};

    namespace_plan(&in, plan);
}

static void test_namespace_is_emptied_then_finalized(void **state)
{
    struct view *ns = view_of_f(&view_namespaces, TERMINATING, "Active");
    struct view *ready = view_of_f(&view_namespaces, TERMINATING, "Terminating");
    struct view *alive = view_of(&view_namespaces, NAMESPACE("") ",\"spec\":{\"finalizers\":[\"kubernetes\"]}}");
    struct namespace_content contents[] = {{&view_pods, 2, 1}, {&view_configmaps, 0, 0}, {&view_replicasets, 0, 1}};
    const struct action *action;

    (void)state;
    {
        PLAN_LOCAL(plan);

        plan_namespace(alive, contents, 3, &plan);
        assert_int_equal(plan.count, 0);
        plan_namespace(ns, contents, 3, &plan);
        assert_body_text(plan_find(&plan, ACTION_PATCH, &view_namespaces, "status", 0), "status.phase", "Terminating");
        assert_int_equal(plan_count(&plan, ACTION_DELETE_COLLECTION, &view_pods, ""), 1);
        assert_int_equal(plan.count, 2);
    }
    {
        PLAN_LOCAL(plan);

        contents[0] = (struct namespace_content){&view_pods, 0, 3};
        plan_namespace(ready, contents, 3, &plan);
        assert_int_equal(plan.count, 0); /* all are on their way */
    }
    {
        PLAN_LOCAL(plan);

        plan_namespace(ready, contents, 0, &plan);
        assert_int_equal(plan.count, 2);
        assert_string_equal(plan.actions[0].kind->plural, "events");
        action = plan_find(&plan, ACTION_UPDATE, &view_namespaces, "finalize", 0);
        assert_non_null(strstr(buf_cstr((struct buf *)&action->body), "\"finalizers\":[\"mine\"]"));
        assert_body_text(action, "metadata.resourceVersion", "8");
    }
    free(ns);
    free(ready);
    free(alive);
}

/* Pods end with all that they use still there. */
static void test_namespace_pods_go_first(void **state)
{
    struct view *ns = view_of_f(&view_namespaces, TERMINATING, "Terminating");
    struct namespace_content contents[] = {{&view_configmaps, 3, 0}, {&view_pods, 2, 1}};

    (void)state;
    for (int round = 0; round < 3; round++) {
        PLAN_LOCAL(plan);

        plan_namespace(ns, contents, 2, &plan);
        assert_int_equal(plan_count(&plan, ACTION_DELETE_COLLECTION, &view_pods, ""), round == 0);
        assert_int_equal(plan_count(&plan, ACTION_DELETE_COLLECTION, &view_configmaps, ""), round == 2);
        assert_int_equal(plan_count(&plan, ACTION_UPDATE, &view_namespaces, "finalize"), 0);
        contents[1] = (struct namespace_content){&view_pods, 0, round == 0 ? 3 : 0};
    }
    free(ns);
}

/* What keeps it is told in upstream's words, at most once in a while, and not again while nothing changes. */
static void test_namespace_conditions(void **state)
{
    struct view *ns = view_of_f(&view_namespaces, TERMINATING, "Terminating");
    const struct namespace_content contents[] = {{&view_replicasets, 0, 2}, {&view_pods, 0, 1}};
    const struct namespace_finalizer finalizers[] = {{SLICE_LIT("a.b/c"), 2}};
    struct namespace_view in = {.ns = ns,
                                .contents = contents,
                                .count = 2,
                                .finalizers = finalizers,
                                .finalizer_count = 1,
                                .failure = "no",
                                .now = NOW};
    char *conditions CLEANUP_FREE = NULL;
    PLAN_LOCAL(early);
    PLAN_LOCAL(plan);
    PLAN_LOCAL(same);
    const struct action *action;

    (void)state;
    namespace_plan(&in, &early);
    assert_int_equal(early.count, 0);
    assert_int_equal(early.again_ms, 1000);
    in.may_tell = true;
    namespace_plan(&in, &plan);
    action = plan_find(&plan, ACTION_PATCH, &view_namespaces, "status", 0);
    conditions = slice_dup(scan_get(buf_slice(&action->body), "status.conditions"));
    assert_non_null(strstr(conditions,
                           "{\"type\":\"NamespaceDeletionDiscoveryFailure\",\"status\":\"False\","
                           "\"lastTransitionTime\":\"2023-11-14T22:13:20Z\",\"reason\":\"ResourcesDiscovered\""));
    assert_non_null(strstr(conditions, "\"NamespaceDeletionContentFailure\",\"status\":\"True\""));
    assert_non_null(strstr(conditions, "\"reason\":\"ContentDeletionFailed\",\"message\":\"no\""));
    assert_non_null(strstr(
        conditions,
        "\"Some resources are remaining: replicasets.apps has 2 resource instances, pods. has 1 resource instances\""));
    assert_non_null(strstr(
        conditions, "\"Some content in the namespace has finalizers remaining: a.b/c in 2 resource instances\""));
    free(ns);
    in.ns = ns = view_of_f(&view_namespaces,
                           NAMESPACE(DELETED) ",\"spec\":{\"finalizers\":[\"kubernetes\"]},\"status\":{\"phase\":"
                                              "\"Terminating\",\"conditions\":%s}}",
                           conditions);
    namespace_plan(&in, &same);
    assert_int_equal(same.count, 0);
    assert_int_equal(same.again_ms, 0);
    free(ns);
}

/* ---- garbage ---- */

static struct garbage_owner owner_of(const char *uid, enum garbage_owner_state state)
{
    return (struct garbage_owner){
        .ref = {.name = slice_str(uid), .uid = slice_str(uid)},
        .kind = &view_replicasets,
        .ns = SLICE_LIT("a"),
        .state = state,
    };
}

static void test_garbage_goes_when_no_owner_is_left(void **state)
{
    static const struct {
        enum garbage_owner_state one, two;
        size_t checks, deletes, unlinks;
    } rows[] = {
        {GARBAGE_OWNER_HERE, GARBAGE_OWNER_HERE, 0, 0, 0},    {GARBAGE_OWNER_GONE, GARBAGE_OWNER_GONE, 2, 1, 0},
        {GARBAGE_OWNER_GONE, GARBAGE_OWNER_HERE, 1, 0, 1},    {GARBAGE_OWNER_GONE, GARBAGE_OWNER_UNKNOWN, 1, 0, 1},
        {GARBAGE_OWNER_WAITS, GARBAGE_OWNER_GONE, 1, 1, 0},   {GARBAGE_OWNER_WAITS, GARBAGE_OWNER_HERE, 0, 0, 1},
        {GARBAGE_OWNER_UNKNOWN, GARBAGE_OWNER_HERE, 0, 0, 0},
    };
    struct view *pod = view_of(&view_pods, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"uid\":\"u\"}}");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct garbage_owner owners[] = {owner_of("one", rows[i].one), owner_of("two", rows[i].two)};
        struct garbage_view in = {.object = pod, .owners = owners, .owner_count = 2};
        PLAN_LOCAL(plan);

        garbage_plan(&in, &plan);
        assert_int_equal(plan_count(&plan, ACTION_STOP_UNLESS_GONE, &view_replicasets, ""), rows[i].checks);
        assert_int_equal(plan_count(&plan, ACTION_DELETE, &view_pods, ""), rows[i].deletes);
        assert_int_equal(plan_count(&plan, ACTION_PATCH, &view_pods, ""), rows[i].unlinks);
        /* The look at the live API comes first. */
        if (rows[i].checks)
            assert_int_equal(plan.actions[0].verb, ACTION_STOP_UNLESS_GONE);
        if (rows[i].deletes) {
            assert_body_text(plan_find(&plan, ACTION_DELETE, &view_pods, "", 0), "preconditions.uid", "u");
            assert_body_text(plan_find(&plan, ACTION_DELETE, &view_pods, "", 0), "propagationPolicy", "Background");
        }
    }
    free(pod);
}

/* An owner of another namespace is none; whoever wrote that is told. */
static void test_stray_owner_is_told(void **state)
{
    struct view *pod = view_of(&view_pods, "{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"uid\":\"u\"}}");
    struct garbage_owner owners[] = {owner_of("gone", GARBAGE_OWNER_GONE), owner_of("stray", GARBAGE_OWNER_GONE)};
    struct garbage_view in = {.object = pod, .owners = owners, .owner_count = 2};
    const struct action *action;
    PLAN_LOCAL(quiet);
    PLAN_LOCAL(plan);

    (void)state;
    garbage_plan(&in, &quiet);
    assert_null(plan_find(&quiet, ACTION_DELETE, &view_pods, "", 0)->reason);
    owners[1].elsewhere = true;
    garbage_plan(&in, &plan);
    action = plan_find(&plan, ACTION_DELETE, &view_pods, "", 0);
    assert_string_equal(action->reason, "OwnerRefInvalidNamespace");
    assert_non_null(strstr(action->message, "name: stray, uid: stray] does not exist in namespace \"a\""));
    assert_int_equal(action->flags & (ACTION_EVENT_OF_OBJECT | ACTION_EVENT_WARNS),
                     ACTION_EVENT_OF_OBJECT | ACTION_EVENT_WARNS);
    free(pod);
}

#define DEPENDENT(block)                                                                                               \
    "{\"metadata\":{\"name\":\"d\",\"namespace\":\"a\",\"uid\":\"d\",\"ownerReferences\":[{\"uid\":\"u\","             \
    "\"blockOwnerDeletion\":" block "}]}}"

static void test_foreground_waits_for_blocking_dependents(void **state)
{
    struct view *owner = view_of(&view_replicasets,
                                 "{\"metadata\":{\"name\":\"o\",\"namespace\":\"a\",\"uid\":\"u\",\"resourceVersion\":"
                                 "\"3\",\"finalizers\":[\"x/y\",\"foregroundDeletion\"]" DELETED "}}");
    struct view *blocking = view_of(&view_pods, DEPENDENT("true"));
    struct view *loose = view_of(&view_pods, DEPENDENT("false"));
    const struct view *dependents[] = {loose, blocking};
    struct garbage_view in = {.object = owner, .dependents = dependents, .dependent_count = 2};
    PLAN_LOCAL(plan);

    (void)state;
    garbage_plan(&in, &plan);
    assert_int_equal(plan.count, 0);
    in.dependent_count = 1;
    garbage_plan(&in, &plan);
    assert_int_equal(plan.count, 1);
    assert_non_null(strstr(buf_cstr(&plan.actions[0].body), "\"finalizers\":[\"x/y\"]"));
    free(owner);
    free(blocking);
    free(loose);
}

/* Those who wait for each other: whoever is between them goes at once. */
static void test_a_circle_is_broken(void **state)
{
    struct garbage_owner owners[] = {owner_of("u", GARBAGE_OWNER_WAITS)};
    struct view *object = view_of(&view_pods, DEPENDENT("true"));
    struct view *waiting = view_of(&view_replicasets, "{\"metadata\":{\"name\":\"o\",\"namespace\":\"a\",\"uid\":\"u\","
                                                      "\"finalizers\":[\"foregroundDeletion\"]" DELETED "}}");
    struct view *plain = view_of(&view_pods, DEPENDENT("true"));
    const struct view *dependents[] = {plain, waiting};
    struct garbage_view in = {
        .object = object, .owners = owners, .owner_count = 1, .dependents = dependents, .dependent_count = 2};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        PLAN_LOCAL(plan);

        garbage_plan(&in, &plan);
        assert_body_text(plan_find(&plan, ACTION_DELETE, &view_pods, "", 0), "propagationPolicy",
                         i ? "Foreground" : "Background");
        in.dependent_count = 1;
    }
    free(object);
    free(waiting);
    free(plain);
}

static void test_orphan_lets_dependents_live(void **state)
{
    struct view *owner = view_of(&view_replicasets,
                                 "{\"metadata\":{\"name\":\"o\",\"namespace\":\"a\",\"uid\":\"u\",\"resourceVersion\":"
                                 "\"3\",\"finalizers\":[\"orphan\"]" DELETED "}}");
    struct view *dependent = view_of(&view_pods, DEPENDENT("true"));
    const struct view *dependents[] = {dependent};
    struct garbage_view in = {.object = owner, .dependents = dependents, .dependent_count = 1};
    PLAN_LOCAL(plan);

    (void)state;
    garbage_plan(&in, &plan);
    assert_int_equal(plan.count, 2);
    assert_ptr_equal(plan.actions[0].kind, &view_pods);
    assert_non_null(strstr(buf_cstr(&plan.actions[0].body), "{\"$patch\":\"delete\",\"uid\":\"u\"}"));
    assert_non_null(strstr(buf_cstr(&plan.actions[1].body), "\"finalizers\":[]"));
    free(owner);
    free(dependent);
}

#define ROLE(name, labels, rules, more)                                                                                \
    view_of(&view_cluster_roles, "{\"metadata\":{\"name\":\"" name "\",\"uid\":\"r\",\"labels\":{" labels "}},"        \
                                 "\"rules\":" rules more "}")
#define GATHERS(...) ",\"aggregationRule\":{\"clusterRoleSelectors\":[" __VA_ARGS__ "]}"

static void test_role_aggregation(void **state)
{
    struct view *roles[] = {
        ROLE("a", "\"to\":\"x\"", "[{\"verbs\":[\"get\"]},{\"verbs\":[\"list\"]}]", ""),
        ROLE("b", "\"to\":\"y\"", "[{\"verbs\":[\"list\"]},{\"verbs\":[\"watch\"]}]", ""),
        ROLE("c", "\"other\":\"x\"", "[{\"verbs\":[\"*\"]}]", ""),
        ROLE("g", "\"to\":\"x\"", "null", GATHERS("{\"matchLabels\":{\"to\":\"y\"}},{\"matchLabels\":{\"to\":\"x\"}}")),
        ROLE("none", "", "[{\"verbs\":[\"*\"]}]", GATHERS("{\"matchLabels\":{\"to\":\"z\"}}")),
        ROLE("done", "", "[{\"verbs\":[\"list\"]},{\"verbs\":[\"watch\"]}]",
             GATHERS("{\"matchLabels\":{\"to\":\"y\"}}")),
        ROLE("empty", "", "null", GATHERS("{\"matchLabels\":{\"to\":\"z\"}}")),
    };
    PLAN_LOCAL(plan);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
        role_aggregation_plan(roles[i], (const struct view *const *)roles, ARRAY_SIZE(roles), &plan);
    role_aggregation_plan(NULL, NULL, 0, &plan);
    assert_int_equal(plan.count, 2);
    assert_string_equal(plan.actions[0].name, "g");
    assert_string_equal(buf_cstr(&plan.actions[0].body),
                        "{\"rules\":[{\"verbs\":[\"list\"]},{\"verbs\":[\"watch\"]},{\"verbs\":[\"get\"]}]}");
    assert_string_equal(plan.actions[1].name, "none");
    assert_string_equal(buf_cstr(&plan.actions[1].body), "{\"rules\":[]}");
    for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
        free(roles[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_service_account),
        cmocka_unit_test(test_root_ca),
        cmocka_unit_test(test_node_ranges),
        cmocka_unit_test(test_node_ranges_run_out),
        cmocka_unit_test(test_pods_of_a_missing_node),
        cmocka_unit_test(test_old_bootstrap_tokens_go),
        cmocka_unit_test(test_when_a_quota_is_counted),
        cmocka_unit_test(test_too_many_ended_pods),
        cmocka_unit_test(test_namespace_is_emptied_then_finalized),
        cmocka_unit_test(test_namespace_pods_go_first),
        cmocka_unit_test(test_namespace_conditions),
        cmocka_unit_test(test_garbage_goes_when_no_owner_is_left),
        cmocka_unit_test(test_stray_owner_is_told),
        cmocka_unit_test(test_foreground_waits_for_blocking_dependents),
        cmocka_unit_test(test_a_circle_is_broken),
        cmocka_unit_test(test_orphan_lets_dependents_live),
        cmocka_unit_test(test_role_aggregation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
