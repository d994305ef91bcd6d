/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/lib/http_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 5

/* libh2o keeps freed buffers per thread and has no call to give them back when the thread ends. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:h2o_mem_alloc_recycle\n";
}

/* The handler. */

struct socket_echo {
    struct fixture *fixture;
    struct http_socket *socket;
};

static void echo_data(void *arg, struct slice data)
{
    struct socket_echo *echo = arg;

    http_socket_write(echo->socket, data);
    if (slice_ends(data, SLICE_LIT("bye")))
        http_socket_close(echo->socket);
}

static void echo_closed(void *arg)
{
    struct socket_echo *echo = arg;

    (void)sem_post(&echo->fixture->sockets_closed);
    free(echo);
}

static void echo_opened(void *arg, struct http_socket *socket)
{
    static const struct http_socket_events events = {.data = echo_data, .closed = echo_closed};
    struct socket_echo *echo = arg;

    if (!socket) {
        free(echo);
        return;
    }
    (void)sem_post(&echo->fixture->arrived);
    echo->socket = socket;
    http_socket_start(socket, &events, echo);
}

static void post_sem(void *arg)
{
    (void)sem_post(arg);
}

static void respond_text(struct http_request *req, int status, struct buf *text)
{
    struct refbuf *body CLEANUP_REFBUF = refbuf_from(text);

    http_respond(req, status, "text/plain", NULL, 0, body);
}

static void handle_echo(struct http_request *req, struct fixture *f)
{
    struct slice test = http_request_header(req, "x-test");
    BUF_LOCAL(text);

    (void)f;
    buf_printf(&text, "%.*s %.*s?%.*s [%.*s] ", SLICE_ARGS(req->method), SLICE_ARGS(req->path), SLICE_ARGS(req->query),
               SLICE_ARGS(test));
    buf_append_slice(&text, req->body);
    respond_text(req, 200, &text);
}

static void handle_who(struct http_request *req, struct fixture *f)
{
    BUF_LOCAL(text);

    (void)f;
    buf_printf(&text, "%d %d %s", req->peer->certificate_given, req->peer->certificate_verified,
               req->peer->common_name ? req->peer->common_name : "-");
    for (size_t i = 0; i < req->peer->organization_count; i++)
        buf_printf(&text, "%c%s", i ? ',' : ' ', req->peer->organizations[i]);
    buf_printf(&text, " from %s", req->peer->address);
    respond_text(req, 200, &text);
}

static void stream_closed(void *arg)
{
    (void)sem_post(&((struct fixture *)arg)->streams_closed);
}

static void stream_put(struct http_stream *stream, const char *text)
{
    struct refbuf *data CLEANUP_REFBUF = refbuf_new(text, strlen(text));

    http_stream_write(stream, data);
}

static void handle_stream(struct http_request *req, struct fixture *f)
{
    static const struct http_stream_events events = {.closed = stream_closed};

    stream_put(http_stream_start(req, 200, "application/json", NULL, 0, &events, f), "hello");
    (void)sem_post(&f->arrived);
}

static void handle_count(struct http_request *req, struct fixture *f)
{
    static const struct http_stream_events events = {.closed = stream_closed};
    struct http_stream *stream = http_stream_start(req, 200, "text/plain", NULL, 0, &events, f);

    stream_put(stream, "1");
    stream_put(stream, "2");
    stream_put(stream, "3");
    http_stream_end(stream);
}

struct gathered {
    struct fixture *fixture;
    struct http_stream *stream;
    size_t drained;
};

static void gathered_drained(void *arg)
{
    struct gathered *g = arg;

    if (g->drained++) {
        http_stream_end(g->stream);
        return;
    }
    for (const char *digit = "123"; *digit; digit++) {
        struct refbuf *data CLEANUP_REFBUF = refbuf_new(digit, 1);

        http_stream_queue(g->stream, data);
    }
    assert_int_equal(http_stream_pending(g->stream), 3);
    http_stream_flush(g->stream);
}

static void gathered_closed(void *arg)
{
    stream_closed(((struct gathered *)arg)->fixture);
}

static void handle_gathered(struct http_request *req, struct fixture *f)
{
    static const struct http_stream_events events = {gathered_drained, gathered_closed};
    struct gathered *g = pool_alloc(req->pool, sizeof(*g));

    g->fixture = f;
    g->stream = http_stream_start(req, 200, "text/plain", NULL, 0, &events, g);
}

