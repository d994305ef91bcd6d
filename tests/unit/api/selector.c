/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "api/selector.h"

static struct selector *labels_of(const char *text)
{
    ERROR_LOCAL(err);
    struct selector *s = NULL;

    if (selector_parse_labels(slice_str(text), &s, &err) < 0)
        fail_msg("%s: %s", text, error_text(&err));
    return s;
}

static struct value *json(const char *text)
{
    ERROR_LOCAL(err);
    struct value *v = value_parse(slice_str(text), &err);

    if (!v)
        fail_msg("%s: %s", text, error_text(&err));
    return v;
}

/* Text, labels, whether they match: in a tree and in bytes. */
static void test_label_matches(void **state)
{
    static const struct {
        const char *text;
        const char *labels;
        bool matches;
    } rows[] = {
        {"", "{}", true},
        {" ", "{\"a\":\"b\"}", true},
        {"a=b", "{\"a\":\"b\"}", true},
        {"a==b", "{\"a\":\"c\"}", false},
        {"a=b,c=d", "{\"a\":\"b\"}", false},
        {" a = b , c != d ", "{\"a\":\"b\"}", true},
        {"a!=b", "{\"a\":\"b\"}", false},
        {"a", "{\"a\":\"\"}", true},
        {"a", "{}", false},
        {"!a", "{}", true},
        {"!a", "{\"a\":\"\"}", false},
        {"a=", "{\"a\":\"\"}", true},
        {"a=", "{}", false},
        {"a in (x, y)", "{\"a\":\"y\"}", true},
        {"a in (x,y)", "{}", false},
        {"a notin (x,y)", "{}", true},
        {"a notin (x,y)", "{\"a\":\"x\"}", false},
        {"a in (,x)", "{\"a\":\"\"}", true},
        {"a in (x,)", "{\"a\":\"\"}", true},
        {"a in ()", "{\"a\":\"\"}", true},
        {"a in ()", "{\"a\":\"b\"}", false},
        {"in in (in,notin)", "{\"in\":\"notin\"}", true},
        {"a>5", "{\"a\":\"6\"}", true},
        {"a>5", "{\"a\":\"5\"}", false},
        {"a<5", "{\"a\":\"x\"}", false},
        {"a<5", "{}", false},
        {"x.y/z-1=v", "{\"x.y/z-1\":\"v\"}", true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selector *s = labels_of(rows[i].text);
        struct value *labels CLEANUP_VALUE = json(rows[i].labels);

        if (selector_matches_labels(s, labels) != rows[i].matches ||
            selector_matches_bytes(s, slice_str(rows[i].labels)) != rows[i].matches)
            fail_msg("%s on %s", rows[i].text, rows[i].labels);
        selector_free(s);
    }
}

static void test_label_errors(void **state)
{
    static const char *const rows[][2] = {
        {"app in (a", "unable to parse requirement: found '', expected: ',' or ')'"},
        {"app=a,", "found '', expected: identifier after ','"},
        {"=a", "found '=', expected: !, identifier, or 'end of string'"},
        {"app=a b", "found 'b', expected: ',' or 'end of string'"},
        {"app===a", "unable to parse requirement: found '=', expected: identifier"},
        {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
        {"app in a", "unable to parse requirement: found 'a' expected: '('"},
        {"app in (a b)", "unable to parse requirement: found 'b', expected: ',' or ')'"},
        {"app in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"},
        {"!app=a", "found '=', expected: ',' or 'end of string'"},
        {"!", "unable to parse requirement: found '', expected: identifier"},
        {"app>x", "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value "
                  "must be an integer"},
        {",", "found ',', expected: !, identifier, or 'end of string'"},
        {"a=b)", "found ')', expected: ',' or 'end of string'"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ERROR_LOCAL(err);
        struct selector *s = NULL;

        assert_int_equal(selector_parse_labels(slice_str(rows[i][0]), &s, &err), -ERROR_BAD_REQUEST);
        assert_string_equal(error_text(&err), rows[i][1]);
        assert_null(s);
    }
}

static void test_label_rules(void **state)
{
    static const char *const rows[][2] = {
        {"x/y/z=1", "<nil>: Invalid value: \"x/y/z\": a valid label key must"},
        {"-a=b", "<nil>: Invalid value: \"-a\": name part must consist"},
        {"app=bad/value", "values[0]: Invalid value: \"bad/value\": a valid label must be"},
        {"a in (b,-)", "values[0]: Invalid value: \"-\": a valid label must be"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ERROR_LOCAL(err);
        struct selector *s = NULL;

        assert_int_equal(selector_parse_labels(slice_str(rows[i][0]), &s, &err), -ERROR_BAD_REQUEST);
        if (!strstr(error_text(&err), rows[i][1]))
            fail_msg("%s: %s", rows[i][0], error_text(&err));
    }
}

static void expect_text(struct selector *s, const char *text)
{
    BUF_LOCAL(out);

    selector_write(s, &out);
    assert_string_equal(buf_cstr(&out), text);
    selector_free(s);
}

static void test_writes(void **state)
{
    expect_text(labels_of("z , b in (y,x,y), !a,c!=d,e==f,g>1,h<2,i notin (q)"),
                "!a,b in (x,y),c!=d,e==f,g>1,h<2,i notin (q),z");
    expect_text(labels_of("a=1,a=2"), "a=1,a=2");
    expect_text(labels_of("a in (,,)"), "a in (,)");
}

static void test_exact(void **state)
{
    struct selector *s = labels_of("a=1,b in (2),c in (3,4),d!=5");

    assert_slice_equal(selector_exact(s, SLICE_LIT("a")), "1");
    assert_slice_equal(selector_exact(s, SLICE_LIT("b")), "2");
    assert_null(selector_exact(s, SLICE_LIT("c")).data);
    assert_null(selector_exact(s, SLICE_LIT("d")).data);
    assert_null(selector_exact(s, SLICE_LIT("e")).data);
    selector_free(s);
}

static struct slice lookup_pod(void *arg, struct slice key)
{
    if (slice_is(key, "metadata.name"))
        return SLICE_LIT("p,=\\");
    return slice_is(key, "spec.nodeName") ? SLICE_LIT("") : SLICE_NONE;
}

static void test_fields(void **state)
{
    static const char *const selectable[] = {"spec.nodeName", NULL};
    static const struct schema_kind pod = {.kind = "Pod", .namespaced = true, .selectable = selectable};
    static const struct {
        const char *text;
        int matches; /* -1 = refused */
        const char *message;
    } rows[] = {
        {"", 1, NULL},
        {"spec.nodeName=", 1, NULL},
        {"spec.nodeName!=", 0, NULL},
        {"spec.nodeName==x", 0, NULL},
        {",spec.nodeName!=x,,", 1, NULL},
        {"metadata.name=p\\,\\=\\\\", 1, NULL},
        {"metadata.name=p,spec.nodeName=", 0, NULL},
        {"spec.foo=x", -1, "field label not supported: spec.foo"},
        {"=x", -1, "field label not supported: "},
        {"metadata.name", -1, "invalid selector: 'metadata.name'; can't understand 'metadata.name'"},
        {"metadata.name=a\\x", -1, "invalid field selector: invalid escape sequence: \\x"},
        {"metadata.name=a\\", -1, "invalid field selector: invalid escape sequence: \\"},
        {"metadata.name=a=b", -1, "invalid field selector: unescaped character in value: ="},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ERROR_LOCAL(err);
        struct selector *s = NULL;
        int rc = selector_parse_fields(&pod, slice_str(rows[i].text), &s, &err);

        if (rows[i].message) {
            assert_int_equal(rc, -ERROR_BAD_REQUEST);
            assert_string_equal(error_text(&err), rows[i].message);
        } else if (rc < 0 || selector_matches(s, lookup_pod, NULL) != rows[i].matches) {
            fail_msg("%s: %s", rows[i].text, error_text(&err));
        }
        selector_free(s);
    }
}

/* Kinds that offer nothing of their own say so in other words. */
static void test_fields_of_plain_kinds(void **state)
{
    static const struct schema_kind plain = {.kind = "Lease", .namespaced = true};
    struct selector *s = NULL;
    ERROR_LOCAL(err);

    assert_int_equal(selector_parse_fields(&plain, SLICE_LIT("spec.x=1"), &s, &err), -ERROR_BAD_REQUEST);
    assert_string_equal(error_text(&err), "\"spec.x\" is not a known field selector: only \"metadata.name\", "
                                          "\"metadata.namespace\"");
    assert_int_equal(selector_parse_fields(&plain, SLICE_LIT("metadata.name=x"), &s, &err), 0);
    selector_free(s);
}

static void test_from_object(void **state)
{
    struct value *object CLEANUP_VALUE = json(
        "{\"matchLabels\":{\"z\":\"1\"},\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\",\"values\":[\"y\","
        "\"x\"]},{\"key\":\"b\",\"operator\":\"Exists\"},{\"key\":\"c\",\"operator\":\"DoesNotExist\"},"
        "{\"key\":\"d\",\"operator\":\"NotIn\",\"values\":[\"q\"]}]}");
    struct value *all CLEANUP_VALUE = json("{}");
    struct selector *s = NULL;

    assert_int_equal(selector_from_object(object, &s, NULL), 0);
    assert_false(selector_is_empty(s));
    expect_text(s, "a in (x,y),b,!c,d notin (q),z=1");
    assert_int_equal(selector_from_object(all, &s, NULL), 0);
    assert_true(selector_is_empty(s));
    assert_true(selector_matches_labels(s, NULL));
    selector_free(s);
    assert_int_equal(selector_from_object(NULL, &s, NULL), 0);
    assert_false(selector_is_empty(s));
    assert_false(selector_matches_labels(s, NULL));
    selector_free(s);
}

static void test_from_bad_object(void **state)
{
    static const char *const rows[][2] = {
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Gt\",\"values\":[\"1\"]}]}",
         "valid label selector operator"},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"In\"}]}", "can't be empty"},
        {"{\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Exists\",\"values\":[\"1\"]}]}", "must be empty"},
        {"{\"matchLabels\":{\"a b\":\"1\"}}", "name part must consist"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        ERROR_LOCAL(err);
        struct value *object CLEANUP_VALUE = json(rows[i][0]);
        struct selector *s = NULL;

        assert_int_equal(selector_from_object(object, &s, &err), -ERROR_BAD_REQUEST);
        assert_non_null(strstr(error_text(&err), rows[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_label_matches),
        cmocka_unit_test(test_label_errors),
        cmocka_unit_test(test_label_rules),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_exact),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_fields_of_plain_kinds),
        cmocka_unit_test(test_from_object),
        cmocka_unit_test(test_from_bad_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
