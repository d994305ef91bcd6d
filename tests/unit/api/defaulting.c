/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "api/codec_internal.h"

/* In the schema's order. */
static struct value *decode_defaulted(const char *group, const char *kind_name, const char *body)
{
    ERROR_LOCAL(err);
    const struct schema_kind *kind = schema_find_kind(slice_str(group), SLICE_LIT("v1"), slice_str(kind_name));
    struct value *v = codec_decode(kind, CODEC_JSON, slice_str(body), CODEC_STRICT, NULL, &err);
    BUF_LOCAL(ordered);

    if (!v)
        fail_msg("%s: %s", body, error_text(&err));
    default_apply(kind, v);
    codec_write(kind->type, v, &ordered);
    value_free(v);
    return value_parse(buf_slice(&ordered), NULL);
}

/* The member `part` ("spec", or NULL for all) of the defaulted object must read `expected`, now and after another
 * round. */
static void check(const char *group, const char *kind_name, const char *body, const char *part, const char *expected)
{
    struct value *v CLEANUP_VALUE = decode_defaulted(group, kind_name, body);
    BUF_LOCAL(first);
    BUF_LOCAL(second);
    BUF_LOCAL(shown);
    struct value *again CLEANUP_VALUE = NULL;

    value_write(v, &first);
    value_write(part ? value_get(v, part) : v, &shown);
    assert_string_equal(buf_cstr(&shown), expected);
    again = decode_defaulted(group, kind_name, buf_cstr(&first));
    value_write(again, &second);
    assert_string_equal(buf_cstr(&second), buf_cstr(&first));
}

static void test_pod(void **state)
{
    (void)state;
    check("", "Pod",
          "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"serviceAccount\":\"s\",\"containers\":[{\"name\":\"c\",\"image\":"
          "\"nginx\",\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1\"}}}]}}",
          "spec",
          "{\"containers\":[{\"name\":\"c\",\"image\":\"nginx\",\"resources\":{\"limits\":{\"cpu\":\"2\",\"memory\":"
          "\"1Gi\"},\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}},\"terminationMessagePath\":"
          "\"/dev/termination-log\",\"imagePullPolicy\":\"Always\",\"terminationMessagePolicy\":\"File\"}],"
          "\"restartPolicy\":\"Always\",\"terminationGracePeriodSeconds\":30,\"dnsPolicy\":\"ClusterFirst\","
          "\"serviceAccountName\":\"s\",\"serviceAccount\":\"s\",\"securityContext\":{},\"schedulerName\":"
          "\"default-scheduler\",\"enableServiceLinks\":true}");
}

static void test_template_is_not_a_pod(void **state)
{
    (void)state;
    check("apps", "Deployment",
          "{\"spec\":{\"selector\":{},\"template\":{\"spec\":{\"hostNetwork\":true,\"containers\":[{\"name\":\"c\","
          "\"image\":\"a:1\",\"ports\":[{\"containerPort\":1}],\"resources\":{\"limits\":{\"cpu\":\"1\"}}}]}}}}",
          "spec",
          "{\"replicas\":1,\"selector\":{},\"template\":{\"metadata\":{},\"spec\":{\"containers\":[{\"name\":\"c\","
          "\"image\":\"a:1\",\"ports\":[{\"containerPort\":1,\"protocol\":\"TCP\"}],\"resources\":{\"limits\":"
          "{\"cpu\":\"1\"}},\"terminationMessagePath\":\"/dev/termination-log\",\"imagePullPolicy\":"
          "\"IfNotPresent\",\"terminationMessagePolicy\":\"File\"}],\"restartPolicy\":\"Always\","
          "\"terminationGracePeriodSeconds\":30,\"dnsPolicy\":\"ClusterFirst\",\"hostNetwork\":true,"
          "\"securityContext\":{},\"schedulerName\":\"default-scheduler\"}},\"strategy\":{\"type\":\"RollingUpdate\","
          "\"rollingUpdate\":{\"maxUnavailable\":\"25%\",\"maxSurge\":\"25%\"}},\"revisionHistoryLimit\":10,"
          "\"progressDeadlineSeconds\":600}");
}

static void test_recreate_has_no_rolling_update(void **state)
{
    struct value *v CLEANUP_VALUE =
        decode_defaulted("apps", "Deployment", "{\"spec\":{\"replicas\":0,\"strategy\":{\"type\":\"Recreate\"}}}");

    (void)state;
    assert_null(value_path(v, "spec", "strategy", "rollingUpdate", NULL));
    assert_int_equal(value_int(value_path(v, "spec", "replicas", NULL)), 0); /* said, so not defaulted */
}

static const char *pull_policy(struct value *pod, size_t index)
{
    return value_str(value_get(value_at(value_path(pod, "spec", "containers", NULL), index), "imagePullPolicy"));
}

