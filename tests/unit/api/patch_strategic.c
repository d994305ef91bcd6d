/* SPDX-License-Identifier: Apache-2.0 */
/* Strategic merge against hand-made types: the directives, keys and orders, not the schema of Kubernetes. */
#include "tests/unit/test.h"

#include "api/patch.h"

/* By name: schema_find_field wants an index sorted by name. */
static const struct schema_field port_fields[] = {
    {.name = "containerPort", .base = SCHEMA_INT32},
    {.name = "name", .base = SCHEMA_STRING},
};
static const uint16_t port_names[] = {0, 1};
static const struct schema_type port = {.name = "Port", .fields = port_fields, .field_count = 2, .by_name = port_names};

static const struct schema_field container_fields[] = {
    {.name = "args", .base = SCHEMA_STRING, .shape = SCHEMA_LIST},
    {.name = "image", .base = SCHEMA_STRING},
    {.name = "name", .base = SCHEMA_STRING},
    {.name = "ports",
     .base = SCHEMA_OBJECT,
     .shape = SCHEMA_LIST,
     .type = &port,
     .flags = SCHEMA_PATCH_MERGE,
     .merge_key = "containerPort"},
};
static const uint16_t container_names[] = {0, 1, 2, 3};
static const struct schema_type container = {
    .name = "Container", .fields = container_fields, .field_count = 4, .by_name = container_names};

static const struct schema_field root_fields[] = {
    {.name = "containers",
     .base = SCHEMA_OBJECT,
     .shape = SCHEMA_LIST,
     .type = &container,
     .flags = SCHEMA_PATCH_MERGE,
     .merge_key = "name"},
    {.name = "finalizers", .base = SCHEMA_STRING, .shape = SCHEMA_LIST, .flags = SCHEMA_PATCH_MERGE},
    {.name = "inner", .base = SCHEMA_OBJECT, .type = &container},
    {.name = "labels", .base = SCHEMA_STRING, .shape = SCHEMA_MAP},
    {.name = "tolerations", .base = SCHEMA_OBJECT, .shape = SCHEMA_LIST, .type = &port},
};
static const uint16_t root_names[] = {0, 1, 2, 3, 4};
static const struct schema_type root = {.name = "Root", .fields = root_fields, .field_count = 5, .by_name = root_names};

static struct value *json(const char *text)
{
    ERROR_LOCAL(err);
    struct value *v = value_parse(slice_str(text), &err);

    if (!v)
        fail_msg("%s: %s", text, error_text(&err));
    return v;
}

static void expect(const char *document, const char *patch, const char *result)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    BUF_LOCAL(untouched);
    struct value *d CLEANUP_VALUE = json(document);
    struct value *p CLEANUP_VALUE = json(patch);
    struct value *same CLEANUP_VALUE = json(patch);
    struct value *r CLEANUP_VALUE = NULL;

    if (patch_strategic(&root, d, p, &r, &err) < 0)
        fail_msg("%s: %s", patch, error_text(&err));
    value_write(r, &out);
    assert_string_equal(buf_cstr(&out), result);
    value_write(d, &untouched);
    assert_string_equal(buf_cstr(&untouched), document);
    assert_true(value_equal(p, same));
}

#define TWO "{\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"args\":[\"1\",\"2\"]},{\"name\":\"b\"}]}"

static void test_keyed_lists(void **state)
{
    expect(TWO, "{\"containers\":[{\"name\":\"a\",\"image\":\"new\"}]}",
           "{\"containers\":[{\"name\":\"a\",\"image\":\"new\",\"args\":[\"1\",\"2\"]},{\"name\":\"b\"}]}");
    expect(TWO, "{\"containers\":[{\"name\":\"a\",\"args\":[\"3\"],\"image\":null}]}",
           "{\"containers\":[{\"name\":\"a\",\"args\":[\"3\"]},{\"name\":\"b\"}]}");
    /* New ones come before what only the server has, as upstream's do. */
    expect(
        TWO, "{\"containers\":[{\"name\":\"n\",\"image\":null}]}",
        "{\"containers\":[{\"name\":\"n\"},{\"name\":\"a\",\"image\":\"i\",\"args\":[\"1\",\"2\"]},{\"name\":\"b\"}]}");
    expect(TWO, "{\"containers\":[{\"name\":\"b\",\"image\":\"x\"},{\"name\":\"n\"}]}",
           "{\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"args\":[\"1\",\"2\"]},{\"name\":\"b\",\"image\":\"x\"},{"
           "\"name\":\"n\"}]}");
    expect("{\"inner\":{\"ports\":[{\"containerPort\":80,\"name\":\"http\"}]}}",
           "{\"inner\":{\"ports\":[{\"containerPort\":80,\"name\":\"web\"},{\"containerPort\":81}]}}",
           "{\"inner\":{\"ports\":[{\"containerPort\":80,\"name\":\"web\"},{\"containerPort\":81}]}}");
    expect(
        TWO,
        "{\"containers\":[{\"name\":\"b\",\"ports\":[{\"containerPort\":1,\"$patch\":\"delete\"},{\"containerPort\":2,"
        "\"name\":null}]}]}",
        "{\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"args\":[\"1\",\"2\"]},{\"name\":\"b\",\"ports\":[{"
        "\"containerPort\":2}]}]}");
    expect("{\"tolerations\":[{\"name\":\"x\"}]}", "{\"tolerations\":[{\"name\":\"y\"}]}",
           "{\"tolerations\":[{\"name\":\"y\"}]}");
}

