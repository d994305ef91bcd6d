/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/clock.h"

#include "tests/unit/test.h"

static void test_rfc3339_is_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"2006-01-02T15:04:05Z", 1136214245 * NS_PER_S},
        {"2006-01-02t17:04:05.5+02:00", 1136214245 * NS_PER_S + 500000000},
        {"1969-12-31T23:59:59.25Z", -750000000},
        {"2024-02-29T00:00:00-00:30", 1709166600 * NS_PER_S},
    };
    static const char *const bad[] = {
        "",
        "2006-01-02",
        "2006-01-02T15:04:05",
        "2023-02-29T00:00:00Z",
        "2006-13-01T00:00:00Z",
        "2006-01-02T24:00:00Z",
        "2006-01-02T15:04:05.Z",
        "2006-01-02T15:04:05Zx",
        "2006-01-02T15:04:05+24:00",
    };
    int64_t ns;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_true(time_parse(slice_str(good[i].text), &ns));
        assert_true(ns == good[i].ns);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (time_parse(slice_str(bad[i]), &ns))
            fail_msg("taken: %s", bad[i]);
}

static void test_times_are_written(void **state)
{
    char text[TIME_TEXT_MAX];

    (void)state;
    time_format_seconds(1136214245 * NS_PER_S + 999999999, text);
    assert_string_equal(text, "2006-01-02T15:04:05Z");
    time_format_micro(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
    time_format_nano(1, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000000001Z");
}

static void test_ages(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } rows[] = {
        {-5, "<invalid>"},
        {-1, "0s"},
        {0, "0s"},
        {119, "119s"},
        {120, "2m"},
        {200, "3m20s"},
        {600, "10m"},
        {10799, "179m"},
        {10800, "3h"},
        {18060, "5h1m"},
        {28800, "8h"},
        {172799, "47h"},
        {172800, "2d"},
        {360000, "4d4h"},
        {8 * 86400, "8d"},
        {729 * 86400, "729d"},
        {800 * 86400, "2y70d"},
    };
    char text[TIME_TEXT_MAX];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        time_format_age(rows[i].seconds * NS_PER_S, text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc3339_is_read),
        cmocka_unit_test(test_times_are_written),
        cmocka_unit_test(test_ages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