static void test_pull_policy_follows_the_tag(void **state)
{
    static const char *const images[][2] = {
        {"a", "Always"},
        {"a:latest", "Always"},
        {"a:1", "IfNotPresent"},
        {"host:5000/a", "Always"},
        {"host:5000/a:1", "IfNotPresent"},
        {"a@sha256:00", "IfNotPresent"},
        {"a:latest@sha256:00", "Always"},
    };
    BUF_LOCAL(body);
    struct value *v CLEANUP_VALUE = NULL;

    (void)state;
    buf_append_str(&body, "{\"spec\":{\"containers\":[");
    for (size_t i = 0; i < ARRAY_SIZE(images); i++)
        buf_printf(&body, "%s{\"name\":\"c%zu\",\"image\":\"%s\"}", i ? "," : "", i, images[i][0]);
    buf_append_str(&body, "]}}");
    v = decode_defaulted("", "Pod", buf_cstr(&body));
    for (size_t i = 0; i < ARRAY_SIZE(images); i++)
        assert_string_equal(pull_policy(v, i), images[i][1]);
}

static void test_probes_volumes_and_host_ports(void **state)
{
    struct value *v CLEANUP_VALUE = decode_defaulted(
        "", "Pod",
        "{\"spec\":{\"hostNetwork\":true,\"containers\":[{\"name\":\"c\",\"image\":\"a:1\",\"ports\":["
        "{\"containerPort\":80},{\"containerPort\":81,\"hostPort\":82}],\"livenessProbe\":{\"httpGet\":{\"port\":80},"
        "\"periodSeconds\":3}}],\"volumes\":[{\"name\":\"a\"},{\"name\":\"b\",\"secret\":{\"secretName\":\"s\"}},"
        "{\"name\":\"c\",\"hostPath\":{\"path\":\"/\"}}]}}");
    struct value *container = value_at(value_path(v, "spec", "containers", NULL), 0);
    BUF_LOCAL(text);

    (void)state;
    value_write(value_get(container, "ports"), &text);
    assert_string_equal(buf_cstr(&text), "[{\"hostPort\":80,\"containerPort\":80,\"protocol\":\"TCP\"},"
                                         "{\"hostPort\":82,\"containerPort\":81,\"protocol\":\"TCP\"}]");
    buf_reset(&text);
    value_write(value_get(container, "livenessProbe"), &text);
    assert_string_equal(buf_cstr(&text), "{\"httpGet\":{\"path\":\"/\",\"port\":80,\"scheme\":\"HTTP\"},"
                                         "\"timeoutSeconds\":1,\"periodSeconds\":3,\"successThreshold\":1,"
                                         "\"failureThreshold\":3}");
    buf_reset(&text);
    value_write(value_path(v, "spec", "volumes", NULL), &text);
    assert_string_equal(buf_cstr(&text), "[{\"name\":\"a\",\"emptyDir\":{}},{\"name\":\"b\",\"secret\":{\"secretName\":"
                                         "\"s\",\"defaultMode\":420}},{\"name\":\"c\",\"hostPath\":{\"path\":\"/\","
                                         "\"type\":\"\"}}]");
}

static void test_services(void **state)
{
    (void)state;
    check("", "Service", "{\"spec\":{\"ports\":[{\"port\":80},{\"port\":81,\"targetPort\":\"web\"}]}}", "spec",
          "{\"ports\":[{\"protocol\":\"TCP\",\"port\":80,\"targetPort\":80},{\"protocol\":\"TCP\",\"port\":81,"
          "\"targetPort\":\"web\"}],\"type\":\"ClusterIP\",\"sessionAffinity\":\"None\",\"ipFamilyPolicy\":"
          "\"SingleStack\",\"ipFamilies\":[\"IPv4\"],\"internalTrafficPolicy\":\"Cluster\"}");
    check("", "Service",
          "{\"spec\":{\"type\":\"LoadBalancer\",\"clusterIP\":\"10.0.0.1\",\"sessionAffinity\":\"ClientIP\"}}", "spec",
          "{\"clusterIP\":\"10.0.0.1\",\"type\":\"LoadBalancer\",\"sessionAffinity\":\"ClientIP\","
          "\"externalTrafficPolicy\":\"Cluster\",\"sessionAffinityConfig\":{\"clientIP\":{\"timeoutSeconds\":10800}},"
          "\"ipFamilyPolicy\":\"SingleStack\",\"clusterIPs\":[\"10.0.0.1\"],\"ipFamilies\":[\"IPv4\"],"
          "\"allocateLoadBalancerNodePorts\":true,\"internalTrafficPolicy\":\"Cluster\"}");
    check("", "Service", "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.b\"}}", "spec",
          "{\"type\":\"ExternalName\",\"sessionAffinity\":\"None\",\"externalName\":\"a.b\"}");
}

