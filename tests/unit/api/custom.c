/* SPDX-License-Identifier: Apache-2.0 */
/* Custom resources without a server: what the schema of a definition does to objects. */
#include "tests/unit/api/custom_thing.h"
#include "tests/unit/api/validate_rows.h"

#include "api/apply.h"
#include "api/custom.h"
#include "api/fieldset.h"
#include "api/managed.h"
#include "api/object.h"
#include "api/table.h"

#define THING                                                                                                          \
    "{\"apiVersion\":\"x.example.com/"                                                                                 \
    "v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\",\"namespace\":\"n\"},\"spec\":{\"size\":1}}"

static struct custom_kind *thing;

/* The object with the change, as a request would make it; NULL when it is refused, and why in err. */
static struct value *make(const char *change, enum codec_strictness strictness, struct codec_findings *findings,
                          struct error *err)
{
    struct value *b CLEANUP_VALUE = json(THING);
    struct value *p CLEANUP_VALUE = json(change);
    struct value *r CLEANUP_VALUE = NULL;
    struct value *decoded;
    BUF_LOCAL(text);

    assert_int_equal(patch_merge(b, p, &r, NULL), 0);
    value_write(r, &text);
    decoded = codec_decode(custom_kind_schema(thing), CODEC_JSON, buf_slice(&text), strictness, findings, err);
    if (decoded)
        default_apply(custom_kind_schema(thing), decoded);
    return decoded;
}

