/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused, kind by kind; pods have validate_pod.c. */
#include "tests/unit/api/validate_rows.h"

#include <stdio.h>

#define DEPLOYMENT                                                                                                     \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\",\"metadata\":{\"name\":\"d\",\"namespace\":\"n\"},\"spec\":{" \
    "\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"    \
    "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"
#define SERVICE                                                                                                        \
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"s\",\"namespace\":\"n\"},\"spec\":{"         \
    "\"clusterIP\":\"10.0.0.1\",\"clusterIPs\":[\"10.0.0.1\"],\"ports\":[{\"port\":80}]}}"
#define CONFIG_MAP                                                                                                     \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"m\",\"namespace\":\"n\"},\"data\":{"       \
    "\"k\":\"v\"}}"
#define SECRET                                                                                                         \
    "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"m\",\"namespace\":\"n\"},\"data\":{"          \
    "\"k\":\"dg==\"}}"
#define NODE "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"},\"spec\":{}}"
#define EVENT                                                                                                          \
    "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"e\",\"namespace\":\"n\"},\"involvedObject\":{" \
    "\"namespace\":\"n\"}}"
#define ENDPOINTS                                                                                                      \
    "{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"e\",\"namespace\":\"n\"},\"subsets\":[{"   \
    "\"addresses\":[{\"ip\":\"10.0.0.1\"}],\"ports\":[{\"port\":80}]}]}"
#define ENDPOINT_SLICE                                                                                                 \
    "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"e\",\"namespace\":"   \
    "\"n\"},\"addressType\":\"IPv4\",\"endpoints\":[{\"addresses\":[\"10.0.0.1\"]}],\"ports\":[{\"port\":80}]}"
/* "request" is an empty PEM block of the right type. */
#define CSR                                                                                                            \
    "{\"apiVersion\":\"certificates.k8s.io/v1\",\"kind\":\"CertificateSigningRequest\",\"metadata\":{\"name\":\"c\"}," \
    "\"spec\":{\"signerName\":\"kubernetes.io/kube-apiserver-client\",\"usages\":[\"client auth\"],\"request\":"       \
    "\"LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==\"}}"
#define LEASE                                                                                                          \
    "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{\"name\":\"l\",\"namespace\":\"n\"}," \
    "\"spec\":{\"holderIdentity\":\"h\",\"leaseDurationSeconds\":40}}"
#define RBAC_OF(kind, rest)                                                                                            \
    "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"" kind "\",\"metadata\":{\"name\":\"r:x\"" rest "}"
#define ROLE         RBAC_OF("Role", ",\"namespace\":\"n\"},\"rules\":[]")
#define CLUSTER_ROLE RBAC_OF("ClusterRole", "},\"rules\":[]")
#define ROLE_BINDING                                                                                                   \
    RBAC_OF("RoleBinding", ",\"namespace\":\"n\"},\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"view\"}")
#define CLUSTER_ROLE_BINDING RBAC_OF("ClusterRoleBinding", "},\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"view\"}")
#define NAMESPACE            "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"n\"}}"

static void test_good_objects(void **state)
{
    static const char *const objects[] = {POD,   DEPLOYMENT,     SERVICE, CONFIG_MAP, SECRET,   NODE,
                                          EVENT, ENDPOINT_SLICE, CSR,     LEASE,      NAMESPACE};

    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        const struct row row = {objects[i], "{}", ""};

        check_rows(&row, 1);
        check_update(objects[i], "{}", "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}", "");
    }
}

