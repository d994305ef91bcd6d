/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client/fake_transport.h"

#include "api/scan.h"
#include "client/event.h"

struct world {
    struct clock_fake clock;
    struct loop *loop;
    struct fake_transport fake;
    struct client *client;
    struct event_recorder *recorder;
};

static const struct event_object pod = {"v1", "Pod", "a", "x", "u-1", "7", NULL};
static const struct event_object node = {"v1", "Node", "", "n1", "n1", NULL, NULL};

static void world_start(struct world *w)
{
    memset(w, 0, sizeof(*w));
    clock_fake_init(&w->clock, 1700000000 * NS_PER_S);
    w->loop = loop_new(&w->clock.base);
    fake_transport_init(&w->fake);
    w->client = client_new(w->loop, &w->fake.base);
    w->recorder = event_recorder_new(w->client, "test-controller", NULL);
}

static void world_end(struct world *w)
{
    event_recorder_free(w->recorder);
    client_free(w->client);
    loop_free(w->loop);
    fake_transport_clear(&w->fake);
}

static void expect_text(const struct fake_call *call, const char *path, const char *text)
{
    char *value CLEANUP_FREE = scan_text_dup(scan_get(slice_str(call->body), path));

    assert_non_null(value);
    assert_string_equal(value, text);
}

static void test_first_one_is_created(void **state)
{
    struct world w;
    struct fake_call *call;

    (void)state;
    world_start(&w);
    event_record(w.recorder, &pod, true, "Failed", "it \"%s\"", "broke");
    call = fake_last(&w.fake);
    assert_string_equal(call->method, "POST");
    assert_string_equal(call->path, "/api/v1/namespaces/a/events");
    expect_text(call, "involvedObject.uid", "u-1");
    expect_text(call, "involvedObject.apiVersion", "v1");
    expect_text(call, "message", "it \"broke\"");
    expect_text(call, "type", "Warning");
    expect_text(call, "source.component", "test-controller");
    expect_text(call, "firstTimestamp", "2023-11-14T22:13:20Z");
    assert_int_equal(scan_int(scan_get(slice_str(call->body), "count"), 0), 1);
    world_end(&w);
}

static void test_cluster_scoped_goes_to_default(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    event_record(w.recorder, &node, false, "Ready", "yes");
    assert_string_equal(fake_last(&w.fake)->path, "/api/v1/namespaces/default/events");
    expect_text(fake_last(&w.fake), "type", "Normal");
    assert_null(scan_get(slice_str(fake_last(&w.fake)->body), "involvedObject.namespace").data);
    world_end(&w);
}

static void test_repeats_become_a_count(void **state)
{
    struct world w;
    struct fake_call *call;
    struct event_object newer = pod;

    (void)state;
    world_start(&w);
    event_record(w.recorder, &pod, false, "R", "same");
    newer.resource_version = "8";
    event_record(w.recorder, &newer, false, "R", "same");
    event_record(w.recorder, &pod, false, "R", "same");
    event_record(w.recorder, &pod, false, "R", "other");
    assert_int_equal(w.fake.count, 1); /* one request at a time */
    fake_answer(&w.fake.calls[0], 201, "{}");
    call = &w.fake.calls[1];
    assert_string_equal(call->method, "PATCH");
    assert_string_equal(call->content_type, "application/merge-patch+json");
    assert_int_equal(scan_int(scan_get(slice_str(call->body), "count"), 0), 3);
    fake_answer(call, 200, "{}");
    assert_string_equal(w.fake.calls[2].method, "POST");
    expect_text(&w.fake.calls[2], "message", "other");
    world_end(&w);
}

static void test_after_ten_minutes_it_is_a_new_one(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    event_record(w.recorder, &pod, false, "R", "same");
    fake_answer(fake_last(&w.fake), 201, "{}");
    clock_fake_advance(&w.clock, 600 * NS_PER_S);
    event_record(w.recorder, &pod, false, "R", "same");
    assert_string_equal(fake_last(&w.fake)->method, "POST");
    assert_int_equal(w.fake.count, 2);
    world_end(&w);
}

static void test_expired_on_the_server_is_made_again(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    event_record(w.recorder, &pod, false, "R", "same");
    fake_answer(fake_last(&w.fake), 201, "{}");
    event_record(w.recorder, &pod, false, "R", "same");
    fake_answer(fake_last(&w.fake), 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\"}");
    assert_int_equal(w.fake.count, 3);
    assert_string_equal(fake_last(&w.fake)->method, "POST");
    assert_int_equal(scan_int(scan_get(slice_str(fake_last(&w.fake)->body), "count"), 0), 2);
    world_end(&w);
}

static void test_what_waits_is_bounded(void **state)
{
    struct world w;
    struct fake_call *call;

    (void)state;
    world_start(&w);
    for (int i = 0; i < 3000; i++)
        event_record(w.recorder, &pod, false, "R", "number %d", i);
    /* Only one is on its way, and the recorder still works afterwards. */
    assert_int_equal(w.fake.count, 1);
    for (int i = 0; i < 200; i++) {
        call = fake_last(&w.fake);
        fake_answer(call, 201, "{}");
        assert_ptr_not_equal(call, fake_last(&w.fake));
    }
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_one_is_created),
        cmocka_unit_test(test_cluster_scoped_goes_to_default),
        cmocka_unit_test(test_repeats_become_a_count),
        cmocka_unit_test(test_after_ten_minutes_it_is_a_new_one),
        cmocka_unit_test(test_expired_on_the_server_is_made_again),
        cmocka_unit_test(test_what_waits_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
