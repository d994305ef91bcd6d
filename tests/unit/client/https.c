/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTPS transport against a server on the same loop. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "client/client.h"
#include "lib/http_server.h"
#include "lib/pki.h"

struct world {
    struct loop *loop;
    struct loop_timer *ticker; /* so that no turn waits for ever */
    struct pki_pair ca;
    struct pki_pair leaf;
    struct http_listener *listener;
    struct http_server *server;
    struct client *client;
    bool stopped;
    int requests; /* that reached the server */
    /* The answer. */
    int status;
    enum error_code code;
    int retry_after;
    char *body;
    bool done;
    /* Of a stream. */
    struct http_stream *stream;
    struct buf streamed;
    bool closed;
};

static void nothing(void *arg)
{
    (void)arg;
}

static void on_closed(void *arg)
{
    struct world *w = arg;

    w->stream = NULL;
    w->closed = true;
}

/* /echo says what it was asked; /busy refuses; /watch streams. */
static void handle(struct http_request *req, void *arg)
{
    static const struct http_header busy[] = {{"retry-after", {"7", 1}}};
    static const struct http_stream_events events = {NULL, on_closed};
    struct world *w = arg;
    struct refbuf *body CLEANUP_REFBUF = NULL;
    BUF_LOCAL(text);

    w->requests++;
    if (slice_is(req->path, "/watch")) {
        w->stream = http_stream_start(req, 200, "application/json", NULL, 0, &events, w);
        body = refbuf_new("one\n", 4);
        http_stream_write(w->stream, body);
        return;
    }
    buf_printf(&text, "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s", SLICE_ARGS(req->method), SLICE_ARGS(req->query),
               SLICE_ARGS(http_request_header(req, "authorization")), SLICE_ARGS(http_request_header(req, "accept")),
               SLICE_ARGS(http_request_header(req, "content-type")), SLICE_ARGS(req->body));
    body = refbuf_from(&text);
    if (slice_is(req->path, "/busy"))
        http_respond(req, 429, "text/plain", busy, 1, body);
    else
        http_respond(req, 200, "text/plain", NULL, 0, body);
}

static void on_stopped(void *arg)
{
    struct world *w = arg;

    w->stopped = true;
}

static void turn_until(struct world *w, const bool *flag)
{
    for (int i = 0; i < 10000 && !*flag; i++)
        loop_turn(w->loop, true);
    assert_true(*flag);
}

static void world_start(struct world *w)
{
    static const char *const address = "127.0.0.1";
    struct pki_subject subject = {.common_name = "server", .ip_addresses = &address, .ip_address_count = 1};
    struct http_server_options options = {.address = address};
    char *url CLEANUP_FREE = NULL;

    memset(w, 0, sizeof(*w));
    w->loop = loop_new(clock_system());
    w->ticker = loop_timer_new(w->loop, nothing, NULL);
    loop_timer_start(w->ticker, 1, 1);
    assert_int_equal(pki_make_ca("ca", clock_system(), 3600, &w->ca, NULL), 0);
    assert_int_equal(pki_make_leaf(&w->ca, &subject, PKI_USAGE_SERVER, clock_system(), 3600, &w->leaf, NULL), 0);
    options.certificate = slice_str(w->leaf.certificate);
    options.key = slice_str(w->leaf.key);
    assert_int_equal(http_listener_open(&options, &w->listener, NULL), 0);
    w->server = http_server_start(w->listener, w->loop, handle, w);
    url = mem_printf("https://127.0.0.1:%u/", http_listener_port(w->listener));
    w->client = client_new(w->loop, client_transport_https(w->loop, &(struct client_https_options){
                                                                        .server = url,
                                                                        .ca = slice_str(w->ca.certificate),
                                                                        .token = "secret",
                                                                    }));
}

static void world_end(struct world *w)
{
    client_free(w->client);
    http_server_stop(w->server, 0, on_stopped, w);
    turn_until(w, &w->stopped);
    http_server_free(w->server);
    http_listener_free(w->listener);
    loop_timer_free(w->ticker);
    loop_free(w->loop);
    pki_pair_clear(&w->ca);
    pki_pair_clear(&w->leaf);
    buf_free(&w->streamed);
    free(w->body);
}

