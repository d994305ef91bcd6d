/* SPDX-License-Identifier: Apache-2.0 */
/* What deleting does: finalizers, preconditions, many at once, and namespaces with all that is in them. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define CM "/api/v1/namespaces/default/configmaps"

static void test_finalizers(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "PATCH",
                      .path = CM "/f",
                      .body = "{\"metadata\":{\"finalizers\":[\"a.b/c\",\"a.b/d\"]}}",
                      .content_type = PATCH_MERGE};

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finalizers),     cmocka_unit_test(test_many_finalizers_of_what_is_deleted),
        cmocka_unit_test(test_preconditions),  cmocka_unit_test(test_delete_collection),
        cmocka_unit_test(test_namespace_life), cmocka_unit_test(test_namespace_finalize),
    };

    return harness_run_group(&h, tests, NULL);
}