static void test_small_kinds(void **state)
{
    (void)state;
    check("", "Namespace", "{\"metadata\":{\"name\":\"n\"}}", "metadata",
          "{\"name\":\"n\",\"labels\":{\"kubernetes.io/metadata.name\":\"n\"}}");
    check(
        "", "Secret", "{\"stringData\":{\"a\":\"b\"},\"data\":{\"a\":\"\",\"c\":\"ZA==\"}}", NULL,
        "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{},\"data\":{\"a\":\"Yg==\",\"c\":\"ZA==\"},\"type\":"
        "\"Opaque\"}");
    check("", "Node", "{\"spec\":{\"podCIDR\":\"10.1.0.0/24\"}}", "spec",
          "{\"podCIDR\":\"10.1.0.0/24\",\"podCIDRs\":[\"10.1.0.0/24\"]}");
    check("rbac.authorization.k8s.io", "RoleBinding",
          "{\"roleRef\":{\"kind\":\"Role\",\"name\":\"r\",\"apiGroup\":\"\"},\"subjects\":[{\"kind\":\"User\",\"name\":"
          "\"u\"},{\"kind\":\"ServiceAccount\",\"name\":\"s\"}]}",
          "subjects",
          "[{\"kind\":\"User\",\"apiGroup\":\"rbac.authorization.k8s.io\",\"name\":\"u\"},{\"kind\":"
          "\"ServiceAccount\",\"name\":\"s\"}]");
    check("discovery.k8s.io", "EndpointSlice", "{\"ports\":[{\"port\":80}]}", "ports",
          "[{\"name\":\"\",\"protocol\":\"TCP\",\"port\":80}]");
}

static void test_amounts_are_rounded_up(void **state)
{
    struct value *v CLEANUP_VALUE =
        decode_defaulted("", "Node", "{\"status\":{\"capacity\":{\"cpu\":\"0.0101\",\"memory\":\"1Gi\"}}}");

    (void)state;
    assert_string_equal(value_str(value_path(v, "status", "capacity", "cpu", NULL)), "11m");
    assert_string_equal(value_str(value_path(v, "status", "allocatable", "cpu", NULL)), "11m");
    assert_string_equal(value_str(value_path(v, "status", "capacity", "memory", NULL)), "1Gi");
}

static void test_policies_and_limits(void **state)
{
    (void)state;
    check("networking.k8s.io", "NetworkPolicy",
          "{\"spec\":{\"podSelector\":{},\"egress\":[{\"ports\":[{\"port\":53}]}]}}", "spec",
          "{\"podSelector\":{},\"egress\":[{\"ports\":[{\"protocol\":\"TCP\",\"port\":53}]}],\"policyTypes\":["
          "\"Ingress\",\"Egress\"]}");
    check("", "LimitRange",
          "{\"spec\":{\"limits\":[{\"type\":\"Container\",\"max\":{\"cpu\":\"2\"},\"min\":{\"memory\":\"1\"}},{"
          "\"type\":\"Pod\",\"max\":{\"cpu\":\"4\"}}]}}",
          "spec",
          "{\"limits\":[{\"type\":\"Container\",\"max\":{\"cpu\":\"2\"},\"min\":{\"memory\":\"1\"},\"default\":{"
          "\"cpu\":\"2\"},\"defaultRequest\":{\"cpu\":\"2\",\"memory\":\"1\"}},{\"type\":\"Pod\",\"max\":{\"cpu\":"
          "\"4\"}}]}");
    check("admissionregistration.k8s.io", "MutatingWebhookConfiguration",
          "{\"webhooks\":[{\"name\":\"a\",\"clientConfig\":{\"service\":{\"namespace\":\"n\",\"name\":\"s\"}},"
          "\"rules\":[{\"operations\":[\"*\"]}],\"sideEffects\":\"None\",\"admissionReviewVersions\":[\"v1\"]}]}",
          "webhooks",
          "[{\"name\":\"a\",\"clientConfig\":{\"service\":{\"namespace\":\"n\",\"name\":\"s\",\"port\":443}},"
          "\"rules\":[{\"operations\":[\"*\"],\"scope\":\"*\"}],\"failurePolicy\":\"Fail\",\"namespaceSelector\":{},"
          "\"sideEffects\":\"None\",\"timeoutSeconds\":10,\"admissionReviewVersions\":[\"v1\"],\"matchPolicy\":"
          "\"Equivalent\",\"reinvocationPolicy\":\"Never\",\"objectSelector\":{}}]");
}

static void test_rules_stand_at_types_that_exist(void **state)
{
    size_t count;
    const struct schema_type *types = schema_types(&count);

    (void)state;
    for (size_t i = 0; default_rule_at(i); i++) {
        size_t found = 0;

        for (size_t j = 0; j < count; j++)
            found += !strcmp(schema_long_name(&types[j]), default_rule_at(i)->type);
        if (found != 1)
            fail_msg("a rule for %s, which is not there", default_rule_at(i)->type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pod),
        cmocka_unit_test(test_template_is_not_a_pod),
        cmocka_unit_test(test_recreate_has_no_rolling_update),
        cmocka_unit_test(test_pull_policy_follows_the_tag),
        cmocka_unit_test(test_probes_volumes_and_host_ports),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_small_kinds),
        cmocka_unit_test(test_amounts_are_rounded_up),
        cmocka_unit_test(test_policies_and_limits),
        cmocka_unit_test(test_rules_stand_at_types_that_exist),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
