/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds that nothing acts on say so; classes decide about pods and Ingresses. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define NS         "/api/v1/namespaces/default"
#define NETWORKING "/apis/networking.k8s.io/v1"
#define PRIORITIES "/apis/scheduling.k8s.io/v1/priorityclasses"
#define RUNTIMES   "/apis/node.k8s.io/v1/runtimeclasses"
#define POD(spec)  "{\"metadata\":{\"name\":\"p\"},\"spec\":{" spec "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

static void expect_warning(const struct answer *a, const char *text)
{
    if (slice_find_text(buf_slice(&a->headers), slice_str(text)) < 0)
        fail_msg("no warning \"%s\" in %.*s", text, SLICE_ARGS(buf_slice(&a->headers)));
}

static void test_what_nothing_enforces_says_so(void **state)
{
    static const char policy[] = NETWORKING "/namespaces/default/networkpolicies";
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", policy, "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"podSelector\":{}}}", &a);
    expect_warning(&a, "this server does not filter traffic");
    assert_answer(&a, "spec.policyTypes", "[\"Ingress\"]");
    harness_expect(&h, 200, "GET", NETWORKING "/namespaces/default/networkpolicies/n", NULL, &a);
    assert_true(slice_find_text(buf_slice(&a.headers), SLICE_LIT("arning")) < 0);
    harness_patch(&h, 200, NETWORKING "/namespaces/default/networkpolicies/n", PATCH_MERGE,
                  "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", &a);
    expect_warning(&a, "this server does not filter traffic");
}

#define SERVICE(spec)                                                                                                  \
    "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}],\"selector\":{\"a\":\"b\"}," spec "}}"
#define VOLUME(source) POD("\"volumes\":[{\"name\":\"v\"," source "}],")
#define NEAR                                                                                                           \
    "{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":\"a\",\"labelSelector\":{\"matchLabels\":"  \
    "{\"a\":\"b\"}}}]}"

static void test_single_fields_that_nothing_acts_on(void **state)
{
    static const struct {
        const char *path, *body;
        const char *said; /* NULL = nothing is said */
    } cases[] = {
        {NS "/pods", POD("\"affinity\":{\"podAffinity\":" NEAR "},"), "spec.affinity.podAffinity is stored"},
        {NS "/pods", POD("\"affinity\":{\"podAntiAffinity\":" NEAR "},"), "spec.affinity.podAntiAffinity is stored"},
        {NS "/pods", POD("\"affinity\":{\"podAntiAffinity\":{}},\"topologySpreadConstraints\":[],"), NULL},
        {NS "/pods", POD("\"shareProcessNamespace\":false,"), NULL},
        {NS "/pods",
         POD("\"topologySpreadConstraints\":[{\"maxSkew\":1,\"topologyKey\":\"a\",\"whenUnsatisfiable\":"
             "\"DoNotSchedule\"}],"),
         "spec.topologySpreadConstraints is stored"},
        {NS "/pods", VOLUME("\"nfs\":{\"server\":\"a\",\"path\":\"/b\"}"), "spec.volumes[].nfs is stored"},
        {NS "/pods", VOLUME("\"persistentVolumeClaim\":{\"claimName\":\"c\"}"),
         "spec.volumes[].persistentVolumeClaim is stored"},
        {NS "/pods", VOLUME("\"projected\":{\"sources\":[{\"clusterTrustBundle\":{\"name\":\"n\",\"path\":\"p\"}}]}"),
         "spec.volumes[].projected.sources[].clusterTrustBundle is stored"},
        {NS "/pods", VOLUME("\"emptyDir\":{\"sizeLimit\":\"1Mi\"}"), "spec.volumes[].emptyDir.sizeLimit: "},
        {NS "/pods", VOLUME("\"emptyDir\":{\"sizeLimit\":\"1Mi\",\"medium\":\"Memory\"}"), NULL},
        {NS "/pods",
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"restartPolicy\":"
         "\"Never\"}]}}",
         "spec.containers[].restartPolicy: "},
        {NS "/pods",
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}],"
         "\"initContainers\":[{\"name\":"
         "\"s\",\"image\":\"i\",\"restartPolicy\":\"Always\"}]}}",
         NULL},
        {NS "/services", SERVICE("\"type\":\"LoadBalancer\""), "spec.type: LoadBalancer: "},
        {NS "/services", SERVICE("\"type\":\"NodePort\""), NULL},
        {NS "/services",
         SERVICE("\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":60}}"),
         "spec.sessionAffinityConfig.clientIP.timeoutSeconds: "},
        {NS "/services",
         SERVICE(
             "\"sessionAffinity\":\"ClientIP\",\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":10800}}"),
         NULL},
        {PRIORITIES, "{\"metadata\":{\"name\":\"pushy\"},\"value\":7}", "\"preemptionPolicy: "},
        {PRIORITIES, "{\"metadata\":{\"name\":\"meek\"},\"value\":7,\"preemptionPolicy\":\"Never\"}", NULL},
        {"/api/v1/namespaces",
         "{\"metadata\":{\"name\":\"n\",\"labels\":{\"pod-security.kubernetes.io/enforce\":\"restricted\"}}}",
         "metadata.labels: "},
        {"/api/v1/namespaces",
         "{\"metadata\":{\"name\":\"n\",\"labels\":{\"pod-security.kubernetes.io/enforce\":\"privileged\"}}}", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *path CLEANUP_FREE = mem_printf("%s?dryRun=All", cases[i].path);
        struct answer a CLEANUP_ANSWER = {0};

        harness_expect(&h, 201, "POST", path, cases[i].body, &a);
        if (cases[i].said)
            expect_warning(&a, cases[i].said);
        else if (slice_find_text(buf_slice(&a.headers), SLICE_LIT("arning")) >= 0)
            fail_msg("a warning for %s: %s", cases[i].body, buf_cstr(&a.headers));
    }
}

