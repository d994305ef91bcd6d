/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels as messages of a WebSocket: the first byte is the channel. v5 adds channel 255, whose payload names a
 * channel that the client has closed; before it, only the end of the connection ends the input.
 */
#include "agent/channels.h"
#include "lib/websocket_conn.h"

#define CHANNEL_CLOSE 255
#define MESSAGE_MAX   (4u << 20) /* kubectl sends 32 KiB; others send all they have in one */

struct channels_websocket {
    struct channels base;
    struct websocket_conn *conn;
    bool input_ended;
    bool over;
    struct loop_timer *begin;
};

static const struct {
    const char *protocol;
    bool has_status;
} protocols[] = {
    {"v5.channel.k8s.io", true},  {"v4.channel.k8s.io", true}, {"v3.channel.k8s.io", false},
    {"v2.channel.k8s.io", false}, {"channel.k8s.io", false},
};

static struct channels_websocket *of(const struct channels *c)
{
    return container_of(c, struct channels_websocket, base);
}

static void end_input(struct channels_websocket *w)
{
    if (w->input_ended)
        return;
    w->input_ended = true;
    w->base.events.input_end(w->base.arg);
}

static void on_message(void *arg, enum websocket_opcode opcode, struct slice data)
{
    struct channels_websocket *w = arg;
    struct channels *c = &w->base;
    struct slice payload;

    (void)opcode; /* python sends its input as text */
    if (!data.len || w->over)
        return;
    payload = slice_from(data, 1);
    switch ((unsigned char)data.data[0]) {
    case CHANNEL_STDIN:
        if (c->options.in && !w->input_ended && payload.len)
            c->events.input(c->arg, payload);
        break;
    case CHANNEL_RESIZE:
        if (c->options.tty)
            channels_take_resize(c, payload);
        break;
    case CHANNEL_CLOSE:
        if (payload.len && payload.data[0] == CHANNEL_STDIN)
            end_input(w);
        break;
    default:
        break;
    }
}

static void on_drained(void *arg)
{
    struct channels_websocket *w = arg;

    if (!w->over)
        w->base.events.drained(w->base.arg);
}

static void on_closed(void *arg, bool clean)
{
    struct channels_websocket *w = arg;

    (void)clean;
    loop_timer_free(w->begin);
    w->base.events.closed(w->base.arg);
    free(w);
}

static void on_begin(void *arg)
{
    struct channels_websocket *w = arg;

    w->base.events.ready(w->base.arg);
}

static void websocket_write_channel(struct channels *c, enum channel channel, struct slice data)
{
    const char number = (char)channel;

    websocket_send(of(c)->conn, WEBSOCKET_BINARY, slice_make(&number, 1), data);
}

static size_t websocket_channels_pending(const struct channels *c)
{
    return websocket_pending(of(c)->conn);
}

static void websocket_channels_pause(struct channels *c, bool paused)
{
    websocket_pause(of(c)->conn, paused);
}

static void websocket_finish(struct channels *c, struct slice status)
{
    struct channels_websocket *w = of(c);

    w->over = true;
    if (status.len)
        websocket_write_channel(c, CHANNEL_ERROR, status);
    websocket_close(w->conn, WEBSOCKET_CODE_NORMAL);
}

static const struct channels_ops ops = {
    .write = websocket_write_channel,
    .pending = websocket_channels_pending,
    .pause = websocket_channels_pause,
    .finish = websocket_finish,
};

/* The first that is offered and known; without an offer the oldest. -1 = none. */
static int choose_protocol(const struct http_request *req, struct slice *ret_protocol)
{
    struct slice offered[WEBSOCKET_PROTOCOLS_MAX];
    size_t count = websocket_protocols(req, offered);

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < ARRAY_SIZE(protocols); k++)
            if (slice_is(offered[i], protocols[k].protocol)) {
                *ret_protocol = slice_str(protocols[k].protocol);
                return (int)k;
            }
    *ret_protocol = SLICE_NONE;
    return count ? -1 : (int)ARRAY_SIZE(protocols) - 1;
}

struct channels *channels_open_websocket(struct http_request *req, const struct channels_options *options,
                                         const struct channels_events *events, void *arg, struct error *err)
{
    static const struct websocket_events websocket = {on_message, on_drained, on_closed};
    struct channels_websocket *w;
    struct slice protocol;
    int chosen = choose_protocol(req, &protocol);

    if (websocket_check(req, err) < 0)
        return NULL;
    if (chosen < 0) {
        (void)error_set(err, ERROR_BAD_REQUEST, "no subprotocol that is offered is served; v5.channel.k8s.io is");
        return NULL;
    }
    w = mem_zalloc(sizeof(*w));
    w->base = (struct channels){&ops, *options, *events, arg, protocols[chosen].has_status};
    w->conn = websocket_upgrade(req, protocol, MESSAGE_MAX, &websocket, w);
    websocket_be_patient(w->conn);
    w->begin = loop_timer_new(req->loop, on_begin, w);
    loop_timer_start(w->begin, 0, 0);
    return &w->base;
}
