/* SPDX-License-Identifier: Apache-2.0 */
/* What is refused of workloads beyond Deployments, of storage, autoscalers, flow control, devices and other servers. */
#include "tests/unit/api/validate_rows.h"

#define OBJECT(version, kind, rest)                                                                                    \
    "{\"apiVersion\":\"" version "\",\"kind\":\"" kind "\",\"metadata\":{\"name\":\"x\",\"uid\":\"u\"" rest "}"
#define SELECTOR   "\"selector\":{\"matchLabels\":{\"a\":\"b\"}}"
#define CONTAINERS "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"
#define TEMPLATE   "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{" CONTAINERS "}}"
#define STATEFUL   OBJECT("apps/v1", "StatefulSet", ",\"namespace\":\"n\"},\"spec\":{" SELECTOR "," TEMPLATE "}")
#define DAEMON     OBJECT("apps/v1", "DaemonSet", ",\"namespace\":\"n\"},\"spec\":{" SELECTOR "," TEMPLATE "}")
#define REVISION   OBJECT("apps/v1", "ControllerRevision", ",\"namespace\":\"n\"},\"revision\":1,\"data\":{\"a\":1}")
#define CONTROLLER                                                                                                     \
    OBJECT("v1", "ReplicationController", ",\"namespace\":\"n\"},\"spec\":{\"selector\":{\"a\":\"b\"}," TEMPLATE "}")
#define JOB                                                                                                            \
    OBJECT("batch/v1", "Job",                                                                                          \
           ",\"namespace\":\"n\"},\"spec\":{\"manualSelector\":true," SELECTOR                                         \
           ",\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"restartPolicy\":\"Never\"," CONTAINERS  \
           "}}}")
#define CRON_JOB                                                                                                       \
    OBJECT("batch/v1", "CronJob",                                                                                      \
           ",\"namespace\":\"n\"},\"spec\":{\"schedule\":\"@daily\",\"jobTemplate\":{\"spec\":{\"template\":{"         \
           "\"spec\":{\"restartPolicy\":\"Never\"," CONTAINERS "}}}}}")
#define VOLUME                                                                                                         \
    OBJECT("v1", "PersistentVolume",                                                                                   \
           "},\"spec\":{\"capacity\":{\"storage\":\"1Gi\"},\"accessModes\":[\"ReadWriteOnce\"],\"hostPath\":{"         \
           "\"path\":\"/d\"}}")
#define CLAIM                                                                                                          \
    OBJECT("v1", "PersistentVolumeClaim",                                                                              \
           ",\"namespace\":\"n\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{"         \
           "\"storage\":\"2Gi\"}}}")
#define CLASS OBJECT("storage.k8s.io/v1", "StorageClass", "},\"provisioner\":\"a.b/c\"")
#define ATTACHMENT                                                                                                     \
    OBJECT("storage.k8s.io/v1", "VolumeAttachment",                                                                    \
           "},\"spec\":{\"attacher\":\"a.b\",\"nodeName\":\"n\",\"source\":{\"persistentVolumeName\":\"v\"}}")
#define CSI_DRIVER OBJECT("storage.k8s.io/v1", "CSIDriver", "},\"spec\":{}")
#define CSI_NODE                                                                                                       \
    OBJECT("storage.k8s.io/v1", "CSINode",                                                                             \
           "},\"spec\":{\"drivers\":[{\"name\":\"a.b\",\"nodeID\":\"i\",\"topologyKeys\":[\"k\"]}]}")
#define CAPACITY OBJECT("storage.k8s.io/v1", "CSIStorageCapacity", ",\"namespace\":\"n\"},\"storageClassName\":\"c\"")
#define ATTRIBUTES                                                                                                     \
    OBJECT("storage.k8s.io/v1", "VolumeAttributesClass", "},\"driverName\":\"a.b\",\"parameters\":{\"a\":\"b\"}")
#define AUTOSCALER                                                                                                     \
    OBJECT("autoscaling/v2", "HorizontalPodAutoscaler",                                                                \
           ",\"namespace\":\"n\"},\"spec\":{\"maxReplicas\":3,\"scaleTargetRef\":{\"kind\":\"D\",\"name\":\"d\"}}")
#define FLOW_SCHEMA                                                                                                    \
    OBJECT("flowcontrol.apiserver.k8s.io/v1", "FlowSchema",                                                            \
           "},\"spec\":{\"priorityLevelConfiguration\":{\"name\":\"p\"},\"rules\":[{\"subjects\":[{\"kind\":"          \
           "\"User\",\"user\":{\"name\":\"*\"}}],\"nonResourceRules\":[{\"verbs\":[\"*\"],\"nonResourceURLs\":["       \
           "\"/a\"]}]}]}")
