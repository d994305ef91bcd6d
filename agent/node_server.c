/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's own server. The handshake demands a certificate of the cluster's CA; of those who have one, only the API
 * server's identity is answered: a node's certificate must not read another node's logs.
 */
#include "agent/node_server.h"

#include "agent/log_stream.h"
#include "agent/node_stats.h"
#include "agent/pods.h"
#include "agent/session.h"
#include "lib/encoding.h"
#include "lib/http_server.h"
#include "lib/log.h"

#define CLIENT_NAME  "kube-apiserver-kubelet-client"
#define CLIENT_GROUP "system:masters"
#define PARTS_MAX    5

struct node_server {
    struct agent *agent;
    struct http_listener *listener;
    struct http_server *server;
};

static void respond_text(struct http_request *req, int status, const char *text)
{
    struct refbuf *body CLEANUP_REFBUF = refbuf_new(text, strlen(text));

    http_respond(req, status, "text/plain", NULL, 0, body);
}

static bool is_allowed(const struct http_peer *peer)
{
    if (!peer->certificate_verified)
        return false;
    if (peer->common_name && !strcmp(peer->common_name, CLIENT_NAME))
        return true;
    for (size_t i = 0; i < peer->organization_count; i++)
        if (!strcmp(peer->organizations[i], CLIENT_GROUP))
            return true;
    return false;
}

/* The decoded segments of the path; 0 when there are too many or one is bad. */
static size_t split_path(struct http_request *req, char *parts[PARTS_MAX])
{
    struct slice rest = slice_make(req->path.data + 1, req->path.len ? req->path.len - 1 : 0);
    struct slice part;
    size_t count = 0;

    while (slice_split(&rest, '/', &part)) {
        BUF_LOCAL(text);

        if (count == PARTS_MAX || !percent_decode(&text, part, false))
            return 0;
        parts[count++] = pool_slice_dup(req->pool, buf_slice(&text));
    }
    return count;
}

/* ---- GET /containerLogs/NAMESPACE/POD/CONTAINER ---- */

static bool query_number(struct http_request *req, const char *name, int64_t *ret_number)
{
    const char *text = http_query_get(req->pool, req->query, name);

    return !text || (slice_to_int64(slice_str(text), ret_number) && *ret_number >= 0);
}

static bool read_options(struct agent *agent, struct http_request *req, struct log_options *o)
{
    int64_t since = -1;
    const char *since_time = http_query_get(req->pool, req->query, "sinceTime");

    *o = (struct log_options){.tail = -1, .limit = -1};
    o->follow = http_query_bool(req->pool, req->query, "follow");
    o->timestamps = http_query_bool(req->pool, req->query, "timestamps");
    if (!query_number(req, "tailLines", &o->tail) || !query_number(req, "limitBytes", &o->limit) ||
        !query_number(req, "sinceSeconds", &since))
        return false;
    if (since >= 0 && since < clock_wall_s(agent->clock)) /* longer ago than time began: all of it */
        o->since_ns = clock_wall_ns(agent->clock) - since * NS_PER_S;
    return !since_time || time_parse(slice_str(since_time), &o->since_ns);
}

static void serve_logs(struct agent *agent, struct http_request *req, char *const parts[PARTS_MAX], size_t count)
{
    struct log_options options;
    struct log_source source;
    const struct pod *pod;
    bool running;
    bool previous = http_query_bool(req->pool, req->query, "previous");
    char *path CLEANUP_FREE = NULL;
    ERROR_LOCAL(err);

    if (count != 4 || !read_options(agent, req, &options)) {
        respond_text(req, 400, "bad log request\n");
        return;
    }
    source = (struct log_source){.namespace_ = parts[1], .pod = parts[2], .container = parts[3]};
    pod = agent->pods ? pods_find(agent->pods, source.namespace_, source.pod) : NULL;
    if (!pod) {
        respond_text(req, 404, pool_printf(req->pool, "pod \"%s\" not found\n", source.pod));
        return;
    }
    path = pod_log_path(pod, source.container, previous, &running, &err);
    if (!path) {
        respond_text(req, error_http_status(err.code), error_text(&err));
        return;
    }
    options.follow = options.follow && running;
    source.path = path;
    log_stream_start(agent, req, &source, &options);
}

/* ---- others ---- */

static void write_pod(void *arg, const struct pod *pod)
{
    struct buf *out = arg;

    if (out->data[out->len - 1] != '[')
        buf_append_byte(out, ',');
    value_write(pod_object(pod), out);
}

static void serve_pods(struct agent *agent, struct http_request *req, char *const parts[PARTS_MAX], size_t count)
{
    struct refbuf *body CLEANUP_REFBUF = NULL;
    BUF_LOCAL(out);

    buf_append_str(&out, "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{},\"items\":[");
    if (agent->pods)
        pods_each(agent->pods, write_pod, &out);
    buf_append_str(&out, "]}\n");
    body = refbuf_from(&out);
    http_respond(req, 200, "application/json", NULL, 0, body);
}

