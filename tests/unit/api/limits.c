/* SPDX-License-Identifier: Apache-2.0 */
/* LimitRanges and what counts for quotas: tables of objects and what is said of them. */
#include "tests/unit/test.h"

#include "api/limit_range.h"
#include "api/quota.h"
#include "api/scan.h"

#define NOW (INT64_C(1700000000) * 1000000000) /* 2023-11-14T22:13:20Z */

static void test_amounts_add_up(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct amounts a = {.pool = pool};
    struct amounts b = {.pool = pool};
    BUF_LOCAL(out);

    (void)state;
    amounts_read(&a, SLICE_LIT("{\"memory\":\"0\",\"cpu\":\"100m\"}"));
    amounts_read(&b, SLICE_LIT("{\"cpu\":\"1\",\"memory\":\"512Mi\",\"pods\":3,\"x\":\"no\"}"));
    amounts_add(&a, &b);
    amounts_write(&a, &out);
    assert_string_equal(buf_cstr(&out), "{\"cpu\":\"1100m\",\"memory\":\"512Mi\",\"pods\":\"3\"}");
    amounts_subtract(&a, &b);
    buf_reset(&out);
    amounts_write(&a, &out);
    assert_string_equal(buf_cstr(&out), "{\"cpu\":\"100m\",\"memory\":\"0\",\"pods\":\"0\"}");
}

