/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs through the whole front, JSON in and out, over a real store. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define CM  "/api/v1/namespaces/default/configmaps"
#define POD "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

static int start(void **state)
{
    harness_start(&h);
    return 0;
}

static int stop(void **state)
{
    harness_stop(&h);
    return 0;
}

static void test_bootstrap(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 200, "GET", "/api/v1/namespaces", NULL, &a);
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "items")), 4);
    harness_expect(&h, 200, "GET", "/api/v1/namespaces/default/services/kubernetes", NULL, &a);
    assert_answer(&a, "spec.clusterIP", "10.96.0.1");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/services/kubernetes", NULL, NULL);
    apiserver_bootstrap_again(&h.server->fronts[0]);
    do
        harness_expect(&h, 200, "GET", "/api/v1/namespaces/default/services", NULL, &a);
    while (!answer_has(&a, "10.96.0.1"));
}

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

static void test_create_and_get(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", CM, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}", &a);
    assert_answer(&a, "kind", "ConfigMap");
    assert_answer(&a, "metadata.namespace", "default");
    assert_answer(&a, "data.k", "v");
    harness_expect(&h, 409, "POST", CM, "{\"metadata\":{\"name\":\"a\"}}", &a);
    assert_answer(&a, "message", "configmaps \"a\" already exists");
    assert_answer(&a, "reason", "AlreadyExists");
    assert_answer(&a, "details.kind", "configmaps");
    harness_expect(&h, 200, "GET", CM "/a", NULL, &a);
    assert_answer(&a, "data.k", "v");
    harness_expect(&h, 404, "GET", CM "/b", NULL, &a);
    assert_answer(&a, "message", "configmaps \"b\" not found");
    harness_expect(&h, 200, "DELETE", CM "/a", NULL, &a);
    assert_answer(&a, "status", "Success");
    assert_answer(&a, "details.name", "a");
    harness_expect(&h, 404, "GET", CM "/a", NULL, &a);
}

static void test_create_refused(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    static const struct {
        int status;
        const char *path, *body, *message;
    } rows[] = {
        {404, "/api/v1/namespaces/nope/configmaps", "{\"metadata\":{\"name\":\"a\"}}", "namespaces \"nope\" not found"},
        {400, CM, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"}}",
         "the namespace of the provided object does not match the namespace sent on the request"},
        {405, CM "/a", "{}", "the server does not allow this method on the requested resource"},
        {404, "/api/v1/namespaces/default/foos", "{}", "the server could not find the requested resource"},
        {404, "/api/v1/namespaces/default/nodes", "{}", "the server could not find the requested resource"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        harness_expect(&h, rows[i].status, "POST", rows[i].path, rows[i].body, &a);
        assert_answer(&a, "message", rows[i].message);
    }
    harness_expect(&h, 400, "POST", CM, "{\"metadata\":", NULL);
}

static void test_generate_name(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *name;

    harness_expect(&h, 201, "POST", CM, "{\"metadata\":{\"generateName\":\"gen-\"}}", &a);
    name = answer_get(&a, "metadata.name");
    assert_int_equal(strlen(name), 9);
    assert_int_equal(strncmp(name, "gen-", 4), 0);
    free(name);
}

static void test_dry_run(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", CM "?dryRun=All", "{\"metadata\":{\"name\":\"dry\"}}", &a);
    assert_null(scan_get(buf_slice(&a.body), "metadata.resourceVersion").data);
    assert_non_null(scan_get(buf_slice(&a.body), "metadata.uid").data);
    harness_expect(&h, 404, "GET", CM "/dry", NULL, NULL);
    harness_expect(&h, 422, "POST", CM "?dryRun=Some", "{\"metadata\":{\"name\":\"dry\"}}", &a);
    assert_answer(&a, "details.kind", "CreateOptions");
}

static void test_update(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *first;
    char *second;

    harness_expect(&h, 201, "POST", CM, "{\"metadata\":{\"name\":\"u\"},\"data\":{\"k\":\"1\"}}", &a);
    first = answer_get(&a, "metadata.resourceVersion");
    harness_expect(&h, 200, "PUT", CM "/u", "{\"metadata\":{\"name\":\"u\"},\"data\":{\"k\":\"1\"}}", &a);
    second = answer_get(&a, "metadata.resourceVersion");
    assert_string_equal(first, second); /* nothing changed */
    harness_expect(&h, 200, "PUT", CM "/u", "{\"metadata\":{\"name\":\"u\"},\"data\":{\"k\":\"2\"}}", &a);
    assert_answer(&a, "data.k", "2");
    char *stale CLEANUP_FREE =
        mem_printf("{\"metadata\":{\"name\":\"u\",\"resourceVersion\":\"%s\"},\"data\":{\"k\":\"3\"}}", first);
    harness_expect(&h, 409, "PUT", CM "/u", stale, &a);
    assert_answer(&a, "reason", "Conflict");
    harness_expect(&h, 400, "PUT", CM "/u", "{\"metadata\":{\"name\":\"x\"}}", &a);
    assert_answer(&a, "message", "the name of the object (x) does not match the name on the URL (u)");
    harness_expect(&h, 404, "PUT", CM "/none", "{\"metadata\":{\"name\":\"none\"}}", NULL);
    harness_expect(&h, 409, "PUT", CM "/none", "{\"metadata\":{\"name\":\"none\",\"uid\":\"1\"}}", NULL);
    free(first);
    free(second);
}

static void test_patch(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "PATCH",
                      .path = CM "/pa",
                      .body = "{\"data\":{\"b\":\"2\",\"a\":null}}",
                      .content_type = "application/merge-patch+json; charset=utf-8"};

    harness_expect(&h, 201, "POST", CM, "{\"metadata\":{\"name\":\"pa\"},\"data\":{\"a\":\"1\"}}", NULL);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_answer(&a, "data.b", "2");
    assert_null(scan_get(buf_slice(&a.body), "data.a").data);
    ask.content_type = "application/json-patch+json";
    ask.body = "[{\"op\":\"add\",\"path\":\"/data/c\",\"value\":\"3\"}]";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "data.c", "3");
    ask.content_type = "application/strategic-merge-patch+json";
    ask.body = "{\"metadata\":{\"labels\":{\"l\":\"m\"}}}";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "metadata.labels.l", "m");
    ask.body = "{\"metadata\":{\"resourceVersion\":\"1\"}}";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 409);
    ask.content_type = "application/json";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 415);
}

