/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/changed.h"

#include "tests/unit/test.h"

static void assert_changed(const char *before, const char *now, size_t most, const char *expected)
{
    struct value *b CLEANUP_VALUE = value_parse(slice_str(before), NULL);
    struct value *n CLEANUP_VALUE = value_parse(slice_str(now), NULL);
    BUF_LOCAL(out);

    changed_fields(b, n, most, &out);
    assert_string_equal(buf_cstr(&out), expected);
}

static void test_changed_fields(void **state)
{
    assert_changed("{\"a\":1}", "{\"a\":1}", 9, "");
    assert_changed("{\"spec\":{\"replicas\":1,\"x\":2}}", "{\"spec\":{\"replicas\":3,\"x\":2}}", 9, ".spec.replicas");
    assert_changed("{\"m\":{\"old\":1}}", "{\"m\":{\"new\":1}}", 9, ".m.new, .m.old");
    assert_changed("{\"l\":[1,2]}", "{\"l\":[1]}", 9, ".l");
    assert_changed("{\"a\":{\"example.org/x\":\"1\"}}", "{\"a\":{\"example.org/x\":\"2\"}}", 9, ".a[example.org/x]");
    assert_changed("{\"metadata\":{\"resourceVersion\":\"1\",\"generation\":1}}",
                   "{\"metadata\":{\"resourceVersion\":\"2\",\"generation\":2}}", 9, "");
    assert_changed("{\"a\":1,\"b\":1,\"c\":1}", "{\"a\":2,\"b\":2,\"c\":2}", 2, ".a, .b and 1 more");
    assert_changed("{\"a\":{\"b\":1}}", "{\"a\":5}", 9, ".a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_changed_fields)};

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
