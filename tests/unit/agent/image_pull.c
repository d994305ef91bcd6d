/* SPDX-License-Identifier: Apache-2.0 */
/* The pure parts of a pull: insecure hosts, manifests. */
#include "tests/unit/test.h"

#include "agent/image_manifest.h"
#include "agent/image_pull.h"

static void only_named_hosts_are_plain(void **state)
{
    static const char *const named[] = {"reg.local", "other:5000", NULL};

    assert_true(image_host_insecure("127.0.0.1:5000", NULL));
    assert_true(image_host_insecure("localhost", NULL));
    assert_true(image_host_insecure("[::1]:5000", NULL));
    assert_false(image_host_insecure("127.0.0.1.evil.com", NULL));
    assert_false(image_host_insecure("docker.io", NULL));
    assert_true(image_host_insecure("reg.local:5000", named));
    assert_true(image_host_insecure("other:5000", named));
    assert_false(image_host_insecure("other:5001", named));
    assert_false(image_host_insecure("127.0.0.1:5000", named));
}

#define DIGEST(c)                                                                                                      \
    "sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c  \
        c c c c c c c c c c c c

static void manifests_are_checked(void **state)
{
    static const char good[] = "{\"config\":{\"digest\":\"" DIGEST(
        "a") "\",\"size\":1},\"layers\":[{\"digest\":\"" DIGEST("b") "\",\"size\":7}]}";
    static const char *const bad[] = {
        "{}",
        "{\"layers\":[]}",
        "{\"config\":{\"digest\":\"sha256:../../x\",\"size\":1},\"layers\":[]}",
        "{\"config\":{\"digest\":\"" DIGEST("a") "\",\"size\":-1},\"layers\":[]}",
        "{\"config\":{\"digest\":\"" DIGEST("a") "\",\"size\":1},\"layers\":[{}]}",
    };
    struct value *v CLEANUP_VALUE = value_parse(slice_str(good), NULL);
    struct image_manifest m = {0};

    assert_int_equal(image_manifest_read(v, &m, NULL), 0);
    assert_int_equal(m.layer_count, 1);
    assert_int_equal(m.layers[0].size, 7);
    image_manifest_clear(&m);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct value *b CLEANUP_VALUE = value_parse(slice_str(bad[i]), NULL);
        ERROR_LOCAL(err);

        assert_non_null(b);
        assert_true(image_manifest_read(b, &m, &err) < 0);
        assert_int_equal(err.code, ERROR_INVALID);
    }
}

static void indexes_are_searched_by_platform(void **state)
{
    static const char text[] = "{\"manifests\":[{\"digest\":\"" DIGEST(
        "1") "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"arm64\"}},"
             "{\"digest\":\"" DIGEST("2") "\",\"platform\":{\"os\":\"windows\",\"architecture\":\"amd64\"}},"
                                          "{\"digest\":\"" DIGEST(
                                              "3") "\",\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}}]}";
    static const char single[] = "{\"manifests\":[{\"digest\":\"" DIGEST("4") "\"}]}";
    struct value *v CLEANUP_VALUE = value_parse(slice_str(text), NULL);
    struct value *one CLEANUP_VALUE = value_parse(slice_str(single), NULL);
    ERROR_LOCAL(err);

    assert_true(image_is_index(v));
    assert_string_equal(image_index_pick(v, "amd64", NULL), DIGEST("3"));
    assert_string_equal(image_index_pick(one, "amd64", NULL), DIGEST("4"));
    assert_null(image_index_pick(v, "riscv64", &err));
    assert_string_equal(error_text(&err), "no match for platform in manifest: linux/riscv64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_named_hosts_are_plain),
                                       cmocka_unit_test(manifests_are_checked),
                                       cmocka_unit_test(indexes_are_searched_by_platform)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
