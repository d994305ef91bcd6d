/* SPDX-License-Identifier: Apache-2.0 */
/* What is rewound and what is left alone, in which order, and what is sent and shown. */
#include "cli/rewind_write.h"

#include "tests/unit/test.h"

#define META(name, more) "\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":\"u1\"" more "}"
#define OWNED            ",\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"web-1\",\"controller\":true}]"
#define GOING            ",\"deletionTimestamp\":\"2026-01-02T03:04:05Z\""

static const struct schema_kind *kind_of(const char *group, const char *kind)
{
    return schema_find_kind(slice_str(group), SLICE_LIT("v1"), slice_str(kind));
}

static struct value *tree(const char *json)
{
    struct value *v = value_parse(slice_str(json), NULL);

    assert_non_null(v);
    return v;
}

static void add(struct rewind_plan *plan, const char *group, const char *kind, const char *then, const char *now)
{
    char *a CLEANUP_FREE = mem_printf("[%s]", then);
    char *b CLEANUP_FREE = mem_printf("[%s]", now);

    rewind_plan_add(plan, kind_of(group, kind), tree(a), tree(b));
}

/* The plan of one object on each side: an action and a reason, or "unchanged", or "" for nothing at all. */
static void assert_plan(const char *group, const char *kind, const char *then, const char *now, const char *expected)
{
    static const char *const words[] = {"create", "update", "delete", "leave"};
    struct rewind_plan plan = {.count = 0};
    BUF_LOCAL(text);

    add(&plan, group, kind, then, now);
    if (plan.unchanged)
        buf_append_str(&text, "unchanged");
    for (size_t i = 0; i < plan.count; i++)
        buf_printf(&text, "%s%s%s%s", words[plan.steps[i].action], plan.steps[i].why ? ": " : "",
                   plan.steps[i].why ? plan.steps[i].why : "", plan.steps[i].failed ? " (failed)" : "");
    assert_string_equal(buf_cstr(&text), expected);
    rewind_plan_clear(&plan);
}

static void test_wishes_go_back(void **state)
{
    const char *one = "{" META("a", "") ",\"data\":{\"k\":\"1\"}}";
    const char *two = "{" META("a", "") ",\"data\":{\"k\":\"2\"}}";

    assert_plan("", "ConfigMap", one, "", "create");
    assert_plan("", "ConfigMap", "", one, "delete");
    assert_plan("", "ConfigMap", one, two, "update");
    assert_plan("", "ConfigMap", one, one, "unchanged");
    assert_plan("", "ConfigMap", "{" META("a", ",\"labels\":{\"x\":\"1\"}") "}", "{" META("a", "") "}", "update");
    assert_plan("", "ConfigMap", "{" META("a", ",\"annotations\":{\"x\":\"1\"}") "}", "{" META("a", "") "}", "update");
    /* The order of members is nobody's wish. */
    assert_plan("", "ConfigMap", "{" META("a", "") ",\"data\":{\"k\":\"1\",\"l\":\"2\"}}",
                "{\"data\":{\"l\":\"2\",\"k\":\"1\"}," META("a", "") "}", "unchanged");
}

static void test_what_the_cluster_keeps_is_no_difference(void **state)
{
    assert_plan(
        "apps", "Deployment",
        "{" META("a", ",\"resourceVersion\":\"5\",\"generation\":1,\"labels\":{}") ",\"spec\":{\"replicas\":1},"
                                                                                   "\"status\":{\"replicas\":1}}",
        "{" META("a", ",\"resourceVersion\":\"9\",\"generation\":2,\"managedFields\":[],\"finalizers\":[\"x\"],"
                      "\"annotations\":{\"deployment.kubernetes.io/revision\":\"2\"}") ",\"spec\":{\"replicas\":1},"
                                                                                       "\"status\":{\"replicas\":0}}",
        "unchanged");
    assert_plan("apps", "Deployment", "{" META("a", "") ",\"spec\":{\"replicas\":1}}",
                "{" META("a", "") ",\"spec\":{\"replicas\":3}}", "update");
    /* Where a pod runs is decided by a binding. */
    assert_plan("", "Pod", "{" META("a", "") ",\"spec\":{\"x\":1}}",
                "{" META("a", "") ",\"spec\":{\"x\":1,\"nodeName\":\"n\"}}", "unchanged");
}

