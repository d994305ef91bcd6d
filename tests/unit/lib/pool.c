/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pool.h"

#include "tests/unit/test.h"

static char order[8];

static void note(void *arg)
{
    order[strlen(order)] = *(const char *)arg;
}

static void test_hooks_run_in_reverse_before_the_memory_goes(void **state)
{
    struct pool *pool = pool_new();

    (void)state;
    memset(order, 0, sizeof(order));
    pool_on_free(pool, note, pool_strdup(pool, "a"));
    pool_on_free(pool, note, pool_printf(pool, "%c", 'b'));
    pool_on_free(pool, note, pool_slice_dup(pool, SLICE_LIT("c")));
    pool_free(pool);
    assert_string_equal(order, "cba");
    pool_free(NULL);
}

static void test_memory_is_zeroed_and_aligned(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();

    (void)state;
    for (size_t size = 1; size < 20000; size = size * 2 + 1) {
        unsigned char *p = pool_alloc(pool, size);

        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, size);
    }
}

static void test_join(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    const char *const pieces[] = {"", "ab", "", "c"};

    (void)state;
    assert_string_equal(pool_join(pool, pieces, ARRAY_SIZE(pieces)), "abc");
    assert_string_equal(pool_join(pool, pieces, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hooks_run_in_reverse_before_the_memory_goes),
        cmocka_unit_test(test_memory_is_zeroed_and_aligned),
        cmocka_unit_test(test_join),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
