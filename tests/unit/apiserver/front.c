/* SPDX-License-Identifier: Apache-2.0 */
/* What every request meets, whatever it is about: health, time limits, warnings, reviews, too many at once. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define CM "/api/v1/namespaces/default/configmaps"

static void test_version_and_health(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const struct ask health = {.method = "GET", .path = "/healthz", .anonymous = true};
    const struct ask discovery = {.method = "GET", .path = "/api", .anonymous = true};

    harness_expect(&h, 200, "GET", "/version/", NULL, &a);
    assert_answer(&a, "minor", "35");
    harness_ask(&h, &health, &a);
    assert_int_equal(a.status, 200);
    assert_slice_equal(buf_slice(&a.body), "ok");
    harness_expect(&h, 200, "GET", "/readyz?verbose", NULL, &a);
    assert_true(answer_has(&a, "[+]etcd ok"));
    harness_ask(&h, &discovery, &a);
    assert_int_equal(a.status, 403);
    assert_answer(&a, "message", "forbidden: User \"system:anonymous\" cannot get path \"/api\"");
}

/* Go's form of a time, for what is answered at once. */
static void test_timeout_is_read(void **state)
{
    static const struct {
        const char *query;
        int status;
    } cases[] = {{"32s", 200}, {"1m30.5s", 200}, {"0", 200},
                 {"-1s", 200}, {"2", 400},       {"abc", 400},
                 {"2x", 400},  {".s", 400},      {"2&watch=1&timeoutSeconds=1", 200}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *path CLEANUP_FREE = mem_printf(CM "?timeout=%s", cases[i].query);
        const struct ask ask = {.method = "GET", .path = path};
        struct answer a CLEANUP_ANSWER = {0};

        harness_begin(&h, &ask, &a);
        assert_int_equal(a.status, cases[i].status);
    }
}

static void test_warnings(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "POST",
                      .path = "/api/v1/namespaces/default/pods?dryRun=All",
                      .body = "{\"metadata\":{\"name\":\"w\"},\"spec\":{\"shareProcessNamespace\":true,\"bogus\":1,"
                              "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"};

    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 201);
    assert_non_null(strstr(buf_cstr(&a.headers), "warning: 299 - \"unknown field \\\"spec.bogus\\\"\""));
    assert_non_null(strstr(buf_cstr(&a.headers), "spec.shareProcessNamespace is stored"));
    ask.path = "/api/v1/namespaces/default/pods?dryRun=All&fieldValidation=Strict";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 400);
}

/* Every answer about a kind that is deprecated says so, an error too, and a watch. */
static void test_deprecated_kinds(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *body;
        int status;
    } rows[] = {
        {"POST", "/api/v1/namespaces/default/endpoints", "{\"metadata\":{\"name\":\"e\"}}", 201},
        {"GET", "/api/v1/namespaces/default/endpoints/e", NULL, 200},
        {"GET", "/api/v1/endpoints", NULL, 200},
        {"GET", "/api/v1/namespaces/default/endpoints/none", NULL, 404},
        {"PUT", "/api/v1/namespaces/default/endpoints/e", "{\"metadata\":{\"name\":\"e\"}}", 200},
        {"DELETE", "/api/v1/namespaces/default/endpoints/e", NULL, 200},
        {"DELETE", "/api/v1/namespaces/default/endpoints", NULL, 200},
    };
    static const char text[] =
        "warning: 299 - \"v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice\"\n";

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct answer a CLEANUP_ANSWER = {0};

        harness_ask(&h, &(struct ask){.method = rows[i].method, .path = rows[i].path, .body = rows[i].body}, &a);
        assert_int_equal(a.status, rows[i].status);
        assert_non_null(strstr(buf_cstr(&a.headers), text));
    }
    struct answer stream CLEANUP_ANSWER = {0};
    harness_begin(&h, &(struct ask){.method = "GET", .path = "/api/v1/endpoints?watch=true&resourceVersion=0"},
                  &stream);
    harness_expect(&h, 201, rows[0].method, rows[0].path, rows[0].body, NULL);
    harness_wait_for(&stream, "ADDED");
    assert_non_null(strstr(buf_cstr(&stream.headers), text));
    struct answer other CLEANUP_ANSWER = {0};
    harness_ask(&h, &(struct ask){.method = "GET", .path = "/apis/discovery.k8s.io/v1/endpointslices"}, &other);
    assert_null(strstr(buf_cstr(&other.headers), "deprecated"));
}

static void test_reviews(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "POST",
                      .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                      .body = "{\"spec\":{\"resourceAttributes\":{\"verb\":\"list\",\"resource\":\"pods\"}}}",
                      .user = "joe",
                      .group = "dev"};

    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 201);
    assert_answer(&a, "status.allowed", "false");
    ask.group = "system:masters";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "status.allowed", "true");
    ask.path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    ask.body = "{}";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "status.userInfo.username", "joe");
}

static void set_in_flight(int count)
{
    for (size_t i = 0; i < REQUEST_CLASSES; i++)
        h.server->in_flight[i] = count;
}

static int ask_as(const char *user, const char *group, const char *method, const char *path, const char *body)
{
    const struct ask ask = {.method = method, .path = path, .body = body, .user = user, .group = group};
    struct answer a CLEANUP_ANSWER = {0};

    harness_ask(&h, &ask, &a);
    return a.status;
}

static void test_too_many(void **state)
{
    static const char lease[] = "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"holderIdentity\":\"n\"}}";
    static const char lease_path[] = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n";
    struct answer a CLEANUP_ANSWER = {0};

    for (size_t i = 0; i < REQUEST_CLASSES; i++)
        assert_int_equal(h.server->in_flight[i], 0); /* every request so far gave its place back */
    h.server->in_flight[REQUEST_CLASS_READ] = h.server->in_flight[REQUEST_CLASS_WRITE] = 400;
    harness_expect(&h, 429, "GET", CM, NULL, &a);
    assert_answer(&a, "reason", "TooManyRequests");
    assert_non_null(strstr(buf_cstr(&a.headers), "retry-after: 1"));
    harness_expect(&h, 429, "POST", CM, "{}", NULL);
    /* That nodes live, what the cluster itself does, and whether the server is well goes on all the same. */
    assert_int_equal(ask_as("system:node:n", "system:nodes", "PUT", lease_path, lease), 201);
    assert_int_equal(ask_as("system:node:n", "system:nodes", "GET", "/api/v1/nodes/n", NULL), 404);
    assert_int_equal(ask_as("system:kube-scheduler", "x", "GET", "/api/v1/nodes", NULL), 200);
    assert_int_equal(ask_as("system:node:n", "system:nodes", "GET", "/api/v1/services", NULL), 429);
    set_in_flight(400);
    assert_int_equal(ask_as("system:node:n", "system:nodes", "PUT", lease_path, lease), 429);
    harness_expect(&h, 200, "GET", "/healthz", NULL, NULL);
    harness_expect(&h, 200, "GET", "/readyz", NULL, NULL);
    set_in_flight(0);
    harness_expect(&h, 200, "GET", CM, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_and_health),
        cmocka_unit_test(test_timeout_is_read),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_deprecated_kinds),
        cmocka_unit_test(test_reviews),
        cmocka_unit_test(test_too_many),
    };

    return harness_run_group(&h, tests, NULL);
}