#define LEVEL                                                                                                          \
    OBJECT("flowcontrol.apiserver.k8s.io/v1", "PriorityLevelConfiguration",                                            \
           "},\"spec\":{\"type\":\"Limited\",\"limited\":{\"limitResponse\":{\"type\":\"Queue\",\"queuing\":{}}}}")
#define ADDRESS                                                                                                        \
    "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"IPAddress\",\"metadata\":{\"name\":\"10.0.0.1\"},"            \
    "\"spec\":{\"parentRef\":{\"resource\":\"services\",\"name\":\"s\",\"namespace\":\"n\"}}}"
#define BLOCK OBJECT("networking.k8s.io/v1", "ServiceCIDR", "},\"spec\":{\"cidrs\":[\"10.0.0.0/24\"]}")
#define SERVER                                                                                                         \
    "{\"apiVersion\":\"apiregistration.k8s.io/v1\",\"kind\":\"APIService\",\"metadata\":{\"name\":\"v1.a.b\"},"        \
    "\"spec\":{\"group\":\"a.b\",\"version\":\"v1\",\"groupPriorityMinimum\":1,\"versionPriority\":1}}"
#define DEVICES                                                                                                        \
    OBJECT("resource.k8s.io/v1", "ResourceSlice",                                                                      \
           "},\"spec\":{\"driver\":\"a.b\",\"nodeName\":\"n\",\"pool\":{\"name\":\"p\",\"generation\":1,"              \
           "\"resourceSliceCount\":1},\"devices\":[{\"name\":\"d\",\"attributes\":{\"k\":{\"bool\":true}}}]}")
#define DEVICE_CLAIM                                                                                                   \
    OBJECT("resource.k8s.io/v1", "ResourceClaim",                                                                      \
           ",\"namespace\":\"n\"},\"spec\":{\"devices\":{\"requests\":[{\"name\":\"r\",\"exactly\":{"                  \
           "\"deviceClassName\":\"c\"}}]}}")
#define POSITIVE "must be greater than or equal to 0"

static void test_good_objects(void **state)
{
    static const char *const objects[] = {STATEFUL,    DAEMON, REVISION,   CONTROLLER,  JOB,        CRON_JOB,
                                          VOLUME,      CLAIM,  CLASS,      ATTACHMENT,  CSI_DRIVER, CSI_NODE,
                                          CAPACITY,    LEVEL,  ATTRIBUTES, AUTOSCALER,  ADDRESS,    BLOCK,
                                          FLOW_SCHEMA, SERVER, DEVICES,    DEVICE_CLAIM};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++) {
        const struct row row = {objects[i], "{}", ""};

        check_rows(&row, 1);
        check_update(objects[i], "{}", "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}", "");
    }
}

static void test_pods_that_stay(void **state)
{
    static const struct row rows[] = {
        {STATEFUL, "{\"spec\":{\"selector\":null}}",
         "spec.selector: Required value\nspec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does "
         "not match template `labels`"},
        {STATEFUL, "{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":{\"partition\":1}}}}",
         "spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for updateStrategy "
         "'RollingUpdate'"},
        {STATEFUL, "{\"spec\":{\"podManagementPolicy\":\"X\",\"replicas\":-1}}",
         "spec.replicas: Invalid value: -1: " POSITIVE "\n"
         "spec.podManagementPolicy: Invalid value: \"X\": must be 'OrderedReady' or 'Parallel'"},
        {STATEFUL,
         "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"volumeMounts\":[{"
         "\"name\":\"v\",\"mountPath\":\"/v\"}]}]}}}}",
         "spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"v\""},
        {STATEFUL,
         "{\"spec\":{\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"v\"},\"spec\":{\"accessModes\":["
         "\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1\"}}}}],\"template\":{\"spec\":{"
         "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\"}]"
         "}]}}}}",
         ""},
        {STATEFUL, "{\"spec\":{\"volumeClaimTemplates\":[{\"spec\":{}}]}}",
         "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is required\n"
         "spec.volumeClaimTemplates[0].spec.resources[storage]: Required value"},
        {DAEMON, "{\"spec\":{\"updateStrategy\":{\"type\":\"X\"}}}",
         "spec.updateStrategy: Unsupported value: {\"type\":\"X\"}: supported values: \"RollingUpdate\", "
         "\"OnDelete\""},
        {DAEMON, "{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"maxUnavailable\":0}}}}",
         "spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"},
        {DAEMON, "{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"maxSurge\":1}}}}",
         "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is "
         "non-zero"},
        {REVISION, "{\"data\":null,\"revision\":-1}",
         "revision: Invalid value: -1: " POSITIVE "\ndata: Required value: data is mandatory"},
        {CONTROLLER, "{\"spec\":{\"selector\":{\"a\":\"c\"},\"template\":{\"spec\":{\"restartPolicy\":\"Never\"}}}}",
         "spec.template.metadata.labels: Invalid value: {\"a\":\"b\"}: `selector` does not match template `labels`\n"
         "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""},
        {CONTROLLER, "{\"spec\":null}", "spec.selector: Required value\nspec.template: Required value"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
    check_update(STATEFUL, "{}", "{\"spec\":{\"serviceName\":\"y\",\"replicas\":3}}",
                 "spec: Forbidden: updates to statefulset spec for fields other than~");
    check_update(STATEFUL, "{}", "{\"spec\":{\"replicas\":3,\"minReadySeconds\":3}}", "");
    check_update(DAEMON, "{}", "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":null}}}}",
                 "spec.selector: Invalid value: {}: field is immutable\n"
                 "spec.selector: Invalid value: {}: empty selector is invalid for daemonset");
    check_update(REVISION, "{}", "{\"data\":{\"a\":2}}", "data: Invalid value: {\"a\":2}: field is immutable");
    check_write(STATEFUL, "status", "{}", "{\"status\":{\"replicas\":1,\"readyReplicas\":2}}",
                "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas");
}

