/* SPDX-License-Identifier: Apache-2.0 */
/* Each row changes a good object by a merge patch and names all the causes that must come, in order. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "api/codec.h"
#include "api/patch.h"
#include "api/validate.h"
#include "api/validate_internal.h"

#define POD                                                                                                            \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"n\"},\"spec\":{"             \
    "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
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

struct row {
    const char *base;
    const char *change; /* merge patch */
    const char *causes; /* "field: message" lines; a line that ends in ~ is only the beginning */
};

static struct value *json(const char *text)
{
    ERROR_LOCAL(err);
    struct value *v = value_parse(slice_str(text), &err);

    if (!v)
        fail_msg("%s: %s", text, error_text(&err));
    return v;
}

static const struct schema_kind *kind_of(const struct value *object)
{
    struct slice group, version;
    const struct schema_kind *kind;

    schema_split_api_version(value_string(value_get(object, "apiVersion")), &group, &version);
    kind = schema_find_kind(group, version, value_string(value_get(object, "kind")));
    assert_non_null(kind);
    return kind;
}

/* The base with the change, decoded and defaulted as a request would be. */
static struct value *changed(const char *base, const char *change)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(text);
    struct codec_findings findings = {0};
    struct value *b CLEANUP_VALUE = json(base);
    struct value *p CLEANUP_VALUE = json(change);
    struct value *r CLEANUP_VALUE = NULL;
    struct value *decoded;

    assert_int_equal(patch_merge(b, p, &r, NULL), 0);
    value_write(r, &text);
    decoded = codec_decode(kind_of(b), CODEC_JSON, buf_slice(&text), CODEC_STRICT, &findings, &err);
    if (!decoded)
        fail_msg("%s: %s", change, error_text(&err));
    codec_findings_clear(&findings);
    default_apply(kind_of(b), decoded);
    return decoded;
}

static void compare_causes(const char *what, const struct error *err, const char *causes)
{
    struct slice rest = slice_str(causes);
    struct slice line;
    size_t i = 0;

    while (rest.data && slice_split(&rest, '\n', &line)) {
        char *cause CLEANUP_FREE = NULL;
        bool begins = slice_ends(line, SLICE_LIT("~"));

        if (!line.len)
            continue;
        line.len -= begins;
        if (i >= err->cause_count)
            fail_msg("%s: missing %.*s", what, SLICE_ARGS(line));
        cause = mem_printf("%s: %s", err->causes[i].field, err->causes[i].message);
        if (begins ? !slice_starts(slice_str(cause), line) : !slice_is(line, cause))
            fail_msg("%s: %s", what, cause);
        i++;
    }
    if (i < err->cause_count)
        fail_msg("%s: also %s: %s", what, err->causes[i].field, err->causes[i].message);
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ERROR_LOCAL(err);
        struct value *object CLEANUP_VALUE = changed(rows[i].base, rows[i].change);
        int rc = validate_object(kind_of(object), object, NULL, "", &err);

        assert_int_equal(rc, *rows[i].causes ? -ERROR_INVALID : 0);
        compare_causes(rows[i].change, &err, rows[i].causes);
    }
}

/* An update of the base with `before` to the base with `after`, through a subresource. */
static void check_write(const char *base, const char *subresource, const char *before, const char *after,
                        const char *causes)
{
    ERROR_LOCAL(err);
    struct value *old CLEANUP_VALUE = changed(base, before);
    struct value *now CLEANUP_VALUE = changed(base, after);

    (void)validate_object(kind_of(now), now, old, subresource, &err);
    compare_causes(after, &err, causes);
}

static void check_update(const char *base, const char *before, const char *after, const char *causes)
{
    check_write(base, "", before, after, causes);
}

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

