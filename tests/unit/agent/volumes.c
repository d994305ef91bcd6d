/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/volumes.h"

static struct value *json(const char *text)
{
    struct value *v = value_parse(slice_str(text), NULL);

    assert_non_null(v);
    return v;
}

static const struct value *find(const void *arg, const char *resource, const char *name)
{
    char *key CLEANUP_FREE = mem_printf("%s/%s", resource, name);

    return value_get(arg, key);
}

static int gather(const char *objects_text, const char *volume_text, struct payload *p, struct error *err)
{
    struct value *objects CLEANUP_VALUE = json(objects_text);
    struct value *volume CLEANUP_VALUE = json(volume_text);
    struct value *pod CLEANUP_VALUE = json("{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"b\"}}}");
    const struct pod_facts facts = {.find = find, .find_arg = objects};

    return payload_build(pod, &facts, volume, p, err);
}

static void keys_become_files(void **state)
{
    struct payload p = {0};

    assert_int_equal(gather("{\"configmaps/m\":{\"data\":{\"a\":\"text\"},\"binaryData\":{\"b\":\"AAE=\"}}}",
                            "{\"configMap\":{\"name\":\"m\",\"defaultMode\":384}}", &p, NULL),
                     0);
    assert_int_equal(p.count, 2);
    assert_string_equal(p.files[0].path, "a");
    assert_slice_equal(buf_slice(&p.files[0].data), "text");
    assert_int_equal(p.files[0].mode, 0600);
    assert_int_equal(p.files[1].data.len, 2);
    payload_clear(&p);
}

static void items_choose_and_rename(void **state)
{
    struct payload p = {0};

    assert_int_equal(
        gather("{\"secrets/s\":{\"data\":{\"k\":\"c2VjcmV0\",\"other\":\"eA==\"}}}",
               "{\"secret\":{\"secretName\":\"s\",\"items\":[{\"key\":\"k\",\"path\":\"d/e\",\"mode\":256}]}}", &p,
               NULL),
        0);
    assert_int_equal(p.count, 1);
    assert_string_equal(p.files[0].path, "d/e");
    assert_slice_equal(buf_slice(&p.files[0].data), "secret");
    assert_int_equal(p.files[0].mode, 0400);
    payload_clear(&p);
}

static void what_is_missing_is_an_error_unless_optional(void **state)
{
    static const struct {
        const char *volume;
        enum error_code code;
    } cases[] = {
        {"{\"configMap\":{\"name\":\"no\"}}", ERROR_NOT_FOUND},
        {"{\"configMap\":{\"name\":\"no\",\"optional\":true}}", ERROR_NONE},
        {"{\"configMap\":{\"name\":\"m\",\"items\":[{\"key\":\"no\",\"path\":\"x\"}]}}", ERROR_NOT_FOUND},
        {"{\"configMap\":{\"name\":\"m\",\"optional\":true,\"items\":[{\"key\":\"no\",\"path\":\"x\"}]}}", ERROR_NONE},
        {"{\"configMap\":{\"name\":\"m\",\"items\":[{\"key\":\"a\",\"path\":\"../x\"}]}}", ERROR_INVALID},
        {"{\"configMap\":{\"name\":\"m\",\"items\":[{\"key\":\"a\",\"path\":\"/x\"}]}}", ERROR_INVALID},
        {"{\"configMap\":{\"name\":\"m\",\"items\":[{\"key\":\"a\",\"path\":\"..data\"}]}}", ERROR_INVALID},
        {"{\"projected\":{\"sources\":[{\"clusterTrustBundle\":{\"name\":\"n\",\"path\":\"p\"}}]}}", ERROR_INVALID},
        {"{\"projected\":{\"sources\":[{\"clusterTrustBundle\":{\"name\":\"n\",\"path\":\"p\",\"optional\":true}}]}}",
         ERROR_NONE},
        {"{\"projected\":{\"sources\":[{\"podCertificate\":{\"signerName\":\"a.b/c\"}}]}}", ERROR_INVALID},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct payload p = {0};
        ERROR_LOCAL(err);

        (void)gather("{\"configmaps/m\":{\"data\":{\"a\":\"1\"}}}", cases[i].volume, &p, &err);
        assert_int_equal(err.code, cases[i].code);
        payload_clear(&p);
    }
}

static void projected_sources_are_laid_over_each_other(void **state)
{
    struct payload p = {0};

    assert_int_equal(
        gather("{\"configmaps/m\":{\"data\":{\"a\":\"map\",\"b\":\"map\"}},\"secrets/s\":{\"data\":{\"a\":\"c2Vj\"}}}",
               "{\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"m\"}},{\"secret\":{\"name\":\"s\"}},"
               "{\"downwardAPI\":{\"items\":[{\"path\":\"l\",\"fieldRef\":{\"fieldPath\":\"metadata.labels\"}}]}}]}}",
               &p, NULL),
        0);
    assert_int_equal(p.count, 3);
    assert_slice_equal(buf_slice(&p.files[0].data), "sec");
    assert_slice_equal(buf_slice(&p.files[2].data), "a=\"b\"");
    payload_clear(&p);
}

static void write_version(const char *dir, const char *a, const char *b)
{
    struct payload_file files[2] = {{.path = (char *)"a", .mode = 0644}, {.path = (char *)"sub/b", .mode = 0600}};
    const struct payload p = {.files = files, .count = b ? 2 : 1};

    buf_append_str(&files[0].data, a);
    buf_append_str(&files[1].data, b ? b : "");
    assert_int_equal(payload_write(dir, &p, (gid_t)-1, NULL), 0);
    buf_free(&files[0].data);
    buf_free(&files[1].data);
}

static void assert_file(const char *dir, const char *name, const char *want)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", dir, name);
    BUF_LOCAL(text);

    assert_int_equal(fs_read(path, 100, &text, NULL), 0);
    assert_string_equal(buf_cstr(&text), want);
}

static int count_name(void *arg, const char *name, struct error *err)
{
    ++*(int *)arg;
    return 0;
}

static void versions_take_over_at_once(void **state)
{
    char dir[] = "/tmp/knarr-payload-XXXXXX";
    char *b CLEANUP_FREE = NULL;
    char *data CLEANUP_FREE = NULL;
    char first[64] = {0};
    char second[64] = {0};
    int names = 0;

    assert_non_null(mkdtemp(dir));
    b = mem_printf("%s/sub", dir);
    data = mem_printf("%s/..data", dir);
    write_version(dir, "one", "b");
    assert_file(dir, "a", "one");
    assert_file(dir, "sub/b", "b");
    assert_true(readlink(data, first, sizeof(first) - 1) > 0);
    /* Nothing new: nothing is touched. */
    write_version(dir, "one", "b");
    assert_true(readlink(data, second, sizeof(second) - 1) > 0);
    assert_string_equal(first, second);
    write_version(dir, "two", NULL);
    assert_file(dir, "a", "two");
    assert_false(fs_exists(b));
    /* The version, ..data, a. */
    assert_int_equal(fs_each_name(dir, count_name, &names, NULL), 0);
    assert_int_equal(names, 3);
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_become_files), cmocka_unit_test(items_choose_and_rename),
                                       cmocka_unit_test(what_is_missing_is_an_error_unless_optional),
                                       cmocka_unit_test(projected_sources_are_laid_over_each_other),
                                       cmocka_unit_test(versions_take_over_at_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
