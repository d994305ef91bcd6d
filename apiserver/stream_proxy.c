/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pods/exec, attach and portforward. Who may, which pod and which container is decided here; then the request goes to
 * the pod's node as it came, and when the node agrees to the upgrade both connections are joined byte by byte:
 * WebSocket and SPDY are spoken by the node, so nothing of a stream is understood, changed or kept here.
 *
 *     ASKING --101--> TAKING --opened--> joined (lib/http_join.h), freed
 *        |               `--client gone: the node's side is cut, freed
 *        |--refused, no node: Status
 *        `--client gone: the tunnel is cancelled (a hook on the request's pool)
 */
#include "api/scan.h"
#include "apiserver/authz.h"
#include "apiserver/node_link.h"
#include "apiserver/registry.h"
#include "apiserver/stream_proxy.h"
#include "apiserver/subresource.h"
#include "apiserver/upgrade.h"
#include "lib/encoding.h"
#include "lib/http_join.h"
#include "lib/http_tunnel.h"

#define STREAM_IDLE_MS (UINT64_C(4) * 3600 * 1000) /* as the kubelet's streaming-connection-idle-timeout */
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
    struct request *req;
    struct http_tunnel *tunnel; /* ASKING */
    struct http_socket *node;   /* TAKING */
};

/* ---- joined ---- */

struct joined {
    struct list link; /* in the front's */
    struct http_join *join;
};

static void joined_on_done(void *arg)
{
    struct joined *j = arg;

    list_remove(&j->link);
    free(j);
}

void stream_proxy_join(struct front *front, struct http_socket *client, struct http_socket *node)
{
    struct joined *j;

    if (!client) {
        http_socket_discard(node);
        return;
    }
    j = mem_zalloc(sizeof(*j));
    list_append(&front->streams, &j->link);
    j->join = http_join_start(front->loop, client, node, STREAM_IDLE_MS, joined_on_done, j);
}

void stream_proxy_end(struct front *front)
{
    list_for_each (it, &front->streams)
        http_join_cut(container_of(it, struct joined, link)->join);
}

static void stream_on_taken(void *arg, struct http_socket *socket)
{
    struct stream *s = arg;

    stream_proxy_join(s->req->front, socket, s->node);
    free(s);
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
