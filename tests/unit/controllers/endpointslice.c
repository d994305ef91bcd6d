/* SPDX-License-Identifier: Apache-2.0 */
/* Which slices a Service gets, and that what is right already stays untouched. */
#include "tests/unit/controllers/fixture.h"

#include "controllers/endpointslice.h"

#define NUMBERED "[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80,\"targetPort\":8080}]"
#define NAMED    "[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80,\"targetPort\":\"web\"}]"

static struct view *service_of(const char *ports, const char *more_spec)
{
    return view_of_f(&view_services,
                     "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"s-1\",\"labels\":{\"team\":\"x\"}},"
                     "\"spec\":{\"type\":\"ClusterIP\",\"clusterIP\":\"10.96.0.9\",\"selector\":{\"app\":\"web\"},"
                     "\"ports\":%s%s}}",
                     ports, more_spec);
}

static struct view *pod_of(int number, int port, const char *ready, const char *more_metadata, const char *more_spec)
{
    return view_of_f(&view_pods,
                     "{\"metadata\":{\"name\":\"p%d\",\"namespace\":\"a\",\"uid\":\"u%d\",\"labels\":{\"app\":\"web\"}"
                     "%s},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"x\"},{\"name\":\"c\",\"ports\":["
                     "{\"name\":\"web\",\"protocol\":\"UDP\",\"containerPort\":1},{\"name\":\"web\","
                     "\"containerPort\":%d}]}]%s},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.%d\","
                     "\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\"}]}}",
                     number, number, more_metadata, port, more_spec, number, ready);
}

/* The slice that a create made, as it would be stored; members in another order than they were written. */
static struct view *stored(const struct action *action, const char *name)
{
    struct slice body = buf_slice(&action->body);

    return view_of_f(&view_endpointslices,
                     "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"a\",\"uid\":\"%s\",\"resourceVersion\":\"7\","
                     "\"labels\":%.*s},\"ports\":%.*s,\"endpoints\":%.*s,\"addressType\":\"IPv4\"}",
                     name, name, SLICE_ARGS(scan_get(body, "metadata.labels")), SLICE_ARGS(scan_get(body, "ports")),
                     SLICE_ARGS(scan_get(body, "endpoints")));
}

static void plan_for(const struct view *service, struct view *const *pods, size_t pod_count, struct view *const *slices,
                     size_t slice_count, struct plan *plan)
{
    endpointslice_plan(&(struct endpointslice_view){service, (const struct view *const *)pods, pod_count,
                                                    (const struct view *const *)slices, slice_count},
                       plan);
}

static void free_all(struct view **views, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(views[i]);
}

static void test_a_slice_says_what_upstreams_says(void **state)
{
    struct view *service = service_of(NUMBERED, "");
    struct view *pods[] = {pod_of(1, 0, "True", "", ",\"hostname\":\"h\",\"subdomain\":\"web\""),
                           pod_of(2, 0, "False", "", ",\"hostname\":\"h\",\"subdomain\":\"other\""),
                           pod_of(3, 0, "True", ",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\"", "")};
    struct view *slice;
    PLAN_LOCAL(plan);
    PLAN_LOCAL(again);

    (void)state;
    plan_for(service, pods, 3, NULL, 0, &plan);
    assert_int_equal(plan.count, 1);
    assert_string_equal(
        buf_cstr(&plan.actions[0].body),
        "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"generateName\":\"web-\","
        "\"namespace\":\"a\",\"labels\":{\"kubernetes.io/service-name\":\"web\","
        "\"endpointslice.kubernetes.io/managed-by\":\"endpointslice-controller.k8s.io\",\"team\":\"x\"},"
        "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"name\":\"web\",\"uid\":\"s-1\","
        "\"controller\":true,\"blockOwnerDeletion\":true}]},\"addressType\":\"IPv4\",\"endpoints\":["
        "{\"addresses\":[\"10.0.0.1\"],\"conditions\":{\"ready\":true,\"serving\":true,\"terminating\":false},"
        "\"hostname\":\"h\",\"nodeName\":\"n1\","
        "\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"a\",\"name\":\"p1\",\"uid\":\"u1\"}},"
        "{\"addresses\":[\"10.0.0.2\"],\"conditions\":{\"ready\":false,\"serving\":false,\"terminating\":false},"
        "\"nodeName\":\"n1\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"a\",\"name\":\"p2\",\"uid\":\"u2\"}},"
        "{\"addresses\":[\"10.0.0.3\"],\"conditions\":{\"ready\":false,\"serving\":true,\"terminating\":true},"
        "\"nodeName\":\"n1\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"a\",\"name\":\"p3\",\"uid\":\"u3\"}}],"
        "\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":8080}]}");
    slice = stored(&plan.actions[0], "web-1");
    plan_for(service, pods, 3, &slice, 1, &again);
    assert_int_equal(again.count, 0);
    free(service);
    free(slice);
    free_all(pods, 3);
}

