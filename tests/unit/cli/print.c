/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "cli/print.h"

static const char list[] = "{\"items\":[{\"metadata\":{\"name\":\"a\",\"labels\":{\"app.x/y\":\"1\"}}},"
                           "{\"metadata\":{\"name\":\"b\"}}],\"n\":3,\"none\":[]}";

static void expect_path(const char *template_, const char *expected)
{
    struct value *v CLEANUP_VALUE = value_parse(slice_str(list), NULL);
    BUF_LOCAL(out);
    ERROR_LOCAL(err);

    if (!expected) {
        assert_true(print_jsonpath(template_, v, &out, &err) < 0);
        return;
    }
    assert_int_equal(print_jsonpath(template_, v, &out, &err), 0);
    assert_string_equal(buf_cstr(&out), expected);
}

static void test_jsonpath(void **state)
{
    (void)state;
    expect_path("{.items[*].metadata.name}", "a b");
    expect_path("{.items[1].metadata.name}{\"\\n\"}", "b\n");
    expect_path("{.items[-1].metadata.name}", "b");
    expect_path("n={.n}, {$.missing.x}.", "n=3, .");
    expect_path("{.items[0].metadata.labels.app\\.x/y}", "1");
    expect_path("{.items[0].metadata.labels['app.x/y']}", "1");
    expect_path("{.items[0]", NULL);
    expect_path("{.items[zero]}", NULL);
}

static void test_json_is_indented(void **state)
{
    struct value *v CLEANUP_VALUE = value_parse(SLICE_LIT("{\"a\":[1,{}],\"b\":{\"c\":\"x\"}}"), NULL);
    BUF_LOCAL(out);

    (void)state;
    print_json(v, &out);
    assert_string_equal(buf_cstr(&out),
                        "{\n    \"a\": [\n        1,\n        {}\n    ],\n    \"b\": {\n        \"c\": \"x\"\n"
                        "    }\n}\n");
}

static void test_table_hides_wide_columns_and_aligns(void **state)
{
    struct value *v CLEANUP_VALUE = value_parse(
        SLICE_LIT("{\"columnDefinitions\":[{\"name\":\"Name\",\"priority\":0},{\"name\":\"Node\",\"priority\":1},"
                  "{\"name\":\"Age\",\"priority\":0}],\"rows\":[{\"cells\":[\"web-1\",\"n1\",\"5s\"],"
                  "\"object\":{\"metadata\":{\"namespace\":\"ns\"}}},{\"cells\":[\"x\",null,7]}]}"),
        NULL);
    struct table_printer plain = {0};
    struct table_printer wide = {.wide = true, .with_namespace = true};
    BUF_LOCAL(out);

    (void)state;
    table_printer_print(&plain, v, &out);
    assert_string_equal(buf_cstr(&out), "NAME    AGE\nweb-1   5s\nx       7\n");
    buf_reset(&out);
    table_printer_print(&plain, v, &out);
    assert_string_equal(buf_cstr(&out), "web-1   5s\nx       7\n");
    buf_reset(&out);
    table_printer_print(&wide, v, &out);
    assert_string_equal(
        buf_cstr(&out),
        "NAMESPACE   NAME    NODE     AGE\nns          web-1   n1       5s\n<none>      x       <none>   7\n");
    table_printer_clear(&plain);
    table_printer_clear(&wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jsonpath),
        cmocka_unit_test(test_json_is_indented),
        cmocka_unit_test(test_table_hides_wide_columns_and_aligns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
