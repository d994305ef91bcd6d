/* SPDX-License-Identifier: Apache-2.0 */
/* The table of addresses against a plain list, over many random changes. */
#include "tests/unit/test.h"

#include "agent/address_table.h"
#include "lib/random.h"

#define ADDRESSES 40
#define THINGS    8
#define STEPS     20000

static char things[THINGS];

static size_t count_of(const struct address_table *t, struct in_addr address, const void *value)
{
    const void *found;
    size_t count = 0;
    size_t at = 0;

    while ((found = address_table_next(t, address, &at)))
        count += found == value;
    return count;
}

static void it_holds_what_was_put_in(void **state)
{
    struct address_table t = {0};
    size_t held[ADDRESSES][THINGS] = {{0}};

    assert_int_equal(count_of(&t, (struct in_addr){1}, things), 0);
    address_table_remove(&t, (struct in_addr){1}, things);
    random_set_seed(7);
    for (size_t step = 0; step < STEPS; step++) {
        size_t a = random_below(ADDRESSES);
        size_t v = random_below(THINGS);
        struct in_addr address = {htonl((uint32_t)a * 77 + 1)};
        size_t same = 0;

        for (size_t i = 0; i < THINGS; i++)
            same += held[a][i];
        /* It fills, then empties. */
        if (random_below(10) < (step < STEPS / 2 ? 7 : 2)) {
            address_table_add(&t, address, &things[v]);
            held[a][v] += same < ADDRESS_TABLE_SAME_MAX;
        } else {
            address_table_remove(&t, address, &things[v]);
            held[a][v] -= held[a][v] > 0;
        }
        assert_int_equal(count_of(&t, address, &things[v]), held[a][v]);
    }
    for (size_t a = 0; a < ADDRESSES; a++)
        for (size_t v = 0; v < THINGS; v++)
            assert_int_equal(count_of(&t, (struct in_addr){htonl((uint32_t)a * 77 + 1)}, &things[v]), held[a][v]);
    assert_true(t.cap <= 512);
    address_table_clear(&t);
    random_set_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_holds_what_was_put_in)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