static void test_pods_that_ended_or_have_no_address_are_left_out(void **state)
{
    struct view *service = service_of(NUMBERED, "");
    struct view *pods[] = {
        view_of(&view_pods, "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"status\":{\"phase\":\"Pending\"}}"),
        view_of(
            &view_pods,
            "{\"metadata\":{\"name\":\"q\",\"uid\":\"v\"},\"status\":{\"phase\":\"Failed\",\"podIP\":\"10.0.0.1\"}}"),
    };
    struct view *slice;
    PLAN_LOCAL(plan);
    PLAN_LOCAL(again);

    (void)state;
    plan_for(service, pods, 2, NULL, 0, &plan);
    assert_int_equal(scan_count(scan_get(buf_slice(&plan.actions[0].body), "endpoints")), 0);
    assert_int_equal(scan_count(scan_get(buf_slice(&plan.actions[0].body), "ports")), 0);
    /* One empty slice is enough, and stays. */
    slice = stored(&plan.actions[0], "web-1");
    plan_for(service, pods, 2, &slice, 1, &again);
    assert_int_equal(again.count, 0);
    free(service);
    free(slice);
    free_all(pods, 2);
}

static void test_not_ready_addresses_can_be_published(void **state)
{
    struct view *service = service_of(NUMBERED, ",\"publishNotReadyAddresses\":true");
    struct view *pods[] = {pod_of(1, 0, "False", "", "")};
    PLAN_LOCAL(plan);

    (void)state;
    plan_for(service, pods, 1, NULL, 0, &plan);
    assert_non_null(strstr(buf_cstr(&plan.actions[0].body), "\"ready\":true,\"serving\":false"));
    free(service);
    free_all(pods, 1);
}

static void test_named_ports_are_the_pods_own(void **state)
{
    struct view *service = service_of(NAMED, "");
    struct view *pods[] = {pod_of(1, 8080, "True", "", ""), pod_of(2, 9090, "True", "", ""),
                           pod_of(3, 8080, "True", "", "")};
    PLAN_LOCAL(plan);

    (void)state;
    plan_for(service, pods, 3, NULL, 0, &plan);
    assert_int_equal(plan_count(&plan, ACTION_CREATE, &view_endpointslices, ""), 2);
    assert_int_equal(scan_count(scan_get(buf_slice(&plan.actions[0].body), "endpoints")), 2);
    assert_non_null(strstr(buf_cstr(&plan.actions[0].body), "\"port\":8080"));
    assert_non_null(strstr(buf_cstr(&plan.actions[1].body), "\"port\":9090"));
    free(service);
    free_all(pods, 3);
}

static void test_headless_services_are_marked(void **state)
{
    struct view *service = view_of(&view_services, "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"s\"},"
                                                   "\"spec\":{\"clusterIP\":\"None\",\"selector\":{\"app\":\"web\"}}}");
    struct view *pods[] = {pod_of(1, 0, "True", "", "")};
    PLAN_LOCAL(plan);

    (void)state;
    plan_for(service, pods, 1, NULL, 0, &plan);
    assert_non_null(strstr(buf_cstr(&plan.actions[0].body), "\"service.kubernetes.io/headless\":\"\""));
    assert_int_equal(scan_count(scan_get(buf_slice(&plan.actions[0].body), "endpoints")), 1);
    assert_int_equal(scan_count(scan_get(buf_slice(&plan.actions[0].body), "ports")), 0);
    free(service);
    free_all(pods, 1);
}

/* 150 pods fill two slices; one that goes, one that comes and one that changes touch one slice each at most. */
static void test_slices_fill_and_stay_put(void **state)
{
    struct view *service = service_of(NUMBERED, "");
    struct view *pods[151];
    struct view *slices[2];
    PLAN_LOCAL(plan);
    PLAN_LOCAL(gone);
    PLAN_LOCAL(come);

    (void)state;
    for (int i = 0; i < 151; i++)
        pods[i] = pod_of(i, 0, "True", "", "");
    plan_for(service, pods, 150, NULL, 0, &plan);
    assert_int_equal(plan.count, 2);
    for (size_t i = 0; i < 2; i++)
        slices[i] = stored(&plan.actions[i], i ? "web-b" : "web-a");
    assert_int_equal(scan_count(scan_get(buf_slice(&plan.actions[0].body), "endpoints")), 100);
    plan_for(service, pods + 1, 149, slices, 2, &gone);
    assert_int_equal(gone.count, 1);
    assert_string_equal(gone.actions[0].name, "web-a");
    assert_int_equal(scan_count(scan_get(buf_slice(&gone.actions[0].body), "endpoints")), 99);
    assert_body_text(&gone.actions[0], "metadata.resourceVersion", "7");
    /* One goes and one comes: the slice that must be written anyway takes the new one. */
    plan_for(service, pods + 1, 150, slices, 2, &come);
    assert_int_equal(come.count, 1);
    assert_string_equal(come.actions[0].name, "web-a");
    assert_int_equal(scan_count(scan_get(buf_slice(&come.actions[0].body), "endpoints")), 100);
    free(service);
    free_all(pods, 151);
    free_all(slices, 2);
}

