/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/network.h"

#include "tests/unit/test.h"

static const char routes[] = "default via 192.0.2.1 dev eth0\n"
                             "10.0.0.0/16 dev eth1 proto kernel scope link src 10.0.0.5\n"
                             "10.244.0.0/24 dev knarr0 proto kernel scope link src 10.244.0.1\n"
                             "10.244.1.0/24 via 192.0.2.11 dev eth0 proto 180\n"
                             "172.16.5.9 dev tun0 scope link\n";

static void expect(const char *cidr, const char *start)
{
    struct slice route = network_overlap(slice_str(routes), "knarr0", cidr);

    if (!start) {
        assert_int_equal(route.len, 0);
        return;
    }
    assert_true(route.len > strlen(start));
    assert_memory_equal(route.data, start, strlen(start));
}

static void test_overlap(void **state)
{
    (void)state;
    expect("10.1.0.0/24", NULL);
    expect("10.0.7.0/24", "10.0.0.0/16 dev eth1"); /* inside another's */
    expect("10.0.0.0/8", "10.0.0.0/16 dev eth1");  /* around it */
    expect("172.16.5.0/24", "172.16.5.9 dev tun0");
    expect("10.244.0.0/24", NULL); /* the bridge's own */
    expect("10.244.1.0/24", NULL); /* another node's, by our own route */
    expect("192.0.2.0/24", NULL);  /* the default route is not an overlap */
    expect("nonsense", NULL);
    assert_int_equal(network_overlap(SLICE_NONE, "knarr0", "10.1.0.0/24").len, 0);
    /* The same route by a device with a longer name is another's. */
    assert_int_not_equal(network_overlap(slice_str(routes), "knarr", "10.244.0.0/24").len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_overlap)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
