/* SPDX-License-Identifier: Apache-2.0 */
/* Slices for what users say in Endpoints. */
#include "tests/unit/controllers/fixture.h"

#include "controllers/endpointslice.h"

static struct view *endpoints_of(const char *more_metadata, const char *subsets)
{
    return view_of_f(&view_endpoints,
                     "{\"metadata\":{\"name\":\"db\",\"namespace\":\"a\",\"uid\":\"e-1\"%s},\"subsets\":%s}",
                     more_metadata, subsets);
}

static struct view *service_of(const char *spec)
{
    return view_of_f(&view_services, "{\"metadata\":{\"name\":\"db\",\"namespace\":\"a\"},\"spec\":%s}", spec);
}

static struct view *stored(const struct action *action, const char *name)
{
    struct slice body = buf_slice(&action->body);

    return view_of_f(
        &view_endpointslices,
        "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"a\",\"uid\":\"%s\",\"labels\":%.*s,\"annotations\":"
        "%.*s},\"ports\":%.*s,\"endpoints\":%.*s,\"addressType\":%.*s}",
        name, name, SLICE_ARGS(scan_get(body, "metadata.labels")), SLICE_ARGS(scan_get(body, "metadata.annotations")),
        SLICE_ARGS(scan_get(body, "ports")), SLICE_ARGS(scan_get(body, "endpoints")),
        SLICE_ARGS(scan_get(body, "addressType")));
}

static void plan_for(const struct view *endpoints, const struct view *service, struct view *const *slices, size_t count,
                     struct plan *plan)
{
    mirroring_plan(&(struct mirroring_view){endpoints, service, (const struct view *const *)slices, count}, plan);
}

#define ONE "[{\"addresses\":[{\"ip\":\"192.0.2.1\"}],\"ports\":[{\"port\":5432}]}]"

static void test_a_mirrored_slice_says_what_upstreams_says(void **state)
{
    struct view *endpoints = endpoints_of(
        ",\"labels\":{\"team\":\"x\",\"endpointslice.kubernetes.io/"
        "managed-by\":\"me\"},\"annotations\":{\"note\":\"n\","
        "\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\","
        "\"endpoints.kubernetes.io/last-change-trigger-time\":\"t\"}",
        "[{\"addresses\":[{\"ip\":\"192.0.2.1\",\"hostname\":\"h\",\"nodeName\":\"n\",\"targetRef\":{\"kind\":\"Pod\","
        "\"name\":\"p\",\"fieldPath\":\"f\"}}],\"notReadyAddresses\":[{\"ip\":\"192.0.2.2\"}],\"ports\":[{\"name\":"
        "\"sql\",\"port\":5432,\"protocol\":\"TCP\",\"appProtocol\":\"pg\"}]}]");
    struct view *service = service_of("{}");
    struct view *slice;
    PLAN_LOCAL(plan);
    PLAN_LOCAL(again);

    (void)state;
    plan_for(endpoints, service, NULL, 0, &plan);
    assert_int_equal(plan.count, 1);
    assert_string_equal(
        buf_cstr(&plan.actions[0].body),
        "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"generateName\":\"db-\","
        "\"namespace\":\"a\",\"labels\":{\"kubernetes.io/service-name\":\"db\","
        "\"endpointslice.kubernetes.io/managed-by\":\"endpointslicemirroring-controller.k8s.io\",\"team\":\"x\"},"
        "\"annotations\":{\"note\":\"n\"},\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"name\":"
        "\"db\",\"uid\":\"e-1\",\"controller\":true,\"blockOwnerDeletion\":true}]},\"addressType\":\"IPv4\","
        "\"endpoints\":[{\"addresses\":[\"192.0.2.1\"],\"conditions\":{\"ready\":true},\"hostname\":\"h\",\"nodeName\":"
        "\"n\",\"targetRef\":{\"kind\":\"Pod\",\"name\":\"p\",\"fieldPath\":\"f\"}},{\"addresses\":[\"192.0.2.2\"],"
        "\"conditions\":{\"ready\":false}}],\"ports\":[{\"name\":\"sql\",\"protocol\":\"TCP\",\"port\":5432,"
        "\"appProtocol\":\"pg\"}]}");
    slice = stored(&plan.actions[0], "db-1");
    plan_for(endpoints, service, &slice, 1, &again);
    assert_int_equal(again.count, 0);
    free(endpoints);
    free(service);
    free(slice);
}

