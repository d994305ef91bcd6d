/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_tunnel.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include "tests/unit/lib/http_fixture.h"

#define TURNS_MAX 20000
#define BIG       (1u << 20)

static struct fixture fixture;
static struct loop *loop;
static struct http_client *client;
static struct loop_timer *ticker; /* so that no turn waits for ever */

/* What came of one tunnel. */
struct outcome {
    struct http_tunnel *tunnel;
    struct http_socket *socket;
    int status;
    char *upgrade;
    char *body;
    enum error_code code;
    struct buf data;
    bool opened;
    bool closed;
    bool drained;
};

static void on_data(void *arg, struct slice data)
{
    buf_append_slice(&((struct outcome *)arg)->data, data);
}

static void on_drained(void *arg)
{
    ((struct outcome *)arg)->drained = true;
}

static void on_closed(void *arg)
{
    struct outcome *o = arg;

    assert_false(o->closed);
    o->closed = true;
    o->socket = NULL;
}

static const struct http_socket_events socket_events = {on_data, on_drained, on_closed};

static void on_opened(void *arg, const struct http_tunnel_answer *answer)
{
    struct outcome *o = arg;

    assert_false(o->opened);
    assert_non_null(o->tunnel); /* not from inside http_tunnel_open */
    o->opened = true;
    o->tunnel = NULL;
    o->status = answer->status;
    o->code = answer->err ? answer->err->code : 0;
    o->body = slice_dup(answer->body);
    o->socket = answer->socket;
    for (size_t i = 0; i < answer->header_count; i++)
        if (!strcmp(answer->headers[i].name, "upgrade"))
            o->upgrade = slice_dup(answer->headers[i].value);
}

static void outcome_clear(struct outcome *o)
{
    free(o->upgrade);
    free(o->body);
    buf_free(&o->data);
}
#define OUTCOME_LOCAL(name) struct outcome name CLEANUP(outcome_clear) = {0}

static void go(struct outcome *o, struct http_client *of, const char *path, unsigned timeout_ms)
{
    char *url CLEANUP_FREE = mem_printf("https://127.0.0.1:%u%s", http_listener_port(fixture.listener), path);
    const struct http_header headers[] = {{"upgrade", SLICE_LIT("raw/1")}};
    const struct http_tunnel_options options = {"POST", url, headers, 1, timeout_ms};

    o->tunnel = http_tunnel_open(of, &options, on_opened, o);
}

#define TURN_UNTIL(condition)                                                                                          \
    for (int turns_ = 0; !(condition); turns_++) {                                                                     \
        assert_true(turns_ < TURNS_MAX);                                                                               \
        loop_turn(loop, true);                                                                                         \
        assert_int_equal(ERR_peek_error(), 0);                                                                         \
    }

static void open_echo(struct outcome *o)
{
    go(o, client, "/upgrade", 0);
    TURN_UNTIL(o->opened);
    assert_int_equal(o->status, 101);
    assert_string_equal(o->upgrade, "raw/1");
    assert_non_null(o->socket);
    http_socket_start(o->socket, &socket_events, o);
}

static void test_bytes_go_both_ways(void **state)
{
    char *block CLEANUP_FREE = mem_alloc(BIG);
    OUTCOME_LOCAL(o);

    (void)state;
    for (size_t i = 0; i < BIG; i++)
        block[i] = (char)(i * 7 + i / 251);
    open_echo(&o);
    http_socket_write(o.socket, slice_make(block, BIG / 2));
    http_socket_write(o.socket, slice_make(block + BIG / 2, BIG / 2));
    assert_int_equal(http_socket_pending(o.socket), BIG);
    TURN_UNTIL(o.data.len >= BIG);
    assert_memory_equal(o.data.data, block, BIG);
    TURN_UNTIL(o.drained);
    assert_int_equal(http_socket_pending(o.socket), 0);
    http_socket_write(o.socket, SLICE_LIT("bye")); /* the server ends it */
    TURN_UNTIL(o.closed);
    assert_true(slice_ends(buf_slice(&o.data), SLICE_LIT("bye")));
    assert_true(fixture_wait(&fixture.sockets_closed));
}

