/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listener, fronts and connections. libh2o 2.2.5 parses, frames and encrypts; what it lacks is here and beside:
 *
 * - HTTP/1.1 only. Its HTTP/2 has none of the fixes against reset floods and header bombs; leaving h2 out of ALPN is
 * not enough, the preface alone would switch (upgrade_to_http2).
 * - It stops reading once a request is parsed, so it never sees a watcher leave: http_server_exchange.c reads on.
 * - It reads a body whole before anybody may look at it: http_server_body.c.
 * - It takes a read that found nothing for an error: http_server_read.c.
 * - It has no write timeout: a sweep looks at each connection's write queue.
 * - It has no cap on connections: counted here, over all fronts of the listener, and for those who have not shown yet
 * who they are, by address.
 * - It sends the first 200 kB of a TLS connection in 1,400-byte records, which costs a large list more than it gives.
 *
 * A connection is in the server's list from accept until libuv has closed its handle, so an empty list means that
 * nothing of it is left in the loop. Stopping: RUNNING -> STOPPING (no listening, idle ones cut, after the grace time
 * all) -> STOPPED (list empty, libh2o's context taken down), then `done`.
 */
#include "lib/http_server_internal.h"

#include <netinet/tcp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/tls.h"

#define BODY_MAX_DEFAULT        (3u << 20)
#define WRITE_TIMEOUT_DEFAULT_S 60
#define SILENCE_DEFAULT_S       30
/* Idle between requests, and a request with its body as a whole. Longer than clients keep idle connections (90 s). */
#define REQUEST_TIMEOUT_MS   100000
#define HANDSHAKE_TIMEOUT_MS 10000
#define BACKLOG              1024
/* libh2o refuses what is larger than this over body_max unread; what lies between is read and answered in peace. */
#define BODY_SLACK (1u << 20)
/* Bytes of requests that are not whole yet, of all connections of a server together: nobody is authenticated until his
 * body has been read, and every connection may bring one. */
#define READING_MAX_DEFAULT (256u << 20)
#define SWEEP_MS            1000

static void conn_on_tls_event(const SSL *ssl, int where, int ret);

static void listener_configure(struct http_listener *listener)
{
    h2o_globalconf_t *conf = &listener->conf;
    h2o_hostconf_t *host;
    h2o_handler_t *handler;

    h2o_config_init(conf);
    conf->server_name = (h2o_iovec_t){NULL, 0};
    conf->max_request_entity_size = listener->body_max + BODY_SLACK;
    conf->handshake_timeout = HANDSHAKE_TIMEOUT_MS;
    conf->http1.req_timeout = REQUEST_TIMEOUT_MS;
    conf->http1.upgrade_to_http2 = 0;
    host = h2o_config_register_host(conf, h2o_iovec_init(H2O_STRLIT("default")), 65535);
    host->fallback_path.error_log.emit_request_errors = 0;
    server_error_register(&host->fallback_path);
    handler = h2o_create_handler(&host->fallback_path, sizeof(*handler));
    handler->on_req = server_exchange_accept;
}

static int listener_bind(struct http_listener *listener, const struct http_server_options *options, struct error *err)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t len = sizeof(at);
    int on = 1;
    int off = 0;

    if (uv_ip4_addr(options->address, options->port, &at.v4) && uv_ip6_addr(options->address, options->port, &at.v6))
        return error_set(err, ERROR_BAD_REQUEST, "listen address \"%s\" is no IP address", options->address);
    listener->fd = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return error_set_errno(err, errno, "socket");
    (void)setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (at.any.sa_family == AF_INET6)
        (void)setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(listener->fd, &at.any, at.any.sa_family == AF_INET6 ? sizeof(at.v6) : sizeof(at.v4)) ||
        listen(listener->fd, BACKLOG) || getsockname(listener->fd, &at.any, &len))
        return error_set_errno(err, errno, "listening on %s port %u", options->address, options->port);
    listener->port = ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
    return 0;
}

static SSL_CTX *listener_context(struct http_listener *listener, struct slice certificate, struct slice key,
                                 struct error *err)
{
    static char http1[] = "http/1.1";
    static const h2o_iovec_t protocols[] = {{http1, sizeof(http1) - 1}, {NULL, 0}};
    const struct tls_server_options options = {
        .certificate = certificate,
        .key = key,
        .client_ca = buf_slice(&listener->client_ca),
        .client_certificate_required = listener->client_certificate_required,
    };
    SSL_CTX *tls = tls_server_context(&options, err);

    if (tls) {
        h2o_ssl_register_alpn_protocols(tls, protocols);
        SSL_CTX_set_info_callback(tls, conn_on_tls_event);
    }
    return tls;
}

