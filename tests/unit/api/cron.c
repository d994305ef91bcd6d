/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules: what they mean, and the words of what is wrong with them. */
#include "tests/unit/test.h"

#include "api/cron.h"

static void test_good(void **state)
{
    static const struct {
        const char *text;
        struct cron cron;
    } rows[] = {
        {"5 0 * * *", {1u << 5, 1, ~1u | CRON_STAR, 0x1ffe | CRON_STAR, 0x7f | CRON_STAR, 0}},
        {"@hourly", {1, 0xffffff | CRON_STAR, ~1u | CRON_STAR, 0x1ffe | CRON_STAR, 0x7f | CRON_STAR, 0}},
        {"*/20 1-3 1,15 jan-MAR sun", {1 | 1 << 20 | (uint64_t)1 << 40, 0xe, 2 | 1 << 15, 0xe, 1, 0}},
        {" 50/5  ?\t* 12 6 ",
         {(uint64_t)1 << 50 | (uint64_t)1 << 55, 0xffffff | CRON_STAR, ~1u | CRON_STAR, 1 << 12, 1 << 6, 0}},
        {"@every 1h30m", {.every_s = 5400}},
        {"@every 1.5s", {.every_s = 1}},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct cron cron = {0};
        ERROR_LOCAL(err);

        if (cron_parse(slice_str(rows[i].text), &cron, &err) < 0)
            fail_msg("%s: %s", rows[i].text, error_text(&err));
        if (memcmp(&cron, &rows[i].cron, sizeof(cron)) != 0)
            fail_msg("%s: %llx %llx %llx %llx %llx %lld", rows[i].text, (unsigned long long)cron.minute,
                     (unsigned long long)cron.hour, (unsigned long long)cron.day, (unsigned long long)cron.month,
                     (unsigned long long)cron.weekday, (long long)cron.every_s);
    }
}

static void test_bad(void **state)
{
    static const char *const rows[][2] = {
        {"", "empty spec string"},
        {"not a cron", "expected exactly 5 fields, found 3: [not a cron]"},
        {"* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"},
        {"61 * * * *", "end of range (61) above maximum (59): 61"},
        {"* * 0 * *", "beginning of range (0) below minimum (1): 0"},
        {"5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"},
        {"1-2-3 * * * *", "too many hyphens: 1-2-3"},
        {"*/1/2 * * * *", "too many slashes: */1/2"},
        {"*/0 * * * *", "step of range should be a positive number: */0"},
        {"x * * * *", "failed to parse int from x: strconv.Atoi: parsing \"x\": invalid syntax"},
        {"@never", "unrecognized descriptor: @never"},
        {"@every soon", "failed to parse duration @every soon: time: invalid duration \"soon\""},
        {"@every 1", "failed to parse duration @every 1: time: invalid duration \"1\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct cron cron;
        ERROR_LOCAL(err);

        assert_int_equal(cron_parse(slice_str(rows[i][0]), &cron, &err), -(int)ERROR_INVALID);
        assert_string_equal(error_text(&err), rows[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good), cmocka_unit_test(test_bad)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
