/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "scheduler/view.h"

static void test_requests_are_the_larger_of_start_and_run(void **state)
{
    /* init1 1 cpu, then a sidecar of 200m, then init2 2 cpu beside it; containers 300m + 400m beside the sidecar. */
    struct pod_view *pod =
        pod_view_read(SLICE_LIT("{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\"},\"spec\":{"
                                "\"initContainers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}},"
                                "{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"200m\"}}},"
                                "{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}],"
                                "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"300m\",\"memory\":\"64Mi\"}}},"
                                "{\"resources\":{\"requests\":{\"cpu\":\"400m\",\"ephemeral-storage\":\"1k\"}}}],"
                                "\"overhead\":{\"cpu\":\"50m\"}}}"));

    (void)state;
    assert_non_null(pod);
    assert_int_equal(pod->requests.amount[RESOURCE_CPU], 2250);
    assert_int_equal(pod->requests.amount[RESOURCE_MEMORY], 1LL << 30);
    assert_int_equal(pod->requests.amount[RESOURCE_STORAGE], 1000);
    assert_int_equal(pod->requests.amount[RESOURCE_PODS], 1);
    pod_view_free(pod);
}

/* Of a pod that is being resized its node's word counts as well: the larger, or it alone when the rest is infeasible.
 */
static void test_requests_of_a_resize(void **state)
{
    static const struct {
        const char *reason;
        int64_t cpu;
    } rows[] = {{"Deferred", 3000 + 900}, {"Infeasible", 1000 + 900}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *json CLEANUP_FREE = mem_printf(
            "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"a\",\"resources\":{\"requests\":{"
            "\"cpu\":\"3\"}}}],\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\",\"resources\":{"
            "\"requests\":{\"cpu\":\"100m\"}}}]},\"status\":{\"conditions\":[{\"type\":\"PodResizePending\","
            "\"reason\":\"%s\"}],\"containerStatuses\":[{\"name\":\"a\",\"resources\":{\"requests\":{\"cpu\":\"1\"}},"
            "\"allocatedResources\":{\"cpu\":\"1\"}}],\"initContainerStatuses\":[{\"name\":\"s\",\"resources\":{"
            "\"requests\":{\"cpu\":\"900m\"}}}]}}",
            rows[i].reason);
        struct pod_view *pod = pod_view_read(slice_str(json));

        assert_int_equal(pod->requests.amount[RESOURCE_CPU], rows[i].cpu);
        pod_view_free(pod);
    }
}

static void test_requests_of_a_whole_pod(void **state)
{
    struct pod_view *pod = pod_view_read(
        SLICE_LIT("{\"metadata\":{\"name\":\"p\"},\"spec\":{\"resources\":{\"requests\":{\"cpu\":\"2\"}},"
                  "\"overhead\":{\"cpu\":\"100m\"},\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\","
                  "\"memory\":\"5\"}}}]}}"));

    (void)state;
    assert_int_equal(pod->requests.amount[RESOURCE_CPU], 2100);
    assert_int_equal(pod->requests.amount[RESOURCE_MEMORY], 5);
    pod_view_free(pod);
}

static void test_pod_fields(void **state)
{
    struct pod_view *pod = pod_view_read(SLICE_LIT(
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\",\"deletionTimestamp\":\"2026-01-01T00:00:"
        "00Z\","
        "\"ownerReferences\":[{\"uid\":\"x\"},{\"uid\":\"owner\",\"controller\":true}]},\"spec\":{\"priority\":7,"
        "\"hostNetwork\":true,\"schedulingGates\":[{\"name\":\"g\"}],"
        "\"containers\":[{\"ports\":[{\"containerPort\":80},{\"containerPort\":1,\"hostPort\":53,\"protocol\":\"UDP\","
        "\"hostIP\":\"127.0.0.1\"}]}]},\"status\":{\"phase\":\"Failed\",\"conditions\":[{\"type\":\"PodScheduled\","
        "\"status\":\"False\",\"message\":\"why\"}]}}"));

    (void)state;
    assert_string_equal(pod->owner_uid, "owner");
    assert_string_equal(pod->scheduler_name, "default-scheduler");
    assert_null(pod->node_name);
    assert_true(pod->deleting && pod->finished && pod->gated);
    assert_int_equal(pod->priority, 7);
    assert_string_equal(pod->unschedulable_message, "why");
    assert_int_equal(pod->port_count, 2);
    assert_int_equal(pod->ports[0].port, 80);
    assert_int_equal(pod->ports[1].port, 53);
    assert_int_equal(pod->ports[1].protocol, 'U');
    assert_string_equal(pod->ports[1].ip, "127.0.0.1");
    pod_view_free(pod);
}

static void test_broken_objects_are_left_out_or_bounded(void **state)
{
    struct pod_view *pod =
        pod_view_read(SLICE_LIT("{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"resources\":"
                                "{\"requests\":{\"cpu\":\"nonsense\",\"memory\":12}}}]}}"));

    (void)state;
    assert_null(pod_view_read(SLICE_LIT("{}")));
    assert_null(pod_view_read(SLICE_LIT("")));
    assert_null(node_view_read(SLICE_LIT("[]")));
    assert_int_equal(pod->requests.amount[RESOURCE_CPU], 0);
    assert_int_equal(pod->requests.amount[RESOURCE_MEMORY], 12);
    pod_view_free(pod);
}

static void test_node_changes_that_may_help(void **state)
{
#define NODE(spec, cpu)                                                                                                \
    node_view_read(                                                                                                    \
        SLICE_LIT("{\"metadata\":{\"name\":\"n\",\"labels\":{\"zone\":\"a\",\"arch\":\"x\"}},\"spec\":{" spec          \
                  "},\"status\":{\"allocatable\":{\"cpu\":\"" cpu "\",\"pods\":\"110\"}}}"))
    struct node_view *plain = NODE("", "2");
    struct node_view *smaller = NODE("", "1");
    struct node_view *cordoned = NODE("\"unschedulable\":true", "2");
    struct node_view *tainted = NODE("\"taints\":[{\"key\":\"k\",\"effect\":\"NoSchedule\"}]", "2");
#undef NODE

    (void)state;
    assert_string_equal(node_view_label(plain, "zone"), "a");
    assert_null(node_view_label(plain, "none"));
    assert_false(node_view_may_help(plain, plain));
    assert_true(node_view_may_help(NULL, plain));
    assert_true(node_view_may_help(smaller, plain));
    assert_false(node_view_may_help(plain, smaller));
    assert_true(node_view_may_help(cordoned, plain));
    assert_false(node_view_may_help(plain, cordoned));
    assert_true(node_view_may_help(tainted, plain));
    node_view_free(plain);
    node_view_free(smaller);
    node_view_free(cordoned);
    node_view_free(tainted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_of_a_resize),
        cmocka_unit_test(test_requests_of_a_whole_pod),
        cmocka_unit_test(test_requests_are_the_larger_of_start_and_run),
        cmocka_unit_test(test_pod_fields),
        cmocka_unit_test(test_broken_objects_are_left_out_or_bounded),
        cmocka_unit_test(test_node_changes_that_may_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
