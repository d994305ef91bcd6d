/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/error.h"

#include <errno.h>

#include "tests/unit/test.h"

static int inner(struct error *err)
{
    return error_set(err, ERROR_NOT_FOUND, "no %s", "pod");
}

static int outer(struct error *ret_err)
{
    ERROR_LOCAL(err);

    return inner(&err) < 0 ? error_pass(ret_err, &err, "reading %d", 7) : 0;
}

static void test_context_is_put_before(void **state)
{
    ERROR_LOCAL(err);

    (void)state;
    assert_int_equal(outer(&err), -(int)ERROR_NOT_FOUND);
    assert_string_equal(error_text(&err), "reading 7: no pod");
    assert_int_equal(error_wrap(&err, "more"), -(int)ERROR_NOT_FOUND);
    assert_string_equal(error_text(&err), "more: reading 7: no pod");
    assert_int_equal(outer(NULL), -(int)ERROR_NOT_FOUND);
    assert_int_equal(error_set_errno(&err, ENOENT, "opening %s", "/x"), -(int)ERROR_IO);
    assert_string_equal(error_text(&err), "opening /x: No such file or directory");
}

static void test_copies_own_their_causes(void **state)
{
    ERROR_LOCAL(copy);

    (void)state;
    {
        ERROR_LOCAL(err);

        (void)error_set(&err, ERROR_INVALID, "bad");
        for (int i = 0; i < 20; i++)
            error_add_cause(&err, "FieldValueInvalid", i ? "spec" : NULL, "value %d", i);
        err.retry_after_seconds = 3;
        error_copy(&copy, &err);
    }
    assert_int_equal(copy.cause_count, 20);
    assert_null(copy.causes[0].field);
    assert_string_equal(copy.causes[19].message, "value 19");
    assert_int_equal(copy.retry_after_seconds, 3);
}

static void test_codes_and_http(void **state)
{
    (void)state;
    for (int code = 1; code < ERROR_CODE_COUNT; code++) {
        assert_in_range(error_http_status((enum error_code)code), 400, 599);
        assert_true(error_reason((enum error_code)code)[0]);
    }
    assert_int_equal(error_code_from_http(409, "AlreadyExists"), ERROR_ALREADY_EXISTS);
    assert_int_equal(error_code_from_http(409, "Conflict"), ERROR_CONFLICT);
    assert_int_equal(error_code_from_http(410, NULL), ERROR_GONE);
    assert_int_equal(error_code_from_http(503, "Unheard"), ERROR_UNAVAILABLE);
    assert_int_equal(error_code_from_http(599, NULL), ERROR_INTERNAL);
    assert_int_equal(error_code_from_http(418, NULL), ERROR_BAD_REQUEST);
    assert_int_equal(error_code_from_http(204, NULL), ERROR_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_context_is_put_before),
        cmocka_unit_test(test_copies_own_their_causes),
        cmocka_unit_test(test_codes_and_http),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
