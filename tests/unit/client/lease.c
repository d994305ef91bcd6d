/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client/fake_transport.h"

#include "api/scan.h"
#include "client/lease.h"

struct world {
    struct clock_fake clock;
    struct loop *loop;
    struct fake_transport fake;
    struct client *client;
    struct lease_election *election;
    int started;
    int stopped;
};

static void on_started(void *arg)
{
    ((struct world *)arg)->started++;
}

static void on_stopped(void *arg)
{
    ((struct world *)arg)->stopped++;
}

static void world_start(struct world *w)
{
    memset(w, 0, sizeof(*w));
    clock_fake_init(&w->clock, 1700000000 * NS_PER_S);
    w->loop = loop_new(&w->clock.base);
    fake_transport_init(&w->fake);
    w->client = client_new(w->loop, &w->fake.base);
    w->election = lease_election_start(w->client, &(struct lease_election_options){
                                                      .namespace_ = "kube-system",
                                                      .name = "knarr",
                                                      .identity = "me",
                                                      .started = on_started,
                                                      .stopped = on_stopped,
                                                      .arg = w,
                                                  });
}

static void world_end(struct world *w)
{
    lease_election_free(w->election);
    client_free(w->client);
    loop_free(w->loop);
    fake_transport_clear(&w->fake);
}

#define LEASE(holder, rv)                                                                                              \
    "{\"metadata\":{\"resourceVersion\":\"" rv "\"},\"spec\":{\"holderIdentity\":\"" holder                            \
    "\",\"leaseDurationSeconds\":15,\"leaseTransitions\":4,\"acquireTime\":\"2020-01-01T00:00:00.000000Z\"}}"

static void test_missing_lease_is_made(void **state)
{
    struct world w;
    struct slice body;

    (void)state;
    world_start(&w);
    assert_string_equal(fake_last(&w.fake)->path, "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/knarr");
    fake_answer(fake_last(&w.fake), 404, "{}");
    assert_string_equal(fake_last(&w.fake)->method, "POST");
    body = slice_str(fake_last(&w.fake)->body);
    assert_true(scan_text_is(scan_get(body, "spec.holderIdentity"), "me"));
    assert_int_equal(scan_int(scan_get(body, "spec.leaseTransitions"), -1), 0);
    assert_int_equal(w.started, 0);
    fake_answer(fake_last(&w.fake), 201, "{}");
    assert_int_equal(w.started, 1);
    world_end(&w);
}

static void test_held_lease_is_left_alone_and_a_free_one_taken(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    fake_answer(fake_last(&w.fake), 200, LEASE("other", "9"));
    assert_int_equal(w.fake.count, 1);
    world_end(&w);

    world_start(&w);
    fake_answer(fake_last(&w.fake), 200, LEASE("", "9"));
    assert_string_equal(fake_last(&w.fake)->method, "PUT");
    assert_true(scan_text_is(scan_get(slice_str(fake_last(&w.fake)->body), "metadata.resourceVersion"), "9"));
    assert_int_equal(scan_int(scan_get(slice_str(fake_last(&w.fake)->body), "spec.leaseTransitions"), -1), 5);
    fake_answer(fake_last(&w.fake), 409, "{}");
    assert_int_equal(w.started, 0);
    world_end(&w);
}

static void test_our_own_lease_is_renewed(void **state)
{
    struct world w;
    struct slice body;

    (void)state;
    world_start(&w);
    fake_answer(fake_last(&w.fake), 200, LEASE("me", "9"));
    body = slice_str(fake_last(&w.fake)->body);
    assert_int_equal(scan_int(scan_get(body, "spec.leaseTransitions"), -1), 4);
    assert_true(scan_text_is(scan_get(body, "spec.acquireTime"), "2020-01-01T00:00:00.000000Z"));
    fake_answer(fake_last(&w.fake), 200, "{}");
    assert_int_equal(w.started, 1);
    assert_int_equal(w.stopped, 0);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_missing_lease_is_made),
        cmocka_unit_test(test_held_lease_is_left_alone_and_a_free_one_taken),
        cmocka_unit_test(test_our_own_lease_is_renewed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