static void test_a_plain_connection_asks_nothing(void **state)
{
    char *url CLEANUP_FREE = mem_printf("https://127.0.0.1:%u", http_listener_port(fixture.listener));
    const struct http_tunnel_options options = {.url = url, .plain = true};
    OUTCOME_LOCAL(o);
    OUTCOME_LOCAL(none);

    (void)state;
    o.tunnel = http_tunnel_open(client, &options, on_opened, &o);
    TURN_UNTIL(o.opened);
    assert_int_equal(o.status, 0);
    assert_non_null(o.socket);
    http_socket_start(o.socket, &socket_events, &o);
    http_socket_write(o.socket, SLICE_LIT("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    TURN_UNTIL(o.closed);
    assert_true(slice_find_text(buf_slice(&o.data), SLICE_LIT("GET /echo")) > 0);

    none.tunnel = http_tunnel_open(client, &(struct http_tunnel_options){.url = "http://127.0.0.1:1", .plain = true},
                                   on_opened, &none);
    TURN_UNTIL(none.opened);
    assert_null(none.socket);
    assert_int_equal(none.code, ERROR_UNAVAILABLE);
}

static void test_pause_holds_what_comes(void **state)
{
    OUTCOME_LOCAL(o);

    (void)state;
    open_echo(&o);
    http_socket_pause(o.socket, true);
    http_socket_write(o.socket, SLICE_LIT("held back"));
    for (int i = 0; i < 20; i++)
        loop_turn(loop, true);
    assert_int_equal(o.data.len, 0);
    http_socket_pause(o.socket, false);
    TURN_UNTIL(o.data.len == 9);
    http_socket_close(o.socket);
    assert_false(o.closed);
    TURN_UNTIL(o.closed);
    assert_true(fixture_wait(&fixture.sockets_closed));
}

/* After how many milliseconds the kernel gives up a peer that takes nothing, of our side of the one connection to the
 * server; -1 = there is no connection. */
static int kernel_patience(void)
{
    for (int fd = 0; fd < 256; fd++) {
        struct sockaddr_in peer = {0};
        socklen_t len = sizeof(peer);
        int ms = -1;
        socklen_t size = sizeof(ms);

        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
            ntohs(peer.sin_port) == http_listener_port(fixture.listener) &&
            getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &size) == 0)
            return ms;
    }
    return -1;
}

/* A program that does not read its input for a minute does not lose it. */
static void test_a_patient_one_waits_for_a_peer_that_takes_nothing(void **state)
{
    OUTCOME_LOCAL(o);

    (void)state;
    open_echo(&o);
    assert_true(kernel_patience() > 0);
    http_socket_be_patient(o.socket);
    assert_int_equal(kernel_patience(), 0);
    http_socket_abort(o.socket);
    TURN_UNTIL(o.closed);
    assert_true(fixture_wait(&fixture.sockets_closed));
}

static void test_close_sends_what_is_queued_and_abort_does_not_wait(void **state)
{
    OUTCOME_LOCAL(o);
    OUTCOME_LOCAL(cut);

    (void)state;
    open_echo(&o);
    http_socket_write(o.socket, SLICE_LIT("bye"));
    http_socket_close(o.socket);
    http_socket_write(o.socket, SLICE_LIT("nothing after it"));
    TURN_UNTIL(o.closed);
    assert_true(fixture_wait(&fixture.sockets_closed));
    open_echo(&cut);
    http_socket_abort(cut.socket);
    TURN_UNTIL(cut.closed);
    assert_true(fixture_wait(&fixture.sockets_closed));
}

static void test_refusals_come_with_their_body(void **state)
{
    OUTCOME_LOCAL(o);

    (void)state;
    go(&o, client, "/created", 0);
    TURN_UNTIL(o.opened);
    assert_int_equal(o.status, 201);
    assert_null(o.socket);
    outcome_clear(&o);
    o = (struct outcome){0};
    go(&o, client, "/echo?a=b", 0);
    TURN_UNTIL(o.opened);
    assert_int_equal(o.status, 200);
    assert_non_null(strstr(o.body, "POST /echo?a=b"));
}

