/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_server.h"

#include <unistd.h>

#include "tests/unit/lib/http_fixture.h"

#define assert_contains(text, part)                                                                                    \
    do {                                                                                                               \
        if (!strstr(text, part))                                                                                       \
            fail_msg("no \"%s\" in \"%s\"", part, text);                                                               \
    } while (0)

static struct fixture fixture;

static int start(void **state)
{
    const struct http_server_options options = {.body_max = 100000};

    (void)state;
    fixture_start(&fixture, 1, &options);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture, 0);
    return 0;
}

static void test_request_arrives_whole(void **state)
{
    struct test_client c;
    char *answer CLEANUP_FREE = NULL;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "POST /a%2Fb/../c?q=1%20&w HTTP/1.1\r\nHost: x\r\nX-Test: v w\r\nContent-Length: 4\r\n\r\nbo");
    client_send(&c, "dy");
    answer = client_read_until(&c, "body");
    assert_contains(answer, "HTTP/1.1 200 OK\r\n");
    assert_contains(answer, "POST /a%2Fb/../c?q=1%20&w [v w] body");
    client_close(&c);
}

static void test_keep_alive_and_pipelining(void **state)
{
    struct test_client c;
    char *first CLEANUP_FREE = NULL;
    char *second CLEANUP_FREE = NULL;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\n\r\n");
    first = client_read_until(&c, "/two");
    assert_contains(first, "/one");
    client_send(&c, "GET /three HTTP/1.1\r\nHost: x\r\n\r\n");
    second = client_read_until(&c, "/three");
    client_close(&c);
}

static void test_head_has_no_body(void **state)
{
    struct test_client c;
    char *answer CLEANUP_FREE = NULL;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "HEAD /big HTTP/1.1\r\nHost: x\r\n\r\nHEAD /count HTTP/1.1\r\nHost: x\r\n\r\n"
                    "GET /after HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = client_read_until(&c, "GET /after");
    assert_contains(answer, "Content-Length: 4194304\r\n");
    assert_null(strstr(answer, "xxxx"));
    assert_contains(answer, "transfer-encoding: chunked\r\n\r\nHTTP/1.1 200");
    assert_true(fixture_wait(&fixture.streams_closed));
    client_close(&c);
}

static void test_large_answer(void **state)
{
    char *answer CLEANUP_FREE = client_get(&fixture, NULL, "/big");
    const char *body = strstr(answer, "\r\n\r\n");

    (void)state;
    assert_non_null(body);
    assert_int_equal(strlen(body + 4), FIXTURE_BIG);
}

static void test_header_cannot_be_split(void **state)
{
    char *answer CLEANUP_FREE = client_get(&fixture, NULL, "/created");

    (void)state;
    assert_contains(answer, "HTTP/1.1 201 Created\r\n");
    assert_contains(answer, "location: /a  x-evil: 1\r\n");
    assert_contains(answer, "Content-Length: 0\r\n");
}

static void test_stream_ends_with_its_last_chunk(void **state)
{
    struct test_client c;
    char *answer CLEANUP_FREE = NULL;
    char *next CLEANUP_FREE = NULL;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "GET /count HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = client_read_until(&c, "\r\n0\r\n\r\n");
    assert_contains(answer, "\r\n\r\n3\r\n123\r\n0\r\n\r\n"); /* coalesced behind the headers */
    assert_true(fixture_wait(&fixture.streams_closed));
    client_send(&c, "GET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    next = client_read_until(&c, "/next");
    client_close(&c);
}

/* What is queued waits for its flush and goes out as one chunk; the request that was kept meanwhile, in a buffer of its
 * size, is over like any other. */
static void test_queued_pieces_are_one_chunk(void **state)
{
    struct test_client c;
    char *answer CLEANUP_FREE = NULL;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "GET /gathered HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = client_read_until(&c, "/next");
    assert_contains(answer, "\r\n\r\n3\r\n123\r\n0\r\n\r\nHTTP/1.1 200");
    assert_true(fixture_wait(&fixture.streams_closed));
    client_close(&c);
}

static void test_stream_to_http_1_0_ends_with_the_connection(void **state)
{
    struct test_client c;
    char *answer CLEANUP_FREE = NULL;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "GET /count HTTP/1.0\r\n\r\n");
    answer = client_read_until(&c, "\r\n\r\n123");
    assert_null(strstr(answer, "chunked"));
    assert_true(client_sees_end(&c));
    assert_true(fixture_wait(&fixture.streams_closed));
    client_close(&c);
}

