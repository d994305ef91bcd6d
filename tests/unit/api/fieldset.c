/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "api/fieldset.h"
#include "lib/random.h"

static struct value *json(const char *text)
{
    ERROR_LOCAL(err);
    struct value *v = value_parse(slice_str(text), &err);

    if (!v)
        fail_msg("%s: %s", text, error_text(&err));
    return v;
}

static const struct schema_type *type_of(const char *group, const char *kind)
{
    return schema_find_kind(slice_str(group), SLICE_LIT("v1"), slice_str(kind))->type;
}

static void assert_set(const struct fieldset *set, const char *expected)
{
    BUF_LOCAL(text);

    fieldset_write(set, &text);
    assert_string_equal(buf_cstr(&text), expected);
}

static const struct fieldset *parse(struct pool *pool, const char *text)
{
    const struct fieldset *set = NULL;
    ERROR_LOCAL(err);

    if (fieldset_parse(pool, slice_str(text), &set, &err) < 0)
        fail_msg("%s: %s", text, error_text(&err));
    return set;
}

static void test_text(void **state)
{
    static const char *const rows[][2] = {
        {"{}", "{}"},
        {"{\"f:a\":{}}", "{\"f:a\":{}}"},
        {"{\"f:b\":{},\"f:a\":{\"f:c\":{},\".\":{}}}", "{\"f:a\":{\".\":{},\"f:c\":{}},\"f:b\":{}}"},
        {"{\"k:{\\\"b\\\": 1,\\\"a\\\":\\\"x\\\"}\":{}}", "{\"k:{\\\"a\\\":\\\"x\\\",\\\"b\\\":1}\":{}}"},
        {"{\"v:\\\"x\\\"\":{},\"v:1\":{},\"i:3\":{}}", "{\"i:3\":{},\"v:\\\"x\\\"\":{},\"v:1\":{}}"},
        {"{\".\":{},\"f:\":{}}", "{\"f:\":{}}"},
        {"{ \"f:b\" : { } , \"f:a\" : {} }", "{\"f:a\":{},\"f:b\":{}}"},
        {"{\"f:a\\u0062\\\"\":{\".\":{\"f:x\":[]}}}", "{\"f:ab\\\"\":{}}"},
        /* A quote stands behind a space, the end of a text before it. */
        {"{\"k:{\\\"a b\\\":1,\\\"a\\\":2}\":{}}", "{\"k:{\\\"a\\\":2,\\\"a b\\\":1}\":{}}"},
        {"{\"k:{\\\"a\\\":1.50}\":{}}", "{\"k:{\\\"a\\\":1.5}\":{}}"},
        {"{\"k:{\\\"a\\\":\\\"\\\\u0041\\\"}\":{}}", "{\"k:{\\\"a\\\":\\\"A\\\"}\":{}}"},
        {"{\"v:true\":{},\"v:null\":{},\"v:-0\":{},\"v:12\":{}}",
         "{\"v:0\":{},\"v:12\":{},\"v:null\":{},\"v:true\":{}}"},
    };
    static const char *const bad[] = {
        "[]",
        "{\"a\":{}}",
        "{\"f:a\":1}",
        "{\"k:{}\":{}}",
        ("{\"k:{\\\"a\\\":1,\\\"b\\\":1,\\\"c\\\":1,\\\"d\\\":1,\\\"e\\\":1,\\\"f\\\":1,\\\"g\\\":1,\\\"h\\\":1,"
         "\\\"i\\\":1}\":{}}"),
        "{\"v:1\":{},\"v: 1\":{}}",
        "{\"k:{\\\"a\\\":1}\":{},\"k:{\\\"a\\\": 1}\":{}}",
        "{\"k:[1]\":{}}",
        "{\"k:{\\\"a\\\":{}}\":{}}",
        "{\"v:\":{}}",
        "{\"v:{}\":{}}",
        "{\"i:x\":{}}",
        "{\"i:-1\":{}}",
        "{\"f:a\":{\"x\":{}}}",
        "{\"f\":{}}",
        "{\"f:a\":{},\"f:b\":{},\"f:a\":{}}",
        "{\"k:{\\\"a\\\":007}\":{}}",
        "{\"k:{\\\"a\\\":1,\\\"a\\\":1}\":{}}",
        "{\"k:{\\\"a\\\":1},\":{}}",
        "{\"f:a\":{}",
        "{\"f:a\":{\"f:b\":{}}",
        "{\"f:a\"}",
        "{\"f:\\x\":{}}",
        "",
        "null",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();

        assert_set(parse(pool, rows[i][0]), rows[i][1]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        const struct fieldset *set = NULL;
        ERROR_LOCAL(err);

        if (fieldset_parse(pool, slice_str(bad[i]), &set, &err) != -(int)ERROR_BAD_REQUEST)
            fail_msg("%s was taken", bad[i]);
    }
}

/* As deep as an object can be, and no deeper. */
static void test_depth(void **state)
{
    for (size_t depth = VALUE_DEPTH_MAX - 1; depth <= VALUE_DEPTH_MAX; depth++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        const struct fieldset *set = NULL;
        BUF_LOCAL(text);

        for (size_t i = 0; i < depth; i++)
            buf_append_str(&text, "{\"f:a\":");
        buf_append_str(&text, "{}");
        for (size_t i = 0; i < depth; i++)
            buf_append_byte(&text, '}');
        assert_int_equal(fieldset_parse(pool, buf_slice(&text), &set, NULL),
                         depth < VALUE_DEPTH_MAX ? 0 : -(int)ERROR_BAD_REQUEST);
    }
}

static void collect(void *arg, const char *path)
{
    buf_printf(arg, "%s ", path);
}

static void test_paths(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    BUF_LOCAL(out);

    fieldset_each(parse(pool, "{\"f:spec\":{\"f:list\":{\".\":{},\"k:{\\\"port\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{"
                              "\"f:name\":{}},\"v:\\\"x\\\"\":{},\"i:2\":{}},\"f:z\":{}}}"),
                  collect, &out);
    assert_string_equal(buf_cstr(&out), ".spec.list .spec.z .spec.list[2] .spec.list[=\"x\"] "
                                        ".spec.list[port=80,protocol=\"TCP\"].name ");
}

static void test_algebra(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    const struct fieldset *a = parse(pool, "{\"f:a\":{\".\":{},\"f:x\":{},\"f:y\":{}},\"f:b\":{}}");
    const struct fieldset *b = parse(pool, "{\"f:a\":{\"f:y\":{},\"f:z\":{}},\"f:c\":{}}");

    assert_set(fieldset_union(pool, a, b),
               "{\"f:a\":{\".\":{},\"f:x\":{},\"f:y\":{},\"f:z\":{}},\"f:b\":{},\"f:c\":{}}");
    assert_set(fieldset_difference(pool, a, b), "{\"f:a\":{\".\":{},\"f:x\":{}},\"f:b\":{}}");
    assert_set(fieldset_difference(pool, b, a), "{\"f:a\":{\"f:z\":{}},\"f:c\":{}}");
    assert_set(fieldset_intersection(pool, a, b), "{\"f:a\":{\"f:y\":{}}}");
    assert_set(fieldset_union(pool, NULL, b), "{\"f:a\":{\"f:y\":{},\"f:z\":{}},\"f:c\":{}}");
    assert_true(fieldset_is_empty(fieldset_intersection(pool, a, NULL)));
    assert_true(fieldset_is_empty(fieldset_difference(pool, a, a)));
    assert_false(fieldset_equal(a, b));
    assert_true(fieldset_equal(a, fieldset_union(pool, a, fieldset_intersection(pool, a, b))));
}

/* A random set of up to four levels. */
static struct fieldset *draw(struct pool *pool, int depth)
{
    static const char *const names[] = {"a", "b", "c", "d", "e"};
    struct fieldset *set = pool_alloc(pool, sizeof(*set));

    for (unsigned i = 0, n = (unsigned)random_below(4); i < n; i++)
        fieldset_add(pool, set, (struct fieldset_step){FIELDSET_FIELD, slice_str(names[random_below(5)])},
                     random_below(2), depth ? draw(pool, depth - 1) : NULL);
    return set;
}

static void test_laws(void **state)
{
    for (int i = 0; i < 500; i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        const struct fieldset *a = draw(pool, 3);
        const struct fieldset *b = draw(pool, 3);
        const struct fieldset *both = fieldset_intersection(pool, a, b);
        const struct fieldset *all = fieldset_union(pool, a, b);
        const struct fieldset *again = NULL;
        BUF_LOCAL(text);

        assert_true(fieldset_equal(all, fieldset_union(pool, b, a)));
        assert_true(fieldset_equal(both, fieldset_intersection(pool, b, a)));
        assert_true(fieldset_equal(a, fieldset_union(pool, fieldset_difference(pool, a, b), both)));
        assert_true(fieldset_is_empty(fieldset_intersection(pool, fieldset_difference(pool, a, b), b)));
        fieldset_write(all, &text);
        assert_int_equal(fieldset_parse(pool, buf_slice(&text), &again, NULL), 0);
        assert_true(fieldset_equal(all, again) || fieldset_is_empty(all));
    }
}

static void test_of(void **state)
{
    static const struct {
        const char *group, *kind, *config, *set, *error;
    } rows[] = {
        {"", "ConfigMap", "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"f:data\":{\"f:a\":{},\"f:b\":{}}}", NULL},
        {"", "ConfigMap", "{\"data\":{}}", "{\"f:data\":{}}", NULL},
        {"", "ConfigMap", "{\"metadata\":{\"finalizers\":[\"x/y\"]}}",
         "{\"f:metadata\":{\"f:finalizers\":{\"v:\\\"x/y\\\"\":{}}}}", NULL},
        {"", "Pod",
         "{\"spec\":{\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":80}],\"args\":[\"x\"]}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":{},\"f:args\":{},\"f:name\":{},\"f:"
         "ports\":"
         "{\"k:{\\\"containerPort\\\":80,\\\"protocol\\\":\\\"TCP\\\"}\":{\".\":{},\"f:containerPort\":{}}}}}}}",
         NULL},
        {"", "Pod",
         "{\"spec\":{\"nodeSelector\":{\"a\":\"b\"},\"tolerations\":[{\"key\":\"k\"}],\"hostNetwork\":false}}",
         "{\"f:spec\":{\"f:hostNetwork\":{},\"f:nodeSelector\":{},\"f:tolerations\":{}}}", NULL},
        {"", "Pod", "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"u\",\"name\":\"n\"}]}}",
         "{\"f:metadata\":{\"f:ownerReferences\":{\"k:{\\\"uid\\\":\\\"u\\\"}\":{}}}}", NULL},
        {"apps", "Deployment", "{\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"replicas\":0}}",
         "{\"f:spec\":{\"f:replicas\":{},\"f:selector\":{}}}", NULL},
        {"", "ConfigMap", "{\"bogus\":1}", NULL, ".bogus: field not declared in schema"},
        {"", "ConfigMap", "{\"data\":{\"a\":1}}", NULL,
         ".data.a: expected string, got &value.valueUnstructured{Value:1}"},
        {"apps", "Deployment", "{\"spec\":{\"replicas\":\"3\"}}", NULL,
         ".spec.replicas: expected numeric (int or float), got string"},
        {"", "Pod", "{\"spec\":{\"tolerations\":[{\"key\":\"k\"},{\"bogus\":1}]}}", NULL,
         ".spec.tolerations[1].bogus: field not declared in schema"},
        {"", "Pod", "{\"spec\":{\"containers\":{}}}", NULL, ".spec.containers: expected list, got &{{}}"},
        {"", "Pod", "{\"spec\":{\"containers\":[{\"name\":\"c\"},{\"name\":\"c\"}]}}", NULL,
         ".spec.containers: duplicate entries for key [name=\"c\"]"},
        {"", "Pod", "{\"spec\":{\"containers\":[{\"image\":\"x\"}]}}", NULL,
         ".spec.containers: element 0: associative list with keys has an element that omits all key fields [\"name\"] "
         "(and doesn't have default values for any key fields)"},
        {"", "ConfigMap", "{\"metadata\":{\"finalizers\":[\"a\",\"a\"]}}", NULL,
         ".metadata.finalizers: duplicate entries for key [=\"a\"]"},
        {"", "ConfigMap", "{\"metadata\":7}", NULL, ".metadata: expected map, got &{7}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct value *config CLEANUP_VALUE = json(rows[i].config);
        const struct fieldset *set = NULL;
        ERROR_LOCAL(err);
        int r = fieldset_of(pool, type_of(rows[i].group, rows[i].kind), config, &set, &err);

        if (rows[i].error) {
            assert_int_equal(r, -(int)ERROR_BAD_REQUEST);
            assert_string_equal(error_text(&err), rows[i].error);
            continue;
        }
        if (r < 0)
            fail_msg("%s: %s", rows[i].config, error_text(&err));
        assert_set(set, rows[i].set);
    }
}

