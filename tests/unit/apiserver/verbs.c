/* SPDX-License-Identifier: Apache-2.0 */
/* Create, get and update through the whole front, JSON in and out, over a real store. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define CM "/api/v1/namespaces/default/configmaps"

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
        cmocka_unit_test(test_create_and_get), cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_generate_name),  cmocka_unit_test(test_dry_run),
        cmocka_unit_test(test_update),         cmocka_unit_test(test_updates_at_once),
    };

    return harness_run_group(&h, tests, NULL);
}
