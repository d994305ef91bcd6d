/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer on libh2o.
 *
 *     WAITING --respond-------> ANSWERING ------------------------.
 *        |----stream_start----> STREAMING --end--> ENDING --------+--> disposed (pool freed)
 *        |----take_over-------> UPGRADING --written, or failed----'
 *        |                           (upgraded: freed with the socket)
 *        `----peer gone, stopping: from WAITING, STREAMING and ENDING at once
 *
 * Everything of the request is copied into its pool first, because it points into the connection's input buffer, and
 * that buffer moves when we read on. We read on (armed) in WAITING, STREAMING and ENDING to see the peer leave; bytes
 * of a next, pipelined request stay in the buffer. A read error hands the connection to libh2o's own reader (`drop`),
 * which closes it; nothing is ever written after one.
 *
 * Invariants: h2o_send is called only when !writing; `closed` comes from the disposal of libh2o's request and from
 * nowhere else, hence exactly once and never from inside a call of the handler.
 */
#include "lib/http_server_exchange.h"

#define PIECE_MAX     (256u << 10) /* of a body that is encrypted at once */
#define PIPELINED_MAX (64u << 10)  /* bytes of next requests read while one is in progress */

static const struct http_exchange_ops exchange_ops;

/* Reading on. */

static void exchange_on_read(h2o_socket_t *sock, const char *err)
{
    struct server_conn *conn = server_conn_of(sock);
    struct server_exchange *ex = conn->exchange;

    if (err)
        conn->server->drop(sock, err);
    else if (server_body_is_unread(&ex->request_body) && (ex->request_body.started || ex->request_body.dropped))
        server_body_take(&ex->request_body);
    else if (sock->input->size > ex->armed_at + PIPELINED_MAX)
        h2o_socket_read_stop(sock);
}

void server_exchange_arm(struct server_exchange *ex)
{
    h2o_socket_t *sock = ex->conn->sock;

    if (ex->request_body.paused)
        return;
    ex->armed_at = ex->request_body.streams ? ex->request_body.head : sock->input->size;
    h2o_socket_read_start(sock, exchange_on_read);
}

/* Birth. */

static const char *exchange_copy_name(struct pool *pool, const h2o_iovec_t *name)
{
    return pool_slice_dup(pool, slice_make(name->base, name->len));
}

static struct slice exchange_copy(struct pool *pool, const char *data, size_t len)
{
    return len ? slice_make(pool_slice_dup(pool, slice_make(data, len)), len) : SLICE_NONE;
}

/* Upgrade is among libh2o's own headers; a handler that upgrades must know to what. */
static void exchange_copy_headers(struct server_exchange *ex, h2o_req_t *h2o)
{
    struct pool *pool = ex->req.pool;
    struct http_header *to = pool_alloc(pool, (h2o->headers.size + 1) * sizeof(*to));

    ex->headers = to;
    for (size_t i = 0; i < h2o->headers.size; i++) {
        const h2o_header_t *from = &h2o->headers.entries[i];

        if (!from->name->len)
            continue; /* a folded line */
        to->name = exchange_copy_name(pool, from->name);
        to->value = exchange_copy(pool, from->value.base, from->value.len);
        to++;
    }
    if (h2o->upgrade.base)
        *to++ = (struct http_header){"upgrade", exchange_copy(pool, h2o->upgrade.base, h2o->upgrade.len)};
    ex->header_count = (size_t)(to - ex->headers);
}

/* libh2o looks at some of these again while it answers. */
static void exchange_repoint(struct server_exchange *ex, h2o_req_t *h2o, struct slice target)
{
    h2o->input.method = h2o_iovec_init(ex->req.method.data, ex->req.method.len);
    h2o->input.path = h2o_iovec_init(target.data, target.len);
    h2o->input.authority = h2o->authority = h2o_iovec_init(H2O_STRLIT(""));
    h2o->method = h2o->input.method;
    h2o->path = h2o->path_normalized = h2o->input.path;
    h2o->upgrade = h2o->entity = (h2o_iovec_t){NULL, 0};
    h2o->headers.size = 0;
}

static void exchange_dispose(void *hook);

static struct server_exchange *exchange_new(struct http_server *server, h2o_req_t *h2o)
{
    struct pool *pool = pool_new();
    struct server_exchange *ex = pool_alloc(pool, sizeof(*ex));
    struct server_exchange **hook =
        h2o_mem_alloc_shared(&h2o->pool, sizeof(struct server_exchange *), exchange_dispose);
    struct slice target = exchange_copy(pool, h2o->input.path.base, h2o->input.path.len);
    ptrdiff_t query = slice_find(target, '?');

    *hook = ex;
    ex->h2o = h2o;
    ex->conn = server_conn_of(h2o->conn->callbacks->get_socket(h2o->conn));
    ex->conn->exchange = ex;
    server_stream_init(&ex->stream);
    ex->req = (struct http_request){
        .pool = pool,
        .loop = server->loop,
        .method = exchange_copy(pool, h2o->input.method.base, h2o->input.method.len),
        .authority = exchange_copy(pool, h2o->input.authority.base, h2o->input.authority.len),
        .path = query < 0 ? target : slice_make(target.data, (size_t)query),
        .query = query < 0 ? SLICE_NONE : slice_from(target, (size_t)query + 1),
        .body = exchange_copy(pool, h2o->entity.base, h2o->entity.len),
        .peer = &ex->conn->peer,
        .upgrade = h2o->upgrade.base != NULL,
        .start_ns = clock_monotonic_ns(loop_clock(server->loop)),
        .ops = &exchange_ops,
        .exchange = ex,
    };
    ex->silent = slice_is(ex->req.method, "HEAD");
    server_body_begin(&ex->request_body, ex->conn, h2o);
    ex->req.body_streams = ex->request_body.streams;
    ex->req.body_len = ex->request_body.chunked ? -1 : (int64_t)ex->request_body.length;
    exchange_copy_headers(ex, h2o);
    exchange_repoint(ex, h2o, target);
    return ex;
}

static void exchange_handle(struct server_exchange *ex)
{
    struct http_server *server = ex->conn->server;

    server->handler(&ex->req, server->arg);
    if (ex->state == EXCHANGE_WAITING)
        server_exchange_arm(ex);
}

static void exchange_on_continued(h2o_socket_t *sock, const char *err)
{
    struct server_conn *conn = server_conn_of(sock);

    if (err)
        conn->server->drop(sock, err);
    else
        exchange_handle(conn->exchange);
}

/* As libh2o does where it reads the body itself: before anybody has looked at the request. */
static void exchange_continue(struct server_exchange *ex)
{
    h2o_iovec_t go_on = h2o_iovec_init(H2O_STRLIT("HTTP/1.1 100 Continue\r\n\r\n"));

    h2o_socket_write(ex->conn->sock, &go_on, 1, exchange_on_continued);
}

int server_exchange_accept(h2o_handler_t *handler, h2o_req_t *h2o)
{
    struct http_server *server = container_of(h2o->conn->ctx, struct http_server, ctx);
    size_t body_max = server->listener->body_max;
    struct server_exchange *ex;

    (void)handler;
    if (h2o->entity.len > body_max) {
        char *text CLEANUP_FREE = server_error_body(413, body_max);
        struct refbuf *body CLEANUP_REFBUF = refbuf_new(text, strlen(text));

        h2o->entity.len = 0; /* no copy */
        ex = exchange_new(server, h2o);
        http_respond(&ex->req, 413, "application/json", NULL, 0, body);
        return 0;
    }
    ex = exchange_new(server, h2o);
    if (ex->request_body.expects)
        exchange_continue(ex);
    else
        exchange_handle(ex);
    return 0;
}

/* Death: libh2o's request is over, whatever the reason. */

static void exchange_free(struct server_exchange *ex)
{
    refbuf_unref(ex->body);
    server_stream_free(ex);
    pool_free(ex->req.pool); /* the exchange is of it */
}

static void exchange_dispose(void *hook)
{
    struct server_exchange *ex = *(struct server_exchange **)hook;

    ex->h2o = NULL;
    ex->conn->exchange = NULL;
    h2o_timeout_unlink(&ex->later);
    server_body_end(&ex->request_body);
    if (ex->state == EXCHANGE_UPGRADING)
        return; /* exchange_upgraded comes next */
    if ((ex->state == EXCHANGE_STREAMING || ex->state == EXCHANGE_ENDING) && ex->events.closed)
        ex->events.closed(ex->arg);
    exchange_free(ex);
}

/* Headers. */

static struct slice exchange_header(const struct http_request *req, const char *name)
{
    const struct server_exchange *ex = req->exchange;

    for (size_t i = 0; i < ex->header_count; i++)
        if (!strcmp(ex->headers[i].name, name))
            return ex->headers[i].value;
    return SLICE_NONE;
}

static void exchange_each_header(const struct http_request *req,
                                 void (*fn)(void *arg, struct slice name, struct slice value), void *arg)
{
    const struct server_exchange *ex = req->exchange;

    for (size_t i = 0; i < ex->header_count; i++)
        fn(arg, slice_str(ex->headers[i].name), ex->headers[i].value);
}

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } rows[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Request Entity Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].status == status)
            return rows[i].phrase;
    return status < 400 ? "OK" : "Error";
}

/* A control character in a value would let it end the header. */
static void exchange_add_header(h2o_req_t *h2o, struct slice name, struct slice value)
{
    h2o_iovec_t key = h2o_strdup(&h2o->pool, name.data, name.len);
    h2o_iovec_t text = h2o_strdup(&h2o->pool, value.len ? value.data : "", value.len);

    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.base[i] < 0x20 && text.base[i] != '\t')
            text.base[i] = ' ';
    h2o_add_header_by_str(&h2o->pool, &h2o->res.headers, key.base, key.len, 0, NULL, text.base, text.len);
}

/* Common to all answers. */
void server_exchange_begin(struct server_exchange *ex, enum exchange_state state, int status, const char *content_type,
                           const struct http_header *headers, size_t header_count)
{
    h2o_req_t *h2o = ex->h2o;

    if (ex->state != EXCHANGE_WAITING)
        abort(); /* the handler answers twice */
    ex->state = state;
    h2o->res.status = status;
    h2o->res.reason = reason_phrase(status);
    h2o->res.content_length = SIZE_MAX;
    h2o->compress_hint = H2O_COMPRESS_HINT_DISABLE;
    if (content_type)
        exchange_add_header(h2o, SLICE_LIT("content-type"), slice_str(content_type));
    for (size_t i = 0; i < header_count; i++) {
        int64_t length;

        if (!strcmp(headers[i].name, "content-length") && slice_to_int64(headers[i].value, &length))
            h2o->res.content_length = (size_t)length;
        else
            exchange_add_header(h2o, slice_str(headers[i].name), headers[i].value);
    }
    if (ex->conn->server->state != SERVER_RUNNING || server_body_is_unread(&ex->request_body))
        h2o->http1_is_persistent = 0;
}

/* Whole answers. */

static void answer_send(struct server_exchange *ex)
{
    struct slice rest = refbuf_slice(ex->body);
    h2o_iovec_t piece;
    bool last;

    if (ex->silent)
        rest = SLICE_NONE;
    piece = h2o_iovec_init(rest.data + ex->sent, rest.len - ex->sent);
    if (piece.len > PIECE_MAX)
        piece.len = PIECE_MAX;
    ex->sent += piece.len;
    last = ex->sent == rest.len;
    ex->lingers = last && piece.len && server_body_is_unread(&ex->request_body);
    h2o_send(ex->h2o, &piece, piece.len ? 1 : 0,
             last && !ex->lingers ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static void answer_proceed(h2o_generator_t *generator, h2o_req_t *h2o)
{
    struct server_exchange *ex = container_of(generator, struct server_exchange, generator);

    (void)h2o;
    if (ex->lingers)
        server_conn_linger(ex->conn);
    else
        answer_send(ex);
}

static void exchange_respond(struct http_request *req, int status, const char *content_type,
                             const struct http_header *headers, size_t header_count, struct refbuf *body)
{
    struct server_exchange *ex = req->exchange;

    server_exchange_begin(ex, EXCHANGE_ANSWERING, status, content_type, headers, header_count);
    ex->request_body.dropped = true;
    h2o_socket_read_stop(ex->conn->sock);
    if (status != 204 && status != 304)
        ex->h2o->res.content_length = body ? body->len : 0;
    else
        body = NULL;
    ex->body = body ? refbuf_ref(body) : NULL;
    ex->generator.proceed = answer_proceed;
    h2o_start_response(ex->h2o, &ex->generator);
    answer_send(ex);
}

/* Upgrades. */

static void exchange_release(void *arg)
{
    exchange_free(arg);
}

static void exchange_upgraded(void *arg, h2o_socket_t *sock, size_t request_len)
{
    struct server_exchange *ex = arg;
    struct http_socket *socket = NULL;

    if (sock) {
        h2o_buffer_consume(&sock->input, request_len);
        socket = server_socket_new(ex->conn, sock, exchange_release, ex);
    }
    ex->opened(ex->opened_arg, socket);
    if (!socket)
        exchange_free(ex);
}

static void exchange_take_over(struct http_request *req, const struct http_header *headers, size_t header_count,
                               void (*opened)(void *arg, struct http_socket *socket), void *arg)
{
    struct server_exchange *ex = req->exchange;

    server_exchange_begin(ex, EXCHANGE_UPGRADING, 101, NULL, headers, header_count);
    ex->opened = opened;
    ex->opened_arg = arg;
    h2o_socket_read_stop(ex->conn->sock);
    h2o_http1_upgrade(ex->h2o, NULL, 0, exchange_upgraded, ex);
}

static void exchange_body_start(struct http_request *req, const struct http_body_events *events, void *arg)
{
    struct server_exchange *ex = req->exchange;

    server_body_start(&ex->request_body, events, arg);
    if (!h2o_socket_is_reading(ex->conn->sock))
        server_exchange_arm(ex);
}

static void exchange_body_pause(struct http_request *req, bool paused)
{
    struct server_exchange *ex = req->exchange;

    if (!ex->h2o || ex->request_body.whole || ex->request_body.dropped || ex->request_body.paused == paused)
        return;
    server_body_pause(&ex->request_body, paused);
    if (paused)
        h2o_socket_read_stop(ex->conn->sock);
    else
        server_exchange_arm(ex);
}

static void exchange_know_peer(struct http_request *req)
{
    server_conn_know(((struct server_exchange *)req->exchange)->conn);
}

static const struct http_exchange_ops exchange_ops = {
    .know_peer = exchange_know_peer,
    .body_start = exchange_body_start,
    .body_pause = exchange_body_pause,
    .header = exchange_header,
    .each_header = exchange_each_header,
    .respond = exchange_respond,
    .stream_start = server_stream_start,
    .take_over = exchange_take_over,
};
