/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/oci_spec.h"
#include "agent/resize.h"

static struct value *json(const char *text)
{
    struct value *v = value_parse(slice_str(text), NULL);

    assert_non_null(v);
    return v;
}

static void resources_are_compared_by_amount(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {
        {"{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}",
         "{\"requests\":{\"memory\":\"1024Mi\",\"cpu\":\"1000m\"}}", true},
        {"{\"requests\":{\"cpu\":\"1\"}}", "{\"requests\":{\"cpu\":\"2\"}}", false},
        {"{\"limits\":{\"memory\":\"1\"}}", "{\"requests\":{\"memory\":\"1\"}}", false},
        {"{\"limits\":{\"memory\":\"0\"}}", "{}", false},
        {"{\"requests\":{\"ephemeral-storage\":\"1\"}}", "{}", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct value *a CLEANUP_VALUE = json(rows[i].a);
        struct value *b CLEANUP_VALUE = json(rows[i].b);

        assert_int_equal(resize_same(a, b), rows[i].same);
    }
    assert_true(resize_same(NULL, NULL));
}

static void policies_say_who_is_started_anew(void **state)
{
    struct value *container CLEANUP_VALUE =
        json("{\"resizePolicy\":[{\"resourceName\":\"memory\",\"restartPolicy\":\"RestartContainer\"},"
             "{\"resourceName\":\"cpu\",\"restartPolicy\":\"NotRequired\"}]}");
    struct value *from CLEANUP_VALUE = json("{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}");
    struct value *more_cpu CLEANUP_VALUE = json("{\"requests\":{\"cpu\":\"2\",\"memory\":\"1Gi\"}}");
    struct value *limited CLEANUP_VALUE =
        json("{\"requests\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"limits\":{\"memory\":\"2Gi\"}}");
    struct value *silent CLEANUP_VALUE = json("{}");

    assert_false(resize_needs_restart(container, from, more_cpu));
    assert_true(resize_needs_restart(container, from, limited));
    assert_false(resize_needs_restart(silent, from, limited));
}

static void resources_are_put_into_a_container(void **state)
{
    struct value *container CLEANUP_VALUE =
        json("{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"9\",\"ephemeral-storage\":\"1Gi\"},\"limits\":{"
             "\"cpu\":\"9\"},\"claims\":[]}}");
    struct value *resources CLEANUP_VALUE = json("{\"requests\":{\"cpu\":\"1\",\"memory\":\"2\"}}");
    BUF_LOCAL(out);

    resize_set(container, resources);
    value_write(container, &out);
    assert_string_equal(buf_cstr(&out),
                        "{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\",\"ephemeral-storage\":\"1Gi\","
                        "\"memory\":\"2\"},\"limits\":{},\"claims\":[]}}");
}

static void a_pod_asks_for_its_peak(void **state)
{
    struct value *pod CLEANUP_VALUE = json(
        "{\"spec\":{\"overhead\":{\"cpu\":\"50m\"},\"initContainers\":[{\"restartPolicy\":\"Always\",\"resources\":{"
        "\"requests\":{\"cpu\":\"200m\"}}},{\"resources\":{\"requests\":{\"cpu\":\"2\",\"memory\":\"1Ki\"}}}],"
        "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"300m\",\"memory\":\"3Ki\"}}},{\"resources\":{"
        "\"requests\":{\"cpu\":\"400m\"}}}]}}");
    struct resize_amounts a = resize_pod_requests(pod);

    assert_int_equal(a.cpu_milli, 2250);
    assert_int_equal(a.memory, 3072);
    {
        struct value *whole CLEANUP_VALUE = json("{\"requests\":{\"cpu\":\"7\"}}");

        value_set(value_get(pod, "spec"), "resources", STEAL(whole));
        a = resize_pod_requests(pod);
    }
    assert_int_equal(a.cpu_milli, 7050);
    assert_int_equal(a.memory, 3072);
}

static void what_grows_must_fit(void **state)
{
    static const struct {
        struct resize_amounts now, wanted, others;
        enum resize_verdict verdict;
        const char *why;
    } rows[] = {
        {{100, 10}, {200, 20}, {1800, 80}, RESIZE_FITS, ""},
        {{100, 10},
         {201, 10},
         {1800, 0},
         RESIZE_DEFERRED,
         "Node didn't have enough resource: cpu, requested: 201, used: 1800, capacity: 2000"},
        {{100, 10},
         {100, 21},
         {0, 80},
         RESIZE_DEFERRED,
         "Node didn't have enough resource: memory, requested: 21, used: 80, capacity: 100"},
        {{100, 10},
         {2001, 10},
         {0, 0},
         RESIZE_INFEASIBLE,
         "Node didn't have enough capacity: cpu, requested: 2001, capacity: 2000"},
        {{100, 10},
         {2001, 101},
         {0, 0},
         RESIZE_INFEASIBLE,
         "Node didn't have enough capacity: memory, requested: 101, capacity: 100"},
        /* What does not grow fits on a node that has given away more than it has. */
        {{3000, 10}, {2900, 10}, {1000, 95}, RESIZE_FITS, ""},
        {{100, 10},
         {INT64_MAX, 10},
         {INT64_MAX, 0},
         RESIZE_INFEASIBLE,
         "Node didn't have enough capacity: cpu, requested: 9223372036854775807, capacity: 2000"},
    };
    const struct resize_amounts room = {2000, 100};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        BUF_LOCAL(why);

        assert_int_equal(resize_judge(&rows[i].now, &rows[i].wanted, &rows[i].others, &room, &why), rows[i].verdict);
        assert_string_equal(buf_cstr(&why), rows[i].why);
    }
}

