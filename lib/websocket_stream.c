/* SPDX-License-Identifier: Apache-2.0 */
/* An http_stream over a WebSocket, so that who writes a stream need not know which of the two it is. */
#include "lib/websocket_conn.h"

#define STREAM_MESSAGE_MAX 65536 /* of what is thrown away */

struct websocket_stream {
    struct http_stream base;
    struct websocket_conn *conn;
    struct http_stream_events events;
    void *arg;
};

static void stream_on_drained(void *arg)
{
    struct websocket_stream *s = arg;

    if (s->events.drained)
        s->events.drained(s->arg);
}

static void stream_on_closed(void *arg, bool clean)
{
    struct websocket_stream *s = arg;

    (void)clean;
    if (s->events.closed)
        s->events.closed(s->arg);
}

static void stream_queue(struct http_stream *stream, struct refbuf *data)
{
    websocket_send(container_of(stream, struct websocket_stream, base)->conn, WEBSOCKET_TEXT, refbuf_slice(data),
                   SLICE_NONE);
}

static size_t stream_pending(const struct http_stream *stream)
{
    return websocket_pending(container_of(stream, struct websocket_stream, base)->conn);
}

static void stream_end(struct http_stream *stream)
{
    websocket_close(container_of(stream, struct websocket_stream, base)->conn, WEBSOCKET_CODE_NORMAL);
}

static void stream_abort(struct http_stream *stream)
{
    websocket_abort(container_of(stream, struct websocket_stream, base)->conn);
}

static const struct http_stream_ops stream_ops = {
    .queue = stream_queue,
    .pending = stream_pending,
    .end = stream_end,
    .abort = stream_abort,
};

struct http_stream *websocket_stream_start(struct http_request *req, struct slice protocol,
                                           const struct http_stream_events *events, void *arg)
{
    static const struct websocket_events conn_events = {.drained = stream_on_drained, .closed = stream_on_closed};
    struct websocket_stream *s = pool_alloc(req->pool, sizeof(*s));

    s->base.ops = &stream_ops;
    s->events = *events;
    s->arg = arg;
    s->conn = websocket_upgrade(req, protocol, STREAM_MESSAGE_MAX, &conn_events, s);
    return &s->base;
}
