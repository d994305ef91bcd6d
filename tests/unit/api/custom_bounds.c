/* SPDX-License-Identifier: Apache-2.0 */
/* What a broken or hostile definition can cost: every product of schema and object ends in a refusal, soon. */
#include "tests/unit/api/validate_rows.h"

#include "api/custom.h"
#include "api/object.h"
#include "api/structural.h"

#define REFUSED "takes more comparisons with its schema than are made for one object"

/* `count` times the text, with commas between. */
static void repeat(struct buf *out, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%s", i ? "," : "", text);
}

static struct value *definition(const char *properties)
{
    char *text CLEANUP_FREE = mem_printf(
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":"
        "\"things.x.io\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"things\","
        "\"kind\":\"Thing\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{"
        "\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{%s}}}}]}}",
        properties);

    return json(text);
}

static struct custom_kind *made_of(const char *properties)
{
    struct value *d CLEANUP_VALUE = definition(properties);

    return custom_kind_whole(d, custom_version(d, SLICE_LIT("v1")));
}

static struct value *thing(const char *members)
{
    char *text CLEANUP_FREE = mem_printf("{\"apiVersion\":\"x.io/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\","
                                         "\"namespace\":\"n\"},%s}",
                                         members);

    return json(text);
}

/* Whether one of the causes has the text. */
static bool is_told(const struct error *err, const char *text)
{
    for (size_t i = 0; i < err->cause_count; i++)
        if (strstr(err->causes[i].message, text))
            return true;
    return false;
}

static void expect_object(const char *properties, const char *members, const char *told)
{
    struct custom_kind *kind = made_of(properties);
    struct value *object CLEANUP_VALUE = thing(members);
    ERROR_LOCAL(err);

    assert_int_equal(validate_object(custom_kind_schema(kind), object, NULL, "", &err), told ? -ERROR_INVALID : 0);
    if (told)
        assert_true(is_told(&err, told));
    custom_kind_unref(kind);
}

static void expect_definition(const char *properties, const char *told)
{
    const struct schema_kind *kind =
        schema_find_kind(SLICE_LIT("apiextensions.k8s.io"), SLICE_LIT("v1"), SLICE_LIT("CustomResourceDefinition"));
    struct value *d CLEANUP_VALUE = definition(properties);
    ERROR_LOCAL(err);
    int r;

    default_apply(kind, d);
    r = validate_object(kind, d, NULL, "", &err);
    assert_int_equal(r, told ? -ERROR_INVALID : 0);
    if (told)
        assert_true(is_told(&err, told));
}

static void test_many_alternatives_of_many_items(void **state)
{
    BUF_LOCAL(schema);
    BUF_LOCAL(object);

    (void)state;
    buf_append_str(&schema, "\"a\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"anyOf\":[");
    repeat(&schema, 20000, "{\"maxLength\":1}");
    buf_append_str(&schema, ",{\"minLength\":1}]}}");
    buf_append_str(&object, "\"a\":[");
    repeat(&object, 20000, "\"xx\"");
    buf_append_str(&object, "]");
    expect_object(buf_cstr(&schema), buf_cstr(&object), REFUSED);
    expect_object(buf_cstr(&schema), "\"a\":[\"x\"]", NULL);
}

static void test_a_huge_enum(void **state)
{
    BUF_LOCAL(schema);
    BUF_LOCAL(object);

    (void)state;
    buf_append_str(&schema, "\"a\":{\"type\":\"array\",\"items\":{\"type\":\"integer\",\"enum\":[");
    for (int i = 0; i < 100000; i++)
        buf_printf(&schema, "%s%d", i ? "," : "", i);
    buf_append_str(&schema, "]}}");
    buf_append_str(&object, "\"a\":[");
    repeat(&object, 100000, "99999");
    buf_append_str(&object, "]");
    expect_object(buf_cstr(&schema), buf_cstr(&object), REFUSED);
}

