/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port-forward in the messages of a WebSocket: for the i-th port of the query, channel 2i carries the bytes and 2i+1 a
 * text of what went wrong. On each the first message is the port, in two bytes, the lower first. There is one
 * connection to each port; when all have ended the WebSocket is closed.
 */
#include "agent/port_forward.h"
#include "agent/port_forward_conn.h"
#include "lib/encoding.h"
#include "lib/websocket_conn.h"

#define PORTS_MAX   32
#define MESSAGE_MAX (4u << 20)

struct forward_port {
    struct forward_ports *owner;
    uint16_t port;
    struct forward_conn *pod; /* NULL once ended */
};

struct forward_ports {
    struct session session;
    struct websocket_conn *conn;
    struct forward_port ports[PORTS_MAX];
    size_t count;
    size_t open;
    bool input_paused;
    bool output_paused;
    bool over;
};

static void ports_send(struct forward_ports *f, size_t channel, struct slice data)
{
    const char number = (char)channel;

    websocket_send(f->conn, WEBSOCKET_BINARY, slice_make(&number, 1), data);
}

static size_t data_channel(const struct forward_port *p)
{
    return 2 * (size_t)(p - p->owner->ports);
}

static void ports_pause_all(struct forward_ports *f, bool paused)
{
    f->output_paused = paused;
    for (size_t i = 0; i < f->count; i++)
        if (f->ports[i].pod)
            forward_conn_pause(f->ports[i].pod, paused);
}

static void pod_on_data(void *arg, struct slice data)
{
    struct forward_port *p = arg;

    ports_send(p->owner, data_channel(p), data);
    if (!p->owner->output_paused && websocket_pending(p->owner->conn) > FORWARD_OUTPUT_HIGH)
        ports_pause_all(p->owner, true);
}

static void ports_resume_input(struct forward_ports *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->ports[i].pod && forward_conn_pending(f->ports[i].pod) > FORWARD_INPUT_HIGH)
            return;
    if (f->input_paused)
        websocket_pause(f->conn, false);
    f->input_paused = false;
}

static void pod_on_end(void *arg, const char *why)
{
    struct forward_port *p = arg;
    struct forward_ports *f = p->owner;

    if (why)
        ports_send(f, data_channel(p) + 1, slice_str(why));
    forward_conn_free(p->pod);
    p->pod = NULL;
    ports_resume_input(f);
    if (--f->open == 0) {
        f->over = true;
        websocket_close(f->conn, WEBSOCKET_CODE_NORMAL);
    }
}

static void pod_on_drained(void *arg)
{
    ports_resume_input(((struct forward_port *)arg)->owner);
}

static void ports_on_message(void *arg, enum websocket_opcode opcode, struct slice data)
{
    struct forward_ports *f = arg;
    size_t channel = data.len ? (unsigned char)data.data[0] : 1;
    struct forward_conn *pod = channel % 2 == 0 && channel / 2 < f->count ? f->ports[channel / 2].pod : NULL;

    (void)opcode;
    if (!pod || f->over)
        return;
    forward_conn_write(pod, slice_from(data, 1));
    if (!f->input_paused && forward_conn_pending(pod) > FORWARD_INPUT_HIGH) {
        f->input_paused = true;
        websocket_pause(f->conn, true);
    }
}

static void ports_on_drained(void *arg)
{
    struct forward_ports *f = arg;

    if (f->output_paused)
        ports_pause_all(f, false);
}

static void ports_free(struct forward_ports *f)
{
    for (size_t i = 0; i < f->count; i++)
        forward_conn_free(f->ports[i].pod);
    session_remove(&f->session);
    free(f);
}

static void ports_on_closed(void *arg, bool clean)
{
    (void)clean;
    ports_free(arg);
}

static void ports_on_agent_end(struct session *session)
{
    ports_free(container_of(session, struct forward_ports, session));
}

/* ---- the request ---- */

/* "ports=80&ports=81", or "ports=80,81". */
static int read_ports(struct forward_ports *f, struct http_request *req, struct error *err)
{
    struct slice rest = req->query;
    struct slice pair;
    struct slice name;
    struct slice one;

    while (rest.len && slice_split(&rest, '&', &pair)) {
        struct slice list;
        BUF_LOCAL(value);

        if (!slice_split(&pair, '=', &name) || !pair.data || !slice_is(name, "ports"))
            continue;
        if (!percent_decode(&value, pair, true))
            return error_set(err, ERROR_BAD_REQUEST, "ports cannot be read");
        list = buf_slice(&value);
        while (slice_split(&list, ',', &one))
            if (f->count == PORTS_MAX || !forward_read_port(one, &f->ports[f->count++].port))
                return error_set(err, ERROR_BAD_REQUEST, "\"ports\" must be up to %d port numbers", PORTS_MAX);
    }
    return f->count ? 0 : error_set(err, ERROR_BAD_REQUEST, "query parameter \"ports\" is required");
}

static int choose_protocol(const struct http_request *req, struct slice *ret_protocol, struct error *err)
{
    struct slice offered[WEBSOCKET_PROTOCOLS_MAX];
    size_t count = websocket_protocols(req, offered);

    *ret_protocol = SLICE_NONE;
    for (size_t i = 0; i < count; i++)
        if (slice_is(offered[i], "v4.channel.k8s.io")) {
            *ret_protocol = SLICE_LIT("v4.channel.k8s.io");
            return 0;
        }
    return count ? error_set(err, ERROR_BAD_REQUEST,
                             "no subprotocol that is offered is served; SPDY/3.1+portforward.k8s.io and "
                             "v4.channel.k8s.io are")
                 : 0;
}

static void ports_dial(struct forward_ports *f, const char *network)
{
    static const struct forward_conn_events events = {pod_on_data, pod_on_end, pod_on_drained};

    f->open = f->count;
    for (size_t i = 0; i < f->count; i++) {
        const char bytes[2] = {(char)(f->ports[i].port & 0xff), (char)(f->ports[i].port >> 8)};

        ports_send(f, 2 * i, slice_make(bytes, sizeof(bytes)));
        ports_send(f, 2 * i + 1, slice_make(bytes, sizeof(bytes)));
        f->ports[i].owner = f;
        f->ports[i].pod = forward_conn_open(f->session.agent, network, f->ports[i].port, &events, &f->ports[i]);
    }
}

void forward_serve_websocket(struct agent *agent, struct http_request *req, const char *network)
{
    static const struct websocket_events events = {ports_on_message, ports_on_drained, ports_on_closed};
    struct forward_ports *f = mem_zalloc(sizeof(*f));
    struct slice protocol;
    ERROR_LOCAL(err);

    if (session_add(&f->session, agent, ports_on_agent_end, &err) < 0) {
        session_refuse(req, &err);
        free(f);
        return;
    }
    if (read_ports(f, req, &err) < 0 || choose_protocol(req, &protocol, &err) < 0) {
        session_refuse(req, &err);
        f->count = 0;
        ports_free(f);
        return;
    }
    f->conn = websocket_upgrade(req, protocol, MESSAGE_MAX, &events, f);
    websocket_be_patient(f->conn);
    ports_dial(f, network);
}