/* What fieldValidation says of a patch itself: members twice, and operations with what has no meaning. */
static void test_patch_findings(void **state)
{
    static const struct {
        const char *type;
        const char *body;
        const char *finding; /* NULL = none */
    } cases[] = {
        {"merge-patch", "{\"data\":{\"k\":\"1\",\"k\":\"2\"}}", "duplicate field \\\"data.k\\\""},
        {"strategic-merge-patch", "{\"data\":{\"k\":\"1\",\"k\":\"2\"},\"no\":1}",
         "duplicate field \\\"data.k\\\", unknown field \\\"no\\\""},
        {"json-patch", "[{\"op\":\"add\",\"path\":\"/data/k\",\"value\":\"1\",\"value\":\"2\",\"no\":1}]",
         "json patch duplicate field \\\"[0].value\\\", json patch unknown field \\\"[0].no\\\""},
        {"json-patch", "[{\"op\":\"move\",\"from\":\"/data/k\",\"path\":\"/data/l\"}]", NULL},
    };
    struct ask ask = {.method = "PATCH"};

    harness_expect(&h, 201, "POST", CM, "{\"metadata\":{\"name\":\"pf\"},\"data\":{\"k\":\"0\"}}", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct answer a CLEANUP_ANSWER = {0};
        char *type CLEANUP_FREE = mem_printf("application/%s+json", cases[i].type);

        ask.content_type = type;
        ask.body = cases[i].body;
        ask.path = CM "/pf?dryRun=All&fieldValidation=Strict";
        harness_ask(&h, &ask, &a);
        assert_int_equal(a.status, cases[i].finding ? 422 : 200);
        if (!cases[i].finding)
            continue;
        assert_true(answer_has(&a, "strict decoding error: "));
        assert_true(answer_has(&a, cases[i].finding));
        ask.path = CM "/pf?dryRun=All";
        harness_ask(&h, &ask, &a);
        assert_int_equal(a.status, 200);
        assert_answer(&a, "data.k", "2");
        assert_non_null(strstr(buf_cstr(&a.headers), "duplicate field"));
        ask.path = CM "/pf?dryRun=All&fieldValidation=Ignore";
        harness_ask(&h, &ask, &a);
        assert_int_equal(a.status, 200);
        assert_null(strstr(buf_cstr(&a.headers), "duplicate field"));
    }
}

