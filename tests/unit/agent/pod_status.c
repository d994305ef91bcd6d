/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/pod_spec.h"
#include "agent/pod_status.h"
#include "lib/clock.h"

#define NOW (1767366245LL * NS_PER_S) /* 2026-01-02T15:04:05Z */

static struct value *json(const char *text)
{
    struct value *v = value_parse(slice_str(text), NULL);

    assert_non_null(v);
    return v;
}

static struct value *pod_with(const char *policy)
{
    char *text CLEANUP_FREE = mem_printf(
        "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\",\"generation\":2},\"spec\":{\"restartPolicy\":\"%s\"}}", policy);

    return json(text);
}

static struct runtime_container running = {
    .id = (char *)"aa", .image_id = (char *)"r/i@sha256:1", .state = RUNTIME_RUNNING, .started_ns = NOW};
static struct runtime_container good = {.id = (char *)"bb",
                                        .image_id = (char *)"r/i@sha256:1",
                                        .state = RUNTIME_EXITED,
                                        .started_ns = NOW,
                                        .finished_ns = NOW};
static struct runtime_container bad = {.id = (char *)"cc",
                                       .image_id = (char *)"r/i@sha256:1",
                                       .state = RUNTIME_EXITED,
                                       .started_ns = NOW,
                                       .finished_ns = NOW,
                                       .exit_code = 3};
static struct runtime_container oom = {.id = (char *)"dd",
                                       .image_id = (char *)"",
                                       .state = RUNTIME_EXITED,
                                       .finished_ns = NOW,
                                       .exit_code = 137,
                                       .oom_killed = true};

#define APP(...)                                                                                                       \
    {                                                                                                                  \
        .name = "c", .image = "hello", .kind = CONTAINER_APP, __VA_ARGS__                                              \
    }
#define INIT(...)                                                                                                      \
    {                                                                                                                  \
        .name = "i", .image = "hello", .kind = CONTAINER_INIT, __VA_ARGS__                                             \
    }

#define GUEST(...)                                                                                                     \
    {                                                                                                                  \
        .name = "g", .image = "hello", .kind = CONTAINER_EPHEMERAL, __VA_ARGS__                                        \
    }

struct phase_case {
    const char *policy;
    struct container_facts containers[3];
    size_t count;
    bool finished;
    const char *phase;
};

