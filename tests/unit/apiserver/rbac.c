/* SPDX-License-Identifier: Apache-2.0 */
/* Roles and bindings through the whole front: rights, reviews, the guard against giving away, defaults. */
#include "tests/unit/apiserver/harness.h"

#include "apiserver/rbac_defaults.h"

static struct harness h;

#define RBAC        "/apis/rbac.authorization.k8s.io/v1"
#define ROLES       RBAC "/namespaces/default/roles"
#define BINDINGS    RBAC "/namespaces/default/rolebindings"
#define CONFIG_MAPS "/api/v1/namespaces/default/configmaps"
#define REVIEWS     "/apis/authorization.k8s.io/v1/"

static int as(const char *user, const char *method, const char *path, const char *body, struct answer *ret_answer)
{
    const struct ask ask = {.method = method, .path = path, .body = body, .user = user, .group = "dev"};
    struct answer own CLEANUP_ANSWER = {0};
    struct answer *a = ret_answer ? ret_answer : &own;

    if (ret_answer)
        answer_clear(ret_answer);
    harness_ask(&h, &ask, a);
    return a->status;
}

static void make_role(const char *name, const char *rules)
{
    char *body CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"%s\"},\"rules\":[%s]}", name, rules);

    harness_expect(&h, 201, "POST", ROLES, body, NULL);
}

static char *binding_of(const char *name, const char *kind, const char *role, const char *user)
{
    return mem_printf("{\"metadata\":{\"name\":\"%s\"},\"roleRef\":{\"kind\":\"%s\",\"name\":\"%s\"},\"subjects\":[{"
                      "\"kind\":\"User\",\"name\":\"%s\"}]}",
                      name, kind, role, user);
}

static void give(const char *name, const char *role, const char *user)
{
    char *body CLEANUP_FREE = binding_of(name, "Role", role, user);

    harness_expect(&h, 201, "POST", BINDINGS, body, NULL);
}

static void test_rights_come_and_go(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    make_role("reader", "{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"configmaps\"]}");
    assert_int_equal(as("joe", "GET", CONFIG_MAPS, NULL, NULL), 403);
    for (int i = 0; i < 3; i++) {
        give("reader", "reader", "joe");
        assert_int_equal(as("joe", "GET", CONFIG_MAPS, NULL, NULL), 200);
        assert_int_equal(as("joe", "GET", "/api/v1/configmaps", NULL, NULL), 403);
        assert_int_equal(as("ann", "GET", CONFIG_MAPS, NULL, NULL), 403);
        harness_expect(&h, 200, "DELETE", BINDINGS "/reader", NULL, NULL);
        assert_int_equal(as("joe", "GET", CONFIG_MAPS, NULL, NULL), 403);
    }
    give("reader", "reader", "joe");
    harness_expect(&h, 200, "DELETE", ROLES "/reader", NULL, NULL);
    assert_int_equal(as("joe", "GET", CONFIG_MAPS, NULL, &a), 403);
    assert_answer(&a, "message",
                  "configmaps is forbidden: User \"joe\" cannot list resource \"configmaps\" in API group \"\" in the "
                  "namespace \"default\": RBAC: role.rbac.authorization.k8s.io \"reader\" not found");
    harness_expect(&h, 200, "DELETE", BINDINGS "/reader", NULL, NULL);
}

