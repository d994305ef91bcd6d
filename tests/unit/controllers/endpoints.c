/* SPDX-License-Identifier: Apache-2.0 */
/* The Endpoints of a Service: how pods are packed into subsets, and that what is right already stays untouched. */
#include "tests/unit/controllers/fixture.h"

#include "controllers/endpoints.h"

#define HTTP "{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":80,\"targetPort\":8080}"
#define WEB  "{\"name\":\"web\",\"protocol\":\"TCP\",\"port\":81,\"targetPort\":\"web\"}"

static struct view *service_of(const char *ports, const char *more_spec)
{
    return view_of_f(&view_services,
                     "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"s-1\",\"labels\":{\"team\":\"x\"},"
                     "\"creationTimestamp\":\"2023-11-14T22:00:00Z\"},"
                     "\"spec\":{\"clusterIP\":\"10.96.0.9\",\"selector\":{\"app\":\"web\"},\"ports\":[%s]%s}}",
                     ports, more_spec);
}

/* `port` is what the pod calls web. */
static struct view *pod_of(int number, int port, const char *ready, const char *since, const char *more_metadata)
{
    return view_of_f(&view_pods,
                     "{\"metadata\":{\"name\":\"p%d\",\"namespace\":\"a\",\"uid\":\"u%d\",\"labels\":{\"app\":\"web\"}"
                     "%s},\"spec\":{\"nodeName\":\"n1\",\"hostname\":\"h%d\",\"subdomain\":\"web\",\"containers\":[{"
                     "\"name\":\"c\",\"ports\":[{\"name\":\"web\",\"containerPort\":%d}]}]},\"status\":{\"phase\":"
                     "\"Running\",\"podIP\":\"10.0.%d.%d\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\","
                     "\"lastTransitionTime\":\"%s\"}]}}",
                     number, number, more_metadata, number, port, number / 256, number % 256, ready, since);
}

#define EARLY "2023-11-14T22:01:00Z"
#define LATE  "2023-11-14T22:02:00Z"

/* As it would be stored after that action. */
static struct view *stored(const struct action *action)
{
    struct slice body = buf_slice(&action->body);
    struct slice labels = scan_get(body, "metadata.labels");
    struct slice annotations = scan_get(body, "metadata.annotations");

    return view_of_f(&view_endpoints,
                     "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"e\",\"resourceVersion\":\"7\","
                     "\"labels\":%.*s,\"annotations\":%.*s},\"subsets\":%.*s}",
                     SLICE_ARGS(labels), SLICE_ARGS(annotations), SLICE_ARGS(scan_get(body, "subsets")));
}

static void plan_for(const struct view *service, struct view *const *pods, size_t count, const struct view *endpoints,
                     struct plan *plan)
{
    endpoints_plan(&(struct endpoints_view){service, (const struct view *const *)pods, count, endpoints}, plan);
}

static void free_all(struct view **views, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(views[i]);
}

static struct slice subsets_of(const struct plan *plan)
{
    assert_int_equal(plan->count, 1);
    return scan_get(buf_slice(&plan->actions[0].body), "subsets");
}

static void show_names(struct buf *out, struct slice list, const char *path)
{
    struct scan_cursor at = scan_open(list);
    struct slice element;

    while (scan_element(&at, &element)) {
        buf_append_byte(out, ' ');
        buf_append_slice(out, view_unquote(scan_get(element, path)));
    }
}

/* "ready | not ready : ports;" for each subset, by names; a port with its number. */
static void assert_subsets(const struct plan *plan, const char *expected)
{
    struct scan_cursor at = scan_open(subsets_of(plan));
    struct slice subset;
    struct slice port;
    BUF_LOCAL(out);

    while (scan_element(&at, &subset)) {
        struct scan_cursor ports = scan_open(scan_get(subset, "ports"));

        show_names(&out, scan_get(subset, "addresses"), "targetRef.name");
        buf_append_str(&out, " |");
        show_names(&out, scan_get(subset, "notReadyAddresses"), "targetRef.name");
        buf_append_str(&out, " :");
        while (scan_element(&ports, &port))
            buf_printf(&out, " %.*s/%lld", SLICE_ARGS(view_unquote(scan_get(port, "name"))),
                       (long long)scan_int(scan_get(port, "port"), 0));
        buf_append_byte(&out, ';');
    }
    assert_string_equal(buf_cstr(&out), expected);
}

