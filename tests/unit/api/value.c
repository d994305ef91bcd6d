/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <jansson.h>

#include "api/value_internal.h"

/* Parses and writes back; the result must read `expected`. */
static void check_round_trip(const char *text, const char *expected)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    struct value *v CLEANUP_VALUE = value_parse(slice_str(text), &err);

    if (!v)
        fail_msg("%s: %s", text, error_text(&err));
    value_write(v, &out);
    assert_string_equal(buf_cstr(&out), expected);
}

static void check_refused(const char *text, const char *message)
{
    ERROR_LOCAL(err);
    struct value *v CLEANUP_VALUE = value_parse(slice_str(text), &err);

    if (v)
        fail_msg("%s was accepted", text);
    assert_int_equal(err.code, ERROR_BAD_REQUEST);
    assert_string_equal(error_text(&err), message);
}

static void test_writes_what_was_read(void **state)
{
    (void)state;
    check_round_trip(" { \"b\" : [ 1 , -2, true,false , null ] , \"a\" : { } } ",
                     "{\"b\":[1,-2,true,false,null],\"a\":{}}");
    check_round_trip("\"\\u00e9\\ud83d\\ude00\\n\\/\"", "\"é😀\\n/\"");
    check_round_trip("[9223372036854775807,-9223372036854775808]", "[9223372036854775807,-9223372036854775808]");
}

static void test_numbers_are_short(void **state)
{
    (void)state;
    check_round_trip("[0.1,1.5e3,1.0,-0.25,123456789.123456789]", "[0.1,1500,1,-0.25,123456789.12345679]");
    check_round_trip("9223372036854775808", "9.223372036854776e+18");
}

static void test_bad_json_is_named(void **state)
{
    (void)state;
    check_refused("", "unexpected end of JSON input");
    check_refused("{\"a\":", "unexpected end of JSON input");
    check_refused("hello", "invalid character 'h' looking for beginning of value");
    check_refused("{a:1}", "invalid character 'a' looking for beginning of object key string");
    check_refused("{\"a\" 1}", "invalid character '1' after object key");
    check_refused("{\"a\":1 \"b\":2}", "invalid character '\"' after object key:value pair");
    check_refused("{\"a\":1,}", "invalid character '}' looking for beginning of object key string");
    check_refused("[1 2]", "invalid character '2' after array element");
    check_refused("[1]x", "invalid character 'x' after top-level value");
    check_refused("nul", "unexpected end of JSON input");
    check_refused("nulL", "invalid character 'L' in literal null (expecting 'l')");
    check_refused("\"a\nb\"", "invalid character '\\x0a' in string literal");
    check_refused("\"\\x\"", "invalid character 'x' in string escape code");
    check_refused("01", "invalid character '1' after top-level value");
    check_refused("-", "unexpected end of JSON input");
    check_refused("1.e", "invalid character 'e' after decimal point in numeric literal");
    check_refused("1e999", "json: cannot unmarshal number 1e999 into a 64-bit number");
    check_refused("{\"a\":1,\"a\":2}", "duplicate key \"a\" in an object");
    check_refused("{\"a\\u0000b\":1}", "invalid NUL character in object key");
}

static void test_bad_utf8_is_refused(void **state)
{
    (void)state;
    check_refused("\"\xff\"", "invalid UTF-8 in string");
    check_refused("\"\xc0\xaf\"", "invalid UTF-8 in string");
    check_refused("\"\xed\xa0\x80\"", "invalid UTF-8 in string");
    check_refused("\"\xe2\x82", "invalid UTF-8 in string");
    check_round_trip("\"\\ud800\"", "\"\xef\xbf\xbd\"");
}

