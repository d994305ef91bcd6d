/* SPDX-License-Identifier: Apache-2.0 */
/* What clients are told when something is refused: codes, sentences, details and causes, as upstream words them. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define NS   "/api/v1/namespaces/default"
#define POD  "{\"metadata\":{\"name\":\"p\"%s},\"spec\":{%s\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
#define SSAR "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

/* ?pretty=true: objects, lists and errors, each as it comes; nothing in strings is touched. */
static void test_for_people(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(
        &h, 201, "POST", NS "/configmaps?pretty=true",
        "{\"metadata\":{\"name\":\"p\",\"labels\":{\"pretty\":\"\"}},\"data\":{\"a\":\"{x: [1, \\\"2\\\"]}\\\\\"}}",
        &a);
    assert_true(answer_has(&a, "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"ConfigMap\",\n  \"metadata\": {\n    "));
    assert_true(answer_has(&a, "  \"data\": {\n    \"a\": \"{x: [1, \\\"2\\\"]}\\\\\"\n  }\n}\n"));
    harness_expect(&h, 200, "GET", NS "/configmaps?labelSelector=pretty&pretty=1", NULL, &a);
    assert_true(answer_has(&a, "  \"items\": [\n    {\n      \"metadata\": {\n"));
    assert_true(answer_has(&a, "\"a\": \"{x: [1, \\\"2\\\"]}\\\\\"\n"));
    harness_expect(&h, 200, "GET", NS "/configmaps?labelSelector=none&pretty=true", NULL, &a);
    assert_true(answer_has(&a, "  \"items\": []\n}"));
    harness_expect(&h, 404, "GET", NS "/configmaps/none?pretty=true", NULL, &a);
    assert_true(answer_has(&a, "{\n  \"kind\": \"Status\",\n"));
    assert_true(answer_has(&a, "  \"metadata\": {},\n"));
    harness_expect(&h, 200, "DELETE", NS "/configmaps/p?pretty=false", NULL, &a);
    assert_false(answer_has(&a, "\n"));
}

static void test_yaml_errors(void **state)
{
    const struct ask ask = {.method = "GET", .path = NS "/pods/none", .accept = "application/yaml"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 404);
    assert_string_equal(a.content_type, "application/yaml");
    assert_true(answer_has(&a, "reason: NotFound\n"));
}

static void test_dry_run_table(void **state)
{
    const struct ask ask = {.method = "POST",
                            .path = NS "/configmaps?dryRun=All",
                            .body = "{\"metadata\":{\"name\":\"dry\"}}",
                            .accept = "application/json;as=Table;v=v1;g=meta.k8s.io"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 201);
    assert_answer(&a, "kind", "Table");
    assert_false(answer_has(&a, "resourceVersion"));
}

static void test_documents_kept_for_good(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 200, "GET", "/openapi/v3", NULL, &a);
    char *url CLEANUP_FREE = answer_get(&a, "paths.api/v1.serverRelativeURL");
    assert_non_null(strstr(url, "?hash="));
    harness_expect(&h, 200, "GET", url, NULL, &a);
    assert_non_null(strstr(buf_cstr(&a.headers), "immutable"));
    url[strlen(url) - 1] ^= 1; /* another document's hash */
    harness_expect(&h, 200, "GET", url, NULL, &a);
    assert_null(strstr(buf_cstr(&a.headers), "immutable"));
}

static void test_scale_missing(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *path = "/apis/apps/v1/namespaces/default/deployments/gone/scale";

    harness_expect(&h, 404, "GET", path, NULL, &a);
    assert_answer(&a, "message", "deployments/scale.apps \"gone\" not found");
    assert_answer(&a, "details.kind", "deployments/scale");
    /* The name is judged before anything is looked for. */
    harness_expect(&h, 400, "PUT", path, "{\"metadata\":{\"name\":\"other\"},\"spec\":{\"replicas\":1}}", &a);
    assert_answer(&a, "message", "the name of the object (other) does not match the name on the URL (gone)");
    harness_expect(&h, 400, "PUT", NS "/configmaps/gone", "{\"metadata\":{\"name\":\"other\"}}", &a);
}

