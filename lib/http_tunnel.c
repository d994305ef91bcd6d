/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     CONNECTING --libcurl has a verified connection--> ASKING --101--> IDLE --start--> OPEN --close()--> CLOSING
 *          |                                              |  `--other--> REFUSED         |                   |
 *          `--no connection--------.    no whole answer---+                |             |peer, abort()      |all
 * written v                      v                v             v                   v `opened` without a socket, then
 * OVER        `closed`, then OVER (freed)
 *
 * The request's bytes go through `flying` like those of a socket. A piece that could not be written whole must be
 * offered again as it was (OpenSSL keeps to it), so `flying` never moves; what comes meanwhile gathers in `queue`. TLS
 * may hold bytes that no poll tells of: reading goes on until libcurl has no more, and again (by the timer `later`)
 * after a pause.
 *
 * A plain tunnel asks nothing and goes from ASKING to IDLE at once.
 *
 * Invariant: events come from tunnel_on_poll, tunnel_on_later, tunnel_on_time, and libcurl's result; never from a call.
 */
#include "lib/http_tunnel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <uv.h>

#include "lib/http_client_internal.h"
#include "lib/http_tunnel_head.h"

#define ANSWER_MS  30000
#define CLOSING_MS 5000
#define HEAD_MAX   (32u << 10)
#define BODY_MAX   (64u << 10)
#define PIECE      (64u << 10) /* written at once */
#define CHUNK      (16u << 10) /* read at once: one TLS record */
#define CHUNKS_MAX 16          /* ... and so often before others have their turn */

enum tunnel_state {
    TUNNEL_CONNECTING,
    TUNNEL_ASKING,
    TUNNEL_REFUSED,
    TUNNEL_IDLE,
    TUNNEL_OPEN,
    TUNNEL_CLOSING,
    TUNNEL_DEAD, /* ends when it has been started, or from the loop */
    TUNNEL_OVER,
};

struct http_tunnel {
    struct http_socket base;
    enum tunnel_state state;
    struct http_client *client;
    struct http_call *call; /* NULL once the client has taken it away */
    void (*opened)(void *arg, const struct http_tunnel_answer *answer);
    void *opened_arg;
    struct http_socket_events events;
    void *arg;
    uv_poll_t poll;
    bool polls; /* `poll` is there */
    bool plain; /* nothing is asked */
    struct loop_timer *later;
    struct loop_timer *timeout;
    struct buf queue;
    struct buf flying;
    size_t sent; /* of flying */
    struct tunnel_head head;
    struct buf input; /* what came and was not given yet */
    bool started;
    bool paused;
    bool blocked; /* the last piece did not go out whole */
    bool deaf;    /* the peer takes no more; what he said before is still read */
};

/* ---- ends ---- */

static void tunnel_freed(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)(void *)handle, struct http_tunnel, poll));
}

static void tunnel_free(struct http_tunnel *t)
{
    t->state = TUNNEL_OVER;
    loop_timer_free(t->later);
    loop_timer_free(t->timeout);
    buf_free(&t->queue);
    buf_free(&t->flying);
    buf_free(&t->head.text);
    buf_free(&t->input);
    if (t->polls)
        (void)uv_poll_stop(&t->poll);
    if (t->call)
        http_call_cancel(t->call); /* closes the connection */
    if (t->polls)
        uv_close((uv_handle_t *)&t->poll, tunnel_freed);
    else
        free(t);
}

static void tunnel_give(struct http_tunnel *t, struct http_socket *socket, const struct error *err)
{
    struct http_tunnel_answer answer = {.status = err ? 0 : t->head.status,
                                        .headers = t->head.headers,
                                        .header_count = err ? 0 : t->head.header_count,
                                        .socket = socket,
                                        .err = err};

    if (!err && !socket)
        answer.body = buf_slice(&t->input);
    t->opened(t->opened_arg, &answer);
}

static void tunnel_fail(struct http_tunnel *t, enum error_code code, const char *why)
{
    ERROR_LOCAL(err);

    (void)error_set(&err, code, "%s", why);
    tunnel_give(t, NULL, &err);
    tunnel_free(t);
}