static void test_objects(void **state)
{
    static const struct row rows[] = {
        {"", "{}", ""},
        {"", "{\"spec\":{\"size\":11}}",
         "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"},
        {"", "{\"spec\":{\"size\":0}}",
         "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"},
        {"", "{\"spec\":{\"size\":\"1\"}}",
         "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"\n"
         ".spec.size: Invalid value: 0: .spec.size accessor error: 1 is of the type string, expected int64"},
        {"", "{\"spec\":{\"size\":1.5}}",
         "spec.size: Invalid value: \"number\": spec.size in body must be of type integer: \"number\"\n"
         ".spec.size: Invalid value: 0: .spec.size accessor error: 1.5 is of the type float64, expected int64"},
        {"", "{\"spec\":{\"size\":2.0}}", ""},
        {"", "{\"spec\":[{\"a\":\"b\"},null]}",
         "spec: Invalid value: \"array\": spec in body must be of type object: \"array\"\n"
         ".spec.size: Invalid value: 0: .spec.size accessor error: [map[a:b] <nil>] is of the type []interface {}, "
         "expected map[string]interface{}"},
        {"", "{\"spec\":{\"color\":\"blue\"}}",
         "spec.color: Unsupported value: \"blue\": supported values: \"red\", \"green\""},
        {"", "{\"spec\":{\"word\":\"A1\"}}",
         "spec.word: Invalid value: \"A1\": spec.word in body should match '^[a-z]+$'"},
        {"", "{\"spec\":{\"word\":\"abcdef\"}}", "spec.word: Too long: may not be more than 5 bytes"},
        {"", "{\"spec\":{\"word\":\"a\"}}",
         "spec.word: Invalid value: \"a\": spec.word in body should be at least 2 chars long"},
        {"", "{\"spec\":{\"tags\":[]}}", "spec.tags: Invalid value: 0: spec.tags in body should have at least 1 items"},
        {"", "{\"spec\":{\"tags\":[\"a\",\"b\",\"c\"]}}", "spec.tags: Too many: 3: must have at most 2 items"},
        {"", "{\"spec\":{\"tags\":[1]}}",
         "spec.tags[0]: Invalid value: \"integer\": spec.tags[0] in body must be of type string: \"integer\""},
        {"", "{\"spec\":{\"set\":[\"a\",\"b\",\"a\"]}}", "spec.set[2]: Duplicate value: \"a\""},
        {"", "{\"spec\":{\"ports\":[{\"n\":\"a\"},{\"n\":\"a\",\"p\":\"UDP\"}]}}", ""},
        {"", "{\"spec\":{\"ports\":[{\"n\":\"a\"},{\"n\":\"a\",\"p\":\"TCP\"}]}}",
         "spec.ports[1]: Duplicate value: {\"n\":\"a\",\"p\":\"TCP\"}"},
        {"", "{\"spec\":{\"ports\":[{}]}}", "spec.ports[0].n: Required value"},
        {"", "{\"spec\":{\"map\":{\"a\":\"b\"}}}",
         "spec.map.a: Invalid value: \"string\": spec.map.a in body must be of type integer: \"string\""},
        {"", "{\"spec\":{\"port\":true}}",
         "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\""},
        {"", "{\"spec\":{\"port\":\"http\"}}", ""},
        {"", "{\"spec\":{\"inner\":{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":{\"name\":\"x\"},\"a\":\"b\"}}}",
         ""},
        {"", "{\"spec\":{\"inner\":{\"apiVersion\":\"\",\"metadata\":1}}}",
         "spec.inner.apiVersion: Required value: must not be empty\nspec.inner.kind: Required value: must not be "
         "empty\n"
         "spec.inner.metadata: Invalid value: 1: must be an object"},
        {"", "{\"spec\":{\"when\":\"x\"}}",
         "spec.when: Invalid value: \"x\": spec.when in body must be of type date-time: \"x\""},
        {"", "{\"spec\":{\"ratio\":0.3}}",
         "spec.ratio: Invalid value: 0.3: spec.ratio in body should be a multiple of 0.5"},
        {"", "{\"spec\":{\"ratio\":1.5}}", ""},
        {"", "{\"spec\":{\"one\":{}}}",
         "<nil>: Invalid value: \"\": \"spec.one\" must validate one and only one schema (oneOf). Found none valid\n"
         "spec.one.x: Required value"},
        {"", "{\"spec\":{\"one\":{\"x\":\"1\",\"y\":\"2\"}}}",
         "<nil>: Invalid value: \"\": \"spec.one\" must validate one and only one schema (oneOf). Found 2 valid "
         "alternatives"},
        {"", "{\"spec\":{\"grid\":[[1,2],[3,\"4\"]]}}",
         "spec.grid[1][1]: Invalid value: \"string\": spec.grid[1][1] in body must be of type integer: \"string\""},
        {"", "{\"spec\":null}", "spec: Required value"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ERROR_LOCAL(err);
        struct value *object CLEANUP_VALUE = make(rows[i].change, CODEC_STRICT, NULL, &err);
        int r = object ? validate_object(custom_kind_schema(thing), object, NULL, "", &err) : -1;

        if (!object)
            fail_msg("%s: %s", rows[i].change, error_text(&err));
        compare_causes(rows[i].change, &err, rows[i].causes);
        assert_int_equal(r, *rows[i].causes ? -ERROR_INVALID : 0);
    }
}

/* A schema that became stricter leaves objects changeable. */
static void test_what_an_update_leaves_is_not_judged(void **state)
{
    ERROR_LOCAL(err);
    struct value *old CLEANUP_VALUE =
        make("{\"spec\":{\"word\":\"TOO LONG\",\"set\":[\"a\",\"a\"]}}", CODEC_STRICT, NULL, &err);
    struct value *good CLEANUP_VALUE =
        make("{\"spec\":{\"word\":\"TOO LONG\",\"set\":[\"a\",\"a\"],\"size\":2}}", CODEC_STRICT, NULL, &err);
    struct value *bad CLEANUP_VALUE =
        make("{\"spec\":{\"word\":\"LONGER THAN\",\"set\":[\"a\",\"a\"]}}", CODEC_STRICT, NULL, &err);

    (void)state;
    assert_int_equal(validate_object(custom_kind_schema(thing), good, old, "", &err), 0);
    assert_int_equal(validate_object(custom_kind_schema(thing), bad, old, "", &err), -ERROR_INVALID);
    assert_int_equal(err.cause_count, 2);
}

static void test_pruning_and_defaults(void **state)
{
    ERROR_LOCAL(err);
    struct codec_findings findings = {0};
    struct value *object CLEANUP_VALUE =
        make("{\"spec\":{\"bogus\":1,\"raw\":{\"keep\":{\"it\":null}},\"nul\":null,\"ports\":[{\"n\":\"a\",\"x\":1}],"
             "\"map\":{\"k\":0},\"size\":3},\"other\":{}}",
             CODEC_WARN, &findings, &err);
    BUF_LOCAL(text);

    (void)state;
    assert_non_null(object);
    assert_int_equal(findings.count, 3);
    assert_string_equal(findings.texts[0], "unknown field \"spec.bogus\"");
    assert_string_equal(findings.texts[1], "unknown field \"spec.ports[0].x\"");
    assert_string_equal(findings.texts[2], "unknown field \"other\"");
    value_write(value_get(object, "spec"), &text);
    assert_string_equal(buf_cstr(&text),
                        "{\"size\":3,\"raw\":{\"keep\":{}},\"ports\":[{\"n\":\"a\",\"p\":\"TCP\"}],\"map\":{\"k\":0},"
                        "\"color\":\"red\",\"nested\":{\"n\":7}}");
    codec_findings_clear(&findings);
    assert_null(make("{\"spec\":{\"bogus\":1}}", CODEC_STRICT, NULL, &err));
    assert_non_null(strstr(error_text(&err), "strict decoding error: unknown field \"spec.bogus\""));
}

static void test_objects_inside(void **state)
{
    ERROR_LOCAL(err);
    struct codec_findings findings = {0};
    struct value *object CLEANUP_VALUE = make("{\"spec\":{\"inner\":{\"apiVersion\":\"v1\",\"kind\":\"X\",\"metadata\":"
                                              "{\"name\":\"x\",\"labels\":{\"a\":\"b\"},"
                                              "\"bogus\":1,\"ownerReferences\":[{\"name\":\"o\",\"odd\":2}]}}}}",
                                              CODEC_WARN, &findings, &err);
    BUF_LOCAL(text);

    (void)state;
    assert_int_equal(findings.count, 2);
    assert_string_equal(findings.texts[0], "unknown field \"spec.inner.metadata.bogus\"");
    assert_string_equal(findings.texts[1], "unknown field \"spec.inner.metadata.ownerReferences[0].odd\"");
    value_write(value_path(object, "spec", "inner", "metadata", NULL), &text);
    assert_string_equal(buf_cstr(&text),
                        "{\"name\":\"x\",\"labels\":{\"a\":\"b\"},\"ownerReferences\":[{\"name\":\"o\"}]}");
    codec_findings_clear(&findings);
}

static void test_header_and_table(void **state)
{
    ERROR_LOCAL(err);
    struct value *object CLEANUP_VALUE = make("{\"spec\":{\"color\":\"green\"}}", CODEC_STRICT, NULL, &err);
    struct object_meta meta;
    BUF_LOCAL(stored);
    BUF_LOCAL(header);
    BUF_LOCAL(row);

    (void)state;
    object_encode(custom_kind_schema(thing), object, SLICE_NONE, &stored, &header);
    assert_true(object_meta_read(buf_slice(&header), &meta));
    assert_slice_equal(object_meta_field(&meta, 0), "green");
    table_write_row(&row, custom_kind_schema(thing), buf_slice(&stored), 5, TABLE_INCLUDE_NONE, 0);
    assert_non_null(strstr(buf_cstr(&row), "\"cells\":[\"a\",1]"));
}

/* A set of fields as managedFields has it: keyed items, sets, atomic lists. */
static void test_apply_knows_lists(void **state)
{
    ERROR_LOCAL(err);
    struct pool *pool CLEANUP_POOL = pool_new();
    struct value *config CLEANUP_VALUE =
        json("{\"apiVersion\":\"x.example.com/"
             "v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"set\":[\"b\"],"
             "\"tags\":[\"c\"],\"ports\":[{\"n\":\"a\",\"v\":1}],\"map\":{\"k\":1},\"grid\":[[1]]}}");
    const struct fieldset *set;
    BUF_LOCAL(text);

    (void)state;
    assert_int_equal(fieldset_of(pool, custom_kind_schema(thing)->type, config, &set, &err), 0);
    fieldset_write(set, &text);
    assert_non_null(strstr(buf_cstr(&text), "\"f:grid\":{}"));
    assert_non_null(strstr(buf_cstr(&text), "\"f:map\":{\"f:k\":{}}"));
    assert_non_null(
        strstr(buf_cstr(&text), "\"k:{\\\"n\\\":\\\"a\\\",\\\"p\\\":\\\"TCP\\\"}\":{\".\":{},\"f:n\":{},\"f:v\":{}}"));
    assert_non_null(strstr(buf_cstr(&text), "\"f:set\":{\"v:\\\"b\\\"\":{}}"));
    assert_non_null(strstr(buf_cstr(&text), "\"f:tags\":{}"));
    value_set(value_get(config, "spec"), "bogus", value_new_int(1));
    assert_true(fieldset_of(pool, custom_kind_schema(thing)->type, config, &set, &err) < 0);
    assert_non_null(strstr(error_text(&err), ".spec.bogus: field not declared in schema"));
}

/* A null says something where the schema allows it, and where there is no schema. */
static void test_apply_keeps_nulls_that_are_allowed(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct managed_writer who = {"m", "", "x.example.com/v1", "2026-01-01T00:00:00Z", FIELDSET_MAIN};
    struct value *live CLEANUP_VALUE = json(
        "{\"apiVersion\":\"x.example.com/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"size\":1,"
        "\"nul\":\"x\",\"word\":\"ab\",\"raw\":{\"a\":{\"b\":1}}}}");
    struct value *config CLEANUP_VALUE =
        json("{\"apiVersion\":\"x.example.com/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":"
             "\"a\",\"labels\":null},\"spec\":{\"nul\":null,\"word\":null,\"raw\":{\"a\":"
             "null,\"l\":[{\"n\":null}]},\"ports\":[{\"n\":\"x\",\"v\":null}]}}");
    struct managed_apply apply = {custom_kind_schema(thing), "n", "a", live, config, false};
    struct managed managed = {0};
    struct value *object CLEANUP_VALUE = NULL;
    BUF_LOCAL(text);

    (void)state;
    apply_drop_nulls(custom_kind_schema(thing)->type, config);
    assert_int_equal(managed_apply(pool, &managed, &who, &apply, &object, NULL), 0);
    value_write(value_get(object, "spec"), &text);
    assert_string_equal(buf_cstr(&text),
                        "{\"size\":1,\"nul\":null,\"word\":\"ab\",\"raw\":{\"a\":null,\"l\":[{\"n\":null}]},"
                        "\"ports\":[{\"n\":\"x\"}]}");
}

static void test_versions_and_names(void **state)
{
    struct value *definition CLEANUP_VALUE = json(DEFINITION);
    struct value *versions = value_path(definition, "spec", "versions", NULL);
    struct value *second = value_copy(value_at(versions, 0));
    struct custom_kind *v2;
    BUF_LOCAL(scratch);

    (void)state;
    value_set_str(second, "name", "v2");
    value_set(second, "storage", value_new_bool(false));
    value_append(versions, second);
    v2 = custom_kind_head(definition, custom_version(definition, SLICE_LIT("v2")));
    assert_string_equal(custom_kind_schema(v2)->stored_version, "v1");
    assert_string_equal(custom_kind_schema(v2)->type->openapi_name, "com.example.x.v2.Thing");
    assert_slice_equal(
        object_as(custom_kind_schema(v2), SLICE_LIT("{\"apiVersion\":\"x.example.com/v1\",\"kind\":1}"), &scratch),
        "{\"apiVersion\":\"x.example.com/v2\",\"kind\":1}");
    assert_slice_equal(object_as(custom_kind_schema(v2), SLICE_LIT("{\"apiVersion\":\"v1\",\"kind\":1}"), &scratch),
                       "{\"apiVersion\":\"v1\",\"kind\":1}");
    assert_null(custom_version(definition, SLICE_LIT("v3")));
    custom_kind_unref(v2);
}

/* Users may name their kinds as ours are, and as parts of ours; even the group may look like one. */
static void test_names_that_are_ours(void **state)
{
    static const char *const rows[][2] = {{"x.example.com", "Probe"},
                                          {"x.example.com", "PodSpec"},
                                          {"apps.example.com", "Deployment"},
                                          {"core.example.com", "Service"},
                                          {"core.example.com", "Pod"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct value *definition CLEANUP_VALUE = json(DEFINITION);
        struct value *spec = value_get(definition, "spec");
        char *text CLEANUP_FREE = mem_printf("{\"apiVersion\":\"%s/v1\",\"kind\":\"%s\",\"metadata\":{\"name\":\"a\","
                                             "\"namespace\":\"n\"},\"spec\":{\"color\":\"red\",\"nested\":{\"n\":7},"
                                             "\"size\":1}}",
                                             rows[i][0], rows[i][1]);
        struct value *object CLEANUP_VALUE = json(text);
        struct custom_kind *kind;
        ERROR_LOCAL(err);
        BUF_LOCAL(after);

        value_set_str(spec, "group", rows[i][0]);
        value_set_str(value_get(spec, "names"), "kind", rows[i][1]);
        kind = custom_kind_whole(definition, custom_version(definition, SLICE_LIT("v1")));
        default_apply(custom_kind_schema(kind), object);
        if (validate_object(custom_kind_schema(kind), object, NULL, "", &err) < 0)
            fail_msg("%s: %s", rows[i][1], error_text(&err));
        value_write(object, &after);
        assert_slice_equal(buf_slice(&after), text);
        custom_kind_unref(kind);
    }
}

static int start(void **state)
{
    struct value *definition CLEANUP_VALUE = changed(DEFINITION, "{}");

    (void)state;
    thing = custom_kind_whole(definition, custom_version(definition, SLICE_LIT("v1")));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    custom_kind_unref(thing);
    return 0;
}

/* Version 2 must not refuse what the server takes: what it cannot say is not said. */
static void test_documents(void **state)
{
    static const struct {
        const char *schema;
        const char *v2; /* of the property "a" */
    } rows[] = {
        {"{\"type\":\"string\",\"description\":\"A.\",\"enum\":[\"x\"],\"default\":\"x\",\"pattern\":\"x\"}",
         "{\"type\":\"string\",\"description\":\"A.\",\"enum\":[\"x\"],\"pattern\":\"x\"}"},
        {"{\"type\":\"string\",\"description\":\"A.\",\"nullable\":true}", "{\"description\":\"A.\"}"},
        {"{\"x-kubernetes-int-or-string\":true,\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
         "{\"x-kubernetes-int-or-string\":true}"},
        {"{\"type\":\"object\",\"required\":[\"b\"],\"properties\":{\"b\":{\"type\":\"string\"}},"
         "\"x-kubernetes-preserve-unknown-fields\":true}",
         "{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}"},
        {"{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\",\"oneOf\":["
         "]}}}",
         "{\"type\":\"array\",\"items\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"integer\"}}}"},
        /* A property may have the name of a keyword. */
        {"{\"type\":\"object\",\"properties\":{\"default\":{\"type\":\"string\"},\"nullable\":{\"type\":\"boolean\"}}}",
         "{\"type\":\"object\",\"properties\":{\"default\":{\"type\":\"string\"},\"nullable\":{\"type\":\"boolean\"}}"
         "}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *text CLEANUP_FREE = mem_printf("{\"type\":\"object\",\"properties\":{\"a\":%s}}", rows[i].schema);
        struct value *schema CLEANUP_VALUE = value_parse(slice_str(text), NULL);
        struct value *v2 CLEANUP_VALUE = custom_document(schema, CUSTOM_V2);
        struct value *v3 CLEANUP_VALUE = custom_document(schema, CUSTOM_V3);
        BUF_LOCAL(out);

        value_write(value_path(v2, "properties", "a", NULL), &out);
        assert_string_equal(buf_cstr(&out), rows[i].v2);
        assert_true(value_equal(value_path(v3, "properties", "a", NULL), value_path(schema, "properties", "a", NULL)));
        assert_non_null(value_path(v2, "properties", "metadata", "$ref", NULL));
        assert_non_null(value_path(v3, "properties", "metadata", "allOf", NULL));
    }
}

/* What has no schema is any object, and objects inside objects have what every object has. */
static void test_documents_of_objects(void **state)
{
    struct value *inner CLEANUP_VALUE = value_parse(
        SLICE_LIT("{\"properties\":{\"a\":{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true,\"properties\":{"
                  "\"b\":{\"type\":\"string\"}}}}}"),
        NULL);
    struct value *none CLEANUP_VALUE = custom_document(NULL, CUSTOM_V2);
    struct value *v2 CLEANUP_VALUE = custom_document(inner, CUSTOM_V2);
    BUF_LOCAL(out);

    (void)state;
    value_write(none, &out);
    assert_string_equal(buf_cstr(&out), "{\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true}");
    assert_non_null(value_path(v2, "properties", "a", "properties", "apiVersion", NULL));
    assert_non_null(value_path(v2, "properties", "a", "properties", "b", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_what_an_update_leaves_is_not_judged),
        cmocka_unit_test(test_pruning_and_defaults),
        cmocka_unit_test(test_objects_inside),
        cmocka_unit_test(test_header_and_table),
        cmocka_unit_test(test_apply_knows_lists),
        cmocka_unit_test(test_apply_keeps_nulls_that_are_allowed),
        cmocka_unit_test(test_versions_and_names),
        cmocka_unit_test(test_names_that_are_ours),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_documents_of_objects),
    };

    value_init();
    return cmocka_run_group_tests_name("custom", tests, start, stop);
}