/* PATCH as apply: makes, merges, refuses, takes out. Who owns what: tests/unit/api/managed.c. */
static void test_apply(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "PATCH",
                      .path = CM "/ssa?fieldManager=m1",
                      .body =
                          "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ssa}\ndata: {a: '1', b: '2', c: null}\n",
                      .content_type = "application/apply-patch+yaml"};

    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 201);
    assert_answer(&a, "data.a", "1");
    assert_true(answer_has(&a, "\"manager\":\"m1\",\"operation\":\"Apply\",\"apiVersion\":\"v1\",\"time\":"));
    assert_true(answer_has(&a, "\"fieldsV1\":{\"f:data\":{\"f:a\":{},\"f:b\":{}}}"));
    ask.path = CM "/ssa?fieldManager=m2";
    ask.body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"data\":{\"a\":\"9\"}}";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 409);
    assert_true(answer_has(&a, "Apply failed with 1 conflict: conflict with \\\"m1\\\": .data.a"));
    ask.path = CM "/ssa?fieldManager=m2&force=true";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    ask.path = CM "/ssa?fieldManager=m1";
    ask.body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "data.a", "9");
    assert_null(scan_get(buf_slice(&a.body), "data.b").data);
    ask.content_type = "application/json-patch+json";
    ask.body = "[{\"op\":\"replace\",\"path\":\"/metadata/managedFields\",\"value\":[]}]";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_false(answer_has(&a, "managedFields"));
}

