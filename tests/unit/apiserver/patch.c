/* SPDX-License-Identifier: Apache-2.0 */
/* Patches of every kind, an apply too, and what they say of who set which field. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define CM "/api/v1/namespaces/default/configmaps"

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
    ask.content_type = PATCH_JSON;
    ask.body = "[{\"op\":\"add\",\"path\":\"/data/c\",\"value\":\"3\"}]";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "data.c", "3");
    ask.content_type = PATCH_STRATEGIC;
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
                      .content_type = PATCH_APPLY};

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
    ask.content_type = PATCH_JSON;
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
        .content_type = PATCH_APPLY};
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
        .content_type = PATCH_APPLY};
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
        struct ask ask = {.method = "PATCH", .path = rows[i].path, .body = rows[i].body, .content_type = PATCH_APPLY};

        harness_ask(&h, &ask, &a);
        if (a.status != rows[i].status || !answer_has(&a, rows[i].text))
            fail_msg("%s: %d %.*s", rows[i].body, a.status, SLICE_ARGS(buf_slice(&a.body)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patch),           cmocka_unit_test(test_patch_findings),
        cmocka_unit_test(test_apply),           cmocka_unit_test(test_patch_of_managers),
        cmocka_unit_test(test_put_of_managers), cmocka_unit_test(test_apply_refused),
    };

    return harness_run_group(&h, tests, NULL);
}
