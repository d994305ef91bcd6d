/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/yaml.h"

#include "tests/unit/test.h"

static void assert_json(const char *yaml, const char *json)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);

    if (yaml_to_json(slice_str(yaml), &out, &err) < 0)
        fail_msg("%s\n%s", yaml, error_text(&err));
    assert_string_equal(buf_cstr(&out), json);
}

static void assert_refused(const char *yaml, const char *message)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);

    assert_true(yaml_to_json(slice_str(yaml), &out, &err) < 0);
    assert_int_equal(err.code, ERROR_BAD_REQUEST);
    if (!strstr(error_text(&err), message))
        fail_msg("\"%s\" does not say \"%s\"", error_text(&err), message);
    assert_int_equal(out.len, 0);
}

static void test_scalars(void **state)
{
    static const char *const rows[][2] = {
        {"true", "true"},
        {"Yes", "true"},
        {"on", "true"},
        {"y", "true"},
        {"OFF", "false"},
        {"no", "false"},
        {"tRue", "\"tRue\""},
        {"~", "null"},
        {"Null", "null"},
        {"0", "0"},
        {"-0", "0"},
        {"+7", "7"},
        {"017", "15"},
        {"0o17", "15"},
        {"0x1F", "31"},
        {"-0x10", "-16"},
        {"0b101", "5"},
        {"1_000", "1000"},
        {"08", "8"},
        {"09.5", "9.5"},
        {"1.50", "1.5"},
        {".5", "0.5"},
        {"1e3", "1000"},
        {"1e22", "1e+22"},
        {"0.00001", "0.00001"},
        {"1.", "1"},
        {"0.1", "0.1"},
        {"-", "[null]"},
        {".", "\".\""},
        {"1.2.3", "\"1.2.3\""},
        {"1e", "\"1e\""},
        {"0x", "\"0x\""},
        {"12:30", "\"12:30\""},
        {"'1'", "\"1\""},
        {"\"true\"", "\"true\""},
        {"!!str 12", "\"12\""},
        {".inf", "\".inf\""},
        {"1e999", "\"1e999\""},
        {"18446744073709551615", "18446744073709551615"},
        {"9223372036854775808", "9223372036854775808"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"100000000000000000000", "100000000000000000000"},
        {"2001-12-14T21:59:43Z", "\"2001-12-14T21:59:43Z\""},
        {"2001-12-14", "\"2001-12-14\""},
        {"10.0.0.1", "\"10.0.0.1\""},
        {"100m", "\"100m\""},
        {"!!binary aGk=", "\"hi\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_json(rows[i][0], rows[i][1]);
}

static void test_structures(void **state)
{
    (void)state;
    assert_json("a: 1\nb:\n- x\n- {c: d}\ne: |\n  l1\n  l2\n1: 2\ntrue: 3\nn:\n",
                "{\"a\":1,\"b\":[\"x\",{\"c\":\"d\"}],\"e\":\"l1\\nl2\\n\",\"1\":2,\"true\":3,\"false\":null}");
    assert_json("{\"json\": [1, \"a\\u00e9\", null]}", "{\"json\":[1,\"a\xc3\xa9\",null]}");
}

static void test_anchors_and_merges(void **state)
{
    (void)state;
    assert_json("a: &x {k: 1}\nb: *x\n", "{\"a\":{\"k\":1},\"b\":{\"k\":1}}");
    assert_json("base: &b {k: 1, l: 2}\nuse:\n  <<: *b\n  l: 3\n",
                "{\"base\":{\"k\":1,\"l\":2},\"use\":{\"l\":3,\"k\":1}}");
    assert_json("- &a {k: 1}\n- &b {k: 2, m: 3}\n- <<: [*a, *b]\n", "[{\"k\":1},{\"k\":2,\"m\":3},{\"k\":1,\"m\":3}]");
    assert_refused("a: *nobody", "unknown anchor");
    assert_refused("a: &a [*a]", "contains itself");
    assert_refused("a: {<<: 1}", "map merge");
}

static void test_bad_documents(void **state)
{
    (void)state;
    assert_refused("a: 1\nb: 2\na: 3\n", "line 3: key \"a\" already set in map");
    assert_refused("a: [1", "line ");
    assert_refused("a:\n\t- b", "line 2");
    assert_refused("? [a]\n: b", "key must be a scalar");
    assert_refused("", "no document");
    assert_refused("# nothing\n---\n", "no document");
    assert_refused("a\n---\nb\n", "more than one");
}

static void test_depth_is_bounded(void **state)
{
    BUF_LOCAL(deep);
    BUF_LOCAL(allowed);
    BUF_LOCAL(out);

    (void)state;
    for (unsigned i = 0; i < YAML_DEPTH_MAX; i++)
        buf_append_byte(&deep, '[');
    assert_refused("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "too deeply");
    buf_append_byte(&deep, '[');
    assert_refused(buf_cstr(&deep), "too deeply");
    for (unsigned i = 0; i < YAML_DEPTH_MAX - 1; i++)
        buf_append_byte(&allowed, '[');
    for (unsigned i = 0; i < YAML_DEPTH_MAX - 1; i++)
        buf_append_byte(&allowed, ']');
    assert_int_equal(yaml_to_json(buf_slice(&allowed), &out, NULL), 0);
}

/* Nine levels of nine: 10^9 values from 200 bytes. */
static void test_alias_bomb_is_bounded(void **state)
{
    BUF_LOCAL(bomb);

    (void)state;
    buf_append_str(&bomb, "a0: &a0 lol\n");
    for (int i = 1; i <= 9; i++) {
        buf_printf(&bomb, "a%d: &a%d [", i, i);
        for (int n = 0; n < 9; n++)
            buf_printf(&bomb, "%s*a%d", n ? "," : "", i - 1);
        buf_append_str(&bomb, "]\n");
    }
    assert_refused(buf_cstr(&bomb), "too large");
}

/* Twelve levels of ten empty merges write nothing, and would still be looked at 10^12 times. */
static void test_merge_bomb_is_bounded(void **state)
{
    BUF_LOCAL(bomb);

    (void)state;
    buf_append_str(&bomb, "a0: &a0 {x: 1}\n");
    for (int i = 1; i <= 12; i++) {
        buf_printf(&bomb, "a%d: &a%d {<<: [", i, i);
        for (int n = 0; n < 10; n++)
            buf_printf(&bomb, "%s*a%d", n ? ", " : "", i - 1);
        buf_append_str(&bomb, "]}\n");
    }
    assert_refused(buf_cstr(&bomb), "too many merges");
}

static int collect(void *arg, struct slice json, struct error *err)
{
    buf_append_slice(arg, json);
    buf_append_byte(arg, ';');
    return slice_is(json, "\"stop\"") ? error_set(err, ERROR_CONFLICT, "stopped") : 0;
}

static void test_several_documents(void **state)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);

    (void)state;
    assert_int_equal(
        yaml_each_document(SLICE_LIT("---\na: 1\n---\n# empty\n---\n- b\n...\n---\nnull\n"), collect, &out, &err), 0);
    assert_string_equal(buf_cstr(&out), "{\"a\":1};[\"b\"];null;");
    buf_reset(&out);
    assert_int_equal(yaml_each_document(SLICE_LIT("one\n---\nstop\n---\nthree\n"), collect, &out, &err),
                     -(int)ERROR_CONFLICT);
    assert_string_equal(buf_cstr(&out), "\"one\";\"stop\";");
}

static void assert_yaml(const char *json, const char *yaml)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    BUF_LOCAL(back);

    if (yaml_from_json(slice_str(json), &out, &err) < 0)
        fail_msg("%s\n%s", json, error_text(&err));
    assert_string_equal(buf_cstr(&out), yaml);
    assert_int_equal(yaml_to_json(buf_slice(&out), &back, &err), 0);
    assert_string_equal(buf_cstr(&back), json); /* and it means the same */
}