/* The list of managers stands beside the object, but a patch that is about it, of any kind, finds it. */
static void test_patch_of_managers(void **state)
{
    struct ask made = {
        .method = "PATCH",
        .path = CM "/pm?fieldManager=first",
        .body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"pm\"},\"data\":{\"a\":\"1\"}}",
        .content_type = "application/apply-patch+yaml"};
    static const struct {
        const char *type, *body;
        int status;
        bool left; /* whether the list of the first manager is still there */
    } rows[] = {
        {"json-patch", "[{\"op\":\"test\",\"path\":\"/metadata/managedFields/0/manager\",\"value\":\"first\"}]", 200,
         true},
        {"json-patch", "[{\"op\":\"test\",\"path\":\"/metadata/managedFields/0/manager\",\"value\":\"x\"}]", 422, true},
        {"json-patch", "[{\"op\":\"copy\",\"from\":\"/metadata\",\"path\":\"/metadata\"}]", 200, true},
        {"json-patch", "[{\"op\":\"add\",\"path\":\"/data/b\",\"value\":\"2\"}]", 200, true},
        {"json-patch", "[{\"op\":\"replace\",\"path\":\"/metadata/managedFields\",\"value\":[{}]}]", 200, false},
        {"merge-patch", "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", 200, true},
        {"merge-patch", "{\"metadata\":{\"managedFields\":[{}]}}", 200, false},
        {"merge-patch", "{\"metadata\":{\"managedFields\":null}}", 200, true},
        {"strategic-merge-patch", "{\"metadata\":{\"$retainKeys\":[\"name\"]}}", 200, true},
        {"strategic-merge-patch", "{\"metadata\":{\"managedFields\":[]}}", 200, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct answer a CLEANUP_ANSWER = {0};
        char *type CLEANUP_FREE = mem_printf("application/%s+json", rows[i].type);
        struct ask ask = {.method = "PATCH", .path = CM "/pm", .body = rows[i].body, .content_type = type};

        harness_ask(&h, &made, &a);
        assert_int_equal(a.status, 201);
        harness_ask(&h, &ask, &a);
        if (a.status != rows[i].status)
            fail_msg("%s: %d", rows[i].body, a.status);
        harness_expect(&h, 200, "GET", CM "/pm", NULL, &a);
        if (answer_has(&a, "\"manager\":\"first\"") != rows[i].left)
            fail_msg("%s: %.*s", rows[i].body, (int)a.body.len, a.body.data);
        harness_expect(&h, 200, "DELETE", CM "/pm", NULL, NULL);
    }
}

/* Who sends an object back sends its list with it, which says nothing then, in whatever order; another one counts. */
static void test_put_of_managers(void **state)
{
    struct ask made = {
        .method = "PATCH",
        .path = CM "/um?fieldManager=first",
        .body = "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"um\"},\"data\":{\"a\":\"1\"}}",
        .content_type = "application/apply-patch+yaml"};
    static const struct {
        const char *from, *to; /* in the object as it is */
        bool first, second;    /* who is told of afterwards */
    } rows[] = {
        {"\"a\":\"1\"", "\"a\":\"1\",\"b\":\"2\"", true, false},
        {"\"manager\":\"first\",\"operation\":\"Apply\"", "\"operation\":\"Apply\",\"manager\":\"first\"", true, false},
        {"\"manager\":\"first\"", "\"manager\":\"second\"", false, true},
        {"\"fieldsType\":\"FieldsV1\"", "\"fieldsType\":\"Other\"", true, false},
        {"\"f:a\":{}", "\"x\":{}", true, false},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct answer a CLEANUP_ANSWER = {0};
        struct answer after CLEANUP_ANSWER = {0};
        const char *at;
        BUF_LOCAL(body);

        harness_ask(&h, &made, &a);
        assert_int_equal(a.status, 201);
        at = strstr(buf_cstr(&a.body), rows[i].from);
        assert_non_null(at);
        buf_append(&body, a.body.data, (size_t)(at - a.body.data));
        buf_append_str(&body, rows[i].to);
        buf_append_str(&body, at + strlen(rows[i].from));
        harness_expect(&h, 200, "PUT", CM "/um", buf_cstr(&body), &after);
        if (answer_has(&after, "\"manager\":\"first\"") != rows[i].first ||
            answer_has(&after, "\"manager\":\"second\"") != rows[i].second ||
            answer_has(&after, "{\"f:data\":{\"f:b\":{}}}") != !i)
            fail_msg("%s: %.*s", rows[i].to, (int)after.body.len, after.body.data);
        harness_expect(&h, 200, "DELETE", CM "/um", NULL, NULL);
    }
}

static void test_apply_refused(void **state)
{
    static const struct {
        const char *path, *body, *text;
        int status;
    } rows[] = {
        {CM "/x", "{}", "fieldManager: Required value: is required for apply patch", 422},
        {CM "/x?fieldManager=m&fieldValidation=Strict", "{\"kind\":\"ConfigMap\"}",
         "Specified patch version: , expected: v1", 400},
        {CM "/x?fieldManager=m", "", "Specified patch version: , expected: v1", 400},
        {CM "/x?fieldManager=m", "[1]", "cannot unmarshal array", 400},
        {CM "/x?fieldManager=m", "{", "error converting YAML to JSON", 400},
        {CM "/x?fieldManager=m", "{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}", "Specified patch kind: Secret", 400},
        {CM "/x?fieldManager=m", "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\"}", "name must be provided", 400},
        {CM "/x?fieldManager=m",
         "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"managedFields\":[]}}",
         "metadata.managedFields must be nil", 400},
        {CM "/x?fieldManager=m",
         "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"uid\":\"u\"}}", "uid mismatch",
         409},
        {CM "/x?fieldManager=m",
         "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\"},\"bogus\":1}",
         "failed to create typed patch object (default/x; v1, Kind=ConfigMap): .bogus: field not declared in schema",
         400},
        {"/api/v1/namespaces/default/pods/none/status?fieldManager=m",
         "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"none\"}}", "not found", 404},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct answer a CLEANUP_ANSWER = {0};
        struct ask ask = {.method = "PATCH",
                          .path = rows[i].path,
                          .body = rows[i].body,
                          .content_type = "application/apply-patch+yaml"};

        harness_ask(&h, &ask, &a);
        if (a.status != rows[i].status || !answer_has(&a, rows[i].text))
            fail_msg("%s: %d %.*s", rows[i].body, a.status, SLICE_ARGS(buf_slice(&a.body)));
    }
}

static void test_status_is_apart(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "PATCH",
                      .path = "/api/v1/namespaces/default/pods/p/status",
                      .body = "{\"spec\":{\"nodeName\":\"other\"},\"status\":{\"phase\":\"Running\"}}",
                      .content_type = "application/merge-patch+json"};

    harness_expect(&h, 201, "POST", "/api/v1/namespaces/default/pods", POD, &a);
    assert_answer(&a, "status.phase", "Pending");
    assert_answer(&a, "spec.serviceAccountName", "default");
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "spec.tolerations")), 2);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_answer(&a, "status.phase", "Running");
    assert_null(scan_get(buf_slice(&a.body), "spec.nodeName").data);
    ask.path = "/api/v1/namespaces/default/pods/p";
    ask.body = "{\"status\":{\"phase\":\"Failed\"},\"metadata\":{\"labels\":{\"x\":\"y\"}}}";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "status.phase", "Running");
    assert_answer(&a, "metadata.labels.x", "y");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0", NULL, &a);
    assert_answer(&a, "metadata.deletionGracePeriodSeconds", "0");
    harness_expect(&h, 404, "GET", "/api/v1/namespaces/default/pods/p", NULL, NULL);
}