static void test_a_pod_asks_for_its_largest_moment(void **state)
{
    static const struct {
        const char *spec, *requests;
    } rows[] = {
        {"\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}},{\"resources\":{\"requests\":{\"cpu\":\"2\"}}}"
         "]",
         "{\"cpu\":\"3\"}"},
        {"\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}],"
         "\"initContainers\":[{\"resources\":{\"requests\":{\"cpu\":\"2\"}}},"
         "{\"restartPolicy\":\"Always\",\"resources\":{\"requests\":{\"cpu\":\"3\"}}},"
         "{\"resources\":{\"requests\":{\"cpu\":\"500m\",\"memory\":\"1Gi\"}}}]",
         "{\"cpu\":\"4\",\"memory\":\"1Gi\"}"},
        {"\"resources\":{\"requests\":{\"cpu\":\"7\",\"other\":\"1\"}},"
         "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\"}}}],\"overhead\":{\"cpu\":\"500m\"}",
         "{\"cpu\":\"7500m\"}"},
        {"\"containers\":[{}]", "{}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct amounts a = {.pool = pool};
        char *pod CLEANUP_FREE = mem_printf("{\"spec\":{%s}}", rows[i].spec);
        BUF_LOCAL(out);

        amounts_of_pod(&a, slice_str(pod), "requests", AMOUNTS_OVERHEAD);
        amounts_write(&a, &out);
        assert_string_equal(buf_cstr(&out), rows[i].requests);
    }
}

/* While a pod is resized, what it has and what was asked for, whichever is more; unless that will never be. */
static void test_requests_of_a_resize(void **state)
{
    static const struct {
        const char *asked, *status, *requests, *limits;
    } rows[] = {
        {"2", "\"resources\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"cpu\":\"1\"}}", "2", "2"},
        {"1", "\"resources\":{\"requests\":{\"cpu\":\"2\"},\"limits\":{\"cpu\":\"3\"}}", "2", "3"},
        {"1", "\"resources\":{\"requests\":{\"cpu\":\"2\"}},\"allocatedResources\":{\"cpu\":\"4\"}", "4", "1"},
        {"2", "\"allocatedResources\":{\"cpu\":\"4\"}", "2", "2"},
        {"9",
         "\"resources\":{\"requests\":{\"cpu\":\"1\"},\"limits\":{\"cpu\":\"1\"}}}],\"conditions\":[{\"type\":"
         "\"PodResizePending\",\"reason\":\"Infeasible\"",
         "1", "1"},
    };
    static const char *const lists[] = {"requests", "limits"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
            struct pool *pool CLEANUP_POOL = pool_new();
            struct amounts a = {.pool = pool};
            char *pod CLEANUP_FREE =
                mem_printf("{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"%s\":{\"cpu\":\"%s\"}}}]},"
                           "\"status\":{\"containerStatuses\":[{\"name\":\"c\",%s}]}}",
                           lists[l], rows[i].asked, rows[i].status);
            char *wanted CLEANUP_FREE = mem_printf("{\"cpu\":\"%s\"}", l ? rows[i].limits : rows[i].requests);
            BUF_LOCAL(out);

            amounts_of_pod(&a, slice_str(pod), lists[l], AMOUNTS_ACTUAL);
            amounts_write(&a, &out);
            assert_string_equal(buf_cstr(&out), wanted);
        }
}

/* ---- limit ranges ---- */

#define CONTAINER(resources) "{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":" resources "}]}}"

static void test_bounds(void **state)
{
    static const struct {
        const char *limit, *kind, *object, *why;
    } rows[] = {
        {"{\"type\":\"Container\",\"max\":{\"cpu\":\"1\"}}", "Pod", CONTAINER("{\"limits\":{\"cpu\":\"1000m\"}}"), ""},
        {"{\"type\":\"Container\",\"max\":{\"cpu\":\"1\",\"memory\":\"256Mi\"}}", "Pod",
         CONTAINER("{\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"}}"),
         "[maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 256Mi, but "
         "limit "
         "is 1Gi]"},
        {"{\"type\":\"Container\",\"max\":{\"cpu\":\"1\"}}", "Pod", CONTAINER("{}"),
         "maximum cpu usage per Container is 1.  No limit is specified"},
        {"{\"type\":\"Container\",\"min\":{\"cpu\":\"50m\"}}", "Pod", CONTAINER("{\"requests\":{\"cpu\":\"10m\"}}"),
         "minimum cpu usage per Container is 50m, but request is 10m"},
        {"{\"type\":\"Container\",\"min\":{\"cpu\":\"50m\"}}", "Pod", CONTAINER("{}"),
         "minimum cpu usage per Container is 50m.  No request is specified"},
        {"{\"type\":\"Container\",\"maxLimitRequestRatio\":{\"cpu\":\"4\"}}", "Pod",
         CONTAINER("{\"requests\":{\"cpu\":\"100m\"},\"limits\":{\"cpu\":\"900m\"}}"),
         "cpu max limit to request ratio per Container is 4, but provided ratio is 9.000000"},
        {"{\"type\":\"Container\",\"maxLimitRequestRatio\":{\"cpu\":\"4\"}}", "Pod",
         CONTAINER("{\"limits\":{\"cpu\":\"900m\"}}"),
         "cpu max limit to request ratio per Container is 4, but no request is specified or request is 0"},
        /* Said once, though of two containers. */
        {"{\"type\":\"Container\",\"max\":{\"cpu\":\"1\"}}", "Pod",
         "{\"spec\":{\"containers\":[{\"name\":\"c\"}],\"initContainers\":[{\"name\":\"i\"}]}}",
         "maximum cpu usage per Container is 1.  No limit is specified"},
        {"{\"type\":\"Pod\",\"max\":{\"cpu\":\"1500m\"}}", "Pod",
         "{\"spec\":{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":\"1\"}}},{\"resources\":{\"limits\":{\"cpu\":"
         "\"1\"}}}]}}",
         "maximum cpu usage per Pod is 1500m, but limit is 2"},
        {"{\"type\":\"PersistentVolumeClaim\",\"max\":{\"storage\":\"2Gi\"}}", "Pod", CONTAINER("{}"), ""},
        {"{\"type\":\"PersistentVolumeClaim\",\"max\":{\"storage\":\"2Gi\"}}", "PersistentVolumeClaim",
         "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"9Gi\"}}}}",
         "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 9Gi"},
        {"{\"type\":\"PersistentVolumeClaim\",\"min\":{\"storage\":\"1Gi\"}}", "PersistentVolumeClaim",
         "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"100Mi\"}}}}",
         "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 100Mi"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        char *range CLEANUP_FREE = mem_printf("{\"spec\":{\"limits\":[%s]}}", rows[i].limit);
        BUF_LOCAL(why);
        bool fits = limit_range_check(pool, slice_str(range), rows[i].kind, slice_str(rows[i].object), &why);

        assert_string_equal(buf_cstr(&why), rows[i].why);
        assert_int_equal(fits, !*rows[i].why);
    }
}

static void test_defaults(void **state)
{
    struct value *range CLEANUP_VALUE = value_parse(
        SLICE_LIT("{\"spec\":{\"limits\":[{\"type\":\"Pod\",\"max\":{\"cpu\":\"9\"}},{\"type\":\"Container\","
                  "\"default\":{\"cpu\":\"200m\",\"memory\":\"64Mi\"},\"defaultRequest\":{\"cpu\":\"100m\"}"
                  "}]}}"),
        NULL);
    struct value *pod CLEANUP_VALUE =
        value_parse(SLICE_LIT("{\"spec\":{\"containers\":[{\"name\":\"c\"},{\"name\":\"d\",\"resources\":{\"limits\":"
                              "{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1\"}}}],\"initContainers\":[{"
                              "\"name\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"1m\"}}}]}}"),
                    NULL);
    BUF_LOCAL(out);

    (void)state;
    limit_range_apply_defaults(range, pod);
    value_write(pod, &out);
    assert_string_equal(
        buf_cstr(&out),
        "{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"limits\":{\"cpu\":\"200m\",\"memory\":\"64Mi\"},"
        "\"requests\":{\"cpu\":\"100m\"}}},{\"name\":\"d\",\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}"
        ","
        "\"requests\":{\"cpu\":\"1\"}}}],\"initContainers\":[{\"name\":\"i\",\"resources\":{\"requests\":{\"cpu\":"
        "\"1m\"},"
        "\"limits\":{\"cpu\":\"200m\",\"memory\":\"64Mi\"}}}]},\"metadata\":{\"annotations\":{"
        "\"kubernetes.io/limit-ranger\":\"LimitRanger plugin set: cpu request for container c; cpu, memory limit for "
        "container c; cpu, memory limit for init container i\"}}}");
}

/* ---- quotas ---- */

static void test_use(void **state)
{
    static const struct {
        const char *resource, *object, *use;
    } rows[] = {
        {"deployments.apps", "{}", "{\"count/deployments.apps\":\"1\"}"},
        {"configmaps", "{}", "{\"configmaps\":\"1\",\"count/configmaps\":\"1\"}"},
        {"pods",
         "{\"spec\":{\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"1\",\"hugepages-2Mi\":\"4Mi\","
         "\"vendor.com/gpu\":\"2\"},\"limits\":{\"memory\":\"1Gi\",\"hugepages-2Mi\":\"4Mi\"}}}]}}",
         "{\"count/pods\":\"1\",\"cpu\":\"1\",\"hugepages-2Mi\":\"4Mi\",\"limits.memory\":\"1Gi\",\"pods\":\"1\","
         "\"requests.cpu\":\"1\",\"requests.hugepages-2Mi\":\"4Mi\",\"requests.vendor.com/gpu\":\"2\"}"},
        {"pods", "{\"spec\":{\"containers\":[{}]},\"status\":{\"phase\":\"Succeeded\"}}", "{\"count/pods\":\"1\"}"},
        {"pods",
         "{\"metadata\":{\"deletionTimestamp\":\"2023-11-14T22:13:00Z\",\"deletionGracePeriodSeconds\":5},\"spec\":{}}",
         "{\"count/pods\":\"1\"}"},
        {"pods",
         "{\"metadata\":{\"deletionTimestamp\":\"2023-11-14T22:13:40Z\",\"deletionGracePeriodSeconds\":30},\"spec\":{}"
         "}",
         "{\"count/pods\":\"1\",\"pods\":\"1\"}"},
        {"services", "{\"spec\":{\"type\":\"NodePort\",\"ports\":[{},{}]}}",
         "{\"count/services\":\"1\",\"services\":\"1\",\"services.nodeports\":\"2\"}"},
        {"services",
         "{\"spec\":{\"type\":\"LoadBalancer\",\"allocateLoadBalancerNodePorts\":false,\"ports\":[{},{\"nodePort\":3}]}"
         "}",
         "{\"count/services\":\"1\",\"services\":\"1\",\"services.loadbalancers\":\"1\",\"services.nodeports\":\"1\"}"},
        {"persistentvolumeclaims",
         "{\"spec\":{\"storageClassName\":\"gold\",\"resources\":{\"requests\":{\"storage\":\"4Gi\"}}}}",
         "{\"count/persistentvolumeclaims\":\"1\","
         "\"gold.storageclass.storage.k8s.io/persistentvolumeclaims\":\"1\","
         "\"gold.storageclass.storage.k8s.io/requests.storage\":\"4Gi\",\"persistentvolumeclaims\":\"1\","
         "\"requests.storage\":\"4Gi\"}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct amounts use = {.pool = pool};
        BUF_LOCAL(out);

        quota_add_use(&use, rows[i].resource, slice_str(rows[i].object), NOW);
        amounts_write(&use, &out);
        assert_string_equal(buf_cstr(&out), rows[i].use);
        /* Whatever is used is found again by its name when it is counted. */
        for (size_t k = 0; k < use.count; k++)
            assert_string_equal(quota_resource_of(pool, use.items[k].name), rows[i].resource);
    }
}

#define CLASS(operator, values)                                                                                        \
    "\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"PriorityClass\",\"operator\":\""                        \
    operator"\","                                                                                                      \
            "\"values\":[" values "]}]}"
#define AFFINITY(term)                                                                                                 \
    "{\"spec\":{\"affinity\":{\"podAntiAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{"             \
    "\"podAffinityTerm\":{" term "}}]}}}}"

static void test_scopes(void **state)
{
    static const struct {
        const char *spec, *resource, *object;
        bool selects;
    } rows[] = {
        {"", "pods", "{}", true},
        {"\"scopes\":[\"BestEffort\"]", "pods", "{\"status\":{\"qosClass\":\"BestEffort\"}}", true},
        {"\"scopes\":[\"BestEffort\"]", "pods", "{\"status\":{\"qosClass\":\"Burstable\"}}", false},
        {"\"scopes\":[\"NotBestEffort\"]", "pods", "{\"status\":{\"qosClass\":\"Burstable\"}}", true},
        {"\"scopes\":[\"Terminating\"]", "pods", "{\"spec\":{\"activeDeadlineSeconds\":5}}", true},
        {"\"scopes\":[\"NotTerminating\"]", "pods", "{\"spec\":{\"activeDeadlineSeconds\":5}}", false},
        {"\"scopes\":[\"NotTerminating\",\"NotBestEffort\"]", "pods", "{\"status\":{\"qosClass\":\"BestEffort\"}}",
         false},
        {"\"scopes\":[\"Terminating\"]", "configmaps", "{}", false},
        {"\"scopes\":[\"PriorityClass\"]", "pods", "{\"spec\":{\"priorityClassName\":\"a\"}}", true},
        {"\"scopes\":[\"PriorityClass\"]", "pods", "{}", false},
        {CLASS("In", "\"a\",\"b\""), "pods", "{\"spec\":{\"priorityClassName\":\"b\"}}", true},
        {CLASS("In", "\"a\""), "pods", "{\"spec\":{\"priorityClassName\":\"b\"}}", false},
        {CLASS("NotIn", "\"a\""), "pods", "{}", true},
        {CLASS("NotIn", "\"a\""), "pods", "{\"spec\":{\"priorityClassName\":\"a\"}}", false},
        {CLASS("Exists", ""), "pods", "{\"spec\":{\"priorityClassName\":\"a\"}}", true},
        {CLASS("DoesNotExist", ""), "pods", "{}", true},
        {"\"scopes\":[\"CrossNamespacePodAffinity\"]", "pods", AFFINITY("\"namespaces\":[\"a\"]"), true},
        {"\"scopes\":[\"CrossNamespacePodAffinity\"]", "pods", AFFINITY("\"namespaceSelector\":{}"), true},
        {"\"scopes\":[\"CrossNamespacePodAffinity\"]", "pods", AFFINITY("\"topologyKey\":\"a\""), false},
        {"\"scopes\":[\"VolumeAttributesClass\"]", "persistentvolumeclaims",
         "{\"spec\":{\"volumeAttributesClassName\":\"a\"}}", true},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *quota CLEANUP_FREE = mem_printf("{\"spec\":{%s}}", rows[i].spec);

        if (quota_selects(slice_str(quota), rows[i].resource, slice_str(rows[i].object)) != rows[i].selects)
            fail_msg("row %zu", i);
    }
}

static void test_what_must_be_stated(void **state)
{
    static const char pod[] = "{\"spec\":{\"containers\":[{\"name\":\"b\",\"resources\":{\"limits\":{\"cpu\":\"1\"}}},"
                              "{\"name\":\"a\"}],\"initContainers\":[{\"name\":\"i\",\"resources\":{\"requests\":{"
                              "\"cpu\":\"1\"}}}]}}";
    struct pool *pool CLEANUP_POOL = pool_new();
    struct amounts hard = {.pool = pool};
    BUF_LOCAL(why);

    (void)state;
    amounts_read(&hard, SLICE_LIT("{\"pods\":\"1\",\"limits.cpu\":\"1\",\"requests.cpu\":\"1\"}"));
    assert_false(quota_check_stated(&hard, slice_str(pod), &why));
    assert_string_equal(buf_cstr(&why), "limits.cpu for: a,i; requests.cpu for: a,b");
    buf_reset(&why);
    assert_true(quota_check_stated(&hard, SLICE_LIT("{\"spec\":{\"resources\":{\"limits\":{\"cpu\":\"1\"}}}}"), &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_of_a_resize),
        cmocka_unit_test(test_amounts_add_up),
        cmocka_unit_test(test_a_pod_asks_for_its_largest_moment),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_use),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_what_must_be_stated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
