/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     OPENING --opened--> OPEN --close()------> CLOSING --peer's close, its end, or 5 s--> SHUT --> closed(), freed
 *        |                 |--peer's close: answered-----------------------------------^
 *        `--peer gone------`--peer gone, abort(), broken frame: told why---------------^
 *
 * OPENING gathers what is sent. CLOSING goes on reading, because a connection that is closed with unread bytes is
 * reset, and a reset takes away what the peer has not read yet. SHUT waits for the socket's last event.
 */
#include "lib/websocket_conn.h"

#include "lib/encoding.h"
#include "lib/random.h"

#define CLOSING_MS 5000
#define PONG_ROOM  65536 /* a peer that pings and does not read gets no more than this queued */

enum conn_state { CONN_OPENING, CONN_OPEN, CONN_CLOSING, CONN_SHUT };

struct websocket_conn {
    enum conn_state state;
    struct http_socket *socket; /* NULL while OPENING */
    struct websocket_reader reader;
    struct websocket_events events;
    void *arg;
    struct loop_timer *timer;
    struct buf early;    /* frames of OPENING */
    unsigned close_code; /* of a close while OPENING */
    bool client;
    bool paused;
    bool patient;
    bool abort; /* while OPENING */
    bool clean;
};

/* ---- handshake ---- */

bool websocket_requested(const struct http_request *req)
{
    return req->upgrade && slice_is(req->method, "GET") &&
           slice_equal_nocase(slice_trim(http_request_header(req, "upgrade")), SLICE_LIT("websocket"));
}

int websocket_check(const struct http_request *req, struct error *err)
{
    if (!slice_is(slice_trim(http_request_header(req, "sec-websocket-version")), "13"))
        return error_set(err, ERROR_BAD_REQUEST, "only version 13 of WebSocket is served");
    if (!websocket_key_valid(slice_trim(http_request_header(req, "sec-websocket-key"))))
        return error_set(err, ERROR_BAD_REQUEST, "Sec-WebSocket-Key is not 16 bytes in base64");
    return 0;
}

struct protocol_list {
    struct slice *items;
    size_t count;
};

static void take_protocols(void *arg, struct slice name, struct slice value)
{
    struct protocol_list *list = arg;
    struct slice one;

    if (!slice_is(name, "sec-websocket-protocol"))
        return;
    while (slice_split(&value, ',', &one)) {
        one = slice_trim(one);
        if (one.len && list->count < WEBSOCKET_PROTOCOLS_MAX)
            list->items[list->count++] = one;
    }
}

size_t websocket_protocols(const struct http_request *req, struct slice *ret_protocols)
{
    struct protocol_list list = {ret_protocols, 0};

    http_request_each_header(req, take_protocols, &list);
    return list.count;
}

/* ---- writing ---- */

static void conn_write(struct websocket_conn *c, enum websocket_opcode opcode, struct slice first, struct slice second)
{
    unsigned char mask[WEBSOCKET_MASK_SIZE];
    BUF_LOCAL(frame);

    if (c->client)
        random_bytes(mask, sizeof(mask));
    if (c->state == CONN_OPENING) {
        websocket_write(&c->early, opcode, first, second, c->client ? mask : NULL);
        return;
    }
    websocket_write(&frame, opcode, first, second, c->client ? mask : NULL);
    http_socket_write(c->socket, buf_slice(&frame));
}

static void conn_write_close(struct websocket_conn *c, unsigned code)
{
    const char bytes[2] = {(char)(code >> 8), (char)code};

    conn_write(c, WEBSOCKET_CLOSE, slice_make(bytes, sizeof(bytes)), SLICE_NONE);
}

void websocket_send(struct websocket_conn *c, enum websocket_opcode opcode, struct slice first, struct slice second)
{
    if (c->state == CONN_OPEN || (c->state == CONN_OPENING && !c->close_code))
        conn_write(c, opcode, first, second);
}

size_t websocket_pending(const struct websocket_conn *c)
{
    return c->socket ? http_socket_pending(c->socket) : c->early.len;
}

void websocket_pause(struct websocket_conn *c, bool paused)
{
    c->paused = paused;
    if (c->state == CONN_OPEN)
        http_socket_pause(c->socket, paused);
}

void websocket_be_patient(struct websocket_conn *c)
{
    c->patient = true;
    if (c->socket)
        http_socket_be_patient(c->socket);
}

/* ---- ends ---- */

static void conn_shut(struct websocket_conn *c, bool clean)
{
    c->state = CONN_SHUT;
    c->clean = clean;
    http_socket_close(c->socket);
    loop_timer_start(c->timer, CLOSING_MS, 0); /* the peer may not read either */
}

static void conn_on_time(void *arg)
{
    struct websocket_conn *c = arg;

    c->state = CONN_SHUT;
    http_socket_abort(c->socket);
}

