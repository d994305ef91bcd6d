/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "lib/encoding.h"
#include "lib/log.h"

#define TIME "2026-01-02T03:04:05.000006Z"

static void assert_line(enum log_format format, enum log_level level, const char *message, const char *wanted)
{
    char line[LOG_LINE_MAX];
    size_t len = log_format_line(format, TIME, level, "agent", message, line);

    assert_int_equal(len, strlen(line));
    assert_string_equal(line, wanted);
}

static void test_text(void **state)
{
    (void)state;
    assert_line(LOG_TEXT, LOG_WARNING, "pod \"a\" is late", TIME " warning agent: pod \"a\" is late\n");
    assert_line(LOG_TEXT, LOG_INFO, "a\nb\x7f\tc", TIME " info agent: a b  c\n");
}

#define JSON(level, msg) "{\"ts\":\"" TIME "\",\"level\":\"" level "\",\"component\":\"agent\",\"msg\":\"" msg "\"}\n"

static void test_json_escapes(void **state)
{
    (void)state;
    assert_line(LOG_JSON, LOG_ERROR, "pod \"a\\b\"", JSON("error", "pod \\\"a\\\\b\\\""));
    assert_line(LOG_JSON, LOG_DEBUG, "a\nb\x7f\x01", JSON("debug", "a\\u000ab\\u007f\\u0001"));
    assert_line(LOG_JSON, LOG_INFO, "g\xc3\xbcnstig \xf0\x9f\x9a\xa2", JSON("info", "g\xc3\xbcnstig \xf0\x9f\x9a\xa2"));
    assert_line(LOG_JSON, LOG_INFO, "bad \xff\xc3", JSON("info", "bad ??"));
}

/* Whatever is cut, a line ends as one and holds whole characters. */
static void test_long_lines_are_cut_whole(void **state)
{
    static const char *const units[] = {"x", "\xc3\xbc", "\xf0\x9f\x9a\xa2", "\n", "\"", "\xff"};

    (void)state;
    for (size_t u = 0; u < ARRAY_SIZE(units); u++)
        for (size_t shift = 0; shift < 4; shift++) {
            BUF_LOCAL(message);
            char text[LOG_LINE_MAX];
            char json[LOG_LINE_MAX];
            size_t len;

            for (size_t i = 0; i < shift; i++)
                buf_append_byte(&message, 'a');
            while (message.len < 5000)
                buf_append_str(&message, units[u]);
            len = log_format_line(LOG_JSON, TIME, LOG_INFO, "agent", buf_cstr(&message), json);
            assert_true(len < LOG_LINE_MAX && len > LOG_LINE_MAX - 12);
            assert_true(utf8_valid(slice_make(json, len)));
            assert_true(slice_ends(slice_make(json, len), SLICE_LIT("\"}\n")));
            len = log_format_line(LOG_TEXT, TIME, LOG_INFO, "agent", buf_cstr(&message), text);
            assert_true(len < LOG_LINE_MAX && len > LOG_LINE_MAX - 12);
            assert_int_equal(text[len - 1], '\n');
            if (u != 5)
                assert_true(utf8_valid(slice_make(text, len)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_json_escapes),
        cmocka_unit_test(test_long_lines_are_cut_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