/* A selector that pins a name counts as the name for what reads by it, and for nothing else. */
static void test_names(void **state)
{
    make_role("one",
              "{\"verbs\":[\"get\",\"list\",\"create\",\"deletecollection\"],\"apiGroups\":[\"\"],\"resources\":["
              "\"configmaps\"],\"resourceNames\":[\"x\"]}");
    give("one", "one", "joe");
    assert_int_equal(as("joe", "GET", CONFIG_MAPS "/x", NULL, NULL), 404);
    assert_int_equal(as("joe", "GET", CONFIG_MAPS "/y", NULL, NULL), 403);
    assert_int_equal(as("joe", "GET", CONFIG_MAPS, NULL, NULL), 403);
    assert_int_equal(as("joe", "GET", CONFIG_MAPS "?fieldSelector=metadata.name%3Dx", NULL, NULL), 200);
    assert_int_equal(as("joe", "GET", CONFIG_MAPS "?fieldSelector=metadata.name%21%3Dx", NULL, NULL), 403);
    assert_int_equal(
        as("joe", "POST", CONFIG_MAPS "?fieldSelector=metadata.name%3Dx", "{\"metadata\":{\"name\":\"y\"}}", NULL),
        403);
    assert_int_equal(as("joe", "DELETE", CONFIG_MAPS "?fieldSelector=metadata.name%3Dx", NULL, NULL), 403);
    harness_expect(&h, 200, "DELETE", BINDINGS "/one", NULL, NULL);
}

/* The server's own controllers have upstream's default roles, and patch where those say update. */
static void test_own_parts(void **state)
{
    static const struct {
        const char *user;
        const char *method;
        const char *path;
        int status;
    } rows[] = {
        {"deployment-controller", "PATCH", "/apis/apps/v1/namespaces/default/deployments/x/status", 404},
        {"deployment-controller", "GET", "/apis/apps/v1/deployments", 200},
        {"deployment-controller", "GET", "/api/v1/secrets", 403},
        {"deployment-controller", "PATCH", "/api/v1/namespaces/default/secrets/x", 403},
        {"deployment-controller", "PATCH", "/api/v1/nodes/x", 403},
        {"token-cleaner", "GET", "/api/v1/namespaces/kube-system/secrets", 200},
        {"token-cleaner", "GET", "/api/v1/namespaces/default/secrets", 403},
        {"token-cleaner", "PATCH", "/api/v1/namespaces/kube-system/secrets/x", 403},
        {"nobody-controller", "GET", "/api/v1/pods", 403},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *user CLEANUP_FREE = mem_printf("system:serviceaccount:kube-system:%s", rows[i].user);
        struct ask ask = {.method = rows[i].method,
                          .path = rows[i].path,
                          .body = "{}",
                          .content_type = PATCH_MERGE,
                          .user = user,
                          .group = "system:serviceaccounts"};
        struct answer a CLEANUP_ANSWER = {0};

        harness_ask(&h, &ask, &a);
        if (a.status != rows[i].status)
            fail_msg("%s %s %s: %d", rows[i].user, rows[i].method, rows[i].path, a.status);
    }
}

static void test_nobody(void **state)
{
    static const struct {
        const char *path;
        int status;
    } rows[] = {
        {"/healthz", 200},
        {"/livez", 200},
        {"/readyz", 200},
        {"/version", 200},
        {"/.well-known/knarr/ca.crt", 200},
        {"/dashboard", 301},
        {"/dashboard/", 200},
        {"/dashboard/x", 404},
        {"/dashboards", 403},
        {"/", 403},
        {"/api", 403},
        {"/apis", 403},
        {"/openapi/v2", 403},
        {"/livez/ping", 403},
        {"/metrics", 403},
        {"/healthz2", 403},
        {"/.well-known/x", 403},
        {"/api/v1/pods", 403},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct ask ask = {.method = "GET", .path = rows[i].path, .anonymous = true};
        struct answer a CLEANUP_ANSWER = {0};

        harness_ask(&h, &ask, &a);
        if (a.status != rows[i].status)
            fail_msg("%s: %d", rows[i].path, a.status);
    }
}

/* ---- giving away --------------------------------------------------------------------------------------------------
 */

#define SEE_MAPS "{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"configmaps\"]}"
#define SEE_ALL  "{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\"],\"resources\":[\"secrets\"]}"

