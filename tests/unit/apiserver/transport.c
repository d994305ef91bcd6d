/* SPDX-License-Identifier: Apache-2.0 */
/* The in-process transport: two loops, turned in turn by one thread. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;
static struct loop *loop; /* the client's */
static struct client_transport *transport;

static int start(void **state)
{
    static const char *const groups[] = {"system:masters"};

    harness_start(&h);
    loop = loop_new(clock_system());
    transport = apiserver_transport(h.server, loop, "system:test", groups, 1);
    return 0;
}

static void turn(void)
{
    loop_turn(h.server->fronts[0].loop, false);
    loop_turn(loop, false);
}

static int stop(void **state)
{
    transport->ops->free(transport);
    for (int i = 0; i < 4; i++)
        turn();
    loop_free(loop);
    harness_stop(&h);
    return 0;
}

struct seen {
    int status;
    int ends;
    enum error_code failed;
    struct buf body;
};

static void on_head(void *arg, int status, const char *content_type, unsigned retry_after_s)
{
    ((struct seen *)arg)->status = status;
}

static void on_data(void *arg, struct slice data)
{
    buf_append_slice(&((struct seen *)arg)->body, data);
}

static void on_end(void *arg, const struct error *err)
{
    struct seen *s = arg;

    s->ends++;
    s->failed = err ? err->code : ERROR_NONE;
}

static const struct client_events events = {on_head, on_data, on_end};

static void *send(struct seen *s, const char *path, const char *query, unsigned timeout_ms)
{
    const struct client_request request = {.method = "GET", .path = path, .query = query, .timeout_ms = timeout_ms};

    return transport->ops->send(transport, &request, &events, s);
}

static void test_answer(void **state)
{
    struct seen s = {0};

    (void)send(&s, "/apis/authentication.k8s.io/v1/selfsubjectreviews", NULL, 0);
    assert_int_equal(s.ends, 0); /* never from inside the call */
    while (!s.ends)
        turn();
    assert_int_equal(s.status, 405);
    buf_free(&s.body);
    s = (struct seen){0};
    (void)send(&s, "/api/v1/namespaces/default", NULL, 0);
    while (!s.ends)
        turn();
    assert_int_equal(s.status, 200);
    assert_true(scan_text_is(scan_get(buf_slice(&s.body), "metadata.name"), "default"));
    buf_free(&s.body);
}

static void test_cancel(void **state)
{
    struct seen s = {0};
    void *call = send(&s, "/api/v1/namespaces", "watch=true", 0);

    transport->ops->cancel(transport, call); /* before the front has seen it */
    for (int i = 0; i < 8; i++)
        turn();
    assert_int_equal(s.status, 0);
    assert_int_equal(s.ends, 0);
    call = send(&s, "/api/v1/namespaces", "watch=true", 0);
    while (!s.body.len)
        turn();
    transport->ops->cancel(transport, call);
    buf_reset(&s.body);
    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"unseen\"}}", NULL);
    for (int i = 0; i < 8; i++)
        turn();
    assert_int_equal(s.body.len, 0);
    assert_int_equal(s.ends, 0);
    buf_free(&s.body);
}

static void test_timeout(void **state)
{
    struct seen s = {0};

    (void)send(&s, "/api/v1/namespaces", "watch=true", 20);
    while (!s.ends)
        turn();
    assert_int_equal(s.failed, ERROR_TIMEOUT);
    for (int i = 0; i < 8; i++)
        turn();
    assert_int_equal(s.ends, 1);
    buf_free(&s.body);
}

static void test_stream_end(void **state)
{
    struct seen s = {0};

    (void)send(&s, "/api/v1/namespaces", "watch=true", 0);
    while (!s.body.len)
        turn();
    front_end_streams(&h.server->fronts[0]);
    while (!s.ends)
        turn();
    assert_int_equal(s.failed, ERROR_NONE);
    buf_free(&s.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_stream_end),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