static void watch_then(void (*leave)(struct test_client *c))
{
    struct test_client c;
    char *answer CLEANUP_FREE = NULL;

    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = client_read_until(&c, "5\r\nhello\r\n");
    leave(&c);
    assert_true(fixture_wait(&fixture.streams_closed));
}

static void test_watcher_that_closes_is_noticed(void **state)
{
    (void)state;
    watch_then(client_close);
}

static void test_watcher_that_resets_is_noticed(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        watch_then(client_reset);
    /* And nothing of it is left. */
    for (int i = 0; i < 1000 && fixture_connections(&fixture); i++)
        ;
    assert_int_equal(fixture_connections(&fixture), 0);
}

static void late_then(void (*leave)(struct test_client *c))
{
    struct test_client c;

    assert_true(client_open(&c, &fixture, NULL));
    while (!sem_trywait(&fixture.arrived))
        ;
    client_send(&c, "POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /x");
    assert_true(fixture_wait(&fixture.arrived));
    leave(&c);
    assert_true(fixture_wait(&fixture.requests_gone));
}

static void test_request_ends_when_its_client_leaves(void **state)
{
    (void)state;
    late_then(client_close);
    late_then(client_reset);
}

static void test_stuck_reader_is_let_go(void **state)
{
    struct test_client c;
    char *answer CLEANUP_FREE = NULL;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = client_read_until(&c, "\r\n\r\n");
    client_reset(&c); /* with megabytes under way */
    assert_true(fixture_wait(&fixture.streams_closed));
}

static void test_body_over_the_limit(void **state)
{
    static const size_t sizes[] = {100001, 100000 + (1u << 20) + 1};
    char *body CLEANUP_FREE = mem_zalloc(sizes[1]);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        char *head CLEANUP_FREE = mem_printf("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", sizes[i]);
        char *answer CLEANUP_FREE = NULL;
        struct test_client c;

        assert_true(client_open(&c, &fixture, NULL));
        client_send(&c, head);
        client_send_bytes(&c, slice_make(body, sizes[i]));
        answer = client_read_until(&c, "}\n");
        assert_contains(answer, "HTTP/1.1 413 ");
        assert_contains(answer, "content-type: application/json\r\n");
        assert_contains(answer, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
                                "\"message\":\"Request entity too large: limit is 100000\","
                                "\"reason\":\"RequestEntityTooLarge\",\"code\":413}");
        client_close(&c);
    }
}

static void test_body_at_the_limit(void **state)
{
    char *body CLEANUP_FREE = mem_alloc(100000);
    char *answer CLEANUP_FREE = NULL;
    struct test_client c;

    (void)state;
    memset(body, 'b', 100000);
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
    client_send_bytes(&c, slice_make(body, 100000));
    client_send(&c, "\r\n0\r\n\r\n");
    answer = client_read_until(&c, "bbb");
    assert_contains(answer, "HTTP/1.1 200 OK\r\n");
    client_close(&c);
}

static void test_bad_requests_are_refused(void **state)
{
    static const char *const requests[] = {
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        char *answer CLEANUP_FREE = NULL;
        struct test_client c;

        assert_true(client_open(&c, &fixture, NULL));
        client_send(&c, requests[i]);
        answer = client_read_until(&c, "HTTP/1.1 400 ");
        assert_true(client_sees_end(&c));
        client_close(&c);
    }
}

static void test_upgrade_echoes(void **state)
{
    struct test_client c;
    char *answer CLEANUP_FREE = NULL;
    char *echo CLEANUP_FREE = NULL;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "POST /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw/1\r\n\r\nearly");
    answer = client_read_until(&c, "early"); /* what came with the request is not lost */
    assert_contains(answer, "HTTP/1.1 101 Switching Protocols\r\n");
    assert_contains(answer, "Connection: upgrade\r\n");
    assert_contains(answer, "upgrade: raw/1\r\n");
    client_send(&c, "and bye");
    echo = client_read_until(&c, "and bye");
    assert_true(client_sees_end(&c));
    assert_true(fixture_wait(&fixture.sockets_closed));
    client_close(&c);
}