static void test_what_upstreams_object_says(void **state)
{
    struct view *service = service_of(HTTP, "");
    struct view *pods[] = {pod_of(3, 0, "True", EARLY, ""), pod_of(1, 0, "True", LATE, ""),
                           pod_of(2, 0, "False", EARLY, ""),
                           pod_of(4, 0, "True", EARLY, ",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\"")};
    struct view *there;
    PLAN_LOCAL(plan);
    PLAN_LOCAL(again);

    (void)state;
    plan_for(service, pods, 4, NULL, &plan);
    assert_int_equal(plan.actions[0].verb, ACTION_CREATE);
    assert_subsets(&plan, " p1 p3 | p2 : http/8080;");
    assert_string_equal(
        buf_cstr(&plan.actions[0].body),
        "{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"labels\":{"
        "\"endpoints.kubernetes.io/managed-by\":\"endpoint-controller\",\"team\":\"x\"},\"annotations\":{\"endpoints."
        "kubernetes.io/last-change-trigger-time\":\"2023-11-14T22:00:00Z\"}},\"subsets\":[{\"addresses\":["
        "{\"ip\":\"10.0.0.1\",\"hostname\":\"h1\",\"nodeName\":\"n1\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":"
        "\"a\",\"name\":\"p1\",\"uid\":\"u1\"}},"
        "{\"ip\":\"10.0.0.3\",\"hostname\":\"h3\",\"nodeName\":\"n1\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":"
        "\"a\",\"name\":\"p3\",\"uid\":\"u3\"}}],\"notReadyAddresses\":["
        "{\"ip\":\"10.0.0.2\",\"hostname\":\"h2\",\"nodeName\":\"n1\",\"targetRef\":{\"kind\":\"Pod\",\"namespace\":"
        "\"a\",\"name\":\"p2\",\"uid\":\"u2\"}}],"
        "\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":8080}]}]}");
    there = stored(&plan.actions[0]);
    plan_for(service, pods, 4, there, &again);
    assert_int_equal(again.count, 0);
    free(service);
    free(there);
    free_all(pods, 4);
}

static void test_another_order_of_members_is_no_change(void **state)
{
    struct view *service = service_of(HTTP, "");
    struct view *pods[] = {pod_of(1, 0, "True", EARLY, "")};
    struct view *there = view_of(
        &view_endpoints,
        "{\"metadata\":{\"labels\":{\"team\":\"x\",\"endpoints.kubernetes.io/managed-by\":\"endpoint-controller\"}},"
        "\"subsets\":[{\"ports\":[{\"port\":8080,\"name\":\"http\",\"protocol\":\"TCP\"}],\"addresses\":[{"
        "\"targetRef\":{\"uid\":\"u1\",\"name\":\"p1\",\"kind\":\"Pod\",\"namespace\":\"a\"},\"nodeName\":\"n1\","
        "\"hostname\":\"h1\",\"ip\":\"10.0.0.1\"}]}]}");
    PLAN_LOCAL(plan);

    (void)state;
    plan_for(service, pods, 1, there, &plan);
    assert_int_equal(plan.count, 0);
    free(service);
    free(there);
    free_all(pods, 1);
}