static void on_done(void *arg, int status, struct slice body, const struct error *err)
{
    struct world *w = arg;

    w->status = status;
    w->code = err ? err->code : ERROR_NONE;
    w->retry_after = err ? err->retry_after_seconds : 0;
    w->body = slice_dup(body);
    w->done = true;
}

static void test_request_goes_out_whole(void **state)
{
    struct world w;
    struct client_request request = {.method = "PATCH",
                                     .path = "/echo",
                                     .query = "a=b%20c",
                                     .content_type = "application/merge-patch+json",
                                     .body = SLICE_LIT("{\"x\":1}")};

    (void)state;
    world_start(&w);
    (void)client_send(w.client, &request, on_done, &w);
    assert_false(w.done);
    turn_until(&w, &w.done);
    assert_int_equal(w.code, ERROR_NONE);
    assert_string_equal(w.body, "PATCH|a=b%20c|Bearer secret|application/json|application/merge-patch+json|{\"x\":1}");
    world_end(&w);
}

static void test_refusal_keeps_its_retry_after(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    (void)client_send(w.client, &(struct client_request){.method = "GET", .path = "/busy"}, on_done, &w);
    turn_until(&w, &w.done);
    assert_int_equal(w.status, 429);
    assert_int_equal(w.code, ERROR_TOO_MANY_REQUESTS);
    assert_int_equal(w.retry_after, 7);
    world_end(&w);
}

static void test_unknown_ca_is_an_error_and_nothing_is_sent(void **state)
{
    struct world w;
    struct pki_pair other = {0};
    char *url CLEANUP_FREE = NULL;

    (void)state;
    world_start(&w);
    client_free(w.client);
    assert_int_equal(pki_make_ca("ca", clock_system(), 3600, &other, NULL), 0);
    url = mem_printf("https://127.0.0.1:%u", http_listener_port(w.listener));
    w.client =
        client_new(w.loop, client_transport_https(w.loop, &(struct client_https_options){
                                                              .server = url, .ca = slice_str(other.certificate)}));
    (void)client_send(w.client, &(struct client_request){.method = "GET", .path = "/echo"}, on_done, &w);
    turn_until(&w, &w.done);
    assert_int_equal(w.status, 0);
    assert_int_not_equal(w.code, ERROR_NONE);
    assert_int_equal(w.requests, 0);
    pki_pair_clear(&other);
    world_end(&w);
}

static void on_stream_head(void *arg, int status, const char *content_type, unsigned retry_after_s)
{
    (void)arg;
    assert_int_equal(status, 200);
    assert_string_equal(content_type, "application/json");
    assert_int_equal(retry_after_s, 0);
}

static void on_stream_end(void *arg, const struct error *err)
{
    (void)arg;
    fail_msg("a cancelled stream must not end: %s", err ? error_text(err) : "complete");
}

static void on_stream_data(void *arg, struct slice data)
{
    struct world *w = arg;

    buf_append_slice(&w->streamed, data);
    w->done = true;
}

static void test_cancelled_stream_closes_at_the_server(void **state)
{
    static const struct client_events events = {on_stream_head, on_stream_data, on_stream_end};
    struct world w;
    struct client_call *call;

    (void)state;
    world_start(&w);
    call = client_stream(w.client, &(struct client_request){.method = "GET", .path = "/watch"}, &events, &w);
    turn_until(&w, &w.done);
    assert_string_equal(buf_cstr(&w.streamed), "one\n");
    client_call_cancel(call);
    turn_until(&w, &w.closed);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_goes_out_whole),
        cmocka_unit_test(test_refusal_keeps_its_retry_after),
        cmocka_unit_test(test_unknown_ca_is_an_error_and_nothing_is_sent),
        cmocka_unit_test(test_cancelled_stream_closes_at_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
