/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

static void test_split_keeps_empty_parts(void **state)
{
    struct slice rest = SLICE_LIT("a,,b");
    struct slice part;

    (void)state;
    assert_true(slice_split(&rest, ',', &part));
    assert_slice_equal(part, "a");
    assert_true(slice_split(&rest, ',', &part));
    assert_slice_equal(part, "");
    assert_true(slice_split(&rest, ',', &part));
    assert_slice_equal(part, "b");
    assert_false(slice_split(&rest, ',', &part));
}

static void test_find_text(void **state)
{
    (void)state;
    assert_int_equal(slice_find_text(SLICE_LIT("abcbc"), SLICE_LIT("bc")), 1);
    assert_int_equal(slice_find_text(SLICE_LIT("abcb"), SLICE_LIT("bcd")), -1);
    assert_int_equal(slice_find_text(SLICE_NONE, SLICE_LIT("a")), -1);
    assert_int_equal(slice_find_text(SLICE_LIT("a"), SLICE_LIT("")), 0);
}

static void test_int64_bounds(void **state)
{
    int64_t value = 7;

    (void)state;
    assert_true(slice_to_int64(SLICE_LIT("-9223372036854775808"), &value));
    assert_true(value == INT64_MIN);
    assert_false(slice_to_int64(SLICE_LIT("9223372036854775808"), &value));
    assert_false(slice_to_int64(SLICE_LIT(""), &value));
    assert_false(slice_to_int64(SLICE_LIT("1x"), &value));
}

static void test_buf_grows_and_consumes(void **state)
{
    BUF_LOCAL(b);

    (void)state;
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%d,", i);
    assert_true(slice_starts(buf_slice(&b), SLICE_LIT("0,1,2,")));
    buf_consume(&b, 2);
    assert_true(slice_starts(buf_slice(&b), SLICE_LIT("1,2,")));
    buf_consume(&b, b.len + 1);
    assert_int_equal(b.len, 0);
}

static void test_numbers_as_text(void **state)
{
    BUF_LOCAL(b);

    (void)state;
    buf_append_int64(&b, INT64_MIN);
    buf_append_int64(&b, 0);
    buf_append_int64(&b, -7);
    buf_append_int64(&b, INT64_MAX);
    assert_string_equal(buf_cstr(&b), "-92233720368547758080-79223372036854775807");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_keeps_empty_parts),
        cmocka_unit_test(test_find_text),
        cmocka_unit_test(test_int64_bounds),
        cmocka_unit_test(test_buf_grows_and_consumes),
        cmocka_unit_test(test_numbers_as_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