static size_t listener_default_connections(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    return limit.rlim_cur - limit.rlim_cur / 10;
}

int http_listener_open(const struct http_server_options *options, struct http_listener **ret_listener,
                       struct error *err)
{
    struct http_listener *listener = mem_zalloc(sizeof(*listener));

    /* A peer that is gone is an error code, not a signal. */
    (void)signal(SIGPIPE, SIG_IGN);
    listener->fd = -1;
    listener->body_max = options->body_max ? options->body_max : BODY_MAX_DEFAULT;
    listener->connections_max = options->connections_max ? options->connections_max : listener_default_connections();
    listener->write_timeout_s = options->write_timeout_s ? options->write_timeout_s : WRITE_TIMEOUT_DEFAULT_S;
    listener->silence_s = options->silence_s ? options->silence_s : SILENCE_DEFAULT_S;
    listener->client_certificate_required = options->client_certificate_required;
    buf_append_slice(&listener->client_ca, options->client_ca);
    listener->reading_max = options->reading_max ? options->reading_max : READING_MAX_DEFAULT;
    server_make_guests(listener, options->guests_max);
    server_guard_reads();
    server_body_choose(options->body_streams);
    (void)pthread_mutex_init(&listener->lock, NULL);
    listener_configure(listener);
    listener->tls = listener_context(listener, options->certificate, options->key, err);
    if (!listener->tls || listener_bind(listener, options, err) < 0) {
        http_listener_free(listener);
        return -1;
    }
    *ret_listener = listener;
    return 0;
}

uint16_t http_listener_port(const struct http_listener *listener)
{
    return listener->port;
}

int http_listener_set_certificate(struct http_listener *listener, struct slice certificate, struct slice key,
                                  struct error *err)
{
    SSL_CTX *tls = listener_context(listener, certificate, key, err);
    SSL_CTX *old;

    if (!tls)
        return -1;
    (void)pthread_mutex_lock(&listener->lock);
    old = listener->tls;
    listener->tls = tls;
    (void)pthread_mutex_unlock(&listener->lock);
    SSL_CTX_free(old);
    return 0;
}

void http_listener_free(struct http_listener *listener)
{
    if (!listener)
        return;
    if (listener->fd >= 0)
        (void)close(listener->fd);
    http_guests_free(listener->guests);
    SSL_CTX_free(listener->tls);
    h2o_config_dispose(&listener->conf);
    buf_free(&listener->client_ca);
    (void)pthread_mutex_destroy(&listener->lock);
    free(listener);
}

/* Connections. */

/* libuv is done with the handle: the last of a connection. */
static void conn_closed(uv_handle_t *handle)
{
    struct server_conn *conn = container_of((uv_tcp_t *)handle, struct server_conn, tcp);
    struct http_server *server = conn->server;

    list_remove(&conn->link);
    server->conn_count--;
    (void)__atomic_sub_fetch(&server->listener->connections, 1, __ATOMIC_RELAXED);
    http_guests_leave(server->listener->guests, &conn->guest);
    SSL_CTX_free(conn->tls);
    free(conn->names);
    free(conn);
    server_finish(server);
}

/* libh2o has let go of the socket; the handle is closing. */
static void conn_on_close(void *data)
{
    struct server_conn *conn = data;

    h2o_timeout_unlink(&conn->linger);
    conn->sock = NULL;
}

void server_conn_cut(struct server_conn *conn)
{
    if (conn->socket)
        server_socket_abort(conn->socket);
    else if (conn->sock)
        (void)shutdown(h2o_socket_get_fd(conn->sock), SHUT_RDWR);
}

/* Copies the names out of the verified certificate: "CN\0O\0O\0" behind the pointers to the Os. */
static void conn_read_names(struct server_conn *conn, X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    BUF_LOCAL(text);
    size_t count = 0;
    const char **list;
    char *at;

    for (int i = 0; i < 2; i++) {
        const int nid = i ? NID_organizationName : NID_commonName;

        for (int n = X509_NAME_get_index_by_NID(subject, nid, -1); n >= 0;
             n = X509_NAME_get_index_by_NID(subject, nid, n)) {
            unsigned char *utf8 = NULL;
            int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, n)));

            /* A NUL inside would make two names of one. */
            if (len >= 0 && !memchr(utf8, 0, (size_t)len) && (i || !count)) {
                buf_append(&text, utf8, (size_t)len);
                buf_append_byte(&text, '\0');
                count++;
            }
            OPENSSL_free(utf8);
        }
        if (!count)
            return; /* no CN: nobody */
    }
    conn->names = mem_alloc(count * sizeof(*list) + text.len);
    list = (const char **)(void *)conn->names;
    at = conn->names + count * sizeof(*list);
    memcpy(at, text.data, text.len);
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
        list[i] = at;
    conn->peer.common_name = list[0];
    conn->peer.organizations = list + 1;
    conn->peer.organization_count = count - 1;
}