static void test_output(void **state)
{
    (void)state;
    assert_yaml("{\"apiVersion\":\"v1\",\"items\":[{\"a\":1,\"b\":[]},[true,[null]],\"x\"],\"m\":{},\"z\":{\"o\":{"
                "\"p\":-1.5}}}",
                "apiVersion: v1\nitems:\n- a: 1\n  b: []\n- - true\n  - - null\n- x\nm: {}\nz:\n  o:\n    p: -1.5\n");
    assert_yaml("{\"s\":\"l1\\n l2\\n\",\"t\":\"a\\n\\nb\",\"u\":\"a\\n\\n\"}",
                "s: |\n  l1\n   l2\nt: |-\n  a\n\n  b\nu: |+\n  a\n\n");
    assert_yaml("[\"a\\nb\"]", "- |-\n  a\n  b\n");
}

static void test_ambiguous_texts_are_quoted(void **state)
{
    static const char *const texts[] = {
        "",      "true",  "yes",     "n",    "null",   "~",    "1",    "0x1f",       "1e3", "-",  "- a",
        "a: b",  "a:",    "#c",      "a #c", " a",     "a ",   "*a",   "&a",         "!a",  "|",  ">",
        "[a",    "{a",    "@a",      "`a",   "%a",     "'a",   "1:20", "2001-01-02", "---", "<<", "? a",
        "a\\tb", "\\\"q", "\\u0007", " \\n", "a \\nb", "\\nb", ".5",   "0b1",        "...",
    };
    static const char *const plain[] = {"a",    "v1",   "-a",       "a:b", "a#b", "http://x/y?z",
                                        "100m", "a, b", "10.0.0.1", "x=y"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char *json CLEANUP_FREE = mem_printf("{\"k\":\"%s\"}", texts[i]);
        char *yaml CLEANUP_FREE = mem_printf("k: \"%s\"\n", texts[i]);

        assert_yaml(json, yaml);
    }
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++) {
        char *json CLEANUP_FREE = mem_printf("{\"k\":\"%s\"}", plain[i]);
        char *yaml CLEANUP_FREE = mem_printf("k: %s\n", plain[i]);

        assert_yaml(json, yaml);
    }
}