static void phases_follow_the_containers(void **state)
{
    static const struct phase_case cases[] = {
        {"Always", {APP()}, 1, false, "Pending"},
        {"Always", {APP(.current = &running)}, 1, false, "Running"},
        {"Always", {APP(.current = &running), APP()}, 2, false, "Pending"},
        {"Always", {APP(.current = &bad, .waiting_reason = "CrashLoopBackOff")}, 1, false, "Running"},
        {"Always", {APP(.current = &good)}, 1, false, "Running"},
        {"Always", {APP(.current = &good)}, 1, true, "Succeeded"},
        {"Always", {APP(.current = &bad)}, 1, true, "Failed"},
        {"Never", {APP(.current = &good)}, 1, false, "Succeeded"},
        {"Never", {APP(.current = &bad)}, 1, false, "Failed"},
        {"Never", {APP(.current = &bad), APP(.current = &running)}, 2, false, "Running"},
        {"Never", {APP(.current = &bad), APP(.current = &good)}, 2, false, "Failed"},
        {"OnFailure", {APP(.current = &good)}, 1, false, "Succeeded"},
        {"OnFailure", {APP(.current = &bad)}, 1, false, "Running"},
        {"Always", {INIT(.current = &running), APP()}, 2, false, "Pending"},
        {"Always", {INIT(.current = &bad, .waiting_reason = "CrashLoopBackOff"), APP()}, 2, false, "Pending"},
        {"Never", {INIT(.current = &bad), APP()}, 2, false, "Failed"},
        {"Always", {INIT(.current = &good), APP(.current = &running)}, 2, false, "Running"},
        {"Always", {INIT(.sidecar = true, .current = &running), APP(.current = &running)}, 2, false, "Running"},
        {"Never", {INIT(.sidecar = true, .current = &good), APP(.current = &good)}, 2, true, "Succeeded"},
        /* What is final is said when nothing runs any more. */
        {"Never", {INIT(.sidecar = true, .current = &running), APP(.current = &good)}, 2, true, "Running"},
        {"Never", {APP(.current = &bad), GUEST(.current = &running)}, 2, true, "Running"},
        {"Never", {INIT(.current = &bad), APP(), GUEST(.current = &running)}, 3, false, "Pending"},
        /* Guests do not count, however they do. */
        {"Never", {APP(.current = &good), GUEST(.current = &bad)}, 2, false, "Succeeded"},
        {"Never", {APP(.current = &good), GUEST()}, 2, true, "Succeeded"},
        {"Always", {APP(.current = &running), GUEST(.waiting_reason = "ErrImagePull")}, 2, false, "Running"},
        {"Always", {INIT(.current = &running), APP(), GUEST(.current = &running)}, 3, false, "Pending"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct value *pod CLEANUP_VALUE = pod_with(cases[i].policy);
        const struct status_facts facts = {
            .containers = cases[i].containers, .count = cases[i].count, .finished = cases[i].finished};

        if (strcmp(pod_phase(pod, &facts), cases[i].phase) != 0)
            fail_msg("case %zu: %s, not %s", i, pod_phase(pod, &facts), cases[i].phase);
    }
}

static struct value *make(const struct container_facts *containers, size_t count, const struct value *before)
{
    struct value *pod CLEANUP_VALUE = pod_with("Always");
    const struct status_facts facts = {.containers = containers,
                                       .count = count,
                                       .sandbox_ready = true,
                                       .pod_ip = "10.0.0.1",
                                       .host_ip = "192.0.2.1",
                                       .now_ns = NOW,
                                       .start_ns = NOW};

    return pod_status_make(pod, before, &facts);
}

static void assert_json(const struct value *v, const char *want)
{
    BUF_LOCAL(text);

    value_write(v, &text);
    assert_string_equal(buf_cstr(&text), want);
}

static const struct value *container_of_status(const struct value *status)
{
    return value_at(value_get(status, "containerStatuses"), 0);
}

static void states_are_worded_as_upstream(void **state)
{
    const struct container_facts creating[] = {APP()};
    const struct container_facts behind[] = {INIT(.current = &running), APP()};
    const struct container_facts crashing[] = {
        APP(.current = &bad, .restarts = 4, .waiting_reason = "CrashLoopBackOff", .waiting_message = "back-off 10s")};
    const struct container_facts killed[] = {APP(.current = &oom)};
    const struct container_facts up[] = {APP(.current = &running, .last = &bad, .restarts = 1)};
    struct value *a CLEANUP_VALUE = make(creating, 1, NULL);
    struct value *b CLEANUP_VALUE = make(behind, 2, NULL);
    struct value *c CLEANUP_VALUE = make(crashing, 1, NULL);
    struct value *d CLEANUP_VALUE = make(killed, 1, NULL);
    struct value *e CLEANUP_VALUE = make(up, 1, NULL);

    assert_json(container_of_status(a),
                "{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":\"ContainerCreating\"}},\"lastState\":{},"
                "\"ready\":false,\"restartCount\":0,\"image\":\"hello\",\"imageID\":\"\",\"started\":false}");
    assert_json(value_get(container_of_status(b), "state"), "{\"waiting\":{\"reason\":\"PodInitializing\"}}");
    assert_json(
        container_of_status(c),
        "{\"name\":\"c\",\"state\":{\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off 10s\"}},"
        "\"lastState\":{\"terminated\":{\"exitCode\":3,\"reason\":\"Error\",\"startedAt\":"
        "\"2026-01-02T15:04:05Z\",\"finishedAt\":\"2026-01-02T15:04:05Z\",\"containerID\":\"knarr://cc\"}},"
        "\"ready\":false,\"restartCount\":4,\"image\":\"docker.io/library/hello:latest\",\"imageID\":"
        "\"r/i@sha256:1\",\"containerID\":\"knarr://cc\",\"started\":false}");
    assert_json(value_path(container_of_status(d), "state", "terminated", "reason", NULL), "\"OOMKilled\"");
    assert_json(value_get(container_of_status(e), "state"), "{\"running\":{\"startedAt\":\"2026-01-02T15:04:05Z\"}}");
    assert_json(value_path(container_of_status(e), "lastState", "terminated", "exitCode", NULL), "3");
    assert_true(value_bool(value_get(container_of_status(e), "ready")));
}

static const struct value *condition(const struct value *status, const char *type)
{
    const struct value *list = value_get(status, "conditions");

    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_get(value_at(list, i), "type")), type))
            return value_at(list, i);
    return NULL;
}