static void test_left_alone(void **state)
{
    const char *owned = "{" META("p", OWNED) ",\"spec\":{}}";
    const char *free_ = "{" META("p", "") ",\"spec\":{\"x\":1}}";
    const char *made =
        "{" META("e", ",\"labels\":{\"endpoints.kubernetes.io/managed-by\":\"endpoint-controller\"}") "}";

    assert_plan("", "Pod", owned, "", "leave: owned by ReplicaSet web-1");
    assert_plan("", "Pod", "", owned, "leave: owned by ReplicaSet web-1");
    assert_plan("", "Pod", owned, free_, "leave: owned by ReplicaSet web-1");
    assert_plan("", "Endpoints", made, "", "leave: made by endpoint-controller");
    assert_plan("", "Endpoints", "{" META("e", "") "}", "", "create");
    assert_plan("", "Pod", "{" META("p", "") ",\"status\":{\"phase\":\"Succeeded\"}}", "", "leave: it had ended");
    assert_plan("", "Pod", "{" META("p", "") ",\"status\":{\"phase\":\"Running\"}}", "", "create");
    assert_plan("", "Secret", "{" META("s", "") ",\"type\":\"bootstrap.kubernetes.io/token\"}", "",
                "leave: a token; make a new one");
    assert_plan("", "Secret", "{" META("s", "") ",\"type\":\"Opaque\"}", "", "create");
    /* An owner that is no controller decides nothing but the end. */
    assert_plan("", "ConfigMap", "{" META("c", ",\"ownerReferences\":[{\"kind\":\"A\",\"name\":\"b\"}]") "}", "",
                "create");
}

static void test_what_goes(void **state)
{
    const char *here = "{" META("a", "") "}";
    const char *going = "{" META("a", GOING) "}";

    assert_plan("", "ConfigMap", going, "", "");
    assert_plan("", "ConfigMap", "", going, "");
    assert_plan("", "ConfigMap", here, going, "leave: it is being deleted; rewind again when it is gone (failed)");
    assert_plan("", "ConfigMap", going, "{" META("a", "") ",\"data\":{\"k\":\"1\"}}",
                "leave: it was being deleted then");
}

static void test_kinds(void **state)
{
    assert_true(rewind_kind_fits(kind_of("", "ConfigMap")));
    assert_true(rewind_kind_fits(kind_of("rbac.authorization.k8s.io", "Role")));
    assert_false(rewind_kind_fits(kind_of("", "Event")));
    assert_false(rewind_kind_fits(kind_of("", "Node")));
    assert_false(rewind_kind_fits(kind_of("coordination.k8s.io", "Lease")));
    assert_false(rewind_kind_fits(kind_of("certificates.k8s.io", "CertificateSigningRequest")));
    assert_false(rewind_kind_fits(kind_of("authentication.k8s.io", "TokenReview")));
}

#define SPACE(name, uid) "{\"metadata\":{\"name\":\"" name "\",\"uid\":\"" uid "\"}}"
#define IN(ns)           "{\"metadata\":{\"name\":\"c\",\"namespace\":\"" ns "\"}}"

static void test_namespaces(void **state)
{
    struct value *then CLEANUP_VALUE = tree("[" SPACE("kept", "1") "," SPACE("again", "2") "," SPACE("gone", "3") "]");
    struct value *now CLEANUP_VALUE = tree("[" SPACE("kept", "1") "," SPACE("again", "9") "," SPACE("new", "4") "]");
    struct rewind_plan plan = {.count = 0};

    rewind_plan_namespaces(&plan, then, now, true);
    rewind_plan_add(&plan, kind_of("", "Namespace"), value_copy(then), value_copy(now));
    add(&plan, "", "ConfigMap", IN("kept") "," IN("again") "," IN("gone"), IN("new"));
    rewind_plan_sort(&plan);
    assert_int_equal(plan.unchanged, 1);
    assert_int_equal(plan.count, 7);
    assert_int_equal(plan.steps[0].action, REWIND_DELETE);
    assert_string_equal(rewind_step_name(&plan.steps[0]), "new");
    assert_string_equal(plan.steps[1].why, "it was made anew since then, and what it held before is not its own");
    assert_int_equal(plan.steps[2].action, REWIND_CREATE);
    assert_string_equal(rewind_step_name(&plan.steps[2]), "gone");
    assert_int_equal(plan.steps[3].action, REWIND_CREATE);
    assert_string_equal(plan.steps[4].why, "its namespace was made anew since then");
    assert_int_equal(plan.steps[5].action, REWIND_CREATE);
    assert_string_equal(rewind_step_namespace(&plan.steps[5]), "gone");
    assert_string_equal(plan.steps[6].why, "it goes with its namespace");
    rewind_plan_clear(&plan);
}

