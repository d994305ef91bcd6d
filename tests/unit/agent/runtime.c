/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/runtime.h"

static void test_crun_only_where_it_runs(void **state)
{
    (void)state;
    assert_string_equal(runtime_choose(CGROUP_V1, "runc", "crun"), "runc");
    assert_string_equal(runtime_choose(CGROUP_V2, "runc", "crun"), "runc");
    assert_string_equal(runtime_choose(CGROUP_V2, NULL, "crun"), "crun");
    assert_null(runtime_choose(CGROUP_V1, NULL, "crun"));
    assert_null(runtime_choose(CGROUP_V2, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crun_only_where_it_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
