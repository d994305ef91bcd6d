/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/image_ref.h"

static void normalises_names(void **state)
{
    static const char *const cases[][3] = {
        {"busybox", "docker.io/library/busybox:latest", "Always"},
        {"busybox:1.36", "docker.io/library/busybox:1.36", "IfNotPresent"},
        {"me/app", "docker.io/me/app:latest", "Always"},
        {"localhost/app:1", "localhost/app:1", "IfNotPresent"},
        {"127.0.0.1:5000/a/b-c_d__e:V1.0-x", "127.0.0.1:5000/a/b-c_d__e:V1.0-x", "IfNotPresent"},
        {"index.docker.io/redis", "docker.io/library/redis:latest", "Always"},
        {"r.io/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "r.io/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "IfNotPresent"},
        {"r.io/a:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "r.io/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "IfNotPresent"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        IMAGE_REF_LOCAL(ref);
        char *name CLEANUP_FREE = NULL;

        assert_int_equal(image_ref_parse(slice_str(cases[i][0]), &ref, NULL), 0);
        name = image_ref_name(&ref);
        assert_string_equal(name, cases[i][1]);
        assert_string_equal(image_ref_default_policy(&ref), cases[i][2]);
    }
}

static void refuses_bad_names(void **state)
{
    static const char *const cases[] = {
        "",
        "Upper",
        "a:",
        ":tag",
        "a/../b",
        "a//b",
        "a b",
        "a@sha256:12",
        "-a",
        "a-",
        "a..b",
        "a___b",
        "a/",
        "/a",
        "a:bad/tag:",
        "r.io:80:90/a:b:c",
        "a@sha512:0123",
        "a:.hidden",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        IMAGE_REF_LOCAL(ref);
        ERROR_LOCAL(err);

        if (image_ref_parse(slice_str(cases[i]), &ref, &err) == 0)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_int_equal(err.code, ERROR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(normalises_names), cmocka_unit_test(refuses_bad_names)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
