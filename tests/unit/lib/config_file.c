/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "lib/config_file.h"

static int collect(void *arg, const struct config_entry *entry, struct error *err)
{
    struct buf *out = arg;

    buf_printf(out, "%zu %s%s", entry->line, entry->key, entry->list ? "[]" : "");
    for (size_t i = 0; i < entry->count; i++)
        buf_printf(out, " <%s>", entry->values[i]);
    buf_append_byte(out, '\n');
    return strcmp(entry->key, "bad") != 0 ? 0 : error_set(err, ERROR_BAD_REQUEST, "no");
}

static void assert_read(const char *text, const char *entries, const char *message)
{
    BUF_LOCAL(out);
    ERROR_LOCAL(err);

    assert_int_equal(config_file_each(slice_str(text), collect, &out, &err), message ? -(int)ERROR_BAD_REQUEST : 0);
    assert_string_equal(error_text(&err), message ? message : "");
    if (entries)
        assert_string_equal(buf_cstr(&out), entries);
}

static void test_scalars_and_lists(void **state)
{
    (void)state;
    assert_read("", "", NULL);
    assert_read("# nothing\n---\n", "", NULL);
    assert_read("port: 6443\n\n# why\nhome: '/a b'\nlist: [a, \"b\"]\nother:\n- x\nempty: []\nyes: on\n",
                "1 port <6443>\n4 home </a b>\n5 list[] <a> <b>\n6 other[] <x>\n8 empty[]\n9 yes <on>\n", NULL);
}

static void test_what_is_refused_names_its_line(void **state)
{
    (void)state;
    assert_read("a: 1\nbad: 2\nc: 3\n", "1 a <1>\n2 bad <2>\n", "no");
    assert_read("a: 1\na: 2\n", NULL, "line 2: this key was given before");
    assert_read("a:\n  b: 1\n", NULL, "line 2: a plain value is wanted here");
    assert_read("a: [[1]]\n", NULL, "line 1: a plain value is wanted here");
    assert_read("? [a]\n: 1\n", NULL, "line 1: a plain value is wanted here");
    assert_read("a: &x 1\nb: *x\n", NULL, "line 2: a plain value is wanted here");
    assert_read("- a\n", NULL, "line 1: 'key: value' is wanted");
    assert_read("just text\n", NULL, "line 1: 'key: value' is wanted");
    assert_read("a: 1\n---\nb: 2\n", NULL, "line 2: a second document is not read");
    assert_read("a: \"\\0\"\n", NULL, "line 1: a value holds a NUL");
}

static void test_what_yaml_refuses(void **state)
{
    BUF_LOCAL(out);
    ERROR_LOCAL(err);

    (void)state;
    assert_int_equal(config_file_each(SLICE_LIT("a: 1\nb: \"open\n"), collect, &out, &err), -(int)ERROR_BAD_REQUEST);
    assert_true(slice_starts(slice_str(error_text(&err)), SLICE_LIT("line 3: ")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars_and_lists),
        cmocka_unit_test(test_what_is_refused_names_its_line),
        cmocka_unit_test(test_what_yaml_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