static void test_upgraded_client_that_resets_is_noticed(void **state)
{
    struct test_client c;
    char *answer CLEANUP_FREE = NULL;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: raw/1\r\n\r\n");
    answer = client_read_until(&c, "\r\n\r\n");
    client_reset(&c);
    assert_true(fixture_wait(&fixture.sockets_closed));
}

static void test_who(void **state)
{
    char *with CLEANUP_FREE = client_get(&fixture, &fixture.client, "/who");
    char *without CLEANUP_FREE = client_get(&fixture, NULL, "/who");

    (void)state;
    assert_contains(with, "\r\n\r\n1 1 alice devs,ops from 127.0.0.1");
    assert_contains(without, "\r\n\r\n0 0 - from 127.0.0.1");
}

/* A bad certificate is no handshake failure: the request arrives, unverified and nameless. */
static void test_bad_client_certificates(void **state)
{
    const struct pki_subject subject = {.common_name = "mallory"};
    struct clock *now = clock_system();
    struct clock_fake past;
    struct pki_pair other = {0};
    struct pki_pair pairs[3] = {0};

    (void)state;
    clock_fake_init(&past, clock_wall_ns(now) - 3600 * NS_PER_S);
    assert_int_equal(pki_make_ca("test-ca", now, 3600, &other, NULL), 0);
    assert_int_equal(pki_make_leaf(&other, &subject, PKI_USAGE_CLIENT, now, 60, &pairs[0], NULL), 0);
    assert_int_equal(pki_make_leaf(&fixture.ca, &subject, PKI_USAGE_CLIENT, &past.base, 60, &pairs[1], NULL), 0);
    assert_int_equal(pki_make_leaf(&fixture.ca, &subject, PKI_USAGE_SERVER, now, 60, &pairs[2], NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        char *answer CLEANUP_FREE = client_get(&fixture, &pairs[i], "/who");

        assert_contains(answer, "\r\n\r\n1 0 - from");
        pki_pair_clear(&pairs[i]);
    }
    pki_pair_clear(&other);
}

static void test_certificate_reload(void **state)
{
    const struct pki_subject subject = {.common_name = "renewed"};
    struct pki_pair pair = {0};
    struct test_client old, new;
    char name[64] = "";
    char *answer CLEANUP_FREE = NULL;

    (void)state;
    assert_int_equal(pki_make_leaf(&fixture.ca, &subject, PKI_USAGE_SERVER, clock_system(), 60, &pair, NULL), 0);
    assert_true(client_open(&old, &fixture, NULL));
    assert_true(http_listener_set_certificate(fixture.listener, slice_str(pair.certificate),
                                              slice_str(fixture.serving.key), NULL) < 0); /* not its key */
    assert_int_equal(
        http_listener_set_certificate(fixture.listener, slice_str(pair.certificate), slice_str(pair.key), NULL), 0);
    assert_true(client_open(&new, &fixture, NULL));
    assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(SSL_get0_peer_certificate(new.ssl)), NID_commonName,
                                          name, sizeof(name)) > 0);
    assert_string_equal(name, "renewed");
    client_send(&old, "GET /still HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = client_read_until(&old, "/still");
    client_close(&old);
    client_close(&new);
    pki_pair_clear(&pair);
}

static void test_required_client_certificate(void **state)
{
    const struct http_server_options options = {.client_certificate_required = true};
    struct fixture f;
    struct test_client c;

    (void)state;
    fixture_start(&f, 1, &options);
    char *answer CLEANUP_FREE = client_get(&f, &f.client, "/who");
    assert_contains(answer, "1 1 alice");
    if (client_open(&c, &f, NULL)) /* with TLS 1.3 the client learns of it when it reads */
        assert_true(client_sees_end(&c));
    client_close(&c);
    fixture_stop(&f, 0);
}

