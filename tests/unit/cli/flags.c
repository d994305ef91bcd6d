/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "cli/flags.h"

struct parsed {
    const char *text;
    bool yes;
    long number;
    struct arguments arguments;
};

static bool parse(struct parsed *p, int argc, char **argv)
{
    const struct flag flags[] = {
        {"name", 'n', FLAG_TEXT, &p->text},
        {"yes", 'y', FLAG_BOOL, &p->yes},
        {"number", 0, FLAG_NUMBER, &p->number},
        {NULL, 0, FLAG_BOOL, NULL},
    };

    return flags_parse(flags, argc, argv, &p->arguments);
}

#define PARSE(p, ...)                                                                                                  \
    ({                                                                                                                 \
        char *parse_argv_[] = {(char *)"test", __VA_ARGS__};                                                           \
        parse((p), ARRAY_SIZE(parse_argv_), parse_argv_);                                                              \
    })

static void test_all_ways_to_give_a_value(void **state)
{
    struct parsed p = {0};

    (void)state;
    assert_true(PARSE(&p, (char *)"--name", (char *)"a", (char *)"x", (char *)"-y", (char *)"--number=5", (char *)"y"));
    assert_string_equal(p.text, "a");
    assert_true(p.yes);
    assert_int_equal(p.number, 5);
    assert_int_equal(p.arguments.count, 2);
    assert_string_equal(p.arguments.items[1], "y");
    assert_true(PARSE(&p, (char *)"-nb", (char *)"--yes=false"));
    assert_string_equal(p.text, "b");
    assert_false(p.yes);
    assert_true(PARSE(&p, (char *)"-n=c", (char *)"--", (char *)"--name"));
    assert_string_equal(p.text, "c");
    assert_string_equal(p.arguments.items[0], "--name");
    assert_true(PARSE(&p, (char *)"--number", (char *)"60s"));
    assert_int_equal(p.number, 60);
    assert_true(PARSE(&p, (char *)"-yn", (char *)"d"));
    assert_string_equal(p.text, "d");
    assert_true(p.yes);
    p.yes = false;
    assert_true(PARSE(&p, (char *)"-yyne"));
    assert_string_equal(p.text, "e");
    assert_true(p.yes);
    assert_false(PARSE(&p, (char *)"-yx"));
}

static void test_mistakes_are_refused(void **state)
{
    struct parsed p = {0};

    (void)state;
    assert_false(PARSE(&p, (char *)"--bogus"));
    assert_false(PARSE(&p, (char *)"--name"));
    assert_false(PARSE(&p, (char *)"--number", (char *)"5x"));
    assert_false(PARSE(&p, (char *)"--yes=maybe"));
    assert_false(PARSE(&p, (char *)"-z"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_ways_to_give_a_value),
        cmocka_unit_test(test_mistakes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