/* The connection is of no use any more. */
static void tunnel_finish(struct http_tunnel *t)
{
    void (*closed)(void *arg) = t->events.closed;
    void *arg = t->arg;

    if (t->state == TUNNEL_ASKING) {
        tunnel_fail(t, ERROR_UNAVAILABLE, "the connection ended before the answer");
    } else if (t->state == TUNNEL_REFUSED) {
        tunnel_give(t, NULL, NULL);
        tunnel_free(t);
    } else if (!t->started) {
        t->state = TUNNEL_DEAD;
        if (t->polls)
            (void)uv_poll_stop(&t->poll);
    } else {
        tunnel_free(t);
        closed(arg);
    }
}

static void tunnel_on_time(void *arg)
{
    struct http_tunnel *t = arg;

    if (t->state < TUNNEL_IDLE)
        tunnel_fail(t, ERROR_TIMEOUT, "no answer to the request to upgrade");
    else
        tunnel_finish(t); /* what was queued before close() does not go out */
}

/* ---- polling ---- */

static void tunnel_on_poll(uv_poll_t *poll, int status, int events);

static bool tunnel_wants_input(const struct http_tunnel *t)
{
    return t->state == TUNNEL_ASKING || t->state == TUNNEL_REFUSED || (t->state == TUNNEL_OPEN && !t->paused);
}

static void tunnel_poll(struct http_tunnel *t)
{
    int events = (tunnel_wants_input(t) ? UV_READABLE : 0) | (t->blocked ? UV_WRITABLE : 0);

    if (!t->polls)
        return;
    if (events)
        (void)uv_poll_start(&t->poll, events, tunnel_on_poll);
    else
        (void)uv_poll_stop(&t->poll);
}

static void tunnel_act_later(struct http_tunnel *t)
{
    loop_timer_start(t->later, 0, 0);
}

/* ---- writing ---- */

/* False when the connection is broken. */
static bool tunnel_flush(struct http_tunnel *t)
{
    t->blocked = false;
    while (t->sent < t->flying.len || t->queue.len) {
        size_t left = t->flying.len - t->sent;
        size_t n = 0;
        CURLcode code;

        if (!left) {
            struct buf spare = t->flying;

            t->flying = t->queue;
            t->queue = spare;
            buf_reset(&t->queue);
            t->sent = 0;
            continue;
        }
        code = curl_easy_send(t->call->easy, t->flying.data + t->sent, left < PIECE ? left : PIECE, &n);
        http_client_forget_errors();
        if (code == CURLE_AGAIN) {
            t->blocked = true;
            return true;
        }
        if (code != CURLE_OK)
            return false;
        t->sent += n;
    }
    buf_reset(&t->flying);
    t->sent = 0;
    return true;
}

static size_t tunnel_queued(const struct http_tunnel *t)
{
    return t->queue.len + t->flying.len - t->sent;
}

/* ---- the answer ---- */

static void tunnel_become_idle(struct http_tunnel *t)
{
    loop_timer_stop(t->timeout);
    t->state = TUNNEL_IDLE;
    tunnel_poll(t);
    tunnel_give(t, &t->base, NULL);
}

static bool body_complete(const struct http_tunnel *t)
{
    return t->input.len >= BODY_MAX || (t->head.body_len >= 0 && t->input.len >= (uint64_t)t->head.body_len);
}

/* Looks at what has come of the answer; false when it was given, and the tunnel may be gone. */
static bool answer_take(struct http_tunnel *t)
{
    if (t->state == TUNNEL_ASKING) {
        ptrdiff_t end = slice_find_text(buf_slice(&t->input), SLICE_LIT("\r\n\r\n"));

        if (end < 0 && t->input.len < HEAD_MAX)
            return true;
        if (end >= 0) {
            buf_append(&t->head.text, t->input.data, (size_t)end);
            buf_consume(&t->input, (size_t)end + 4);
        }
        if (end < 0 || !tunnel_head_parse(&t->head)) {
            tunnel_fail(t, ERROR_IO, "the answer to the request to upgrade is not HTTP/1.1");
            return false;
        }
        if (t->head.status == 101) {
            tunnel_become_idle(t);
            return false;
        }
        t->state = TUNNEL_REFUSED;
    }
    if (!body_complete(t))
        return true;
    tunnel_finish(t);
    return false;
}

/* ---- reading ---- */

/* What came with the answer. */
static void tunnel_deliver_early(struct http_tunnel *t)
{
    struct buf early = t->input;

    t->input = (struct buf){0};
    t->events.data(t->arg, buf_slice(&early));
    buf_free(&early);
}

