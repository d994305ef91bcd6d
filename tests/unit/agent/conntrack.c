/* SPDX-License-Identifier: Apache-2.0 */
/* Which flows of datagrams are stale. */
#include "tests/unit/test.h"

#include <arpa/inet.h>

#include "agent/conntrack.h"

static struct conntrack_end end_of(const char *address, uint16_t port)
{
    struct conntrack_end end = {.port = port};

    assert_int_equal(inet_pton(AF_INET, address, &end.address), 1);
    return end;
}

static void flows_are_judged_by_their_front(void **state)
{
    const struct conntrack_end web[] = {end_of("10.244.0.3", 53), end_of("10.244.1.3", 53)};
    const struct conntrack_end here[] = {{.port = 10053}};
    const struct conntrack_front fronts[] = {
        {end_of("10.96.0.7", 53), web, ARRAY_SIZE(web)},
        {end_of("10.96.0.8", 53), NULL, 0}, /* gone, or nothing behind it */
        {end_of("10.96.0.10", 53), here, ARRAY_SIZE(here)},
        {{.port = 30053}, web, 1}, /* of the node */
    };
    const struct {
        struct conntrack_flow flow;
        bool stale;
    } rows[] = {
        {{end_of("10.96.0.7", 53), end_of("10.244.0.3", 53)}, false},
        {{end_of("10.96.0.7", 53), end_of("10.244.1.3", 53)}, false},
        {{end_of("10.96.0.7", 53), end_of("10.244.1.4", 53)}, true},
        {{end_of("10.96.0.7", 53), end_of("10.244.0.3", 54)}, true},
        /* From before there were rules. */
        {{end_of("10.96.0.7", 53), end_of("10.96.0.7", 53)}, true},
        {{end_of("10.96.0.7", 80), end_of("10.244.1.4", 53)}, false},
        {{end_of("10.96.0.8", 53), end_of("10.244.0.3", 53)}, true},
        {{end_of("10.96.0.10", 53), end_of("127.0.0.1", 10053)}, false},
        {{end_of("10.96.0.10", 53), end_of("10.244.0.3", 53)}, true},
        {{end_of("192.0.2.1", 30053), end_of("10.244.0.3", 53)}, false},
        {{end_of("192.0.2.1", 30053), end_of("10.244.1.3", 53)}, true},
        /* A socket of the host's own, or of another one. */
        {{end_of("192.0.2.1", 30053), end_of("192.0.2.1", 30053)}, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(conntrack_is_stale(fronts, ARRAY_SIZE(fronts), &rows[i].flow), rows[i].stale);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(flows_are_judged_by_their_front)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
