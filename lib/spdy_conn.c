/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     OPENING --opened--> OPEN --close()--> CLOSING --peer's end, or 5 s--> SHUT --> closed(), freed
 *        `--peer gone------`--peer gone, abort(), broken frame--------------^
 *
 * In a WebSocket the two last steps are that connection's own. CLOSING reads on for the reason that
 * lib/websocket_conn.c gives: unread bytes would make a reset of the end.
 */
#include "lib/spdy_conn.h"

#include "lib/websocket_conn.h"

#define CLOSING_MS  5000
#define PING_ROOM   65536
#define MESSAGE_MAX (1u << 20) /* of a WebSocket; kubectl's have a few bytes to 32 KiB */

enum conn_state { CONN_OPENING, CONN_OPEN, CONN_CLOSING, CONN_SHUT };

struct spdy_conn {
    enum conn_state state;
    struct spdy *spdy;
    struct http_socket *socket; /* one of these two */
    struct websocket_conn *websocket;
    struct buf early; /* written while OPENING without a WebSocket */
    struct buf out;
    struct spdy_conn_events events;
    void *arg;
    struct loop_timer *timer;
    uint32_t last_stream;
    bool paused;
    bool cut; /* abort() while OPENING */
    bool end; /* close() while OPENING */
};

/* ---- writing ---- */

/* What is in `out`. */
static void conn_put(struct spdy_conn *c)
{
    if (c->websocket)
        websocket_send(c->websocket, WEBSOCKET_BINARY, buf_slice(&c->out), SLICE_NONE);
    else if (c->socket)
        http_socket_write(c->socket, buf_slice(&c->out));
    else
        buf_append_slice(&c->early, buf_slice(&c->out));
    if (c->out.cap > PING_ROOM)
        buf_free(&c->out);
    buf_reset(&c->out);
}

void spdy_accept(struct spdy_conn *c, uint32_t stream)
{
    if (c->state > CONN_OPEN)
        return;
    spdy_write_syn_reply(c->spdy, &c->out, stream);
    conn_put(c);
}

void spdy_send(struct spdy_conn *c, uint32_t stream, struct slice data, bool fin)
{
    if (c->state > CONN_OPEN || (!data.len && !fin))
        return;
    spdy_write_data(&c->out, stream, data, fin);
    conn_put(c);
}

void spdy_reset(struct spdy_conn *c, uint32_t stream, uint32_t status)
{
    if (c->state > CONN_OPEN)
        return;
    spdy_write_reset(&c->out, stream, status);
    conn_put(c);
}

size_t spdy_pending(const struct spdy_conn *c)
{
    if (c->websocket)
        return websocket_pending(c->websocket);
    return c->socket ? http_socket_pending(c->socket) : c->early.len;
}

void spdy_pause(struct spdy_conn *c, bool paused)
{
    c->paused = paused;
    if (c->websocket)
        websocket_pause(c->websocket, paused);
    else if (c->socket && c->state == CONN_OPEN)
        http_socket_pause(c->socket, paused);
}

/* ---- ends ---- */

void spdy_close(struct spdy_conn *c)
{
    if (c->state > CONN_OPEN)
        return;
    if (c->state == CONN_OPENING) {
        c->end = true;
        return;
    }
    spdy_write_goaway(&c->out, c->last_stream);
    conn_put(c);
    c->state = CONN_CLOSING;
    if (c->websocket) {
        websocket_close(c->websocket, WEBSOCKET_CODE_NORMAL);
        return;
    }
    http_socket_pause(c->socket, false);
    loop_timer_start(c->timer, CLOSING_MS, 0);
}

void spdy_abort(struct spdy_conn *c)
{
    if (c->websocket)
        websocket_abort(c->websocket);
    else if (c->socket)
        http_socket_abort(c->socket);
    else
        c->cut = true;
    if (c->state != CONN_OPENING)
        c->state = CONN_SHUT;
}

static void conn_on_time(void *arg)
{
    struct spdy_conn *c = arg;

    c->state = CONN_SHUT;
    http_socket_abort(c->socket);
}

static void conn_on_closed(void *arg)
{
    struct spdy_conn *c = arg;

    c->events.closed(c->arg);
    loop_timer_free(c->timer);
    spdy_free(c->spdy);
    buf_free(&c->early);
    buf_free(&c->out);
    free(c);
}