static void test_families_and_ports_have_slices_of_their_own(void **state)
{
    struct view *endpoints =
        endpoints_of("", "[{\"addresses\":[{\"ip\":\"192.0.2.1\"},{\"ip\":\"2001:db8::1\"}],\"ports\":[{\"port\":1}]},"
                         "{\"addresses\":[{\"ip\":\"192.0.2.1\"}],\"ports\":[{\"port\":2}]},"
                         "{\"notReadyAddresses\":[{\"ip\":\"192.0.2.1\"}],\"ports\":[{\"port\":1}]}]");
    struct view *service = service_of("{}");
    PLAN_LOCAL(plan);

    (void)state;
    plan_for(endpoints, service, NULL, 0, &plan);
    assert_int_equal(plan.count, 3);
    assert_non_null(strstr(buf_cstr(&plan.actions[0].body), "\"192.0.2.1\"],\"conditions\":{\"ready\":false}}]"));
    assert_non_null(strstr(buf_cstr(&plan.actions[1].body), "\"addressType\":\"IPv6\""));
    assert_non_null(strstr(buf_cstr(&plan.actions[2].body), "\"port\":2"));
    free(endpoints);
    free(service);
}

static void test_an_address_that_changes_is_one_write(void **state)
{
    struct view *service = service_of("{}");
    struct view *before = endpoints_of("", ONE);
    struct view *after = endpoints_of("", "[{\"addresses\":[{\"ip\":\"192.0.2.9\"}],\"ports\":[{\"port\":5432}]}]");
    struct view *slices[2];
    PLAN_LOCAL(plan);
    PLAN_LOCAL(changed);

    (void)state;
    plan_for(before, service, NULL, 0, &plan);
    slices[0] = stored(&plan.actions[0], "db-1");
    slices[1] = view_of(&view_endpointslices, "{\"metadata\":{\"name\":\"mine\"},\"addressType\":\"IPv4\"}");
    plan_for(after, service, slices, 2, &changed); /* a slice of somebody else is left alone */
    assert_int_equal(changed.count, 1);
    assert_int_equal(changed.actions[0].verb, ACTION_PATCH);
    assert_string_equal(changed.actions[0].name, "db-1");
    assert_non_null(strstr(buf_cstr(&changed.actions[0].body), "[{\"addresses\":[\"192.0.2.9\"]"));
    free(service);
    free(before);
    free(after);
    free(slices[0]);
    free(slices[1]);
}

/* What is not to be mirrored has no slices, and loses those that it has. */
static void test_what_is_mirrored(void **state)
{
    static const struct {
        const char *metadata;
        const char *subsets;
        const char *service; /* NULL = there is none */
        bool mirrored;
    } rows[] = {
        {"", ONE, "{}", true},
        {"", ONE, "{\"type\":\"ExternalName\"}", true},
        {"", ONE, "{\"selector\":{\"a\":\"b\"}}", false},
        {"", ONE, NULL, false},
        {"", "[]", "{}", false},
        {",\"labels\":{\"endpointslice.kubernetes.io/skip-mirror\":\"true\"}", ONE, "{}", false},
        {",\"labels\":{\"endpointslice.kubernetes.io/skip-mirror\":\"false\"}", ONE, "{}", true},
        {",\"annotations\":{\"control-plane.alpha.kubernetes.io/leader\":\"{}\"}", ONE, "{}", false},
    };
    struct view *first = endpoints_of("", ONE);
    struct view *plain = service_of("{}");
    struct view *slice;
    PLAN_LOCAL(plan);

    (void)state;
    plan_for(first, plain, NULL, 0, &plan);
    slice = stored(&plan.actions[0], "db-1");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *endpoints = endpoints_of(rows[i].metadata, rows[i].subsets);
        struct view *service = rows[i].service ? service_of(rows[i].service) : NULL;
        PLAN_LOCAL(made);
        PLAN_LOCAL(kept);

        plan_for(endpoints, service, NULL, 0, &made);
        assert_int_equal(made.count, rows[i].mirrored);
        plan_for(endpoints, service, &slice, 1, &kept);
        assert_int_equal(plan_count(&kept, ACTION_DELETE, &view_endpointslices, ""), !rows[i].mirrored);
        free(endpoints);
        free(service);
    }
    free(first);
    free(plain);
    free(slice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mirrored_slice_says_what_upstreams_says),
        cmocka_unit_test(test_families_and_ports_have_slices_of_their_own),
        cmocka_unit_test(test_an_address_that_changes_is_one_write),
        cmocka_unit_test(test_what_is_mirrored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
