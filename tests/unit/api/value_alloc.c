/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <pthread.h>

#include "api/value.h"
#include "api/value_alloc.h"

#define BLOCKS 64

static void test_blocks_come_again_and_never_too_small(void **state)
{
    (void)state;
    for (size_t size = 0; size < 600; size++) {
        char *blocks[BLOCKS];

        for (size_t i = 0; i < BLOCKS; i++) {
            blocks[i] = value_alloc(size);
            assert_non_null(blocks[i]);
            memset(blocks[i], (int)i, size);
        }
        for (size_t i = 0; i < BLOCKS; i++) {
            for (size_t at = 0; at < size; at++)
                assert_int_equal(blocks[i][at], (char)i);
            value_release(blocks[i]);
        }
    }
    value_release(NULL);
    free(value_alloc(40)); /* it is malloc's own, both ways */
    value_release(malloc(40));
}

static void test_what_is_kept_is_bounded(void **state)
{
    enum { MANY = 4 * VALUE_KEEP_MAX / 256 };
    void **blocks = calloc(MANY, sizeof(*blocks));

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        blocks[i] = value_alloc(256);
    for (size_t i = 0; i < MANY; i++)
        value_release(blocks[i]);
    assert_true(value_kept() <= VALUE_KEEP_MAX);
    free(blocks);
}

static void *free_it(void *arg)
{
    for (size_t i = 0; i < 200; i++)
        value_free(value_parse_lenient(SLICE_LIT("{\"a\":[1,2,{\"b\":\"c\"}]}"), NULL));
    value_free(arg);
    return (void *)(value_kept() + 1);
}

/* Made by one thread, freed by another that ends afterwards. */
static void test_trees_go_from_thread_to_thread(void **state)
{
    struct value *trees[8];
    pthread_t threads[ARRAY_SIZE(trees)];
    void *kept;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
        trees[i] = value_parse(SLICE_LIT("{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"b\"}}}"), NULL);
        assert_int_equal(pthread_create(&threads[i], NULL, free_it, trees[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(trees); i++) {
        assert_int_equal(pthread_join(threads[i], &kept), 0);
        assert_non_null(kept);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_come_again_and_never_too_small),
        cmocka_unit_test(test_what_is_kept_is_bounded),
        cmocka_unit_test(test_trees_go_from_thread_to_thread),
    };

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