static void test_patterns_that_try_everything(void **state)
{
    static const char schema[] = "\"a\":{\"type\":\"array\",\"items\":{\"type\":\"string\",\"pattern\":\"^(a+)+$\"}}";
    BUF_LOCAL(object);

    (void)state;
    buf_append_str(&object, "\"a\":[");
    repeat(&object, 10000, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"");
    buf_append_str(&object, "]");
    expect_object(schema, buf_cstr(&object), "should match");
    expect_object(schema, "\"a\":[\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]", NULL);
    buf_reset(&object);
    buf_append_str(&object, "\"a\":[");
    repeat(&object, 490, "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"");
    buf_append_str(&object, "]");
    expect_object(schema, buf_cstr(&object), "should match");
}

static void test_patterns_that_are_large(void **state)
{
    BUF_LOCAL(schema);

    (void)state;
    for (int i = 0; i < 400; i++)
        buf_printf(&schema, "%s\"p%d\":{\"type\":\"string\",\"pattern\":\"((ab){40}){60}\"}", i ? "," : "", i);
    expect_definition(buf_cstr(&schema), "all patterns of a schema together take too much memory");
    expect_definition("\"a\":{\"type\":\"string\",\"pattern\":\"((ab){40}){60}\"}", NULL);
}

/* Each item of a list of defaults gets a list of defaults: ten to the power of the levels. */
static void test_defaults_that_multiply(void **state)
{
    BUF_LOCAL(schema);
    BUF_LOCAL(text);
    struct custom_kind *kind;
    struct value *object CLEANUP_VALUE = thing("\"z\":1");

    (void)state;
    for (int level = 0; level < 12; level++)
        buf_append_str(&schema, "\"a\":{\"type\":\"array\",\"default\":[{},{},{},{},{},{},{},{},{},{}],\"items\":{"
                                "\"type\":\"object\",\"properties\":{");
    buf_append_str(&schema, "\"z\":{\"type\":\"string\",\"default\":\"zzzzzzzzzzzzzzzzzzzz\"}");
    for (int level = 0; level < 12; level++)
        buf_append_str(&schema, "}}}");
    kind = made_of(buf_cstr(&schema));
    default_apply(custom_kind_schema(kind), object);
    value_write(object, &text);
    assert_in_range(text.len, 4u << 20, 32u << 20); /* too large to be stored, and no more */
    custom_kind_unref(kind);
}

static void test_defaults_within_defaults(void **state)
{
    BUF_LOCAL(schema);

    (void)state;
    for (int level = 0; level < 25; level++)
        buf_append_str(&schema, "\"a\":{\"type\":\"object\",\"default\":{},\"properties\":{");
    buf_append_str(&schema, "\"z\":{\"type\":\"string\",\"default\":\"z\"}");
    for (int level = 0; level < 25; level++)
        buf_append_str(&schema, "}}");
    expect_definition(buf_cstr(&schema), NULL);
    expect_definition("\"a\":{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"integer\",\"default\":\"x\"}}}",
                      "must be of type integer");
}

static void test_how_many_there_may_be(void **state)
{
    struct value *d CLEANUP_VALUE = definition("\"a\":{\"type\":\"string\"}");
    struct value *versions = value_path(d, "spec", "versions", NULL);
    struct value *names = value_need_array(value_path(d, "spec", "names", NULL), "shortNames");
    BUF_LOCAL(schema);
    ERROR_LOCAL(err);

    (void)state;
    for (size_t i = 0; i < 5000; i++) {
        value_append(versions, value_copy(value_at(versions, 0)));
        value_append(names, value_new_string(SLICE_LIT("x")));
    }
    assert_int_equal(validate_object(schema_find_kind(SLICE_LIT("apiextensions.k8s.io"), SLICE_LIT("v1"),
                                                      SLICE_LIT("CustomResourceDefinition")),
                                     d, NULL, "", &err),
                     -ERROR_INVALID);
    assert_true(is_told(&err, "Too many: 5001: must have at most 100 items"));
    buf_append_str(&schema, "\"a\":{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-"
                            "keys\":[");
    repeat(&schema, 5000, "\"a\"");
    buf_append_str(&schema, "],\"items\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}},"
                            "\"required\":[");
    repeat(&schema, 5000, "\"b\"");
    buf_append_str(&schema, ",\"a\"]}}");
    expect_definition(buf_cstr(&schema), "Too many: 5000: must have at most 64 items");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_alternatives_of_many_items), cmocka_unit_test(test_a_huge_enum),
        cmocka_unit_test(test_patterns_that_try_everything),    cmocka_unit_test(test_patterns_that_are_large),
        cmocka_unit_test(test_defaults_that_multiply),          cmocka_unit_test(test_defaults_within_defaults),
        cmocka_unit_test(test_how_many_there_may_be),
    };

    value_init();
    return cmocka_run_group_tests_name("custom_bounds", tests, NULL, NULL);
}
