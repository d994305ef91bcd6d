/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <sys/mman.h>

#include "api/scan.h"
#include "api/scan_skip.h"

static const char pod[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\\\"b\",\"labels\":{\"x\":\"{\\\\\"}},"
    "\"spec\":{\"containers\":[{\"name\":\"c1\",\"ports\":[{\"n\":1},{\"n\":2}]},{\"name\":\"c2\"}],\"n\":12,"
    "\"on\":true},\"status\":{}}";

static void test_get_follows_a_path(void **state)
{
    struct slice doc = slice_str(pod);
    BUF_LOCAL(scratch);

    (void)state;
    assert_slice_equal(scan_get(doc, "kind"), "\"Pod\"");
    assert_int_equal(scan_int(scan_get(doc, "spec.n"), 0), 12);
    assert_true(scan_bool(scan_get(doc, "spec.on"), false));
    assert_slice_equal(scan_get(doc, "status"), "{}");
    assert_null(scan_get(doc, "spec.nope").data);
    assert_null(scan_get(doc, "kind.nope").data);
    assert_slice_equal(scan_text(scan_get(doc, "metadata.name"), &scratch), "a\"b");
    assert_true(scan_text_is(scan_get(doc, "metadata.labels.x"), "{\\"));
    assert_int_equal(scan_count(scan_get(doc, "spec.containers")), 2);
    assert_int_equal(scan_count(scan_get(doc, "spec")), 3);
    assert_int_equal(scan_count(scan_get(doc, "status")), 0);
}

/* What stands in a string is no bracket and no quote, wherever it stands. */
static void test_values_are_skipped_at_any_length(void **state)
{
    static const char *const tricks[] = {"", "}]", "\\\"}", "\\\\", "\\\\\\\"]{[", "{{[\\\"", "\\\\\\\\\\\\\\\"}}"};
    char filler[200];

    (void)state;
    memset(filler, 'x', sizeof(filler));
    for (size_t i = 0; i < ARRAY_SIZE(tricks); i++) {
        for (int n = 0; n < 150; n++) {
            char *skipped CLEANUP_FREE =
                mem_printf("{\"%.*s%s\":[[],{\"k\":\"%s%.*s%s\"}],\"n\":{\"%s\":[{\"a\":[\"%.*s\"]}]}}", n, filler,
                           tricks[i], tricks[i], n, filler, tricks[i], tricks[i], n, filler);
            char *text CLEANUP_FREE = mem_printf("{\"s\":%s,\"l\":[%s,%s],\"z\":%d}", skipped, skipped, skipped, n);

            assert_slice_equal(scan_get(slice_str(text), "s"), skipped);
            assert_int_equal(scan_count(scan_get(slice_str(text), "l")), 2);
            assert_int_equal(scan_int(scan_get(slice_str(text), "z"), -1), n);
        }
    }
}

/* Random brackets, quotes, and backslashes in strings; mostly letters in every other round, so that the end is far. */
static size_t make_brackets(uint64_t *seed, bool sparse, size_t len, char *ret_bytes)
{
    bool in_string = false;
    size_t n = 0;

    ret_bytes[n++] = '{';
    while (n < len) {
        unsigned pick;

        *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
        pick = (unsigned)(*seed >> 33) % (sparse ? 64 : 8);
        if (in_string && pick == 1) {
            ret_bytes[n++] = '\\';
            ret_bytes[n++] = "\\\"n"[(*seed >> 50) % 3];
        } else if (pick == 2) {
            in_string = !in_string;
            ret_bytes[n++] = '"';
        } else {
            ret_bytes[n++] = pick < 7 ? "xxx{}[]"[pick] : ',';
        }
    }
    return n;
}

/* The bytes end where a page does, and behind it is nothing to be read. */
static void test_every_way_skips_the_same(void **state)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *page = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t seed = 1;
    unsigned ways = 0;

    (void)state;
    for (int way = 0; way < SCAN_SKIP_WAYS; way++)
        ways += scan_skip_can(way);
    if (ways < 2)
        skip(); /* this processor has one way only */
    assert_true(page != MAP_FAILED && mprotect(page + size, size, PROT_NONE) == 0);
    for (size_t round = 0; round < 20000; round++) {
        char made[400];
        size_t len = make_brackets(&seed, round % 2, 1 + round % (sizeof(made) - 2), made);
        char *bytes = memcpy(page + size - len, made, len);
        const char *found = scan_skip_brackets_by(SCAN_SKIP_BYTES, bytes, bytes + len);

        for (int way = 1; way < SCAN_SKIP_WAYS; way++)
            if (scan_skip_can(way))
                assert_ptr_equal(scan_skip_brackets_by(way, bytes, bytes + len), found);
    }
    (void)munmap(page, 2 * size);
}