static void test_compare(void **state)
{
    static const struct {
        const char *kind, *from, *to, *touched, *removed;
    } rows[] = {
        {"ConfigMap", "{}", "{\"data\":{\"a\":\"1\"}}", "{\"f:data\":{\".\":{},\"f:a\":{}}}", "{}"},
        {"ConfigMap", "{\"data\":{\"a\":\"1\",\"b\":\"2\"}}", "{\"data\":{\"a\":\"9\",\"c\":\"3\"}}",
         "{\"f:data\":{\"f:a\":{},\"f:c\":{}}}", "{\"f:data\":{\"f:b\":{}}}"},
        {"ConfigMap", "{\"data\":{\"a\":\"1\"}}", "{}", "{}", "{\"f:data\":{\".\":{},\"f:a\":{}}}"},
        {"Pod", "{\"spec\":{\"containers\":null}}", "{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{}}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":{},\"f:name\":{},\"f:resources\":{}}}}}",
         "{}"},
        {"Pod", "{\"spec\":{\"nodeSelector\":{\"a\":\"b\"}}}", "{\"spec\":{\"nodeSelector\":{\"a\":\"c\"}}}",
         "{\"f:spec\":{\"f:nodeSelector\":{}}}", "{}"},
        /* An item that is there twice is one piece. */
        {"Pod", "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"1\"},{\"name\":\"c\",\"image\":\"2\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"1\"},{\"name\":\"c\",\"image\":\"3\"}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{}}}}", "{}"},
        {"Pod", "{\"spec\":{\"containers\":[{\"name\":\"c\"}]}}",
         "{\"spec\":{\"containers\":[{\"name\":\"c\"},{\"name\":\"c\"}]}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{}}}}",
         "{\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"c\\\"}\":{\".\":{},\"f:name\":{}}}}}"},
        {"Pod", "{}",
         "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"x\"},{\"image\":\"y\",\"name\":\"c\"},{\"name\":\"b\"}"
         ",{}],"
         "\"bogus\":{\"a\":1}},\"metadata\":{\"labels\":{},\"finalizers\":[\"b\",\"a\",\"b\",null]}}",
         "{\"f:metadata\":{\".\":{},\"f:finalizers\":{\".\":{},\"v:\\\"a\\\"\":{},\"v:\\\"b\\\"\":{}},\"f:labels\":{}},"
         "\"f:spec\":{\".\":{},\"f:containers\":{\".\":{},\"k:{\\\"name\\\":\\\"b\\\"}\":{\".\":{},\"f:name\":{}},"
         "\"k:{\\\"name\\\":\\\"c\\\"}\":{}}}}",
         "{}"},
        {"Pod", "{\"spec\":{\"hostname\":\"x\"},\"status\":{}}", "{\"spec\":{\"hostname\":\"x\"},\"status\":{}}", "{}",
         "{}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct value *from CLEANUP_VALUE = json(rows[i].from);
        struct value *to CLEANUP_VALUE = json(rows[i].to);
        struct fieldset_change change;

        fieldset_compare(pool, type_of("", rows[i].kind), FIELDSET_ALL, from, to, &change);
        assert_set(&change.touched, rows[i].touched);
        assert_set(&change.removed, rows[i].removed);
    }
}

/* What a write is not about does not count. */
static void test_compare_part(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct value *from CLEANUP_VALUE = json("{\"spec\":{\"hostname\":\"a\"},\"status\":{\"phase\":\"a\"}}");
    struct value *to CLEANUP_VALUE = json("{\"spec\":{\"hostname\":\"b\"},\"status\":{\"phase\":\"b\"}}");
    struct fieldset_change change;

    fieldset_compare(pool, type_of("", "Pod"), FIELDSET_MAIN, from, to, &change);
    assert_set(&change.touched, "{\"f:spec\":{\"f:hostname\":{}}}");
    fieldset_compare(pool, type_of("", "Pod"), FIELDSET_STATUS, from, to, &change);
    assert_set(&change.touched, "{\"f:status\":{\"f:phase\":{}}}");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),    cmocka_unit_test(test_depth),        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_algebra), cmocka_unit_test(test_laws),         cmocka_unit_test(test_of),
        cmocka_unit_test(test_compare), cmocka_unit_test(test_compare_part),
    };

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
