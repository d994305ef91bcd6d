/* SPDX-License-Identifier: Apache-2.0 */
/* What admission keeps of what it read: never older than what was acknowledged, read once, and bounded. */
#include "tests/unit/apiserver/harness.h"

#include <sched.h>

#include "apiserver/folder_cache.h"

static struct harness h;

#define NS        "/api/v1/namespaces/default"
#define POD(name) "{\"metadata\":{\"name\":\"" name "\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"
#define CLASSES   "/apis/scheduling.k8s.io/v1/priorityclasses"
#define RANGE                                                                                                          \
    "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[{\"type\":\"Container\",\"default\":{\"cpu\":\"%um\"}}]}}"

static int start(void **state)
{
    harness_start(&h);
    return 0;
}

static int stop(void **state)
{
    harness_stop(&h);
    return 0;
}

/* What is written to the next pod. */
static void expect_pod(const char *path, const char *text)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", NS "/pods?dryRun=All", POD("p"), &a);
    assert_answer(&a, path, text);
}

static void test_the_next_pod_honours_what_was_acknowledged(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 20; i++) {
        char *range CLEANUP_FREE = mem_printf(RANGE, i);
        char *secrets CLEANUP_FREE = mem_printf("{\"imagePullSecrets\":[{\"name\":\"s%u\"}]}", i);
        char *list CLEANUP_FREE = mem_printf("[{\"name\":\"s%u\"}]", i);
        char *class CLEANUP_FREE =
            mem_printf("{\"metadata\":{\"name\":\"c%u\"},\"value\":%u,\"globalDefault\":true}", i, i);
        char *number CLEANUP_FREE = mem_printf("%u", i);
        char *class_path CLEANUP_FREE = mem_printf(CLASSES "/c%u", i);

        harness_expect(&h, 201, "POST", NS "/limitranges", range, NULL);
        harness_expect(&h, 201, "POST", CLASSES, class, NULL);
        if (i == 1)
            harness_expect(&h, 201, "POST", NS "/serviceaccounts", "{\"metadata\":{\"name\":\"default\"}}", NULL);
        harness_patch(&h, 200, NS "/serviceaccounts/default", PATCH_MERGE, secrets, NULL);
        expect_pod(
            "metadata.annotations",
            "{\"kubernetes.io/limit-ranger\":\"LimitRanger plugin set: cpu request for container c; cpu limit for "
            "container c\"}");
        expect_pod("spec.imagePullSecrets", list);
        expect_pod("spec.priority", number);
        harness_expect(&h, 200, "DELETE", NS "/limitranges/l", NULL, NULL);
        harness_expect(&h, 200, "DELETE", class_path, NULL, NULL);
        expect_pod("metadata.annotations", "");
        expect_pod("spec.priority", "0");
    }
    harness_patch(&h, 200, NS "/serviceaccounts/default", PATCH_MERGE, "{\"automountServiceAccountToken\":false}",
                  NULL);
    expect_pod("spec.volumes", "");
    harness_patch(&h, 200, NS "/serviceaccounts/default", PATCH_MERGE,
                  "{\"automountServiceAccountToken\":null,\"imagePullSecrets\":null}", NULL);
    expect_pod("spec.imagePullSecrets", "");
}

static void test_a_namespace_that_goes_takes_no_more(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(&h, 404, "POST", "/api/v1/namespaces/n/pods", POD("p"), NULL);
    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"n\"}}", NULL);
    harness_expect(&h, 201, "POST", "/api/v1/namespaces/n/pods", POD("p"), NULL);
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/n", NULL, NULL);
    harness_expect(&h, 403, "POST", "/api/v1/namespaces/n/pods", POD("q"), &a);
    assert_true(answer_has(&a, "because it is being terminated"));
}

static void test_the_store_is_read_once(void **state)
{
    struct folder_cache *cache = h.server->fronts[0].folders;
    size_t before;

    (void)state;
    harness_expect(&h, 201, "POST", NS "/pods", POD("first"), NULL);
    before = folder_cache_reads(cache);
    harness_expect(&h, 201, "POST", NS "/pods", POD("second"), NULL);
    harness_expect(&h, 201, "POST", NS "/configmaps", "{\"metadata\":{\"name\":\"m\"}}", NULL);
    harness_expect(&h, 201, "POST", NS "/pods", POD("third"), NULL);
    assert_int_equal(folder_cache_reads(cache), before);
    harness_expect(&h, 201, "POST", NS "/limitranges", "{\"metadata\":{\"name\":\"one\"},\"spec\":{\"limits\":[]}}",
                   NULL);
    harness_expect(&h, 201, "POST", NS "/pods", POD("fourth"), NULL);
    assert_int_equal(folder_cache_reads(cache), before + 1);
}

/* ---- the cache alone ---- */

static void note(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    (void)failed_condition;
    assert_null(err);
    __atomic_store_n((uint64_t *)arg, revision, __ATOMIC_RELEASE);
}