void websocket_close(struct websocket_conn *c, unsigned code)
{
    if (c->state == CONN_OPENING && !c->close_code)
        c->close_code = code;
    if (c->state != CONN_OPEN)
        return;
    conn_write_close(c, code);
    c->state = CONN_CLOSING;
    http_socket_pause(c->socket, false);
    loop_timer_start(c->timer, CLOSING_MS, 0);
}

void websocket_abort(struct websocket_conn *c)
{
    c->abort = true;
    if (c->state == CONN_OPENING)
        return;
    c->state = CONN_SHUT;
    http_socket_abort(c->socket);
}

static void conn_free(struct websocket_conn *c)
{
    loop_timer_free(c->timer);
    websocket_reader_clear(&c->reader);
    buf_free(&c->early);
    free(c);
}

static void conn_on_closed(void *arg)
{
    struct websocket_conn *c = arg;

    c->state = CONN_SHUT;
    c->events.closed(c->arg, c->clean);
    conn_free(c);
}

/* ---- reading ---- */

static void conn_take(struct websocket_conn *c, const struct websocket_message *m)
{
    switch (m->opcode) {
    case WEBSOCKET_PING:
        if (c->state == CONN_OPEN && websocket_pending(c) < PONG_ROOM)
            conn_write(c, WEBSOCKET_PONG, m->data, SLICE_NONE);
        break;
    case WEBSOCKET_CLOSE:
        if (c->state == CONN_OPEN)
            conn_write_close(c, m->data.len >= 2 ? websocket_close_code(m->data) : WEBSOCKET_CODE_NORMAL);
        conn_shut(c, true);
        break;
    case WEBSOCKET_TEXT:
    case WEBSOCKET_BINARY:
        if (c->state == CONN_OPEN && c->events.message)
            c->events.message(c->arg, m->opcode, m->data);
        break;
    case WEBSOCKET_PONG:
    case WEBSOCKET_CONTINUATION:
        break;
    }
}

static void conn_on_data(void *arg, struct slice data)
{
    struct websocket_conn *c = arg;
    struct websocket_message m;
    int r = 0;

    while (c->state != CONN_SHUT && (r = websocket_read(&c->reader, &data, &m, NULL)) > 0)
        conn_take(c, &m);
    if (r >= 0 || c->state == CONN_SHUT)
        return;
    if (c->state == CONN_OPEN)
        conn_write_close(c, websocket_reader_code(&c->reader));
    conn_shut(c, false);
}

static void conn_on_drained(void *arg)
{
    struct websocket_conn *c = arg;

    if (c->state == CONN_OPEN && c->events.drained)
        c->events.drained(c->arg);
}

static const struct http_socket_events conn_socket_events = {conn_on_data, conn_on_drained, conn_on_closed};

/* ---- birth ---- */

static void conn_open(struct websocket_conn *c, struct http_socket *socket)
{
    c->socket = socket;
    c->state = CONN_OPEN;
    http_socket_start(socket, &conn_socket_events, c);
    if (c->patient)
        http_socket_be_patient(socket);
    if (c->early.len)
        http_socket_write(socket, buf_slice(&c->early));
    buf_free(&c->early);
    if (c->paused)
        http_socket_pause(socket, true);
    if (c->abort)
        websocket_abort(c);
    else if (c->close_code)
        websocket_close(c, c->close_code);
}

static void conn_on_opened(void *arg, struct http_socket *socket)
{
    if (socket)
        conn_open(arg, socket);
    else
        conn_on_closed(arg);
}

static struct websocket_conn *conn_new(struct loop *loop, size_t message_max, const struct websocket_events *events,
                                       void *arg)
{
    struct websocket_conn *c = mem_zalloc(sizeof(*c));

    c->events = *events;
    c->arg = arg;
    c->reader.message_max = message_max;
    c->timer = loop_timer_new(loop, conn_on_time, c);
    return c;
}

struct websocket_conn *websocket_upgrade(struct http_request *req, struct slice protocol, size_t message_max,
                                         const struct websocket_events *events, void *arg)
{
    struct websocket_conn *c = conn_new(req->loop, message_max, events, arg);
    struct http_header headers[3] = {{"upgrade", SLICE_LIT("websocket")}};
    size_t count = 1;
    BUF_LOCAL(accept);

    c->reader.masked = true;
    websocket_accept(&accept, slice_trim(http_request_header(req, "sec-websocket-key")));
    headers[count++] = (struct http_header){"sec-websocket-accept", buf_slice(&accept)};
    if (protocol.len)
        headers[count++] = (struct http_header){"sec-websocket-protocol", protocol};
    http_take_over(req, headers, count, conn_on_opened, c);
    return c;
}

struct websocket_conn *websocket_conn_new(struct loop *loop, struct http_socket *socket, size_t message_max,
                                          const struct websocket_events *events, void *arg)
{
    struct websocket_conn *c = conn_new(loop, message_max, events, arg);

    c->client = true;
    conn_open(c, socket);
    return c;
}