static void test_depth_is_bounded(void **state)
{
    BUF_LOCAL(text);

    (void)state;
    for (int i = 0; i < VALUE_DEPTH_MAX; i++)
        buf_append_byte(&text, '[');
    for (int i = 0; i < VALUE_DEPTH_MAX; i++)
        buf_append_byte(&text, ']');
    buf_cstr(&text);
    check_round_trip(text.data, text.data);
    buf_reset(&text);
    for (int i = 0; i < 1000000; i++)
        buf_append_byte(&text, '[');
    check_refused(buf_cstr(&text), "json: exceeded max depth of 64");
}

static void note_duplicate(void *arg, const char *path)
{
    struct buf *seen = arg;

    buf_printf(seen, "%s;", path);
}

static void test_duplicates_are_reported_with_their_path(void **state)
{
    BUF_LOCAL(seen);
    struct value *v CLEANUP_VALUE = value_parse_reporting(
        SLICE_LIT("{\"a\":1,\"s\":{\"c\":[{\"n\":1},{\"n\":1,\"n\":2}]},\"a\":3}"), note_duplicate, &seen, NULL);

    (void)state;
    assert_non_null(v);
    assert_string_equal(buf_cstr(&seen), "s.c[1].n;a;");
    assert_int_equal(value_int(value_get(v, "a")), 3);
    assert_int_equal(value_int(value_get(value_at(value_path(v, "s", "c", NULL), 1), "n")), 2);
}

static void test_members_keep_their_order(void **state)
{
    BUF_LOCAL(out);
    struct value *v CLEANUP_VALUE = value_parse(SLICE_LIT("{\"z\":1,\"a\":2,\"m\":3}"), NULL);
    struct value_iter it;
    struct slice name;
    struct value *child;

    (void)state;
    value_set(v, "z", value_new_str("first still"));
    value_set(v, "b", value_new_bool(true));
    value_free(value_take(v, "a"));
    value_write(v, &out);
    assert_string_equal(buf_cstr(&out), "{\"z\":\"first still\",\"m\":3,\"b\":true}");
    it = value_iter_start(v);
    while (value_iter_next(&it, &name, &child)) {
        if (slice_is(name, "m"))
            value_iter_remove(&it);
    }
    buf_reset(&out);
    value_write(v, &out);
    assert_string_equal(buf_cstr(&out), "{\"z\":\"first still\",\"b\":true}");
}

static void test_missing_things_are_harmless(void **state)
{
    struct value *text CLEANUP_VALUE = value_new_str("x");

    (void)state;
    assert_null(value_path(text, "a", "b", NULL));
    assert_null(value_get(NULL, "a"));
    assert_null(value_at(text, 0));
    assert_int_equal(value_count(text), 0);
    assert_int_equal(value_int(text), 0);
    assert_null(value_string(NULL).data);
    assert_true(value_is(NULL, VALUE_NULL));
}

/* What jansson reads of it, in its own words, is what ours writes. */
static void check_as_jansson(const char *text)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    struct value *v CLEANUP_VALUE = value_parse(slice_str(text), &err);
    json_t *theirs = json_loads(text, JSON_DECODE_ANY, NULL);
    char *written CLEANUP_FREE = json_dumps(theirs, JSON_COMPACT | JSON_ENCODE_ANY);

    if (!v)
        fail_msg("%s: %s", text, error_text(&err));
    value_write(v, &out);
    assert_string_equal(buf_cstr(&out), written);
    json_decref(theirs);
}

static void test_reads_as_jansson_does(void **state)
{
    BUF_LOCAL(text);

    (void)state;
    check_as_jansson("\"12345678\\\"12345678\\\\\"");
    check_as_jansson("{\"a\\u0041\":\"\\t\",\"b\":[],\"c\":{\"\":\"\"}}");
    /* A character of each kind at every place of a word. */
    for (size_t at = 0; at < 40; at++) {
        static const char *const some[] = {"\\\"", "\\n", "\\\\", "é", "\\u0001", "x"};

        for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
            buf_reset(&text);
            buf_printf(&text, "[\"%.*s%s%.*s\"]", (int)at, "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
                       some[i], (int)(40 - at), "ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ");
            check_as_jansson(buf_cstr(&text));
        }
    }
}

