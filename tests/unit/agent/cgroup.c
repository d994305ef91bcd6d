/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/cgroup.h"

static void cpu_numbers_are_upstreams(void **state)
{
    assert_int_equal(cgroup_cpu_shares(0), 2);
    assert_int_equal(cgroup_cpu_shares(1), 2);
    assert_int_equal(cgroup_cpu_shares(100), 102);
    assert_int_equal(cgroup_cpu_shares(2000), 2048);
    assert_int_equal(cgroup_cpu_shares(INT64_MAX), 262144);
    assert_int_equal(cgroup_cpu_quota(0), -1);
    assert_int_equal(cgroup_cpu_quota(1), 1000);
    assert_int_equal(cgroup_cpu_quota(250), 25000);
    assert_int_equal(cgroup_cpu_weight(2), 1);
    assert_int_equal(cgroup_cpu_weight(1024), 39);
    assert_int_equal(cgroup_cpu_weight(262144), 10000);
}

static void oom_score_follows_the_request(void **state)
{
    int64_t gib = 1LL << 30;

    assert_int_equal(cgroup_oom_score(CGROUP_GUARANTEED, gib, 4 * gib), -997);
    assert_int_equal(cgroup_oom_score(CGROUP_BESTEFFORT, 0, 4 * gib), 1000);
    assert_int_equal(cgroup_oom_score(CGROUP_BURSTABLE, gib, 4 * gib), 750);
    assert_int_equal(cgroup_oom_score(CGROUP_BURSTABLE, 0, 4 * gib), 999);
    assert_int_equal(cgroup_oom_score(CGROUP_BURSTABLE, 4 * gib, 4 * gib), 3);
}

static void pods_stand_below_their_class(void **state)
{
    char *a CLEANUP_FREE = cgroup_pod_path("/knarr", CGROUP_GUARANTEED, "u1");
    char *b CLEANUP_FREE = cgroup_pod_path("/knarr", CGROUP_BESTEFFORT, "u1");

    assert_string_equal(a, "/knarr/podu1");
    assert_string_equal(b, "/knarr/besteffort/podu1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cpu_numbers_are_upstreams),
                                       cmocka_unit_test(oom_score_follows_the_request),
                                       cmocka_unit_test(pods_stand_below_their_class)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
