/* SPDX-License-Identifier: Apache-2.0 */
/* Writes of pods/resize, and what pods say of them. */
#include "tests/unit/api/validate_rows.h"

#include "api/pod_qos.h"

/* One container, after the members of its resources. */
#define C(requests, limits)                                                                                            \
    "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{" requests                \
    "},\"limits\":{" limits "}}}]}}"
#define CPU(n)    "\"cpu\":\"" n "\""
#define MEMORY(n) "\"memory\":\"" n "\""
#define INIT(policy, cpu)                                                                                              \
    "{\"spec\":{\"initContainers\":[{\"name\":\"i\",\"image\":\"i\"" policy                                            \
    ",\"resources\":{\"requests\":{" CPU(cpu) "}}}]}}"
#define SIDECAR ",\"restartPolicy\":\"Always\""
#define TWO(a, b)                                                                                                      \
    "{\"spec\":{\"containers\":[{\"name\":\"" a "\",\"image\":\"i\"},{\"name\":\"" b "\",\"image\":\"i\"}]}}"
#define MUTABLE       "spec: Forbidden: only cpu and memory resources are mutable"
#define RUNNING(more) "\"status\":{\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"running\":{}}" more "}]}"

static void test_resizes(void **state)
{
    static const struct {
        const char *before, *now, *causes;
    } rows[] = {
        {C(CPU("1"), CPU("2")), C(CPU("1500m"), CPU("3")), ""},
        {C(MEMORY("1Gi"), MEMORY("1Gi")), C(MEMORY("1Mi"), MEMORY("1Mi")), ""},
        {C(CPU("1"), ""), C(CPU("1") "," MEMORY("1Mi"), CPU("2") "," MEMORY("2Mi")), ""},
        {C(CPU("1"), CPU("2")), C(CPU("3"), CPU("2")),
         "spec.containers[0].resources.requests: Invalid value: \"3\": must be less than or equal to cpu limit of 2"},
        {C("", ""), C(CPU("1"), ""),
         "spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing"},
        {C(CPU("1") "," MEMORY("1Gi"), CPU("2") "," MEMORY("1Gi")),
         C(CPU("2") "," MEMORY("1Gi"), CPU("2") "," MEMORY("1Gi")),
         "spec: Invalid value: \"Burstable\": Pod QOS Class may not change as a result of resizing"},
        {C(CPU("1") "," MEMORY("1Gi"), ""), C(CPU("1"), ""),
         "spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed"},
        {C(CPU("1"), CPU("1")), C(CPU("1"), ""),
         "spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed"},
        {C(CPU("1"), ""), C(CPU("1") ",\"ephemeral-storage\":\"1Gi\"", ""), MUTABLE},
        {C(CPU("1"), ""),
         "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"1\"}},"
         "\"resizePolicy\":[{\"resourceName\":\"cpu\",\"restartPolicy\":\"NotRequired\"}]}]}}",
         MUTABLE},
        {INIT(SIDECAR, "1"), INIT(SIDECAR, "2"), ""},
        {INIT("", "1"), INIT("", "2"), "spec: Forbidden: resources for non-sidecar init containers are immutable"},
        {TWO("a", "b"), TWO("b", "a"),
         "spec.containers[0].name: Forbidden: containers may not be renamed or reordered on resize\n"
         "spec.containers[1].name: Forbidden: containers may not be renamed or reordered on resize"},
        {TWO("a", "b"), "{}", "spec.containers: Forbidden: containers may not be added or removed on resize"},
        {"{}", INIT(SIDECAR, "1"),
         "spec: Invalid value: \"BestEffort\": Pod QOS Class may not change as a result of resizing\n"
         "spec.initContainers: Forbidden: initContainers may not be added or removed on resize"},
        {"{" RUNNING("") "}", "{}", "spec: Forbidden: Pod running on node without support for resize"},
        {"{" RUNNING(",\"resources\":{}") "}", "{}", ""},
        {"{\"metadata\":{\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"}},\"spec\":{\"nodeName\":\"n\"}}",
         "{\"metadata\":{\"annotations\":{\"kubernetes.io/config.mirror\":\"x\"}},\"spec\":{\"nodeName\":\"n\"}}",
         ": Forbidden: static pods cannot be resized"},
        {"{\"spec\":{\"os\":{\"name\":\"windows\"}}}", "{\"spec\":{\"os\":{\"name\":\"windows\"}}}",
         ": Forbidden: windows pods cannot be resized"},
        {"{\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}}",
         "{\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}}",
         ": Forbidden: pods with pod-level resources cannot be resized"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_write(POD, "resize", rows[i].before, rows[i].now, rows[i].causes);
    check_update(POD, C(CPU("1"), ""), C(CPU("2"), ""),
                 "spec: Forbidden: pod updates may not change fields other than~");
}

#define POLICY(list)       "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resizePolicy\":[" list "]}]}}"
#define RULE(name, policy) "{\"resourceName\":\"" name "\",\"restartPolicy\":\"" policy "\"}"
#define AT                 "spec.containers[0].resizePolicy"

static void test_policies(void **state)
{
    static const struct row rows[] = {
        {POD, POLICY(RULE("cpu", "NotRequired") "," RULE("memory", "RestartContainer")), ""},
        {POD, POLICY(RULE("disk", "NotRequired")),
         AT ": Unsupported value: \"disk\": supported values: \"cpu\", \"memory\""},
        {POD, POLICY(RULE("cpu", "Maybe")),
         AT ": Unsupported value: \"Maybe\": supported values: \"NotRequired\", \"RestartContainer\""},
        {POD, POLICY(RULE("cpu", "NotRequired") "," RULE("cpu", "NotRequired")), AT "[1]: Duplicate value: \"cpu\""},
        {POD,
         "{\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resizePolicy\":"
         "[" RULE("cpu", "RestartContainer") "]}]}}",
         AT ": Invalid value: \"RestartContainer\": must be 'NotRequired' when `restartPolicy` is 'Never'"},
    };

    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_classes(void **state)
{
    static const struct {
        const char *change, *class;
    } rows[] = {
        {"{}", "BestEffort"},
        {C(CPU("0"), ""), "BestEffort"},
        {C(CPU("1"), ""), "Burstable"},
        {C("", CPU("1") "," MEMORY("1Gi")), "Guaranteed"},
        {C(CPU("1000m"), CPU("1") "," MEMORY("1Gi")), "Guaranteed"},
        {C(CPU("1"), CPU("2") "," MEMORY("1Gi")), "Burstable"},
        {C("", CPU("1")), "Burstable"},
        {"{\"spec\":{\"resources\":{\"limits\":{" CPU("1") "," MEMORY("1Gi") "}}}}", "Guaranteed"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct value *pod CLEANUP_VALUE = changed(POD, rows[i].change);

        assert_string_equal(pod_qos_class(pod), rows[i].class);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resizes),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