/* Deletions come first, pods before what they read; then the rest, the other way round. */
static void test_order(void **state)
{
    static const char *const expected[] = {"Pod",       "Deployment",     "Service",       "RoleBinding",
                                           "ConfigMap", "ServiceAccount", "PriorityClass", "ServiceAccount",
                                           "ConfigMap", "RoleBinding",    "Service",       "Deployment",
                                           "Pod",       "Secret"};
    static const struct {
        const char *group;
        const char *kind;
    } kinds[] = {{"", "Pod"},       {"apps", "Deployment"},
                 {"", "Service"},   {"rbac.authorization.k8s.io", "RoleBinding"},
                 {"", "ConfigMap"}, {"", "ServiceAccount"}};
    struct rewind_plan plan = {.count = 0};

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        add(&plan, kinds[i].group, kinds[i].kind, "{" META("old", "") "}", "{" META("new", "") "}");
    /* What has an owner waits for it. */
    add(&plan, "", "Secret", "{" META("s", ",\"ownerReferences\":[{\"kind\":\"Pod\",\"name\":\"old\"}]") "}", "");
    add(&plan, "scheduling.k8s.io", "PriorityClass", "{\"metadata\":{\"name\":\"p\"},\"value\":1}", "");
    rewind_plan_sort(&plan);
    assert_int_equal(plan.count, ARRAY_SIZE(expected));
    for (size_t i = 0; i < plan.count; i++)
        assert_string_equal(plan.steps[i].kind->kind, expected[i]);
    rewind_plan_clear(&plan);
}

static void assert_body(struct value *body, const char *expected)
{
    BUF_LOCAL(json);

    value_write(body, &json);
    value_free(body);
    assert_string_equal(buf_cstr(&json), expected);
}

static void test_bodies(void **state)
{
    struct value *then CLEANUP_VALUE = tree("{\"metadata\":{\"name\":\"w\",\"namespace\":\"ns\",\"uid\":\"u1\","
                                            "\"resourceVersion\":\"5\",\"finalizers\":[\"f\"],"
                                            "\"managedFields\":[1],\"labels\":{\"a\":\"1\"},\"annotations\":{\"mine\":"
                                            "\"1\",\"deployment.kubernetes.io/revision\":"
                                            "\"1\"}},\"spec\":{\"replicas\":1},\"status\":{\"x\":1}}");
    struct value *now CLEANUP_VALUE = tree("{\"metadata\":{\"name\":\"w\",\"namespace\":\"ns\",\"uid\":\"u2\","
                                           "\"resourceVersion\":\"9\",\"managedFields\":[2],"
                                           "\"labels\":{\"b\":\"2\"},\"annotations\":{\"deployment.kubernetes.io/"
                                           "revision\":\"2\"}},\"spec\":{\"replicas\":3},"
                                           "\"status\":{\"x\":2}}");
    const struct schema_kind *kind = kind_of("apps", "Deployment");

    assert_body(rewind_body_create(kind, then),
                "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"w\",\"namespace\":\"ns\","
                "\"labels\":{\"a\":\"1\"},\"annotations\":{\"mine\":\"1\"}},\"spec\":{\"replicas\":1}}");
    assert_body(
        rewind_body_update(kind, then, now),
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"spec\":{\"replicas\":1},\"metadata\":{\"name\":\"w\","
        "\"namespace\":\"ns\",\"uid\":\"u2\",\"resourceVersion\":\"9\",\"labels\":{\"a\":\"1\"},\"annotations\":{"
        "\"mine\":\"1\",\"deployment.kubernetes.io/revision\":\"2\"}}}");
}