static void handle_flood(struct http_request *req, struct fixture *f)
{
    static const struct http_stream_events events = {.closed = stream_closed};
    struct http_stream *stream = http_stream_start(req, 200, "text/plain", NULL, 0, &events, f);
    char *block CLEANUP_FREE = mem_zalloc(1u << 20);
    struct refbuf *data CLEANUP_REFBUF = refbuf_new(block, 1u << 20);

    for (int i = 0; i < 32; i++)
        http_stream_write(stream, data);
    (void)sem_post(&f->arrived);
}

static void handle_late(struct http_request *req, struct fixture *f)
{
    pool_on_free(req->pool, post_sem, &f->requests_gone);
    (void)sem_post(&f->arrived);
}

static void handle_big(struct http_request *req, struct fixture *f)
{
    char *block CLEANUP_FREE = mem_alloc(FIXTURE_BIG);

    (void)f;
    memset(block, 'x', FIXTURE_BIG);
    struct refbuf *body CLEANUP_REFBUF = refbuf_new(block, FIXTURE_BIG);
    http_respond(req, 200, "text/plain", NULL, 0, body);
}

static void handle_upgrade(struct http_request *req, struct fixture *f)
{
    const struct http_header headers[] = {{"upgrade", http_request_header(req, "upgrade")}};
    struct socket_echo *echo = mem_zalloc(sizeof(*echo));

    assert_true(req->upgrade);
    echo->fixture = f;
    http_take_over(req, headers, 1, echo_opened, echo);
}

static void handle_known(struct http_request *req, struct fixture *f)
{
    http_know_peer(req);
    handle_echo(req, f);
}

static void handle_created(struct http_request *req, struct fixture *f)
{
    const struct http_header headers[] = {{"location", SLICE_LIT("/a\r\nx-evil: 1")}};

    (void)f;
    http_respond(req, 201, NULL, headers, 1, NULL);
}

static void handle_redirect(struct http_request *req, struct fixture *f)
{
    const struct http_header headers[] = {{"location", SLICE_LIT("/target")}};

    (void)f;
    http_respond(req, 302, NULL, headers, 1, NULL);
}

static void handle_cut(struct http_request *req, struct fixture *f)
{
    static const struct http_stream_events events = {.closed = stream_closed};
    struct http_stream *stream = http_stream_start(req, 200, "text/plain", NULL, 0, &events, f);

    stream_put(stream, "some");
    http_stream_abort(stream);
}

/* ---- bodies that stream ---- */

struct body_reader {
    struct http_request *req;
    struct http_stream *stream; /* /body/echo */
    struct buf text;
    size_t posted;
    bool gone;
};

static void body_maybe_free(struct body_reader *r)
{
    if (!r->gone || r->posted)
        return;
    buf_free(&r->text);
    free(r);
}

static void body_resume(void *arg)
{
    struct body_reader *r = arg;

    r->posted--;
    if (!r->gone)
        http_body_pause(r->req, false);
    body_maybe_free(r);
}

static void body_gone(void *arg)
{
    struct body_reader *r = arg;

    r->gone = true;
    body_maybe_free(r);
}

/* Holds back for a moment after every piece. */
static void body_data(void *arg, struct slice data)
{
    struct body_reader *r = arg;
    struct refbuf *piece CLEANUP_REFBUF = refbuf_new(data.data, data.len);

    assert_true(data.len > 0);
    if (r->stream)
        http_stream_write(r->stream, piece);
    else
        buf_append_slice(&r->text, data);
    http_body_pause(r->req, true);
    r->posted++;
    loop_post(r->req->loop, body_resume, r);
}

static void body_end(void *arg)
{
    struct body_reader *r = arg;
    struct refbuf *body CLEANUP_REFBUF = NULL;

    if (r->stream) {
        http_stream_end(r->stream);
        return;
    }
    body = refbuf_from(&r->text);
    http_respond(r->req, 200, "text/plain", NULL, 0, body);
}