/* Its operations are no objects: what came of them is looked at. */
static void test_a_json_patch_is_told_too(void **state)
{
    static const struct ask ask = {.method = "PATCH",
                                   .path = NS "/services/patched",
                                   .content_type = PATCH_JSON,
                                   .body = "[{\"op\":\"replace\",\"path\":\"/spec/type\",\"value\":\"LoadBalancer\"}]"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(
        &h, 201, "POST", NS "/services",
        "{\"metadata\":{\"name\":\"patched\"},\"spec\":{\"ports\":[{\"port\":80}],\"selector\":{\"a\":\"b\"}}}", NULL);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    expect_warning(&a, "spec.type: LoadBalancer: ");
}

static void test_limits_of_storage_are_no_limits(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(
        &h, 201, "POST", NS "/pods?dryRun=All",
        "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":"
        "{\"limits\":{\"ephemeral-storage\":\"1Mi\"}},\"env\":[{\"name\":\"X\",\"valueFrom\":{\"fileKeyRef\":"
        "{\"volumeName\":\"v\",\"path\":\"f\",\"key\":\"k\"}}}]}],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
        &a);
    expect_warning(&a, "spec.containers[].resources.limits.ephemeral-storage: ");
    expect_warning(&a, "spec.containers[].env[].valueFrom.fileKeyRef is stored");
}

static void test_priority_comes_from_classes(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 200, "GET", PRIORITIES "/system-node-critical", NULL, &a);
    assert_answer(&a, "value", "2000001000");
    harness_expect(&h, 403, "DELETE", PRIORITIES "/system-node-critical", NULL, &a);
    assert_answer(&a, "message",
                  "priorityclasses.scheduling.k8s.io \"system-node-critical\" is forbidden: this is a system priority "
                  "class and cannot be deleted");
    harness_expect(&h, 201, "POST", PRIORITIES,
                   "{\"metadata\":{\"name\":\"high\"},\"value\":1000,\"preemptionPolicy\":\"Never\"}", NULL);
    harness_expect(&h, 201, "POST", NS "/pods?dryRun=All", POD("\"priorityClassName\":\"high\","), &a);
    assert_answer(&a, "spec.priority", "1000");
    assert_answer(&a, "spec.preemptionPolicy", "Never");
    harness_expect(&h, 403, "POST", NS "/pods?dryRun=All", POD("\"priorityClassName\":\"high\",\"priority\":7,"), NULL);
    harness_expect(&h, 403, "POST", NS "/pods?dryRun=All", POD("\"priorityClassName\":\"none\","), NULL);
    harness_expect(&h, 201, "POST", NS "/pods?dryRun=All", POD(""), &a);
    assert_answer(&a, "spec.priority", "0");
    harness_expect(&h, 201, "POST", PRIORITIES,
                   "{\"metadata\":{\"name\":\"usual\"},\"value\":5,\"globalDefault\":true}", NULL);
    harness_expect(&h, 201, "POST", NS "/pods?dryRun=All", POD(""), &a);
    assert_answer(&a, "spec.priority", "5");
    assert_answer(&a, "spec.priorityClassName", "usual");
    harness_expect(&h, 403, "POST", PRIORITIES, "{\"metadata\":{\"name\":\"too\"},\"value\":6,\"globalDefault\":true}",
                   &a);
    assert_answer(&a, "message",
                  "priorityclasses.scheduling.k8s.io \"too\" is forbidden: PriorityClass usual is already marked as "
                  "default. Only one default can exist");
}

