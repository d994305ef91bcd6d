/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/backoff.h"
#include "agent/text.h"

static void doubles_to_five_minutes(void **state)
{
    static const unsigned restarts[] = {0, 10, 20, 40, 80, 160, 300, 300};
    static const unsigned pulls[] = {10, 20, 40, 80, 160, 300, 300};
    struct backoff b = {0};
    uint64_t now = 1000;

    for (size_t i = 0; i < ARRAY_SIZE(restarts); i++, now += 400000) {
        backoff_fail(&b, now, 5, true);
        assert_int_equal(b.delay_ms, restarts[i] * 1000);
        assert_int_equal(b.until_ms, now + restarts[i] * 1000);
    }
    /* Ten quiet minutes forget it. */
    backoff_fail(&b, now, 600000, true);
    assert_int_equal(b.delay_ms, 0);
    backoff_clear(&b);
    for (size_t i = 0; i < ARRAY_SIZE(pulls); i++) {
        backoff_fail(&b, now, 0, false);
        assert_int_equal(b.delay_ms, pulls[i] * 1000);
    }
}

static void delays_read_as_gos(void **state)
{
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {{10000, "10s"}, {80000, "1m20s"}, {160000, "2m40s"}, {300000, "5m0s"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[24];

        backoff_text(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void text_is_made_utf8(void **state)
{
    static const char *const cases[][2] = {
        {"plain", "plain"},
        {"gr\xC3\xBC\xC3\x9F", "gr\xC3\xBC\xC3\x9F"},
        {"\xF0\x9F\x9A\xA2", "\xF0\x9F\x9A\xA2"},
        {"a\xFF"
         "b",
         "a\xEF\xBF\xBD"
         "b"},
        {"\xC0\xAF", "\xEF\xBF\xBD\xEF\xBF\xBD"},                 /* overlong */
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* surrogate */
        {"cut\xE2\x82", "cut\xEF\xBF\xBD\xEF\xBF\xBD"},
    };
    char *cut CLEANUP_FREE = text_clean(SLICE_LIT("ab\xC3\xBC"), 3);
    char *nul CLEANUP_FREE = text_clean(slice_make("a\0b", 3), 10);

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *clean CLEANUP_FREE = text_clean(slice_str(cases[i][0]), 100);

        assert_string_equal(clean, cases[i][1]);
    }
    assert_string_equal(cut, "ab");
    assert_string_equal(nul, "ab");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(doubles_to_five_minutes), cmocka_unit_test(delays_read_as_gos),
                                       cmocka_unit_test(text_is_made_utf8)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
