/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/encoding.h"

#include "tests/unit/test.h"

static void test_base64_both_ways(void **state)
{
    static const char *const rows[][2] = {
        {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"\xff\xfe", "//4="}};
    static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg==x", "Z===", "!m8=", "Zm9-"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        BUF_LOCAL(out);
        BUF_LOCAL(back);

        base64_encode(&out, slice_str(rows[i][0]));
        assert_string_equal(buf_cstr(&out), rows[i][1]);
        assert_true(base64_decode(&back, buf_slice(&out)));
        assert_string_equal(buf_cstr(&back), rows[i][0]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        BUF_LOCAL(out);

        if (base64_decode(&out, slice_str(bad[i])))
            fail_msg("taken: %s", bad[i]);
    }
}

static void test_base64url(void **state)
{
    BUF_LOCAL(out);
    BUF_LOCAL(back);

    (void)state;
    base64url_encode(&out, SLICE_LIT("\xff\xfe"));
    assert_string_equal(buf_cstr(&out), "__4");
    assert_true(base64url_decode(&back, buf_slice(&out)));
    assert_int_equal(back.len, 2);
    assert_false(base64url_decode(&back, SLICE_LIT("//4")));
}

static void test_percent(void **state)
{
    static const char *const bad[] = {"%", "%4", "%zz", "%00", "a%2"};
    BUF_LOCAL(out);

    (void)state;
    assert_true(percent_decode(&out, SLICE_LIT("a%2Fb+c%41"), false));
    assert_string_equal(buf_cstr(&out), "a/b+cA");
    buf_reset(&out);
    assert_true(percent_decode(&out, SLICE_LIT("a+b"), true));
    assert_string_equal(buf_cstr(&out), "a b");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(percent_decode(&out, slice_str(bad[i]), true));
    buf_reset(&out);
    percent_encode(&out, SLICE_LIT("a/b c~\xc3"));
    assert_string_equal(buf_cstr(&out), "a%2Fb%20c~%C3");
}

static void test_json_strings(void **state)
{
    static const char *const bad[] = {"", "\"", "a", "\"a", "\"\\q\"", "\"\\u12\"", "\"\\ud800\""};
    BUF_LOCAL(out);
    BUF_LOCAL(back);

    (void)state;
    json_write_string(&out, SLICE_LIT("a\"\\\n\x01<\xc3\xa9"));
    assert_string_equal(buf_cstr(&out), "\"a\\\"\\\\\\n\\u0001<\xc3\xa9\"");
    assert_true(json_read_string(&back, buf_slice(&out)));
    assert_string_equal(buf_cstr(&back), "a\"\\\n\x01<\xc3\xa9");
    buf_reset(&back);
    assert_true(json_read_string(&back, SLICE_LIT("\"\\u00e9\\ud83d\\ude00\\/\"")));
    assert_string_equal(buf_cstr(&back), "\xc3\xa9\xf0\x9f\x98\x80/");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (json_read_string(&back, slice_str(bad[i])))
            fail_msg("taken: %s", bad[i]);
}

static void test_digests(void **state)
{
    char text[SHA256_SIZE * 2 + 1];

    (void)state;
    sha256_hex(SLICE_LIT("abc"), text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(slice_equal_constant_time(SLICE_LIT("ab"), SLICE_LIT("ab")));
    assert_false(slice_equal_constant_time(SLICE_LIT("ab"), SLICE_LIT("ac")));
    assert_false(slice_equal_constant_time(SLICE_LIT("ab"), SLICE_LIT("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_both_ways), cmocka_unit_test(test_base64url), cmocka_unit_test(test_percent),
        cmocka_unit_test(test_json_strings),     cmocka_unit_test(test_digests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