static void test_scale_table(void **state)
{
    const struct ask ask = {.method = "GET",
                            .path = "/apis/apps/v1/namespaces/default/replicasets/s/scale",
                            .accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(
        &h, 201, "POST", "/apis/apps/v1/namespaces/default/replicasets",
        "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"replicas\":4,\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
        "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\","
        "\"image\":\"i\"}]}}}}",
        &a);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_answer(&a, "kind", "Table");
    assert_true(answer_has(&a, "\"cells\":[\"s\",4,0,\""));
    assert_true(answer_has(&a, "\"name\":\"Desired\",\"type\":\"integer\""));
}

static void test_log_options(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 422, "GET", NS "/pods/none/log?tailLines=-3&limitBytes=0&sinceSeconds=-1", NULL, &a);
    assert_answer(
        &a, "message",
        "PodLogOptions \"none\" is invalid: [tailLines: Invalid value: -3: must be greater than or equal to 0, "
        "limitBytes: Invalid value: 0: must be greater than 0, sinceSeconds: Invalid value: -1: must be "
        "greater than 0]");
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "details.causes")), 3);
    harness_expect(&h, 422, "GET", NS "/pods/none/log?sinceSeconds=9&sinceTime=2024-01-01T00:00:00Z", NULL, &a);
    assert_true(answer_has(&a, "at most one of `sinceTime` or `sinceSeconds`"));
    harness_expect(&h, 404, "GET", NS "/pods/none/log?tailLines=3", NULL, &a);
}

static void test_options_named(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 422, "GET", NS "/pods?resourceVersion=x&resourceVersionMatch=Maybe", NULL, &a);
    assert_true(answer_has(&a, "Unsupported value: \\\"Maybe\\\""));
    harness_expect(&h, 422, "POST", NS "/configmaps?fieldManager=a%09b%01", "{\"metadata\":{\"name\":\"a\"}}", &a);
    assert_answer(&a, "message",
                  "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\tb\\x01\": invalid "
                  "character U+0009 (at position 1)");
}

static void test_reviews(void **state)
{
    static const struct {
        const char *spec, *message;
    } rows[] = {
        {"{}",
         ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes: Invalid value: \"null\": exactly one of "
         "nonResourceAttributes or resourceAttributes must be specified"},
        {"{\"resourceAttributes\":{\"verb\":\"get\"},\"nonResourceAttributes\":{\"path\":\"/x\"}}",
         ".authorization.k8s.io \"\" is invalid: spec.nonResourceAttributes: Invalid value: {\"path\":\"/x\"}: cannot "
         "be "
         "specified in combination with resourceAttributes"},
    };
    struct answer a CLEANUP_ANSWER = {0};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *body CLEANUP_FREE = mem_printf("{\"spec\":%s}", rows[i].spec);

        harness_expect(&h, 422, "POST", SSAR, body, &a);
        assert_answer(&a, "message", rows[i].message);
    }
    harness_expect(&h, 422, "POST", SSAR,
                   "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"resourceAttributes\":{\"verb\":\"get\"}}}", &a);
    harness_expect(&h, 400, "POST", "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "{\"spec\":{}}", &a);
    assert_answer(&a, "message", "no namespace on request");
}

