/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/map.h"

#include <stdio.h>

#include "tests/unit/test.h"

static struct slice key_of(int i, char text[16])
{
    return slice_make(text, (size_t)snprintf(text, 16, "k%d", i));
}

/* Many keys, half of them removed again, so that probing runs over holes and the table grows several times. */
static void test_put_remove_get(void **state)
{
    static int values[2000];
    struct map m = {0};
    char text[16];
    size_t seen = 0;

    (void)state;
    for (int i = 0; i < 2000; i++)
        assert_null(map_put(&m, key_of(i, text), &values[i]));
    assert_ptr_equal(map_put(&m, SLICE_LIT("k7"), &values[0]), &values[7]);
    for (int i = 0; i < 2000; i += 2)
        assert_non_null(map_remove(&m, key_of(i, text)));
    assert_null(map_remove(&m, SLICE_LIT("k0")));
    assert_int_equal(m.count, 1000);
    for (int i = 0; i < 2000; i++)
        assert_ptr_equal(map_get(&m, key_of(i, text)), i % 2 == 0 ? NULL : i == 7 ? &values[0] : &values[i]);
    map_for_each (e, &m)
        seen++;
    assert_int_equal(seen, 1000);
    map_clear(&m, NULL);
    assert_null(map_get(&m, SLICE_LIT("k1")));
}

static void test_keys_are_bytes(void **state)
{
    struct map m = {0};
    int a, b;

    (void)state;
    assert_null(map_put(&m, slice_make("x\0y", 3), &a));
    assert_null(map_put(&m, slice_make("x", 1), &b));
    assert_ptr_equal(map_get(&m, slice_make("x\0y", 3)), &a);
    assert_ptr_equal(map_get(&m, slice_make("x", 1)), &b);
    assert_null(map_get(&m, SLICE_NONE));
    map_clear(&m, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_remove_get),
        cmocka_unit_test(test_keys_are_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