static void test_directives_in_lists(void **state)
{
    expect(TWO, "{\"containers\":[{\"name\":\"a\",\"$patch\":\"delete\"}]}", "{\"containers\":[{\"name\":\"b\"}]}");
    expect(TWO, "{\"containers\":[{\"name\":\"zz\",\"$patch\":\"delete\"}]}", TWO);
    expect(TWO, "{\"containers\":[{\"$patch\":\"replace\"},{\"name\":\"z\"}]}", "{\"containers\":[{\"name\":\"z\"}]}");
    expect(TWO, "{\"containers\":[{\"$patch\":\"replace\"}]}", "{\"containers\":[]}");
    expect(
        TWO, "{\"containers\":[{\"name\":\"b\",\"$patch\":\"merge\",\"image\":\"m\"}]}",
        "{\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"args\":[\"1\",\"2\"]},{\"name\":\"b\",\"image\":\"m\"}]}");
    expect("{}", "{\"containers\":[{\"$patch\":\"replace\"},{\"name\":\"z\"},{\"name\":\"q\",\"$patch\":\"delete\"}]}",
           "{\"containers\":[{\"name\":\"z\"}]}");
}

static void test_directives_in_maps(void **state)
{
    expect("{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"replace\",\"b\":\"2\"}}",
           "{\"labels\":{\"b\":\"2\"}}");
    expect("{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"delete\"}}", "{\"labels\":{}}");
    expect("{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"$patch\":\"merge\",\"b\":\"2\"}}",
           "{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}");
    expect("{\"labels\":{\"a\":\"1\"}}", "{\"labels\":{\"a\":null,\"zz\":null}}", "{\"labels\":{}}");
    expect("{}", "{\"labels\":{\"$patch\":\"replace\",\"b\":null,\"c\":\"3\"}}", "{\"labels\":{\"c\":\"3\"}}");
    expect("{\"labels\":{\"a\":\"1\"},\"x\":1}", "{\"$patch\":\"replace\",\"y\":2}", "{\"y\":2}");
    expect("{\"x\":1}", "{\"$patch\":\"delete\"}", "{}");
    expect("{\"x\":1}", "{}", "{\"x\":1}");
    expect("{\"bogus\":{\"a\":[1]}}", "{\"bogus\":{\"a\":[2],\"b\":{\"c\":null}}}", "{\"bogus\":{\"a\":[2],\"b\":{}}}");
}

static void test_element_order(void **state)
{
    expect(TWO, "{\"$setElementOrder/containers\":[{\"name\":\"b\"},{\"name\":\"a\"}]}",
           "{\"containers\":[{\"name\":\"b\"},{\"name\":\"a\",\"image\":\"i\",\"args\":[\"1\",\"2\"]}]}");
    expect(
        TWO,
        "{\"$setElementOrder/"
        "containers\":[{\"name\":\"b\"},{\"name\":\"n\"},{\"name\":\"a\"}],\"containers\":[{\"name\":"
        "\"n\"}]}",
        "{\"containers\":[{\"name\":\"b\"},{\"name\":\"n\"},{\"name\":\"a\",\"image\":\"i\",\"args\":[\"1\",\"2\"]}]}");
    /* What the patch does not name keeps its place relative to what it names. */
    expect("{\"finalizers\":[\"s\",\"a\",\"t\",\"b\",\"u\"]}",
           "{\"$setElementOrder/finalizers\":[\"a\",\"n\",\"b\"],\"finalizers\":[\"n\"]}",
           "{\"finalizers\":[\"s\",\"a\",\"n\",\"t\",\"b\",\"u\"]}");
    expect("{}", "{\"$setElementOrder/finalizers\":[\"a\",\"b\"],\"finalizers\":[\"a\",\"b\"]}",
           "{\"finalizers\":[\"a\",\"b\"]}");
    expect("{}", "{\"$setElementOrder/finalizers\":[\"a\"]}", "{}");
    expect(
        TWO,
        "{\"$setElementOrder/containers\":[{\"name\":\"b\"}],\"containers\":[{\"name\":\"a\",\"$patch\":\"delete\"}]}",
        "{\"containers\":[{\"name\":\"b\"}]}");
}

