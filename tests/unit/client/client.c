/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client/fake_transport.h"

#include <stdio.h>

struct seen {
    struct client *client;
    int count;
    int status;
    bool failed;
    enum error_code code;
    int retry_after;
    char *body;
    bool free_client;
};

static void on_done(void *arg, int status, struct slice body, const struct error *err)
{
    struct seen *seen = arg;

    seen->count++;
    seen->status = status;
    seen->failed = err != NULL;
    seen->code = err ? err->code : ERROR_NONE;
    seen->retry_after = err ? err->retry_after_seconds : 0;
    free(seen->body);
    seen->body = slice_dup(body);
    if (seen->free_client)
        client_free(seen->client);
}

static const struct client_request get_pods = {.method = "GET", .path = "/api/v1/pods"};

static void test_gathers_the_whole_answer(void **state)
{
    struct loop *loop = loop_new(clock_system());
    struct fake_transport fake;
    struct seen seen = {0};
    struct client *client;

    (void)state;
    fake_transport_init(&fake);
    client = client_new(loop, &fake.base);
    (void)client_send(client, &get_pods, on_done, &seen);
    fake_answer(fake_last(&fake), 200, "{\"kind\":\"PodList\"}");
    assert_int_equal(seen.count, 1);
    assert_false(seen.failed);
    assert_string_equal(seen.body, "{\"kind\":\"PodList\"}");
    free(seen.body);
    client_free(client);
    loop_free(loop);
    fake_transport_clear(&fake);
}

static void test_status_becomes_an_error(void **state)
{
    struct loop *loop = loop_new(clock_system());
    struct fake_transport fake;
    struct seen seen = {0};
    struct client *client;
    struct fake_call *call;

    (void)state;
    fake_transport_init(&fake);
    client = client_new(loop, &fake.base);
    (void)client_send(client, &get_pods, on_done, &seen);
    call = fake_last(&fake);
    call->events.head(call->arg, 409, "application/json", 7);
    fake_data(call, "{\"kind\":\"Status\",\"reason\":\"AlreadyExists\",\"message\":\"pods \\\"x\\\" already exists\"}");
    fake_end(call, NULL);
    assert_true(seen.failed);
    assert_int_equal(seen.status, 409);
    assert_int_equal(seen.code, ERROR_ALREADY_EXISTS);
    assert_int_equal(seen.retry_after, 7);
    free(seen.body);
    client_free(client);
    loop_free(loop);
    fake_transport_clear(&fake);
}

static void test_broken_connection_is_an_error(void **state)
{
    struct loop *loop = loop_new(clock_system());
    struct fake_transport fake;
    struct seen seen = {0};
    struct client *client;

    (void)state;
    fake_transport_init(&fake);
    client = client_new(loop, &fake.base);
    (void)client_send(client, &get_pods, on_done, &seen);
    fake_head(fake_last(&fake), 200);
    fake_data(fake_last(&fake), "{\"half");
    fake_break(fake_last(&fake));
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.code, ERROR_IO);
    free(seen.body);
    client_free(client);
    loop_free(loop);
    fake_transport_clear(&fake);
}

static void test_cancel_and_free_call_nobody(void **state)
{
    struct loop *loop = loop_new(clock_system());
    struct fake_transport fake;
    struct seen seen = {0};
    struct client *client;

    (void)state;
    fake_transport_init(&fake);
    client = client_new(loop, &fake.base);
    client_call_cancel(client_send(client, &get_pods, on_done, &seen));
    (void)client_send(client, &get_pods, on_done, &seen);
    client_free(client);
    assert_true(fake.calls[0].cancelled);
    assert_true(fake.calls[1].cancelled);
    assert_int_equal(seen.count, 0);
    loop_free(loop);
    fake_transport_clear(&fake);
}

static void test_client_may_be_freed_from_done(void **state)
{
    struct loop *loop = loop_new(clock_system());
    struct fake_transport fake;
    struct seen seen = {0};

    (void)state;
    fake_transport_init(&fake);
    seen.client = client_new(loop, &fake.base);
    seen.free_client = true;
    (void)client_send(seen.client, &get_pods, on_done, &seen);
    (void)client_send(seen.client, &get_pods, on_done, &seen);
    fake_answer(&fake.calls[0], 200, "{}");
    assert_int_equal(seen.count, 1);
    assert_true(fake.calls[1].cancelled);
    free(seen.body);
    loop_free(loop);
    fake_transport_clear(&fake);
}

