/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pods/exec, attach and portforward. Who may, which pod and which container is decided here; then the request goes to
 * the pod's node as it came, and when the node agrees to the upgrade both connections are joined byte by byte:
 * WebSocket and SPDY are spoken by the node, so nothing of a stream is understood, changed or kept here.
 *
 *     ASKING --101--> TAKING --opened--> JOINED --one side closed--> ENDING --both closed--> freed
 *        |               `--client gone---------------------------------^
 *        |--refused, no node: Status
 *        `--client gone: the tunnel is cancelled (a hook on the request's pool)
 *
 * Back-pressure: a side whose peer has more than HIGH unsent is not read until all of it is sent. A side that closes
 * lets the other send what it has. Invariant: `client` and `node` are NULL exactly when they are closed or not there
 * yet.
 */
#include "api/scan.h"
#include "apiserver/authz.h"
#include "apiserver/node_link.h"
#include "apiserver/registry.h"
#include "apiserver/stream_proxy.h"
#include "apiserver/subresource.h"
#include "apiserver/upgrade.h"
#include "lib/encoding.h"
#include "lib/http_tunnel.h"

#define STREAM_HIGH    (512u << 10)
#define STREAM_IDLE_MS (UINT64_C(4) * 3600 * 1000) /* as the kubelet's streaming-connection-idle-timeout */
#define STREAM_CHECKS  8                           /* looks at the clock in that time */
#define HEADERS_MAX    16

/* What each of them is called on the node, and what of the query it understands. */
static const struct stream_kind {
    const char *subresource;
    const char *path;
    bool container;
    const char *query[6];
} stream_kinds[] = {
    {"exec", "/exec", true, {"command", "stdin", "stdout", "stderr", "tty"}},
    {"attach", "/attach", true, {"stdin", "stdout", "stderr", "tty"}},
    {"portforward", "/portForward", false, {"ports"}},
};

struct stream {
    struct list link;           /* in the front's, once joined */
    struct request *req;        /* gone with the client's side */
    struct http_tunnel *tunnel; /* ASKING */
    struct http_socket *client;
    struct http_socket *node;
    bool client_paused;
    bool node_paused;
    struct loop_timer *idle;
    uint64_t active_ms;
};

/* ---- joined ---- */

static void stream_end_one(struct stream *s)
{
    if (s->client || s->node)
        return;
    list_remove(&s->link);
    loop_timer_free(s->idle);
    free(s);
}

/* Passes on what came; pauses `from` when `to` cannot take it as fast. */
static void stream_pass(struct stream *s, struct http_socket *from, struct http_socket *to, bool *paused,
                        struct slice data)
{
    s->active_ms = loop_now_ms(s->req->front->loop);
    if (!to)
        return;
    http_socket_write(to, data);
    if (!*paused && http_socket_pending(to) > STREAM_HIGH) {
        *paused = true;
        http_socket_pause(from, true);
    }
}

static void stream_resume(struct http_socket *from, bool *paused)
{
    if (!*paused || !from)
        return;
    *paused = false;
    http_socket_pause(from, false);
}

static void client_on_data(void *arg, struct slice data)
{
    struct stream *s = arg;

    stream_pass(s, s->client, s->node, &s->client_paused, data);
}

static void client_on_drained(void *arg)
{
    struct stream *s = arg;

    stream_resume(s->node, &s->node_paused);
}

static void client_on_closed(void *arg)
{
    struct stream *s = arg;

    s->client = NULL;
    if (s->node)
        http_socket_close(s->node);
    stream_end_one(s);
}

static void node_on_data(void *arg, struct slice data)
{
    struct stream *s = arg;

    if (s->client)
        stream_pass(s, s->node, s->client, &s->node_paused, data);
}

static void node_on_drained(void *arg)
{
    struct stream *s = arg;

    stream_resume(s->client, &s->client_paused);
}

static void node_on_closed(void *arg)
{
    struct stream *s = arg;

    s->node = NULL;
    if (s->client) {
        stream_resume(s->client, &s->client_paused); /* what it sends is thrown away; its end must be seen */
        http_socket_close(s->client);
    }
    stream_end_one(s);
}

static const struct http_socket_events client_events = {client_on_data, client_on_drained, client_on_closed};
static const struct http_socket_events node_events = {node_on_data, node_on_drained, node_on_closed};

static void stream_cut(struct stream *s)
{
    if (s->client)
        http_socket_abort(s->client);
    if (s->node)
        http_socket_abort(s->node);
}

static void stream_on_idle(void *arg)
{
    struct stream *s = arg;

    if (s->client && loop_now_ms(s->req->front->loop) - s->active_ms >= STREAM_IDLE_MS)
        stream_cut(s);
}

void stream_proxy_end(struct front *front)
{
    list_for_each (it, &front->streams)
        stream_cut(container_of(it, struct stream, link));
}

static void stream_on_taken(void *arg, struct http_socket *socket)
{
    struct stream *s = arg;

    s->client = socket;
    http_socket_start(s->node, &node_events, s);
    if (!socket) {
        http_socket_abort(s->node);
        return;
    }
    http_socket_be_patient(socket);
    http_socket_start(socket, &client_events, s);
    list_append(&s->req->front->streams, &s->link);
    s->active_ms = loop_now_ms(s->req->front->loop);
    s->idle = loop_timer_new(s->req->front->loop, stream_on_idle, s);
    loop_timer_start(s->idle, STREAM_IDLE_MS / STREAM_CHECKS, STREAM_IDLE_MS / STREAM_CHECKS);
}

/* ---- asking the node ---- */

static void stream_refuse(struct stream *s, const struct http_tunnel_answer *answer)
{
    struct slice text = slice_trim(answer->body);
    struct request *req = s->req;
    ERROR_LOCAL(err);

    if (answer->err)
        (void)error_set(&err, ERROR_INTERNAL, "error dialing backend: %s", error_text(answer->err));
    else
        (void)error_set(&err, answer->status < 400 ? ERROR_INTERNAL : error_code_from_http(answer->status, NULL),
                        "%.*s", SLICE_ARGS(text));
    free(s);
    /* The node speaks of its containers, not of the pod as an object. */
    req->kind = req->shown = NULL;
    reply_error(req, &err);
}

/* Only what belongs to the upgrade. */
static size_t stream_answer_headers(const struct http_tunnel_answer *answer, struct http_header *headers)
{
    static const char *const known[] = {"upgrade", "sec-websocket-accept", "sec-websocket-protocol",
                                        "x-stream-protocol-version"};
    size_t count = 0;

    for (size_t i = 0; i < answer->header_count && count < HEADERS_MAX; i++)
        for (size_t k = 0; k < ARRAY_SIZE(known); k++)
            if (!strcmp(answer->headers[i].name, known[k]))
                headers[count++] = answer->headers[i];
    return count;
}

static void stream_on_answer(void *arg, const struct http_tunnel_answer *answer)
{
    struct stream *s = arg;
    struct http_header headers[HEADERS_MAX];

    s->tunnel = NULL;
    s->req->http->user = NULL; /* nothing to cancel any more */
    if (!answer->socket) {
        stream_refuse(s, answer);
        return;
    }
    s->node = answer->socket;
    http_take_over(s->req->http, headers, stream_answer_headers(answer, headers), stream_on_taken, s);
}

/* The client left before the node has answered. */
static void stream_request_gone(void *arg)
{
    struct request *req = arg;
    struct stream *s = req->http->user;

    if (!s)
        return;
    http_tunnel_cancel(s->tunnel);
    free(s);
}

static const char *stream_url(struct request *req, const struct stream_kind *kind, const char *base,
                              const char *container)
{
    struct slice rest = req->http->query;
    struct slice pair;
    struct slice name;
    char separator = '?';
    BUF_LOCAL(url);

    buf_printf(&url, "%s%s", base, kind->path);
    node_link_segment(&url, req->info.namespace_);
    node_link_segment(&url, req->info.name);
    if (container)
        node_link_segment(&url, container);
    while (rest.len && slice_split(&rest, '&', &pair)) {
        bool has_value = slice_split(&pair, '=', &name) && pair.data;
        BUF_LOCAL(value);

        for (size_t i = 0; kind->query[i]; i++) {
            if (!slice_is(name, kind->query[i]) || (has_value && !percent_decode(&value, pair, true)))
                continue;
            buf_printf(&url, "%c%s=", separator, kind->query[i]);
            percent_encode(&url, has_value ? buf_slice(&value) : SLICE_LIT("true"));
            separator = '&';
        }
    }
    return pool_slice_dup(req->pool, buf_slice(&url));
}

struct header_list {
    struct http_header *items;
    size_t count;
};

static void take_stream_protocol(void *arg, struct slice name, struct slice value)
{
    struct header_list *list = arg;

    if (slice_is(name, "x-stream-protocol-version") && list->count < HEADERS_MAX)
        list->items[list->count++] = (struct http_header){"x-stream-protocol-version", value};
}

/* The client's own handshake, without the token that may be in it. */
static size_t stream_request_headers(struct request *req, struct http_header *headers)
{
    static const char *const handshake[] = {"sec-websocket-key", "sec-websocket-version"};
    struct slice protocols[WEBSOCKET_PROTOCOLS_MAX];
    struct header_list list = {headers, 0};
    size_t count;
    BUF_LOCAL(text);

    headers[list.count++] = (struct http_header){"upgrade", http_request_header(req->http, "upgrade")};
    if (!websocket_requested(req->http)) {
        http_request_each_header(req->http, take_stream_protocol, &list);
        headers[list.count++] = (struct http_header){"content-length", SLICE_LIT("0")};
        return list.count;
    }
    for (size_t i = 0; i < ARRAY_SIZE(handshake); i++)
        headers[list.count++] = (struct http_header){handshake[i], http_request_header(req->http, handshake[i])};
    count = upgrade_protocols(req, protocols);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%.*s", i ? ", " : "", SLICE_ARGS(protocols[i]));
    if (count)
        headers[list.count++] = (struct http_header){"sec-websocket-protocol",
                                                     slice_make(pool_slice_dup(req->pool, buf_slice(&text)), text.len)};
    return list.count;
}

static void stream_ask(struct request *req, const char *url)
{
    struct http_header headers[HEADERS_MAX + 1];
    struct http_tunnel_options options = {.method = websocket_requested(req->http) ? "GET" : "POST", .url = url};
    struct stream *s = mem_zalloc(sizeof(*s));

    options.headers = headers;
    options.header_count = stream_request_headers(req, headers);
    list_init(&s->link);
    s->req = req;
    req->http->user = s;
    pool_on_free(req->pool, stream_request_gone, req);
    s->tunnel = http_tunnel_open(node_link_client(req->front), &options, stream_on_answer, s);
}

/* ---- the request ---- */

static const struct stream_kind *stream_kind_of(const struct request *req)
{
    const struct stream_kind *kind = stream_kinds;

    while (strcmp(kind->subresource, req->info.subresource) != 0)
        kind++;
    return kind;
}

static int stream_check_upgrade(struct request *req, struct error *err)
{
    struct slice to = http_request_header(req->http, "upgrade");

    if (websocket_requested(req->http))
        return websocket_check(req->http, err);
    if (!req->http->upgrade || !slice_equal_nocase(slice_trim(to), SLICE_LIT("SPDY/3.1")))
        return error_set(err, ERROR_BAD_REQUEST, "Upgrade request required: a WebSocket or SPDY/3.1");
    return 0;
}

static int stream_start(struct request *req, struct slice pod, struct error *err)
{
    const struct stream_kind *kind = stream_kind_of(req);
    const char *container = NULL;
    const char *base;
    BUF_LOCAL(scratch);
    struct slice node = scan_text(scan_get(pod, "spec.nodeName"), &scratch);
    int r;

    if (kind->container && (r = node_link_container(req, pod, &container, err)) < 0)
        return r;
    if (!node.len)
        return error_set(err, ERROR_BAD_REQUEST, "pod %s does not have a host assigned", req->info.name);
    if ((r = node_link_url(req->server, req->pool, pool_slice_dup(req->pool, node), &base, err)) < 0)
        return r;
    stream_ask(req, stream_url(req, kind, base, container));
    return 0;
}

void stream_connect(struct request *req)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    ERROR_LOCAL(err);

    /* A GET upgrades as a POST does, so reading alone must not be enough: 1.35 asks for both. */
    if (authz_authorize_as(req, "create", &err) < 0 ||
        registry_get(req->server->store, req->kind, req->info.namespace_, req->info.name, &item, &err) < 0 ||
        stream_check_upgrade(req, &err) < 0 || stream_start(req, buf_slice(&item.value), &err) < 0)
        reply_error(req, &err);
}