static void test_pod_admission(void **state)
{
    static const struct {
        const char *annotations, *spec, *message;
    } rows[] = {
        {"", "\"serviceAccountName\":\"ghost\",",
         "error looking up service account default/ghost: serviceaccount \"ghost\" not found"},
        {"", "\"runtimeClassName\":\"vm\",", "pod rejected: RuntimeClass \"vm\" not found"},
        {"", "\"overhead\":{\"cpu\":\"1\"},",
         "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"},
        {"", "\"preemptionPolicy\":\"Never\",",
         "the string value of PreemptionPolicy (Never) must not be provided in pod spec; priority admission controller "
         "computed PreemptLowerPriority from the given PriorityClass name"},
        {",\"annotations\":{\"kubernetes.io/config.mirror\":\"m\"}", "\"serviceAccountName\":\"default\",",
         "a mirror pod may not reference service accounts"},
    };
    struct answer a CLEANUP_ANSWER = {0};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *body CLEANUP_FREE = mem_printf(POD, rows[i].annotations, rows[i].spec);
        char *message CLEANUP_FREE = mem_printf("pods \"p\" is forbidden: %s", rows[i].message);

        harness_expect(&h, 403, "POST", NS "/pods?dryRun=All", body, &a);
        assert_answer(&a, "message", message);
    }
    harness_expect(&h, 201, "POST", NS "/serviceaccounts", "{\"metadata\":{\"name\":\"ghost\"}}", &a);
    char *body CLEANUP_FREE = mem_printf(POD, "", rows[0].spec);
    harness_expect(&h, 201, "POST", NS "/pods?dryRun=All", body, &a);
}

/* What a patch leaves must be of its kind: the patch is to blame, and shown. */
static void test_refused_patches(void **state)
{
    static const struct {
        const char *type, *patch, *message;
    } rows[] = {
        {"merge-patch", "{\"data\":{\"k\":7}}", "json: cannot unmarshal number into Go struct field"},
        {"merge-patch", "{\"kind\":\"Secret\"}", "the patch changes kind"},
        {"strategic-merge-patch", "{\"data\":[]}", "patch: Invalid value: \"{\\\"data\\\":[]}\""},
        {"json-patch", "[{\"op\":\"add\",\"path\":\"/odd\",\"value\":1}]", "strict decoding error: unknown field"},
    };
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", NS "/configmaps", "{\"metadata\":{\"name\":\"patched\"}}", &a);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *type CLEANUP_FREE = mem_printf("application/%s+json", rows[i].type);

        harness_patch(&h, 422, NS "/configmaps/patched?fieldValidation=Strict", type, rows[i].patch, &a);
        char *message CLEANUP_FREE = answer_get(&a, "message");
        assert_non_null(strstr(message, " \"\" is invalid: patch: Invalid value: "));
        if (!strstr(message, rows[i].message))
            fail_msg("%s: %s", rows[i].patch, message);
        assert_true(answer_has(&a, "\"field\":\"patch\""));
        assert_false(answer_has(&a, "\"kind\":\"configmaps\""));
    }
}

static void test_media_types(void **state)
{
    const struct ask patch = {.method = "PATCH", .path = NS "/pods/p", .body = "{}", .content_type = "text/plain"};
    const struct ask create = {.method = "POST", .path = NS "/pods", .body = "{}", .content_type = "text/plain"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_ask(&h, &patch, &a);
    assert_int_equal(a.status, 415);
    assert_true(answer_has(&a, "\"details\":{}"));
    assert_answer(&a, "message", "415: Unsupported Media Type");
    harness_ask(&h, &create, &a);
    assert_int_equal(a.status, 415);
    assert_false(answer_has(&a, "details"));
    assert_true(answer_has(&a, "application/vnd.kubernetes.protobuf"));
}

/* What goes at once goes as it was. */
static void test_deleted_objects(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", NS "/serviceaccounts", "{\"metadata\":{\"name\":\"brief\"}}", &a);
    harness_expect(&h, 200, "DELETE", NS "/serviceaccounts/brief", NULL, &a);
    assert_answer(&a, "metadata.name", "brief");
    assert_false(answer_has(&a, "deletionTimestamp"));
    harness_expect(&h, 201, "POST", NS "/serviceaccounts",
                   "{\"metadata\":{\"name\":\"held\",\"finalizers\":[\"x.y/z\"]}}", &a);
    harness_expect(&h, 200, "DELETE", NS "/serviceaccounts/held", NULL, &a);
    assert_true(answer_has(&a, "deletionTimestamp"));
}

static void test_new_objects(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(
        &h, 201, "POST", "/apis/apps/v1/namespaces/default/replicasets",
        "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"template\":{"
        "\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"
        "}}},\"status\":{\"replicas\":9}}",
        &a);
    assert_answer(&a, "status.replicas", "0");
    harness_expect(&h, 201, "POST", "/api/v1/nodes", "{\"metadata\":{\"name\":\"fresh\"}}", &a);
    assert_true(answer_has(&a, "{\"key\":\"node.kubernetes.io/not-ready\",\"effect\":\"NoSchedule\"}"));
}

static void test_health_ports(void **state)
{
#define BALANCER(policy, more)                                                                                         \
    "{\"metadata\":{\"name\":\"lb\"},\"spec\":{\"type\":\"LoadBalancer\",\"externalTrafficPolicy\":\"" policy          \
    "\"," more "\"ports\":[{\"port\":80}]}}"
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 422, "POST", NS "/services", BALANCER("Local", "\"healthCheckNodePort\":80,"), &a);
    assert_true(answer_has(&a, "spec.healthCheckNodePort: Invalid value: 80: provided port is not in the valid range"));
    harness_expect(&h, 201, "POST", NS "/services", BALANCER("Local", ""), &a);
    char *drawn CLEANUP_FREE = answer_get(&a, "spec.healthCheckNodePort");
    assert_in_range(strtol(drawn, NULL, 10), 30000, 32767);
    harness_expect(&h, 200, "PUT", NS "/services/lb", BALANCER("Local", "\"sessionAffinity\":\"ClientIP\","), &a);
    assert_answer(&a, "spec.healthCheckNodePort", drawn);
    harness_expect(&h, 200, "PUT", NS "/services/lb", BALANCER("Cluster", ""), &a);
    assert_false(answer_has(&a, "healthCheckNodePort"));
    harness_expect(&h, 200, "DELETE", NS "/services/lb", NULL, &a);
#undef BALANCER
}

