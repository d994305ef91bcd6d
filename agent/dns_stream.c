/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS over TCP (RFC 7766): messages with their length before them, several at once on a connection, answered as they
 * become ready.
 *
 *     accept --> OPEN --idle, end, error, too much--> CLOSING --the last question answered--> gone
 *
 * A connection with DNS_STREAM_PENDING_MAX questions under way is not read from, and one that does not read its answers
 * is closed.
 */
#include "agent/dns_internal.h"

#define DNS_STREAM_PENDING_MAX 16
#define DNS_STREAM_UNSENT_MAX  (256u << 10)
#define IDLE_MS                10000
#define BACKLOG                128
#define READ_MAX               (2 + DNS_QUERY_MAX)

struct dns_stream {
    uv_tcp_t tcp;
    struct list link; /* in dns->streams while it is open */
    struct dns *dns;
    struct loop_timer *timer;
    struct sockaddr_in from;
    struct buf in;
    size_t pending;
    bool reading;
    bool closing;
    bool handle_closed;
};

struct dns_write {
    uv_write_t request;
    struct dns_stream *stream;
    uint8_t data[];
};

static void stream_free_last(struct dns_stream *s)
{
    struct dns *dns = s->dns;

    if (!s->handle_closed || s->pending)
        return;
    buf_free(&s->in);
    free(s);
    dns_handle_closed(dns);
}

static void on_closed(uv_handle_t *handle)
{
    struct dns_stream *s = handle->data;

    s->handle_closed = true;
    stream_free_last(s);
}

static void stream_close(struct dns_stream *s)
{
    if (s->closing)
        return;
    s->closing = true;
    list_remove(&s->link);
    s->dns->stream_count--;
    loop_timer_free(s->timer);
    uv_close((uv_handle_t *)&s->tcp, on_closed);
}

static void on_idle(void *arg)
{
    stream_close(arg);
}

/* ---- reading ---- */

static void on_data(uv_stream_t *handle, ssize_t len, const uv_buf_t *buf);

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct dns_stream *s = handle->data;

    *ret_buf = uv_buf_init((char *)s->dns->in, sizeof(s->dns->in));
}

/* Messages that are complete, as many as may be under way. */
static void stream_work(struct dns_stream *s)
{
    const struct dns_origin origin = {.stream = s, .from = s->from};
    size_t at = 0;

    while (!s->closing && s->pending < DNS_STREAM_PENDING_MAX && s->in.len - at >= 2) {
        size_t len = ns_get16((const uint8_t *)s->in.data + at);

        if (len > DNS_QUERY_MAX) {
            stream_close(s);
            return;
        }
        if (s->in.len - at - 2 < len)
            break;
        at += 2 + len;
        dns_stream_hold(s);
        dns_handle(s->dns, &origin, slice_make(s->in.data + at - len, len));
    }
    buf_consume(&s->in, at);
}

static void stream_read(struct dns_stream *s)
{
    bool wanted = s->pending < DNS_STREAM_PENDING_MAX && s->in.len < READ_MAX;

    if (s->closing || wanted == s->reading)
        return;
    s->reading = wanted;
    if (!wanted)
        (void)uv_read_stop((uv_stream_t *)&s->tcp);
    else if (uv_read_start((uv_stream_t *)&s->tcp, give_buffer, on_data))
        stream_close(s);
}

static void on_data(uv_stream_t *handle, ssize_t len, const uv_buf_t *buf)
{
    struct dns_stream *s = handle->data;

    if (len < 0) {
        stream_close(s);
        return;
    }
    buf_append(&s->in, buf->base, (size_t)len);
    loop_timer_start(s->timer, IDLE_MS, 0);
    /* It must not go while its own messages are looked at. */
    s->pending++;
    stream_work(s);
    s->pending--;
    stream_read(s);
    stream_free_last(s);
}

/* ---- writing ---- */

static void on_written(uv_write_t *request, int status)
{
    struct dns_write *w = container_of(request, struct dns_write, request);

    if (status < 0)
        stream_close(w->stream);
    free(w);
}

void dns_stream_hold(struct dns_stream *s)
{
    s->pending++;
}

static void on_answered(void *arg)
{
    struct dns_stream *s = arg;

    s->pending--;
    if (!s->closing) {
        stream_work(s);
        stream_read(s);
    }
    stream_free_last(s);
}

void dns_stream_answer(struct dns_stream *s, const uint8_t *data, size_t len)
{
    struct dns_write *w;
    uv_buf_t buf;

    /* What waits behind this question is looked at from the loop and not from in here: the caller may be doing that. */
    loop_post(s->dns->agent->loop, on_answered, s);
    if (s->closing || !len)
        return;
    if (uv_stream_get_write_queue_size((uv_stream_t *)&s->tcp) > DNS_STREAM_UNSENT_MAX) {
        stream_close(s);
        return;
    }
    w = mem_alloc(sizeof(*w) + 2 + len);
    w->stream = s;
    ns_put16((uint32_t)len, w->data);
    memcpy(w->data + 2, data, len);
    buf = uv_buf_init((char *)w->data, (unsigned)len + 2);
    if (uv_write(&w->request, (uv_stream_t *)&s->tcp, &buf, 1, on_written)) {
        free(w);
        stream_close(s);
    }
}

/* ---- accepting ---- */

static size_t count_of(const struct dns *dns, struct in_addr address)
{
    size_t count = 0;

    list_for_each (it, &dns->streams)
        count += container_of(it, struct dns_stream, link)->from.sin_addr.s_addr == address.s_addr;
    return count;
}

static bool stream_allowed(struct dns_stream *s, size_t place)
{
    int len = sizeof(s->from);

    return !uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&s->from, &len) && s->from.sin_family == AF_INET &&
           dns_allows(s->dns, place, &s->from) && s->dns->stream_count <= DNS_STREAMS_MAX &&
           count_of(s->dns, s->from.sin_addr) < DNS_STREAMS_EACH;
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct dns *dns = listener->data;
    struct dns_stream *s;

    if (status < 0)
        return;
    s = mem_zalloc(sizeof(*s));
    s->dns = dns;
    s->timer = loop_timer_new(dns->agent->loop, on_idle, s);
    (void)uv_tcp_init(loop_uv(dns->agent->loop), &s->tcp);
    s->tcp.data = s;
    list_init(&s->link);
    dns->handles++;
    dns->stream_count++;
    if (uv_accept(listener, (uv_stream_t *)&s->tcp) || !stream_allowed(s, (size_t)((uv_tcp_t *)listener - dns->tcp))) {
        stream_close(s);
        return;
    }
    list_append(&dns->streams, &s->link);
    loop_timer_start(s->timer, IDLE_MS, 0);
    stream_read(s);
}

int dns_streams_listen(struct dns *dns, size_t place, int fd)
{
    int r = uv_tcp_open(&dns->tcp[place], fd);

    dns->tcp[place].data = dns;
    return r ? r : uv_listen((uv_stream_t *)&dns->tcp[place], BACKLOG, on_connection);
}

void dns_streams_close(struct dns *dns)
{
    list_for_each_safe (it, next, &dns->streams)
        stream_close(container_of(it, struct dns_stream, link));
}