static void test_runtimes(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(
        &h, 201, "POST", RUNTIMES,
        "{\"metadata\":{\"name\":\"own\"},\"handler\":\"runc\",\"overhead\":{\"podFixed\":{\"cpu\":\"50m\"}},"
        "\"scheduling\":{\"nodeSelector\":{\"a\":\"b\"},\"tolerations\":[{\"key\":\"rt\",\"operator\":"
        "\"Exists\"}]}}",
        &a);
    expect_warning(&a, "only when its handler is runc or crun");
    harness_expect(&h, 201, "POST", RUNTIMES, "{\"metadata\":{\"name\":\"vm\"},\"handler\":\"kata\"}", NULL);
    harness_expect(&h, 201, "POST", NS "/pods?dryRun=All", POD("\"runtimeClassName\":\"own\","), &a);
    assert_answer(&a, "spec.overhead", "{\"cpu\":\"50m\"}");
    assert_answer(&a, "spec.nodeSelector", "{\"a\":\"b\"}");
    assert_true(answer_has(&a, "{\"key\":\"rt\",\"operator\":\"Exists\"}"));
    harness_expect(&h, 403, "POST", NS "/pods?dryRun=All",
                   POD("\"runtimeClassName\":\"own\",\"nodeSelector\":{\"a\":\"c\"},"), NULL);
    harness_expect(&h, 403, "POST", NS "/pods?dryRun=All", POD("\"runtimeClassName\":\"vm\","), &a);
    assert_true(answer_has(&a, "have no container runtime \\\"kata\\\""));
}

static void test_default_ingress_class(void **state)
{
    static const char ingress[] = "{\"metadata\":{\"name\":\"i\"},\"spec\":{\"defaultBackend\":{\"service\":{\"name\":"
                                  "\"s\",\"port\":{\"number\":80}}}}}";
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", NETWORKING "/namespaces/default/ingresses?dryRun=All", ingress, &a);
    assert_false(answer_has(&a, "ingressClassName"));
    assert_answer(&a, "status", "{\"loadBalancer\":{}}");
    harness_expect(&h, 201, "POST", NETWORKING "/ingressclasses",
                   "{\"metadata\":{\"name\":\"ic\",\"annotations\":{\"ingressclass.kubernetes.io/is-default-class\":"
                   "\"true\"}},\"spec\":{\"controller\":\"a.b/c\"}}",
                   NULL);
    harness_expect(&h, 201, "POST", NETWORKING "/namespaces/default/ingresses", ingress, &a);
    assert_answer(&a, "spec.ingressClassName", "ic");
    assert_answer(&a, "metadata.generation", "1");
    /* A controller that writes the status is not told again. */
    harness_patch(&h, 200, NETWORKING "/namespaces/default/ingresses/i/status", PATCH_MERGE,
                  "{\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"9.9.9.9\"}]}}}", &a);
    assert_true(slice_find_text(buf_slice(&a.headers), SLICE_LIT("arning")) < 0);
    assert_answer(&a, "metadata.generation", "1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_nothing_enforces_says_so), cmocka_unit_test(test_single_fields_that_nothing_acts_on),
        cmocka_unit_test(test_a_json_patch_is_told_too),      cmocka_unit_test(test_limits_of_storage_are_no_limits),
        cmocka_unit_test(test_priority_comes_from_classes),   cmocka_unit_test(test_runtimes),
        cmocka_unit_test(test_default_ingress_class),
    };

    return harness_run_group(&h, tests, NULL);
}