/* The tunnel may be gone afterwards. */
static void tunnel_read(struct http_tunnel *t)
{
    char chunk[CHUNK];

    for (int i = 0; tunnel_wants_input(t); i++) {
        size_t n = 0;
        CURLcode code;

        if (i == CHUNKS_MAX) {
            tunnel_act_later(t);
            return;
        }
        code = curl_easy_recv(t->call->easy, chunk, sizeof(chunk), &n);
        http_client_forget_errors();
        if (code == CURLE_AGAIN)
            return;
        if (code != CURLE_OK || !n) {
            tunnel_finish(t);
            return;
        }
        if (t->state == TUNNEL_OPEN) {
            t->events.data(t->arg, slice_make(chunk, n));
            continue;
        }
        buf_append(&t->input, chunk, n);
        if (!answer_take(t))
            return;
    }
}

/* Writes what there is; false when the tunnel is gone. */
static bool tunnel_write_on(struct http_tunnel *t)
{
    bool had = tunnel_queued(t) > 0;

    if (!tunnel_flush(t)) {
        if (t->state != TUNNEL_OPEN) {
            tunnel_finish(t);
            return false;
        }
        t->deaf = true;
        buf_reset(&t->queue);
        buf_reset(&t->flying);
        t->sent = 0;
    }
    if (tunnel_queued(t))
        return true;
    if (t->state == TUNNEL_CLOSING) {
        tunnel_finish(t);
        return false;
    }
    if (had && t->state == TUNNEL_OPEN && t->events.drained)
        t->events.drained(t->arg);
    return true;
}

static void tunnel_act(struct http_tunnel *t)
{
    if (!t->call || t->state == TUNNEL_DEAD) {
        tunnel_finish(t);
        return;
    }
    if (!tunnel_write_on(t))
        return;
    if (t->state == TUNNEL_OPEN && t->input.len && !t->paused)
        tunnel_deliver_early(t);
    tunnel_poll(t); /* before reading, which may be the end of it */
    tunnel_read(t);
}

static void tunnel_on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status; /* libcurl meets the same error */
    (void)events;
    tunnel_act(container_of(poll, struct http_tunnel, poll));
}

/* libcurl has connected: from now on its socket is polled by us. */
static bool tunnel_begin(struct http_tunnel *t)
{
    curl_socket_t fd = CURL_SOCKET_BAD;

    if (curl_easy_getinfo(t->call->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK || fd == CURL_SOCKET_BAD ||
        uv_poll_init_socket(loop_uv(t->client->loop), &t->poll, fd))
        return false;
    t->polls = true;
    t->state = TUNNEL_ASKING;
    return true;
}

static void tunnel_on_later(void *arg)
{
    struct http_tunnel *t = arg;

    if (t->state == TUNNEL_CONNECTING && !tunnel_begin(t))
        tunnel_fail(t, ERROR_IO, "the connection has no socket");
    else if (t->state == TUNNEL_ASKING && t->plain)
        tunnel_become_idle(t);
    else
        tunnel_act(t);
}

/* ---- the socket ---- */

static struct http_tunnel *tunnel_of(const struct http_socket *socket)
{
    return container_of(socket, struct http_tunnel, base);
}

static void socket_start(struct http_socket *socket, const struct http_socket_events *events, void *arg)
{
    struct http_tunnel *t = tunnel_of(socket);

    t->events = *events;
    t->arg = arg;
    t->started = true;
    if (t->state == TUNNEL_IDLE)
        t->state = TUNNEL_OPEN;
    tunnel_act_later(t);
}

static void socket_write(struct http_socket *socket, struct slice data)
{
    struct http_tunnel *t = tunnel_of(socket);

    if (t->state > TUNNEL_OPEN || t->deaf || !data.len)
        return;
    buf_append_slice(&t->queue, data);
    if (!t->blocked)
        tunnel_act_later(t);
}

static size_t socket_pending(const struct http_socket *socket)
{
    return tunnel_queued(tunnel_of(socket));
}

static void socket_pause(struct http_socket *socket, bool paused)
{
    struct http_tunnel *t = tunnel_of(socket);

    if (t->paused == paused)
        return;
    t->paused = paused;
    tunnel_poll(t);
    if (!paused)
        tunnel_act_later(t);
}

static void socket_close(struct http_socket *socket)
{
    struct http_tunnel *t = tunnel_of(socket);

    if (t->state > TUNNEL_OPEN)
        return;
    t->state = TUNNEL_CLOSING;
    tunnel_poll(t);
    loop_timer_start(t->timeout, CLOSING_MS, 0);
    tunnel_act_later(t);
}

static void socket_abort(struct http_socket *socket)
{
    struct http_tunnel *t = tunnel_of(socket);

    t->state = TUNNEL_DEAD;
    tunnel_poll(t);
    tunnel_act_later(t);
}

/* Nobody is cut here; but the kernel gives up a peer that takes nothing for as long as calls may hang. */
static void socket_be_patient(struct http_socket *socket)
{
    struct http_tunnel *t = tunnel_of(socket);
    curl_socket_t fd = CURL_SOCKET_BAD;
    unsigned off = 0;

    if (t->call && curl_easy_getinfo(t->call->easy, CURLINFO_ACTIVESOCKET, &fd) == CURLE_OK && fd != CURL_SOCKET_BAD)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &off, sizeof(off));
}

