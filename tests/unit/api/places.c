/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "api/places.h"

#define PLACES "spec.list.amount,spec.list.rule,spec.one"

static struct value *json(const char *text)
{
    struct value *v = value_parse(slice_str(text), NULL);

    assert_non_null(v);
    return v;
}

static void expect(const struct value *v, const char *text)
{
    BUF_LOCAL(out);

    value_write(v, &out);
    assert_string_equal(buf_cstr(&out), text);
}

static void test_what_is_taken(void **state)
{
    static const struct {
        const char *to, *from, *outcome;
    } rows[] = {
        /* Of the same items the places only, absence too. */
        {"{\"a\":1,\"spec\":{\"b\":1,\"list\":[{\"name\":\"x\",\"amount\":1,\"rule\":2,\"other\":3}]}}",
         "{\"a\":2,\"spec\":{\"b\":2,\"list\":[{\"name\":\"x\",\"amount\":7,\"other\":8}],\"one\":9}}",
         "{\"a\":1,\"spec\":{\"b\":1,\"list\":[{\"name\":\"x\",\"amount\":7,\"other\":3}],\"one\":9}}"},
        /* Of others all. */
        {"{\"spec\":{\"list\":[{\"name\":\"x\"},{\"name\":\"y\"}]}}",
         "{\"spec\":{\"list\":[{\"name\":\"y\",\"z\":1},{\"name\":\"x\"}]}}",
         "{\"spec\":{\"list\":[{\"name\":\"y\",\"z\":1},{\"name\":\"x\"}]}}"},
        {"{\"spec\":{\"list\":[{\"name\":\"x\"}],\"one\":1}}", "{\"spec\":{}}", "{\"spec\":{}}"},
        {"{\"spec\":{\"one\":1}}", "{}", "{}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct value *to CLEANUP_VALUE = json(rows[i].to);
        struct value *from CLEANUP_VALUE = json(rows[i].from);

        places_take(to, from, PLACES);
        expect(to, rows[i].outcome);
    }
}

static void test_what_is_kept(void **state)
{
    struct value *v CLEANUP_VALUE =
        json("{\"name\":\"n\",\"a\":1,\"spec\":{\"name\":1,\"oneself\":1,\"one\":{\"b\":2},\"list\":[{\"name\":\"x\","
             "\"amount\":{\"c\":1},\"d\":1},5]}}");

    (void)state;
    places_keep(v, PLACES);
    expect(v, "{\"spec\":{\"one\":{\"b\":2},\"list\":[{\"name\":\"x\",\"amount\":{\"c\":1}},5]}}");
}

static void test_what_is_owned(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct slice fields =
        SLICE_LIT("{\"f:metadata\":{\"f:labels\":{}},\"f:spec\":{\".\":{},\"f:list\":{\".\":{},\"k:{\\\"name\\\":"
                  "\\\"x\\\"}\":{\".\":{},\"f:name\":{},\"f:amount\":{\"f:cpu\":{}}}},\"f:one\":{}}}");
    struct value *outcome CLEANUP_VALUE = NULL;
    const struct fieldset *set;
    BUF_LOCAL(text);

    (void)state;
    assert_int_equal(fieldset_parse(pool, fields, &set, NULL), 0);
    fieldset_write(places_own(pool, set, PLACES), &text);
    outcome = value_parse(buf_slice(&text), NULL);
    expect(outcome, "{\"f:spec\":{\"f:list\":{\"k:{\\\"name\\\":\\\"x\\\"}\":{\"f:amount\":{\"f:cpu\":{}}}},"
                    "\"f:one\":{}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_taken),
        cmocka_unit_test(test_what_is_kept),
        cmocka_unit_test(test_what_is_owned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
