/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels as streams of a SPDY/3.1 connection. The client opens them one by one, each saying in a header what it is;
 * the session begins when all that the query asks for are there. Every stream is ended by us, or kubectl waits for
 * ever.
 */
#include "agent/channels.h"
#include "lib/spdy_conn.h"

#define STREAMS_MS 30000 /* for the client to open them, as the kubelet's stream creation timeout */

struct channels_spdy {
    struct channels base;
    struct spdy_conn *conn;
    struct loop_timer *patience;
    uint32_t streams[CHANNEL_COUNT]; /* 0 = not there */
    struct buf resize;               /* a message that has not ended */
    bool wanted[CHANNEL_COUNT];
    bool ready;
    bool input_ended;
    bool over;
};

static const char *const stream_types[CHANNEL_COUNT] = {"stdin", "stdout", "stderr", "error", "resize"};

static const struct {
    const char *protocol;
    bool has_status;
    bool has_resize;
} protocols[] = {
    {"v4.channel.k8s.io", true, true},
    {"v3.channel.k8s.io", false, true},
    {"v2.channel.k8s.io", false, false},
    {"channel.k8s.io", false, false},
};

static struct channels_spdy *of(const struct channels *c)
{
    return container_of(c, struct channels_spdy, base);
}

static void on_patience(void *arg)
{
    struct channels_spdy *s = arg;

    s->over = true;
    spdy_abort(s->conn);
}

static void check_ready(struct channels_spdy *s)
{
    for (size_t i = 0; i < CHANNEL_COUNT; i++)
        if (s->wanted[i] && !s->streams[i])
            return;
    if (s->ready)
        return;
    s->ready = true;
    loop_timer_stop(s->patience);
    s->base.events.ready(s->base.arg);
}

static void on_opened(void *arg, uint32_t stream, const struct spdy_header *headers, size_t count)
{
    struct channels_spdy *s = arg;

    for (size_t h = 0; h < count; h++)
        for (size_t i = 0; slice_is(headers[h].name, "streamtype") && i < CHANNEL_COUNT; i++)
            if (slice_is(headers[h].value, stream_types[i]) && s->wanted[i] && !s->streams[i]) {
                s->streams[i] = stream;
                spdy_accept(s->conn, stream);
                check_ready(s);
                return;
            }
    spdy_reset(s->conn, stream, SPDY_REFUSED_STREAM);
}

/* Messages are lines; a frame may hold a part of one. */
static void take_resize(struct channels_spdy *s, struct slice data)
{
    ptrdiff_t end;

    if (s->resize.len + data.len > 4096)
        buf_reset(&s->resize);
    else
        buf_append_slice(&s->resize, data);
    while ((end = slice_find(buf_slice(&s->resize), '}')) >= 0) {
        channels_take_resize(&s->base, slice_make(s->resize.data, (size_t)end + 1));
        buf_consume(&s->resize, (size_t)end + 1);
    }
}

static void on_data(void *arg, uint32_t stream, struct slice data, bool fin)
{
    struct channels_spdy *s = arg;

    if (s->over)
        return;
    if (stream == s->streams[CHANNEL_RESIZE]) {
        take_resize(s, slice_trim(data));
    } else if (stream == s->streams[CHANNEL_STDIN] && !s->input_ended) {
        if (data.len)
            s->base.events.input(s->base.arg, data);
        if (fin) {
            s->input_ended = true;
            s->base.events.input_end(s->base.arg);
        }
    }
}

static void on_reset(void *arg, uint32_t stream)
{
    on_data(arg, stream, SLICE_NONE, true);
}

static void on_drained(void *arg)
{
    struct channels_spdy *s = arg;

    if (!s->over)
        s->base.events.drained(s->base.arg);
}

static void on_closed(void *arg)
{
    struct channels_spdy *s = arg;

    loop_timer_free(s->patience);
    s->base.events.closed(s->base.arg);
    buf_free(&s->resize);
    free(s);
}

static void spdy_write_channel(struct channels *c, enum channel channel, struct slice data)
{
    struct channels_spdy *s = of(c);

    if (s->streams[channel])
        spdy_send(s->conn, s->streams[channel], data, false);
}

static size_t spdy_channels_pending(const struct channels *c)
{
    return spdy_pending(of(c)->conn);
}

static void spdy_channels_pause(struct channels *c, bool paused)
{
    spdy_pause(of(c)->conn, paused);
}

static void spdy_finish(struct channels *c, struct slice status)
{
    static const enum channel order[] = {CHANNEL_ERROR, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_STDIN, CHANNEL_RESIZE};
    struct channels_spdy *s = of(c);

    s->over = true;
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        if (s->streams[order[i]])
            spdy_send(s->conn, s->streams[order[i]], order[i] == CHANNEL_ERROR ? status : SLICE_NONE, true);
    spdy_close(s->conn);
}

static const struct channels_ops ops = {
    .write = spdy_write_channel,
    .pending = spdy_channels_pending,
    .pause = spdy_channels_pause,
    .finish = spdy_finish,
};

struct choice {
    int index; /* -1 = none yet */
    bool any;  /* something was offered */
};

/* The first that is offered and known. Some send one header each, some one with commas. */
static void take_offer(void *arg, struct slice name, struct slice value)
{
    struct choice *choice = arg;
    struct slice one;

    if (!slice_is(name, "x-stream-protocol-version"))
        return;
    choice->any = true;
    while (choice->index < 0 && slice_split(&value, ',', &one))
        for (size_t k = 0; choice->index < 0 && k < ARRAY_SIZE(protocols); k++)
            if (slice_is(slice_trim(one), protocols[k].protocol))
                choice->index = (int)k;
}

struct channels *channels_open_spdy(struct http_request *req, const struct channels_options *options,
                                    const struct channels_events *events, void *arg, struct error *err)
{
    static const struct spdy_conn_events spdy = {on_opened, on_data, on_reset, on_drained, on_closed};
    struct choice choice = {-1, false};
    struct channels_spdy *s;

    http_request_each_header(req, take_offer, &choice);
    if (choice.index < 0 && choice.any) {
        (void)error_set(err, ERROR_BAD_REQUEST, "no stream protocol that is offered is served; v4.channel.k8s.io is");
        return NULL;
    }
    if (choice.index < 0)
        choice.index = (int)ARRAY_SIZE(protocols) - 1;
    s = mem_zalloc(sizeof(*s));
    s->base = (struct channels){&ops, *options, *events, arg, protocols[choice.index].has_status};
    s->wanted[CHANNEL_ERROR] = true;
    s->wanted[CHANNEL_STDIN] = options->in;
    s->wanted[CHANNEL_STDOUT] = options->out;
    s->wanted[CHANNEL_STDERR] = options->err;
    s->wanted[CHANNEL_RESIZE] = options->tty && protocols[choice.index].has_resize;
    s->patience = loop_timer_new(req->loop, on_patience, s);
    loop_timer_start(s->patience, STREAMS_MS, 0);
    s->conn = spdy_upgrade(req, protocols[choice.index].protocol, &spdy, s);
    return &s->base;
}
