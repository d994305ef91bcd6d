/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/user.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:1000:1001::/home:/bin/sh\n";
static const char group[] = "root:x:0:\nextra:x:2000:web,other\nmore:x:2001:web\nown:x:1001:web\nbad:x:zz:web\n";

static int resolve(const char *spec, struct user *u)
{
    return user_resolve(slice_str(spec), slice_str(passwd), slice_str(group), u, NULL);
}

static void names_and_numbers(void **state)
{
    static const struct {
        const char *spec;
        unsigned uid;
        unsigned gid;
        size_t groups;
    } cases[] = {
        {"", 0, 0, 0},          {"root", 0, 0, 0},
        {"web", 1000, 1001, 2}, {"1000", 1000, 1001, 2},
        {"4711", 4711, 0, 0},   {"web:extra", 1000, 2000, 0},
        {"1000:5", 1000, 5, 0}, {"4711:4712", 4711, 4712, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct user u = {0};

        assert_int_equal(resolve(cases[i].spec, &u), 0);
        assert_int_equal(u.uid, cases[i].uid);
        assert_int_equal(u.gid, cases[i].gid);
        assert_int_equal(u.group_count, cases[i].groups);
    }
}

static void unknown_names_are_errors(void **state)
{
    static const char *const cases[] = {"nobody", "web:nogroup", "-1", "4294967295", "99999999999", "broken"};
    struct user u = {0};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(resolve(cases[i], &u), -ERROR_NOT_FOUND);
    assert_int_equal(user_resolve(SLICE_LIT("7"), SLICE_NONE, SLICE_NONE, &u, NULL), 0);
    assert_int_equal(u.uid, 7);
}

/* The files are the image's: whoever makes it must not decide who "1000" is. */
static void numbers_are_no_names(void **state)
{
    static const char evil[] = "1000:x:0:0::/:/bin/sh\nbroken:x:zz:0::/:/bin/sh\n";
    static const char groups[] = "2000:x:0:\n";
    struct user u = {0};

    assert_int_equal(user_resolve(SLICE_LIT("1000:2000"), slice_str(evil), slice_str(groups), &u, NULL), 0);
    assert_int_equal(u.uid, 1000);
    assert_int_equal(u.gid, 2000);
    /* Nor does a line without a number make somebody root. */
    assert_int_equal(user_resolve(SLICE_LIT("broken"), slice_str(evil), slice_str(groups), &u, NULL), -ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names_and_numbers), cmocka_unit_test(unknown_names_are_errors),
                                       cmocka_unit_test(numbers_are_no_names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
