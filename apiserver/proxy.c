/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pods/proxy and services/proxy: requests of any kind to a pod's own server. The pod's node makes the connection
 * (agent/pod_proxy.c): it has the route, and reaches no more than its own pods. HTTP is spoken from here, one request
 * on a connection, so that what may pass is decided in one place (proxy_head.h).
 *
 *     ASKING --connected--> SENT --head--> ANSWERING --whole, or cut--> over
 *        |                   |--101--> TAKING --opened--> joined with the client, freed
 *        `--no connection----`--no answer: Status
 *     The client leaves: the tunnel is cancelled, the connection to the node cut (a hook on the request's pool).
 *
 * Nothing is gathered: a body goes to the pod as it comes (lib/http.h), an answer to the client likewise (a page with
 * its links changed: proxy_html.h), and who cannot take as fast stops the other. Invariants: `node` is NULL exactly
 * when it is closed, not there yet or given away; freed when both the node's side and the request have gone.
 */
#include "apiserver/node_link.h"
#include "apiserver/proxy_head.h"
#include "apiserver/proxy_html.h"
#include "apiserver/proxy_target.h"
#include "apiserver/stream_proxy.h"
#include "apiserver/subresource.h"
#include "lib/http_answer.h"
#include "lib/http_join.h"
#include "lib/http_tunnel.h"

#define PROXY_HIGH     (512u << 10)
#define PROXY_IDLE_MS  (UINT64_C(4) * 3600 * 1000) /* as streams */
#define PROXY_PROTOCOL "knarr.tcp"                 /* agent/session.h */
#define HEADERS_MAX    (HTTP_ANSWER_HEADERS_MAX + PROXY_HEADERS_ADDED + 2)

struct proxy {
    struct list link; /* in the front's */
    struct front *front;
    struct request *req; /* NULL = gone */
    struct proxy_way way;
    struct http_tunnel *tunnel; /* ASKING */
    struct http_socket *node;
    struct http_answer *answer;
    struct http_stream *stream;
    struct proxy_html *html; /* the answer is a page; NULL = it is none */
    bool answered;
    bool over; /* the answer is whole or has failed: what still comes is not looked at */
    bool body_paused;
    bool node_paused;
    struct buf early; /* TAKING: what the pod said behind its 101 */
    struct loop_timer *idle;
};

/* ---- ends ---- */

static void proxy_maybe_free(struct proxy *p)
{
    if (p->req || p->node || p->tunnel)
        return;
    list_remove(&p->link);
    loop_timer_free(p->idle);
    http_answer_free(p->answer);
    proxy_html_free(p->html);
    buf_free(&p->early);
    free(p);
}

static void proxy_end_node(struct proxy *p)
{
    p->over = true;
    if (p->node)
        http_socket_abort(p->node);
}

/* A Status when the client has had nothing yet. */
static void proxy_fail(struct proxy *p, const char *why)
{
    struct request *req = p->req;
    ERROR_LOCAL(err);

    proxy_end_node(p);
    if (!req)
        return;
    if (p->answered) {
        if (p->stream)
            http_stream_abort(p->stream);
        return;
    }
    p->answered = true;
    (void)error_set(&err, ERROR_UNAVAILABLE, "error trying to reach service: %s", why);
    req->kind = req->shown = NULL; /* the error is not the object's */
    reply_error(req, &err);
}

static void proxy_on_idle(void *arg)
{
    proxy_fail(arg, "nothing came for too long");
}

static void proxy_touch(struct proxy *p)
{
    loop_timer_start(p->idle, PROXY_IDLE_MS, 0);
}

static void proxy_request_gone(void *arg)
{
    struct http_request *http = arg;
    struct proxy *p = http->user;

    if (!p)
        return;
    p->req = NULL;
    p->stream = NULL;
    if (p->tunnel)
        http_tunnel_cancel(STEAL(p->tunnel));
    proxy_end_node(p);
    proxy_maybe_free(p);
}

void proxy_end_all(struct front *front)
{
    list_for_each (it, &front->proxies) {
        struct proxy *p = container_of(it, struct proxy, link);

        if (p->stream)
            http_stream_abort(p->stream);
    }
}

/* ---- the client's body ---- */

static void body_on_data(void *arg, struct slice data)
{
    struct proxy *p = arg;
    bool chunked = p->req->http->body_len < 0;

    if (!p->node || p->over)
        return;
    proxy_touch(p);
    if (chunked) {
        BUF_LOCAL(size);

        buf_printf(&size, "%zx\r\n", data.len);
        http_socket_write(p->node, buf_slice(&size));
    }
    http_socket_write(p->node, data);
    if (chunked)
        http_socket_write(p->node, SLICE_LIT("\r\n"));
    if (http_socket_pending(p->node) <= PROXY_HIGH)
        return;
    p->body_paused = true;
    http_body_pause(p->req->http, true);
}

static void body_on_end(void *arg)
{
    struct proxy *p = arg;

    if (p->node && p->req->http->body_len < 0)
        http_socket_write(p->node, SLICE_LIT("0\r\n\r\n"));
}

static void node_on_drained(void *arg)
{
    struct proxy *p = arg;

    if (!p->body_paused || !p->req)
        return;
    p->body_paused = false;
    http_body_pause(p->req->http, false);
}

/* ---- the pod's answer ---- */

static void client_on_drained(void *arg)
{
    struct proxy *p = arg;

    if (!p->node_paused || !p->node)
        return;
    p->node_paused = false;
    http_socket_pause(p->node, false);
}

static void client_on_closed(void *arg)
{
    struct proxy *p = arg;

    p->stream = NULL;
}

static void proxy_on_taken(void *arg, struct http_socket *client)
{
    struct proxy *p = arg;
    struct http_socket *node = STEAL(p->node);

    if (client && node) {
        http_socket_write(client, buf_slice(&p->early));
        stream_proxy_join(p->front, client, node);
        http_socket_pause(node, false);
    } else if (client || node) {
        http_socket_discard(client ? client : node);
    }
    p->req = NULL;
    proxy_maybe_free(p);
}

static void proxy_take_over(struct proxy *p, const struct http_header *headers, size_t count)
{
    struct http_header out[HEADERS_MAX];
    size_t kept = proxy_answer_headers(p->req->http, &p->way, headers, count, out);

    if (!p->req->http->upgrade) {
        proxy_fail(p, "it upgrades unasked");
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (!strcmp(headers[i].name, "upgrade"))
            out[kept++] = headers[i];
    p->answered = true;
    p->req->http->user = NULL; /* the request lives as long as the connection, we do not */
    http_socket_pause(p->node, true);
    http_take_over(p->req->http, out, kept, proxy_on_taken, p);
}

static void answer_link(void *arg, struct slice value, struct buf *out)
{
    struct proxy *p = arg;

    if (!p->req || !proxy_location_write(p->req->http, &p->way, value, out))
        buf_append_slice(out, value);
}

static void answer_on_head(void *arg, int status, const struct http_header *headers, size_t count, int64_t body_len)
{
    static const struct http_stream_events events = {client_on_drained, client_on_closed};
    struct proxy *p = arg;
    struct http_header out[HEADERS_MAX];
    size_t kept;

    if (status == 101) {
        proxy_take_over(p, headers, count);
        return;
    }
    kept = proxy_answer_headers(p->req->http, &p->way, headers, count, out);
    p->answered = true;
    if (status == 204 || status == 304) {
        http_respond(p->req->http, status, NULL, out, kept, NULL);
        return;
    }
    if (proxy_answer_is_page(status, headers, count))
        p->html = proxy_html_new(answer_link, p); /* it will be longer */
    else if (body_len >= 0)
        out[kept++] =
            (struct http_header){"content-length", slice_str(pool_printf(p->req->pool, "%lld", (long long)body_len))};
    p->stream = http_stream_start(p->req->http, status, NULL, out, kept, &events, p);
}

static void answer_on_data(void *arg, struct slice data)
{
    struct proxy *p = arg;
    struct refbuf *piece CLEANUP_REFBUF = NULL;
    BUF_LOCAL(page);

    if (!p->stream) {
        if (p->answered && !p->over)
            buf_append_slice(&p->early, data);
        return;
    }
    if (p->html) {
        proxy_html_feed(p->html, data, &page);
        data = buf_slice(&page);
    }
    piece = refbuf_new(data.data, data.len);
    http_stream_write(p->stream, piece);
    if (!p->node_paused && http_stream_pending(p->stream) > PROXY_HIGH) {
        p->node_paused = true;
        http_socket_pause(p->node, true);
    }
}

static void answer_on_end(void *arg)
{
    struct proxy *p = arg;

    if (p->stream && p->html) {
        struct refbuf *rest CLEANUP_REFBUF = NULL;
        BUF_LOCAL(page);

        proxy_html_end(p->html, &page);
        rest = refbuf_new(page.data, page.len);
        http_stream_write(p->stream, rest);
    }
    if (p->stream)
        http_stream_end(p->stream);
    proxy_end_node(p);
}

static void node_on_data(void *arg, struct slice data)
{
    struct proxy *p = arg;
    ERROR_LOCAL(err);

    if (p->over || !p->req)
        return;
    proxy_touch(p);
    if (http_answer_feed(p->answer, data, &err) < 0)
        proxy_fail(p, error_text(&err));
}

static void node_on_closed(void *arg)
{
    struct proxy *p = arg;
    ERROR_LOCAL(err);

    p->node = NULL;
    if (!p->over && p->req && http_answer_finish(p->answer, &err) < 0)
        proxy_fail(p, error_text(&err));
    p->over = true;
    proxy_maybe_free(p);
}

/* ---- asking the node, then the pod ---- */

static void proxy_send(struct proxy *p)
{
    static const struct http_socket_events node_events = {node_on_data, node_on_drained, node_on_closed};
    static const struct http_answer_events answer_events = {answer_on_head, answer_on_data, answer_on_end};
    static const struct http_body_events body_events = {body_on_data, body_on_end};
    struct http_request *http = p->req->http;
    BUF_LOCAL(head);

    p->answer = http_answer_new(slice_is(http->method, "HEAD"), &answer_events, p);
    proxy_write_head(http, &p->way, &head);
    http_socket_be_patient(p->node); /* `idle` bounds how long the pod may take nothing */
    http_socket_start(p->node, &node_events, p);
    http_socket_write(p->node, buf_slice(&head));
    http_socket_write(p->node, http->body);
    if (http->body_streams)
        http_body_start(http, &body_events, p);
    proxy_touch(p);
}

static void proxy_on_connected(void *arg, const struct http_tunnel_answer *answer)
{
    struct proxy *p = arg;
    struct slice said = slice_trim(answer->body);
    char *why CLEANUP_FREE = NULL;

    p->tunnel = NULL;
    if (answer->socket) {
        p->node = answer->socket;
        proxy_send(p);
        return;
    }
    why = answer->err ? mem_printf("error dialing backend: %s", error_text(answer->err)) : slice_dup(said);
    proxy_fail(p, why);
}

static void proxy_start(struct request *req, const struct proxy_target *target)
{
    static const struct http_header headers[] = {{"upgrade", {PROXY_PROTOCOL, sizeof(PROXY_PROTOCOL) - 1}}};
    const struct http_tunnel_options options = {
        .method = "GET", .url = target->url, .headers = headers, .header_count = ARRAY_SIZE(headers)};
    struct proxy *p = mem_zalloc(sizeof(*p));

    p->front = req->front;
    p->req = req;
    p->way = (struct proxy_way){req->info.proxy_prefix, req->info.proxy_rest, target->host};
    p->idle = loop_timer_new(req->front->loop, proxy_on_idle, p);
    list_append(&req->front->proxies, &p->link);
    req->http->user = p;
    pool_on_free(req->pool, proxy_request_gone, req->http);
    p->tunnel = http_tunnel_open(node_link_client(req->front), &options, proxy_on_connected, p);
}

/* ---- the request ---- */

bool proxy_body_streams(struct slice method, struct slice target)
{
    (void)method;
    return request_path_is_proxy(target);
}

static bool proxy_knows_method(struct slice method)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (slice_is(method, known[i]))
            return true;
    return false;
}

/* Relative links of a page work only below a slash. */
static bool proxy_redirects(struct request *req)
{
    const struct http_request *http = req->http;
    struct http_header header = {.name = "location"};
    BUF_LOCAL(to);

    if (req->info.proxy_rest.len || http->upgrade || !(slice_is(http->method, "GET") || slice_is(http->method, "HEAD")))
        return false;
    buf_append_slice(&to, req->info.proxy_prefix);
    buf_append_byte(&to, '/');
    if (http->query.data)
        buf_printf(&to, "?%.*s", SLICE_ARGS(http->query));
    header.value = buf_slice(&to);
    http_respond(req->http, 301, NULL, &header, 1, NULL);
    return true;
}

void proxy_connect(struct request *req)
{
    struct proxy_target target;
    ERROR_LOCAL(err);

    if (!proxy_knows_method(req->http->method))
        reply_error_text(req, ERROR_METHOD_NOT_ALLOWED,
                         "the server does not allow this method on the requested resource");
    else if (req->http->upgrade && (req->http->body_streams || req->http->body.len))
        reply_error_text(req, ERROR_BAD_REQUEST, "a request to upgrade may not have a body");
    else if (proxy_target_find(req, &target, &err) < 0)
        reply_error(req, &err);
    else if (!proxy_redirects(req))
        proxy_start(req, &target);
}
