/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "api/quantity.h"
#include "lib/random.h"

static void expect_text(const char *in, const char *canonical)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    struct quantity q;

    if (quantity_parse(slice_str(in), &q, &err) < 0)
        fail_msg("%s: %s", in, error_text(&err));
    quantity_write(&q, &out);
    assert_string_equal(buf_cstr(&out), canonical);
}

static void test_canonical(void **state)
{
    static const char *const rows[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"0Ki", "0"},
        {".0", "0"},
        {"1000m", "1"},
        {"1500m", "1500m"},
        {"0.5", "500m"},
        {".5", "500m"},
        {"0.1", "100m"},
        {"+1", "1"},
        {"-1", "-1"},
        {"1024Mi", "1Gi"},
        {"1048576Ki", "1Gi"},
        {"1.5Gi", "1536Mi"},
        {"1000", "1k"},
        {"1024", "1024"},
        {"1e3", "1e3"},
        {"1E3", "1e3"},
        {"1e+3", "1e3"},
        {"1500e0", "1500"},
        {"15e2", "1500"},
        {"1e-3", "1e-3"},
        {"128974848", "128974848"},
        {"100n", "100n"},
        {"0.1n", "1n"},
        {"-0.1n", "-1n"},
        {"1Ki", "1Ki"},
        {"1000Ki", "1000Ki"},
        {"512Ki", "512Ki"},
        {"0.5Ki", "512"},
        {"0.1Ki", "102400m"},
        {"0.1Mi", "104857600m"},
        {"1E", "1E"},
        {"10E", "9223372036854775807"},
        {"1e30", "9223372036854775807"},
        {"16Ei", "9223372036854775807"},
        {"1.000000000000000000000000000001", "1000000001n"},
        {"1e-900", "1e-9"},
        {"00012", "12"},
        {"1.G", "1G"},
        {"9223372036854775807", "9223372036854775807"},
        {"0.00000000000000000000000000000000000000000000000000001", "1n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        expect_text(rows[i][0], rows[i][1]);
}

static void test_malformed(void **state)
{
    static const char *const format[] = {"",      "+",      "m",      "abc", " 1",   "1 ",
                                         "1.1.M", "1+1.0M", "0.1mix", "--1", "1..2", "1\n"};
    static const char *const suffix[] = {"1i", "1mi", "1e", "1ki", "1ee3", "1K", "1e-", "1EE", "1m3"};
    struct quantity q = {7, 'd'};

    for (size_t i = 0; i < ARRAY_SIZE(format); i++) {
        ERROR_LOCAL(err);

        if (quantity_parse(slice_str(format[i]), &q, &err) != -ERROR_BAD_REQUEST)
            fail_msg("took \"%s\"", format[i]);
        assert_non_null(strstr(error_text(&err), "regular expression"));
    }
    for (size_t i = 0; i < ARRAY_SIZE(suffix); i++) {
        ERROR_LOCAL(err);

        if (quantity_parse(slice_str(suffix[i]), &q, &err) != -ERROR_BAD_REQUEST)
            fail_msg("took \"%s\"", suffix[i]);
        assert_string_equal(error_text(&err), "unable to parse quantity's suffix");
    }
    assert_int_equal(quantity_parse(SLICE_NONE, &q, NULL), -ERROR_BAD_REQUEST); /* a field that is not there */
    assert_int_equal(q.nano, 7);
}

static struct quantity parsed(const char *text)
{
    struct quantity q = {0};

    assert_int_equal(quantity_parse(slice_str(text), &q, NULL), 0);
    return q;
}

static void test_values(void **state)
{
    struct quantity small = parsed("1500u"), half = parsed("-1.5"), big = parsed("9E"), gi = parsed("1Gi");

    assert_int_equal(quantity_milli(&small), 2);
    assert_int_equal(quantity_value(&small), 1);
    assert_int_equal(quantity_value(&half), -2);
    assert_int_equal(quantity_milli(&half), -1500);
    assert_true(quantity_milli(&big) == INT64_MAX);
    assert_int_equal(quantity_value(&gi), 1 << 30);
    assert_true(quantity_compare(&small, &gi) < 0);
    assert_true(quantity_compare(&big, &gi) > 0);
    assert_int_equal(quantity_compare(&gi, &gi), 0);
}

/* Whatever is printed reads back as the same value, and prints the same again. */
static void test_round_trip(void **state)
{
    random_set_seed(42);
    for (int i = 0; i < 20000; i++) {
        BUF_LOCAL(text);
        BUF_LOCAL(again);
        struct quantity q = {0}, back = {0};
        uint64_t r;

        random_bytes(&r, sizeof(r));
        q.format = "dbe"[random_below(3)];
        q.nano = ((__int128)(int64_t)r * (int64_t)random_below(1000000000)) >> random_below(93);
        if (random_below(2))
            q.nano = q.nano / 1000000000 * 1000000000;
        quantity_write(&q, &text);
        assert_int_equal(quantity_parse(buf_slice(&text), &back, NULL), 0);
        assert_true(back.nano == q.nano);
        quantity_write(&back, &again);
        if (q.format != 'b') /* without a suffix a binary quantity reads as a decimal one */
            assert_string_equal(buf_cstr(&again), buf_cstr(&text));
    }
    random_set_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_round_trip),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