/* A port that all pods have, and one whose number differs: an address stands in two subsets. */
static void test_ports_with_the_same_addresses_share_a_subset(void **state)
{
    struct view *service = service_of(HTTP "," WEB, "");
    struct view *pods[] = {pod_of(1, 90, "True", EARLY, ""), pod_of(2, 91, "True", EARLY, "")};
    struct view *same[] = {pod_of(1, 90, "True", EARLY, ""), pod_of(2, 90, "True", EARLY, "")};
    PLAN_LOCAL(differ);
    PLAN_LOCAL(share);

    (void)state;
    plan_for(service, pods, 2, NULL, &differ);
    assert_subsets(&differ, " p1 p2 | : http/8080; p1 | : web/90; p2 | : web/91;");
    plan_for(service, same, 2, NULL, &share);
    assert_subsets(&share, " p1 p2 | : http/8080 web/90;");
    free(service);
    free_all(pods, 2);
    free_all(same, 2);
}

static void test_headless_services_need_no_ports(void **state)
{
    struct view *service = service_of("", "");
    struct view *headless = view_of(&view_services,
                                    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"s\"},"
                                    "\"spec\":{\"clusterIP\":\"None\",\"selector\":{\"app\":\"web\"}}}");
    struct view *pods[] = {pod_of(1, 0, "True", EARLY, "")};
    PLAN_LOCAL(without);
    PLAN_LOCAL(plan);

    (void)state;
    plan_for(service, pods, 1, NULL, &without);
    assert_subsets(&without, ""); /* it has an address of its own, and no ports that lead on */
    plan_for(headless, pods, 1, NULL, &plan);
    assert_subsets(&plan, " p1 | :;");
    assert_non_null(strstr(buf_cstr(&plan.actions[0].body), "\"service.kubernetes.io/headless\":\"\""));
    free(service);
    free(headless);
    free_all(pods, 1);
}

static void test_what_is_published_although_it_is_not_ready(void **state)
{
    struct view *service = service_of(HTTP, ",\"publishNotReadyAddresses\":true");
    struct view *pods[] = {pod_of(1, 0, "False", EARLY, ""),
                           pod_of(2, 0, "True", EARLY, ",\"deletionTimestamp\":\"2023-11-14T22:13:20Z\"")};
    PLAN_LOCAL(plan);

    (void)state;
    plan_for(service, pods, 2, NULL, &plan);
    assert_subsets(&plan, " p1 p2 | : http/8080;");
    free(service);
    free_all(pods, 2);
}

/* The time of the change that is told: of the pod that became ready, not of one that was so before; none when a pod
 * went. */
static void test_which_change_is_told(void **state)
{
    struct view *service = service_of(HTTP, "");
    struct view *pods[] = {pod_of(1, 0, "True", EARLY, ""), pod_of(2, 0, "False", EARLY, "")};
    struct view *ready[] = {pod_of(1, 0, "True", EARLY, ""), pod_of(2, 0, "True", LATE, "")};
    struct view *there;
    PLAN_LOCAL(plan);
    PLAN_LOCAL(changed);
    PLAN_LOCAL(gone);

    (void)state;
    plan_for(service, pods, 2, NULL, &plan);
    there = stored(&plan.actions[0]);
    plan_for(service, ready, 2, there, &changed);
    assert_int_equal(changed.actions[0].verb, ACTION_PATCH);
    assert_body_text(&changed.actions[0], "metadata.resourceVersion", "7");
    assert_non_null(strstr(buf_cstr(&changed.actions[0].body), "trigger-time\":\"" LATE "\""));
    assert_non_null(strstr(buf_cstr(&changed.actions[0].body), "over-capacity\":null"));
    plan_for(service, pods, 1, there, &gone);
    assert_non_null(strstr(buf_cstr(&gone.actions[0].body), "trigger-time\":null"));
    free(service);
    free(there);
    free_all(pods, 2);
    free_all(ready, 2);
}

static size_t addresses(const struct plan *plan, const char *list)
{
    struct scan_cursor at = scan_open(subsets_of(plan));
    struct slice subset;
    size_t count = 0;

    while (scan_element(&at, &subset))
        count += scan_count(scan_get(subset, list));
    return count;
}