static void handle_body(struct http_request *req, struct fixture *f)
{
    static const struct http_body_events events = {body_data, body_end};
    static const struct http_stream_events stream_events = {.closed = stream_closed};
    struct body_reader *r = mem_zalloc(sizeof(*r));
    struct refbuf *no CLEANUP_REFBUF = refbuf_new("no more", 7);

    r->req = req;
    pool_on_free(req->pool, body_gone, r);
    if (slice_is(req->path, "/body/early") || !req->body_streams) {
        http_respond(req, req->body_streams ? 413 : 200, "text/plain", NULL, 0, no);
        return;
    }
    if (!slice_is(req->path, "/body/whole"))
        r->stream = http_stream_start(req, 200, "text/plain", NULL, 0, &stream_events, f);
    if (slice_is(req->path, "/body/early-stream")) {
        http_stream_write(r->stream, no);
        http_stream_end(r->stream);
        return;
    }
    http_body_start(req, &events, r);
}

bool fixture_body_streams(struct slice method, struct slice target)
{
    (void)method;
    return slice_starts(target, SLICE_LIT("/body/"));
}

static const struct {
    const char *path;
    void (*fn)(struct http_request *req, struct fixture *f);
} routes[] = {
    {"/who", handle_who},           {"/stream", handle_stream},   {"/count", handle_count},
    {"/flood", handle_flood},       {"/late", handle_late},       {"/big", handle_big},
    {"/known", handle_known},       {"/upgrade", handle_upgrade}, {"/created", handle_created},
    {"/redirect", handle_redirect}, {"/cut", handle_cut},         {"/gathered", handle_gathered},
};

static void fixture_handler(struct http_request *req, void *arg)
{
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        if (slice_is(req->path, routes[i].path)) {
            routes[i].fn(req, arg);
            return;
        }
    }
    if (fixture_body_streams(req->method, req->path))
        handle_body(req, arg);
    else
        handle_echo(req, arg);
}

/* The server. */

static void *front_run(void *arg)
{
    struct fixture_front *front = arg;

    loop_run(front->loop);
    return NULL;
}

static void fixture_pairs(struct fixture *f)
{
    static const char *const addresses[] = {"127.0.0.1", "::1"};
    static const char *const organizations[] = {"devs", "ops"};
    const struct pki_subject serving = {.common_name = "server", .ip_addresses = addresses, .ip_address_count = 2};
    const struct pki_subject client = {.common_name = "alice", .organizations = organizations, .organization_count = 2};
    struct clock *clock = clock_system();

    assert_int_equal(pki_make_ca("test-ca", clock, 3600, &f->ca, NULL), 0);
    assert_int_equal(pki_make_leaf(&f->ca, &serving, PKI_USAGE_SERVER, clock, 3600, &f->serving, NULL), 0);
    assert_int_equal(pki_make_leaf(&f->ca, &client, PKI_USAGE_CLIENT, clock, 3600, &f->client, NULL), 0);
}

void fixture_start(struct fixture *f, size_t fronts, const struct http_server_options *options)
{
    struct http_server_options all = options ? *options : (struct http_server_options){0};
    ERROR_LOCAL(err);

    *f = (struct fixture){.front_count = fronts};
    fixture_pairs(f);
    (void)sem_init(&f->streams_closed, 0, 0);
    (void)sem_init(&f->requests_gone, 0, 0);
    (void)sem_init(&f->sockets_closed, 0, 0);
    (void)sem_init(&f->arrived, 0, 0);
    if (!all.address)
        all.address = "127.0.0.1";
    all.certificate = slice_str(f->serving.certificate);
    all.key = slice_str(f->serving.key);
    all.client_ca = slice_str(f->ca.certificate);
    if (http_listener_open(&all, &f->listener, &err) < 0)
        fail_msg("%s", error_text(&err));
    for (size_t i = 0; i < fronts; i++) {
        struct fixture_front *front = &f->fronts[i];

        front->fixture = f;
        front->loop = loop_new(clock_system());
        front->server = http_server_start(f->listener, front->loop, fixture_handler, f);
        assert_int_equal(pthread_create(&front->thread, NULL, front_run, front), 0);
    }
}

static unsigned stop_grace_ms; /* of the one fixture that stops */

static void front_stopped(void *arg)
{
    struct fixture_front *front = arg;

    assert_int_equal(http_server_connections(front->server), 0);
    http_server_free(front->server);
    loop_stop(front->loop);
}

static void front_stop(void *arg)
{
    struct fixture_front *front = arg;

    http_server_stop(front->server, stop_grace_ms, front_stopped, front);
}

