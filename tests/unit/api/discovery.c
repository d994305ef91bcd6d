/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "api/openapi.h"

static const char *const none[] = {NULL};
static const char *const deploy_short[] = {"deploy", NULL};
static const char *const all[] = {"all", NULL};
static const struct schema_subresource deploy_subs[] = {
    {.name = "scale", .group = "autoscaling", .version = "v1", .kind = "Scale", .verbs = SCHEMA_VERB_GET},
    {.name = "status", .verbs = SCHEMA_VERB_GET | SCHEMA_VERB_PATCH},
};
#define NAMES(g, v, k, p, s) .group = g, .version = v, .kind = k, .plural = p, .singular = s
static const struct schema_kind secret = {NAMES("", "v1", "Secret", "secrets", "secret"), .short_names = none,
                                          .categories = none, .verbs = SCHEMA_VERBS_ALL, .namespaced = true};
static const struct schema_kind hpa1 = {NAMES("autoscaling", "v1", "HPA", "hpas", "hpa"), .verbs = SCHEMA_VERB_GET};
static const struct schema_kind hpa2 = {NAMES("autoscaling", "v2", "HPA", "hpas", "hpa"), .verbs = SCHEMA_VERB_GET};
static const struct schema_kind hpa_beta = {NAMES("autoscaling", "v2beta2", "HPA", "hpas", "hpa"),
                                            .verbs = SCHEMA_VERB_GET};
static const struct schema_kind deploy = {NAMES("apps", "v1", "Deployment", "deployments", "deployment"),
                                          .short_names = deploy_short,
                                          .categories = all,
                                          .subresources = deploy_subs,
                                          .subresource_count = 2,
                                          .verbs = SCHEMA_VERB_LIST,
                                          .namespaced = true};
static const struct schema_kind review = {
    NAMES("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", "tokenreview"), .verbs = SCHEMA_VERB_CREATE,
    .virtual_kind = true};
static const struct schema_kind scale = {NAMES("autoscaling", "v1", "Scale", "", ""), .virtual_kind = true};
static const struct schema_kind *const kinds[] = {&secret, &deploy, &review, &hpa1, &hpa_beta, &hpa2, &scale};
#define KINDS kinds, ARRAY_SIZE(kinds)

static void test_aggregated_core(void **state)
{
    (void)state;
    BUF_LOCAL(out);
    discovery_write_aggregated(&out, KINDS, true, "v2");
    assert_string_equal(
        buf_cstr(&out),
        "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\",\"metadata\":{},\"items\":["
        "{\"metadata\":{},\"versions\":[{\"version\":\"v1\",\"resources\":[{\"resource\":\"secrets\",\"responseKind\":"
        "{\"group\":\"\",\"version\":\"\",\"kind\":\"Secret\"},\"scope\":\"Namespaced\",\"singularResource\":"
        "\"secret\",\"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\","
        "\"watch\"]}],\"freshness\":\"Current\"}]}]}");
}

static void test_aggregated_groups(void **state)
{
    (void)state;
    BUF_LOCAL(out);
    discovery_write_aggregated(&out, KINDS, false, "v2beta1");
    const char *text = buf_cstr(&out);
    assert_non_null(strstr(text, "\"apiVersion\":\"apidiscovery.k8s.io/v2beta1\""));
    assert_null(strstr(text, "secrets"));
    assert_non_null(strstr(
        text, "{\"metadata\":{\"name\":\"apps\"},\"versions\":[{\"version\":\"v1\",\"resources\":[{\"resource\":"
              "\"deployments\",\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":\"Deployment\"},\"scope\":"
              "\"Namespaced\",\"singularResource\":\"deployment\",\"verbs\":[\"list\"],\"shortNames\":[\"deploy\"],"
              "\"categories\":[\"all\"],\"subresources\":[{\"subresource\":\"scale\",\"responseKind\":{\"group\":"
              "\"autoscaling\",\"version\":\"v1\",\"kind\":\"Scale\"},\"verbs\":[\"get\"]},{\"subresource\":\"status\","
              "\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":\"Deployment\"},\"verbs\":[\"get\","
              "\"patch\"]}]}]"));
    /* A kind that is only posted is a resource; one that is only exchanged is not. */
    assert_non_null(strstr(text, "\"resource\":\"tokenreviews\""));
    assert_null(strstr(text, "\"resource\":\"\""));
    /* The newest stable version comes first, whatever the order of the kinds. */
    const char *v2 = strstr(text, "\"version\":\"v2\""), *beta = strstr(text, "\"version\":\"v2beta2\"");
    assert_non_null(v2);
    assert_non_null(beta);
    assert_true(v2 < beta);
    assert_null(strstr(beta, "\"version\":\"v1\""));
}