static void conditions_keep_their_times(void **state)
{
    const struct container_facts waiting[] = {APP()};
    const struct container_facts up[] = {APP(.current = &running)};
    struct value *before CLEANUP_VALUE =
        json("{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"True\",\"lastTransitionTime\":"
             "\"2026-01-01T00:00:00Z\"},{\"type\":\"Ready\",\"status\":\"False\",\"lastTransitionTime\":"
             "\"2026-01-01T00:00:00Z\"},{\"type\":\"DisruptionTarget\",\"status\":\"True\"}],\"startTime\":"
             "\"2026-01-01T00:00:01Z\"}");
    struct value *a CLEANUP_VALUE = make(waiting, 1, before);
    struct value *b CLEANUP_VALUE = make(up, 1, a);

    assert_json(condition(a, "Ready"),
                "{\"type\":\"Ready\",\"observedGeneration\":2,\"status\":\"False\",\"lastProbeTime\":null,"
                "\"lastTransitionTime\":\"2026-01-01T00:00:00Z\",\"reason\":\"ContainersNotReady\",\"message\":"
                "\"containers with unready status: [c]\"}");
    assert_json(condition(b, "Ready"),
                "{\"type\":\"Ready\",\"observedGeneration\":2,\"status\":\"True\",\"lastProbeTime\":null,"
                "\"lastTransitionTime\":\"2026-01-02T15:04:05Z\"}");
    assert_json(value_get(condition(b, "PodScheduled"), "lastTransitionTime"), "\"2026-01-01T00:00:00Z\"");
    assert_null(condition(b, "DisruptionTarget")); /* another's: theirs to write */
    assert_json(value_get(b, "startTime"), "\"2026-01-01T00:00:01Z\"");
    assert_json(value_get(b, "podIPs"), "[{\"ip\":\"10.0.0.1\"}]");
    /* The same facts again give the same status. */
    {
        struct value *again CLEANUP_VALUE = make(up, 1, b);

        assert_true(value_equal(b, again));
    }
}

/* What probes know: started and ready of a container, and what follows for the pod. */
static void probes_decide_readiness(void **state)
{
    static const struct {
        struct container_facts containers[2];
        size_t count;
        const char *started;
        const char *ready;
        const char *initialized;
        const char *message; /* NULL = the pod is ready */
    } cases[] = {
        {{APP(.current = &running)}, 1, "true", "true", "True", NULL},
        {{APP(.current = &running, .starting = true)}, 1, "false", "false", "True", "[c]"},
        {{APP(.current = &running, .unready = true)}, 1, "true", "false", "True", "[c]"},
        {{INIT(.sidecar = true, .current = &running, .starting = true), APP()}, 2, "false", "false", "False", "[i c]"},
        {{INIT(.sidecar = true, .current = &running, .unready = true), APP(.current = &running)},
         2,
         "true",
         "true",
         "True",
         "[i]"},
        /* A sidecar that is started again later does not undo the start of the pod. */
        {{INIT(.sidecar = true, .current = &bad, .waiting_reason = "CrashLoopBackOff"), APP(.current = &running)},
         2,
         "true",
         "true",
         "True",
         "[i]"},
        {{INIT(.current = &good), APP(.current = &running)}, 2, "true", "true", "True", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct value *status CLEANUP_VALUE = make(cases[i].containers, cases[i].count, NULL);
        const char *message = value_str(value_get(condition(status, "ContainersReady"), "message"));
        char *want CLEANUP_FREE = mem_printf("containers with unready status: %s", cases[i].message);

        assert_json(value_get(container_of_status(status), "started"), cases[i].started);
        assert_json(value_get(container_of_status(status), "ready"), cases[i].ready);
        assert_slice_equal(value_string(value_get(condition(status, "Initialized"), "status")), cases[i].initialized);
        assert_slice_equal(value_string(value_get(condition(status, "Ready"), "status")),
                           cases[i].message ? "False" : "True");
        assert_true(cases[i].message ? message && !strcmp(message, want) : !message);
    }
}

/* Their states have a list of their own, and the pod is as ready as without them. */
static void guests_are_told_of_apart(void **state)
{
    const struct container_facts up[] = {APP(.current = &running), GUEST(.current = &running)};
    const struct container_facts lost[] = {APP(.current = &running),
                                           GUEST(.waiting_reason = "ImagePullBackOff", .waiting_message = "no")};
    const struct container_facts early[] = {INIT(.current = &running), APP(), GUEST(.current = &running)};
    struct value *a CLEANUP_VALUE = make(up, 2, NULL);
    struct value *b CLEANUP_VALUE = make(lost, 2, NULL);
    struct value *c CLEANUP_VALUE = make(early, 3, NULL);

    assert_int_equal(value_count(value_get(a, "containerStatuses")), 1);
    assert_json(value_get(a, "ephemeralContainerStatuses"),
                "[{\"name\":\"g\",\"state\":{\"running\":{\"startedAt\":\"2026-01-02T15:04:05Z\"}},\"lastState\":{},"
                "\"ready\":false,\"restartCount\":0,\"image\":\"docker.io/library/hello:latest\",\"imageID\":"
                "\"r/i@sha256:1\",\"containerID\":\"knarr://aa\"}]");
    assert_json(value_get(value_at(value_get(b, "ephemeralContainerStatuses"), 0), "state"),
                "{\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":\"no\"}}");
    assert_json(value_get(condition(b, "Ready"), "status"), "\"True\"");
    assert_json(value_get(condition(c, "Initialized"), "status"), "\"False\"");
    assert_json(value_get(condition(c, "Ready"), "message"), "\"containers with unready status: [c]\"");
}

static void gates_hold_readiness_back(void **state)
{
    static const struct {
        const char *conditions;
        const char *message; /* NULL = ready */
    } cases[] = {
        {"", "corresponding condition of pod readiness gate \"a/x\" does not exist., corresponding condition of pod "
             "readiness gate \"b\" does not exist."},
        {"{\"type\":\"a/x\",\"status\":\"True\"},{\"type\":\"b\",\"status\":\"False\"}",
         "the status of pod readiness gate \"b\" is not \"True\", but False"},
        {"{\"type\":\"a/x\",\"status\":\"True\"},{\"type\":\"b\",\"status\":\"True\"}", NULL},
    };
    const struct container_facts up[] = {APP(.current = &running)};
    const struct status_facts facts = {.containers = up, .count = 1, .now_ns = NOW, .start_ns = NOW};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *text CLEANUP_FREE = mem_printf("{\"spec\":{\"readinessGates\":[{\"conditionType\":\"a/x\"},"
                                             "{\"conditionType\":\"b\"}]},\"status\":{\"conditions\":[%s]}}",
                                             cases[i].conditions);
        struct value *pod CLEANUP_VALUE = json(text);
        struct value *status CLEANUP_VALUE = pod_status_make(pod, NULL, &facts);
        const struct value *ready = condition(status, "Ready");

        assert_slice_equal(value_string(value_get(condition(status, "ContainersReady"), "status")), "True");
        if (!cases[i].message) {
            assert_slice_equal(value_string(value_get(ready, "status")), "True");
            continue;
        }
        assert_slice_equal(value_string(value_get(ready, "reason")), "ReadinessGatesNotReady");
        assert_slice_equal(value_string(value_get(ready, "message")), cases[i].message);
    }
}