/* ---- /exec and /attach/NAMESPACE/POD/CONTAINER, /portForward/NAMESPACE/POD, /podProxy/NAMESPACE/POD/PORT ---- */

static const struct pod *find_pod(struct agent *agent, struct http_request *req, char *const parts[PARTS_MAX],
                                  size_t count, size_t want)
{
    const struct pod *pod = agent->pods && count == want ? pods_find(agent->pods, parts[1], parts[2]) : NULL;

    if (!pod)
        respond_text(req, 404, count > 2 ? pool_printf(req->pool, "pod \"%s\" not found\n", parts[2]) : "not found\n");
    return pod;
}

static void serve_exec(struct agent *agent, struct http_request *req, char *const parts[PARTS_MAX], size_t count)
{
    const struct pod *pod = find_pod(agent, req, parts, count, 4);

    if (pod)
        exec_serve(agent, req, pod, parts[3]);
}

static void serve_attach(struct agent *agent, struct http_request *req, char *const parts[PARTS_MAX], size_t count)
{
    const struct pod *pod = find_pod(agent, req, parts, count, 4);

    if (pod)
        attach_serve(agent, req, pod, parts[3]);
}

static void serve_port_forward(struct agent *agent, struct http_request *req, char *const parts[PARTS_MAX],
                               size_t count)
{
    const struct pod *pod = find_pod(agent, req, parts, count, 3);

    if (pod)
        port_forward_serve(agent, req, pod);
}

static void serve_pod_proxy(struct agent *agent, struct http_request *req, char *const parts[PARTS_MAX], size_t count)
{
    const struct pod *pod = find_pod(agent, req, parts, count, 4);

    if (pod)
        pod_proxy_serve(agent, req, pod, parts[3]);
}

static void serve_health(struct agent *agent, struct http_request *req, char *const parts[PARTS_MAX], size_t count)
{
    respond_text(req, 200, "ok");
}

static const struct {
    const char *first;
    bool upgrades; /* by GET (WebSocket) or POST (SPDY) */
    void (*serve)(struct agent *agent, struct http_request *req, char *const parts[PARTS_MAX], size_t count);
} routes[] = {
    {"containerLogs", false, serve_logs}, {"pods", false, serve_pods},    {"healthz", false, serve_health},
    {"exec", true, serve_exec},           {"attach", true, serve_attach}, {"portForward", true, serve_port_forward},
    {"podProxy", false, serve_pod_proxy},
};

static void handle(struct http_request *req, void *arg)
{
    struct node_server *s = arg;
    char *parts[PARTS_MAX];
    size_t count;

    if (!is_allowed(req->peer)) {
        log_warning("agent", "a request from %s as \"%s\" was refused: only the API server is answered here",
                    req->peer->address, req->peer->common_name ? req->peer->common_name : "");
        respond_text(req, 403, "Forbidden\n");
        return;
    }
    if (slice_is(req->method, "GET") && node_stats_serve(s->agent, req))
        return;
    count = split_path(req, parts);
    for (size_t i = 0; count && i < ARRAY_SIZE(routes); i++) {
        if (strcmp(routes[i].first, parts[0]) != 0)
            continue;
        if (slice_is(req->method, "GET") || (routes[i].upgrades && slice_is(req->method, "POST")))
            routes[i].serve(s->agent, req, parts, count);
        else
            respond_text(req, 405, "Method Not Allowed\n");
        return;
    }
    respond_text(req, 404, "404 page not found\n");
}

int node_server_start(struct agent *agent, struct slice certificate, struct slice key, struct slice ca,
                      struct node_server **ret_server, struct error *err)
{
    struct node_server *s = mem_zalloc(sizeof(*s));
    const struct http_server_options options = {.address = agent->config.address,
                                                .port = agent->config.port,
                                                .certificate = certificate,
                                                .key = key,
                                                .client_ca = ca,
                                                .client_certificate_required = true,
                                                .connections_max = 256};

    if (http_listener_open(&options, &s->listener, err) < 0) {
        free(s);
        return error_wrap(err, "starting the node server");
    }
    s->agent = agent;
    s->server = http_server_start(s->listener, agent->loop, handle, s);
    *ret_server = s;
    return 0;
}

int node_server_set_certificate(struct node_server *server, struct slice certificate, struct slice key,
                                struct error *err)
{
    return http_listener_set_certificate(server->listener, certificate, key, err);
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

void node_server_free(struct node_server *server)
{
    bool stopped = false;

    if (!server)
        return;
    http_server_stop(server->server, 0, set_true, &stopped);
    while (!stopped)
        loop_turn(server->agent->loop, true);
    http_server_free(server->server);
    http_listener_free(server->listener);
    free(server);
}