static void test_pods(void **state)
{
#define C0(members) "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"," members "}]}}"
    static const struct row rows[] = {
        {POD, "{\"spec\":null}", "spec.containers: Required value"},
        {POD, "{\"spec\":{\"containers\":[]}}", "spec.containers: Required value"},
        {POD, "{\"spec\":{\"restartPolicy\":\"X\",\"containers\":[{\"imagePullPolicy\":\"Y\"}]}}",
         "spec.containers[0].name: Required value\nspec.containers[0].image: Required value\n"
         "spec.containers[0].imagePullPolicy: Unsupported value: \"Y\": supported values: \"Always\", "
         "\"IfNotPresent\", \"Never\"\n"
         "spec.restartPolicy: Unsupported value: \"X\": supported values: \"Always\", \"OnFailure\", \"Never\""},
        {POD, "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\" i\"},{\"name\":\"c\",\"image\":\"i\"}]}}",
         "spec.containers[0].image: Invalid value: \" i\": must not have leading or trailing whitespace\n"
         "spec.containers[1].name: Duplicate value: \"c\""},
        {POD, "{\"spec\":{\"initContainers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
         "spec.initContainers[0].name: Duplicate value: \"c\""},
        {POD,
         "{\"spec\":{\"initContainers\":[{\"name\":\"a\",\"image\":\"i\",\"readinessProbe\":{\"exec\":{\"command\":["
         "\"x\"]}}},"
         "{\"name\":\"b\",\"image\":\"i\",\"restartPolicy\":\"Always\",\"readinessProbe\":{\"exec\":{\"command\":["
         "\"x\"]}}}]}}",
         "spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without "
         "restartPolicy=Always"},
        {POD,
         C0("\"ports\":[{\"containerPort\":0},{\"containerPort\":70000},{\"containerPort\":1,\"name\":\"A\"},{"
            "\"containerPort\":2,"
            "\"name\":\"80\"}]"),
         "spec.containers[0].ports[0].containerPort: Required value\n"
         "spec.containers[0].ports[1].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive\n"
         "spec.containers[0].ports[2].name: Invalid value: \"A\": must contain only alpha-numeric~\n"
         "spec.containers[0].ports[3].name: Invalid value: \"80\": must contain at least one letter (a-z)"},
        {POD, C0("\"ports\":[{\"containerPort\":80,\"hostPort\":80},{\"containerPort\":81,\"hostPort\":80}]"),
         "spec.containers[0].ports[1].hostPort: Duplicate value: \"TCP//80\""},
        {POD,
         C0("\"env\":[{\"name\":\"A=\"},{\"name\":\"B\",\"value\":\"x\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":"
            "\"metadata.name\"}}},"
            "{\"name\":\"C\",\"valueFrom\":{}},{\"name\":\"D\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata."
            "labels['x']\"}}},"
            "{\"name\":\"E\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"spec.x\"}}},{\"name\":\"F\",\"valueFrom\":{"
            "\"secretKeyRef\":{"
            "\"name\":\"s\"}}}]"),
         "spec.containers[0].env[0].name: Invalid value: \"A=\": a valid environment variable name~\n"
         "spec.containers[0].env[1].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty\n"
         "spec.containers[0].env[2].valueFrom: Invalid value: \"\": must specify one of~\n"
         "spec.containers[0].env[4].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.x\": error converting "
         "fieldPath: field label not supported: spec.x\n"
         "spec.containers[0].env[5].valueFrom.secretKeyRef.key: Required value"},
        {POD, C0("\"envFrom\":[{\"configMapRef\":{\"name\":\"x\"}},{}]"),
         "spec.containers[0].envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`"},
        {POD,
         C0("\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/a\",\"subPath\":\"../"
            "x\"},{\"name\":\"v\",\"mountPath\":\"/a\"}]"),
         "spec.containers[0].volumeMounts.subPath: Invalid value: \"../x\": must not contain '..'\n"
         "spec.containers[0].volumeMounts[1].mountPath: Invalid value: \"/a\": must be unique\n"
         "spec.containers[0].volumeMounts[0].name: Not found: \"v\"\nspec.containers[0].volumeMounts[1].name: Not "
         "found: \"v\""},
        {POD,
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{},\"hostPath\":{\"path\":\"/"
         "x\"}},{\"name\":\"v\",\"configMap\":{"
         "\"name\":\"c\",\"defaultMode\":1000}}]}}",
         "spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 volume type\n"
         "spec.volumes[1].configMap.defaultMode: Invalid value: 1000: must be a number between 0 and 0777 (octal), "
         "both inclusive\n"
         "spec.volumes[1].name: Duplicate value: \"v\""},
        {POD, "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/a/../b\",\"type\":\"Foo\"}}]}}",
         "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain "
         "'..'\nspec.volumes[0].hostPath.type: Unsupported~"},
        {POD,
         C0("\"resources\":{\"limits\":{\"cpu\":\"1\",\"x.y/"
            "gpu\":\"1\"},\"requests\":{\"cpu\":\"1001m\",\"memory\":\"-1\",\"foo\":\"1\","
            "\"x.y/gpu\":\"2\"}}"),
         "spec.containers[0].resources.requests[memory]: Invalid value: \"-1\": must be greater than or equal to 0\n"
         "spec.containers[0].resources.requests[foo]: Invalid value: \"foo\": must be a standard resource type or "
         "fully qualified\n"
         "spec.containers[0].resources.requests[foo]: Invalid value: \"foo\": must be a standard resource for "
         "containers\n"
         "spec.containers[0].resources.requests: Invalid value: \"1001m\": must be less than or equal to cpu limit of "
         "1\n"
         "spec.containers[0].resources.requests: Invalid value: \"2\": must be equal to x.y/gpu limit of 1"},
        {POD,
         C0("\"livenessProbe\":{\"successThreshold\":2,\"timeoutSeconds\":-1,\"httpGet\":{\"port\":0},\"exec\":{}}"),
         "spec.containers[0].livenessProbe.exec.command: Required value\n"
         "spec.containers[0].livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive\n"
         "spec.containers[0].livenessProbe.timeoutSeconds: Invalid value: -1: must be greater than or equal to 0\n"
         "spec.containers[0].livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type\n"
         "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
        {POD, C0("\"lifecycle\":{\"preStop\":{}}"),
         "spec.containers[0].lifecycle.preStop: Required value: must specify a handler type"},
        {POD, C0("\"securityContext\":{\"runAsUser\":-1,\"privileged\":true,\"allowPrivilegeEscalation\":false}"),
         "spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, "
         "inclusive\n"
         "spec.containers[0].securityContext: Invalid value: {~"},
        {POD,
         "{\"spec\":{\"activeDeadlineSeconds\":0,\"dnsPolicy\":\"None\",\"hostname\":\"a.b\",\"nodeSelector\":{\"a "
         "b\":\"c\"}}}",
         "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive\n"
         "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None\nspec.nodeSelector: "
         "Invalid value: \"a b\": name part~\nspec.hostname: Invalid value: \"a.b\": must not "
         "contain dots"},
    };
#undef C0

    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_pod_resources(void **state)
{
#define C0(members) "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"," members "}]}}"
#define ENV(resource, divisor)                                                                                         \
    C0("\"env\":[{\"name\":\"A\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"" resource                        \
       "\",\"divisor\":\"" divisor "\"}}}]")
#define AT_DIVISOR "spec.containers[0].env[0].valueFrom.resourceFieldRef.divisor: "
    static const struct row rows[] = {
        {POD, ENV("limits.cpu", "1m"), ""},
        {POD, ENV("requests.memory", "1Gi"), ""},
        {POD, ENV("limits.cpu", "3"),
         AT_DIVISOR
         "Invalid value: \"limits.cpu\": only divisor's values 1m and 1 are supported with the cpu resource"},
        {POD, ENV("requests.ephemeral-storage", "1m"),
         AT_DIVISOR
         "Invalid value: \"requests.ephemeral-storage\": only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, "
         "1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the local ephemeral storage resource"},
        {POD, C0("\"resources\":{\"limits\":{\"hugepages-1Gi\":\"1Gi\"}}"),
         "spec.containers[0].resources: Forbidden: HugePages require cpu or memory"},
        {POD, C0("\"resources\":{\"limits\":{\"hugepages-1Gi\":\"1Gi\",\"memory\":\"1Gi\"}}"), ""},
        {POD,
         C0("\"resources\":{\"requests\":{\"pods\":\"1\",\"X_.x/y\":\"1\"},\"limits\":{\"pods\":\"1\",\"X_.x/"
            "y\":\"1\"}}"),
         "spec.containers[0].resources.limits[pods]: Invalid value: \"pods\": must be a standard resource for "
         "containers\n"
         "spec.containers[0].resources.limits[X_.x/y]: Invalid value: \"X_.x/y\": prefix part~\n"
         "spec.containers[0].resources.limits[X_.x/y]: Invalid value: \"X_.x/y\": doesn't follow extended resource "
         "name standard\n"
         "spec.containers[0].resources.requests[pods]: Invalid value: \"pods\": must be a standard resource for "
         "containers\n"
         "spec.containers[0].resources.requests[X_.x/y]: Invalid value: \"X_.x/y\": prefix part~\n"
         "spec.containers[0].resources.requests[X_.x/y]: Invalid value: \"X_.x/y\": doesn't follow extended resource "
         "name standard"},
        {POD, C0("\"volumeDevices\":[{\"name\":\"v\",\"devicePath\":\"/d\"}]"),
         "spec.containers[0].volumeDevices[0].name: Not found: \"v\""},
        {POD,
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/x\"}},{\"name\":\"w\","
         "\"persistentVolumeClaim\":{\"claimName\":\"w\"}}],\"containers\":[{\"name\":\"c\",\"image\":\"i\","
         "\"volumeDevices\":[{\"name\":\"v\",\"devicePath\":\"/d\"},{\"name\":\"w\",\"devicePath\":\"/e\"}]}]}}",
         "spec.containers[0].volumeDevices[0].name: Invalid value: \"v\": can only use volume source type of "
         "PersistentVolumeClaim or Ephemeral for block mode"},
        {POD, "{\"spec\":{\"terminationGracePeriodSeconds\":-1}}", ""},
        {POD, "{\"metadata\":{\"annotations\":{\"kubernetes.io/config.mirror\":\"m\"}}}",
         "metadata.annotations[kubernetes.io/config.mirror]: Invalid value: \"m\": must set spec.nodeName if mirror "
         "pod "
         "annotation is set"},
    };
#undef AT_DIVISOR
#undef ENV
#undef C0

    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_downward_files(void **state)
{
#define ITEMS(items) "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"downwardAPI\":{\"items\":[" items "]}}]}}"
    static const struct row rows[] = {
        {POD, ITEMS("{\"path\":\"a\",\"fieldRef\":{\"fieldPath\":\"metadata.labels\"}}"), ""},
        {POD, ITEMS("{\"path\":\"a\",\"fieldRef\":{\"fieldPath\":\"metadata.annotations['x']\"}}"), ""},
        {POD, ITEMS("{\"path\":\"a\",\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}"),
         "spec.volumes[0].downwardAPI.fieldRef.fieldPath: Unsupported value: \"status.podIP\"~"},
        {POD, ITEMS("{\"path\":\"\",\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}"),
         "spec.volumes[0].downwardAPI.path: Required value\n"
         "spec.volumes[0].downwardAPI.resourceFieldRef.containerName: Required value"},
        {POD, "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"csi\":{}}]}}",
         "spec.volumes[0].csi.driver: Required value\nspec.volumes[0].csi.driver: Invalid value: \"\": a lowercase RFC "
         "1123 "
         "subdomain~"},
    };
#undef ITEMS

    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_sysctls(void **state)
{
#define SYSCTLS(...) "{\"spec\":{\"securityContext\":{\"sysctls\":[" __VA_ARGS__ "]}}}"
    static const struct row rows[] = {
        {POD, SYSCTLS("{\"name\":\"net.a-b/c_d.x1\",\"value\":\"1\"}"), ""},
        {POD, SYSCTLS("{\"name\":\"a..b\",\"value\":\"1\"},{\"name\":\"a-.b\",\"value\":\"1\"}"),
         "spec.securityContext.sysctls[0].name: Invalid value: \"a..b\": must have at most 253~\n"
         "spec.securityContext.sysctls[1].name: Invalid value: \"a-.b\": must have at most 253~"},
        {POD, SYSCTLS("{\"name\":\"a.b\",\"value\":\"1\"},{\"name\":\"a.b\",\"value\":\"2\"}"),
         "spec.securityContext.sysctls[1].name: Duplicate value: \"a.b\""},
    };
#undef SYSCTLS

    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_scheduling(void **state)
{
    static const struct row rows[] = {
        {POD,
         "{\"spec\":{\"tolerations\":[{\"operator\":\"Exists\"},{\"key\":\"a\",\"operator\":\"Like\"},{\"operator\":"
         "\"Equal\"},{\"key\":"
         "\"a\",\"operator\":\"Exists\",\"value\":\"v\"},{\"key\":\"a\",\"tolerationSeconds\":1}]}}",
         "spec.tolerations[1].operator: Unsupported value: \"Like\": supported values: \"Equal\", \"Exists\"\n"
         "spec.tolerations[2].operator: Invalid value: \"Equal\": operator must be Exists~\n"
         "spec.tolerations[3].operator: Invalid value: \"v\": value must be empty when `operator` is 'Exists'\n"
         "spec.tolerations[4].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set"},
#define REQUIRED "requiredDuringSchedulingIgnoredDuringExecution"
        {POD, "{\"spec\":{\"affinity\":{\"nodeAffinity\":{\"" REQUIRED "\":{\"nodeSelectorTerms\":[]}}}}}",
         "spec.affinity.nodeAffinity." REQUIRED
         ".nodeSelectorTerms: Required value: must have at least one node selector term"},
        {POD,
         "{\"spec\":{\"affinity\":{\"nodeAffinity\":{\"" REQUIRED
         "\":{\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"a\","
         "\"operator\":\"Near\"},{\"key\":\"a\",\"operator\":\"In\"},{\"key\":\"a\",\"operator\":\"Exists\",\"values\":"
         "[\"x\"]},{\"key\":"
         "\"a\",\"operator\":\"Gt\"},{\"key\":\"a\",\"operator\":\"NotIn\",\"values\":[\"x\"]}]}]}}}}}",
         "spec.affinity.nodeAffinity." REQUIRED
         ".nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: \"Near\": not a "
         "valid selector operator\n"
         "spec.affinity.nodeAffinity." REQUIRED
         ".nodeSelectorTerms[0].matchExpressions[1].values: Required value: must be specified~\n"
         "spec.affinity.nodeAffinity." REQUIRED
         ".nodeSelectorTerms[0].matchExpressions[2].values: Forbidden: may not be specified~\n"
         "spec.affinity.nodeAffinity." REQUIRED
         ".nodeSelectorTerms[0].matchExpressions[3].values: Required value: must be specified "
         "single value~"},
        {POD, "{\"spec\":{\"affinity\":{\"podAntiAffinity\":{\"" REQUIRED "\":[{}]}}}}",
         "spec.affinity.podAntiAffinity." REQUIRED "[0].topologyKey: Required value: can not be empty\n"
         "spec.affinity.podAntiAffinity." REQUIRED "[0].topologyKey: Invalid value: \"\": name part must be non-empty\n"
         "spec.affinity.podAntiAffinity." REQUIRED "[0].topologyKey: Invalid value: \"\": name part must consist~"},
        {POD, "{\"spec\":{\"topologySpreadConstraints\":[{\"maxSkew\":0,\"whenUnsatisfiable\":\"Never\"}]}}",
         "spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value~\n"
         "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero\n"
         "spec.topologySpreadConstraints[0].topologyKey: Required value: can not be empty"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

#define ONLY                                                                                                           \
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers"    \
    "[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"             \
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\nchanged: "

static void expect_only(const char *after, const char *paths)
{
    ERROR_LOCAL(err);
    struct value *old CLEANUP_VALUE = changed(POD, "{}");
    struct value *now CLEANUP_VALUE = changed(POD, after);
    char *want CLEANUP_FREE = mem_printf("Pod \"p\" is invalid: %s%s", ONLY, paths);

    assert_int_equal(validate_object(kind_of(now), now, old, "", &err), -ERROR_INVALID);
    assert_string_equal(error_text(&err), want);
}

static void test_pod_updates(void **state)
{
    check_update(POD, "{}", "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"other\"}]}}", "");
    check_update(POD, "{}", "{\"spec\":{\"activeDeadlineSeconds\":5,\"tolerations\":[{\"operator\":\"Exists\"}]}}", "");
    check_update(POD, "{\"spec\":{\"activeDeadlineSeconds\":5}}", "{\"spec\":{\"activeDeadlineSeconds\":6}}",
                 "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or equal to previous value");
    check_update(
        POD, "{\"spec\":{\"activeDeadlineSeconds\":5}}", "{}",
        "spec.activeDeadlineSeconds: Invalid value: \"null\": must not update from a positive integer to nil value");
    check_update(POD, "{\"spec\":{\"tolerations\":[{\"operator\":\"Exists\"}]}}", "{}",
                 "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds");
    check_update(POD, "{}",
                 "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"},{\"name\":\"d\",\"image\":\"i\"}]}}",
                 "spec.containers: Forbidden: pod updates may not add or remove containers");
    expect_only("{\"spec\":{\"containers\":[{\"name\":\"x\",\"image\":\"i\",\"args\":[\"a\"]}]}}",
                "spec.containers[0].name, spec.containers[0].args");
    expect_only("{\"spec\":{\"nodeName\":\"n\",\"restartPolicy\":\"Never\"}}", "spec.restartPolicy, spec.nodeName");
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
         "endpoints[0].addresses[0]: Invalid value: \"a\": must be a valid IP~\n"
         "endpoints[1].addresses: Required value: must contain at least 1 address\nports[0].port: Invalid value: 0~"},
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
            if (strcmp(types[t].name, rule->type) != 0)
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
        cmocka_unit_test(test_annotations_size), cmocka_unit_test(test_pods),
        cmocka_unit_test(test_scheduling),       cmocka_unit_test(test_pod_resources),
        cmocka_unit_test(test_downward_files),   cmocka_unit_test(test_sysctls),
        cmocka_unit_test(test_pod_updates),      cmocka_unit_test(test_other_writes),
        cmocka_unit_test(test_workloads),        cmocka_unit_test(test_services),
        cmocka_unit_test(test_small_kinds),      cmocka_unit_test(test_roles),
        cmocka_unit_test(test_frozen_data),      cmocka_unit_test(test_data_size),
        cmocka_unit_test(test_status_writes),    cmocka_unit_test(test_message),
        cmocka_unit_test(test_bounds),           cmocka_unit_test(test_rules_are_reachable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
