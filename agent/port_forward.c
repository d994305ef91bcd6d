/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port-forward over SPDY, raw or inside a WebSocket as kubectl does. For each connection the client opens two streams
 * with the same request id: "error" for one text, "data" for the bytes.
 *
 *     one connection: HALF (one stream is there) --the other--> JOINED --both halves of the data ended--> gone
 *                                                        `--the client resets the data stream-----------^
 *
 * All share one transport, so what one of them cannot take holds up the others; that is what bounds the memory.
 */
#include "agent/port_forward.h"

#include "agent/port_forward_conn.h"
#include "lib/spdy_conn.h"
#include "lib/websocket_conn.h"

#define CONNECTIONS_MAX 256
#define PROTOCOL        "portforward.k8s.io"
#define TUNNEL_PROTOCOL "SPDY/3.1+portforward.k8s.io"
#define ID_MAX          64

struct forward {
    struct session session;
    struct spdy_conn *conn; /* NULL once closed */
    char *network;
    struct list links; /* of struct forward_link */
    size_t count;
    bool output_paused;
    bool input_paused;
};

struct forward_link {
    struct list link;
    struct forward *forward;
    char *id;
    uint16_t port;
    uint32_t error_stream; /* 0 = not there yet */
    uint32_t data_stream;
    struct forward_conn *pod; /* JOINED */
    bool input_ended;
    bool output_ended;
};

bool forward_read_port(struct slice text, uint16_t *ret_port)
{
    int64_t port;

    if (!slice_to_int64(text, &port) || port < 1 || port > 65535)
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

static void link_free(struct forward_link *l)
{
    list_remove(&l->link);
    l->forward->count--;
    forward_conn_free(l->pod);
    free(l->id);
    free(l);
}

static void forward_resume_input(struct forward *f)
{
    if (!f->input_paused)
        return;
    list_for_each (it, &f->links) {
        struct forward_link *l = container_of(it, struct forward_link, link);

        if (l->pod && forward_conn_pending(l->pod) > FORWARD_INPUT_HIGH)
            return;
    }
    f->input_paused = false;
    spdy_pause(f->conn, false);
}

/* It leaves, and those that stay may go on. */
static void link_leave(struct forward_link *l)
{
    list_remove(&l->link);
    forward_resume_input(l->forward);
    link_free(l);
}

static void link_maybe_free(struct forward_link *l)
{
    if (l->input_ended && l->output_ended)
        link_leave(l);
}

/* ---- from the pod ---- */

static void pod_on_data(void *arg, struct slice data)
{
    struct forward_link *l = arg;
    struct forward *f = l->forward;

    spdy_send(f->conn, l->data_stream, data, false);
    if (f->output_paused || spdy_pending(f->conn) <= FORWARD_OUTPUT_HIGH)
        return;
    f->output_paused = true;
    list_for_each (it, &f->links) {
        struct forward_link *other = container_of(it, struct forward_link, link);

        if (other->pod)
            forward_conn_pause(other->pod, true);
    }
}

static void pod_on_end(void *arg, const char *why)
{
    struct forward_link *l = arg;

    spdy_send(l->forward->conn, l->error_stream, slice_str(why), true);
    spdy_send(l->forward->conn, l->data_stream, SLICE_NONE, true);
    l->output_ended = true;
    l->input_ended = l->input_ended || why;
    link_maybe_free(l);
}

static void pod_on_drained(void *arg)
{
    forward_resume_input(((struct forward_link *)arg)->forward);
}

/* ---- from the client ---- */

static void link_join(struct forward_link *l)
{
    static const struct forward_conn_events events = {pod_on_data, pod_on_end, pod_on_drained};
    struct forward *f = l->forward;

    l->pod = forward_conn_open(f->session.agent, f->network, l->port, &events, l);
    forward_conn_pause(l->pod, f->output_paused);
}

static struct slice header_of(const struct spdy_header *headers, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(headers[i].name, name))
            return headers[i].value;
    return SLICE_NONE;
}

/* The connection of that id that still waits for this stream, or a new one; NULL when there are too many. */
static struct forward_link *link_find(struct forward *f, struct slice id, bool error, uint16_t port)
{
    struct forward_link *l;

    list_for_each (it, &f->links) {
        l = container_of(it, struct forward_link, link);
        if (slice_is(id, l->id) && !(error ? l->error_stream : l->data_stream))
            return l;
    }
    if (f->count == CONNECTIONS_MAX)
        return NULL;
    l = mem_zalloc(sizeof(*l));
    l->forward = f;
    l->id = slice_dup(id);
    l->port = port;
    list_append(&f->links, &l->link);
    f->count++;
    return l;
}

static void forward_on_opened(void *arg, uint32_t stream, const struct spdy_header *headers, size_t count)
{
    struct forward *f = arg;
    struct slice type = header_of(headers, count, "streamtype");
    struct slice id = header_of(headers, count, "requestid");
    bool error = slice_is(type, "error");
    struct forward_link *l = NULL;
    uint16_t port;

    if ((error || slice_is(type, "data")) && id.len <= ID_MAX &&
        forward_read_port(header_of(headers, count, "port"), &port))
        l = link_find(f, id, error, port);
    if (!l) {
        spdy_reset(f->conn, stream, SPDY_REFUSED_STREAM);
        return;
    }
    if (error)
        l->error_stream = stream;
    else
        l->data_stream = stream;
    spdy_accept(f->conn, stream);
    if (l->error_stream && l->data_stream)
        link_join(l);
}

static struct forward_link *link_of_data(struct forward *f, uint32_t stream)
{
    list_for_each (it, &f->links) {
        struct forward_link *l = container_of(it, struct forward_link, link);

        if (l->data_stream == stream)
            return l;
    }
    return NULL;
}

static void forward_on_data(void *arg, uint32_t stream, struct slice data, bool fin)
{
    struct forward *f = arg;
    struct forward_link *l = link_of_data(f, stream);

    if (!l || !l->pod)
        return;
    forward_conn_write(l->pod, data);
    if (fin) {
        l->input_ended = true;
        forward_conn_finish(l->pod);
        link_maybe_free(l);
    } else if (!f->input_paused && forward_conn_pending(l->pod) > FORWARD_INPUT_HIGH) {
        f->input_paused = true;
        spdy_pause(f->conn, true);
    }
}

static void forward_on_reset(void *arg, uint32_t stream)
{
    struct forward *f = arg;
    struct forward_link *l = link_of_data(f, stream);

    if (!l)
        return;
    /* kubectl keeps its side of the connection until it knows that there was no error. */
    if (!l->output_ended)
        spdy_send(f->conn, l->error_stream, SLICE_NONE, true);
    link_leave(l);
}

static void forward_on_drained(void *arg)
{
    struct forward *f = arg;

    if (!f->output_paused)
        return;
    f->output_paused = false;
    list_for_each (it, &f->links) {
        struct forward_link *l = container_of(it, struct forward_link, link);

        if (l->pod)
            forward_conn_pause(l->pod, false);
    }
}

static void forward_free(struct forward *f)
{
    list_for_each_safe (it, next, &f->links)
        link_free(container_of(it, struct forward_link, link));
    session_remove(&f->session);
    free(f->network);
    free(f);
}

static void forward_on_closed(void *arg)
{
    forward_free(arg);
}

static void forward_on_agent_end(struct session *session)
{
    forward_free(container_of(session, struct forward, session));
}

/* ---- the request ---- */

static bool offers_tunnel(const struct http_request *req)
{
    struct slice offered[WEBSOCKET_PROTOCOLS_MAX];
    size_t count = websocket_protocols(req, offered);

    for (size_t i = 0; i < count; i++)
        if (slice_is(offered[i], TUNNEL_PROTOCOL))
            return true;
    return false;
}

static void forward_serve_spdy(struct agent *agent, struct http_request *req, const char *network)
{
    static const struct spdy_conn_events events = {forward_on_opened, forward_on_data, forward_on_reset,
                                                   forward_on_drained, forward_on_closed};
    struct forward *f = mem_zalloc(sizeof(*f));
    ERROR_LOCAL(err);

    if (session_add(&f->session, agent, forward_on_agent_end, &err) < 0) {
        session_refuse(req, &err);
        free(f);
        return;
    }
    list_init(&f->links);
    f->network = network ? mem_strdup(network) : NULL;
    f->conn = websocket_requested(req) ? spdy_upgrade_websocket(req, SLICE_LIT(TUNNEL_PROTOCOL), &events, f)
                                       : spdy_upgrade(req, PROTOCOL, &events, f);
}

void port_forward_serve(struct agent *agent, struct http_request *req, const struct pod *pod)
{
    const char *network;
    ERROR_LOCAL(err);

    if (pod_find_network(pod, &network, &err) < 0 || (websocket_requested(req) && websocket_check(req, &err) < 0)) {
        session_refuse(req, &err);
    } else if (spdy_requested(req) || (websocket_requested(req) && offers_tunnel(req))) {
        forward_serve_spdy(agent, req, network);
    } else if (websocket_requested(req)) {
        forward_serve_websocket(agent, req, network);
    } else {
        (void)error_set(&err, ERROR_BAD_REQUEST, "Upgrade request required");
        session_refuse(req, &err);
    }
}
