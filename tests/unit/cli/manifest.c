/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "cli/manifest.h"

/* A made-up type: a list that merges by name, a plain list, a map, a number. */
static const struct schema_field item_fields[] = {
    {.name = "name", .number = 1, .base = SCHEMA_STRING},
    {.name = "image", .number = 2, .base = SCHEMA_STRING},
};
static const uint16_t item_by_name[] = {1, 0};
static const struct schema_type item_type = {
    .name = "Item", .fields = item_fields, .field_count = 2, .by_name = item_by_name};
static const struct schema_field root_fields[] = {
    {.name = "items",
     .number = 1,
     .base = SCHEMA_OBJECT,
     .shape = SCHEMA_LIST,
     .type = &item_type,
     .flags = SCHEMA_PATCH_MERGE,
     .merge_key = "name"},
    {.name = "plain", .number = 2, .base = SCHEMA_STRING, .shape = SCHEMA_LIST},
    {.name = "labels", .number = 3, .base = SCHEMA_STRING, .shape = SCHEMA_MAP},
    {.name = "count", .number = 4, .base = SCHEMA_INT32},
};
static const uint16_t root_by_name[] = {3, 0, 2, 1};
static const struct schema_type root_type = {
    .name = "Root", .fields = root_fields, .field_count = 4, .by_name = root_by_name};

static void expect_patch(const char *last, const char *live, const char *wanted, const char *expected)
{
    struct value *l CLEANUP_VALUE = last ? value_parse(slice_str(last), NULL) : NULL;
    struct value *s CLEANUP_VALUE = value_parse(slice_str(live), NULL);
    struct value *w CLEANUP_VALUE = value_parse(slice_str(wanted), NULL);
    struct value *patch CLEANUP_VALUE = manifest_three_way(&root_type, l, s, w);
    BUF_LOCAL(text);

    if (!expected) {
        assert_null(patch);
        return;
    }
    assert_non_null(patch);
    value_write(patch, &text);
    assert_string_equal(buf_cstr(&text), expected);
}

static void test_equal_objects_need_no_patch(void **state)
{
    (void)state;
    expect_patch("{\"count\":1}", "{\"count\":1,\"labels\":{\"server\":\"made\"}}", "{\"count\":1}", NULL);
}

static void test_only_what_we_applied_is_removed(void **state)
{
    (void)state;
    expect_patch("{\"labels\":{\"a\":\"1\",\"b\":\"2\"},\"count\":3}",
                 "{\"labels\":{\"a\":\"1\",\"b\":\"2\",\"other\":\"x\"},\"count\":3}", "{\"labels\":{\"a\":\"9\"}}",
                 "{\"labels\":{\"a\":\"9\",\"b\":null},\"count\":null}");
}

static void test_lists_merge_by_key(void **state)
{
    (void)state;
    expect_patch(
        "{\"items\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\"}]}",
        "{\"items\":[{\"name\":\"a\",\"image\":\"1\"},{\"name\":\"b\"},{\"name\":\"injected\"}]}",
        "{\"items\":[{\"name\":\"a\",\"image\":\"2\"},{\"name\":\"c\"}]}",
        "{\"items\":[{\"image\":\"2\",\"name\":\"a\"},{\"name\":\"c\"},{\"$patch\":\"delete\",\"name\":\"b\"}]}");
}

static void test_other_lists_are_replaced(void **state)
{
    (void)state;
    expect_patch(NULL, "{\"plain\":[\"a\"]}", "{\"plain\":[\"a\",\"b\"]}", "{\"plain\":[\"a\",\"b\"]}");
}

static void test_incomplete_documents_are_refused(void **state)
{
    static const char *const bad[] = {"{}", "{\"apiVersion\":\"v1\",\"kind\":\"Nonsense\"}",
                                      "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{}}"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct value *v CLEANUP_VALUE = value_parse(slice_str(bad[i]), NULL);
        struct manifest m;
        ERROR_LOCAL(err);

        assert_true(manifest_read(NULL, v, "default", &m, &err) < 0);
        assert_int_equal(err.code, ERROR_BAD_REQUEST);
    }
}

static void test_annotation_is_what_kubectl_writes(void **state)
{
    struct value *v CLEANUP_VALUE = value_parse(
        SLICE_LIT(
            "{\"kind\":\"X\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a<b>&c\"},\"z\":[{\"b\":1,\"a\":2}]}"),
        NULL);

    (void)state;
    manifest_annotate(v);
    manifest_annotate(v); /* leaves itself out */
    assert_string_equal(value_str(value_path(v, "metadata", "annotations", LAST_APPLIED, NULL)),
                        "{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"annotations\":{},\"name\":"
                        "\"a\\u003cb\\u003e\\u0026c\"},\"z\":[{\"a\":2,\"b\":1}]}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_objects_need_no_patch),
        cmocka_unit_test(test_only_what_we_applied_is_removed),
        cmocka_unit_test(test_lists_merge_by_key),
        cmocka_unit_test(test_other_lists_are_replaced),
        cmocka_unit_test(test_incomplete_documents_are_refused),
        cmocka_unit_test(test_annotation_is_what_kubectl_writes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