static void test_legacy_groups(void **state)
{
    (void)state;
    BUF_LOCAL(out);
    assert_true(discovery_write_group(&out, KINDS, SLICE_LIT("autoscaling")));
    assert_string_equal(buf_cstr(&out),
                        "{\"kind\":\"APIGroup\",\"apiVersion\":\"v1\",\"name\":\"autoscaling\",\"versions\":["
                        "{\"groupVersion\":\"autoscaling/v2\",\"version\":\"v2\"},{\"groupVersion\":\"autoscaling/v1\","
                        "\"version\":\"v1\"},{\"groupVersion\":\"autoscaling/v2beta2\",\"version\":\"v2beta2\"}],"
                        "\"preferredVersion\":{\"groupVersion\":\"autoscaling/v2\",\"version\":\"v2\"}}");
    buf_reset(&out);
    assert_false(discovery_write_group(&out, KINDS, SLICE_LIT("nope")));
    assert_false(discovery_write_group(&out, KINDS, SLICE_LIT("")));
    assert_int_equal(out.len, 0);
    discovery_write_groups(&out, KINDS);
    const char *text = buf_cstr(&out);
    assert_non_null(strstr(text, "\"groups\":[{\"name\":\"apps\""));
    assert_non_null(strstr(text, "{\"name\":\"authentication.k8s.io\""));
}

static void test_legacy_resources(void **state)
{
    (void)state;
    BUF_LOCAL(out);
    assert_true(discovery_write_resources(&out, KINDS, SLICE_LIT("apps"), SLICE_LIT("v1")));
    assert_string_equal(
        buf_cstr(&out),
        "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"apps/v1\",\"resources\":[{\"name\":"
        "\"deployments\",\"singularName\":\"deployment\",\"namespaced\":true,\"kind\":\"Deployment\",\"verbs\":["
        "\"list\"],\"shortNames\":[\"deploy\"],\"categories\":[\"all\"],\"storageVersionHash\":\"8aSe+NMegvE=\"},{"
        "\"name\":\"deployments/scale\","
        "\"singularName\":\"\",\"namespaced\":true,\"group\":\"autoscaling\",\"version\":\"v1\",\"kind\":\"Scale\","
        "\"verbs\":[\"get\"]},{\"name\":\"deployments/status\",\"singularName\":\"\",\"namespaced\":true,\"kind\":"
        "\"Deployment\",\"verbs\":[\"get\",\"patch\"]}]}");
    buf_reset(&out);
    assert_false(discovery_write_resources(&out, KINDS, SLICE_LIT("apps"), SLICE_LIT("v2")));
    assert_int_equal(out.len, 0);
}

static void test_versions(void **state)
{
    (void)state;
    BUF_LOCAL(out);
    discovery_write_versions(&out, "10.0.0.1:6443");
    assert_string_equal(buf_cstr(&out),
                        "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":"
                        "[{\"clientCIDR\":\"0.0.0.0/0\",\"serverAddress\":\"10.0.0.1:6443\"}]}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_aggregated_core), cmocka_unit_test(test_aggregated_groups),
        cmocka_unit_test(test_legacy_groups),   cmocka_unit_test(test_legacy_resources),
        cmocka_unit_test(test_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