static void test_time_limit_cancels(void **state)
{
    struct loop *loop = loop_new(clock_system());
    struct fake_transport fake;
    struct seen seen = {0};
    struct client *client;
    struct client_request request = get_pods;

    (void)state;
    fake_transport_init(&fake);
    client = client_new(loop, &fake.base);
    request.timeout_ms = 1;
    (void)client_send(client, &request, on_done, &seen);
    while (!seen.count)
        loop_turn(loop, true);
    assert_int_equal(seen.code, ERROR_TIMEOUT);
    assert_true(fake.calls[0].cancelled);
    free(seen.body);
    client_free(client);
    loop_free(loop);
    fake_transport_clear(&fake);
}

static void cancel_on_data(void *arg, struct slice data)
{
    struct client_call **call = arg;

    (void)data;
    client_call_cancel(*call);
    *call = NULL;
}

static void test_stream_may_be_cancelled_from_data(void **state)
{
    static const struct client_events events = {NULL, cancel_on_data, NULL};
    struct loop *loop = loop_new(clock_system());
    struct fake_transport fake;
    struct client_call *call;
    struct client *client;

    (void)state;
    fake_transport_init(&fake);
    client = client_new(loop, &fake.base);
    call = client_stream(client, &get_pods, &events, &call);
    fake_head(fake_last(&fake), 200);
    fake_data(fake_last(&fake), "x");
    assert_null(call);
    assert_true(fake.calls[0].cancelled);
    client_free(client);
    loop_free(loop);
    fake_transport_clear(&fake);
}

static void test_many_requests_wait_their_turn(void **state)
{
    struct loop *loop = loop_new(clock_system());
    struct fake_transport fake;
    struct seen seen = {0};
    struct client *client;
    struct client_call *calls[40];
    char path[16];

    (void)state;
    fake_transport_init(&fake);
    client = client_new(loop, &fake.base);
    for (int i = 0; i < 40; i++) {
        (void)snprintf(path, sizeof(path), "/%d", i);
        calls[i] = client_send(client, &(struct client_request){.method = "GET", .path = path}, on_done, &seen);
    }
    assert_int_equal(fake.count, 32);
    fake_answer(&fake.calls[7], 200, "{}");
    assert_int_equal(fake.count, 33);
    assert_string_equal(fake_last(&fake)->path, "/32");
    /* One that waits goes without a trace; one under way makes room. */
    client_call_cancel(calls[33]);
    assert_int_equal(fake.count, 33);
    client_call_cancel(calls[0]);
    assert_int_equal(fake.count, 34);
    assert_string_equal(fake_last(&fake)->path, "/34");
    fake_break(&fake.calls[1]);
    assert_string_equal(fake_last(&fake)->path, "/35");
    assert_int_equal(seen.count, 2);
    free(seen.body);
    client_free(client);
    assert_int_equal(fake.count, 35);
    loop_free(loop);
    fake_transport_clear(&fake);
}

static void test_paths(void **state)
{
    static const struct schema_kind pod = {.group = "", .version = "v1", .plural = "pods", .namespaced = true};
    static const struct schema_kind deployment = {
        .group = "apps", .version = "v1", .plural = "deployments", .namespaced = true};
    static const struct schema_kind node = {.group = "", .version = "v1", .plural = "nodes"};
    static const struct {
        const struct schema_kind *kind;
        const char *ns, *name, *sub, *path;
    } cases[] = {
        {&pod, NULL, NULL, NULL, "/api/v1/pods"},
        {&pod, "a", NULL, NULL, "/api/v1/namespaces/a/pods"},
        {&pod, "a", "b", "status", "/api/v1/namespaces/a/pods/b/status"},
        {&deployment, "a", "b", NULL, "/apis/apps/v1/namespaces/a/deployments/b"},
        {&node, "a", "n", NULL, "/api/v1/nodes/n"},
        {&node, "", "system:x/..", NULL, "/api/v1/nodes/system%3Ax%2F.."},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *path CLEANUP_FREE = client_path(cases[i].kind, cases[i].ns, cases[i].name, cases[i].sub);

        assert_string_equal(path, cases[i].path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gathers_the_whole_answer),
        cmocka_unit_test(test_status_becomes_an_error),
        cmocka_unit_test(test_broken_connection_is_an_error),
        cmocka_unit_test(test_cancel_and_free_call_nobody),
        cmocka_unit_test(test_client_may_be_freed_from_done),
        cmocka_unit_test(test_time_limit_cancels),
        cmocka_unit_test(test_stream_may_be_cancelled_from_data),
        cmocka_unit_test(test_many_requests_wait_their_turn),
        cmocka_unit_test(test_paths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