static void test_sets(void **state)
{
    expect("{\"finalizers\":[\"c\",\"d\"]}", "{\"finalizers\":[\"e\"]}", "{\"finalizers\":[\"e\",\"c\",\"d\"]}");
    expect("{\"finalizers\":[\"c\",\"d\"]}", "{\"finalizers\":[\"d\"]}", "{\"finalizers\":[\"c\",\"d\"]}");
    expect("{\"finalizers\":[\"c\",\"d\"]}", "{\"$deleteFromPrimitiveList/finalizers\":[\"c\",\"zz\"]}",
           "{\"finalizers\":[\"d\"]}");
    expect("{}", "{\"$deleteFromPrimitiveList/finalizers\":[\"c\"]}", "{}");
    expect("{\"finalizers\":[\"c\",\"d\"]}",
           "{\"$deleteFromPrimitiveList/finalizers\":[\"c\"],\"$setElementOrder/"
           "finalizers\":[\"e\",\"d\"],\"finalizers\":[\"e\"]}",
           "{\"finalizers\":[\"e\",\"d\"]}");
}

static void test_retain_keys(void **state)
{
    expect("{\"inner\":{\"image\":\"i\",\"args\":[\"1\"]}}",
           "{\"inner\":{\"$retainKeys\":[\"image\"],\"image\":\"j\"}}", "{\"inner\":{\"image\":\"j\"}}");
    expect("{\"inner\":{\"image\":\"i\",\"args\":[\"1\"]}}", "{\"inner\":{\"$retainKeys\":[\"image\"],\"args\":null}}",
           "{\"inner\":{\"image\":\"i\"}}");
    expect("{\"containers\":[{\"name\":\"a\",\"image\":\"i\"}]}",
           "{\"containers\":[{\"$retainKeys\":[\"name\"],\"name\":\"a\"}]}", "{\"containers\":[{\"name\":\"a\"}]}");
    expect("{}", "{\"inner\":{\"$retainKeys\":[\"image\"],\"image\":\"j\"}}", "{\"inner\":{\"image\":\"j\"}}");
}

static void test_refused(void **state)
{
    static const char *const rows[][2] = {
        {"[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"},
        {"{\"labels\":{\"$patch\":\"frob\"}}", "unknown patch type: frob in map: {\"$patch\":\"frob\"}"},
        {"{\"containers\":[{\"name\":\"a\",\"$patch\":\"frob\"}]}", "unknown patch type: frob in map: "},
        {"{\"containers\":[{\"image\":\"x\"}]}", "map: {\"image\":\"x\"} does not contain declared merge key: name"},
        {"{\"containers\":[{\"$patch\":\"delete\"}]}", "does not contain declared merge key: name"},
        {"{\"containers\":[\"x\"]}", "list element types are not identical: "},
        {"{\"finalizers\":[{}]}", "list element types are not identical: "},
        {"{\"$retainKeys\":[\"labels\"],\"x\":1}", "invalid patch format of retainKeys"},
        {"{\"$retainKeys\":1}", "invalid patch format of retainKeys"},
        {"{\"$setElementOrder/containers\":1}", "invalid patch format of setElementOrder list"},
        {"{\"$deleteFromPrimitiveList/finalizers\":\"a\"}", "invalid patch format of primitive list"},
        {"{\"$setElementOrder/containers\":[{\"name\":\"a\"}],\"containers\":[{\"name\":\"b\"}]}",
         "The order in patch list:\n[{\"name\":\"b\"}]\n doesn't match $setElementOrder list:\n[{\"name\":\"a\"}]\n"},
        {"{\"$setElementOrder/"
         "containers\":[{\"name\":\"b\"},{\"name\":\"n\"}],\"containers\":[{\"name\":\"n\"},{\"name\":\"b\"}]}",
         "The order in patch list:"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ERROR_LOCAL(err);
        struct value *d CLEANUP_VALUE =
            json("{\"containers\":[{\"name\":\"a\"}],\"labels\":{},\"finalizers\":[\"x\"]}");
        struct value *p CLEANUP_VALUE = json(rows[i][0]);
        struct value *r = NULL;

        assert_int_equal(patch_strategic(&root, d, p, &r, &err), -ERROR_BAD_REQUEST);
        assert_null(r);
        if (!strstr(error_text(&err), rows[i][1]))
            fail_msg("%s: %s", rows[i][0], error_text(&err));
    }
}

/* A budget's selector is not merged: what the patch has is all. */
static void test_replaced_objects(void **state)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    const struct schema_kind *budget =
        schema_find_kind(SLICE_LIT("policy"), SLICE_LIT("v1"), SLICE_LIT("PodDisruptionBudget"));
    struct value *d CLEANUP_VALUE =
        json("{\"spec\":{\"minAvailable\":1,\"selector\":{\"matchLabels\":{\"a\":\"1\"}}}}");
    struct value *p CLEANUP_VALUE = json("{\"spec\":{\"selector\":{\"matchLabels\":{\"b\":\"2\"}}}}");
    struct value *r CLEANUP_VALUE = NULL;

    assert_int_equal(patch_strategic(budget->type, d, p, &r, &err), 0);
    value_write(r, &out);
    assert_string_equal(buf_cstr(&out), "{\"spec\":{\"minAvailable\":1,\"selector\":{\"matchLabels\":{\"b\":\"2\"}}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keyed_lists),
        cmocka_unit_test(test_directives_in_lists),
        cmocka_unit_test(test_directives_in_maps),
        cmocka_unit_test(test_element_order),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_retain_keys),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_replaced_objects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