static void test_get_many_is_get(void **state)
{
    static const char *const paths[] = {"spec.n", "metadata.name", "kind", "spec",     "absent.x", "spec.containers",
                                        "spec.n", "kind.nope",     "a",    "status.x", "spec.on",  "metadata.labels.x"};
    static const char *const documents[] = {pod,
                                            "{}",
                                            "[1]",
                                            "",
                                            "{\"spec.n\":1,\"spec\":{\"n\":2}}",
                                            "{\"kind\":1,\"kind\":2,\"a\":{\"a\":3}}",
                                            "{\"a\":1",
                                            "{\"kin\":1,\"kindly\":2,\"spec\":{\"no\":1,\"\":4}}"};
    struct slice values[ARRAY_SIZE(paths)];

    (void)state;
    for (size_t d = 0; d < ARRAY_SIZE(documents); d++) {
        scan_get_many(slice_str(documents[d]), paths, ARRAY_SIZE(paths), values);
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
            struct slice one = scan_get(slice_str(documents[d]), paths[i]);

            assert_ptr_equal(values[i].data, one.data);
            assert_int_equal(values[i].len, one.len);
        }
    }
}

static void test_white_space_is_allowed(void **state)
{
    struct slice doc = SLICE_LIT(" { \"a\" : [ 1 , 2 ] ,\n \"b\" : { \"c\" : \"x\" } } ");
    struct scan_cursor c = scan_open(scan_get(doc, "a"));
    struct slice v;

    (void)state;
    assert_true(scan_element(&c, &v));
    assert_slice_equal(v, "1");
    assert_true(scan_element(&c, &v));
    assert_slice_equal(v, "2");
    assert_false(scan_element(&c, &v));
    assert_false(scan_element(&c, &v));
    assert_true(scan_text_is(scan_get(doc, "b.c"), "x"));
}

static void test_plan_finds_all_in_one_pass(void **state)
{
    static const char *const paths[] = {"spec.n", "metadata.name", "kind", "spec", "absent.x"};
    struct scan_plan *plan = scan_plan_new(paths, 5);
    struct slice values[5];

    (void)state;
    scan_run(plan, slice_str(pod), values);
    assert_slice_equal(values[0], "12");
    assert_slice_equal(values[1], "\"a\\\"b\"");
    assert_slice_equal(values[2], "\"Pod\"");
    assert_true(slice_starts(values[3], SLICE_LIT("{\"containers\"")));
    assert_null(values[4].data);
    scan_plan_free(plan);
}

static void note_hit(void *arg, size_t path, struct slice v)
{
    buf_printf(arg, "%zu=%.*s;", path, SLICE_ARGS(v));
}

static void test_plan_visits_every_element(void **state)
{
    static const char *const paths[] = {"spec.containers[].name", "spec.containers[].ports[].n", "metadata.labels"};
    struct scan_plan *plan = scan_plan_new(paths, 3);
    BUF_LOCAL(hits);

    (void)state;
    scan_visit(plan, slice_str(pod), note_hit, &hits);
    assert_string_equal(buf_cstr(&hits), "2={\"x\":\"{\\\\\"};0=\"c1\";1=1;1=2;0=\"c2\";");
    scan_plan_free(plan);
}

/* Every prefix of a document, and every document with one byte changed, is scanned without stepping outside. */
static void test_broken_bytes_stay_in_bounds(void **state)
{
    static const char *const paths[] = {"spec.containers[].ports[].n", "status", "metadata.name"};
    struct scan_plan *plan = scan_plan_new(paths, 3);

    (void)state;
    for (size_t len = 0; len < sizeof pod; len++) {
        for (size_t change = 0; change <= 6; change++) {
            char *copy = mem_dup(pod, len ? len : 1);
            BUF_LOCAL(hits);

            if (len && change)
                copy[len * change / 7] = "\"{}[],"[change - 1];
            scan_visit(plan, slice_make(copy, len), note_hit, &hits);
            scan_count(slice_make(copy, len));
            free(copy);
        }
    }
    scan_plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_follows_a_path),
        cmocka_unit_test(test_white_space_is_allowed),
        cmocka_unit_test(test_plan_finds_all_in_one_pass),
        cmocka_unit_test(test_plan_visits_every_element),
        cmocka_unit_test(test_get_many_is_get),
        cmocka_unit_test(test_values_are_skipped_at_any_length),
        cmocka_unit_test(test_every_way_skips_the_same),
        cmocka_unit_test(test_broken_bytes_stay_in_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