static void conn_on_websocket_closed(void *arg, bool clean)
{
    (void)clean;
    conn_on_closed(arg);
}

/* ---- reading ---- */

static void conn_take(struct spdy_conn *c, const struct spdy_frame *f)
{
    switch (f->type) {
    case SPDY_SYN_STREAM:
        c->last_stream = f->stream;
        c->events.opened(c->arg, f->stream, f->headers, f->header_count);
        if (f->fin && c->state == CONN_OPEN)
            c->events.data(c->arg, f->stream, SLICE_NONE, true);
        break;
    case SPDY_DATA:
        c->events.data(c->arg, f->stream, f->data, f->fin);
        break;
    case SPDY_RST_STREAM:
        c->events.reset(c->arg, f->stream);
        break;
    case SPDY_PING:
        /* An even number answers one of ours, and we send none. */
        if (!(f->stream & 1) || spdy_pending(c) > PING_ROOM)
            break;
        spdy_write_ping(&c->out, f->stream);
        conn_put(c);
        break;
    case SPDY_SYN_REPLY:
    case SPDY_SETTINGS:
    case SPDY_GOAWAY: /* the peer's end follows */
    case SPDY_HEADERS:
    case SPDY_WINDOW_UPDATE:
        break;
    }
}

static void conn_on_data(void *arg, struct slice data)
{
    struct spdy_conn *c = arg;
    struct spdy_frame f;
    int r = 0;

    while (c->state == CONN_OPEN && (r = spdy_read(c->spdy, &data, &f, NULL)) > 0)
        conn_take(c, &f);
    if (r < 0)
        spdy_abort(c);
}

static void conn_on_message(void *arg, enum websocket_opcode opcode, struct slice data)
{
    (void)opcode;
    conn_on_data(arg, data);
}

static void conn_on_drained(void *arg)
{
    struct spdy_conn *c = arg;

    if (c->state <= CONN_OPEN)
        c->events.drained(c->arg);
}

/* ---- birth ---- */

bool spdy_requested(const struct http_request *req)
{
    return req->upgrade && slice_equal_nocase(slice_trim(http_request_header(req, "upgrade")), SLICE_LIT("SPDY/3.1"));
}

static struct spdy_conn *conn_new(const struct spdy_conn_events *events, void *arg)
{
    struct spdy_conn *c = mem_zalloc(sizeof(*c));

    c->spdy = spdy_new();
    c->events = *events;
    c->arg = arg;
    return c;
}

static void conn_on_opened(void *arg, struct http_socket *socket)
{
    static const struct http_socket_events events = {conn_on_data, conn_on_drained, conn_on_closed};
    struct spdy_conn *c = arg;

    if (!socket) {
        conn_on_closed(c);
        return;
    }
    c->socket = socket;
    c->state = CONN_OPEN;
    http_socket_start(socket, &events, c);
    http_socket_be_patient(socket);
    if (c->early.len)
        http_socket_write(socket, buf_slice(&c->early));
    buf_free(&c->early);
    http_socket_pause(socket, c->paused);
    if (c->cut)
        spdy_abort(c);
    else if (c->end)
        spdy_close(c);
}

struct spdy_conn *spdy_upgrade(struct http_request *req, const char *protocol, const struct spdy_conn_events *events,
                               void *arg)
{
    const struct http_header headers[] = {{"upgrade", SLICE_LIT("SPDY/3.1")},
                                          {"x-stream-protocol-version", slice_str(protocol)}};
    struct spdy_conn *c = conn_new(events, arg);

    c->timer = loop_timer_new(req->loop, conn_on_time, c);
    http_take_over(req, headers, ARRAY_SIZE(headers), conn_on_opened, c);
    return c;
}

struct spdy_conn *spdy_upgrade_websocket(struct http_request *req, struct slice protocol,
                                         const struct spdy_conn_events *events, void *arg)
{
    static const struct websocket_events websocket = {conn_on_message, conn_on_drained, conn_on_websocket_closed};
    struct spdy_conn *c = conn_new(events, arg);

    c->state = CONN_OPEN; /* the WebSocket gathers what is written early */
    c->websocket = websocket_upgrade(req, protocol, MESSAGE_MAX, &websocket, c);
    websocket_be_patient(c->websocket);
    return c;
}