static void test_metadata(void **state)
{
    static const struct row rows[] = {
        {POD, "{\"metadata\":{\"name\":null}}", "metadata.name: Required value: name or generateName is required"},
        {POD, "{\"metadata\":{\"name\":\"A\"}}",
         "metadata.name: Invalid value: \"A\": a lowercase RFC 1123 subdomain~"},
        {NAMESPACE, "{\"metadata\":{\"name\":\"a.b\"}}",
         "metadata.name: Invalid value: \"a.b\": must not contain dots"},
        {SERVICE, "{\"metadata\":{\"name\":\"1a\"}}", "metadata.name: Invalid value: \"1a\": a DNS-1035 label~"},
        {POD, "{\"metadata\":{\"generateName\":\"x-\"}}", ""},
        {POD, "{\"metadata\":{\"generateName\":\"X-\"}}", "metadata.generateName: Invalid value: \"X-\": a lowercase~"},
        {POD, "{\"metadata\":{\"namespace\":null}}", "metadata.namespace: Required value"},
        {NODE, "{\"metadata\":{\"namespace\":\"x\"}}", "metadata.namespace: Forbidden: not allowed on this type"},
        {POD, "{\"metadata\":{\"labels\":{\"a b\":\"c d\"}}}",
         "metadata.labels: Invalid value: \"a b\": name part must consist~\nmetadata.labels: Invalid value: \"c d\": a "
         "valid label~"},
        {POD, "{\"metadata\":{\"annotations\":{\"UPPER.example/x\":\"any text\\n\"}}}", ""},
        {POD, "{\"metadata\":{\"annotations\":{\"a b\":\"\"}}}",
         "metadata.annotations: Invalid value: \"a b\": name part~"},
        {POD, "{\"metadata\":{\"finalizers\":[\"a.b/c\",\"x\"]}}",
         "metadata.finalizers[1]: Invalid value: \"x\": name is neither a standard finalizer name nor is it fully "
         "qualified"},
        {POD,
         "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"\",\"name\":\"a\",\"uid\":\"u\"}]}}",
         "metadata.ownerReferences.kind: Invalid value: \"\": must not be empty"},
        {POD,
         "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"A\",\"name\":\"a\",\"uid\":\"u\","
         "\"controller\":"
         "true},{\"apiVersion\":\"v1\",\"kind\":\"B\",\"name\":\"b\",\"uid\":\"w\",\"controller\":true}]}}",
         "metadata.ownerReferences: Invalid value: [{~"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
    check_update(POD, "{\"metadata\":{\"uid\":\"1\"}}", "{\"metadata\":{\"uid\":\"2\"}}",
                 "metadata.uid: Invalid value: \"2\": field is immutable");
    check_update(POD, "{\"metadata\":{\"deletionTimestamp\":\"2020-01-01T00:00:00Z\",\"finalizers\":[\"a/b\"]}}",
                 "{\"metadata\":{\"finalizers\":[\"a/b\",\"a/c\"]}}",
                 "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted");
}

static void test_annotations_size(void **state)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(text);
    struct value *pod CLEANUP_VALUE = changed(POD, "{}");

    memset(buf_reserve(&text, 262144), 'x', 262144);
    text.len = 262144;
    value_set(value_need_object(value_get(pod, "metadata"), "annotations"), "a", value_new_string(buf_slice(&text)));
    assert_int_equal(validate_object(kind_of(pod), pod, NULL, "", &err), -ERROR_INVALID);
    assert_string_equal(err.message,
                        "Pod \"p\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes");
}

static void test_other_writes(void **state)
{
    check_write(POD, "binding", "{}", "{\"spec\":{\"nodeName\":\"n\"}}", "");
    check_write(POD, "binding", "{\"spec\":{\"nodeName\":\"n\"}}", "{\"spec\":{\"nodeName\":\"m\"}}",
                "spec: Forbidden: ~");
    check_write(POD, "ephemeralcontainers", "{}",
                "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"i\"}]}}", "");
    check_write(POD, "status", "{}",
                "{\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}", "");
    check_write(CSR, "approval", "{}", "{\"status\":{\"conditions\":[{\"type\":\"Approved\",\"status\":\"False\"}]}}",
                "status.conditions[0].status: Unsupported value: \"False\": supported values: \"True\"");
    check_write(
        CSR, "approval", "{}",
        "{\"status\":{\"conditions\":[{\"type\":\"Denied\",\"status\":\"True\"},{\"type\":\"Approved\",\"status\":"
        "\"True\"}]}}",
        "status.conditions[1].type: Invalid value: \"Approved\": Approved and Denied conditions are mutually "
        "exclusive");
    check_write(CSR, "status", "{}", "{\"status\":{\"certificate\":\"eHl6\"}}",
                "status.certificate: Invalid value: \"<certificate data>\": must contain at least one CERTIFICATE PEM "
                "block");
}

static void test_workloads(void **state)
{
    static const struct row rows[] = {
        {DEPLOYMENT, "{\"spec\":null}",
         "spec.selector: Required value\nspec.template.metadata.labels: Invalid value: null: `selector` does not match "
         "template `labels`\n"
         "spec.template.spec.containers: Required value"},
        {DEPLOYMENT, "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"z\"}}}}",
         "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`"},
        {DEPLOYMENT, "{\"spec\":{\"selector\":{\"matchLabels\":null}}}",
         "spec.selector: Invalid value: {}: empty selector is invalid for deployment"},
        {DEPLOYMENT, "{\"spec\":{\"selector\":{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"X\"}]}}}",
         "spec.selector.matchExpressions[0].operator: Invalid value: \"X\": not a valid selector operator\n"
         "spec.selector: Invalid value: {~"},
        {DEPLOYMENT, "{\"spec\":{\"replicas\":-1,\"minReadySeconds\":700}}",
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0\n"
         "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"},
        {DEPLOYMENT, "{\"spec\":{\"template\":{\"spec\":{\"restartPolicy\":\"Never\",\"activeDeadlineSeconds\":5}}}}",
         "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\"\n"
         "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported"},
        {DEPLOYMENT, "{\"spec\":{\"template\":{\"metadata\":{\"labels\":{\"x y\":\"\"}}}}}",
         "spec.template.labels: Invalid value: \"x y\": name part~"},
        {DEPLOYMENT, "{\"spec\":{\"strategy\":{\"rollingUpdate\":{\"maxSurge\":0,\"maxUnavailable\":\"0%\"}}}}",
         "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0"},
        {DEPLOYMENT, "{\"spec\":{\"strategy\":{\"rollingUpdate\":{\"maxSurge\":\"abc\",\"maxUnavailable\":\"200%\"}}}}",
         "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"abc\": a valid percent string~\n"
         "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"200%\": must not be greater than 100%"},
        {DEPLOYMENT, "{\"spec\":{\"strategy\":{\"type\":\"Recreate\",\"rollingUpdate\":{\"maxSurge\":1}}}}",
         "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
    check_update(DEPLOYMENT, "{}",
                 "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"c\"}},\"template\":{\"metadata\":{\"labels\":{"
                 "\"a\":\"c\"}}}}}",
                 "spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"c\"}}: field is immutable");
}

static void test_services(void **state)
{
    static const struct row rows[] = {
        {SERVICE, "{\"spec\":{\"ports\":null}}", "spec.ports: Required value"},
        {SERVICE, "{\"spec\":{\"ports\":null,\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]}}", ""},
        {SERVICE, "{\"spec\":{\"ports\":[{\"port\":80},{\"port\":80,\"name\":\"A\"}]}}",
         "spec.ports[0].name: Required value\nspec.ports[1].name: Invalid value: \"A\": a lowercase RFC 1123 label~\n"
         "spec.ports[1]: Duplicate value: {\"protocol\":\"TCP\",\"port\":80}"},
        {SERVICE, "{\"spec\":{\"ports\":[{\"port\":65536,\"targetPort\":\"a_b\",\"nodePort\":30000}]}}",
         "spec.ports[0].port: Invalid value: 65536: must be between 1 and 65535, inclusive\n"
         "spec.ports[0].targetPort: Invalid value: \"a_b\": must contain only alpha-numeric~\n"
         "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"},
        {SERVICE, "{\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"]}}",
         "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"},
        {SERVICE, "{\"spec\":{\"clusterIP\":\"x\",\"clusterIPs\":[\"x\"]}}",
         "spec.clusterIPs[0]: Invalid value: \"x\": must be a valid IP~"},
        {SERVICE, "{\"spec\":{\"type\":\"LoadBalancer\",\"loadBalancerSourceRanges\":[\" 10.0.0.0/8 \",\"10.0.0.1\"]}}",
         "spec.LoadBalancerSourceRanges[1]: Invalid value: \"10.0.0.1\": must be a valid CIDR~"},
        {SERVICE, "{\"spec\":{\"loadBalancerSourceRanges\":[\"10.0.0.0/8\"]}}",
         "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'"},
        {SERVICE, "{\"spec\":{\"type\":\"ExternalName\"}}",
         "spec.clusterIPs: Forbidden: may not be set for ExternalName services\nspec.externalName: Required value"},
        {SERVICE, "{\"spec\":{\"selector\":{\"a\":\"b c\"},\"sessionAffinity\":\"X\"}}",
         "spec.selector: Invalid value: \"b c\": a valid label~\nspec.sessionAffinity: Unsupported value~"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
    check_update(SERVICE, "{}", "{\"spec\":{\"clusterIP\":\"10.0.0.2\",\"clusterIPs\":[\"10.0.0.2\"]}}",
                 "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set");
    check_update(SERVICE, "{}", "{\"spec\":{\"clusterIP\":null,\"clusterIPs\":null}}",
                 "spec.clusterIPs[0]: Invalid value: []: primary clusterIP can not be unset");
    check_update(
        SERVICE, "{}",
        "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.b\",\"clusterIP\":null,\"clusterIPs\":null}}", "");
}

static void test_small_kinds(void **state)
{
    static const struct row rows[] = {
        {CONFIG_MAP, "{\"data\":{\"a b\":\"\",\"..x\":\"\",\".\":\"\"}}",
         "data[a b]: Invalid value: \"a b\": a valid config key~\ndata[..x]: Invalid value: \"..x\": must not start "
         "with '..'\n"
         "data[.]: Invalid value: \".\": must not be '.'"},
        {CONFIG_MAP, "{\"binaryData\":{\"k\":\"\"}}",
         "data[k]: Invalid value: \"k\": duplicate of key present in binaryData"},
        {SECRET, "{\"type\":\"kubernetes.io/tls\"}", "data[tls.crt]: Required value\ndata[tls.key]: Required value"},
        {SECRET, "{\"type\":\"kubernetes.io/dockerconfigjson\",\"data\":{\".dockerconfigjson\":\"eA==\"}}",
         "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": ~"},
        {SECRET, "{\"type\":\"kubernetes.io/dockerconfigjson\",\"data\":{\".dockerconfigjson\":\"e30=\"}}", ""},
        {SECRET, "{\"type\":\"kubernetes.io/service-account-token\"}",
         "metadata.annotations[kubernetes.io/service-account.name]: Required value"},
        {NAMESPACE, "{\"spec\":{\"finalizers\":[\"x\",\"a b\"]}}",
         "spec.finalizers: Invalid value: \"x\": name is neither~\nspec.finalizers: Invalid value: \"a b\": name "
         "part~\n"
         "spec.finalizers: Invalid value: \"a b\": name is neither~"},
        {NODE,
         "{\"spec\":{\"taints\":[{\"key\":\"a\",\"effect\":\"NoSchedule\"},{\"key\":\"a\",\"effect\":\"NoSchedule\"},{"
         "\"effect\":\"X\"}]}}",
         "spec.taints[2].effect: Unsupported value: \"X\"~\nspec.taints[2].key: Invalid value: \"\": name part must be "
         "non-empty\nspec.taints[2].key: Invalid value: \"\": name part must consist~\n"
         "spec.taints[1]: Duplicate value: {\"key\":\"a\",\"effect\":\"NoSchedule\"}"},
        {NODE, "{\"spec\":{\"podCIDRs\":[\"10.0.0.0/24\",\"x\"]}}",
         "spec.podCIDRs[1]: Invalid value: \"x\": must be a valid CIDR~"},
        {NODE, "{\"spec\":{\"podCIDRs\":[\"10.0.0.0/24\",\"10.0.1.0/24\"]}}",
         "spec.podCIDRs: Invalid value: [\"10.0.0.0/24\",\"10.0.1.0/24\"]: may specify no more than one CIDR for each "
         "IP family"},
        {NODE, "{\"spec\":{\"podCIDRs\":[\"10.0.0.0/24\",\"fd00::/64\"]}}", ""},
        {NODE, "{\"status\":{\"capacity\":{\"cpu\":\"-3\"}}}",
         "status.capacity.cpu: Invalid value: \"-3\": must be greater than or equal to 0\nstatus.allocatable.cpu: ~"},
        {EVENT, "{\"involvedObject\":{\"namespace\":\"other\"}}",
         "involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"},
        {ENDPOINT_SLICE,
         "{\"addressType\":\"X\",\"endpoints\":[{\"addresses\":[\"a\"]},{\"addresses\":[]}],\"ports\":[{\"port\":0}]}",
         "addressType: Unsupported value: \"X\": supported values: \"FQDN\", \"IPv4\", \"IPv6\"\n"
         "endpoints[1].addresses: Required value: must contain at least 1 address\nports[0].port: Invalid value: 0~"},
        {ENDPOINT_SLICE, "{\"endpoints\":[{\"addresses\":[\"a\"]},{\"addresses\":[\"fd00::1\"]}]}",
         "endpoints[0].addresses[0]: Invalid value: \"a\": must be a valid IPv4 address\n"
         "endpoints[1].addresses[0]: Invalid value: \"fd00::1\": must be a valid IPv4 address"},
        {ENDPOINT_SLICE,
         "{\"addressType\":\"IPv6\",\"endpoints\":[{\"addresses\":[\"fe90::1\",\"::1\",\"::\",\"ff02::5\",\"fd00::1\"]}"
         "]}",
         "endpoints[0].addresses[0]: Invalid value: \"fe90::1\": may not be in the link-local range (~\n"
         "endpoints[0].addresses[1]: Invalid value: \"::1\": may not be in the loopback range (~\n"
         "endpoints[0].addresses[2]: Invalid value: \"::\": may not be unspecified (0.0.0.0 or ::)\n"
         "endpoints[0].addresses[3]: Invalid value: \"ff02::5\": may not be in the link-local multicast range (~"},
        {ENDPOINTS, "{\"subsets\":[{}]}",
         "subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`"},
        {ENDPOINTS,
         "{\"subsets\":[{\"addresses\":[{\"ip\":\"x\"},{\"ip\":\"127.0.0.1\"},{\"ip\":\"10.0.0.1\",\"hostname\":\"A_\"}"
         "],"
         "\"notReadyAddresses\":[{\"ip\":\"10.0.0.2\",\"nodeName\":\"B_\"}]}]}",
         "subsets[0].addresses[0].ip: Invalid value: \"x\": must be a valid IP address~\n"
         "subsets[0].addresses[1].ip: Invalid value: \"127.0.0.1\": may not be in the loopback range~\n"
         "subsets[0].addresses[2].hostname: Invalid value: \"A_\": a lowercase RFC 1123 label~\n"
         "subsets[0].notReadyAddresses[0].nodeName: Invalid value: \"B_\": a lowercase RFC 1123 subdomain~"},
        {ENDPOINTS, "{\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\"}],\"ports\":[{\"port\":0},{\"port\":2}]}]}",
         "subsets[0].ports[0].name: Required value\nsubsets[0].ports[0].port: Invalid value: 0: must be between 1 and "
         "65535, inclusive\nsubsets[0].ports[1].name: Required value"},
        {LEASE, "{\"spec\":{\"leaseDurationSeconds\":0,\"holderIdentity\":\"\"}}",
         "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0\nspec.holderIdentity: Required value: "
         "must not be empty"},
        {CSR, "{\"spec\":{\"request\":\"eA==\",\"usages\":[\"fly\"],\"signerName\":\"x\",\"expirationSeconds\":5}}",
         "spec.request: Invalid value: \"eA==\": PEM block type must be CERTIFICATE REQUEST\nspec.usages[0]: "
         "Unsupported value: \"fly\"~\n"
         "spec.signerName: Invalid value: \"x\": must be a fully qualified domain and path~\n"
         "spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 600~"},
        {CSR, "{\"spec\":{\"request\":null,\"usages\":[],\"signerName\":\"\"}}",
         "spec.request: Invalid value: null: PEM block type must be CERTIFICATE REQUEST\n"
         "spec.usages: Required value: usages must be provided\n"
         "spec.signerName: Required value: signerName must be provided"},
        {CSR, "{\"spec\":{\"usages\":[\"any\",\"signing\",\"any\"],\"signerName\":\"kubernetes.io/legacy-unknown\"}}",
         "spec.usages[2]: Duplicate value: \"any\"\nspec.signerName: Invalid value: \"kubernetes.io/legacy-unknown\": "
         "the "
         "legacy signerName is not allowed via this API version"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_roles(void **state)
{
    static const struct row rows[] = {
        {ROLE, "{}", ""},
        {ROLE, "{\"rules\":[{\"apiGroups\":[\"\"],\"resources\":[\"a\"]}]}",
         "rules[0].verbs: Required value: verbs must contain at least one value\n"},
        {ROLE, "{\"rules\":[{\"apiGroups\":[\"\"],\"verbs\":[\"get\"]}]}",
         "rules[0].resources: Required value: resource rules must supply at least one resource\n"},
        {ROLE, "{\"rules\":[{\"resources\":[\"a\"],\"verbs\":[\"get\"]}]}",
         "rules[0].apiGroups: Required value: resource rules must supply at least one api group\n"},
        {ROLE, "{\"rules\":[{\"nonResourceURLs\":[\"/a\"],\"verbs\":[\"get\"]}]}",
         "rules[0].nonResourceURLs: Invalid value: [\"/a\"]: namespaced rules cannot apply to non-resource URLs\n"},
        {CLUSTER_ROLE, "{\"rules\":[{\"nonResourceURLs\":[\"/a\"],\"verbs\":[\"get\"]}]}", ""},
        {CLUSTER_ROLE, "{\"rules\":[{\"nonResourceURLs\":[\"/a\"],\"resources\":[\"b\"],\"verbs\":[\"get\"]}]}",
         "rules[0].nonResourceURLs: Invalid value: [\"/a\"]: rules cannot apply to both regular resources and "
         "non-resource URLs\n"},
        {CLUSTER_ROLE, "{\"aggregationRule\":{}}",
         "aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if "
         "aggregationRule is non-nil\n"},
        {CLUSTER_ROLE,
         "{\"aggregationRule\":{\"clusterRoleSelectors\":[{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"X\"}]}"
         "]}}",
         "aggregationRule.clusterRoleSelectors[0].matchExpressions[0].operator: Invalid value: \"X\": not a valid "
         "selector operator\naggregationRule.clusterRoleSelectors[0]: Invalid value: \"null\": invalid label "
         "selector.\n"},
        {ROLE_BINDING, "{}", ""},
        {ROLE_BINDING, "{\"roleRef\":null}",
         "roleRef.kind: Unsupported value: \"\": supported values: \"Role\", \"ClusterRole\"\n"
         "roleRef.name: Required value\n"},
        {ROLE_BINDING, "{\"roleRef\":{\"apiGroup\":\"x\"}}",
         "roleRef.apiGroup: Unsupported value: \"x\": supported values: \"rbac.authorization.k8s.io\"\n"},
        {ROLE_BINDING, "{\"roleRef\":{\"name\":\"a/b\"}}",
         "roleRef.name: Invalid value: \"a/b\": may not contain '/'\n"},
        {ROLE_BINDING, "{\"subjects\":[{\"kind\":\"User\"}]}", "subjects[0].name: Required value\n"},
        {ROLE_BINDING, "{\"subjects\":[{\"kind\":\"Robot\",\"name\":\"a\"}]}",
         "subjects[0].kind: Unsupported value: \"Robot\": supported values: \"ServiceAccount\", \"User\", \"Group\"\n"},
        {ROLE_BINDING, "{\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":\"a\"}]}", ""},
        {CLUSTER_ROLE_BINDING, "{\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":\"a\"}]}",
         "subjects[0].namespace: Required value\n"},
        {ROLE_BINDING,
         "{\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":\"A_\",\"namespace\":\"x\",\"apiGroup\":\"y\"}]}",
         "subjects[0].name: Invalid value: \"A_\": a lowercase RFC 1123 subdomain~\n"
         "subjects[0].apiGroup: Unsupported value: \"y\": supported values: \"\"\n"},
        {ROLE_BINDING, "{\"subjects\":[{\"kind\":\"Group\",\"name\":\"a\",\"apiGroup\":\"z\"}]}",
         "subjects[0].apiGroup: Unsupported value: \"z\": supported values: \"rbac.authorization.k8s.io\"\n"},
        {CLUSTER_ROLE_BINDING, "{\"roleRef\":{\"kind\":\"Role\"}}",
         "roleRef.kind: Unsupported value: \"Role\": supported values: \"ClusterRole\"\n"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
    check_update(ROLE_BINDING, "{}", "{\"roleRef\":{\"name\":\"edit\"}}", "roleRef: Invalid value: ~\n");
    check_update(ROLE_BINDING, "{}", "{\"subjects\":[{\"kind\":\"User\",\"name\":\"a\"}]}", "");
}

static void test_frozen_data(void **state)
{
    check_update(CONFIG_MAP, "{\"immutable\":true}", "{\"immutable\":true,\"data\":{\"k\":\"other\"}}",
                 "data: Forbidden: field is immutable when `immutable` is set");
    check_update(CONFIG_MAP, "{\"immutable\":true}", "{}",
                 "immutable: Forbidden: field is immutable when `immutable` is set");
    check_update(SECRET, "{}", "{\"type\":\"a/b\"}", "type: Invalid value: \"a/b\": field is immutable");
    check_update(NODE, "{\"spec\":{\"podCIDRs\":[\"10.0.0.0/24\"]}}", "{\"spec\":{\"podCIDRs\":[\"10.0.1.0/24\"]}}",
                 "spec.podCIDRs: Forbidden: node updates may not change podCIDR except from \"\" to valid");
}

static void test_data_size(void **state)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(text);
    struct value *map CLEANUP_VALUE = changed(CONFIG_MAP, "{}");

    memset(buf_reserve(&text, 1 << 20), 'x', 1 << 20);
    text.len = 1 << 20;
    value_set(value_get(map, "data"), "big", value_new_string(buf_slice(&text)));
    assert_int_equal(validate_object(kind_of(map), map, NULL, "", &err), -ERROR_INVALID);
    assert_string_equal(err.message, "ConfigMap \"m\" is invalid: []: Too long: may not be more than 1048576 bytes");
}

/* A status write judges the status alone. */
static void test_status_writes(void **state)
{
    ERROR_LOCAL(err);
    struct value *old CLEANUP_VALUE = changed(NODE, "{}");
    struct value *now CLEANUP_VALUE =
        changed(NODE, "{\"spec\":{\"podCIDRs\":[\"x\"]},\"status\":{\"capacity\":{\"cpu\":\"-1\"}}}");

    assert_int_equal(validate_object(kind_of(now), now, old, "status", &err), -ERROR_INVALID);
    compare_causes("status", &err,
                   "status.capacity.cpu: Invalid value: \"-1\": must be greater than or equal to 0\n"
                   "status.allocatable.cpu: Invalid value~");
}

static void test_message(void **state)
{
    ERROR_LOCAL(err);
    struct value *d CLEANUP_VALUE = changed(DEPLOYMENT, "{\"spec\":{\"replicas\":-1,\"minReadySeconds\":-2}}");

    (void)validate_object(kind_of(d), d, NULL, "", &err);
    assert_string_equal(err.message,
                        "Deployment.apps \"d\" is invalid: [spec.replicas: Invalid value: -1: must be greater than or "
                        "equal to 0, spec.minReadySeconds: Invalid value: -2: must be greater than or equal to 0]");
}

/* A thousand findings do not make a thousand causes, nor a long value a long message. */
static void test_bounds(void **state)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(text);
    struct value *map CLEANUP_VALUE = changed(CONFIG_MAP, "{}");

    memset(buf_reserve(&text, 100000), '!', 100000);
    text.len = 100000;
    value_set(value_need_object(map, "data"), buf_cstr(&text), value_new_str(""));
    for (int i = 0; i < 1000; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "! %d", i);
        value_set(value_get(map, "data"), key, value_new_str(""));
    }
    (void)validate_object(kind_of(map), map, NULL, "", &err);
    assert_int_equal(err.cause_count, VALIDATE_CAUSES_MAX);
    assert_true(strlen(err.causes[0].message) < 4096);
}

/* Every rule stands at a type and a field that the schema has: a typing mistake there would be a rule that never runs.
 */
static void test_rules_are_reachable(void **state)
{
    size_t count;
    const struct schema_type *types = schema_types(&count);
    const struct rule *rule;

    for (size_t i = 0; (rule = validate_rule_at(i)); i++) {
        bool found = false;

        assert_true(i < VALIDATE_RULES_MAX);
        for (size_t t = 0; t < count && !found; t++) {
            char long_name[128];

            (void)snprintf(long_name, sizeof(long_name), ".%s", rule->type);
            if (!slice_ends(slice_str(types[t].openapi_name), slice_str(long_name)))
                continue;
            found = !rule->field || schema_find_field(&types[t], slice_str(rule->field));
        }
        if (!found)
            fail_msg("%s.%s", rule->type, rule->field ? rule->field : "*");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_objects),     cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_annotations_size), cmocka_unit_test(test_other_writes),
        cmocka_unit_test(test_workloads),        cmocka_unit_test(test_services),
        cmocka_unit_test(test_small_kinds),      cmocka_unit_test(test_roles),
        cmocka_unit_test(test_frozen_data),      cmocka_unit_test(test_data_size),
        cmocka_unit_test(test_status_writes),    cmocka_unit_test(test_message),
        cmocka_unit_test(test_bounds),           cmocka_unit_test(test_rules_are_reachable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