/* Those that are not ready go first; of those that are ready, each subset keeps its part. */
static void test_more_than_a_thousand_are_cut(void **state)
{
    static struct view *pods[1300];
    struct view *service = service_of(WEB, "");
    struct view *there;
    PLAN_LOCAL(some);
    PLAN_LOCAL(again);
    PLAN_LOCAL(all);
    PLAN_LOCAL(few);

    (void)state;
    for (int i = 0; i < 1300; i++)
        pods[i] = pod_of(i, i % 4 ? 90 : 91, i < 1200 ? "True" : "False", EARLY, "");
    plan_for(service, pods + 400, 900, NULL, &few);
    assert_null(strstr(buf_cstr(&few.actions[0].body), "over-capacity"));
    plan_for(service, pods + 250, 1050, NULL, &some);
    assert_int_equal(addresses(&some, "addresses"), 950);
    assert_int_equal(addresses(&some, "notReadyAddresses"), 50);
    assert_non_null(strstr(buf_cstr(&some.actions[0].body), "over-capacity\":\"truncated\""));
    there = stored(&some.actions[0]);
    plan_for(service, pods + 250, 1050, there, &again);
    assert_int_equal(again.count, 0);
    plan_for(service, pods, 1300, NULL, &all);
    assert_int_equal(addresses(&all, "addresses"), 1000);
    assert_int_equal(addresses(&all, "notReadyAddresses"), 0);
    assert_int_equal(scan_count(subsets_of(&all)), 2);
    free(service);
    free(there);
    free_all(pods, 1300);
}

static void test_labels_follow_the_service(void **state)
{
    struct view *service = service_of(HTTP, "");
    struct view *there = view_of(&view_endpoints,
                                 "{\"metadata\":{\"uid\":\"e\",\"labels\":{\"team\":\"y\",\"old\":\"1\","
                                 "\"service.kubernetes.io/headless\":\"\"}},\"subsets\":[]}");
    PLAN_LOCAL(plan);

    (void)state;
    plan_for(service, NULL, 0, there, &plan);
    assert_non_null(strstr(buf_cstr(&plan.actions[0].body),
                           "\"labels\":{\"endpoints.kubernetes.io/managed-by\":\"endpoint-controller\",\"team\":\"x\","
                           "\"old\":null,\"service.kubernetes.io/headless\":null}"));
    free(service);
    free(there);
}

static void test_what_goes_and_what_is_left_alone(void **state)
{
    struct view *there = view_of(&view_endpoints, "{\"metadata\":{\"name\":\"web\",\"uid\":\"e\"}}");
    struct view *lock = view_of(&view_endpoints, "{\"metadata\":{\"name\":\"web\",\"annotations\":{"
                                                 "\"control-plane.alpha.kubernetes.io/leader\":\"{}\"}}}");
    struct view *without = view_of(&view_services, "{\"metadata\":{\"name\":\"web\"},\"spec\":{}}");
    struct view *external = service_of(HTTP, ",\"type\":\"ExternalName\"");
    PLAN_LOCAL(gone);
    PLAN_LOCAL(nothing);

    (void)state;
    plan_for(NULL, NULL, 0, there, &gone);
    assert_int_equal(plan_count(&gone, ACTION_DELETE, &view_endpoints, ""), 1);
    plan_for(NULL, NULL, 0, NULL, &nothing);
    plan_for(NULL, NULL, 0, lock, &nothing);
    plan_for(without, NULL, 0, there, &nothing);
    plan_for(external, NULL, 0, there, &nothing);
    assert_int_equal(nothing.count, 0);
    free(there);
    free(lock);
    free(without);
    free(external);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_upstreams_object_says),
        cmocka_unit_test(test_another_order_of_members_is_no_change),
        cmocka_unit_test(test_ports_with_the_same_addresses_share_a_subset),
        cmocka_unit_test(test_headless_services_need_no_ports),
        cmocka_unit_test(test_what_is_published_although_it_is_not_ready),
        cmocka_unit_test(test_which_change_is_told),
        cmocka_unit_test(test_more_than_a_thousand_are_cut),
        cmocka_unit_test(test_labels_follow_the_service),
        cmocka_unit_test(test_what_goes_and_what_is_left_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
