/* SPDX-License-Identifier: Apache-2.0 */
/* When certificates are renewed, in virtual time. */
#include "tests/unit/test.h"

#include "agent/renew.h"

#define DAY (24LL * 3600 * NS_PER_S)

static void test_between_70_and_90_percent(void **state)
{
    bool seen[20] = {false};
    size_t different = 0;

    (void)state;
    for (int64_t i = 0; i < 100; i++) {
        int64_t from = i * 1000 * NS_PER_S;
        int64_t to = from + 365 * DAY + i * NS_PER_S;
        int64_t due = renew_due_ns(from, to, 0);
        int64_t percent = (due - from) * 10 / ((to - from) / 100);

        assert_in_range(percent, 700, 890);
        assert_true(due == renew_due_ns(from, to, 0)); /* asking twice gives the same */
        different += !seen[(percent + 5) / 10 - 70];
        seen[(percent + 5) / 10 - 70] = true;
    }
    assert_true(different > 10); /* a cluster's nodes do not come at once */
}

static void test_a_share_of_ones_own(void **state)
{
    (void)state;
    assert_int_equal(renew_due_ns(0, 1000 * NS_PER_S, 10), 100 * NS_PER_S);
    assert_int_equal(renew_due_ns(50 * NS_PER_S, 150 * NS_PER_S, 50), 100 * NS_PER_S);
}

/* Failures are tried again sooner when the end is near, so that there are always several tries left. */
static void test_retries_get_denser(void **state)
{
    (void)state;
    assert_int_equal(renew_retry_ms(0, 30 * DAY), 60000);
    assert_int_equal(renew_retry_ms(0, 100 * NS_PER_S), 10000);
    assert_int_equal(renew_retry_ms(0, 3 * NS_PER_S), 1000);
    assert_int_equal(renew_retry_ms(10 * NS_PER_S, 3 * NS_PER_S), 1000); /* over already: the server may mend */
    assert_int_equal(renew_retry_ms(10 * NS_PER_S, 0), 60000);           /* none yet */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_between_70_and_90_percent),
        cmocka_unit_test(test_a_share_of_ones_own),
        cmocka_unit_test(test_retries_get_denser),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