/* Idle, streaming, waiting, upgraded, flooding: all are cut, and the loop is empty afterwards. */
static void test_stop_cuts_everything(void **state)
{
    static const char *const requests[] = {
        "GET /idle HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /late HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: raw/1\r\n\r\n",
        "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /unfinished HTTP/1.1\r\n",
    };
    struct test_client c[ARRAY_SIZE(requests)];
    struct fixture f;

    (void)state;
    fixture_start(&f, 1, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        assert_true(client_open(&c[i], &f, NULL));
        client_send(&c[i], requests[i]);
    }
    for (int i = 0; i < 4; i++)
        assert_true(fixture_wait(&f.arrived));
    fixture_stop(&f, 20);
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        assert_true(client_sees_end(&c[i]));
        client_close(&c[i]);
    }
    assert_int_equal(sem_trywait(&f.requests_gone), 0);
    assert_int_equal(sem_trywait(&f.sockets_closed), 0);
    assert_int_equal(sem_trywait(&f.streams_closed), 0);
    assert_int_equal(sem_trywait(&f.streams_closed), 0);
}

static void *hammer(void *arg)
{
    struct fixture *f = arg;

    for (int i = 0; i < 10; i++) {
        char *answer CLEANUP_FREE = client_get(f, i % 2 ? &f->client : NULL, i % 3 ? "/who" : "/count");

        assert_contains(answer, "HTTP/1.1 200 OK");
    }
    return NULL;
}

static void test_two_fronts_share_the_socket(void **state)
{
    pthread_t threads[4];
    struct fixture f;

    (void)state;
    fixture_start(&f, 2, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &f), 0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            http_listener_set_certificate(f.listener, slice_str(f.serving.certificate), slice_str(f.serving.key), NULL),
            0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        (void)pthread_join(threads[i], NULL);
    fixture_stop(&f, 0);
}

static void test_bad_listen_options(void **state)
{
    const struct http_server_options no_address = {
        .address = "nowhere",
        .certificate = slice_str(fixture.serving.certificate),
        .key = slice_str(fixture.serving.key),
    };
    const struct http_server_options no_key = {
        .address = "127.0.0.1",
        .certificate = slice_str(fixture.serving.certificate),
        .key = SLICE_LIT("nonsense"),
    };
    struct http_listener *listener = NULL;
    ERROR_LOCAL(err);

    (void)state;
    assert_true(http_listener_open(&no_address, &listener, &err) < 0);
    assert_string_equal(error_text(&err), "listen address \"nowhere\" is no IP address");
    assert_true(http_listener_open(&no_key, &listener, &err) < 0);
    assert_contains(error_text(&err), "private key");
    assert_null(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_arrives_whole),
        cmocka_unit_test(test_keep_alive_and_pipelining),
        cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_large_answer),
        cmocka_unit_test(test_header_cannot_be_split),
        cmocka_unit_test(test_stream_ends_with_its_last_chunk),
        cmocka_unit_test(test_queued_pieces_are_one_chunk),
        cmocka_unit_test(test_stream_to_http_1_0_ends_with_the_connection),
        cmocka_unit_test(test_watcher_that_closes_is_noticed),
        cmocka_unit_test(test_watcher_that_resets_is_noticed),
        cmocka_unit_test(test_request_ends_when_its_client_leaves),
        cmocka_unit_test(test_stuck_reader_is_let_go),
        cmocka_unit_test(test_body_over_the_limit),
        cmocka_unit_test(test_body_at_the_limit),
        cmocka_unit_test(test_bad_requests_are_refused),
        cmocka_unit_test(test_upgrade_echoes),
        cmocka_unit_test(test_upgraded_client_that_resets_is_noticed),
        cmocka_unit_test(test_who),
        cmocka_unit_test(test_bad_client_certificates),
        cmocka_unit_test(test_certificate_reload),
        cmocka_unit_test(test_required_client_certificate),
        cmocka_unit_test(test_stop_cuts_everything),
        cmocka_unit_test(test_two_fronts_share_the_socket),
        cmocka_unit_test(test_bad_listen_options),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
