/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text_diff.h"

#include "tests/unit/test.h"

static void assert_diff(const char *before, const char *now, const char *expected)
{
    BUF_LOCAL(out);

    text_diff("a", slice_str(before), "b", slice_str(now), &out);
    assert_string_equal(buf_cstr(&out), expected);
}

static void test_small(void **state)
{
    assert_diff("", "", "");
    assert_diff("x\n", "x\n", "");
    assert_diff("x\n", "y\n", "--- a\n+++ b\n@@ -1,1 +1,1 @@\n-x\n+y\n");
    assert_diff("", "y\nz\n", "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+y\n+z\n");
    assert_diff("y\n", "", "--- a\n+++ b\n@@ -1,1 +0,0 @@\n-y\n");
    assert_diff("a\nb\nc\n", "a\nc\n", "--- a\n+++ b\n@@ -1,3 +1,2 @@\n a\n-b\n c\n");
    assert_diff("a\n\nb\n", "a\nx\n\nb\n", "--- a\n+++ b\n@@ -1,3 +1,4 @@\n a\n+x\n \n b\n");
    assert_diff("a\nb\nc\nd\n", "b\nx\nd\ne\n", "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-a\n b\n-c\n+x\n d\n+e\n");
}

/* Changes that are far apart stand in hunks of their own, close ones in one. */
static void test_hunks(void **state)
{
    assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\nA\nB\nC\n", "1x\n2\n3\n4\n5\n6\n7\n8\n9\nA\nB\nCx\n",
                "--- a\n+++ b\n@@ -1,4 +1,4 @@\n-1\n+1x\n 2\n 3\n 4\n@@ -9,4 +9,4 @@\n 9\n A\n B\n-C\n+Cx\n");
    assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "1x\n2\n3\n4\n5\n6\n7\n8x\n",
                "--- a\n+++ b\n@@ -1,8 +1,8 @@\n-1\n+1x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+8x\n");
}

/* Every diff of two short texts (so short that no line lies outside of the hunks) leads from the one to the other. */
static void apply_and_compare(const char *before, const char *now)
{
    struct slice rest;
    struct slice line;
    BUF_LOCAL(out);
    BUF_LOCAL(left);
    BUF_LOCAL(right);

    text_diff("a", slice_str(before), "b", slice_str(now), &out);
    rest = buf_slice(&out);
    while (rest.len && slice_split(&rest, '\n', &line)) {
        if (!line.len || slice_starts(line, SLICE_LIT("---")) || slice_starts(line, SLICE_LIT("+++")) ||
            line.data[0] == '@')
            continue;
        if (line.data[0] != '+')
            buf_printf(&left, "%.*s\n", (int)line.len - 1, line.data + 1);
        if (line.data[0] != '-')
            buf_printf(&right, "%.*s\n", (int)line.len - 1, line.data + 1);
    }
    if (strcmp(before, now) != 0) {
        assert_string_equal(buf_cstr(&left), before);
        assert_string_equal(buf_cstr(&right), now);
    }
}

static void text_of(unsigned number, char *text)
{
    for (; number; number /= 3) {
        *text++ = (char)('a' + number % 3);
        *text++ = '\n';
    }
    *text = '\0';
}

static void test_all_short_texts(void **state)
{
    char before[32], now[32];

    for (unsigned i = 0; i < 81; i++)
        for (unsigned j = 0; j < 81; j++) {
            text_of(i, before);
            text_of(j, now);
            apply_and_compare(before, now);
        }
}

static void test_too_much_is_replaced(void **state)
{
    BUF_LOCAL(before);
    BUF_LOCAL(now);
    BUF_LOCAL(out);
    size_t minus = 0;

    for (int i = 0; i < TEXT_DIFF_EDITS_MAX; i++) {
        buf_printf(&before, "x%d\n", i);
        buf_printf(&now, "y%d\n", i);
    }
    text_diff("a", buf_slice(&before), "b", buf_slice(&now), &out);
    for (size_t i = 0; i < out.len; i++)
        minus += out.data[i] == '-' && out.data[i + 1] == 'x';
    assert_int_equal(minus, TEXT_DIFF_EDITS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_small), cmocka_unit_test(test_hunks),
                                       cmocka_unit_test(test_all_short_texts),
                                       cmocka_unit_test(test_too_much_is_replaced)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