/* Leases and Events come to be by PUT as well; the rest must be there. */
static void test_made_by_put(void **state)
{
    static const char lease[] = "/apis/coordination.k8s.io/v1/namespaces/default/leases/put";
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 404, "PUT", lease, "{\"metadata\":{\"name\":\"put\",\"resourceVersion\":\"7\"}}", &a);
    harness_expect(&h, 201, "PUT", lease, "{\"metadata\":{\"name\":\"put\"},\"spec\":{\"holderIdentity\":\"a\"}}", &a);
    assert_true(answer_has(&a, "creationTimestamp"));
    harness_expect(&h, 200, "PUT", lease, "{\"metadata\":{\"name\":\"put\"},\"spec\":{\"holderIdentity\":\"b\"}}", &a);
    harness_expect(&h, 200, "GET", lease, NULL, &a);
    assert_answer(&a, "spec.holderIdentity", "b");
    harness_expect(&h, 404, "PUT", NS "/configmaps/put", "{\"metadata\":{\"name\":\"put\"}}", &a);
    harness_expect(&h, 404, "PUT", "/apis/coordination.k8s.io/v1/namespaces/none/leases/put",
                   "{\"metadata\":{\"name\":\"put\"}}", &a);
    assert_answer(&a, "message", "namespaces \"none\" not found");
}

static void test_continue_tokens(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 400, "GET", NS "/pods?limit=1&continue=YWJj*", NULL, &a);
    assert_answer(&a, "message",
                  "invalid continue token: continue key is not valid: illegal base64 data at input byte 4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml_errors),     cmocka_unit_test(test_for_people),
        cmocka_unit_test(test_dry_run_table),   cmocka_unit_test(test_documents_kept_for_good),
        cmocka_unit_test(test_scale_missing),   cmocka_unit_test(test_scale_table),
        cmocka_unit_test(test_log_options),     cmocka_unit_test(test_options_named),
        cmocka_unit_test(test_reviews),         cmocka_unit_test(test_pod_admission),
        cmocka_unit_test(test_refused_patches), cmocka_unit_test(test_media_types),
        cmocka_unit_test(test_deleted_objects), cmocka_unit_test(test_new_objects),
        cmocka_unit_test(test_health_ports),    cmocka_unit_test(test_continue_tokens),
        cmocka_unit_test(test_made_by_put),
    };

    return harness_run_group(&h, tests, NULL);
}