static void limits_are_widened(void **state)
{
    struct cgroup_limits a = {.cpu_request_milli = 5, .cpu_limit_milli = 10, .memory_limit = 100, .pids_limit = 7};
    const struct cgroup_limits b = {.cpu_request_milli = 6, .cpu_limit_milli = 0, .memory_limit = 50};
    const struct cgroup_limits none = {0};

    assert_true(resize_narrows_memory(&a, &b) && resize_narrows_memory(&none, &a));
    assert_false(resize_narrows_memory(&b, &a) || resize_narrows_memory(&a, &none) || resize_narrows_memory(&a, &a));
    assert_false(resize_limits_equal(&a, &b));
    resize_widen(&a, &b);
    assert_int_equal(a.cpu_request_milli, 6);
    assert_int_equal(a.cpu_limit_milli, 0);
    assert_int_equal(a.memory_limit, 100);
    assert_int_equal(a.pids_limit, 7);
}

static void the_status_is_remembered(void **state)
{
    struct value *status CLEANUP_VALUE = json("{\"allocatedResources\":{\"cpu\":\"1\"},\"resources\":{\"requests\":{"
                                              "\"cpu\":\"2\"},\"limits\":{\"cpu\":\"3\"}}}");
    struct value *silent CLEANUP_VALUE = json("{\"resources\":{}}");
    struct value *own CLEANUP_VALUE = json("{\"limits\":{\"cpu\":\"9\",\"memory\":\"8\"}}");
    struct value *a CLEANUP_VALUE = resize_of_status(status, NULL);
    struct value *b CLEANUP_VALUE = resize_of_status(status, own);
    BUF_LOCAL(out);

    value_write(a, &out);
    assert_string_equal(buf_cstr(&out), "{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"cpu\":\"3\"}}");
    buf_reset(&out);
    value_write(b, &out);
    assert_string_equal(buf_cstr(&out), "{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"cpu\":\"3\",\"memory\":\"8\"}}");
    assert_null(resize_of_status(silent, own));
    assert_null(resize_of_status(NULL, own));
}

static void events_tell_of_what_can_change(void **state)
{
    struct value *pod CLEANUP_VALUE = json(
        "{\"spec\":{\"initContainers\":[{\"name\":\"i\",\"resources\":{}},{\"name\":\"s\",\"restartPolicy\":\"Always\","
        "\"resources\":{}}],\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"1\"}}}]}}");
    BUF_LOCAL(out);

    resize_write_event(pod, 2, "no", &out);
    assert_string_equal(buf_cstr(&out),
                        "{\"containers\":[{\"name\":\"s\",\"resources\":{}},{\"name\":\"c\",\"resources\":{"
                        "\"requests\":{\"cpu\":\"1\"}}}],\"generation\":2,\"error\":\"no\"}");
}

static void the_runtime_gets_limits_alone(void **state)
{
    const struct cgroup_limits limits = {.cpu_request_milli = 500, .cpu_limit_milli = 1000, .memory_limit = 77};
    BUF_LOCAL(out);

    oci_resources_write(&limits, &out);
    assert_string_equal(buf_cstr(&out),
                        "{\"cpu\":{\"shares\":512,\"period\":100000,\"quota\":100000},\"memory\":{\"limit\":77}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resources_are_compared_by_amount),
        cmocka_unit_test(policies_say_who_is_started_anew),
        cmocka_unit_test(resources_are_put_into_a_container),
        cmocka_unit_test(a_pod_asks_for_its_peak),
        cmocka_unit_test(what_grows_must_fit),
        cmocka_unit_test(limits_are_widened),
        cmocka_unit_test(the_status_is_remembered),
        cmocka_unit_test(events_tell_of_what_can_change),
        cmocka_unit_test(the_runtime_gets_limits_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