/* Of some kinds a status write leaves the metadata alone, or a part of it. */
static void test_status_keeps_metadata(void **state)
{
    static const char deployment[] = "{\"metadata\":{\"name\":\"kept\",\"labels\":{\"a\":\"b\"}},\"spec\":{"
                                     "\"selector\":{\"matchLabels\":{\"a\":\"b\"}},"
                                     "\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{"
                                     "\"name\":\"c\",\"image\":\"i\"}]}}}}";
    static const char flow[] =
        "{\"metadata\":{\"name\":\"kept\"},\"spec\":{\"priorityLevelConfiguration\":{\"name\":\"x\"}}}";
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "PATCH",
                      .path = "/apis/apps/v1/namespaces/default/deployments/kept/status",
                      .body = "{\"metadata\":{\"labels\":{\"x\":\"y\"},\"annotations\":{\"x\":\"y\"}},\"status\":{}}",
                      .content_type = "application/merge-patch+json"};

    harness_expect(&h, 201, "POST", "/apis/apps/v1/namespaces/default/deployments", deployment, NULL);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_answer(&a, "metadata.annotations.x", "y");
    assert_answer(&a, "metadata.labels.a", "b");
    assert_null(scan_get(buf_slice(&a.body), "metadata.labels.x").data);
    harness_expect(&h, 201, "POST", "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", flow, NULL);
    ask.path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas/kept/status";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_null(scan_get(buf_slice(&a.body), "metadata.labels").data);
    assert_null(scan_get(buf_slice(&a.body), "metadata.annotations").data);
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

static void test_binding_and_grace(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *pods = "/api/v1/namespaces/default/pods";

    harness_expect(&h, 201, "POST", pods, POD, NULL);
    harness_expect(&h, 201, "POST", "/api/v1/namespaces/default/pods/p/binding",
                   "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"n1\"}}", &a);
    assert_answer(&a, "status", "Success");
    harness_expect(&h, 409, "POST", "/api/v1/namespaces/default/bindings",
                   "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"n2\"}}", &a);
    assert_answer(&a, "message",
                  "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to node \"n1\"");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p", NULL, &a);
    assert_answer(&a, "metadata.deletionGracePeriodSeconds", "30");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=5", NULL, &a);
    assert_answer(&a, "metadata.deletionGracePeriodSeconds", "5");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=50", NULL, &a);
    assert_answer(&a, "metadata.deletionGracePeriodSeconds", "5");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/pods/p", "{\"gracePeriodSeconds\":0}", NULL);
    harness_expect(&h, 404, "GET", "/api/v1/namespaces/default/pods/p", NULL, NULL);
}

static void test_finalizers(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "PATCH",
                      .path = CM "/f",
                      .body = "{\"metadata\":{\"finalizers\":[\"a.b/c\",\"a.b/d\"]}}",
                      .content_type = "application/merge-patch+json"};

    harness_expect(&h, 201, "POST", CM, "{\"metadata\":{\"name\":\"f\",\"finalizers\":[\"a.b/c\"]}}", NULL);
    harness_expect(&h, 200, "DELETE", CM "/f", NULL, &a);
    assert_non_null(scan_get(buf_slice(&a.body), "metadata.deletionTimestamp").data);
    harness_expect(&h, 409, "POST", CM, "{\"metadata\":{\"name\":\"f\"}}", &a);
    assert_answer(&a, "message", "object is being deleted: configmaps \"f\" already exists");
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 422);
    ask.body = "{\"metadata\":{\"finalizers\":null}}";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    harness_expect(&h, 404, "GET", CM "/f", NULL, NULL);
}