static void make_chief(void)
{
    make_role("chief", "{\"verbs\":[\"get\",\"create\",\"update\",\"patch\"],\"apiGroups\":["
                       "\"rbac.authorization.k8s.io\"],\"resources\":[\"roles\",\"rolebindings\"]}," SEE_MAPS);
    give("chief", "chief", "joe");
}

static void test_escalation(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *up CLEANUP_FREE = binding_of("up", "ClusterRole", "cluster-admin", "joe");
    char *lost CLEANUP_FREE = binding_of("lost", "Role", "nope", "joe");
    char *same CLEANUP_FREE = binding_of("same", "Role", "mine", "ann");

    make_chief();
    assert_int_equal(as("joe", "POST", ROLES, "{\"metadata\":{\"name\":\"esc\"},\"rules\":[" SEE_ALL "]}", &a), 403);
    assert_answer(&a, "message",
                  "roles.rbac.authorization.k8s.io \"esc\" is forbidden: user \"joe\" (groups=[\"dev\" "
                  "\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n"
                  "{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\"]}");
    assert_answer(&a, "details.name", "esc");
    assert_answer(&a, "details.kind", "roles");
    assert_int_equal(as("joe", "POST", ROLES, "{\"metadata\":{\"name\":\"mine\"},\"rules\":[" SEE_MAPS "]}", NULL),
                     201);
    assert_int_equal(
        as("joe", "PUT", ROLES "/mine", "{\"metadata\":{\"name\":\"mine\"},\"rules\":[" SEE_ALL "]}", NULL), 403);
    assert_int_equal(
        as("joe", "POST", ROLES "?dryRun=All", "{\"metadata\":{\"name\":\"esc\"},\"rules\":[" SEE_ALL "]}", NULL), 403);
    assert_int_equal(as("joe", "POST", BINDINGS, up, &a), 403);
    assert_true(answer_has(&a, "{NonResourceURLs:[\\\"*\\\"], Verbs:[\\\"*\\\"]}"));
    assert_int_equal(as("joe", "POST", BINDINGS, lost, &a), 404);
    assert_answer(&a, "message", "roles.rbac.authorization.k8s.io \"nope\" not found");
    assert_int_equal(as("joe", "POST", BINDINGS, same, NULL), 201);
    assert_int_equal(as("ann", "GET", CONFIG_MAPS "/x", NULL, NULL), 404);
    /* He may not write ClusterRoles at all, whatever is in them. */
    assert_int_equal(as("joe", "POST", RBAC "/clusterroles", "{\"metadata\":{\"name\":\"x\"}}", NULL), 403);
}

static void test_escalate_and_bind(void **state)
{
    char *binding CLEANUP_FREE = binding_of("viewer", "ClusterRole", "system:monitoring", "ann");

    assert_int_equal(as("joe", "POST", BINDINGS, binding, NULL), 403);
    make_role("free",
              "{\"verbs\":[\"escalate\"],\"apiGroups\":[\"rbac.authorization.k8s.io\"],\"resources\":[\"roles\"],"
              "\"resourceNames\":[\"mine\"]},{\"verbs\":[\"bind\"],\"apiGroups\":["
              "\"rbac.authorization.k8s.io\"],\"resources\":[\"clusterroles\"],\"resourceNames\":["
              "\"system:monitoring\"]}");
    give("free", "free", "joe");
    assert_int_equal(as("joe", "POST", BINDINGS, binding, NULL), 201);
    assert_int_equal(
        as("joe", "PUT", ROLES "/mine", "{\"metadata\":{\"name\":\"mine\"},\"rules\":[" SEE_ALL "]}", NULL), 200);
    assert_int_equal(
        as("joe", "PUT", ROLES "/chief", "{\"metadata\":{\"name\":\"chief\"},\"rules\":[" SEE_ALL "]}", NULL),
        403); /* to escalate one role is not to escalate another */
}

