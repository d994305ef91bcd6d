/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused of policies, ingresses, webhooks, budgets, classes and limits. */
#include "tests/unit/api/validate_rows.h"

#define OBJECT(version, kind, rest)                                                                                    \
    "{\"apiVersion\":\"" version "\",\"kind\":\"" kind "\",\"metadata\":{\"name\":\"x\"" rest "}"
#define NETWORK_POLICY OBJECT("networking.k8s.io/v1", "NetworkPolicy", ",\"namespace\":\"n\"},\"spec\":{}")
#define INGRESS                                                                                                        \
    OBJECT(                                                                                                            \
        "networking.k8s.io/v1", "Ingress",                                                                             \
        ",\"namespace\":\"n\"},\"spec\":{\"defaultBackend\":{\"service\":{\"name\":\"s\",\"port\":{\"number\":80}}}}")
#define INGRESS_CLASS OBJECT("networking.k8s.io/v1", "IngressClass", "},\"spec\":{\"controller\":\"a.b/c\"}")
#define WEBHOOK(more)                                                                                                  \
    "{\"name\":\"a.b.c\",\"clientConfig\":{\"service\":{\"namespace\":\"n\",\"name\":\"s\"}},\"sideEffects\":"         \
    "\"None\","                                                                                                        \
    "\"admissionReviewVersions\":[\"v1\"],\"rules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"operations\":["  \
    "\"CREATE\"],\"resources\":[\"pods\"]}]" more "}"
#define WEBHOOKS                                                                                                       \
    OBJECT("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "},\"webhooks\":[" WEBHOOK("") "]")
#define MUTATING                                                                                                       \
    OBJECT("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration", "},\"webhooks\":[" WEBHOOK("") "]")
#define POLICY                                                                                                         \
    OBJECT("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy",                                             \
           "},\"spec\":{\"matchConstraints\":{\"resourceRules\":[{\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],"      \
           "\"operations\":[\"*\"],\"resources\":[\"pods\"]}]},\"validations\":[{\"expression\":\"true\"}]}")
#define POLICY_BINDING                                                                                                 \
    OBJECT("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding",                                      \
           "},\"spec\":{\"policyName\":\"p\",\"validationActions\":[\"Deny\"]}")
#define BUDGET   OBJECT("policy/v1", "PodDisruptionBudget", ",\"namespace\":\"n\"},\"spec\":{\"selector\":{}}")
#define PRIORITY OBJECT("scheduling.k8s.io/v1", "PriorityClass", "},\"value\":10")
#define RUNTIME  OBJECT("node.k8s.io/v1", "RuntimeClass", "},\"handler\":\"h\"")
#define QUOTA    OBJECT("v1", "ResourceQuota", ",\"namespace\":\"n\"},\"spec\":{\"hard\":{\"pods\":\"1\"}}")
#define LIMITS                                                                                                         \
    OBJECT("v1", "LimitRange",                                                                                         \
           ",\"namespace\":\"n\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"max\":{\"cpu\":\"1\"}}]}")

static void test_good_objects(void **state)
{
    static const char *const objects[] = {NETWORK_POLICY, INGRESS, INGRESS_CLASS, WEBHOOKS, MUTATING, POLICY,
                                          POLICY_BINDING, BUDGET,  PRIORITY,      RUNTIME,  QUOTA,    LIMITS};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        const struct row row = {objects[i], "{}", ""};

        check_rows(&row, 1);
        check_update(objects[i], "{}", "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}", "");
    }
}

