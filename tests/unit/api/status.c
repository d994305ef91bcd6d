/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "api/status.h"
#include "lib/encoding.h"

static const struct schema_kind deployment = {
    .group = "apps", .version = "v1", .kind = "Deployment", .plural = "deployments"};
static const struct schema_kind pod = {.group = "", .version = "v1", .kind = "Pod", .plural = "pods"};

static void test_writes_upstreams_order(void **state)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    struct status_details details = {"a\"b", "apps", "deployments", NULL};

    status_not_found(&err, &deployment, SLICE_LIT("a\"b"));
    status_write_error(&out, &err, &details);
    assert_string_equal(buf_cstr(&out),
                        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":"
                        "\"deployments.apps \\\"a\\\"b\\\" not found\",\"reason\":\"NotFound\",\"details\":{\"name\":"
                        "\"a\\\"b\",\"group\":\"apps\",\"kind\":\"deployments\"},\"code\":404}");
}

static void test_causes_and_retry(void **state)
{
    ERROR_LOCAL(err);
    ERROR_LOCAL(back);
    BUF_LOCAL(out);

    error_set(&err, ERROR_INVALID, "no");
    error_add_cause(&err, "FieldValueRequired", "spec.x", "Required value");
    error_add_cause(&err, "Odd", NULL, "m");
    err.retry_after_seconds = 3;
    status_write_error(&out, &err, NULL);
    assert_non_null(strstr(buf_cstr(&out), "\"details\":{\"causes\":[{\"reason\":\"FieldValueRequired\",\"message\":"
                                           "\"Required value\",\"field\":\"spec.x\"},{\"reason\":\"Odd\",\"message\":"
                                           "\"m\"}],\"retryAfterSeconds\":3},\"code\":422}"));
    status_read_error(422, buf_slice(&out), &back);
    assert_int_equal(back.code, ERROR_INVALID);
    assert_int_equal(back.cause_count, 2);
    assert_string_equal(back.causes[0].field, "spec.x");
    assert_null(back.causes[1].field);
    assert_int_equal(back.retry_after_seconds, 3);
}

static void test_empty_details_and_none(void **state)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(with);
    BUF_LOCAL(without);
    struct status_details none = {0};

    error_set(&err, ERROR_METHOD_NOT_ALLOWED, "m");
    status_write_error(&with, &err, &none);
    status_write_error(&without, &err, NULL);
    assert_non_null(strstr(buf_cstr(&with), "\"details\":{},\"code\":405"));
    assert_null(strstr(buf_cstr(&without), "details"));
}

/* Messages quote what clients sent; the answer is JSON all the same. */
static void test_bytes_that_are_no_text(void **state)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    struct status_details details = {"\xff", NULL, "p\xc3\xa4", NULL};

    error_set(&err, ERROR_NOT_FOUND, "pods \"\xff\xed\xa0\x80\xc3\xa4\"");
    status_write_error(&out, &err, &details);
    assert_true(utf8_valid(buf_slice(&out)));
    assert_non_null(strstr(buf_cstr(&out), "\xef\xbf\xbd\xc3\xa4"));
    assert_non_null(strstr(buf_cstr(&out), "\"p\xc3\xa4\""));
}

static void test_success(void **state)
{
    BUF_LOCAL(out);
    struct status_details details = {"x", "", "pods", "u-1"};

    status_write_success(&out, &details);
    assert_string_equal(buf_cstr(&out),
                        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\","
                        "\"details\":{\"name\":\"x\",\"kind\":\"pods\",\"uid\":\"u-1\"}}");
}

static void test_reads_strangers(void **state)
{
    ERROR_LOCAL(err);

    status_read_error(503, SLICE_LIT("<html>oops</html>"), &err);
    assert_int_equal(err.code, ERROR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "oops"));
    status_read_error(404, SLICE_LIT("{\"kind\":\"Status\",\"code\":\"x\",\"details\":[],\"reason\":7}"), &err);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    status_read_error(500, SLICE_NONE, &err);
    assert_int_equal(err.code, ERROR_INTERNAL);
    status_read_error(
        409, SLICE_LIT("{\"kind\":\"Status\",\"code\":409,\"reason\":\"AlreadyExists\",\"message\":\"m\"}"), &err);
    assert_int_equal(err.code, ERROR_ALREADY_EXISTS);
}

static void test_wording(void **state)
{
    ERROR_LOCAL(err);

    assert_int_equal(status_already_exists(&err, &pod, SLICE_LIT("p")), -ERROR_ALREADY_EXISTS);
    assert_string_equal(err.message, "pods \"p\" already exists");
    assert_int_equal(status_conflict(&err, &pod, SLICE_LIT("p"), "why"), -ERROR_CONFLICT);
    assert_string_equal(err.message, "Operation cannot be fulfilled on pods \"p\": why");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_upstreams_order),
        cmocka_unit_test(test_causes_and_retry),
        cmocka_unit_test(test_empty_details_and_none),
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_bytes_that_are_no_text),
        cmocka_unit_test(test_reads_strangers),
        cmocka_unit_test(test_wording),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