static void a_deadline_fails_the_pod(void **state)
{
    const struct container_facts ended[] = {APP(.current = &good)};
    struct value *pod CLEANUP_VALUE = pod_with("Always");
    const struct status_facts facts = {.containers = ended,
                                       .count = 1,
                                       .finished = true,
                                       .reason = "DeadlineExceeded",
                                       .message = "too long",
                                       .now_ns = NOW,
                                       .start_ns = NOW};
    struct value *status CLEANUP_VALUE = pod_status_make(pod, NULL, &facts);

    assert_json(value_get(status, "phase"), "\"Failed\"");
    assert_json(value_get(status, "reason"), "\"DeadlineExceeded\"");
    assert_json(value_get(condition(status, "Ready"), "reason"), "\"PodFailed\"");
}

static void last_state_of_an_unknown_attempt_stays(void **state)
{
    const struct container_facts creating[] = {APP(.restarts = 2)};
    struct value *before CLEANUP_VALUE = json("{\"containerStatuses\":[{\"name\":\"c\",\"lastState\":{\"terminated\":"
                                              "{\"exitCode\":9}}}]}");
    struct value *a CLEANUP_VALUE = make(creating, 1, before);

    assert_json(value_get(container_of_status(a), "lastState"), "{\"terminated\":{\"exitCode\":9}}");
}