static void test_preconditions(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", CM, "{\"metadata\":{\"name\":\"pre\"}}", NULL);
    harness_expect(&h, 409, "DELETE", CM "/pre", "{\"preconditions\":{\"uid\":\"x\"}}", &a);
    assert_answer(&a, "reason", "Conflict");
    harness_expect(&h, 422, "DELETE", CM "/pre", "{\"propagationPolicy\":\"Sideways\"}", &a);
    assert_answer(&a, "details.kind", "DeleteOptions");
    harness_expect(&h, 200, "DELETE", CM "/pre?dryRun=All", NULL, NULL);
    harness_expect(&h, 200, "GET", CM "/pre", NULL, NULL);
    harness_expect(&h, 422, "DELETE", CM "/pre?orphanDependents=true&propagationPolicy=Orphan", NULL, &a);
    harness_expect(&h, 200, "DELETE", CM "/pre", "{\"propagationPolicy\":\"Foreground\"}", &a);
    assert_true(answer_has(&a, "foregroundDeletion"));
}

static void test_namespace_life(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 403, "DELETE", "/api/v1/namespaces/default", NULL, &a);
    assert_answer(&a, "message", "namespaces \"default\" is forbidden: this namespace may not be deleted");
    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"n\"}}", &a);
    assert_answer(&a, "status.phase", "Active");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/n", NULL, &a);
    assert_answer(&a, "status.phase", "Terminating");
    assert_null(scan_get(buf_slice(&a.body), "metadata.deletionGracePeriodSeconds").data);
    harness_expect(&h, 403, "POST", "/api/v1/namespaces/n/configmaps", "{\"metadata\":{\"name\":\"x\"}}", &a);
    assert_true(answer_has(&a, "NamespaceTerminating"));
    harness_expect(&h, 200, "PUT", "/api/v1/namespaces/n/finalize",
                   "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"finalizers\":[]}}", NULL);
    harness_expect(&h, 404, "GET", "/api/v1/namespaces/n", NULL, NULL);
}

static void test_delete_collection(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"dc\"}}", NULL);
    for (int i = 0; i < 40; i++) {
        char *body CLEANUP_FREE =
            mem_printf("{\"metadata\":{\"name\":\"c%d\",\"labels\":{\"even\":\"%d\"}}}", i, i % 2 == 0);

        harness_expect(&h, 201, "POST", "/api/v1/namespaces/dc/configmaps", body, NULL);
    }
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/dc/configmaps?labelSelector=even%3D1", NULL, &a);
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "items")), 20);
    harness_expect(&h, 200, "GET", "/api/v1/namespaces/dc/configmaps", NULL, &a);
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "items")), 20);
    harness_expect(&h, 400, "DELETE", "/api/v1/namespaces/dc/configmaps?labelSelector=%zz", NULL, NULL);
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/dc/configmaps", NULL, NULL);
    harness_expect(&h, 200, "GET", "/api/v1/namespaces/dc/configmaps", NULL, &a);
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "items")), 0);
}

static void test_scale(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *scale = "/apis/apps/v1/namespaces/default/deployments/d/scale";

    harness_expect(
        &h, 201, "POST", "/apis/apps/v1/namespaces/default/deployments",
        "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":2,\"selector\":{\"matchLabels\":{\"a\":\"b\"}}"
        ",\"template\":{\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{\"containers\":[{\"name\":\"c\","
        "\"image\":\"i\"}]}}}}",
        &a);
    assert_answer(&a, "metadata.generation", "1");
    harness_expect(&h, 200, "GET", scale, NULL, &a);
    assert_answer(&a, "spec.replicas", "2");
    assert_answer(&a, "status.selector", "a=b");
    harness_expect(&h, 200, "PUT", scale, "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":5}}", &a);
    assert_answer(&a, "spec.replicas", "5");
    harness_expect(&h, 200, "GET", "/apis/apps/v1/namespaces/default/deployments/d", NULL, &a);
    assert_answer(&a, "metadata.generation", "2");
    harness_expect(&h, 409, "PUT", scale,
                   "{\"metadata\":{\"name\":\"d\",\"resourceVersion\":\"1\"},\"spec\":{\"replicas\":5}}", NULL);
    harness_expect(&h, 422, "PUT", scale, "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"replicas\":-1}}", NULL);
}