static void test_new_ports_and_labels_replace_old_ones(void **state)
{
    struct view *before = service_of(NUMBERED, "");
    struct view *ports = service_of("[{\"name\":\"http\",\"port\":80,\"targetPort\":81}]", "");
    struct view *labels = view_of(&view_services,
                                  "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"s-1\"},"
                                  "\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":" NUMBERED "}}");
    struct view *pods[] = {pod_of(1, 0, "True", "", "")};
    struct view *slices[2];
    PLAN_LOCAL(plan);
    PLAN_LOCAL(moved);
    PLAN_LOCAL(labelled);

    (void)state;
    plan_for(before, pods, 1, NULL, 0, &plan);
    slices[0] = stored(&plan.actions[0], "web-a");
    slices[1] = view_of(&view_endpointslices,
                        "{\"metadata\":{\"name\":\"mine\",\"uid\":\"m\"},\"addressType\":\"IPv4\","
                        "\"endpoints\":[]}");
    /* A slice of somebody else is left alone. */
    plan_for(ports, pods, 1, slices, 2, &moved);
    assert_int_equal(moved.count, 2);
    assert_string_equal(plan_find(&moved, ACTION_DELETE, &view_endpointslices, "", 0)->name, "web-a");
    assert_non_null(strstr(buf_cstr((struct buf *)&plan_find(&moved, ACTION_CREATE, &view_endpointslices, "", 0)->body),
                           "\"port\":81"));
    plan_for(labels, pods, 1, slices, 1, &labelled);
    assert_int_equal(labelled.count, 1);
    assert_non_null(strstr(buf_cstr(&labelled.actions[0].body), "\"team\":null"));
    free(before);
    free(ports);
    free(labels);
    free_all(pods, 1);
    free_all(slices, 2);
}

static void test_which_services_count(void **state)
{
    static const struct {
        const char *spec;
        bool wanted;
    } rows[] = {{"{\"selector\":{\"a\":\"b\"}}", true},
                {"{\"selector\":{}}", false},
                {"{}", false},
                {"{\"selector\":{\"a\":\"b\"},\"type\":\"ExternalName\"}", false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *service = view_of_f(&view_services, "{\"spec\":%s}", rows[i].spec);

        assert_int_equal(service_selects(service), rows[i].wanted);
        free(service);
    }
}

static void test_which_pods_are_selected(void **state)
{
    static const struct {
        const char *selector;
        const char *ns;
        const char *labels;
        bool selected;
    } rows[] = {{"{\"a\":\"b\"}", "x", "{\"a\":\"b\"}", true},
                {"{\"a\":\"b\"}", "x", "{\"c\":\"d\",\"a\":\"b\"}", true},
                {"{\"a\":\"b\"}", "y", "{\"a\":\"b\"}", false},
                {"{\"a\":\"b\"}", "x", "{\"a\":\"c\"}", false},
                {"{\"a\":\"b\"}", "x", "{\"b\":\"a\"}", false},
                {"{\"a\":\"b\",\"c\":\"d\"}", "x", "{\"a\":\"b\"}", false},
                {"{\"a\":\"b\",\"c\":\"d\"}", "x", "{\"c\":\"d\",\"a\":\"b\"}", true},
                {"{\"a\":\"b\"}", "x", "{}", false}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *service = view_of_f(
            &view_services, "{\"metadata\":{\"namespace\":\"x\"},\"spec\":{\"selector\":%s}}", rows[i].selector);
        struct view *pod =
            view_of_f(&view_pods, "{\"metadata\":{\"namespace\":\"%s\",\"labels\":%s}}", rows[i].ns, rows[i].labels);

        assert_int_equal(view_selects(service, pod), rows[i].selected);
        free(service);
        free(pod);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slice_says_what_upstreams_says),
        cmocka_unit_test(test_pods_that_ended_or_have_no_address_are_left_out),
        cmocka_unit_test(test_not_ready_addresses_can_be_published),
        cmocka_unit_test(test_named_ports_are_the_pods_own),
        cmocka_unit_test(test_headless_services_are_marked),
        cmocka_unit_test(test_slices_fill_and_stay_put),
        cmocka_unit_test(test_new_ports_and_labels_replace_old_ones),
        cmocka_unit_test(test_which_services_count),
        cmocka_unit_test(test_which_pods_are_selected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