/* What a container has is told while it runs, what it is to have all the time; conditions are there while they hold. */
static void resizes_are_told(void **state)
{
    struct value *allocated CLEANUP_VALUE = json("{\"requests\":{\"cpu\":\"2\"}}");
    struct value *actual CLEANUP_VALUE = json("{\"requests\":{\"cpu\":\"1\"}}");
    struct value *pod CLEANUP_VALUE = pod_with("Always");
    const struct container_facts containers[] = {
        APP(.current = &running, .allocated = allocated, .actual = actual),
        APP(.current = &bad, .allocated = allocated, .actual = actual),
    };
    struct status_facts facts = {.containers = containers,
                                 .count = 2,
                                 .now_ns = NOW,
                                 .start_ns = NOW,
                                 .resize_pending = "Deferred",
                                 .resize_why = "full",
                                 .resize_pending_generation = 3,
                                 .resizing = true,
                                 .resizing_generation = 2};
    struct value *a CLEANUP_VALUE = pod_status_make(pod, NULL, &facts);
    struct value *b CLEANUP_VALUE = NULL;
    struct value *c CLEANUP_VALUE = NULL;
    const struct value *list = value_get(a, "containerStatuses");

    assert_json(value_get(value_at(list, 0), "allocatedResources"), "{\"cpu\":\"2\"}");
    assert_json(value_get(value_at(list, 0), "resources"), "{\"requests\":{\"cpu\":\"1\"}}");
    assert_json(value_get(value_at(list, 1), "resources"), "{\"requests\":{\"cpu\":\"2\"}}");
    assert_json(condition(a, "PodResizePending"),
                "{\"type\":\"PodResizePending\",\"observedGeneration\":3,\"status\":\"True\",\"lastProbeTime\":null,"
                "\"lastTransitionTime\":\"2026-01-02T15:04:05Z\",\"reason\":\"Deferred\",\"message\":\"full\"}");
    assert_json(condition(a, "PodResizeInProgress"),
                "{\"type\":\"PodResizeInProgress\",\"observedGeneration\":2,\"status\":\"True\",\"lastProbeTime\":null,"
                "\"lastTransitionTime\":\"2026-01-02T15:04:05Z\"}");
    facts.resize_pending = NULL;
    facts.resize_error = "in use";
    b = pod_status_make(pod, a, &facts);
    assert_null(condition(b, "PodResizePending"));
    assert_json(value_get(condition(b, "PodResizeInProgress"), "reason"), "\"Error\"");
    assert_json(value_get(condition(b, "PodResizeInProgress"), "message"), "\"in use\"");
    facts.resizing = false;
    c = pod_status_make(pod, b, &facts);
    assert_null(condition(c, "PodResizeInProgress"));
}

static void qos_classes(void **state)
{
#define POD_OF(resources) "{\"spec\":{\"containers\":[{\"resources\":" resources "}]}}"
    static const struct {
        const char *pod;
        enum cgroup_qos qos;
    } cases[] = {
        {POD_OF("{}"), CGROUP_BESTEFFORT},
        {POD_OF("{\"requests\":{\"cpu\":\"1\"}}"), CGROUP_BURSTABLE},
        {POD_OF("{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}"), CGROUP_GUARANTEED},
        {POD_OF("{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1000m\"}}"), CGROUP_GUARANTEED},
        {POD_OF("{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1m\"}}"), CGROUP_BURSTABLE},
        {POD_OF("{\"limits\":{\"memory\":\"1Gi\"}}"), CGROUP_BURSTABLE},
        {POD_OF("{\"requests\":{\"cpu\":\"0\"}}"), CGROUP_BESTEFFORT},
        {"{\"spec\":{\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}},\"containers\":[{}]}}",
         CGROUP_GUARANTEED},
        {"{\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"1\"}},\"containers\":[{}]}}", CGROUP_BURSTABLE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct value *pod CLEANUP_VALUE = json(cases[i].pod);

        assert_int_equal(pod_qos(pod), cases[i].qos);
    }
}

/* What the pod as a whole is given stands for what is missing in its containers. */
static void limits_of_a_whole_pod(void **state)
{
    struct value *pod CLEANUP_VALUE = json(
        "{\"spec\":{\"resources\":{\"limits\":{\"cpu\":\"500m\",\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"100m\"}},"
        "\"containers\":[{},{\"resources\":{\"limits\":{\"memory\":\"16Mi\"}}}]}}");
    struct cgroup_limits l = {0};

    pod_limits(pod, &l);
    assert_int_equal(l.cpu_limit_milli, 500);
    assert_int_equal(l.cpu_request_milli, 100);
    assert_int_equal(l.memory_limit, 64 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(phases_follow_the_containers),
                                       cmocka_unit_test(states_are_worded_as_upstream),
                                       cmocka_unit_test(conditions_keep_their_times),
                                       cmocka_unit_test(last_state_of_an_unknown_attempt_stays),
                                       cmocka_unit_test(probes_decide_readiness),
                                       cmocka_unit_test(gates_hold_readiness_back),
                                       cmocka_unit_test(guests_are_told_of_apart),
                                       cmocka_unit_test(a_deadline_fails_the_pod),
                                       cmocka_unit_test(resizes_are_told),
                                       cmocka_unit_test(qos_classes),
                                       cmocka_unit_test(limits_of_a_whole_pod)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