static const struct http_socket_ops tunnel_ops = {
    .start = socket_start,
    .write = socket_write,
    .pending = socket_pending,
    .pause = socket_pause,
    .close = socket_close,
    .abort = socket_abort,
    .be_patient = socket_be_patient,
};

/* ---- birth ---- */

static void tunnel_on_connected(void *arg, const struct error *err)
{
    struct http_tunnel *t = arg;

    if (!err) {
        tunnel_act_later(t);
        return;
    }
    /* No connection; or, later, the client is freed and takes its connections along. */
    if (t->polls)
        (void)uv_poll_stop(&t->poll);
    t->call = NULL;
    if (t->state < TUNNEL_IDLE) {
        tunnel_give(t, NULL, err);
        tunnel_free(t);
    } else {
        tunnel_finish(t);
    }
}

/* "https://host:port" of a URL, to be freed, and the rest: the path and the query. */
static char *url_split(const char *url, struct slice *ret_target)
{
    const char *host = strstr(url, "://");
    const char *slash = strchr(host ? host + 3 : url, '/');

    *ret_target = slash ? slice_str(slash) : SLICE_LIT("/");
    return slash ? mem_strndup(url, (size_t)(slash - url)) : mem_strdup(url);
}

static void tunnel_write_request(struct http_tunnel *t, const struct http_tunnel_options *options, const char *origin,
                                 struct slice target)
{
    const char *host = strstr(origin, "://");

    buf_printf(&t->queue, "%s %.*s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\n", options->method,
               SLICE_ARGS(target), host ? host + 3 : origin);
    for (size_t i = 0; i < options->header_count; i++) {
        struct slice value = options->headers[i].value;

        buf_printf(&t->queue, "%s: ", options->headers[i].name);
        for (size_t k = 0; k < value.len; k++)
            buf_append_byte(&t->queue, (unsigned char)value.data[k] < 0x20 ? ' ' : value.data[k]);
        buf_append_str(&t->queue, "\r\n");
    }
    buf_append_str(&t->queue, "\r\n");
}

struct http_tunnel *http_tunnel_open(struct http_client *client, const struct http_tunnel_options *options,
                                     void (*opened)(void *arg, const struct http_tunnel_answer *answer), void *arg)
{
    static const struct http_call_events events = {.end = tunnel_on_connected};
    struct slice target;
    char *origin CLEANUP_FREE = url_split(options->url, &target);
    const struct http_call_options connect = {.method = "GET", .url = origin};
    struct http_tunnel *t = mem_zalloc(sizeof(*t));

    t->base.ops = &tunnel_ops;
    t->client = client;
    t->opened = opened;
    t->opened_arg = arg;
    t->later = loop_timer_new(client->loop, tunnel_on_later, t);
    t->timeout = loop_timer_new(client->loop, tunnel_on_time, t);
    loop_timer_start(t->timeout, options->timeout_ms ? options->timeout_ms : ANSWER_MS, 0);
    t->plain = options->plain;
    if (!t->plain)
        tunnel_write_request(t, options, origin, target);
    t->call = http_call_connect(client, &connect, &events, t);
    return t;
}

void http_tunnel_cancel(struct http_tunnel *tunnel)
{
    tunnel_free(tunnel);
}
