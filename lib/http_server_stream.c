/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer that goes out piece by piece: what waits, how it is put together, and its end. The states are those of the
 * exchange (http_server_exchange.h).
 */
#include "lib/http_server_exchange.h"

#define STREAM_MAX (64u << 10) /* copied together: few TLS records; what is larger goes alone */

/* What waits. */

static void refbufs_clear(struct refbufs *list)
{
    for (size_t i = list->first; i < list->count; i++)
        refbuf_unref(list->items[i]);
    list->first = list->count = list->bytes = 0;
}

/* Takes the reference over. */
static void refbufs_add(struct refbufs *list, struct refbuf *data)
{
    list->items = mem_grow(list->items, &list->cap, list->count + 1, sizeof(struct refbuf *));
    list->items[list->count++] = data;
    list->bytes += data->len;
}

/* The first of some; the caller owns it. */
static struct refbuf *refbufs_take(struct refbufs *list)
{
    struct refbuf *data = list->items[list->first];

    list->bytes -= data->len;
    if (++list->first == list->count)
        list->first = list->count = 0;
    return data;
}

/* How many of the first have no more than `max` bytes together; *ret_bytes is what they have. */
static size_t refbufs_fit(const struct refbufs *list, size_t max, size_t *ret_bytes)
{
    size_t i = list->first;

    for (*ret_bytes = 0; i < list->count && *ret_bytes + list->items[i]->len <= max; i++)
        *ret_bytes += list->items[i]->len;
    return i - list->first;
}

/* Sending. */

/* Until the answer is complete libh2o keeps the request's bytes, of which it needs the number, in the buffer that they
 * were read into: 8 KiB of every watch. They move into one of their size. */
static void exchange_settle_input(h2o_socket_t *sock)
{
    static h2o_buffer_prototype_t exact; /* makes buffers as large as they are asked for; never changes */
    h2o_buffer_t *kept;

    if (!sock->input->size || sock->input->_fd >= 0)
        return;
    h2o_buffer_init(&kept, &exact);
    memcpy(h2o_buffer_reserve(&kept, sock->input->size).base, sock->input->bytes, sock->input->size);
    kept->size = sock->input->size;
    h2o_buffer_set_prototype(&kept, sock->input->_prototype);
    h2o_buffer_dispose(&sock->input);
    sock->input = kept;
}

/* libh2o encrypts what it is given before h2o_send returns, so one frame serves all streams of a loop, and what it was
 * made of is let go at once. The exchange may be gone afterwards when it was the last. */
static void stream_send_pieces(struct server_exchange *ex, h2o_iovec_t *pieces, size_t count, bool last)
{
    if (last && server_body_is_unread(&ex->request_body)) {
        ex->lingers = true;
        if (!count) {
            server_conn_linger(ex->conn);
            return;
        }
    }
    ex->writing = true;
    if (last && ex->conn->server->state != SERVER_RUNNING)
        ex->h2o->http1_is_persistent = 0;
    h2o_send(ex->h2o, pieces, count, last && !ex->lingers ? H2O_SEND_STATE_FINAL : H2O_SEND_STATE_IN_PROGRESS);
}

static bool stream_is_last(const struct server_exchange *ex)
{
    return ex->state == EXCHANGE_ENDING && !ex->queue.count;
}

/* A large one, as it is. */
static void stream_send_referenced(struct server_exchange *ex)
{
    struct refbuf *data CLEANUP_REFBUF = refbufs_take(&ex->queue);
    bool last = stream_is_last(ex);
    h2o_iovec_t out[3];
    size_t count = 0;
    char head[24];

    if (ex->chunked)
        out[count++] = h2o_iovec_init(head, (size_t)snprintf(head, sizeof(head), "%zx\r\n", data->len));
    out[count++] = h2o_iovec_init(data->data, data->len);
    if (ex->chunked)
        out[count++] = last ? h2o_iovec_init(H2O_STRLIT("\r\n0\r\n\r\n")) : h2o_iovec_init(H2O_STRLIT("\r\n"));
    ex->flying = data->len;
    stream_send_pieces(ex, out, count, last);
}

/* Small ones: in one piece of our own, one chunk. */
static void stream_send_copied(struct server_exchange *ex, size_t count)
{
    struct buf *frame = &ex->conn->server->frame;
    h2o_iovec_t out;
    bool last;

    buf_reset(frame);
    if (ex->chunked && ex->flying)
        buf_printf(frame, "%zx\r\n", ex->flying);
    for (; count; count--) {
        struct refbuf *data CLEANUP_REFBUF = refbufs_take(&ex->queue);

        buf_append_slice(frame, refbuf_slice(data));
    }
    if (ex->chunked && ex->flying)
        buf_append_str(frame, "\r\n");
    last = stream_is_last(ex);
    if (ex->chunked && last)
        buf_append_str(frame, "0\r\n\r\n");
    out = h2o_iovec_init(frame->data, frame->len);
    stream_send_pieces(ex, &out, out.len ? 1 : 0, last);
}