static void test_aggregation_needs_everything(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", RBAC "/clusterroles",
                   "{\"metadata\":{\"name\":\"roles\"},\"rules\":[{\"verbs\":[\"create\",\"get\"],\"apiGroups\":["
                   "\"rbac.authorization.k8s.io\"],\"resources\":[\"clusterroles\"]}]}",
                   NULL);
    harness_expect(&h, 201, "POST", RBAC "/clusterrolebindings",
                   "{\"metadata\":{\"name\":\"roles\"},\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"roles\"},"
                   "\"subjects\":[{\"kind\":\"Group\",\"name\":\"builders\"}]}",
                   NULL);
    const struct ask ask = {.method = "POST",
                            .path = RBAC "/clusterroles",
                            .body =
                                "{\"metadata\":{\"name\":\"sum\"},\"aggregationRule\":{\"clusterRoleSelectors\":[{}]}}",
                            .user = "eve",
                            .group = "builders"};
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 403);
    assert_answer(&a, "message",
                  "clusterroles.rbac.authorization.k8s.io \"sum\" is forbidden: must have cluster-admin privileges to "
                  "use an aggregationRule");
}

/* ---- reviews ------------------------------------------------------------------------------------------------------
 */

static void expect_review(const char *plural, const char *spec, const char *allowed, const char *reason)
{
    char *path CLEANUP_FREE = mem_printf(REVIEWS "%s", plural);
    char *body CLEANUP_FREE = mem_printf("{\"spec\":%s}", spec);
    struct answer a CLEANUP_ANSWER = {0};
    char *got;

    harness_expect(&h, 201, "POST", path, body, &a);
    assert_answer(&a, "status.allowed", allowed);
    got = answer_get(&a, "status.reason");
    assert_string_equal(got ? got : "", reason);
    free(got);
}

#define GET_MAP "\"resourceAttributes\":{\"namespace\":\"default\",\"verb\":\"get\",\"resource\":\"configmaps\"}"

static void test_reviews(void **state)
{
    make_role("seer", SEE_MAPS);
    give("seer", "seer", "carl");
    expect_review("subjectaccessreviews", "{\"user\":\"carl\"," GET_MAP "}", "true",
                  "RBAC: allowed by RoleBinding \"seer/default\" of Role \"seer\" to User \"carl\"");
    expect_review("subjectaccessreviews", "{\"user\":\"dora\"," GET_MAP "}", "false", "");
    expect_review("subjectaccessreviews", "{\"groups\":[\"system:masters\"]," GET_MAP "}", "true", "");
    expect_review(
        "subjectaccessreviews",
        "{\"user\":\"carl\",\"groups\":[\"system:authenticated\"],\"nonResourceAttributes\":{\"path\":\"/api\","
        "\"verb\":\"get\"}}",
        "true",
        "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group "
        "\"system:authenticated\"");
    expect_review("subjectaccessreviews",
                  "{\"user\":\"system:node:n\",\"groups\":[\"system:nodes\"],\"resourceAttributes\":{\"namespace\":"
                  "\"default\",\"verb\":\"get\",\"resource\":\"secrets\",\"name\":\"x\"}}",
                  "false", "no relationship found between node 'n' and this object");
}

static void test_bad_reviews(void **state)
{
    static const struct {
        const char *path, *body, *message;
        int status;
    } rows[] = {
        {REVIEWS "subjectaccessreviews", "{\"spec\":{" GET_MAP "}}",
         ".authorization.k8s.io \"\" is invalid: spec.user: Invalid value: \"\": at least one of user or group must be "
         "specified",
         422},
        {REVIEWS "subjectaccessreviews", "{\"spec\":{\"user\":\"joe\"}}",
         ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: \"null\": exactly one of "
         "nonResourceAttributes or resourceAttributes must be specified",
         422},
        {REVIEWS "namespaces/default/localsubjectaccessreviews",
         "{\"spec\":{\"user\":\"joe\",\"resourceAttributes\":{\"verb\":\"get\",\"resource\":\"pods\"}}}",
         ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes.namespace: Invalid value: \"\": must match "
         "metadata.namespace",
         422},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct answer a CLEANUP_ANSWER = {0};

        harness_expect(&h, rows[i].status, "POST", rows[i].path, rows[i].body, &a);
        assert_answer(&a, "message", rows[i].message);
    }
    assert_int_equal(
        as("joe", "POST", REVIEWS "subjectaccessreviews", "{\"spec\":{\"user\":\"joe\"," GET_MAP "}}", NULL), 403);
}