static void conn_on_tls_event(const SSL *ssl, int where, int ret)
{
    struct server_conn *conn;
    X509 *certificate = SSL_get0_peer_certificate(ssl);

    (void)ret;
    if (!(where & SSL_CB_HANDSHAKE_DONE) || !certificate)
        return;
    conn = server_conn_of(BIO_get_data(SSL_get_rbio(ssl)));
    if (conn->peer.certificate_given)
        return;
    conn->peer.certificate_given = true;
    conn->peer.certificate_verified = tls_peer_verified(ssl);
    if (!conn->peer.certificate_verified)
        return;
    conn_read_names(conn, certificate);
    server_conn_know(conn);
}

void server_conn_set_timeout(struct server_conn *conn, unsigned seconds)
{
    unsigned ms = seconds * 1000;
    uv_os_fd_t fd = -1;

    if (!uv_fileno((uv_handle_t *)&conn->tcp, &fd))
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

/* Where nothing is under way, the kernel asks after half of the time; it looks whether the time is up only when it asks
 * again, which by itself is 75 s later. */
static void conn_keep_alive(struct server_conn *conn)
{
    unsigned silence = conn->server->listener->silence_s;
    int step = (int)(silence / 6 ? silence / 6 : 1);
    uv_os_fd_t fd = -1;

    (void)uv_tcp_keepalive(&conn->tcp, 1, silence / 2 ? silence / 2 : 1);
    if (!uv_fileno((uv_handle_t *)&conn->tcp, &fd))
        (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &step, sizeof(step));
    server_conn_set_timeout(conn, silence);
}

static void conn_start(struct server_conn *conn)
{
    struct http_server *server = conn->server;
    struct http_listener *listener = server->listener;

    (void)uv_tcp_nodelay(&conn->tcp, 1);
    conn_keep_alive(conn);
    (void)pthread_mutex_lock(&listener->lock);
    conn->tls = listener->tls;
    (void)SSL_CTX_up_ref(conn->tls);
    (void)pthread_mutex_unlock(&listener->lock);
    conn->sock = h2o_uv_socket_create((uv_stream_t *)&conn->tcp, conn_closed);
    conn->sock->on_close.cb = conn_on_close;
    conn->sock->on_close.data = conn;
    conn->sock->bytes_written = (size_t)200 * 1024; /* past the small records */
    server->accept.ssl_ctx = conn->tls;
    h2o_accept(&server->accept, conn->sock);
}

static void server_on_connection(uv_stream_t *stream, int status)
{
    struct http_server *server = container_of((uv_tcp_t *)stream, struct http_server, tcp);
    struct http_listener *listener = server->listener;
    struct server_conn *conn;
    size_t count;

    if (status < 0)
        return; /* out of descriptors: libuv has dropped the connection */
    conn = mem_zalloc(sizeof(*conn));
    conn->server = server;
    list_append(&server->conns, &conn->link);
    server->conn_count++;
    count = __atomic_add_fetch(&listener->connections, 1, __ATOMIC_RELAXED);
    if (uv_tcp_init(loop_uv(server->loop), &conn->tcp))
        mem_die(0);
    if (uv_accept(stream, (uv_stream_t *)&conn->tcp) || !server_conn_admit(conn, count))
        uv_close((uv_handle_t *)&conn->tcp, conn_closed);
    else
        conn_start(conn);
}

/* Servers. */

static void fake_closed(uv_handle_t *handle)
{
    free(handle);
}

/*
 * Learns libh2o's function that reads requests, which is the one way to make it close a connection in the middle of a
 * request without writing to it (writing after a read error can leave the connection hanging for ever). A connection on
 * a handle without descriptor shows it.
 */
static h2o_socket_cb server_learn_drop(struct http_server *server)
{
    uv_tcp_t *tcp = mem_zalloc(sizeof(*tcp));
    h2o_socket_t *sock;
    h2o_socket_cb drop;

    if (uv_tcp_init(loop_uv(server->loop), tcp))
        mem_die(0);
    sock = h2o_uv_socket_create((uv_stream_t *)tcp, fake_closed);
    h2o_http1_accept(&server->accept, sock, *h2o_get_timestamp(&server->ctx, NULL, NULL));
    drop = sock->_cb.read;
    drop(sock, h2o_socket_error_closed);
    return drop;
}

struct http_server *http_server_start(struct http_listener *listener, struct loop *loop, http_handler *handler,
                                      void *arg)
{
    struct http_server *server = mem_zalloc(sizeof(*server));
    uint64_t quarter_ms = listener->write_timeout_s * UINT64_C(250);
    uint64_t sweep_ms = quarter_ms < SWEEP_MS ? quarter_ms : SWEEP_MS;
    int fd = dup(listener->fd);

    server->listener = listener;
    server->loop = loop;
    server->handler = handler;
    server->arg = arg;
    list_init(&server->conns);
    h2o_context_init(&server->ctx, loop_uv(loop), &listener->conf);
    server->accept = (h2o_accept_ctx_t){.ctx = &server->ctx, .hosts = listener->conf.hosts};
    server->drop = server_learn_drop(server);
    /* Nothing but a lack of descriptors can fail here, at start. */
    if (fd < 0 || uv_timer_init(loop_uv(loop), &server->last) || uv_tcp_init(loop_uv(loop), &server->tcp) ||
        uv_tcp_open(&server->tcp, fd) || uv_listen((uv_stream_t *)&server->tcp, BACKLOG, server_on_connection))
        mem_die(0);
    server->sweep = loop_timer_new(loop, server_sweep, server);
    loop_timer_start(server->sweep, sweep_ms, sweep_ms);
    return server;
}

static void server_call_done(void *arg)
{
    struct http_server *server = arg;

    server->done(server->done_arg);
}

static void server_last_closed(uv_handle_t *handle)
{
    struct http_server *server = container_of((uv_timer_t *)handle, struct http_server, last);

    /* The other handles close in this turn of the loop, what is posted comes in a later one. */
    loop_post(server->loop, server_call_done, server);
}

/* h2o_context_dispose would run the loop from inside itself; this is the rest of it. */
static void server_dispose_context(h2o_context_t *ctx)
{
    h2o_timeout_t *const timeouts[] = {
        &ctx->zero_timeout,       &ctx->one_sec_timeout,
        &ctx->hundred_ms_timeout, &ctx->handshake_timeout,
        &ctx->http1.req_timeout,  &ctx->http2.idle_timeout,
        &ctx->proxy.io_timeout,   &ctx->http2.graceful_shutdown_timeout,
    };

    h2o_context_dispose_pathconf_context(ctx, &ctx->globalconf->hosts[0]->fallback_path);
    free(ctx->_pathconfs_inited.entries);
    free(ctx->_module_configs);
    for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++)
        h2o_timeout_dispose(ctx->loop, timeouts[i]);
    h2o_filecache_destroy(ctx->filecache);
    free(ctx->storage.entries);
    h2o_multithread_unregister_receiver(ctx->queue, &ctx->receivers.hostinfo_getaddr);
    h2o_multithread_destroy_queue(ctx->queue);
    if (ctx->_timestamp_cache.value)
        h2o_mem_release_shared(ctx->_timestamp_cache.value);
}