static void test_services(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *all = "/api/v1/namespaces/default/services";
    const char *body = "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"ports\":[{\"port\":80}]}}";
    char *ip;
    char *again;

    harness_expect(&h, 201, "POST", all, body, &a);
    ip = answer_get(&a, "spec.clusterIP");
    assert_int_equal(strncmp(ip, "10.96.0.", 8), 0);
    assert_in_range(atoi(ip + 8), 18, 254); /* the first sixteen are left to those who name theirs */
    harness_expect(&h, 200, "PUT", "/api/v1/namespaces/default/services/s", body, &a);
    again = answer_get(&a, "spec.clusterIP");
    assert_string_equal(ip, again); /* what the server gave stays without being sent back */
    char *taken CLEANUP_FREE =
        mem_printf("{\"metadata\":{\"name\":\"t\"},\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{\"port\":80}]}}", ip);
    harness_expect(&h, 422, "POST", all, taken, &a);
    assert_true(answer_has(&a, "provided IP is already allocated"));
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/services/s", NULL, NULL);
    harness_expect(&h, 201, "POST", all, taken, NULL);
    harness_expect(&h, 409, "POST", all, taken, NULL); /* the name counts before the address */
    harness_expect(&h, 422, "POST", all,
                   "{\"metadata\":{\"name\":\"o\"},\"spec\":{\"clusterIP\":\"10.97.0.1\",\"ports\":[{\"port\":80}]}}",
                   NULL);
    harness_expect(&h, 201, "POST", all,
                   "{\"metadata\":{\"name\":\"np\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,"
                   "\"nodePort\":30080}]}}",
                   NULL);
    harness_expect(&h, 422, "POST", all,
                   "{\"metadata\":{\"name\":\"np2\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,"
                   "\"nodePort\":30080}]}}",
                   &a);
    assert_true(answer_has(&a, "provided port is already allocated"));
    free(ip);
    free(again);
}

/* A change of the type takes along what only the old type needed, unless it was changed too. */
static void test_service_types(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *all = "/api/v1/namespaces/default/services";
    const char *one = "/api/v1/namespaces/default/services/ty";
    struct ask ask = {.method = "PATCH", .path = one, .content_type = "application/merge-patch+json"};

    harness_expect(
        &h, 201, "POST", all,
        "{\"metadata\":{\"name\":\"ty\"},\"spec\":{\"type\":\"NodePort\",\"externalTrafficPolicy\":\"Local\","
        "\"ports\":[{\"port\":80}]}}",
        &a);
    assert_true(answer_has(&a, "nodePort"));
    ask.body = "{\"spec\":{\"type\":\"ClusterIP\",\"ports\":[{\"port\":80,\"nodePort\":30999}]}}";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 422);
    ask.body = "{\"spec\":{\"type\":\"ClusterIP\"}}";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_false(answer_has(&a, "nodePort"));
    assert_false(answer_has(&a, "externalTrafficPolicy"));
    assert_true(answer_has(&a, "10.96.0."));
    ask.body = "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.b\"}}";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    assert_false(answer_has(&a, "10.96.0."));
    harness_expect(
        &h, 422, "POST", all,
        "{\"metadata\":{\"name\":\"ds\"},\"spec\":{\"ipFamilyPolicy\":\"RequireDualStack\",\"ports\":[{\"port\":"
        "80}]}}",
        NULL);
    harness_expect(&h, 422, "POST", all,
                   "{\"metadata\":{\"name\":\"v6\"},\"spec\":{\"ipFamilies\":[\"IPv6\"],\"ports\":[{\"port\":80}]}}",
                   NULL);
}

