/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdio.h>

#include "api/patch.h"
#include "lib/random.h"

static struct value *json(const char *text)
{
    ERROR_LOCAL(err);
    struct value *v = value_parse(slice_str(text), &err);

    if (!v)
        fail_msg("%s: %s", text, error_text(&err));
    return v;
}

/* result NULL: the patch must be refused with that code. */
static void expect_patch(int (*fn)(const struct value *, const struct value *, struct value **, struct error *),
                         const char *document, const char *patch, const char *result, enum error_code code)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    struct value *d CLEANUP_VALUE = json(document);
    struct value *p CLEANUP_VALUE = json(patch);
    struct value *r CLEANUP_VALUE = NULL;
    int rc = fn(d, p, &r, &err);

    if (!result) {
        if (rc != -(int)code)
            fail_msg("%s on %s gave %d", patch, document, rc);
        assert_null(r);
        return;
    }
    if (rc < 0)
        fail_msg("%s on %s: %s (%s)", patch, document, error_text(&err), err.cause_count ? err.causes[0].message : "");
    value_write(r, &out);
    assert_string_equal(buf_cstr(&out), result);
}

static void test_json_operations(void **state)
{
    static const char *const rows[][3] = {
        {"{\"a\":1}", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":2}]", "{\"a\":1,\"b\":2}"},
        {"{\"a\":1,\"b\":2}", "[{\"op\":\"add\",\"path\":\"/a\",\"value\":null}]", "{\"a\":null,\"b\":2}"},
        {"{\"a\":[1,3]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]", "{\"a\":[1,2,3]}"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]", "{\"a\":[1,2]}"},
        {"{\"a\":[1]}", "[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":2}]", "{\"a\":[1,2]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"add\",\"path\":\"/a/-1\",\"value\":3}]", "{\"a\":[1,2,3]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/-1\"}]", "{\"a\":[1]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"remove\",\"path\":\"/a/0\"}]", "{\"a\":[2]}"},
        {"{\"a\":[1,2]}", "[{\"op\":\"replace\",\"path\":\"/a/0\",\"value\":{}}]", "{\"a\":[{},2]}"},
        {"{\"a\":1,\"b\":2}", "[{\"op\":\"remove\",\"path\":\"/a\"}]", "{\"b\":2}"},
        {"{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"\",\"value\":[7]}]", "[7]"},
        {"{\"a/b\":1,\"c~d\":2}",
         "[{\"op\":\"remove\",\"path\":\"/a~1b\"},{\"op\":\"test\",\"path\":\"/c~0d\",\"value\":2}]", "{\"c~d\":2}"},
        {"{\"\":1}", "[{\"op\":\"replace\",\"path\":\"/\",\"value\":2}]", "{\"\":2}"},
        {"{\"~1\":1}", "[{\"op\":\"remove\",\"path\":\"/~01\"}]", "{}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"move\",\"from\":\"/a/b\",\"path\":\"/c\"}]", "{\"a\":{},\"c\":1}"},
        {"{\"a\":[1,2,3]}", "[{\"op\":\"move\",\"from\":\"/a/0\",\"path\":\"/a/2\"}]", "{\"a\":[2,3,1]}"},
        {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a\"}]", "{\"a\":1}"},
        {"{\"a\":1}", "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/ab\"}]", "{\"ab\":1}"},
        {"{\"a\":{\"b\":1}}", "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/c\"}]",
         "{\"a\":{\"b\":1,\"c\":{\"b\":1}}}"},
        {"{\"a\":[1,{\"b\":null}]}", "[{\"op\":\"test\",\"path\":\"/a\",\"value\":[1,{\"b\":null}]}]",
         "{\"a\":[1,{\"b\":null}]}"},
        {"{}", "[{\"op\":\"test\",\"path\":\"/zz\",\"value\":null}]", "{}"},
        {"{\"a\":1}", "[]", "{\"a\":1}"},
        {"{\"d\":{}}",
         "[{\"op\":\"add\",\"path\":\"/d/n\",\"value\":1},{\"op\":\"copy\",\"from\":\"/d/n\",\"path\":\"/d/"
         "m\"},{\"op\":"
         "\"remove\",\"path\":\"/d/n\"}]",
         "{\"d\":{\"m\":1}}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect_patch(patch_json, rows[i][0], rows[i][1], rows[i][2], ERROR_NONE);
}

static void test_json_refused(void **state)
{
    static const char *const rows[] = {
        "[{\"op\":\"test\",\"path\":\"/a\",\"value\":\"1\"}]",
        "[{\"op\":\"test\",\"path\":\"/zz\",\"value\":1}]",
        "[{\"op\":\"test\",\"path\":\"/a\"}]",
        "[{\"op\":\"remove\",\"path\":\"/zz\"}]",
        "[{\"op\":\"remove\",\"path\":\"\"}]",
        "[{\"op\":\"replace\",\"path\":\"/zz\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/zz/y\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/a/y\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/l/2\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/l/01\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/l/-9\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/l/x\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/l/99999999999999999999\",\"value\":1}]",
        "[{\"op\":\"remove\",\"path\":\"/l/-\"}]",
        "[{\"op\":\"replace\",\"path\":\"/l/1\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"a\",\"value\":1}]",
        "[{\"op\":\"add\",\"path\":\"/a\"}]",
        "[{\"op\":\"add\",\"path\":7,\"value\":1}]",
        "[{\"op\":\"remove\"}]",
        "[{\"op\":\"remove\",\"path\":\"/~2\"}]",
        "[{\"op\":\"remove\",\"path\":\"/~\"}]",
        "[{\"op\":\"frob\",\"path\":\"/a\"}]",
        "[{\"path\":\"/a\"}]",
        "[{\"op\":1,\"path\":\"/a\"}]",
        "[7]",
        "[{\"op\":\"move\",\"from\":\"/zz\",\"path\":\"/b\"}]",
        "[{\"op\":\"move\",\"from\":\"/o\",\"path\":\"/o/x\"}]",
        "[{\"op\":\"move\",\"from\":\"\",\"path\":\"/o/x\"}]",
        "[{\"op\":\"copy\",\"from\":\"/zz\",\"path\":\"/b\"}]",
        "[{\"op\":\"copy\",\"path\":\"/b\"}]",
        "[{\"op\":\"add\",\"path\":\"/b\",\"value\":1},{\"op\":\"test\",\"path\":\"/b\",\"value\":2}]",
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect_patch(patch_json, "{\"a\":1,\"l\":[1],\"o\":{}}", rows[i], NULL, ERROR_INVALID);
    expect_patch(patch_json, "{}", "{\"op\":\"add\"}", NULL, ERROR_BAD_REQUEST);
}

static void test_json_says_what_failed(void **state)
{
    ERROR_LOCAL(err);
    struct value *d CLEANUP_VALUE = json("{}");
    struct value *p CLEANUP_VALUE = json("[{\"op\":\"remove\",\"path\":\"/x\"}]");
    struct value *r = NULL;

    patch_json(d, p, &r, &err);
    assert_string_equal(err.message, "the server rejected our request due to an error in our request");
    assert_string_equal(err.causes[0].message, "operation 0 (remove /x): nothing to remove there");
}

/* `count` copies of one operation. */
static struct value *repeated(const char *operation, size_t count)
{
    struct value *list = value_new_array();

    for (size_t i = 0; i < count; i++)
        value_append(list, json(operation));
    return list;
}

static void test_json_bounds(void **state)
{
    ERROR_LOCAL(err);
    struct value *d CLEANUP_VALUE = json("{\"a\":{\"l\":[\"0123456789\"]}}");
    struct value *many CLEANUP_VALUE =
        repeated("{\"op\":\"test\",\"path\":\"/zz\",\"value\":null}", PATCH_OPERATIONS_MAX + 1);
    struct value *doubling CLEANUP_VALUE = repeated("{\"op\":\"copy\",\"from\":\"/a/l\",\"path\":\"/a/l/-\"}", 60);
    struct value *wide CLEANUP_VALUE = value_new_array();
    struct value *r = NULL;

    assert_int_equal(patch_json(d, many, &r, &err), -ERROR_TOO_LARGE);
    assert_int_equal(patch_json(d, doubling, &r, &err), -ERROR_INVALID);
    for (int i = 0; i < 40; i++) {
        char text[96];

        (void)snprintf(text, sizeof(text), "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/c%d\"}", i);
        value_append(wide, json(text));
    }
    assert_int_equal(patch_json(d, wide, &r, &err), -ERROR_INVALID);
    assert_null(r);
}

static void test_merge(void **state)
{
    static const char *const rows[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\",\"c\":1}", "{\"a\":null}", "{\"c\":1}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
        {"{\"a\":1}", "{\"a\":{\"b\":null,\"c\":2}}", "{\"a\":{\"c\":2}}"},
        {"{\"a\":1}", "{}", "{\"a\":1}"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect_patch(patch_merge, rows[i][0], rows[i][1], rows[i][2], ERROR_NONE);
    expect_patch(patch_merge, "{}", "[]", NULL, ERROR_BAD_REQUEST);
    expect_patch(patch_merge, "{}", "\"x\"", NULL, ERROR_BAD_REQUEST);
    expect_patch(patch_merge, "{}", "null", NULL, ERROR_BAD_REQUEST);
}

/* A random tree without nulls: a merge patch cannot say null. */
static struct value *random_tree(int depth)
{
    struct value *v;

    switch (random_below(depth > 0 ? 4 : 2)) {
    case 0:
        return value_new_int((int64_t)random_below(3));
    case 1:
        return value_new_str(random_below(2) ? "x" : "");
    case 2:
        v = value_new_array();
        for (uint64_t n = random_below(3); n; n--)
            value_append(v, random_tree(depth - 1));
        return v;
    default:
        v = value_new_object();
        for (uint64_t n = random_below(4); n; n--)
            value_set_slice(v, slice_make(&"abcd/~"[random_below(6)], 1), random_tree(depth - 1));
        return v;
    }
}

/* The merge patch that turns a into b (both objects). */
static struct value *difference(const struct value *a, const struct value *b)
{
    struct value *patch = value_new_object();
    struct value_iter it = value_iter_start(a);
    struct slice name;
    struct value *member;

    while (value_iter_next(&it, &name, &member))
        if (!value_get_slice(b, name))
            value_set_slice(patch, name, value_new_null());
    it = value_iter_start(b);
    while (value_iter_next(&it, &name, &member)) {
        const struct value *have = value_get_slice(a, name);

        if (value_is(have, VALUE_OBJECT) && value_is(member, VALUE_OBJECT))
            value_set_slice(patch, name, difference(have, member));
        else
            value_set_slice(patch, name, value_copy(member));
    }
    return patch;
}

static void test_merge_inverse(void **state)
{
    random_set_seed(7);
    for (int i = 0; i < 2000; i++) {
        struct value *a CLEANUP_VALUE = value_new_object();
        struct value *b CLEANUP_VALUE = value_new_object();
        struct value *r CLEANUP_VALUE = NULL;

        value_set(a, "r", random_tree(4));
        value_set(b, "r", random_tree(4));
        struct value *patch CLEANUP_VALUE = difference(a, b);

        assert_int_equal(patch_merge(a, patch, &r, NULL), 0);
        assert_true(value_equal(r, b));
    }
    random_set_seed(0);
}

/* Adding and removing the same place leaves the document as it was; so does moving there and back. */
static void test_json_inverse(void **state)
{
    struct value *there CLEANUP_VALUE =
        json("[{\"op\":\"add\",\"path\":\"/new\",\"value\":[1]},{\"op\":\"move\",\"from\":\"/r\","
             "\"path\":\"/new/-\"},{\"op\":\"move\",\"from\":\"/new/1\",\"path\":\"/r\"},{\"op\":"
             "\"remove\",\"path\":\"/new\"}]");

    random_set_seed(9);
    for (int i = 0; i < 500; i++) {
        struct value *a CLEANUP_VALUE = value_new_object();
        struct value *r CLEANUP_VALUE = NULL;

        value_set(a, "r", random_tree(4));
        assert_int_equal(patch_json(a, there, &r, NULL), 0);
        assert_true(value_equal(r, a));
    }
    random_set_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_operations),
        cmocka_unit_test(test_json_refused),
        cmocka_unit_test(test_json_says_what_failed),
        cmocka_unit_test(test_json_bounds),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_inverse),
        cmocka_unit_test(test_json_inverse),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