void server_finish(struct http_server *server)
{
    if (server->state != SERVER_STOPPING || !server->tcp_closed || !list_empty(&server->conns) || server->giving_back)
        return;
    server->state = SERVER_STOPPED;
    loop_timer_free(server->sweep);
    loop_timer_free(server->grace);
    server_dispose_context(&server->ctx);
    uv_close((uv_handle_t *)&server->last, server_last_closed);
}

static void server_tcp_closed(uv_handle_t *handle)
{
    struct http_server *server = container_of((uv_tcp_t *)handle, struct http_server, tcp);

    server->tcp_closed = true;
    server_finish(server);
}

static void server_cut(struct http_server *server, bool idle_only)
{
    list_for_each_safe (it, next, &server->conns) {
        struct server_conn *conn = container_of(it, struct server_conn, link);

        if (!idle_only || (!conn->exchange && !conn->socket))
            server_conn_cut(conn);
    }
}

static void server_grace_over(void *arg)
{
    server_cut(arg, false);
}

void http_server_stop(struct http_server *server, unsigned grace_ms, void (*done)(void *arg), void *arg)
{
    server->state = SERVER_STOPPING;
    server->done = done;
    server->done_arg = arg;
    uv_close((uv_handle_t *)&server->tcp, server_tcp_closed);
    server->ctx.shutdown_requested = 1; /* "Connection: close" from now on; its function would start HTTP/2 timers */
    server_cut(server, true);
    server->grace = loop_timer_new(server->loop, server_grace_over, server);
    /* Repeats: a connection may be between two states when it fires. */
    loop_timer_start(server->grace, grace_ms, 100);
}

void http_server_free(struct http_server *server)
{
    if (!server)
        return;
    buf_free(&server->frame);
    free(server);
}

size_t http_server_connections(const struct http_server *server)
{
    return server->conn_count;
}