/* Letting go says nothing of what state the namespace is in. */
static void test_namespace_finalize(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", "/api/v1/namespaces",
                   "{\"metadata\":{\"name\":\"fin\"},\"spec\":{\"finalizers\":[\"a.b/c\"]}}", NULL);
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/fin", NULL, NULL);
    harness_expect(&h, 422, "PUT", "/api/v1/namespaces/fin/finalize",
                   "{\"metadata\":{\"name\":\"fin\"},\"spec\":{\"finalizers\":[\"bad\"]}}", &a);
    assert_true(answer_has(&a, "spec.finalizers[0]"));
    harness_expect(&h, 200, "PUT", "/api/v1/namespaces/fin/finalize",
                   "{\"metadata\":{\"name\":\"fin\"},\"spec\":{\"finalizers\":[\"a.b/c\"]}}", &a);
    assert_answer(&a, "status.phase", "Terminating");
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

/* Somebody who wants it to cost much: each of many finalizers is looked for among as many. */
static void test_many_finalizers_of_what_is_deleted(void **state)
{
    int64_t start;
    BUF_LOCAL(body);

    buf_append_str(&body, "{\"metadata\":{\"name\":\"many\",\"finalizers\":[");
    for (int i = 0; i < 50000; i++)
        buf_printf(&body, "%s\"a.b/%d\"", i ? "," : "", i);
    buf_append_str(&body, "]}}");
    harness_expect(&h, 201, "POST", CM, buf_cstr(&body), NULL);
    harness_expect(&h, 200, "DELETE", CM "/many", NULL, NULL);
    start = clock_monotonic_ns(clock_system());
    harness_expect(&h, 200, "PUT", CM "/many", buf_cstr(&body), NULL);
    assert_in_range(clock_monotonic_ns(clock_system()) - start, 0, 5 * NS_PER_S);
    harness_expect(&h, 422, "PUT", CM "/many",
                   "{\"metadata\":{\"name\":\"many\",\"finalizers\":[\"a.b/1\",\"a.b/new\"]}}", NULL);
    harness_expect(&h, 200, "PUT", CM "/many", "{\"metadata\":{\"name\":\"many\",\"finalizers\":[]}}", NULL);
    harness_expect(&h, 404, "GET", CM "/many", NULL, NULL);
}

/* Each is another attempt for those that come after: all are carried out, and say once what is to be said. */
static void test_updates_at_once(void **state)
{
    struct answer answers[8] = {0};
    struct answer before CLEANUP_ANSWER = {0}, after CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(&h, 201, "POST", CM, "{\"metadata\":{\"name\":\"busy\"}}", &before);
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        char *body CLEANUP_FREE =
            mem_printf("{\"metadata\":{\"name\":\"busy\"},\"data\":{\"by\":\"%zu\"},\"unknown\":1}", i);
        const struct ask ask = {.method = "PUT", .path = CM "/busy", .body = body};

        harness_begin(&h, &ask, &answers[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        char *by CLEANUP_FREE = mem_printf("{\"by\":\"%zu\"}", i);
        const char *warning;

        harness_wait_for(&answers[i], by);
        assert_int_equal(answers[i].status, 200);
        warning = strstr(buf_cstr(&answers[i].headers), "unknown field");
        assert_non_null(warning);
        assert_null(strstr(warning + 1, "unknown field"));
        answer_clear(&answers[i]);
    }
    harness_expect(&h, 200, "GET", CM "/busy", NULL, &after);
    assert_true(answer_has(&after, "\"by\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bootstrap),
        cmocka_unit_test(test_version_and_health),
        cmocka_unit_test(test_create_and_get),
        cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_generate_name),
        cmocka_unit_test(test_dry_run),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_patch),
        cmocka_unit_test(test_patch_findings),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_patch_of_managers),
        cmocka_unit_test(test_put_of_managers),
        cmocka_unit_test(test_apply_refused),
        cmocka_unit_test(test_status_is_apart),
        cmocka_unit_test(test_status_keeps_metadata),
        cmocka_unit_test(test_timeout_is_read),
        cmocka_unit_test(test_binding_and_grace),
        cmocka_unit_test(test_finalizers),
        cmocka_unit_test(test_preconditions),
        cmocka_unit_test(test_namespace_life),
        cmocka_unit_test(test_delete_collection),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_services),
        cmocka_unit_test(test_service_types),
        cmocka_unit_test(test_namespace_finalize),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_deprecated_kinds),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_reviews),
        cmocka_unit_test(test_many_finalizers_of_what_is_deleted),
        cmocka_unit_test(test_updates_at_once),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