static void assert_shown(const char *kind, const char *then, const char *now, const char *expected)
{
    struct rewind_plan plan = {.count = 0};
    BUF_LOCAL(out);

    add(&plan, "", kind, then, now);
    assert_int_equal(plan.count, 1);
    assert_int_equal(rewind_diff(&plan.steps[0], "7", &out, NULL), 0);
    assert_string_equal(buf_cstr(&out), expected);
    rewind_plan_clear(&plan);
}

static void test_diffs(void **state)
{
    assert_shown("ConfigMap", "{" META("a", "") ",\"data\":{\"k\":\"1\"}}",
                 "{" META("a", "") ",\"data\":{\"k\":\"2\"}}",
                 "--- now/configmap/ns/a\n+++ 7/configmap/ns/a\n@@ -1,6 +1,6 @@\n apiVersion: v1\n data:\n-  k: \"2\"\n"
                 "+  k: \"1\"\n kind: ConfigMap\n metadata:\n   name: a\n");
    assert_shown("ConfigMap", "{" META("a", "") "}", "",
                 "--- /dev/null\n+++ 7/configmap/ns/a\n@@ -0,0 +1,5 @@\n+apiVersion: v1\n+kind: ConfigMap\n+metadata:\n"
                 "+  name: a\n+  namespace: ns\n");
}

/* The values of Secrets are not shown, nor what was applied, only which of them differ. */
static void test_secrets_are_hidden(void **state)
{
    struct rewind_plan plan = {.count = 0};
    BUF_LOCAL(out);

    add(&plan, "", "Secret",
        "{" META(
            "s",
            ",\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"b2xk\"}") ",\"data\":{\"k\":"
                                                                                                "\"b2xk\",\"same\":"
                                                                                                "\"c2FtZQ==\"}}",
        "{" META(
            "s",
            ",\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":\"bmV3\"}") ",\"data\":{\"k\":"
                                                                                                "\"bmV3\",\"same\":"
                                                                                                "\"c2FtZQ==\",\"more\":"
                                                                                                "\"eA==\"}}");
    assert_int_equal(rewind_diff(&plan.steps[0], "7", &out, NULL), 0);
    assert_null(strstr(buf_cstr(&out), "b2xk"));
    assert_null(strstr(buf_cstr(&out), "bmV3"));
    assert_null(strstr(buf_cstr(&out), "c2FtZQ"));
    assert_non_null(strstr(buf_cstr(&out), "*** (then)"));
    assert_non_null(strstr(buf_cstr(&out), "*** (now)"));
    rewind_plan_clear(&plan);
}

static void test_fixed_fields(void **state)
{
    ERROR_LOCAL(err);
    char *fields;

    assert_null(rewind_fixed_fields(&err));
    (void)error_set(&err, ERROR_INVALID, "no");
    assert_null(rewind_fixed_fields(&err));
    error_add_cause(&err, "FieldValueInvalid", "spec.selector", "Invalid value: {}: field is immutable");
    error_add_cause(&err, "FieldValueForbidden", "spec", "Forbidden: pod updates may not change fields other than x");
    fields = rewind_fixed_fields(&err);
    assert_string_equal(fields, "spec.selector, spec");
    free(fields);
    /* Whoever is refused for another reason would be refused again after the deletion. */
    error_add_cause(&err, "FieldValueInvalid", "spec.x", "Invalid value: 1: must be 2");
    assert_null(rewind_fixed_fields(&err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wishes_go_back), cmocka_unit_test(test_what_the_cluster_keeps_is_no_difference),
        cmocka_unit_test(test_left_alone),     cmocka_unit_test(test_what_goes),
        cmocka_unit_test(test_kinds),          cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_order),          cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_diffs),          cmocka_unit_test(test_secrets_are_hidden),
        cmocka_unit_test(test_fixed_fields),
    };

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