/* In whatever order members stand and are asked for. */
static void test_a_sequence_finds_all(void **state)
{
    static const char *const names[] = {"a", "ab", "abc", "b", "", "spec", "species"};
    struct value *object CLEANUP_VALUE = value_new_object();
    struct value_sequence none = value_sequence_start(NULL);

    (void)state;
    assert_null(value_sequence_get(&none, "a"));
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        value_set(object, names[i], value_new_int((int64_t)i));
    for (size_t step = 1; step < ARRAY_SIZE(names); step++) { /* 7 is prime: every step goes through all of them */
        struct value_sequence s = value_sequence_start(object);

        for (size_t i = 0; i < 2 * ARRAY_SIZE(names); i++) {
            size_t at = i * step % ARRAY_SIZE(names);

            assert_int_equal(value_int(value_sequence_get(&s, names[at])), at);
            assert_null(value_sequence_find(&s, "absent"));
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_true(value_slice_bit(slice_str(names[i])) == value_name_bit(names[i]));
}

static bool texts_equal(const char *a, const char *b)
{
    struct value *x CLEANUP_VALUE = value_parse(slice_str(a), NULL);
    struct value *y CLEANUP_VALUE = value_parse(slice_str(b), NULL);
    struct value *copy CLEANUP_VALUE = value_copy(x);
    BUF_LOCAL(text);

    assert_true(value_equal(x, copy));
    value_write(copy, &text);
    assert_string_equal(buf_cstr(&text), a);
    assert_true(value_equal(x, y) == value_equal(y, x));
    return value_equal(x, y);
}

static void test_copies_and_comparisons(void **state)
{
    static const char *const different[] = {
        "null",
        "true",
        "false",
        "0",
        "1",
        "1.5",
        "\"\"",
        "\"1\"",
        "[]",
        "[1]",
        "[1,2]",
        "[2,1]",
        "{}",
        "{\"a\":1}",
        "{\"a\":null}",
        "{\"b\":1}",
        "{\"a\":1,\"b\":2}",
        "{\"a\":1,\"b\":{\"c\":[{}]}}",
        "{\"a\":1,\"b\":{\"c\":[{\"d\":\"\"}]}}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(different); i++)
        for (size_t k = 0; k < ARRAY_SIZE(different); k++)
            assert_true(texts_equal(different[i], different[k]) == (i == k));
    assert_true(texts_equal("{\"a\":1,\"b\":{\"c\":[],\"d\":\"x\"},\"e\":\"\\u0000\"}",
                            "{\"e\":\"\\u0000\",\"a\":1,\"b\":{\"d\":\"x\",\"c\":[]}}"));
    assert_false(texts_equal("{\"e\":\"\\u0000\"}", "{\"e\":\"\\u0000x\"}"));
    assert_true(texts_equal("[1,-200,0]", "[1.0,-2e2,-0.0]"));
    assert_false(texts_equal("[9007199254740993]", "[9007199254740992.0]"));
    assert_false(texts_equal("[9223372036854775807]", "[9223372036854775808.0]"));
    assert_true(value_equal(NULL, NULL));
    assert_null(value_copy(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writes_what_was_read),     cmocka_unit_test(test_numbers_are_short),
        cmocka_unit_test(test_bad_json_is_named),        cmocka_unit_test(test_bad_utf8_is_refused),
        cmocka_unit_test(test_depth_is_bounded),         cmocka_unit_test(test_duplicates_are_reported_with_their_path),
        cmocka_unit_test(test_members_keep_their_order), cmocka_unit_test(test_missing_things_are_harmless),
        cmocka_unit_test(test_reads_as_jansson_does),    cmocka_unit_test(test_a_sequence_finds_all),
        cmocka_unit_test(test_copies_and_comparisons),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