/* Sends some of what waits, and in ENDING, when it is all, the end. */
static void stream_send(struct server_exchange *ex)
{
    size_t count = refbufs_fit(&ex->queue, STREAM_MAX, &ex->flying);

    if (count || !ex->queue.count)
        stream_send_copied(ex, count);
    else
        stream_send_referenced(ex);
}

static void stream_proceed(h2o_generator_t *generator, h2o_req_t *h2o)
{
    struct server_exchange *ex = container_of(generator, struct server_exchange, generator);

    (void)h2o;
    ex->writing = false;
    ex->flying = 0;
    if (ex->lingers)
        server_conn_linger(ex->conn);
    else if (ex->queue.count || ex->state == EXCHANGE_ENDING)
        stream_send(ex);
    else if (ex->events.drained)
        ex->events.drained(ex->arg);
}

static void stream_queue(struct http_stream *stream, struct refbuf *data)
{
    struct server_exchange *ex = container_of(stream, struct server_exchange, stream);

    if (ex->state == EXCHANGE_STREAMING && ex->h2o && !ex->silent && data->len)
        refbufs_add(&ex->queue, refbuf_ref(data));
}

static void stream_flush(struct http_stream *stream)
{
    struct server_exchange *ex = container_of(stream, struct server_exchange, stream);

    if (ex->state == EXCHANGE_STREAMING && ex->h2o && ex->queue.count && !ex->writing)
        stream_send(ex);
}

static size_t stream_pending(const struct http_stream *stream)
{
    const struct server_exchange *ex = container_of(stream, struct server_exchange, stream);

    return ex->queue.bytes + ex->flying;
}

static void stream_finish(h2o_timeout_entry_t *entry)
{
    struct server_exchange *ex = container_of(entry, struct server_exchange, later);

    if (!ex->writing)
        stream_send(ex);
}

static void stream_end(struct http_stream *stream)
{
    struct server_exchange *ex = container_of(stream, struct server_exchange, stream);

    if (ex->state != EXCHANGE_STREAMING || !ex->h2o)
        return;
    ex->state = EXCHANGE_ENDING;
    ex->request_body.dropped = true;
    if (ex->writing)
        return; /* stream_proceed goes on */
    ex->later.cb = stream_finish;
    h2o_timeout_link(ex->h2o->conn->ctx->loop, &ex->h2o->conn->ctx->zero_timeout, &ex->later);
}

static void stream_abort(struct http_stream *stream)
{
    struct server_exchange *ex = container_of(stream, struct server_exchange, stream);

    if (!ex->h2o)
        return;
    ex->request_body.dropped = true;
    ex->request_body.paused = false;
    if (!h2o_socket_is_reading(ex->conn->sock))
        server_exchange_arm(ex); /* so that the cut is seen */
    server_conn_cut(ex->conn);
}

static const struct http_stream_ops stream_ops = {
    .queue = stream_queue,
    .flush = stream_flush,
    .pending = stream_pending,
    .end = stream_end,
    .abort = stream_abort,
};

void server_stream_init(struct http_stream *stream)
{
    stream->ops = &stream_ops;
}

void server_stream_free(struct server_exchange *ex)
{
    refbufs_clear(&ex->queue);
    free(ex->queue.items);
}

struct http_stream *server_stream_start(struct http_request *req, int status, const char *content_type,
                                        const struct http_header *headers, size_t header_count,
                                        const struct http_stream_events *events, void *arg)
{
    struct server_exchange *ex = req->exchange;
    h2o_req_t *h2o = ex->h2o;

    server_exchange_begin(ex, EXCHANGE_STREAMING, status, content_type, headers, header_count);
    ex->events = *events;
    ex->arg = arg;
    ex->chunked = h2o->version >= 0x101 && !ex->silent && h2o->res.content_length == SIZE_MAX;
    if (h2o->res.content_length == SIZE_MAX && h2o->version >= 0x101)
        h2o_add_header(&h2o->pool, &h2o->res.headers, H2O_TOKEN_TRANSFER_ENCODING, NULL, H2O_STRLIT("chunked"));
    else if (h2o->res.content_length == SIZE_MAX)
        h2o->http1_is_persistent = 0; /* the end of the connection is the end of the body */
    ex->generator.proceed = stream_proceed;
    ex->writing = true;
    if (!ex->request_body.streams)
        exchange_settle_input(ex->conn->sock);
    h2o_start_response(h2o, &ex->generator);
    h2o_send(h2o, NULL, 0, H2O_SEND_STATE_IN_PROGRESS);
    if (!h2o_socket_is_reading(ex->conn->sock))
        server_exchange_arm(ex);
    return &ex->stream;
}
