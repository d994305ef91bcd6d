/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of pods; the other kinds' are in validate.c. */
#include "tests/unit/api/validate_rows.h"

/* The pod's container with more members. */
#define C0(members) "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"," members "}]}}"

static void test_pods(void **state)
{
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
         "spec.containers[0].ports[2].name: Invalid value: \"A\": must contain at least one letter (a-z)\n"
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
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_pod_volumes_and_probes(void **state)
{
    static const struct row rows[] = {
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
        {POD, C0("\"lifecycle\":{\"preStop\":{\"sleep\":{\"seconds\":30}},\"postStart\":{\"sleep\":{\"seconds\":0}}}"),
         ""},
        {POD, C0("\"lifecycle\":{\"preStop\":{\"sleep\":{\"seconds\":31}},\"postStart\":{\"sleep\":{\"seconds\":-1}}}"),
         "spec.containers[0].lifecycle.postStart.sleep: Invalid value: -1: must be non-negative and less than "
         "terminationGracePeriodSeconds (30)\n"
         "spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
         "terminationGracePeriodSeconds (30)"},
        {POD, C0("\"lifecycle\":{\"stopSignal\":\"SIGUSR1\"}"),
         "spec.containers[0].lifecycle.stopSignal: Forbidden: may not be set for containers with empty `spec.os.name`"},
        {POD,
         "{\"spec\":{\"os\":{\"name\":\"linux\"},\"containers\":[{\"name\":\"c\",\"image\":\"i\","
         "\"lifecycle\":{\"stopSignal\":\"SIGRTMIN+15\"}}]}}",
         ""},
        {POD,
         "{\"spec\":{\"os\":{\"name\":\"windows\"},\"containers\":[{\"name\":\"c\",\"image\":\"i\","
         "\"lifecycle\":{\"stopSignal\":\"SIGUSR1\"}}]}}",
         "spec.containers[0].lifecycle.stopSignal: Unsupported value: \"SIGUSR1\": supported values: \"SIGKILL\", "
         "\"SIGTERM\""},
        {POD,
         C0("\"readinessProbe\":{\"successThreshold\":2,\"terminationGracePeriodSeconds\":5,\"tcpSocket\":{\"port\":1}"
            "}"),
         "spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for "
         "readinessProbes"},
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

    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_pod_resources(void **state)
{
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

static void test_users_and_host_names(void **state)
{
    static const struct row rows[] = {
        {POD, "{\"spec\":{\"hostUsers\":false}}", ""},
        {POD, "{\"spec\":{\"hostUsers\":false,\"hostNetwork\":true,\"hostPID\":true,\"hostIPC\":true}}",
         "spec.hostNetwork: Forbidden: when `hostUsers` is false\n"
         "spec.hostPID: Forbidden: when `hostUsers` is false\n"
         "spec.hostIPC: Forbidden: when `hostUsers` is false"},
        {POD, C0("\"securityContext\":{\"procMount\":\"Unmasked\"}"),
         "spec.containers[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use "
         "`Unmasked`"},
        {POD,
         "{\"spec\":{\"hostUsers\":false,\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"securityContext\":{"
         "\"procMount\":\"Unmasked\"}}]}}",
         ""},
        {POD, "{\"spec\":{\"hostnameOverride\":\"a.b\"}}", ""},
        {POD, "{\"spec\":{\"hostnameOverride\":\"A\"}}",
         "spec.hostnameOverride: Invalid value: \"A\": a lowercase RFC 1123~"},
        {POD, "{\"spec\":{\"hostnameOverride\":\"a\",\"setHostnameAsFQDN\":true}}",
         "spec.hostnameOverride: Forbidden: may not be specified when setHostnameAsFQDN is true"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
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

/* One ephemeral container with more members. */
#define E0(members) "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"i\"" members "}]}}"
#define MIRROR      "\"metadata\":{\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"}}"

static void test_ephemeral_containers(void **state)
{
    static const struct {
        const char *before, *now, *causes;
    } rows[] = {
        {"{}",
         E0(",\"targetContainerName\":\"c\",\"stdin\":true,\"tty\":true,\"resources\":{},\"securityContext\":{"
            "\"privileged\":true}"),
         ""},
        {"{}", E0(",\"targetContainerName\":\"x\""),
         "spec.ephemeralContainers[0].targetContainerName: Not found: \"x\""},
        {"{}", E0(",\"targetContainerName\":\"e\""),
         "spec.ephemeralContainers[0].targetContainerName: Not found: \"e\""},
        {"{}", "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
         "spec.ephemeralContainers[0].name: Duplicate value: \"c\""},
        {"{}",
         "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"i\"},{\"name\":\"e\",\"image\":\"i\"}]}}",
         "spec.ephemeralContainers[1].name: Duplicate value: \"e\""},
        {"{}", "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"e\"}]}}",
         "spec.ephemeralContainers[0].image: Required value"},
        {"{}",
         E0(",\"ports\":[{\"containerPort\":80}],\"resources\":{\"limits\":{\"cpu\":\"1\"}},\"restartPolicy\":"
            "\"Always\","
            "\"readinessProbe\":{\"exec\":{\"command\":[\"x\"]}},\"lifecycle\":{\"preStop\":{\"exec\":{\"command\":["
            "\"x\"]"
            "}}}"),
         "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container\n"
         "spec.ephemeralContainers[0].resources: Forbidden: cannot be set for an Ephemeral Container\n"
         "spec.ephemeralContainers[0].readinessProbe: Forbidden: cannot be set for an Ephemeral Container\n"
         "spec.ephemeralContainers[0].lifecycle: Forbidden: cannot be set for an Ephemeral Container\n"
         "spec.ephemeralContainers[0].restartPolicy: Forbidden: cannot be set for an Ephemeral Container"},
        {"{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
         "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],\"ephemeralContainers\":[{\"name\":\"e\",\"image\":"
         "\"i\",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\",\"subPath\":\"a\"},{\"name\":\"w\","
         "\"mountPath\":\"/w\"}]}]}}",
         "spec.ephemeralContainers[0].volumeMounts[1].name: Not found: \"w\"\n"
         "spec.ephemeralContainers[0].volumeMounts[0].subPath: Forbidden: cannot be set for an Ephemeral Container"},
        {E0(""),
         "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"f\",\"image\":\"i\"},{\"name\":\"e\",\"image\":\"i\"}]}}",
         ""},
        {E0(""), "{}", "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"e\" may not be removed~"},
        {E0(""), E0(",\"tty\":true"),
         "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"e\" may not be changed~"},
        {"{" MIRROR ",\"spec\":{\"nodeName\":\"n\"}}",
         "{" MIRROR ",\"spec\":{\"nodeName\":\"n\",\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"i\"}]}}",
         ": Forbidden: static pods do not support ephemeral containers"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_write(POD, "ephemeralcontainers", rows[i].before, rows[i].now, rows[i].causes);
    check_update(POD, "{}", E0(""), "spec: Forbidden: pod updates may not change fields other than~");
}

#define WINDOWS(text) "{\"spec\":{\"securityContext\":{\"windowsOptions\":{" text "}}}}"
#define USER(text)    WINDOWS("\"runAsUserName\":\"" text "\"")
#define AT_WINDOWS    "spec.securityContext.windowsOptions."
#define A16           "aaaaaaaaaaaaaaaa"
#define A112          A16 A16 A16 A16 A16 A16 A16
#define HOST_PROCESS  "\"windowsOptions\":{\"hostProcess\":true}"

static void test_windows(void **state)
{
    static const struct row rows[] = {
        {POD, USER("Administrator"), ""},
        {POD, USER("NT AUTHORITY\\\\SYSTEM"), ""},
        {POD, USER("corp.example.com\\\\joe"), ""},
        {POD, USER(""), AT_WINDOWS "runAsUserName: Invalid value: \"\": runAsUserName cannot be an empty string"},
        {POD, USER("a\\tb"), AT_WINDOWS "runAsUserName: Invalid value: ~"},
        {POD, USER("a\\\\b\\\\c"), AT_WINDOWS "runAsUserName: Invalid value: ~"},
        {POD, USER("a\\\\"),
         AT_WINDOWS "runAsUserName: Invalid value: \"a\\\\\": runAsUserName's User cannot be empty"},
        {POD, USER("-" A16 "\\\\b"), AT_WINDOWS "runAsUserName: Invalid value: ~"},
        {POD, USER(". ."),
         AT_WINDOWS "runAsUserName: Invalid value: \". .\": runAsUserName's User cannot contain only ~"},
        {POD, USER("a@b"),
         AT_WINDOWS "runAsUserName: Invalid value: \"a@b\": runAsUserName's User cannot contain the ~"},
        {POD, USER(A112), AT_WINDOWS "runAsUserName: Invalid value: ~"},
        {POD, WINDOWS("\"gmsaCredentialSpecName\":\"A\""),
         AT_WINDOWS "gmsaCredentialSpecName: Invalid value: \"A\": ~"},
        {POD, WINDOWS("\"gmsaCredentialSpec\":\"\""),
         AT_WINDOWS "gmsaCredentialSpec: Invalid value: \"\": gmsaCredentialSpec cannot be an empty string"},
        {POD, WINDOWS("\"hostProcess\":true"),
         "spec.hostNetwork: Invalid value: false: hostNetwork must be true if pod contains any hostProcess containers"},
        {POD, "{\"spec\":{\"hostNetwork\":true,\"securityContext\":{" HOST_PROCESS "}}}", ""},
        {POD,
         "{\"spec\":{\"hostNetwork\":true,\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"securityContext\":"
         "{" HOST_PROCESS "}},{\"name\":\"b\",\"image\":\"i\"}]}}",
         "spec: Invalid value: \"\": If pod contains any hostProcess containers then all containers must be "
         "HostProcess "
         "containers"},
        {POD, "{\"spec\":{\"os\":{\"name\":\"linux\"},\"securityContext\":{\"windowsOptions\":{}}}}",
         "spec.securityContext.windowsOptions: Forbidden: windows options cannot be set for a linux pod"},
        {POD, "{\"spec\":{\"os\":{\"name\":\"windows\"},\"hostPID\":true,\"securityContext\":{\"runAsUser\":1}}}",
         "spec.hostPID: Forbidden: cannot be set for a windows pod\n"
         "spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod"},
        {POD, "{\"spec\":{\"os\":{\"name\":\"plan9\"}}}",
         "spec.os: Unsupported value: \"plan9\": supported values: \"linux\", \"windows\""},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pods),
        cmocka_unit_test(test_pod_volumes_and_probes),
        cmocka_unit_test(test_pod_resources),
        cmocka_unit_test(test_downward_files),
        cmocka_unit_test(test_sysctls),
        cmocka_unit_test(test_scheduling),
        cmocka_unit_test(test_pod_updates),
        cmocka_unit_test(test_users_and_host_names),
        cmocka_unit_test(test_ephemeral_containers),
        cmocka_unit_test(test_windows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
