/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /podProxy/NAMESPACE/POD/PORT, upgraded: a connection to a port at the pod's own address, for pods/proxy and
 * services/proxy. The request names a pod of this node and never an address, so nothing else can be reached; and it is
 * the pod's address that is dialled, not its localhost, so what a program offers to its own pod alone stays its own.
 * With tls=true TLS is spoken to the pod here, without a look at its certificate, as upstream's API server does.
 *
 *     DIALLING --connected--> TAKING --opened--> JOINED --closed--> freed
 *        |--no connection: refused      `--the API server is gone: cut, freed
 *        `--the API server is gone: cancelled (a hook on the request's pool)
 */
#include "agent/session.h"
#include "lib/http_join.h"
#include "lib/http_tunnel.h"

#define DIAL_MS 10000
#define IDLE_MS (UINT64_C(4) * 3600 * 1000) /* as of all streams of a node */

struct pod_proxy {
    struct session session;
    struct http_request *req;   /* gone once the connection is taken */
    struct http_tunnel *tunnel; /* DIALLING */
    struct http_socket *pod;    /* TAKING */
};

static void proxy_free(struct pod_proxy *p)
{
    session_remove(&p->session);
    free(p);
}

/* Ends all connections to pods, this one among them. */
static void proxy_on_agent_end(struct session *session)
{
    http_client_free(STEAL(session->agent->pod_client));
}

static void proxy_on_done(void *arg)
{
    proxy_free(arg);
}

static void proxy_on_taken(void *arg, struct http_socket *socket)
{
    struct pod_proxy *p = arg;

    p->req = NULL;
    if (socket) {
        (void)http_join_start(p->session.agent->loop, socket, p->pod, IDLE_MS, proxy_on_done, p);
        return;
    }
    http_socket_discard(p->pod);
    proxy_free(p);
}

static void proxy_on_dialled(void *arg, const struct http_tunnel_answer *answer)
{
    static const struct http_header headers[] = {{"upgrade", {POD_PROXY_PROTOCOL, sizeof(POD_PROXY_PROTOCOL) - 1}}};
    struct pod_proxy *p = arg;
    struct http_request *req = p->req;
    ERROR_LOCAL(err);

    p->tunnel = NULL;
    req->user = NULL; /* nothing to cancel any more */
    if (answer->socket) {
        p->pod = answer->socket;
        http_take_over(req, headers, ARRAY_SIZE(headers), proxy_on_taken, p);
        return;
    }
    proxy_free(p);
    (void)error_set(&err, ERROR_UNAVAILABLE, "%s", error_text(answer->err));
    session_refuse(req, &err);
}

static void proxy_request_gone(void *arg)
{
    struct http_request *req = arg;
    struct pod_proxy *p = req->user;

    if (!p)
        return;
    http_tunnel_cancel(p->tunnel);
    proxy_free(p);
}

static struct http_client *proxy_client(struct agent *agent)
{
    if (!agent->pod_client)
        agent->pod_client = http_client_new(agent->loop, &(struct http_client_options){.insecure_skip_verify = true});
    return agent->pod_client;
}

static void proxy_dial(struct agent *agent, struct http_request *req, const char *address, uint16_t port)
{
    bool tls = http_query_bool(req->pool, req->query, "tls");
    bool v6 = strchr(address, ':') != NULL;
    const struct http_tunnel_options options = {.plain = true,
                                                .url = pool_printf(req->pool, "%s://%s%s%s:%u", tls ? "https" : "http",
                                                                   v6 ? "[" : "", address, v6 ? "]" : "", port),
                                                .timeout_ms = DIAL_MS};
    struct pod_proxy *p = mem_zalloc(sizeof(*p));
    ERROR_LOCAL(err);

    if (session_add(&p->session, agent, proxy_on_agent_end, &err) < 0) {
        session_refuse(req, &err);
        free(p);
        return;
    }
    p->req = req;
    req->user = p;
    pool_on_free(req->pool, proxy_request_gone, req);
    p->tunnel = http_tunnel_open(proxy_client(agent), &options, proxy_on_dialled, p);
}

void pod_proxy_serve(struct agent *agent, struct http_request *req, const struct pod *pod, const char *port_text)
{
    const char *address;
    int64_t port;
    ERROR_LOCAL(err);

    if (!slice_to_int64(slice_str(port_text), &port) || port < 1 || port > 65535)
        (void)error_set(&err, ERROR_BAD_REQUEST, "%s is no port", port_text);
    else if (!req->upgrade || !slice_is(http_request_header(req, "upgrade"), POD_PROXY_PROTOCOL))
        (void)error_set(&err, ERROR_BAD_REQUEST, "Upgrade request required: %s", POD_PROXY_PROTOCOL);
    else if (pod_find_address(pod, &address, &err) >= 0) {
        proxy_dial(agent, req, address, (uint16_t)port);
        return;
    }
    session_refuse(req, &err);
}