/* value data NULL: is deleted. */
static uint64_t put(const char *key, struct slice value)
{
    const struct store_operation operation = {
        .kind = value.data ? STORE_PUT : STORE_DELETE, .key = slice_str(key), .value = value};
    const struct store_transaction t = {.operations = &operation, .operation_count = 1};
    uint64_t revision = 0;

    store_commit(h.store, &t, note, &revision);
    while (!__atomic_load_n(&revision, __ATOMIC_ACQUIRE))
        (void)sched_yield();
    return revision;
}

static int join(void *arg, const struct store_item *item)
{
    buf_append_slice(arg, item->key);
    buf_append_byte(arg, '=');
    buf_append_slice(arg, slice_make(item->value.data, item->value.len < 8 ? item->value.len : 8));
    buf_append_byte(arg, ' ');
    return slice_is(item->value, "stop") ? 7 : 0;
}

static void expect_folder(struct folder_cache *cache, const char *folder, const char *text)
{
    for (int i = 0; i < 2; i++) { /* read, and kept */
        BUF_LOCAL(found);

        assert_int_equal(folder_cache_list(cache, slice_str(folder), join, &found, NULL), 0);
        assert_string_equal(buf_cstr(&found), text);
    }
}

static void test_folders_and_keys(void **state)
{
    struct folder_cache *cache = folder_cache_new(h.store);
    const struct store_item *item;
    BUF_LOCAL(found);

    (void)state;
    expect_folder(cache, "/t/a/", "");
    assert_null(folder_cache_get(cache, SLICE_LIT("/t/a/x")));
    put("/t/a/x", SLICE_LIT("1"));
    expect_folder(cache, "/t/a/", "/t/a/x=1 ");
    item = folder_cache_get(cache, SLICE_LIT("/t/a/x"));
    assert_slice_equal(item->value, "1");
    assert_null(folder_cache_get(cache, SLICE_LIT("/t/a/")));
    put("/t/a/b", SLICE_LIT("2"));
    expect_folder(cache, "/t/a/", "/t/a/b=2 /t/a/x=1 ");
    put("/t/a/b", SLICE_LIT("stop"));
    for (int i = 0; i < 2; i++)
        assert_int_equal(folder_cache_list(cache, SLICE_LIT("/t/a/"), join, &found, NULL), 7);
    assert_string_equal(buf_cstr(&found), "/t/a/b=stop /t/a/b=stop ");
    put("/t/a/b", SLICE_NONE);
    put("/t/a/x", SLICE_NONE);
    expect_folder(cache, "/t/a/", "");
    for (int i = 0; i < 2; i++)
        assert_null(folder_cache_get(cache, SLICE_LIT("/t/a/x")));
    put("/t/a/x", SLICE_LIT("2"));
    assert_slice_equal(folder_cache_get(cache, SLICE_LIT("/t/a/x"))->value, "2");
    folder_cache_free(cache);
}

/* Too much to be kept is read all the same. */
static void test_large_ones(void **state)
{
    struct folder_cache *cache = folder_cache_new(h.store);
    struct slice large;
    size_t before;
    BUF_LOCAL(text);

    (void)state;
    for (size_t i = 0; i < 50000; i++)
        buf_append_byte(&text, 'x');
    large = buf_slice(&text);
    put("/t/large/a", large);
    put("/t/large/b", large);
    expect_folder(cache, "/t/large/", "/t/large/a=xxxxxxxx /t/large/b=xxxxxxxx ");
    for (size_t i = 0; i < 30000; i++)
        buf_append_byte(&text, 'x');
    put("/t/large/c", buf_slice(&text));
    assert_int_equal(folder_cache_get(cache, SLICE_LIT("/t/large/c"))->value.len, 80000);
    before = folder_cache_reads(cache);
    assert_int_equal(folder_cache_get(cache, SLICE_LIT("/t/large/a"))->value.len, 50000);
    assert_int_equal(folder_cache_get(cache, SLICE_LIT("/t/large/a"))->value.len, 50000);
    assert_int_equal(folder_cache_reads(cache), before + 1);
    folder_cache_free(cache);
}

static void test_many_ones(void **state)
{
    struct folder_cache *cache = folder_cache_new(h.store);
    size_t before;

    (void)state;
    put("/t/n7/a", SLICE_LIT("1"));
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 5000; i++) {
            char *folder CLEANUP_FREE = mem_printf("/t/n%u/", i);

            expect_folder(cache, folder, i == 7 ? "/t/n7/a=1 " : "");
        }
    before = folder_cache_reads(cache);
    assert_int_equal(before, 10000); /* what was asked for long ago went */
    expect_folder(cache, "/t/n4500/", "");
    assert_int_equal(folder_cache_reads(cache), before);
    folder_cache_free(cache);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_next_pod_honours_what_was_acknowledged, start, stop),
        cmocka_unit_test_setup_teardown(test_a_namespace_that_goes_takes_no_more, start, stop),
        cmocka_unit_test_setup_teardown(test_the_store_is_read_once, start, stop),
        cmocka_unit_test_setup_teardown(test_folders_and_keys, start, stop),
        cmocka_unit_test_setup_teardown(test_large_ones, start, stop),
        cmocka_unit_test_setup_teardown(test_many_ones, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
