/* SPDX-License-Identifier: Apache-2.0 */
/* A cluster's first objects: all there, in two commits, and made once. */
#include "tests/unit/apiserver/harness.h"

#include <stdio.h>

#include "api/value.h"

static uint64_t commits(struct store *store)
{
    struct store_stats stats;

    store_get_stats(store, &stats);
    return stats.commits;
}

/* A store without a thread is stepped by hand: what a first start waits for is two fdatasyncs, not one per object. */
static void test_first_start_shares_commits(void **state)
{
    struct store_options store = {.manual = true, .segment_bytes = 1 << 20};
    struct apiserver_options options = {.fronts = 1};
    struct harness h = {0};
    struct store_stats stats;
    uint64_t after;
    ERROR_LOCAL(err);

    value_init();
    (void)snprintf(h.dir, sizeof(h.dir), "/tmp/knarr-test-XXXXXX");
    assert_non_null(mkdtemp(h.dir));
    store.path = h.dir;
    assert_int_equal(store_open(&store, &h.store, &err), 0);
    options.store = h.store;
    assert_int_equal(apiserver_make(&options, &h.server, &err), 0);
    assert_int_equal(apiserver_bootstrap(h.server, &err), 0);
    store_get_stats(h.store, &stats);
    assert_true(stats.keys > 100);
    assert_in_range(stats.commits, 1, 2);
    after = commits(h.store);
    assert_int_equal(apiserver_bootstrap(h.server, &err), 0);
    assert_int_equal(commits(h.store), after);

    /* From now on by its own thread. */
    assert_int_equal(store_start_writer(h.store, &err), 0);
    assert_false(store_step(h.store));
    harness_expect(&h, 201, "POST", "/api/v1/namespaces/default/configmaps", "{\"metadata\":{\"name\":\"c\"}}", NULL);
    assert_int_equal(commits(h.store), after + 1);
    harness_stop(&h);
}

static void test_what_is_there_at_first(void **state)
{
    struct harness h = {0};
    struct answer a CLEANUP_ANSWER = {0};

    harness_start(&h);
    harness_expect(&h, 200, "GET", "/api/v1/namespaces", NULL, &a);
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "items")), 4);
    harness_expect(&h, 200, "GET", "/api/v1/namespaces/default/services/kubernetes", NULL, &a);
    assert_answer(&a, "spec.clusterIP", "10.96.0.1");
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/default/services/kubernetes", NULL, NULL);
    apiserver_bootstrap_again(&h.server->fronts[0]);
    do
        harness_expect(&h, 200, "GET", "/api/v1/namespaces/default/services", NULL, &a);
    while (!answer_has(&a, "10.96.0.1"));
    answer_clear(&a);
    harness_stop(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_start_shares_commits),
        cmocka_unit_test(test_what_is_there_at_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