static void test_rules_review(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    assert_int_equal(
        as("carl", "POST", REVIEWS "selfsubjectrulesreviews", "{\"spec\":{\"namespace\":\"default\"}}", &a), 201);
    assert_true(answer_has(&a, "{\"verbs\":[\"get\"],\"apiGroups\":[\"\"],\"resources\":[\"configmaps\"]}"));
    assert_true(answer_has(&a, "selfsubjectaccessreviews"));
    assert_true(answer_has(&a, "/openapi/*"));
    assert_answer(&a, "status.incomplete", "false");
}

/* ---- the defaults -------------------------------------------------------------------------------------------------
 */

static struct value *parse(const char *json)
{
    struct value *v = value_parse(slice_str(json), NULL);

    assert_non_null(v);
    return v;
}

#define WANTED                                                                                                         \
    "{\"metadata\":{\"labels\":{\"l\":\"1\"},\"annotations\":{\"rbac.authorization.kubernetes.io/"                     \
    "autoupdate\":\"true\"}},"                                                                                         \
    "\"rules\":[" SEE_MAPS "," SEE_ALL "]}"

static void test_reconcile(void **state)
{
    struct value *wanted CLEANUP_VALUE = parse(WANTED);
    struct value *own CLEANUP_VALUE = parse("{\"metadata\":{\"labels\":{\"l\":\"mine\"}},\"rules\":[{\"verbs\":[\"*\"],"
                                            "\"apiGroups\":[\"\"],\"resources\":[\"configmaps\",\"pods\"]}]}");
    struct value *frozen CLEANUP_VALUE =
        parse("{\"metadata\":{\"annotations\":{\"rbac.authorization.kubernetes.io/autoupdate\":\"false\"}}}");

    assert_true(rbac_default_reconcile(own, wanted));
    assert_int_equal(value_count(value_get(own, "rules")), 2); /* his wider rule, and the one that was missing */
    assert_string_equal(value_str(value_path(own, "metadata", "labels", "l", NULL)), "mine");
    assert_false(rbac_default_reconcile(own, wanted));
    assert_false(rbac_default_reconcile(frozen, wanted));
}

/* A second start finds nothing to do, and a start brings back what is gone. */
static void test_start_again(void **state)
{
    uint64_t revision = store_revision(h.store);
    ERROR_LOCAL(err);

    assert_int_equal(apiserver_bootstrap(h.server, &err), 0);
    assert_int_equal(store_revision(h.store), revision);
    harness_expect(&h, 200, "DELETE", RBAC "/clusterroles/system:discovery", NULL, NULL);
    assert_int_equal(as("joe", "GET", "/api", NULL, NULL), 403);
    assert_int_equal(apiserver_bootstrap(h.server, &err), 0);
    assert_int_equal(as("joe", "GET", "/api", NULL, NULL), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights_come_and_go),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_nobody),
        cmocka_unit_test(test_own_parts),
        cmocka_unit_test(test_escalation),
        cmocka_unit_test(test_escalate_and_bind),
        cmocka_unit_test(test_aggregation_needs_everything),
        cmocka_unit_test(test_reviews),
        cmocka_unit_test(test_bad_reviews),
        cmocka_unit_test(test_rules_review),
        cmocka_unit_test(test_reconcile),
        cmocka_unit_test(test_start_again),
    };

    return harness_run_group(&h, tests, NULL);
}
