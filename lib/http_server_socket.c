/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upgraded connection: raw bytes both ways, one write under way at a time, the rest gathered behind it.
 *
 *     IDLE --start--> OPEN --close()--> CLOSING --all written--> closed(), freed
 *       |               `----peer gone, or DEAD----------------^
 *       `--close()--> CLOSING: freed without an event;  abort --> DEAD, which waits for start
 *
 * Ends come from the loop (a read, a write that is done, or the zero timer `later`), never from inside a call.
 */
#include "lib/http_server_internal.h"

enum socket_state { SOCKET_IDLE, SOCKET_OPEN, SOCKET_CLOSING, SOCKET_DEAD };

struct server_socket {
    struct http_socket base;
    struct server_conn *conn;
    h2o_socket_t *sock;
    enum socket_state state;
    struct http_socket_events events;
    void *arg;
    void (*release)(void *arg);
    void *release_arg;
    struct buf queue;
    struct buf flying;
    bool started; /* until then nothing ends: the owner has no event to learn it from */
    bool writing;
    bool paused;
    h2o_timeout_entry_t later;
};

static void socket_finish(struct server_socket *s)
{
    void (*closed)(void *arg) = s->events.closed;
    void *arg = s->arg;

    h2o_timeout_unlink(&s->later);
    s->conn->socket = NULL;
    h2o_socket_read_stop(s->sock);
    h2o_socket_close(s->sock);
    if (closed)
        closed(arg);
    s->release(s->release_arg);
    buf_free(&s->queue);
    buf_free(&s->flying);
    free(s);
}

static void socket_deliver(struct server_socket *s)
{
    h2o_socket_t *sock = s->sock;
    size_t len = sock->input->size;

    if (len && s->state == SOCKET_OPEN)
        s->events.data(s->arg, slice_make(sock->input->bytes, len));
    h2o_buffer_consume(&sock->input, len);
}

static void socket_on_read(h2o_socket_t *sock, const char *err)
{
    struct server_socket *s = sock->data;

    if (err)
        socket_finish(s);
    else
        socket_deliver(s);
}

static void socket_flush(struct server_socket *s);

static void socket_on_written(h2o_socket_t *sock, const char *err)
{
    struct server_socket *s = sock->data;

    s->writing = false;
    buf_reset(&s->flying);
    if (err)
        s->state = SOCKET_DEAD;
    if (s->state == SOCKET_DEAD) {
        if (s->started)
            socket_finish(s);
    } else if (s->queue.len) {
        socket_flush(s);
    } else if (s->state == SOCKET_CLOSING) {
        socket_finish(s);
    } else if (s->events.drained) {
        s->events.drained(s->arg);
    }
}

static void socket_flush(struct server_socket *s)
{
    struct buf spare = s->flying;
    h2o_iovec_t out;

    s->flying = s->queue;
    s->queue = spare;
    s->writing = true;
    out = h2o_iovec_init(s->flying.data, s->flying.len);
    h2o_socket_write(s->sock, &out, 1, socket_on_written);
}

static void socket_later(h2o_timeout_entry_t *entry)
{
    struct server_socket *s = container_of(entry, struct server_socket, later);

    if ((s->state == SOCKET_DEAD && s->started) || (s->state == SOCKET_CLOSING && !s->writing))
        socket_finish(s);
    else if (s->state == SOCKET_OPEN && !s->paused)
        socket_deliver(s); /* what came with the request */
}

static void socket_call_later(struct server_socket *s)
{
    h2o_timeout_unlink(&s->later);
    h2o_timeout_link(s->conn->server->ctx.loop, &s->conn->server->ctx.zero_timeout, &s->later);
}

static void socket_start(struct http_socket *socket, const struct http_socket_events *events, void *arg)
{
    struct server_socket *s = container_of(socket, struct server_socket, base);

    s->events = *events;
    s->arg = arg;
    s->started = true;
    if (s->state != SOCKET_IDLE) {
        socket_call_later(s); /* cut meanwhile: `closed` follows */
        return;
    }
    s->state = SOCKET_OPEN;
    h2o_socket_read_start(s->sock, socket_on_read);
    if (s->sock->input->size)
        socket_call_later(s);
}

static void socket_write(struct http_socket *socket, struct slice data)
{
    struct server_socket *s = container_of(socket, struct server_socket, base);

    if (s->state > SOCKET_OPEN || !data.len)
        return;
    buf_append_slice(&s->queue, data);
    if (!s->writing)
        socket_flush(s);
}

static size_t socket_pending(const struct http_socket *socket)
{
    const struct server_socket *s = container_of(socket, struct server_socket, base);

    return s->queue.len + s->flying.len;
}

static void socket_pause(struct http_socket *socket, bool paused)
{
    struct server_socket *s = container_of(socket, struct server_socket, base);

    if (s->state != SOCKET_OPEN || s->paused == paused)
        return;
    s->paused = paused;
    if (paused) {
        h2o_socket_read_stop(s->sock);
        return;
    }
    h2o_socket_read_start(s->sock, socket_on_read);
    if (s->sock->input->size)
        socket_call_later(s);
}

static void socket_close(struct http_socket *socket)
{
    struct server_socket *s = container_of(socket, struct server_socket, base);

    if (s->state > SOCKET_OPEN)
        return;
    s->state = SOCKET_CLOSING;
    s->conn->patient = false;
    server_conn_set_timeout(s->conn, s->conn->server->listener->silence_s);
    socket_call_later(s);
}

static void socket_abort(struct http_socket *socket)
{
    server_socket_abort(container_of(socket, struct server_socket, base));
}

static void socket_be_patient(struct http_socket *socket)
{
    struct server_conn *conn = container_of(socket, struct server_socket, base)->conn;

    conn->patient = true;
    server_conn_set_timeout(conn, 0); /* the kernel's patience ends the same way */
}

static const struct http_socket_ops socket_ops = {
    .start = socket_start,
    .write = socket_write,
    .pending = socket_pending,
    .pause = socket_pause,
    .close = socket_close,
    .abort = socket_abort,
    .be_patient = socket_be_patient,
};

struct http_socket *server_socket_new(struct server_conn *conn, h2o_socket_t *sock, void (*release)(void *arg),
                                      void *arg)
{
    struct server_socket *s = mem_zalloc(sizeof(*s));

    s->base.ops = &socket_ops;
    s->conn = conn;
    s->sock = sock;
    s->later.cb = socket_later;
    s->release = release;
    s->release_arg = arg;
    sock->data = s;
    conn->socket = s;
    return &s->base;
}

void server_socket_abort(struct server_socket *socket)
{
    socket->state = SOCKET_DEAD;
    socket_call_later(socket);
}