static void test_pods_that_end(void **state)
{
    static const struct row rows[] = {
        {JOB, "{\"spec\":{\"template\":{\"spec\":{\"restartPolicy\":null}}}}",
         "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", \"Never\""},
        {JOB, "{\"spec\":{\"parallelism\":-1,\"backoffLimit\":-1}}",
         "spec.parallelism: Invalid value: -1: " POSITIVE "\nspec.backoffLimit: Invalid value: -1: " POSITIVE},
        {JOB, "{\"spec\":{\"manualSelector\":null}}",
         "spec.template.metadata.labels[controller-uid]: Required value: must be 'u'\n"
         "spec.template.metadata.labels[job-name]: Required value: must be 'x'\n"
         "spec.template.metadata.labels[batch.kubernetes.io/controller-uid]: Required value: must be 'u'\n"
         "spec.template.metadata.labels[batch.kubernetes.io/job-name]: Required value: must be 'x'\n"
         "spec.selector: Invalid value: {\"matchLabels\":{\"a\":\"b\"}}: `selector` not auto-generated"},
        {JOB, "{\"spec\":{\"completionMode\":\"Indexed\",\"parallelism\":1}}",
         "spec.completions: Required value: when completion mode is Indexed"},
        {JOB, "{\"spec\":{\"backoffLimitPerIndex\":1}}",
         "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"},
        {JOB, "{\"spec\":{\"managedBy\":\"me\"}}",
         "spec.managedBy: Invalid value: \"me\": must be a domain-prefixed path (such as \"acme.io/foo\")"},
        {CRON_JOB, "{\"spec\":{\"schedule\":\"61 * * * *\"}}",
         "spec.schedule: Invalid value: \"61 * * * *\": end of range (61) above maximum (59): 61"},
        {CRON_JOB, "{\"spec\":{\"schedule\":\"\",\"concurrencyPolicy\":\"Maybe\"}}",
         "spec.schedule: Required value\n"
         "spec.concurrencyPolicy: Unsupported value: \"Maybe\": supported values: \"Allow\", \"Forbid\", \"Replace\""},
        {CRON_JOB, "{\"spec\":{\"jobTemplate\":{\"spec\":{\"manualSelector\":true}}}}",
         "spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: \"nil\", \"false\""},
        {CRON_JOB, "{\"spec\":{\"timeZone\":\"Local\"}}", "spec.timeZone: Invalid value: \"Local\": timeZone must be~"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
    check_update(JOB, "{}", "{\"spec\":{\"completions\":4,\"parallelism\":9}}",
                 "spec.completions: Invalid value: 4: field is immutable");
    check_update(JOB, "{\"spec\":{\"suspend\":true}}",
                 "{\"spec\":{\"suspend\":true,\"template\":{\"spec\":{\"nodeSelector\":{\"a\":\"b\"}}}}}", "");
    check_update(JOB, "{}", "{\"spec\":{\"template\":{\"spec\":{\"nodeSelector\":{\"a\":\"b\"}}}}}",
                 "spec.template: Invalid value: {~");
}

static void test_storage(void **state)
{
    static const struct row rows[] = {
        {VOLUME,
         "{\"spec\":{\"capacity\":{\"cpu\":\"1\"},\"accessModes\":[\"X\"],\"nfs\":{\"server\":\"s\",\"path\":\"/\"}}}",
         "spec.capacity: Unsupported value: {\"storage\":\"1Gi\",\"cpu\":\"1\"}: supported values: \"storage\"\n"
         "spec.accessModes: Unsupported value: \"X\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", "
         "\"ReadWriteOnce\", \"ReadWriteOncePod\"\n"
         "spec.nfs: Forbidden: may not specify more than 1 volume type"},
        {VOLUME, "{\"spec\":{\"hostPath\":null,\"local\":{\"path\":\"/d\"}}}",
         "spec.nodeAffinity: Required value: Local volume requires node affinity"},
        {VOLUME, "{\"spec\":{\"hostPath\":null}}", "spec: Required value: must specify a volume type"},
        {CLAIM, "{\"spec\":{\"accessModes\":null,\"resources\":{\"requests\":{\"storage\":\"0\"}}}}",
         "spec.accessModes: Required value: at least 1 access mode is required\n"
         "spec.resources[storage]: Invalid value: \"0\": must be greater than zero"},
        {CLASS, "{\"provisioner\":\"a b\",\"parameters\":{\"\":\"x\"}}",
         "provisioner: Invalid value: \"a b\": name part~\nparameters: Invalid value: \"\": field can not be empty."},
        {ATTACHMENT, "{\"spec\":{\"source\":{\"persistentVolumeName\":null}}}",
         "spec.source: Required value: must specify exactly one of inlineVolumeSpec and persistentVolumeName"},
        {CSI_DRIVER, "{\"spec\":{\"volumeLifecycleModes\":[\"X\"]}}",
         "spec.volumeLifecycleModes: Unsupported value: \"X\": supported values: \"Persistent\", \"Ephemeral\""},
        {CSI_NODE, "{\"spec\":{\"drivers\":[{\"name\":\"a.b\",\"nodeID\":\"\"},{\"name\":\"a.b\",\"nodeID\":\"i\"}]}}",
         "spec.drivers[0].nodeID: Required value\nspec.drivers[1].name: Duplicate value: \"a.b\""},
        {CAPACITY, "{\"capacity\":\"-1\"}", "capacity: Invalid value: \"-1\": " POSITIVE},
        {ATTRIBUTES, "{\"parameters\":null}", "parameters: Required value: must contain at least one key/value pair"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
    check_update(VOLUME, "{}", "{\"spec\":{\"hostPath\":{\"path\":\"/e\"}}}",
                 "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation");
    check_update(CLAIM, "{}", "{\"spec\":{\"volumeName\":\"v\"}}", "");
    check_update(CLAIM, "{\"spec\":{\"volumeName\":\"v\"}}", "{\"spec\":{\"volumeName\":\"w\"}}",
                 "spec: Forbidden: spec is immutable after creation~");
    check_update(CLAIM, "{\"status\":{\"phase\":\"Bound\"}}",
                 "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"3Gi\"}}}}", "");
    check_update(CLAIM, "{\"status\":{\"phase\":\"Bound\"}}",
                 "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"1Gi\"}}}}",
                 "spec.resources.requests.storage: Forbidden: field can not be less than previous value");
    check_update(CLASS, "{}", "{\"parameters\":{\"a\":\"b\"}}",
                 "parameters: Forbidden: updates to parameters are forbidden.");
    check_update(ATTACHMENT, "{}", "{\"spec\":{\"nodeName\":\"m\"}}", "spec: Invalid value: {~");
}

static void test_autoscalers(void **state)
{
    static const struct row rows[] = {
        {AUTOSCALER, "{\"spec\":{\"maxReplicas\":0}}",
         "spec.maxReplicas: Invalid value: 0: must be greater than 0\n"
         "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`"},
        {AUTOSCALER, "{\"spec\":{\"minReplicas\":0}}",
         "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1\n"
         "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero "
         "replicas"},
        {AUTOSCALER, "{\"spec\":{\"scaleTargetRef\":{\"kind\":\"a/b\",\"name\":\"\"}}}",
         "spec.scaleTargetRef.kind: Invalid value: \"a/b\": may not contain '/'\n"
         "spec.scaleTargetRef.name: Required value"},
        {AUTOSCALER,
         "{\"spec\":{\"metrics\":[{\"type\":\"Pods\",\"resource\":{\"name\":\"cpu\",\"target\":{\"type\":"
         "\"X\"}}}]}}",
         "spec.metrics[0].resource.target.type: Invalid value: \"X\": must be either Utilization, Value, or "
         "AverageValue\n"
         "spec.metrics[0].resource.target.averageUtilization: Required value: must set either a target raw value or a "
         "target utilization\n"
         "spec.metrics[0].pods: Required value: must populate information for the given metric source"},
        {AUTOSCALER, "{\"spec\":{\"behavior\":{\"scaleDown\":{\"policies\":[],\"selectPolicy\":\"X\"}}}}",
         "spec.behavior.scaleDown.selectPolicy: Unsupported value: \"X\": supported values: \"Disabled\", \"Max\", "
         "\"Min\""},
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_the_rest(void **state)
{
    static const struct row rows[] = {
        {FLOW_SCHEMA, "{\"spec\":{\"priorityLevelConfiguration\":null,\"rules\":[{}]}}",
         "spec.rules[0].subjects: Required value: subjects must contain at least one value\n"
         "spec.rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty\n"
         "spec.priorityLevelConfiguration.name: Required value: must reference a priority level"},
        {FLOW_SCHEMA,
         "{\"spec\":{\"rules\":[{\"subjects\":[{\"kind\":\"User\"}],\"resourceRules\":[{\"verbs\":[\"*\",\"get\"],"
         "\"apiGroups\":[\"*\"],\"resources\":[\"*\"]}]}]}}",
         "spec.rules[0].subjects[0].user: Required value: user is required when subject kind is 'User'\n"
         "spec.rules[0].resourceRules[0].verbs: Invalid value: [\"*\",\"get\"]: if '*' is present, must not specify "
         "other values\n"
         "spec.rules[0].resourceRules[0].namespaces: Required value: resource rules that are not cluster scoped must "
         "supply at least one namespace"},
        {LEVEL, "{\"spec\":{\"type\":\"X\"}}",
         "spec.type: Unsupported value: \"X\": supported values: \"Exempt\", \"Limited\""},
        {LEVEL, "{\"spec\":{\"limited\":null}}",
         "spec.limited: Required value: must not be empty when type is Limited"},
        {ADDRESS, "{\"metadata\":{\"name\":\"10.0.0\"},\"spec\":{\"parentRef\":null}}",
         "metadata.name: Invalid value: \"10.0.0\": must be a valid IP address in canonical form\n"
         "spec.parentRef: Required value"},
        {BLOCK, "{\"spec\":{\"cidrs\":[\"10.0.0.0/24\",\"10.1.0.0/24\"]}}",
         "spec.cidrs: Invalid value: [\"10.0.0.0/24\",\"10.1.0.0/24\"]: may specify no more than one IP~"},
        {SERVER, "{\"metadata\":{\"name\":\"v1.x\"},\"spec\":{\"versionPriority\":2000}}",
         "spec.versionPriority: Invalid value: 2000: must be positive and less than 1000\n"
         "metadata.name: Invalid value: \"v1.x\": must be `spec.version+\".\"+spec.group`: \"v1.a.b\""},
        {DEVICES, "{\"spec\":{\"allNodes\":true,\"devices\":[{\"name\":\"A\"},{\"name\":\"A\"}]}}",
         "spec.devices[0].name: Invalid value: \"A\": a lowercase RFC 1123 label~\n"
         "spec.devices[1].name: Invalid value: \"A\": a lowercase RFC 1123 label~\n"
         "spec.devices[1].name: Duplicate value: \"A\"\n"
         "spec: Invalid value: ~"},
        {DEVICE_CLAIM, "{\"spec\":{\"devices\":{\"requests\":[{\"name\":\"r\"}]}}}",
         "spec.devices.requests[0]: Required value: exactly one of `exactly` or `firstAvailable` is required"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
    check_update(ADDRESS, "{}", "{\"spec\":{\"parentRef\":{\"name\":\"t\"}}}", "spec.parentRef: Invalid value: {~");
    check_update(DEVICE_CLAIM, "{}",
                 "{\"spec\":{\"devices\":{\"requests\":[{\"name\":\"s\",\"exactly\":{\"deviceClassName\":\"c\"}}]}}}",
                 "spec: Invalid value: {~");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_objects),  cmocka_unit_test(test_pods_that_stay),
        cmocka_unit_test(test_pods_that_end), cmocka_unit_test(test_storage),
        cmocka_unit_test(test_autoscalers),   cmocka_unit_test(test_the_rest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