void fixture_stop(struct fixture *f, unsigned grace_ms)
{
    stop_grace_ms = grace_ms;
    for (size_t i = 0; i < f->front_count; i++)
        loop_post(f->fronts[i].loop, front_stop, &f->fronts[i]);
    for (size_t i = 0; i < f->front_count; i++) {
        (void)pthread_join(f->fronts[i].thread, NULL);
        loop_free(f->fronts[i].loop);
    }
    http_listener_free(f->listener);
    pki_pair_clear(&f->ca);
    pki_pair_clear(&f->serving);
    pki_pair_clear(&f->client);
}

bool fixture_wait(sem_t *sem)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    return sem_timedwait(sem, &until) == 0;
}

struct counting {
    struct fixture_front *front;
    size_t count;
    sem_t done;
};

static void front_count(void *arg)
{
    struct counting *counting = arg;

    counting->count += http_server_connections(counting->front->server);
    (void)sem_post(&counting->done);
}

size_t fixture_connections(struct fixture *f)
{
    struct counting counting = {0};

    (void)sem_init(&counting.done, 0, 0);
    for (size_t i = 0; i < f->front_count; i++) {
        counting.front = &f->fronts[i];
        loop_post(counting.front->loop, front_count, &counting);
        assert_true(fixture_wait(&counting.done));
    }
    return counting.count;
}

/* The client. */

static void client_use(SSL_CTX *ctx, const struct pki_pair *pair)
{
    BIO *certificate_bio = BIO_new_mem_buf(pair->certificate, -1);
    BIO *key_bio = BIO_new_mem_buf(pair->key, -1);
    X509 *certificate = PEM_read_bio_X509(certificate_bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);

    assert_int_equal(SSL_CTX_use_certificate(ctx, certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, key), 1);
    X509_free(certificate);
    EVP_PKEY_free(key);
    BIO_free(certificate_bio);
    BIO_free(key_bio);
}

int client_connect(const struct fixture *f, uint32_t from)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(http_listener_port(f->listener))};
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return fd;
}

bool client_open(struct test_client *c, const struct fixture *f, const struct pki_pair *certificate)
{
    return client_open_from(c, f, certificate, INADDR_LOOPBACK);
}

bool client_open_from(struct test_client *c, const struct fixture *f, const struct pki_pair *certificate, uint32_t from)
{
    c->fd = client_connect(f, from);
    c->ctx = SSL_CTX_new(TLS_client_method());
    if (certificate)
        client_use(c->ctx, certificate);
    c->ssl = SSL_new(c->ctx);
    SSL_set_quiet_shutdown(c->ssl, 1);
    (void)SSL_set_fd(c->ssl, c->fd);
    return SSL_connect(c->ssl) == 1;
}

void client_send_bytes(struct test_client *c, struct slice bytes)
{
    assert_int_equal(SSL_write(c->ssl, bytes.data, (int)bytes.len), (int)bytes.len);
}

void client_send(struct test_client *c, const char *text)
{
    client_send_bytes(c, slice_str(text));
}

char *client_read_until(struct test_client *c, const char *text)
{
    BUF_LOCAL(in);

    while (!in.len || !memmem(in.data, in.len, text, strlen(text))) {
        int n = SSL_read(c->ssl, buf_reserve(&in, 65536), 65536);

        if (n <= 0)
            fail_msg("no \"%s\" in \"%s\"", text, buf_cstr(&in));
        in.len += (size_t)n;
    }
    return buf_steal_str(&in);
}

bool client_sees_end(struct test_client *c)
{
    char bytes[65536];
    int n;

    do {
        errno = 0;
        n = SSL_read(c->ssl, bytes, sizeof(bytes));
    } while (n > 0);
    return errno != EAGAIN; /* the patience is over */
}

void client_close(struct test_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    (void)close(c->fd);
}

void client_reset(struct test_client *c)
{
    struct linger linger = {.l_onoff = 1};

    (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    client_close(c);
}

char *client_get(const struct fixture *f, const struct pki_pair *certificate, const char *path)
{
    char *request CLEANUP_FREE = mem_printf("GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
    struct test_client c;
    BUF_LOCAL(in);
    int n;

    assert_true(client_open(&c, f, certificate));
    client_send(&c, request);
    while ((n = SSL_read(c.ssl, buf_reserve(&in, 65536), 65536)) > 0)
        in.len += (size_t)n;
    client_close(&c);
    return buf_steal_str(&in);
}