static void test_no_answer(void **state)
{
    OUTCOME_LOCAL(late);
    OUTCOME_LOCAL(cancelled);
    OUTCOME_LOCAL(nobody);
    const struct http_tunnel_options options = {"GET", "https://127.0.0.1:1/", NULL, 0, 0};

    (void)state;
    go(&late, client, "/late", 100);
    TURN_UNTIL(late.opened);
    assert_int_equal(late.status, 0);
    assert_int_equal(late.code, ERROR_TIMEOUT);
    assert_true(fixture_wait(&fixture.requests_gone));
    go(&cancelled, client, "/late", 0);
    loop_turn(loop, true);
    http_tunnel_cancel(cancelled.tunnel);
    nobody.tunnel = http_tunnel_open(client, &options, on_opened, &nobody);
    TURN_UNTIL(nobody.opened);
    assert_int_equal(nobody.code, ERROR_UNAVAILABLE);
    assert_false(cancelled.opened);
}

/* A certificate of another authority, or for another host, is never spoken to. */
static void test_the_peer_is_verified(void **state)
{
    struct http_client_options strict = {.ca = SLICE_NONE};
    struct http_client *stranger;
    char *url CLEANUP_FREE = mem_printf("https://localhost:%u/upgrade", http_listener_port(fixture.listener));
    const struct http_tunnel_options other = {"GET", url, NULL, 0, 0};
    OUTCOME_LOCAL(o);
    OUTCOME_LOCAL(named);

    (void)state;
    stranger = http_client_new(loop, &strict);
    go(&o, stranger, "/upgrade", 0);
    TURN_UNTIL(o.opened);
    assert_int_equal(o.code, ERROR_IO);
    http_client_free(stranger);
    named.tunnel = http_tunnel_open(client, &other, on_opened, &named); /* the certificate is for 127.0.0.1 */
    TURN_UNTIL(named.opened);
    assert_int_equal(named.code, ERROR_IO);
}

static void test_the_client_goes_first(void **state)
{
    struct http_client_options options = {.ca = slice_str(fixture.ca.certificate)};
    struct http_client *own = http_client_new(loop, &options);
    OUTCOME_LOCAL(asking);
    OUTCOME_LOCAL(open);

    (void)state;
    go(&open, own, "/upgrade", 0);
    TURN_UNTIL(open.opened);
    http_socket_start(open.socket, &socket_events, &open);
    go(&asking, own, "/late", 0);
    loop_turn(loop, true);
    http_client_free(own);
    assert_true(asking.opened);
    assert_int_equal(asking.code, ERROR_CANCELLED);
    assert_true(open.closed);
    assert_true(fixture_wait(&fixture.sockets_closed));
}

static void tick(void *arg)
{
    (void)arg;
}

static int start(void **state)
{
    struct http_client_options options;

    (void)state;
    fixture_start(&fixture, 1, NULL);
    loop = loop_new(clock_system());
    options = (struct http_client_options){.ca = slice_str(fixture.ca.certificate)};
    client = http_client_new(loop, &options);
    ticker = loop_timer_new(loop, tick, NULL);
    loop_timer_start(ticker, 5, 5);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_client_free(client);
    loop_timer_free(ticker);
    for (int i = 0; i < 5; i++)
        loop_turn(loop, false);
    loop_free(loop);
    fixture_stop(&fixture, 1000);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_go_both_ways),
        cmocka_unit_test(test_a_plain_connection_asks_nothing),
        cmocka_unit_test(test_pause_holds_what_comes),
        cmocka_unit_test(test_a_patient_one_waits_for_a_peer_that_takes_nothing),
        cmocka_unit_test(test_close_sends_what_is_queued_and_abort_does_not_wait),
        cmocka_unit_test(test_refusals_come_with_their_body),
        cmocka_unit_test(test_no_answer),
        cmocka_unit_test(test_the_peer_is_verified),
        cmocka_unit_test(test_the_client_goes_first),
    };

    return cmocka_run_group_tests_name("http_tunnel", tests, start, stop);
}