static void test_network_policy(void **state)
{
    static const struct row rows[] = {
        {NETWORK_POLICY, "{\"spec\":{\"ingress\":[{\"from\":[{}]}]}}",
         "spec.ingress[0].from[0]: Required value: must specify a peer"},
        {NETWORK_POLICY,
         "{\"spec\":{\"egress\":[{\"to\":[{\"ipBlock\":{\"cidr\":\"10.0.0.0/8\"},\"podSelector\":{}}]}]}}",
         "spec.egress[0].to[0]: Forbidden: may not specify both ipBlock and another peer"},
        {NETWORK_POLICY,
         "{\"spec\":{\"ingress\":[{\"from\":[{\"ipBlock\":{\"cidr\":\"10.0.0.0/16\",\"except\":[\"10.0.1.0/24\","
         "\"11.0.0.0/24\",\"10.0.0.0/16\",\"x\"]}}]}]}}",
         "spec.ingress[0].from[0].ipBlock.except[1]: Invalid value: \"11.0.0.0/24\": must be a strict subset of "
         "`cidr`\nspec.ingress[0].from[0].ipBlock.except[2]: Invalid value: \"10.0.0.0/16\": must be a strict subset "
         "of `cidr`\nspec.ingress[0].from[0].ipBlock.except[3]: Invalid value: \"x\": must be a valid CIDR value~"},
        {NETWORK_POLICY, "{\"spec\":{\"ingress\":[{\"from\":[{\"ipBlock\":{}}]}]}}",
         "spec.ingress[0].from[0].ipBlock.cidr: Required value"},
        {NETWORK_POLICY, "{\"spec\":{\"ingress\":[{\"ports\":[{\"port\":0},{\"port\":80,\"endPort\":70}]}]}}",
         "spec.ingress[0].ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive\n"
         "spec.ingress[0].ports[1].endPort: Invalid value: 70: must be greater than or equal to `port`"},
        {NETWORK_POLICY, "{\"spec\":{\"ingress\":[{\"ports\":[{\"port\":1,\"protocol\":\"X\"}]}]}}",
         "spec.ingress[0].ports[0].protocol: Unsupported value: \"X\": supported values: \"TCP\", \"UDP\", \"SCTP\""},
        {NETWORK_POLICY, "{\"spec\":{\"policyTypes\":[\"Ingress\",\"Foo\"]}}",
         "spec.policyTypes[1]: Unsupported value: \"Foo\": supported values: \"Ingress\", \"Egress\""},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

#define PATHS(path) "{\"spec\":{\"rules\":[{\"host\":\"a.b\",\"http\":{\"paths\":[" path "]}}]}}"
#define TO_S        "\"backend\":{\"service\":{\"name\":\"s\",\"port\":{\"number\":80}}}"

static void test_ingress(void **state)
{
    static const struct row rows[] = {
        {INGRESS, "{\"spec\":null}", "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"},
        {INGRESS, PATHS("{\"path\":\"/\"," TO_S "}"),
         "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified"},
        {INGRESS, PATHS("{\"path\":\"a\",\"pathType\":\"Prefix\"," TO_S "}"),
         "spec.rules[0].http.paths[0].path: Invalid value: \"a\": must be an absolute path"},
        {INGRESS, PATHS("{\"path\":\"/a//b/../c%2f\",\"pathType\":\"Prefix\"," TO_S "}"),
         "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b/../c%2f\": must not contain '//'\n"
         "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b/../c%2f\": must not contain '/../'\n"
         "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b/../c%2f\": must not contain '%2f'"},
        {INGRESS, PATHS("{\"path\":\"/\",\"pathType\":\"Prefix\",\"backend\":{}}"),
         "spec.rules[0].http.paths[0].backend: Invalid value: \"\": resource or service backend is required"},
        {INGRESS, PATHS("{\"path\":\"/\",\"pathType\":\"Prefix\",\"backend\":{\"service\":{\"name\":\"s\"}}}"),
         "spec.rules[0].http.paths[0].backend: Required value: port name or number is required"},
        {INGRESS, "{\"spec\":{\"rules\":[{\"host\":\"1.2.3.4\"},{\"host\":\"a.*.b\"},{\"host\":\"*.b\"}]}}",
         "spec.rules[0].host: Invalid value: \"1.2.3.4\": must be a DNS name, not an IP address\n"
         "spec.rules[1].host: Invalid value: \"a.*.b\": a wildcard DNS-1123 subdomain~"},
        {INGRESS_CLASS, "{\"spec\":{\"controller\":\"abc\"}}",
         "spec.controller: Invalid value: \"abc\": must be a domain-prefixed path (such as \"acme.io/foo\")"},
        {INGRESS_CLASS, "{\"spec\":{\"controller\":null}}", "spec.controller: Required value"},
        {INGRESS_CLASS, "{\"spec\":{\"parameters\":{\"kind\":\"\",\"name\":\"\"}}}",
         "spec.parameters.kind: Required value: kind is required\n"
         "spec.parameters.name: Required value: name is required"},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
    check_update(INGRESS_CLASS, "{}", "{\"spec\":{\"controller\":\"d.e/f\"}}",
                 "spec.controller: Invalid value: \"d.e/f\": field is immutable");
}

#define HOOK(field) "{\"webhooks\":[" WEBHOOK("," field) "]}"

static void test_webhooks(void **state)
{
    static const struct row rows[] = {
        {WEBHOOKS, "{\"webhooks\":[{\"name\":\"abc\",\"clientConfig\":{}}]}",
         "webhooks[0].name: Invalid value: \"abc\": should be a domain with at least three segments separated by dots\n"
         "webhooks[0].sideEffects: Required value: must specify one of None, NoneOnDryRun\n"
         "webhooks[0].admissionReviewVersions: Required value: must specify one of v1, v1beta1\n"
         "webhooks[0].clientConfig: Required value: exactly one of url or service is required"},
        {MUTATING, HOOK("\"failurePolicy\":\"X\",\"matchPolicy\":\"Y\",\"timeoutSeconds\":31"),
         "webhooks[0].failurePolicy: Unsupported value: \"X\": supported values: \"Fail\", \"Ignore\"\n"
         "webhooks[0].matchPolicy: Unsupported value: \"Y\": supported values: \"Equivalent\", \"Exact\"\n"
         "webhooks[0].timeoutSeconds: Invalid value: 31: the timeout value must be between 1 and 30 seconds"},
        {WEBHOOKS, "{\"webhooks\":[" WEBHOOK("") "," WEBHOOK("") "]}", "webhooks[1].name: Duplicate value: \"a.b.c\""},
        {POLICY, "{\"spec\":null}",
         "spec.matchConstraints: Required value\n"
         "spec.validations: Required value: validations or auditAnnotations must contain at least one item\n"
         "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item"},
        {POLICY_BINDING, "{\"spec\":null}", "spec.policyName: Required value\nspec.validationActions: Required value"},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_webhook_details(void **state)
{
    static const char *const base =
        OBJECT("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", "},\"webhooks\":[]");
    static const struct row rows[] = {
        {base,
         "{\"webhooks\":[{\"name\":\"a.b.c\",\"sideEffects\":\"None\",\"admissionReviewVersions\":[\"v9\"],"
         "\"clientConfig\":{\"url\":\"https://u@a/b?c#d\"},\"rules\":[{}]}]}",
         "webhooks[0].rules[0].operations: Required value\nwebhooks[0].rules[0].apiGroups: Required value\n"
         "webhooks[0].rules[0].apiVersions: Required value\nwebhooks[0].rules[0].resources: Required value\n"
         "webhooks[0].admissionReviewVersions: Invalid value: [\"v9\"]: must include at least one of v1, v1beta1\n"
         "webhooks[0].clientConfig.url: Invalid value: \"u\": user information is not permitted in the URL\n"
         "webhooks[0].clientConfig.url: Invalid value: \"d\": fragments are not permitted in the URL\n"
         "webhooks[0].clientConfig.url: Invalid value: \"c\": query parameters are not permitted in the URL"},
        {base,
         "{\"webhooks\":[{\"name\":\"a.b.c\",\"sideEffects\":\"None\",\"admissionReviewVersions\":[\"v1\"],"
         "\"clientConfig\":{\"service\":{\"port\":0,\"path\":\"x\"}},\"rules\":[{\"operations\":[\"*\",\"CREATE\"],"
         "\"apiGroups\":[\"\"],\"apiVersions\":[\"v1\"],\"resources\":[\"*\",\"pods\"]}]}]}",
         "webhooks[0].rules[0].operations: Invalid value: [\"*\",\"CREATE\"]: if '*' is present, must not specify "
         "other operations\nwebhooks[0].rules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must "
         "not specify other resources without subresources\n"
         "webhooks[0].clientConfig.service.name: Required value: service name is required\n"
         "webhooks[0].clientConfig.service.namespace: Required value: service namespace is required\n"
         "webhooks[0].clientConfig.service.port: Invalid value: 0: port is not valid: must be between 1 and 65535, "
         "inclusive\nwebhooks[0].clientConfig.service.path: Invalid value: \"x\": must start with a '/'"},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_budgets_and_classes(void **state)
{
    static const struct row rows[] = {
        {BUDGET, "{\"spec\":{\"minAvailable\":1,\"maxUnavailable\":1}}",
         "spec: Invalid value: {\"minAvailable\":1,\"selector\":{},\"maxUnavailable\":1}: minAvailable and "
         "maxUnavailable cannot be both set"},
        {BUDGET, "{\"spec\":{\"minAvailable\":-1}}",
         "spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"},
        {BUDGET, "{\"spec\":{\"maxUnavailable\":\"120%\"}}",
         "spec.maxUnavailable: Invalid value: \"120%\": must not be greater than 100%"},
        {BUDGET, "{\"spec\":{\"maxUnavailable\":\"abc\"}}",
         "spec.maxUnavailable: Invalid value: \"abc\": a valid percent string~"},
        {BUDGET, "{\"spec\":{\"unhealthyPodEvictionPolicy\":\"X\"}}",
         "spec.unhealthyPodEvictionPolicy: Unsupported value: \"X\": supported values: \"AlwaysAllow\", "
         "\"IfHealthyBudget\""},
        {PRIORITY, "{\"value\":1000000001}",
         "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"},
        {PRIORITY, "{\"metadata\":{\"name\":\"system-foo\"}}",
         "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
         "error: system-foo is not a known system priority class"},
        {PRIORITY, "{\"metadata\":{\"name\":\"system-node-critical\"},\"value\":2000001000}", ""},
        {PRIORITY, "{\"preemptionPolicy\":\"X\"}",
         "preemptionPolicy: Unsupported value: \"X\": supported values: \"PreemptLowerPriority\", \"Never\""},
        {RUNTIME, "{\"handler\":\"A_\"}", "handler: Invalid value: \"A_\": a lowercase RFC 1123 label~"},
        {RUNTIME, "{\"overhead\":{\"podFixed\":{\"cpu\":\"-1\"}}}",
         "overhead.podFixed[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
    check_update(PRIORITY, "{}", "{\"value\":11}", "value: Forbidden: may not be changed in an update.");
    check_update(RUNTIME, "{}", "{\"handler\":\"i\"}", "handler: Invalid value: \"i\": field is immutable");
}

#define LIMIT(rest) "{\"spec\":{\"limits\":[{" rest "}]}}"

static void test_limits(void **state)
{
    static const struct row rows[] = {
        {QUOTA, "{\"spec\":{\"hard\":{\"cpu\":\"-1\"}}}",
         "spec.hard[cpu]: Invalid value: \"-1\": must be greater than or equal to 0"},
        {QUOTA, "{\"spec\":{\"hard\":{\"foo\":\"1\",\"pods\":\"1.5\",\"count/jobs.batch\":\"2\"}}}",
         "spec.hard[pods]: Invalid value: \"1500m\": must be an integer\n"
         "spec.hard[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified\n"
         "spec.hard[foo]: Invalid value: \"foo\": must be a standard resource for quota"},
        {QUOTA, "{\"spec\":{\"scopes\":[\"Foo\"]}}", "spec.scopes: Invalid value: [\"Foo\"]: unsupported scope"},
        {QUOTA, "{\"spec\":{\"scopes\":[\"BestEffort\",\"NotBestEffort\"]}}",
         "spec.scopes: Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting scopes"},
        {QUOTA, "{\"spec\":{\"hard\":{\"services\":\"1\",\"pods\":null},\"scopes\":[\"Terminating\"]}}",
         "spec.scopes: Invalid value: [\"Terminating\"]: unsupported scope applied to resource"},
        {QUOTA,
         "{\"spec\":{\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"PriorityClass\",\"operator\":\"In\"},"
         "{\"scopeName\":\"X\",\"operator\":\"Y\"}]}}}",
         "spec.scopeSelector.matchExpressions.values: Required value: must be at least one value when `operator` is "
         "'In' or 'NotIn' for scope selector\n"
         "spec.scopeSelector.matchExpressions.scopeName: Invalid value: \"X\": unsupported scope\n"
         "spec.scopeSelector.matchExpressions.operator: Invalid value: \"Y\": not a valid selector operator"},
        {LIMITS, LIMIT("\"type\":\"Container\",\"maxLimitRequestRatio\":{\"cpu\":\"0.5\"}"),
         "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m is less than 1"},
        {LIMITS,
         LIMIT("\"type\":\"Container\",\"maxLimitRequestRatio\":{\"cpu\":\"10\"},\"min\":{\"cpu\":\"1\"},\"max\":{"
               "\"cpu\":\"2\"}"),
         "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"10\": ratio 10 is greater than max/min = "
         "2.000000"},
        {LIMITS, LIMIT("\"type\":\"Foo\""),
         "spec.limits[0].type: Invalid value: \"Foo\": must be a standard limit type or fully qualified"},
        {LIMITS, "{\"spec\":{\"limits\":[{\"type\":\"Pod\"},{\"type\":\"Pod\"}]}}",
         "spec.limits[1].type: Duplicate value: \"Pod\""},
        {LIMITS, LIMIT("\"type\":\"Pod\",\"default\":{\"cpu\":\"1\"}"),
         "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'"},
        {LIMITS, LIMIT("\"type\":\"Container\",\"defaultRequest\":{\"cpu\":\"2\"},\"default\":{\"cpu\":\"1\"}"),
         "spec.limits[0].defaultRequest[cpu]: Invalid value: \"2\": default request value 2 is greater than default "
         "limit value 1"},
        {LIMITS, LIMIT("\"type\":\"Container\",\"min\":{\"cpu\":\"2\"},\"max\":{\"cpu\":\"1\"}"),
         "spec.limits[0].min[cpu]: Invalid value: \"2\": min value 2 is greater than max value 1\n"
         "spec.limits[0].defaultRequest[cpu]: Invalid value: \"1\": min value 2 is greater than default request value "
         "1\n"
         "spec.limits[0].default[cpu]: Invalid value: \"2\": min value 2 is greater than default value 1"},
        {LIMITS, LIMIT("\"type\":\"Pod\",\"max\":{\"pods\":\"1\"}"),
         "spec.limits[0].max[pods]: Invalid value: \"pods\": must be a standard resource for containers"},
        {LIMITS, LIMIT("\"type\":\"PersistentVolumeClaim\",\"max\":{\"cpu\":\"1\"}"),
         "spec.limits[0].limits: Required value: either minimum or maximum storage value is required, but neither was "
         "provided"},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
    check_update(QUOTA, "{}", "{\"spec\":{\"scopes\":[\"BestEffort\"]}}",
                 "spec.scopes: Invalid value: [\"BestEffort\"]: field is immutable");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_objects),    cmocka_unit_test(test_network_policy),
        cmocka_unit_test(test_ingress),         cmocka_unit_test(test_webhooks),
        cmocka_unit_test(test_webhook_details), cmocka_unit_test(test_budgets_and_classes),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