/* What a reader of YAML 1.1 refuses in a text, or takes for the end of a line. */
static void test_special_characters_are_escaped(void **state)
{
    static const char *const rows[][2] = {{"a\x7f", "a\\u007f"},           {"\xc2\x85", "\\u0085"},
                                          {"a\xe2\x80\xa8z", "a\\u2028z"}, {"\xe2\x80\xa9", "\\u2029"},
                                          {"\xef\xbb\xbf", "\\ufeff"},     {"\xef\xbf\xbf", "\\uffff"},
                                          {"a\\n\xc2\x9f", "a\\n\\u009f"}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *json CLEANUP_FREE = mem_printf("{\"k%s\":\"%s\"}", rows[i][0], rows[i][0]);
        char *yaml CLEANUP_FREE = mem_printf("\"k%s\": \"%s\"\n", rows[i][1], rows[i][1]);

        assert_yaml(json, yaml);
    }
    assert_yaml("[\"\xc2\xa0\xe2\x80\xa7\"]", "- \xc2\xa0\xe2\x80\xa7\n");
}

static void test_output_refuses_what_is_not_json(void **state)
{
    static const char *const texts[] = {"",     "{",        "{\"a\"}", "{\"a\":}", "[1,]",  "\"open",
                                        "nope", "{\"a\":1", "[1 2]",   "1 2",      "{a:1}", "\"\\q\""};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        BUF_LOCAL(out);

        if (yaml_from_json(slice_str(texts[i]), &out, NULL) == 0)
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(out.len, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_structures),
        cmocka_unit_test(test_anchors_and_merges),
        cmocka_unit_test(test_bad_documents),
        cmocka_unit_test(test_depth_is_bounded),
        cmocka_unit_test(test_alias_bomb_is_bounded),
        cmocka_unit_test(test_merge_bomb_is_bounded),
        cmocka_unit_test(test_several_documents),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_ambiguous_texts_are_quoted),
        cmocka_unit_test(test_special_characters_are_escaped),
        cmocka_unit_test(test_output_refuses_what_is_not_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
